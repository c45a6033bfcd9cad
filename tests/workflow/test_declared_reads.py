"""No job reads a file of the runs, the configuration or the resources that it does not declare.

What every job of a ``certify`` of the small world opened is noted while it runs
(``tests/reads/sitecustomize.py``, which says what it does not see) and held against its rule.
"""

import ast
import json
import re
from pathlib import Path

import pytest

from tests import small_world
from tests.certified import READS, RUNS

ROOTS = ("runs", "config", "resources")
# Read by the code of any rule: what policies and datasets may hold, and the lock of the runs root.
BY_NAME = re.compile(
    r"config/contracts\.yaml|config/schemas/[\w.]+\.schema\.yaml|runs/\.[\w.-]+\.lock"
)
# What `certify` writes beside its verdict, and looks at before it does: a verdict that fails must
# leave them, so they are no outputs.
BESIDE_VERDICT = (
    "segment_1B/current_candidate/current_candidate_pointer.json",
    "segment_1B/last_good/last_good_pointer.json",
    "segment_1B/reports/segment1b_p5_lock_set.json",
)
# Native openers of pyarrow that are wrapped, by module; jobs may use no other.
OPENERS = {
    "pyarrow.parquet": {"ParquetFile", "read_table", "read_metadata", "read_schema"},
    "pyarrow.csv": {"read_csv", "open_csv"},
    "pyarrow": {"memory_map"},
}
NATIVE = re.compile(
    r"(?:read|open)_\w+|memory_map|OSFile|input_stream|ParquetFile|ParquetDataset|dataset"
)
# These parse what is in memory.
IN_MEMORY = {"open_stream", "open_file", "read_message"}


@pytest.fixture(scope="module")
def jobs(certified_world):
    folder = certified_world / READS
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def undeclared(job):
    """Files below the roots that a job opened and does not declare."""
    here = Path(job["cwd"])
    declared = {here / Path(path) for name in ("input", "output", "log") for path in job[name]}
    if job["rule"] == "certify":
        declared |= {here / RUNS / path for path in BESIDE_VERDICT}
    found = []
    for text in job["opened"]:
        path = Path(text)
        relative = path.relative_to(here).as_posix() if path.is_relative_to(here) else ""
        if relative.split("/", 1)[0] not in ROOTS or BY_NAME.fullmatch(relative):
            continue
        # What it seals, and verifies before it takes the place of the release before.
        if job["rule"] == "certify" and relative.startswith(f"{RUNS}/releases/"):
            continue
        if declared.isdisjoint((path, *path.parents)) and not temporary_of(path, declared):
            found.append(relative)
    return found


def temporary_of(path, declared):
    """Whether a file is the unfinished form of a declared one."""
    return any(
        path.parent == other.parent
        and re.fullmatch(rf"\.{re.escape(other.name)}\.\d+\.segment1b-tmp", path.name)
        for other in declared
    )


def test_every_job_reads_what_its_rule_declares_and_nothing_else(jobs):
    found = sorted({(job["rule"], path) for job in jobs for path in undeclared(job)})
    assert not found, "\n".join(f"{rule} reads {path}" for rule, path in found)


def test_every_kind_of_job_was_noted_with_what_it_opened(jobs):
    rules = {job["rule"] for job in jobs}
    assert {"generate_1a", "s6_site_jitter", "scorecard", "certify_release", "certify"} <= rules
    tables = {path for job in jobs for path in job["opened"] if path.endswith(".parquet")}
    assert any(path.endswith("countries.parquet") for path in tables)
    assert any(path.endswith("site_locations.parquet") for path in tables)


def test_the_package_opens_files_natively_through_noted_functions_alone():
    """A new opener of pyarrow has to be wrapped as well."""
    for path in sorted((small_world.REPOSITORY / "scripts").rglob("*.py")):
        tree = ast.parse(path.read_bytes())
        names = {
            alias.asname or alias.name: alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
            if alias.name.split(".")[0] == "pyarrow"
        }
        for node in ast.walk(tree):
            assert not (
                isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pyarrow")
            ), f"{path}: import pyarrow modules by name, so that their openers are noted"
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in names
                and NATIVE.fullmatch(node.attr)
            ):
                assert node.attr in OPENERS.get(names[node.value.id], ()), f"{path}: {node.attr}"
