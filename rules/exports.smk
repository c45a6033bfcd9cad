"""Exports: the egress as CSV, GeoJSON or GeoPackage; GeoParquet is what S8 writes."""


rule export_sites:
    input:
        site_locations=run("s8_site_locations/site_locations.parquet"),
    output:
        sites=run("exports/site_locations.{suffix}"),
    log:
        logs("1B/{run_id}/{seed}/export_sites.{suffix}"),
    resources:
        **demand("export"),
    params:
        code=code("exports.export_sites"),
    conda:
        "../envs/exports.yaml"
    script:
        "../scripts/exports/export_sites.py"


rule export:
    """Write the candidate's sites as csv, geojson or gpkg (--config format=...)."""
    input:
        expand(
            run("exports/site_locations.{suffix}"),
            suffix=SETTINGS.export_format,
            run_id=RELEASE_RUN_ID,
            seed=SEEDS,
        ),
