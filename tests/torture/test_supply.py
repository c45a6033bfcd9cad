"""Nothing from outside: a run without network, and libraries that are locked and accounted for."""

import subprocess
import sys

import pytest

from scripts.docs import supply_chain
from scripts.tables import read_json
from tests.certified import uncertified
from tests.torture import worlds
from tests.torture.record import record
from tests.workflow.test_small_world import without_network

PROBE = "import socket; socket.create_connection(('127.0.0.1', 9), timeout=1)"


@pytest.mark.torture
def test_certify_without_network(certified_world, tmp_path):
    prefix = without_network()
    if not prefix:
        pytest.skip("unshare --net is not allowed here")
    probe = subprocess.run(
        [*prefix, sys.executable, "-c", PROBE], capture_output=True, text=True, check=False
    )
    assert "Network is unreachable" in probe.stderr
    world = uncertified(tmp_path / "world")
    result = worlds.finish(world, *prefix)
    held = result.returncode == 0 and worlds.published(world) == worlds.published(certified_world)
    record(
        "no network",
        1,
        int(held),
        "a whole `certify` in a network namespace without interfaces: identical files",
        fault="" if held else result.stdout[-1500:],
    )
    assert held, result.stdout[-1500:]


@pytest.mark.torture
def test_every_locked_library_is_accounted_for():
    text = supply_chain.LOCK_FILE.read_text(encoding="utf-8")
    libraries = supply_chain.locked(text)
    manifest = read_json(supply_chain.MANIFEST)
    listed = {
        (part["name"], part["version"])
        for part in supply_chain.bill(libraries, manifest, "x")["components"]
        if part["type"] == "library"
    }
    report = supply_chain.report(libraries, manifest)
    lost = [
        library.name
        for library in libraries
        if not library.hashes
        or (library.name, library.version) not in listed
        or f"| {library.name} | {library.version} | {library.licence} |" not in report
    ]
    silent = sorted(x.name for x in libraries if x.licence == supply_chain.UNKNOWN)
    elsewhere = sum(x.licence == supply_chain.NOT_INSTALLED for x in libraries)
    record(
        "supply chain",
        len(libraries),
        len(libraries) - len(lost),
        f"locked libraries with hashes, in the bill of materials and in the licence report; "
        f"{len(silent)} name no licence in their package, {elsewhere} are for other platforms",
        lost=lost,
        name_no_licence=silent,
    )
    assert not lost
