"""Rule ``generate_1a``: every table of one seed of the builtin world in one job."""

from typing import Any

from scripts.contracts import write_dataset
from scripts.entry import run
from scripts.geo.snapshot import load_facts
from scripts.policies import load_policy
from scripts.upstream.egress import tables
from scripts.upstream.generator import generate


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Generate, hold against the contracts, publish."""
    world = generate(
        load_policy(inputs.policy),
        load_facts(inputs.facts),
        int(wildcards.seed),
        params.merchants_total,
        inputs.policy,
    )
    for dataset_id, table in tables(world).items():
        write_dataset(dataset_id, getattr(outputs, dataset_id), table)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
