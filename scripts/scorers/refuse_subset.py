"""Rule ``certify`` when seeds are missing: refuse before anything runs."""

from typing import Any

from scripts.entry import run
from scripts.errors import ConfigError


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Name the missing seeds (``EC09``)."""
    raise ConfigError(
        "EC09",
        "config/config.yaml",
        f"key 'seeds' lacks the required {list(params.missing)}",
        "a certificate covers all of certification.required_seeds; use candidate for fewer",
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
