"""What people look at: maps, figures, the dossier."""

PAGES = f"{workflow.basedir}/scripts/report/pages"
LEAFLET = f"{workflow.basedir}/resources/vendor/leaflet"
FIRST_SEED = SEEDS[0]


rule site_map:
    input:
        site_locations=DATA["site_locations"],
        countries=REFERENCE["countries"],
    output:
        figure=report(
            DATA["segment1b_site_map"],
            caption="../report/site_map.rst",
            category="Maps",
            labels=BOARD.labels(figure="every site"),
        ),
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/site_map.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/site_map.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("site_map"),
        runtime=BOARD.runtime("site_map"),
    params:
        version=state_version("report.site_map"),
        name=run_name,
    conda:
        "../envs/runtime.yaml"
    message:
        "Map of {wildcards.run_id} seed {wildcards.seed}"
    script:
        "../scripts/report/site_map.py"


rule figure_countries:
    input:
        release=expand(DATA["segment1b_country_share"], seed=SEEDS, allow_missing=True),
        baseline=expand(DATA["segment1b_country_share"], run_id=BASELINE_RUN_ID, seed=SEEDS),
        mass=DATA["country_mass"],
        countries=REFERENCE["countries"],
        facts=REFERENCE["facts"],
    output:
        choropleth=report(
            DATA["segment1b_figure_choropleth"],
            caption="../report/choropleth.rst",
            category="Countries",
            labels=BOARD.labels(figure="share by country"),
        ),
        lorenz=report(
            DATA["segment1b_figure_lorenz"],
            caption="../report/lorenz.rst",
            category="Countries",
            labels=BOARD.labels(figure="Lorenz curves"),
        ),
        top=report(
            DATA["segment1b_figure_top_countries"],
            caption="../report/top_countries.rst",
            category="Countries",
            labels=BOARD.labels(figure="largest countries"),
        ),
    log:
        f"{LOGS}/1B/{{run_id}}/figure_countries.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/figure_countries.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        version=state_version("report.country_figures", "figure_countries"),
    conda:
        "../envs/runtime.yaml"
    message:
        "Figures {wildcards.run_id}: countries"
    script:
        "../scripts/report/country_figures.py"


rule figure_distributions:
    input:
        release=expand(DATA["site_locations"], seed=SEEDS, allow_missing=True),
        baseline=expand(DATA["site_locations"], run_id=BASELINE_RUN_ID, seed=SEEDS),
        cells=DATA["fidelity_cells"],
    output:
        lat_lon=report(
            DATA["segment1b_figure_lat_lon"],
            caption="../report/lat_lon.rst",
            category="Distributions",
            labels=BOARD.labels(figure="latitude and longitude"),
        ),
        nn=report(
            DATA["segment1b_figure_nn_distances"],
            caption="../report/nn_distances.rst",
            category="Distributions",
            labels=BOARD.labels(figure="nearest-neighbour distance"),
        ),
    log:
        f"{LOGS}/1B/{{run_id}}/figure_distributions.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/figure_distributions.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("figure"),
        runtime=BOARD.runtime("figure"),
    params:
        version=state_version("report.distribution_figures", "figure_distributions"),
    conda:
        "../envs/runtime.yaml"
    message:
        "Figures {wildcards.run_id}: distributions"
    script:
        "../scripts/report/distribution_figures.py"


rule figure_close_ups:
    input:
        release=DATA["site_locations"].replace("{seed}", str(FIRST_SEED)),
        countries=REFERENCE["countries"],
        facts=REFERENCE["facts"],
    output:
        figure=report(
            DATA["segment1b_figure_close_ups"],
            caption="../report/close_ups.rst",
            category="Maps",
            labels=BOARD.labels(figure="countries close up", seed=str(FIRST_SEED)),
        ),
    log:
        f"{LOGS}/1B/{{run_id}}/figure_close_ups.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/figure_close_ups.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("figure"),
        runtime=BOARD.runtime("figure"),
    params:
        version=state_version("report.close_up_figures", "figure_close_ups"),
    conda:
        "../envs/runtime.yaml"
    message:
        "Figures {wildcards.run_id}: countries close up"
    script:
        "../scripts/report/close_up_figures.py"


rule figure_fidelity:
    input:
        release=expand(DATA["site_locations"], seed=SEEDS, allow_missing=True),
        baseline=expand(DATA["site_locations"], run_id=BASELINE_RUN_ID, seed=SEEDS),
        release_cards=expand(DATA["segment1b_scorecard"], seed=SEEDS, allow_missing=True),
        baseline_cards=expand(DATA["segment1b_scorecard"], run_id=BASELINE_RUN_ID, seed=SEEDS),
        cells=DATA["fidelity_cells"],
    output:
        fidelity=report(
            DATA["segment1b_figure_fidelity"],
            caption="../report/fidelity.rst",
            category="Fidelity",
            labels=BOARD.labels(figure="sites against population"),
        ),
        time_zones=report(
            DATA["segment1b_figure_time_zones"],
            caption="../report/time_zones.rst",
            category="Fidelity",
            labels=BOARD.labels(figure="time zones"),
        ),
    log:
        f"{LOGS}/1B/{{run_id}}/figure_fidelity.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/figure_fidelity.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("figure"),
        runtime=BOARD.runtime("figure"),
    params:
        version=state_version("report.fidelity_figures", "figure_fidelity"),
    conda:
        "../envs/runtime.yaml"
    message:
        "Figures {wildcards.run_id}: fidelity"
    script:
        "../scripts/report/fidelity_figures.py"


rule release_dossier:
    input:
        certificate=DATA["segment1b_p5_certification"],
        release=expand(DATA["site_locations"], run_id=RELEASE_RUN_ID, seed=SEEDS),
        baseline=expand(DATA["site_locations"], run_id=BASELINE_RUN_ID, seed=SEEDS),
        map_release=DATA["segment1b_site_map"].format(run_id=RELEASE_RUN_ID, seed=FIRST_SEED),
        map_baseline=DATA["segment1b_site_map"].format(run_id=BASELINE_RUN_ID, seed=FIRST_SEED),
        choropleth=DATA["segment1b_figure_choropleth"].format(run_id=RELEASE_RUN_ID),
        lorenz=DATA["segment1b_figure_lorenz"].format(run_id=RELEASE_RUN_ID),
        top_countries=DATA["segment1b_figure_top_countries"].format(run_id=RELEASE_RUN_ID),
        lat_lon=DATA["segment1b_figure_lat_lon"].format(run_id=RELEASE_RUN_ID),
        nn_distances=DATA["segment1b_figure_nn_distances"].format(run_id=RELEASE_RUN_ID),
        close_ups=DATA["segment1b_figure_close_ups"].format(run_id=RELEASE_RUN_ID),
        fidelity=DATA["segment1b_figure_fidelity"].format(run_id=RELEASE_RUN_ID),
        time_zones=DATA["segment1b_figure_time_zones"].format(run_id=RELEASE_RUN_ID),
        ladder=BOARD.made_before("segment1b_ladder_figure"),
        countries=REFERENCE["countries"],
        facts=REFERENCE["facts"],
        manifest=REFERENCE["manifest"],
        template=source(f"{PAGES}/dossier.html.jinja"),
        css=source(f"{PAGES}/dossier.css"),
        js=source(f"{PAGES}/dossier.js"),
        leaflet_js=source(f"{LEAFLET}/leaflet.js"),
        leaflet_css=source(f"{LEAFLET}/leaflet.css"),
        leaflet_licence=source(f"{LEAFLET}/LICENSE"),
    output:
        dossier=report(
            DATA["segment1b_p5_dossier"],
            caption="../report/dossier.rst",
            category="Verdict",
            labels={"file": "dossier"},
        ),
    log:
        f"{LOGS}/1B/release_dossier.log",
    benchmark:
        f"{BENCHMARKS}/1B/release_dossier.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("release_dossier"),
        runtime=BOARD.runtime("release_dossier"),
    params:
        version=state_version("report.dossier", "release_dossier"),
    conda:
        "../envs/runtime.yaml"
    message:
        "Dossier of the release"
    script:
        "../scripts/report/dossier.py"
