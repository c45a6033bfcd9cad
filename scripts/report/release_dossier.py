"""The dossier: one HTML file with everything that a reviewer needs to sign a release.

It holds its style, code, figures, coordinates and borders, and a policy that forbids the browser to
load anything else.
"""

import base64
import json
import os
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
from scripts.governance.releases import release_name, when_and_from
from scripts.report import comparison
from scripts.report import dossier_tables as tables
from scripts.report.embedding import embed_land, embed_sites
from scripts.scorers.gates import GRADE_NAMES
from scripts.scorers.levers import read_table
from scripts.scorers.scorecard import read_sites
from scripts.scorers.truth.ranges import read_statistics, real_ranges, sources_of
from scripts.tables import file_digest, read_json, write_text

Json = Mapping[str, Any]
# Sections of a comparison that a reviewer reads, and how many of their rows.
CHANGES_SHOWN = 20


def _svg_size(text: str) -> tuple[int, int]:
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    if not box:
        return 800, 600
    return round(float(box[1])), round(float(box[2]))


def load_figure(path: str, caption: str = "") -> dict[str, Any]:
    """A figure as base64 with its media type, its size in pixels and its caption."""
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
        "caption": caption,
    }


def load_figures(paths: Iterable[str], captions: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Figures by their names; a caption's file has the name of its figure."""
    told = {Path(path).stem: Path(path).read_text(encoding="utf-8").strip() for path in captions}
    return {Path(path).stem: load_figure(path, told[Path(path).stem]) for path in paths}


def changes(
    document: Json,
    name: str,
    sealed: Iterable[Path],
    policies: Iterable[str],
    shares: Sequence[str],
) -> dict[str, Any]:
    """What differs from the other release sealed last; without ``release`` when there is none.

    Parameters
    ----------
    document, name
        The certificate, and the name that its release has or would have.
    sealed
        Folders of sealed releases, the newest first.
    policies, shares
        Policy files that a release seals, and the run's country shares seed by seed.
    """
    before = next((folder for folder in sealed if folder.name != name), None)
    if before is None:
        return {"release": "", "sections": []}
    texts = {path: Path(path).read_text(encoding="utf-8") for path in policies}
    now = comparison.Side(name, document, texts, comparison.mean_sites(shares))
    found = comparison.compared(comparison.sealed_side(before), now)
    return {
        "release": before.name,
        "sections": [
            {"title": title, "rows": rows[:CHANGES_SHOWN], "more": len(rows[CHANGES_SHOWN:])}
            for title, rows in comparison.sections(found).items()
        ],
    }


def beside(page: str, files: Mapping[str, str]) -> list[tuple[str, str]]:
    """Names of files, and their addresses from the page's folder."""
    folder = Path(page).parent
    return [(name, Path(os.path.relpath(path, folder)).as_posix()) for name, path in files.items()]


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
        thinnest=tables.thinnest(document),
        gate_blocks=tables.gate_blocks(document),
        fidelity=tables.fidelity(document),
        identity=tables.identity(document),
        digests=tables.digest_groups(document),
        eligible=document["eligible_countries"],
        **parts,
    )
    return page + "\n"


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``release_dossier``."""
    document = read_object("segment1b_p5_certification", inputs.certificate)
    facts = load_facts(inputs.facts)
    names = dict(zip(facts["country_iso"].to_pylist(), facts["name"].to_pylist(), strict=True))
    statistics = read_statistics(inputs.outlet_statistics)
    ladder = [inputs.ladder] if inputs.ladder else []
    digest = file_digest(inputs.certificate)
    name = release_name(document, digest)
    sealed = [Path(path).parent for path in inputs.sealed if path.endswith("/release.json")]
    page = render(
        Path(inputs.template).read_text(encoding="utf-8"),
        document,
        css=Markup(Path(inputs.css).read_text(encoding="utf-8")),
        js=_inline(Path(inputs.js).read_text(encoding="utf-8")),
        map_data=_inline(
            map_data(inputs.release, inputs.baseline, document["seeds"], inputs.countries, names)
        ),
        baseline_maps=[load_figure(path) for path in inputs.map_baseline],
        release_maps=[load_figure(path) for path in inputs.map_release],
        figures=load_figures([*inputs.figures, *ladder], inputs.captions),
        changes=changes(document, name, sealed, inputs.policies, inputs.shares),
        beside=beside(
            outputs.dossier,
            {
                "certificate": inputs.certificate,
                "baseline": inputs.baseline_report,
                **{
                    f"scorecard of seed {of}": path
                    for of, path in zip(document["seeds"], inputs.cards, strict=True)
                },
            },
        ),
        failing=tables.failing(document, read_table(inputs.sensitivity)),
        truth=tables.truth(document, real_ranges(statistics)),
        truth_sources=sources_of(statistics),
        made=when_and_from(),
        certificate_digest=digest,
        release_name=name,
        licences=tables.licences(read_json(inputs.manifest)),
        **library(str(Path(inputs.leaflet_js).parent)),
    )
    write_text(outputs.dossier, page)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
