"""A user's own polygons and population raster in place of the shipped ones."""

if SETTINGS.polygons_path:
    SHIPPED = shipped_paths(SETTINGS.reference)

    rule import_polygons:
        input:
            polygons=source(SETTINGS.polygons_path),
            facts=SHIPPED["facts"],
            places=SHIPPED["places"],
            land_cover=SHIPPED["land_cover"],
            shipped=SHIPPED["countries"],
            manifest=SHIPPED["manifest"],
        output:
            **REFERENCE,
        log:
            f"{LOGS}/1B/import_polygons.log",
        benchmark:
            f"{BENCHMARKS}/1B/import_polygons.tsv"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            version=state_version("own_inputs.import_polygons"),
            iso_column=SETTINGS.polygons_iso_column,
        conda:
            "../envs/own-inputs.yaml"
        message:
            "Snapshot on the polygons of {input.polygons}"
        script:
            "../scripts/own_inputs/import_polygons.py"


if SETTINGS.population_raster:

    rule import_population:
        input:
            raster=source(SETTINGS.population_raster),
            tile_policy=policy_of("s1_tile_index"),
        output:
            cells=DATA["raster_population"],
            report=DATA["raster_population_report"],
        log:
            f"{LOGS}/1B/{{run_id}}/import_population.log",
        benchmark:
            f"{BENCHMARKS}/1B/{{run_id}}/import_population.tsv"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=120,
        params:
            version=state_version("own_inputs.import_population"),
            totals=SETTINGS.population_totals,
            uncovered=SETTINGS.population_uncovered,
        conda:
            "../envs/own-inputs.yaml"
        message:
            "S1 {wildcards.run_id}: people of {input.raster} on the grid"
        script:
            "../scripts/own_inputs/import_population.py"
