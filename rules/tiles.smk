"""Tiles (S1): the tile universe, its people, and the population that maps are compared with.

They follow from two policies and the snapshot, so all runs with the same share them.
"""


rule s1_tile_index:
    input:
        countries=reference("countries.parquet"),
        policy=policy("s1_tile_index"),
    output:
        tile_index=tile_set("s1_tile_index/tile_index.parquet"),
        report=tile_set("s1_tile_index/s1_run_report.json"),
    log:
        logs("1B/tiles/{tiles_id}/s1_tile_index"),
    resources:
        **demand("s1_tile_index"),
    params:
        code=code("states.s1_tile_index", policy("s1_tile_index")),
    conda:
        ENV
    script:
        "../scripts/states/s1_tile_index.py"


rule s1_population_surface:
    input:
        tile_index=tile_set("s1_tile_index/tile_index.parquet"),
        facts=reference("country_facts.csv"),
        places=reference("places.parquet"),
        land_cover=reference("land_cover.parquet"),
        tile_policy=policy("s1_tile_index"),
        policy=policy("s1_population"),
        raster_cells=(
            tile_set("own_raster/raster_population.parquet") if SETTINGS.population_raster else []
        ),
    output:
        tile_population=tile_set("s1_tile_index/tile_population.parquet"),
        report=tile_set("s1_tile_index/s1_population_report.json"),
    log:
        logs("1B/tiles/{tiles_id}/s1_population_surface"),
    resources:
        **demand("s1_population_surface"),
    params:
        code=code("states.s1_population_surface", policy("s1_tile_index"), policy("s1_population")),
        raster=SETTINGS.population_raster,
        totals=SETTINGS.population_totals,
        uncovered=SETTINGS.population_uncovered,
    conda:
        ENV
    script:
        "../scripts/states/s1_population_surface.py"


rule fidelity_reference:
    input:
        tile_index=tile_set("s1_tile_index/tile_index.parquet"),
        tile_population=tile_set("s1_tile_index/tile_population.parquet"),
        countries=reference("countries.parquet"),
        land_cover=reference("land_cover.parquet"),
        tile_policy=policy("s1_tile_index"),
    output:
        cells=tile_set("fidelity_reference/fidelity_cells.parquet"),
        points=tile_set("fidelity_reference/fidelity_points.parquet"),
        width=tile_set("fidelity_reference/people_width.parquet"),
        near_urban=tile_set("fidelity_reference/near_urban_cells.parquet"),
    log:
        logs("1B/tiles/{tiles_id}/fidelity_reference"),
    resources:
        **demand("fidelity_reference"),
    params:
        code=code("scorers.fidelity_reference", policy("s1_tile_index")),
    conda:
        ENV
    script:
        "../scripts/scorers/fidelity_reference.py"
