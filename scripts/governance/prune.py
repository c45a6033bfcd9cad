"""Target ``prune``: list superseded run folders; delete them with ``prune_execute=true``."""

from pathlib import Path
from typing import Any

from scripts.entry import run
from scripts.governance.retention import prune


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Prune."""
    print("\n".join(prune(Path(params.runs_root), params.keep, params.execute)))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
