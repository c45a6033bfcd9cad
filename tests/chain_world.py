"""What the chain S2 to S8 starts from, made in this process: S1, population and 1A of one seed."""

from types import SimpleNamespace

from scripts.contracts import write_dataset
from scripts.geo.snapshot import load_facts
from scripts.ladder.chain import Sources
from scripts.states import s1_population_surface, s1_tile_index
from scripts.upstream.egress import tables
from scripts.upstream.generator import generate


def make_sources(reference, policies, upstream, seed, folder, run_id):
    """Sources of a chain, and the tables of 1A.

    ``policies`` is the folder of the 1B policies, ``upstream`` the generator's policy.
    """
    files = SimpleNamespace(
        countries=str(reference / "countries.parquet"),
        facts=str(reference / "country_facts.csv"),
        places=str(reference / "places.parquet"),
        land_cover=str(reference / "land_cover.parquet"),
        tile_index=str(folder / "tile_index.parquet"),
        tile_policy=str(policies / "policy.s1.tile_index.yaml"),
        policy=str(policies / "policy.s1.tile_index.yaml"),
        raster_cells=[],
    )
    wildcards = SimpleNamespace(tiles_id=run_id)
    outputs = SimpleNamespace(tile_index=files.tile_index, report=str(folder / "s1.json"))
    s1_tile_index.main(files, outputs, None, wildcards)
    files.policy = str(policies / "policy.s1.population.yaml")
    population = str(folder / "tile_population.parquet")
    outputs = SimpleNamespace(tile_population=population, report=str(folder / "s1p.json"))
    s1_population_surface.main(files, outputs, None, wildcards)
    made = tables(generate(upstream, load_facts(files.facts), seed, 0, "1A"))
    names = ("outlet_catalogue", "s3_candidate_set")
    egress = {name: folder / f"{name}.parquet" for name in names}
    for name, path in egress.items():
        write_dataset(name, path, made[name])
    sources = Sources(
        files.tile_index,
        population,
        str(egress["outlet_catalogue"]),
        str(egress["s3_candidate_set"]),
        files.countries,
        files.facts,
        files.places,
    )
    return sources, made
