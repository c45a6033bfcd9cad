"""Bill of materials and licences: everything that is locked, with hashes, and nothing unknown."""

import json

from scripts.docs import supply_chain as sc
from scripts.tables import read_json, to_json_bytes

LIBRARIES = sc.locked(sc.LOCK_FILE.read_text(encoding="utf-8"))
MANIFEST = read_json(sc.MANIFEST)


def test_every_locked_library_has_hashes_and_a_licence():
    text = sc.LOCK_FILE.read_text(encoding="utf-8")
    assert len(LIBRARIES) == sum("==" in line and line[:1].isalnum() for line in text.splitlines())
    assert sum(len(library.hashes) for library in LIBRARIES) == text.count("--hash=sha256:")
    assert [library.name for library in LIBRARIES if not library.hashes] == []
    # Their packages carry no licence at all; their repositories say MIT.
    silent = {"conda-inject", *(x.name for x in LIBRARIES if x.name.startswith("snakemake-"))}
    assert {x.name for x in LIBRARIES if x.licence == sc.UNKNOWN} <= silent


def test_the_bill_names_libraries_and_data_once_and_repeats_to_the_byte():
    document = sc.bill(LIBRARIES, MANIFEST, "x")
    references = [component["bom-ref"] for component in document["components"]]
    assert len(references) == len(set(references)) == len(LIBRARIES) + len(MANIFEST["files"])
    assert document["bomFormat"] == "CycloneDX"
    assert to_json_bytes(document) == to_json_bytes(sc.bill(LIBRARIES, MANIFEST, "x"))
    assert json.loads(to_json_bytes(document))["specVersion"] == "1.5"


def test_the_report_tells_the_licence_of_every_source_of_data():
    text = sc.report(LIBRARIES, MANIFEST)
    for entry in MANIFEST["files"].values():
        for source in entry["sources"]:
            package = f"{source.get('package', '-')} | {source.get('version', '-')}"
            assert f"| {source['content']} | {package} | {source['licence']} |" in text
