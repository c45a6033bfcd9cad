"""Exports: the egress as CSV, GeoJSON or GeoPackage; GeoParquet is what S8 writes."""


rule export_sites_csv:
    input:
        site_locations=run("s8_site_locations/site_locations.parquet"),
    output:
        sites=run("exports/site_locations.csv"),
    log:
        logs("1B/{run_id}/{seed}/export_sites_csv"),
    resources:
        **demand("export"),
    params:
        code=code("exports.export_sites_csv"),
    conda:
        ENV
    script:
        "../scripts/exports/export_sites_csv.py"


rule export_sites_geojson:
    input:
        site_locations=run("s8_site_locations/site_locations.parquet"),
    output:
        sites=run("exports/site_locations.geojson"),
    log:
        logs("1B/{run_id}/{seed}/export_sites_geojson"),
    resources:
        **demand("export"),
    params:
        code=code("exports.export_sites_geojson"),
    conda:
        ENV
    script:
        "../scripts/exports/export_sites_geojson.py"


rule export_sites_gpkg:
    input:
        site_locations=run("s8_site_locations/site_locations.parquet"),
    output:
        sites=run("exports/site_locations.gpkg"),
    log:
        logs("1B/{run_id}/{seed}/export_sites_gpkg"),
    resources:
        **demand("export"),
    params:
        code=code("exports.export_sites_gpkg"),
    conda:
        "../envs/exports.yaml"
    script:
        "../scripts/exports/export_sites_gpkg.py"


rule export:
    """Write the candidate's sites as csv, geojson or gpkg (--config format=...)."""
    input:
        expand(
            run(f"exports/site_locations.{SETTINGS.export_format}"),
            run_id=RELEASE_RUN_ID,
            seed=SEEDS,
        ),
