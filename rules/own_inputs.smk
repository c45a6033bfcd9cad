"""A user's own polygons and population raster in place of the shipped ones."""

if SETTINGS.polygons_path:

    rule import_polygons:
        input:
            polygons=source(SETTINGS.polygons_path),
            shipped=source([f"{SETTINGS.reference}/{file}" for file in DATA_FILES]),
            manifest=source(f"{SETTINGS.reference}/manifest.json"),
        output:
            data=[reference(file) for file in DATA_FILES],
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
            cells=tile_set("own_raster/raster_population.parquet"),
            report=tile_set("own_raster/raster_population_report.json"),
        log:
            logs("1B/tiles/{tiles_id}/import_population"),
        resources:
            mem_mb=4000,
            runtime=120,
        params:
            code=code("own_inputs.import_population", policy("s1_tile_index")),
            totals=SETTINGS.population_totals,
            uncovered=SETTINGS.population_uncovered,
        conda:
            "../envs/own-inputs.yaml"
        script:
            "../scripts/own_inputs/import_population.py"
