"""1A and S1 to S8 of one seed of a small world in one process: digests of what they make.

    python -m tests.torture.chain WORLD FOLDER SEED

WORLD is a small world, finished or not (its policies and snapshot are read); FOLDER takes the
files. Prints the versions of the libraries, and the content and the bytes' digest of every table.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet as pq

from scripts.policies import load_policy
from scripts.records.identity import run_id
from scripts.tables import file_digest
from tests.chain_world import make_sources, run_chain
from tests.content import content_digest

LIBRARIES = ("numpy", "numba", "pyarrow", "scipy", "shapely", "exactextract")


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
    upstream = load_policy(layer / "1A/policy/policy.1a.generator.reopened.yaml")
    sources, _ = make_sources(reference, layer / "1B/policy", upstream, seed, folder, identity)
    run_chain(sources, policies, folder, identity, seed)
    return {
        path.stem: {"content": content_digest(pq.read_table(path)), "bytes": file_digest(path)}
        for path in sorted(folder.glob("*.parquet"))
    }


if __name__ == "__main__":
    found = run(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    versions = [sys.version.split()[0], *(f"{name} {version(name)}" for name in LIBRARIES)]
    print(json.dumps({"versions": versions, "tables": found}, sort_keys=True))
