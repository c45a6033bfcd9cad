"""1A and S1 to S8 of one seed of a small world in one process: digests of what they make.

    python -m tests.torture.chain WORLD FOLDER SEED

WORLD is a small world, finished or not (its policies and snapshot are read); FOLDER takes the
files. Prints the versions of the libraries, and the content and the bytes' digest of every table.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq

from scripts.contracts import write_dataset
from scripts.geo.snapshot import load_facts
from scripts.governance.identity import run_id
from scripts.ladder.chain import Sources, run_chain
from scripts.policies import load_policy
from scripts.states import s1_population_surface, s1_tile_index
from scripts.tables import content_digest, file_digest
from scripts.upstream.egress import tables
from scripts.upstream.generator import generate

LIBRARIES = ("numpy", "pyarrow", "scipy", "shapely", "exactextract")


def run(world: Path, folder: Path, seed: int) -> dict[str, dict[str, str]]:
    """Make everything; content and file digest of every table by its name."""
    folder.mkdir(parents=True, exist_ok=True)
    layer, reference = world / "config/layer1", world / "resources/reference"
    identity = run_id("1B", "reopened")
    policies = {
        "s1_tile_index": str(layer / "1B/policy/policy.s1.tile_index.yaml"),
        "s2": str(layer / "1B/policy/policy.s2.tile_weights.yaml"),
        "s4": str(layer / "1B/policy/policy.s4.alloc_plan.yaml"),
        "s5": str(layer / "1B/policy/policy.s5.assignment.yaml"),
        "s6": str(layer / "1B/policy/policy.s6.jitter.yaml"),
    }
    files = SimpleNamespace(
        countries=str(reference / "countries.parquet"),
        facts=str(reference / "country_facts.csv"),
        places=str(reference / "places.parquet"),
        land_cover=str(reference / "land_cover.parquet"),
        tile_index=str(folder / "tile_index.parquet"),
        tile_policy=policies["s1_tile_index"],
        policy=policies["s1_tile_index"],
        raster_cells=[],
    )
    wildcards = SimpleNamespace(run_id=identity, seed=str(seed))
    outputs = SimpleNamespace(tile_index=files.tile_index, report=str(folder / "s1.json"))
    s1_tile_index.main(files, outputs, None, wildcards)
    files.policy = str(layer / "1B/policy/policy.s1.population.yaml")
    population = str(folder / "tile_population.parquet")
    outputs = SimpleNamespace(tile_population=population, report=str(folder / "s1p.json"))
    s1_population_surface.main(files, outputs, None, wildcards)
    upstream = layer / "1A/policy/policy.1a.generator.reopened.yaml"
    made = tables(generate(load_policy(upstream), load_facts(files.facts), seed, 0, "1A"))
    for name in ("outlet_catalogue", "s3_candidate_set"):
        write_dataset(name, folder / f"{name}.parquet", made[name])
    sources = Sources(
        files.tile_index,
        population,
        str(folder / "outlet_catalogue.parquet"),
        str(folder / "s3_candidate_set.parquet"),
        files.countries,
        files.facts,
        files.places,
    )
    run_chain(sources, policies, folder, identity, seed)
    return {
        path.stem: {"content": content_digest(pq.read_table(path)), "bytes": file_digest(path)}
        for path in sorted(folder.glob("*.parquet"))
    }


if __name__ == "__main__":
    found = run(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    versions = [sys.version.split()[0], *(f"{name} {version(name)}" for name in LIBRARIES)]
    print(json.dumps({"versions": versions, "tables": found}, sort_keys=True))
