"""Two releases side by side: gates, metrics, policies, sites by country; text, JSON and HTML.

The dossier shows the same of a release and the one sealed before it.
"""

from __future__ import annotations

import base64
import csv
import html
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scripts.contracts import dataset_path, read_dataset, read_object
from scripts.geo.snapshot import load_countries
from scripts.governance.releases import read_release
from scripts.governance.verdict import gate_table, percent
from scripts.report.site_map import draw
from scripts.tables import publish

Json = Mapping[str, Any]
SHOWN = 12
# Where a policy file stands in a run: policy.s6.jitter.wide.yaml is one of policy.s6.jitter.
_ROLE_PARTS = 3


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Values of nested mappings by dotted key."""
    if not isinstance(value, Mapping):
        return {path: value}
    found: dict[str, Any] = {}
    for key, below in value.items():
        found.update(_leaves(below, f"{path}.{key}" if path else str(key)))
    return found


@dataclass(frozen=True)
class Side:
    """One of two releases: its name, its certificate, the text of its policies by path, and the
    mean sites of a country over its seeds.
    """

    name: str
    certificate: Json
    policies: Mapping[str, str]
    sites_by_country: Mapping[str, float]

    def policy_keys(self) -> dict[str, Any]:
        """Values of all policies by role and dotted key."""
        keys = {}
        for path, text in self.policies.items():
            role = ".".join(Path(path).name.split(".")[:_ROLE_PARTS]).removesuffix(".yaml")
            for key, value in _leaves(yaml.safe_load(text)).items():
                keys[f"{role}: {key}"] = value
        return keys


def sealed_side(folder: Path) -> Side:
    """A sealed release, given by its folder."""
    manifest = read_release(folder)
    certificate = dataset_path(folder, "segment1b_p5_certification")
    tokens = [{"run_id": manifest["run"]["run_id"], "seed": seed} for seed in manifest["seeds"]]
    return Side(
        manifest["release"],
        read_object("segment1b_p5_certification", certificate),
        {path: sealed["text"] for path, sealed in manifest["policies"].items()},
        mean_sites(dataset_path(folder, "segment1b_country_share", **one) for one in tokens),
    )


def mean_sites(shares: Iterable[str | Path]) -> dict[str, float]:
    """Mean sites of a country over the tables of several seeds."""
    paths = list(shares)
    total: dict[str, float] = {}
    for path in paths:
        with Path(path).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                iso = row["country_iso"]
                total[iso] = total.get(iso, 0.0) + float(row["site_count"])
    return {iso: count / len(paths) for iso, count in total.items()}


def _differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Keys whose values differ, with both values; None where one has no such key."""
    keys = sorted({*first, *second})
    pairs = {key: [first.get(key), second.get(key)] for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def compared(first: Side, second: Side) -> dict[str, Any]:
    """All that differs between two releases."""
    sides = (first, second)
    certificates = [side.certificate for side in sides]
    metrics = [
        {
            f"{metric} seed {seed}": value
            for seed, measured in certificate["seeds_measured"].items()
            for metric, value in measured["metrics"].items()
        }
        for certificate in certificates
    ]
    gates = [
        {entry["gate"]: entry["margin"] for entry in gate_table(certificate["rows"])}
        for certificate in certificates
    ]
    told = [
        {f"{row['metric']} seed {row['seed']}": row["observed"] for row in c["fidelity_rows"]}
        for c in certificates
    ]
    return {
        "releases": [side.name for side in sides],
        "grades": [certificate["verdict"]["grade"] for certificate in certificates],
        "seeds": [certificate["seeds"] for certificate in certificates],
        "margins": {g: [side.get(g) for side in gates] for g in sorted({*gates[0], *gates[1]})},
        "metrics": _differences(*metrics),
        "fidelity": _differences(*told),
        "policies": _differences(*(side.policy_keys() for side in sides)),
        "sites_by_country": _differences(*(side.sites_by_country for side in sides)),
    }  # fmt: skip


def _changes(pairs: Mapping[str, Sequence[Any]]) -> list[tuple[str, float, float]]:
    """Countries by how far their sites moved, the furthest first; a missing one has none."""
    moved = [(key, float(a or 0.0), float(b or 0.0)) for key, (a, b) in pairs.items()]
    return sorted(moved, key=lambda entry: -abs(entry[2] - entry[1]))


def _text(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else "none" if value is None else str(value)


def sections(document: Json) -> dict[str, list[tuple[str, str, str]]]:
    """What a person reads: rows of a name and both sides, by section."""
    margins = {
        gate: [percent(side) for side in pair]
        for gate, pair in document["margins"].items()
        if gate != "checks"
    }
    moved = _changes(document["sites_by_country"])
    rows = {
        "grade": [("grade", *document["grades"])],
        "thinnest margin of each gate": [(gate, *pair) for gate, pair in margins.items()],
        "policies that differ": [
            (key, *map(_text, pair)) for key, pair in document["policies"].items()
        ],
        "metrics that differ": [
            (key, *map(_text, pair)) for key, pair in document["metrics"].items()
        ],
        "fidelity that differs": [
            (key, *map(_text, pair)) for key, pair in document["fidelity"].items()
        ],
        f"sites by country, mean over seeds: {len(moved)} differ": [
            (iso, _text(a), _text(b)) for iso, a, b in moved
        ],
    }
    return {title: found for title, found in rows.items() if found}


def lines(document: Json) -> list[str]:
    """The comparison as text; long sections are cut."""
    first, second = document["releases"]
    told = [f"{'':<52}{first:>22}{second:>22}"]
    for title, rows in sections(document).items():
        told += ["", title]
        told += [f"{name[:50]:<52}{a[:20]:>22}{b[:20]:>22}" for name, a, b in rows[:SHOWN]]
        more = len(rows) - SHOWN
        told += [f"... and {more} more; --json prints all"] if more > 0 else []
    return told


def _map_of(folder: Path, reference: Path) -> str:
    """Map of the first seed of a release, as the source of an image."""
    manifest = read_release(folder)
    seed = min(manifest["seeds"])
    path = dataset_path(folder, "site_locations", run_id=manifest["run"]["run_id"], seed=seed)
    sites = read_dataset("site_locations", path, ["lon_deg", "lat_deg"])
    title = f"{manifest['release']}, seed {seed}: {sites.num_rows:,} sites"
    with tempfile.TemporaryDirectory() as scratch:
        picture = Path(scratch) / "map.png"
        draw(
            str(picture),
            sites["lon_deg"].to_numpy(),
            sites["lat_deg"].to_numpy(),
            load_countries(reference / "countries.parquet").geometry,
            title,
        )
        return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode("ascii")


def write_page(path: Path, document: Json, folders: Sequence[Path], reference: Path) -> None:
    """The comparison as one page without references, a map of each release on top."""
    escape = html.escape
    names = " and ".join(map(escape, document["releases"]))
    body = [f"<h1>{names}</h1>", "<div class=maps>"]
    for folder in folders:
        picture = _map_of(folder, reference)
        body.append(f'<img alt="sites of {escape(folder.name)}" src="{picture}">')
    body.append("</div>")
    for title, rows in sections(document).items():
        cells = "".join(
            f"<tr><td>{escape(name)}<td>{escape(a)}<td>{escape(b)}" for name, a, b in rows
        )
        head = "".join(f"<th>{escape(name)}" for name in ("", *document["releases"]))
        body.append(f"<h2>{escape(title)}</h2><table><tr>{head}{cells}</table>")
    style = (
        "body{font:15px/1.4 sans-serif;max-width:75rem;margin:1rem auto;padding:0 1rem}"
        ".maps{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:1rem}"
        "img{width:100%}table{border-collapse:collapse;display:block;overflow-x:auto}"
        "td,th{padding:.2rem .8rem;text-align:left;border-bottom:1px solid #ddd}"
    )
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{names}</title><style>{style}</style>{''.join(body)}</html>\n"
    )
    with publish(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
