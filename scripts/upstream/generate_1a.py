"""Rule ``generate_1a``: every table of one seed of the builtin world, by slices of merchants."""

import contextlib
from collections.abc import Mapping
from typing import Any

from scripts.contracts import dataset_stream, write_dataset
from scripts.entry import run
from scripts.geo.snapshot import load_facts
from scripts.policies import load_policy
from scripts.upstream.egress import Summary, merchant_rows
from scripts.upstream.generator import Blueprint, draw_up

MERCHANTS_EACH = 1 << 14
_BY_MERCHANT = (
    *("merchants", "outlet_catalogue", "s3_candidate_set", "s3_integerised_counts"),
    *("s3_site_sequence", "merchant_abort_log", "rng_draw_log_1A"),
)


def publish_world(
    blueprint: Blueprint, files: Mapping[str, str], merchants_each: int = MERCHANTS_EACH
) -> None:
    """Generate a world, hold it against the contracts and publish its tables.

    Parameters
    ----------
    blueprint
        What the world is drawn from.
    files
        Where each table goes, by dataset id.
    merchants_each
        Merchants in memory at a time; no byte depends on it.
    """
    summary = Summary(blueprint.facts)
    with contextlib.ExitStack() as stack:
        streams = {
            name: stack.enter_context(dataset_stream(name, files[name])) for name in _BY_MERCHANT
        }
        for world in blueprint.worlds(merchants_each):
            rows = merchant_rows(world)
            for name, table in rows.items():
                streams[name].write(table)
            summary.add(world, rows["outlet_catalogue"])
    for name, table in summary.tables(blueprint.merchants, blueprint.policy).items():
        write_dataset(name, files[name], table)


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Bind the policy and the facts to the tables."""
    blueprint = draw_up(
        load_policy(inputs.policy),
        load_facts(inputs.facts),
        int(wildcards.seed),
        params.merchants_total,
        inputs.policy,
    )
    publish_world(blueprint, dict(outputs.items()))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
