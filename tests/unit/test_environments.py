"""Conda environments, pip requirements and locks name the same libraries in the same ranges."""

import ast
import re
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from scripts.records.code_digest import modules_of, source_of
from tests.torture.environments import NEEDED

ENVS = Path("envs")
# On conda-forge, `tzdata` is IANA's files without the Python package.
PYPI_NAME = {"matplotlib-base": "matplotlib", "python-tzdata": "tzdata"}
# What runs the workflow and the commands, not the rules.
ENGINE = {
    "flit-core",
    "snakemake",
    "snakemake-executor-plugin-cluster-generic",
    "snakemake-executor-plugin-slurm",
    "typer",
}
PYPI_NAME_OF_IMPORT = {"PIL": "pillow", "yaml": "pyyaml"}
LOCK_OF = {
    "runtime.yaml": "runtime.lock.txt",
    "exports.yaml": "dev.lock.txt",
    "own-inputs.yaml": "own-inputs.lock.txt",
}


def conda(name: str) -> dict[str, SpecifierSet]:
    listed = yaml.safe_load((ENVS / name).read_text(encoding="utf-8"))["dependencies"]
    found = {}
    for line in listed:
        library, _, spec = line.partition(" ")
        found[PYPI_NAME.get(library, library)] = SpecifierSet(spec)
    return found


def requirements(name: str) -> dict[str, SpecifierSet]:
    found = {}
    for line in (ENVS / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            found |= requirements(line[3:])
        elif line and not line.startswith("#"):
            requirement = Requirement(line)
            found[requirement.name.lower()] = requirement.specifier
    return found


def locked(name: str) -> dict[str, set[str]]:
    text = (ENVS / name).read_text(encoding="utf-8")
    found: dict[str, set[str]] = {}
    for library, version in re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", text, re.MULTILINE):
        found.setdefault(library.lower(), set()).add(version)
    return found


@pytest.mark.parametrize("name", LOCK_OF)
def test_conda_ranges_hold_the_locked_versions(name):
    versions = locked(LOCK_OF[name])
    for library, spec in conda(name).items():
        if library != "python":
            assert versions[library], library
            assert all(version in spec for version in versions[library]), library


def test_conda_and_pip_ask_for_the_same():
    asked = {k: v for k, v in requirements("runtime.in").items() if k not in ENGINE}
    found = conda("runtime.yaml")
    assert found.pop("python") == SpecifierSet(">=3.11,<3.14")
    assert found == asked
    own = requirements("own-inputs.in")
    for library, spec in conda("own-inputs.yaml").items():
        if library != "python":
            assert own[library] == spec, library


# botocore asks for an older one; nothing that is published depends on it.
OLDER_FOR_S3 = {"python-dateutil"}


@pytest.mark.parametrize(
    ("wider", "apart"),
    [
        ("own-inputs.lock.txt", set()),
        ("dev.lock.txt", set()),
        ("s3.lock.txt", OLDER_FOR_S3),
        ("s3-test.lock.txt", OLDER_FOR_S3),
    ],
)
def test_wider_locks_hold_the_runtime_lock(wider, apart):
    versions = locked(wider)
    for library, found in locked("runtime.lock.txt").items():
        assert versions.get(library) == found or library in apart, library


def test_every_rule_environment_is_tested_here():
    named = set()
    for path in Path("rules").glob("*.smk"):
        named |= set(re.findall(r'"\.\./envs/([\w-]+\.yaml)"', path.read_text(encoding="utf-8")))
    assert named == {*LOCK_OF, "reference.yaml"}


def imported(module: str) -> set[str]:
    """Libraries that a module and what it imports of the package import, by their PyPI names."""
    found = set()
    for name in modules_of(module):
        for node in ast.walk(ast.parse(source_of(name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(str(node.module).partition(".")[0])
    return {PYPI_NAME_OF_IMPORT.get(name, name) for name in found - {"scripts"}}


def test_the_oldest_and_newest_environments_have_what_the_chain_imports():
    modules = [f"scripts.states.{name}" for name in ("s1_tile_index", "s4_alloc_plan")]
    modules += ["scripts.states.s8_site_locations", "scripts.upstream.generator"]
    libraries = set().union(*map(imported, modules)) - sys.stdlib_module_names
    # Which comes with numba.
    assert libraries - {"llvmlite"} <= set(NEEDED)


@pytest.mark.parametrize("module", ["build_reference", "validate_reference"])
def test_the_reference_environment_has_what_its_scripts_import(module):
    libraries = imported(f"scripts.reference.{module}") - sys.stdlib_module_names
    assert libraries <= set(locked("reference.lock.txt"))
    assert {"numba", "shapely"} <= libraries
