"""Rule ``s4_alloc_plan`` over shards: the plan, the ledger and the report from the parts."""

from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.contracts import arrow_schema, dataset_stream, read_object, write_dataset, write_object
from scripts.entry import run
from scripts.ordering import distinct
from scripts.policies import load_policy
from scripts.shards.streams import as_table, batch_rows, merged_blocks
from scripts.states.s4_alloc_plan import PairSpread, run_report
from scripts.tables import ROW_GROUP, read_parquet


class Distinct:
    """Counts distinct values that come in blocks."""

    def __init__(self) -> None:
        self._blocks: list[npt.NDArray[np.uint64]] = []
        self._rows = 0

    def add(self, values: npt.NDArray[np.uint64]) -> None:
        """Take a block in."""
        self._blocks.append(values)
        self._rows += len(values)
        if self._rows > ROW_GROUP:
            self._merge()

    def _merge(self) -> None:
        self._blocks = [distinct(np.concatenate(self._blocks))]
        self._rows = 0

    def count(self) -> int:
        """Distinct values so far."""
        self._merge()
        return len(self._blocks[0])


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Merge the plan; summarise the spread of the pairs in their one order."""
    policy = load_policy(inputs.policy)
    held = batch_rows(len(inputs.plans))
    names = arrow_schema("s4_alloc_plan").names
    active = Distinct()
    with dataset_stream("s4_alloc_plan", outputs.plan) as stream:
        for block in merged_blocks("s4_plan_part", inputs.plans, held):
            stream.write(as_table(block, names))
            active.add(block["tile_id"])
    columns = list(PairSpread.__dataclass_fields__)
    blocks = [
        [block[name] for name in columns]
        for block in merged_blocks("s4_spread_part", inputs.spreads, held)
    ]
    spread = PairSpread(*(np.concatenate(column) for column in zip(*blocks, strict=True)))
    write_dataset("s4_reroute_ledger", outputs.ledger, read_parquet(inputs.ledger))
    guarded = read_object("s4_guard_summary", inputs.summary)
    report = run_report(wildcards, policy, guarded, spread, stream.rows, active.count())
    write_object("s4_run_report", outputs.report, report)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
