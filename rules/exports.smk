"""Exports: the egress as CSV, GeoJSON or GeoPackage; GeoParquet is what S8 writes."""


rule export_sites_csv:
    input:
        site_locations=DATA["site_locations"],
    output:
        sites=DATA["site_locations_csv"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/export_sites_csv.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/export_sites_csv.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("export"),
        runtime=BOARD.runtime("export"),
    params:
        version=state_version("exports.export_sites_csv"),
    conda:
        "../envs/runtime.yaml"
    message:
        "Export {wildcards.run_id} seed {wildcards.seed}: csv"
    script:
        "../scripts/exports/export_sites_csv.py"


rule export_sites_geojson:
    input:
        site_locations=DATA["site_locations"],
    output:
        sites=DATA["site_locations_geojson"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/export_sites_geojson.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/export_sites_geojson.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("export"),
        runtime=BOARD.runtime("export"),
    params:
        version=state_version("exports.export_sites_geojson"),
    conda:
        "../envs/runtime.yaml"
    message:
        "Export {wildcards.run_id} seed {wildcards.seed}: geojson"
    script:
        "../scripts/exports/export_sites_geojson.py"


rule export_sites_gpkg:
    input:
        site_locations=DATA["site_locations"],
    output:
        sites=DATA["site_locations_gpkg"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/export_sites_gpkg.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/export_sites_gpkg.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("export"),
        runtime=BOARD.runtime("export"),
    params:
        version=state_version("exports.export_sites_gpkg"),
    conda:
        "../envs/exports.yaml"
    message:
        "Export {wildcards.run_id} seed {wildcards.seed}: gpkg"
    script:
        "../scripts/exports/export_sites_gpkg.py"


rule export:
    input:
        expand(DATA[f"site_locations_{SETTINGS.export_format}"], run_id=RELEASE_RUN_ID, seed=SEEDS),
