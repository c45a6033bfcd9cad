"""Rule ``s4_guard``: what S4 decides over all countries at once.

The anti-reconcentration guard looks at country counts of the whole world, so it runs once; behind
it every country stands alone.
"""

from typing import Any

from scripts.contracts import write_dataset, write_object
from scripts.entry import run
from scripts.policies import load_policy
from scripts.states.s3_requirements import moves_table, pairs_table
from scripts.states.s4_alloc_plan import guard_summary, guarded_pairs


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Publish the guarded pairs and the ledger."""
    policy, s2_policy = load_policy(inputs.policy), load_policy(inputs.s2_policy)
    guarded = guarded_pairs(inputs, policy, s2_policy)
    write_dataset("s4_guarded_pairs", outputs.pairs, pairs_table(guarded.ids, guarded.pairs))
    write_dataset("s4_guard_ledger", outputs.ledger, moves_table(guarded.ids, guarded.moves))
    write_object("s4_guard_summary", outputs.summary, guard_summary(guarded))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
