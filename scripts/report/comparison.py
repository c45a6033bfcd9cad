"""Two releases side by side: gates, metrics, policies, sites by country; text, JSON and HTML.

The dossier shows the same of a release and the other one sealed last.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from scripts.contracts import dataset_path, read_object
from scripts.governance.releases import read_release
from scripts.governance.verdict import gate_table, percent
from scripts.overwriting import require_replaceable
from scripts.policies import schema_name
from scripts.scorers import companions
from scripts.tables import write_text

Json = Mapping[str, Any]
SHOWN = 12
TEMPLATE = Path(__file__).parent / "pages/comparison.html.jinja"


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
            role = schema_name(path).removesuffix(".yaml")
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
        for row in companions.read_csv("segment1b_country_share", path):
            iso = row["country_iso"]
            total[iso] = total.get(iso, 0.0) + row["site_count"]
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


def _change(pair: Sequence[float | None]) -> float:
    """How far two values are apart; infinite where one is undefined."""
    first, second = pair
    return math.inf if first is None or second is None else abs(second - first)


def _text(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else "none" if value is None else str(value)


def _pairs(pairs: Mapping[str, Sequence[Any]]) -> list[tuple[str, str, str]]:
    return [(key, _text(a), _text(b)) for key, (a, b) in pairs.items()]


def sections(document: Json) -> dict[str, list[tuple[str, str, str]]]:
    """What a person reads: rows of a name and both sides, by section."""
    margins = {
        gate: [percent(side) for side in pair]
        for gate, pair in sorted(document["margins"].items(), key=lambda item: -_change(item[1]))
        if gate != "checks" and pair[0] != pair[1]
    }
    moved = _changes(document["sites_by_country"])
    rows = {
        "grade": [("grade", *document["grades"])],
        "thinnest margins that differ": [(gate, *pair) for gate, pair in margins.items()],
        "policies that differ": _pairs(document["policies"]),
        "metrics that differ": _pairs(document["metrics"]),
        "fidelity that differs": _pairs(document["fidelity"]),
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


def _map_of(folder: Path) -> str:
    """Map that a release was sealed with, that of its first seed, as base64."""
    manifest = read_release(folder)
    tokens = {"run_id": manifest["run"]["run_id"], "seed": min(manifest["seeds"])}
    picture = dataset_path(folder, "segment1b_site_map", **tokens)
    return base64.b64encode(picture.read_bytes()).decode("ascii")


def write_page(path: Path, document: Json, folders: Sequence[Path]) -> None:
    """The comparison as one page without references, a map of each release on top.

    Raises
    ------
    ConfigError
        ``EC22`` a file at ``path`` that is no page.
    """
    require_replaceable(path, "--html", "page", lambda content: content.startswith(b"<!doctype"))
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    maps = {folder.name: _map_of(folder) for folder in folders}
    page = template.render(releases=document["releases"], maps=maps, sections=sections(document))
    write_text(path, page + "\n")
