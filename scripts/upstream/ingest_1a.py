"""Rule ``ingest_1a``: take over the tables of an external producer; no PASS, no read."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.contracts import write_object
from scripts.entry import run
from scripts.errors import UpstreamError
from scripts.geo.snapshot import load_facts
from scripts.records.bundle import verify_bundle
from scripts.records.ledger import Ledger
from scripts.tables import publish, read_json
from scripts.upstream.ingest_external import check_worlds_agree, copy_table
from scripts.upstream.prior import Facts, eligible_facts
from scripts.upstream.tables_1a import ALL_TABLES


def verify_delivery(files: Mapping[str, str], index: Path) -> dict[str, Any]:
    """Digest of a producer's bundle, and those of the tables that it seals.

    Parameters
    ----------
    files
        Delivered tables by dataset id.
    index
        Of the producer's bundle, whose folder lies beside the tables.

    Raises
    ------
    GovernanceError
        ``EG20`` to ``EG26`` bundle, flag or tables do not agree.
    UpstreamError
        ``EU20`` the bundle does not seal a table.
    """
    digest = verify_bundle(index.parent)
    sealed = sealed_files(index.parent, [Path(path).name for path in files.values()])
    Ledger(index.parent.parent, sealed).verify("EG26", index, "the table that was sealed")
    return {"bundle_sha256": digest, "files": sealed}


def sealed_files(bundle: Path, names: list[str]) -> dict[str, str]:
    """SHA-256 of the named tables as the producer's bundle seals them (``EU20``)."""
    where = bundle / "egress_checksums.json"
    files = read_json(where).get("files", {}) if where.is_file() else {}
    for name in names:
        if not isinstance(files.get(name), str):
            raise UpstreamError(
                "EU20", where, f"does not seal {name}", '{"files": {file name: SHA-256}}'
            )
    return {name: files[name] for name in names}


def publish_world(
    files: Mapping[str, str], published: Mapping[str, str], facts: Facts, seed: int
) -> None:
    """Publish the tables of an external world, all or none, held against contracts and each other.

    Raises
    ------
    UpstreamError
        ``EU20`` to ``EU29`` and ``EU35``, as :mod:`scripts.upstream.ingest_external` says.
    """
    with contextlib.ExitStack() as stack:
        copies = {name: str(stack.enter_context(publish(published[name]))) for name in files}
        for name, path in sorted(files.items()):
            copy_table(name, path, copies[name], facts)
        check_worlds_agree(copies, seed, files)


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Bind the delivery of a seed to its published tables."""
    files = {name: path for name, path in inputs.items() if name in ALL_TABLES}
    source = verify_delivery(files, Path(inputs.index))
    facts, seed = eligible_facts(load_facts(inputs.facts)), int(wildcards.seed)
    publish_world(files, dict(outputs.items()), facts, seed)
    write_object("external_source_1A", outputs.external_source, {"seed": seed, **source})


if "snakemake" in globals():
    run(main, globals()["snakemake"])
