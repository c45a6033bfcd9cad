"""What people look at: maps, figures, the dossier."""

import itertools

from scripts.contracts import dataset_path
from scripts.governance import releases

SITES = run("s8_site_locations/site_locations.parquet")
SITE_MAP = run("scorecard/segment1b_site_map.png")
SCORECARD = run("scorecard/segment1b_scorecard.json")
COUNTRY_SHARE = run("scorecard/segment1b_scorecard_country_share.csv")
PAGES = f"{workflow.basedir}/scripts/report/pages"
LEAFLET = f"{workflow.basedir}/resources/vendor/leaflet"


def caption_of(figure):
    """Caption of a figure, in `--report` and in the dossier: the file of its name in report/."""
    return f"{workflow.basedir}/report/{Path(figure).stem}.rst"


def figure(file, category, **fixed):
    """A figure of a run, for `--report` too."""
    return report(
        reports(f"figures/{{run_id}}/{file}"),
        caption=caption_of(file),
        category=category,
        labels=labels(**fixed),
    )


rule site_map:
    input:
        site_locations=run("s8_site_locations/site_locations.parquet"),
        countries=reference("countries.parquet"),
    output:
        figure=report(
            run("scorecard/segment1b_site_map.png"),
            caption="../report/site_map.rst",
            category="Maps",
            labels=labels(figure="every site"),
        ),
    log:
        logs("1B/{run_id}/{seed}/site_map"),
    resources:
        **demand("site_map"),
    params:
        code=code("report.site_map"),
        name=run_name,
    conda:
        ENV
    script:
        "../scripts/report/site_map.py"


rule figures:
    input:
        release=each_seed(SITES),
        baseline=each_seed(SITES, BASELINE_RUN_ID),
        release_cards=each_seed(SCORECARD),
        baseline_cards=each_seed(SCORECARD, BASELINE_RUN_ID),
        release_shares=each_seed(COUNTRY_SHARE),
        baseline_shares=each_seed(COUNTRY_SHARE, BASELINE_RUN_ID),
        mass=shared("s2_tile_weights/country_mass.parquet"),
        cells=tiles("fidelity_reference/fidelity_cells.parquet"),
        points=tiles("fidelity_reference/fidelity_points.parquet"),
        countries=reference("countries.parquet"),
        facts=reference("country_facts.csv"),
        places=reference("places.parquet"),
        samples=reference("outlet_samples.csv"),
        statistics=reference("outlet_statistics.csv"),
    output:
        choropleth=figure("choropleth.png", "Countries", figure="share by country"),
        lorenz=figure("lorenz.svg", "Countries", figure="Lorenz curves"),
        top=figure("top_countries.svg", "Countries", figure="largest countries"),
        lat_lon=figure("lat_lon.svg", "Distributions", figure="latitude and longitude"),
        nn=figure("nn_distances.svg", "Distributions", figure="nearest-neighbour distance"),
        close_ups=figure("close_ups.png", "Maps", figure="countries close up"),
        fidelity=figure("fidelity.svg", "Fidelity", figure="sites against population"),
        time_zones=figure("time_zones.svg", "Fidelity", figure="time zones"),
        real_maps=figure("real_maps.png", "Truth", figure="beside real outlets"),
        real_statistics=figure("real_statistics.svg", "Truth", figure="how outlets lie"),
    log:
        logs("1B/{run_id}/figures"),
    resources:
        **demand("figures"),
    params:
        code=code("report.figures"),
    conda:
        ENV
    script:
        "../scripts/report/figures.py"


# Names alone: an output in storage cannot be expanded.
FIGURES = [Path(path).name for path in rules.figures.output]


def newest_releases(wildcards):
    """Input function: records of the two releases sealed last, one of which may be this one."""
    if ROOT_OF_JOBS != RUNS:
        return []
    paths = []
    for folder, manifest in itertools.islice(releases.readable(Path(RUNS)), 2):
        tokens = {"run_id": manifest["run"]["run_id"]}
        paths += [folder / "release.json", dataset_path(folder, "segment1b_p5_certification")]
        for seed in manifest["seeds"]:
            paths.append(dataset_path(folder, "segment1b_country_share", seed=seed, **tokens))
    return list(map(str, paths))


rule release_dossier:
    input:
        certificate=reports("segment1b_p5_certification.json"),
        release=each_seed(SITES, RELEASE_RUN_ID),
        baseline=each_seed(SITES, BASELINE_RUN_ID),
        cards=each_seed(SCORECARD, RELEASE_RUN_ID),
        shares=each_seed(COUNTRY_SHARE, RELEASE_RUN_ID),
        policies=source(sorted({*CANDIDATE.policies.values(), *BASELINE.policies.values()}))
        + [BANDS_1A, GATES],
        baseline_report=BASELINE_REPORT,
        sealed=newest_releases,
        map_release=each_seed(SITE_MAP, RELEASE_RUN_ID),
        map_baseline=each_seed(SITE_MAP, BASELINE_RUN_ID),
        figures=[
            reports(f"figures/{{run_id}}/{file}").format(run_id=RELEASE_RUN_ID) for file in FIGURES
        ],
        captions=source(list(map(caption_of, [*FIGURES, "segment1b_ladder.svg"]))),
        outlet_statistics=reference("outlet_statistics.csv"),
        # In the page when `ladder` was run before it.
        ladder=branch(exists(reports("segment1b_ladder.svg")), then=reports("segment1b_ladder.svg")),
        countries=reference("countries.parquet"),
        facts=reference("country_facts.csv"),
        manifest=reference("manifest.json"),
        sensitivity=SENSITIVITY,
        template=source(f"{PAGES}/dossier.html.jinja"),
        css=source(f"{PAGES}/dossier.css"),
        js=source(f"{PAGES}/dossier.js"),
        leaflet_js=source(f"{LEAFLET}/leaflet.js"),
        leaflet_css=source(f"{LEAFLET}/leaflet.css"),
        leaflet_licence=source(f"{LEAFLET}/LICENSE"),
    output:
        dossier=report(
            internal(reports("segment1b_p5_dossier.html")),
            caption="../report/dossier.rst",
            category="Verdict",
            labels={"file": "dossier"},
        ),
    log:
        logs("{segment}/release_dossier"),
    resources:
        **demand("release_dossier"),
    params:
        code=code("report.release_dossier"),
    conda:
        ENV
    script:
        "../scripts/report/release_dossier.py"
