"""The dossier: one HTML file with everything that a reviewer needs to sign a release.

It holds its style, code, figures, coordinates and borders, and a policy that forbids the browser to
load anything else.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from PIL import Image

from scripts.contracts import read_object
from scripts.entry import run
from scripts.geo.snapshot import load_countries, load_facts
from scripts.report.embedding import embed_land, embed_sites
from scripts.scorers.gates import AT_MOST, GATES
from scripts.scorers.scorecard import read_sites
from scripts.tables import read_json, write_text

Json = Mapping[str, Any]
YES_OR_NO = ("collapse", "structural", "validation")
GRADE_NAMES = {"BPLUS": "B+", "B": "B", "BELOW_B": "below B"}
LABELS = {
    "country_gini": "Gini of countries",
    "top1_share": "Share of the top 1 % of countries",
    "top5_share": "Share of the top 5 % of countries",
    "top10_share": "Share of the top 10 % of countries",
    "eligible_country_nonzero_share": "Eligible countries with sites",
    "southern_hemisphere_share": "Share south of the equator",
    "nn_contraction": "Contraction of the distance tail",
    "nn_p99_p50_ratio": "Distance ratio p99 ÷ p50",
    "no_collapse": "Countries collapsed to a line or a point",
    "s9_structural": "Structural checks failed in S9",
    "s9_realism": "Realism checks failed in S9",
    "s9_passed": "S9 passed",
    "no_site_outside_eligible": "Sites outside eligible countries",
    "spearman_median": "Median rank correlation with population",
    "overlap_median": "Median overlap with population",
    "urban_difference_points": "Urban share, difference in points",
    "nn_p50_m_min": "Median distance, metres, lower end",
    "nn_p50_m_max": "Median distance, metres, upper end",
    "nn_ratio": "Distance ratio p99 ÷ p50, lower end",
    "time_zones_reached_share": "Countries that reach two of their time zones",
}
FIGURES: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "map_baseline",
        "wide",
        "Baseline: every site of seed {seed}",
        "World map: the baseline's sites stand in short rows in few countries.",
        "One translucent disc per site, Equal Earth projection.",
    ),
    (
        "map_release",
        "wide",
        "Release: every site of seed {seed}",
        "World map: the release's sites cover the inhabited land of all countries.",
        "One translucent disc per site, Equal Earth projection: equal tone is equal density.",
    ),
    (
        "choropleth",
        "wide middle",
        "Share of sites by country",
        "Three world maps: baseline share, release share, release share over governed mass.",
        "Means over the seeds. The third map compares with the country mass that S2 governs: pale "
        "is on target, violet above, brown below.",
    ),
    (
        "lorenz",
        "",
        "Lorenz curves",
        "Lorenz curves: the release lies far nearer to equality than the baseline.",
        "Eligible countries, those without a site included; one curve per seed. Twice the area "
        "between a curve and the dotted line is the Gini.",
    ),
    (
        "nn_distances",
        "",
        "Distance to the nearest other site",
        "Cumulative curves of nearest-neighbour distance of both runs, logarithmic metres.",
        "All sites, great-circle distance, no sampling; one curve per seed.",
    ),
    (
        "top_countries",
        "wide chart",
        "Twenty largest countries",
        "Bar charts of the twenty largest countries of baseline and release.",
        "Means over the seeds; diamonds mark the mass that S2 governs.",
    ),
    (
        "lat_lon",
        "wide chart",
        "Latitude and longitude",
        "Histograms of sites by latitude and longitude against the population's.",
        "Seeds pooled, five-degree bins; the grey area is the population of the reference Earth.",
    ),
    (
        "close_ups",
        "wide chart",
        "Ten largest countries and five microstates",
        "Fifteen small maps of countries with their sites of seed {seed}.",
        "Seed {seed}, over the outlines of the snapshot; equal-area, each with its own scale.",
    ),
    (
        "fidelity",
        "wide chart",
        "Sites against population",
        "Sites per cell rise with people per cell; rank correlation by country against chance.",
        "Left: mean sites in one-degree cells of like population. Right: a dot per country, its "
        "area the number of sites; on the dotted line the release agrees with population as well "
        "as a random map of the same size.",
    ),
    (
        "time_zones",
        "wide middle chart",
        "Time zones",
        "For each country of several UTC offsets, the number of offsets with sites.",
        "In brackets the sites that a map in proportion to people would put off the main offset; "
        "every country shown has sites enough that a second offset is asked for.",
    ),
    (
        "ladder",
        "wide chart",
        "The ladder",
        "What each posture of the ladder moved, metric by metric.",
        "From the baseline through p1 to p4 to the release.",
    ),
)


def number(value: Any) -> str:
    """Four decimals for shares, fewer for larger values; a word for what could not be measured."""
    if value is None:
        return "undefined"
    if float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4f}"


def limit(value: Any) -> str:
    """A threshold as it is written in the gates."""
    return "undefined" if value is None else f"{value:g}"


def cell(value: Any) -> str:
    """Value that a column is sorted by; empty for what could not be measured."""
    return "" if value is None else repr(float(value))


def label_of(row: Json) -> str:
    """Plain name of a gate or fidelity row."""
    gate, metric = row["gate"], row["metric"]
    if gate == "region_floor":
        return f"Region floor: {metric.split('.', 1)[1]}"
    if gate == "stability":
        name = metric.split(".", 1)[1]
        return f"Variation across seeds: {LABELS.get(name, name)}"
    if gate.endswith("_interval"):
        return f"{LABELS.get(metric, metric)}, interval end"
    return LABELS.get(gate, LABELS.get(metric, gate.replace("_", " ")))


def _sign(row: Json) -> str:
    return "≤ " if row["direction"] == AT_MOST else "≥ "


def relative_margin(row: Json) -> float | None:
    """Margin over the size of its threshold.

    None for a value that could not be measured, and for a gate that only holds or breaks.
    """
    if row["margin"] is None or row["family"] in YES_OR_NO or not row["threshold"]:
        return None
    return float(row["margin"]) / abs(float(row["threshold"]))


def gate_rows(rows: Iterable[Json]) -> list[dict[str, Any]]:
    """One line per gate of one seed: B and B+ of the certificate side by side."""
    paired: dict[tuple[str, str], dict[str, Json]] = {}
    for row in rows:
        paired.setdefault((row["gate"], row["metric"]), {})[row["grade"]] = row
    lines = []
    for grades in paired.values():
        b, bplus = grades["B"], grades["BPLUS"]
        relative = relative_margin(bplus)
        interval = bplus["interval"]
        lines.append(
            {
                "label": label_of(bplus),
                "observed": number(bplus["observed"]),
                "observed_value": cell(bplus["observed"]),
                "interval": " to ".join(map(number, interval)) if interval else "",
                "b": _sign(b) + limit(b["threshold"]),
                "b_value": cell(b["threshold"]),
                "bplus": _sign(bplus) + limit(bplus["threshold"]),
                "bplus_value": cell(bplus["threshold"]),
                "relative": relative,
                "width": 0 if relative is None else round(100 * min(1.0, abs(relative)), 1),
                "margin_text": "" if relative is None else f"{100 * relative:+.0f} %",
                "b_passed": b["passed"],
                "passed": bplus["passed"],
                "reason": bplus["reason"],
            }
        )
    return lines


def gate_blocks(document: Json) -> list[dict[str, Any]]:
    """Gate tables: one per seed, then the gates across seeds."""
    blocks = []
    for seed in [*document["seeds"], "all"]:
        lines = gate_rows(row for row in document["rows"] if row["seed"] == seed)
        if lines:
            title = "Across seeds" if seed == "all" else f"Seed {seed}"
            blocks.append(
                {
                    "title": title,
                    "caption": f"{title}: observed value against both grades",
                    "rows": lines,
                    "passed": sum(line["passed"] for line in lines),
                }
            )
    return blocks


def headline(document: Json) -> list[dict[str, Any]]:
    """Graded metrics: mean of the baseline, value of each seed, threshold of B+."""
    lines = []
    for gate in GATES:
        seeds = [str(seed) for seed in document["seeds"]]
        known = [document["baseline_metrics"][seed][gate.metric] for seed in seeds]
        before = None if None in known else sum(known) / len(known)
        values = [document["seeds_measured"][seed]["metrics"][gate.metric] for seed in seeds]
        threshold = document["gates"]["gates"][gate.metric]["BPLUS"]
        sign = "≤ " if gate.direction == AT_MOST else "≥ "
        lines.append(
            {
                "label": LABELS[gate.metric],
                "baseline": number(before),
                "baseline_value": cell(before),
                "cells": [{"text": number(v), "value": cell(v)} for v in values],
                "threshold": sign + limit(threshold),
                "threshold_value": cell(threshold),
            }
        )
    return lines


def failing(document: Json) -> list[dict[str, Any]]:
    """Failing rows with the state to retune and its knobs."""
    return [
        {
            "gate": label_of(row),
            "grade": GRADE_NAMES[row["grade"]],
            "seed": row["seed"],
            "reason": row["reason"],
            "state": row["triage"]["state"],
            "knobs": ", ".join(row["triage"]["knobs"]),
        }
        for row in document["rows"]
        if not row["passed"]
    ]


def fidelity(document: Json) -> list[dict[str, Any]]:
    """Fidelity rows as they are shown."""
    return [
        {
            "label": label_of(row),
            "seed": row["seed"],
            "observed": number(row["observed"]),
            "observed_value": cell(row["observed"]),
            "threshold": _sign(row) + limit(row["threshold"]),
            "threshold_value": cell(row["threshold"]),
            "passed": row["passed"],
        }
        for row in document["fidelity_rows"]
    ]


def identity(document: Json) -> list[tuple[str, str]]:
    """What was certified: names, hashes and libraries, in reading order."""
    known = document["run"]
    lines = [
        ("run", known["run_id"]),
        ("upstream run", known["upstream_run_id"]),
        ("baseline run", document["baseline_run_id"]),
        ("parameter hash", document["parameter_hash"]),
    ]
    for seed in document["seeds"]:
        lines.append(
            (f"manifest fingerprint, seed {seed}", document["manifest_fingerprint"][str(seed)])
        )
    versions = sorted(document["libraries"].items())
    lines.append(("environment", ", ".join(f"{name} {version}" for name, version in versions)))
    lines.append(("gates", document["digests"]["gates"]))
    lines.append(("baseline report", document["digests"]["baseline_report"]))
    return lines


def digest_groups(document: Json) -> list[dict[str, Any]]:
    """Digests of policies and files, and versions of the rules, as tables."""
    groups = [
        {
            "title": "Versions of the states",
            "column": "Digest of code and contracts",
            "rows": sorted(document["rule_versions"].items()),
        }
    ]
    for key in ("policies", "scorecards", "receipts", "validation", "state_outputs"):
        groups.append(
            {
                "title": key.replace("_", " ").capitalize(),
                "column": "SHA-256",
                "rows": sorted(document["digests"][key].items()),
            }
        )
    return groups


def licences(manifest: Json) -> list[tuple[str, str, str]]:
    """Licence and attribution of every source of the snapshot, of the map library and the code."""
    rows = {
        (source["content"], source["licence"], source["attribution"])
        for entry in manifest["files"].values()
        for source in entry["sources"]
    }
    own = [
        ("This workflow", "MIT", "The Segment 1B authors"),
        ("Leaflet 1.9.4, inlined in this page", "BSD-2-Clause", "Volodymyr Agafonkin and others"),
        ("DejaVu Sans, outlines in the figures", "Bitstream Vera licence", "DejaVu Fonts team"),
    ]
    return sorted(rows) + own


def _svg_size(text: str) -> tuple[int, int]:
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    if not found:
        return 800, 600
    return round(float(found[1])), round(float(found[2]))


def load_figure(path: str) -> dict[str, Any]:
    """A figure as base64 with its media type and its size in pixels."""
    data = Path(path).read_bytes()
    vector = path.endswith(".svg")
    if vector:
        size = _svg_size(data[:4000].decode("utf-8", "replace"))
    else:
        with Image.open(path) as picture:
            size = picture.size
    return {
        "type": "image/svg+xml" if vector else "image/png",
        "vector": vector,
        "size": size,
        "data": base64.b64encode(data).decode("ascii"),
    }


def load_figures(paths: Mapping[str, str], seed: int) -> list[dict[str, Any]]:
    """Figures in reading order; those without a path are left out."""
    return [
        {
            "id": name,
            "width": width,
            "title": title.format(seed=seed),
            "alt": alt.format(seed=seed),
            "caption": caption.format(seed=seed),
            **load_figure(paths[name]),
        }
        for name, width, title, alt, caption in FIGURES
        if paths.get(name)
    ]


def _inline(text: str) -> Markup:
    """Text for a script element: nothing in it can close the element."""
    return Markup(text.replace("</", "<\\/"))


def library(folder: str) -> dict[str, Any]:
    """Leaflet's code, style and licence, without references to files of its own."""
    root = Path(folder)
    code = (root / "leaflet.js").read_text(encoding="utf-8")
    style = (root / "leaflet.css").read_text(encoding="utf-8")
    return {
        "leaflet_js": _inline(re.sub(r"//# sourceMappingURL=\S+", "", code)),
        "leaflet_css": Markup(re.sub(r"[\w-]+:\s*url\([^)]*\);?", "", style)),
        "leaflet_licence": (root / "LICENSE").read_text(encoding="utf-8"),
    }


def map_data(
    release: Sequence[str],
    baseline: Sequence[str],
    seeds: Sequence[int],
    countries: str,
    names: Json,
) -> str:
    """JSON that the map is drawn from: sites of both runs by seed, land, names of countries."""
    runs = {
        name: {
            str(seed): embed_sites(read_sites(path))
            for seed, path in zip(seeds, paths, strict=True)
        }
        for name, paths in (("release", release), ("baseline", baseline))
    }
    land = embed_land(load_countries(countries).geometry)
    whole = {"runs": runs, "land": land, "names": names}
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def render(template: str, document: Json, **parts: Any) -> str:
    """The page of a certificate."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    verdict = document["verdict"]
    sites = [document["seeds_measured"][str(seed)]["counts"]["sites"] for seed in document["seeds"]]
    page = environment.from_string(template).render(
        run=document["run"],
        verdict=verdict,
        grade_name=GRADE_NAMES[verdict["grade"]],
        minimum_name=GRADE_NAMES[verdict["minimum_grade"]],
        seeds=document["seeds"],
        sites_text=f"{min(sites):,} to {max(sites):,} sites a seed",
        all_rows=len(document["rows"]),
        passed_rows=sum(row["passed"] for row in document["rows"]),
        failing=failing(document),
        headline=headline(document),
        gate_blocks=gate_blocks(document),
        fidelity=fidelity(document),
        identity=identity(document),
        digests=digest_groups(document),
        eligible=document["eligible_countries"],
        **parts,
    )
    return page + "\n"


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``release_dossier``."""
    document = read_object("segment1b_p5_certification", inputs.certificate)
    facts = load_facts(inputs.facts)
    names = dict(zip(facts["country_iso"].to_pylist(), facts["name"].to_pylist(), strict=True))
    paths = {name: str(inputs.get(name) or "") for name, *_ in FIGURES}
    page = render(
        Path(inputs.template).read_text(encoding="utf-8"),
        document,
        css=Markup(Path(inputs.css).read_text(encoding="utf-8")),
        js=_inline(Path(inputs.js).read_text(encoding="utf-8")),
        map_data=_inline(
            map_data(inputs.release, inputs.baseline, document["seeds"], inputs.countries, names)
        ),
        figures=load_figures(paths, document["seeds"][0]),
        licences=licences(read_json(inputs.manifest)),
        **library(str(Path(inputs.leaflet_js).parent)),
    )
    write_text(outputs.dossier, page)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
