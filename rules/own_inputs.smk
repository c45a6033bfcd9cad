"""A user's own polygons and population raster in place of the shipped ones."""

RASTER_CELLS = shared("own_raster/raster_population.parquet")
RASTER_REPORT = shared("own_raster/raster_population_report.json")
# What S0 seals and S1 reads of them; nothing where the shipped ones serve.
OWN_INPUTS = {
    "own_polygons": source(SETTINGS.polygons_path or []),
    "own_raster": source(SETTINGS.population_raster or []),
    "own_raster_cells": RASTER_CELLS if SETTINGS.population_raster else [],
    "own_raster_report": RASTER_REPORT if SETTINGS.population_raster else [],
}


if SETTINGS.polygons_path:

    rule import_polygons:
        input:
            polygons=source(SETTINGS.polygons_path),
            countries=source(f"{SETTINGS.reference}/countries.parquet"),
            facts=source(f"{SETTINGS.reference}/country_facts.csv"),
            places=source(f"{SETTINGS.reference}/places.parquet"),
            land_cover=source(f"{SETTINGS.reference}/land_cover.parquet"),
            outlet_density=source(f"{SETTINGS.reference}/outlet_density.csv"),
            outlet_statistics=source(f"{SETTINGS.reference}/outlet_statistics.csv"),
            outlet_samples=source(f"{SETTINGS.reference}/outlet_samples.csv"),
            manifest=source(f"{SETTINGS.reference}/manifest.json"),
        output:
            countries=reference("countries.parquet"),
            facts=reference("country_facts.csv"),
            places=reference("places.parquet"),
            land_cover=reference("land_cover.parquet"),
            outlet_density=reference("outlet_density.csv"),
            outlet_statistics=reference("outlet_statistics.csv"),
            outlet_samples=reference("outlet_samples.csv"),
            manifest=reference("manifest.json"),
        log:
            logs("1B/import_polygons"),
        resources:
            mem_mb=4000,
        params:
            code=code("own_inputs.import_polygons"),
            iso_column=SETTINGS.polygons_iso_column,
        conda:
            "../envs/own-inputs.yaml"
        script:
            "../scripts/own_inputs/import_polygons.py"


if SETTINGS.population_raster:

    rule import_population:
        input:
            raster=source(SETTINGS.population_raster),
            tile_policy=policy("s1_tile_index"),
        output:
            cells=RASTER_CELLS,
            report=RASTER_REPORT,
        log:
            logs("1B/{run_id}/import_population"),
        resources:
            mem_mb=4000,
            runtime=120,
        params:
            code=code("own_inputs.import_population"),
            totals=SETTINGS.population_totals,
            uncovered=SETTINGS.population_uncovered,
        conda:
            "../envs/own-inputs.yaml"
        script:
            "../scripts/own_inputs/import_population.py"
