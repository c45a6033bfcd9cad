"""Rule ``ingest_1a``: take over the tables of an external producer, no PASS, no read."""

from pathlib import Path
from typing import Any

from scripts.contracts import write_dataset, write_object
from scripts.entry import run
from scripts.errors import UpstreamError
from scripts.geo.snapshot import load_facts
from scripts.records.bundle import verify_bundle
from scripts.records.ledger import Ledger
from scripts.tables import read_json
from scripts.upstream.ingest_external import check_countries, check_worlds_agree, load_table
from scripts.upstream.prior import eligible_facts
from scripts.upstream.tables_1a import ALL_TABLES


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Verify bundle and digests, check every table, then publish all of them."""
    bundle = Path(inputs.index).parent
    digest = verify_bundle(bundle, inputs.flag)
    paths = {name: path for name, path in inputs.items() if name in ALL_TABLES}
    sealed = sealed_files(bundle, [Path(path).name for path in paths.values()])
    Ledger(bundle.parent, sealed).verify("EG26", inputs.index, "the table that was sealed")

    facts = eligible_facts(load_facts(inputs.facts))
    tables = {}
    for name, path in sorted(paths.items()):
        tables[name] = load_table(name, path)
        check_countries(tables[name], facts, path)
    seed = int(wildcards.seed)
    check_worlds_agree(tables["outlet_catalogue"], tables["s3_candidate_set"], seed, paths)
    for name, table in tables.items():
        write_dataset(name, getattr(outputs, name), table)
    write_object(
        "external_source_1A",
        outputs.external_source,
        {"seed": seed, "bundle_sha256": digest, "files": sealed},
    )


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


if "snakemake" in globals():
    run(main, globals()["snakemake"])
