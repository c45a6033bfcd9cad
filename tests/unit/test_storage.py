"""Sources stay files of the repository where runs are in object storage."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake_interface_storage_plugins.storage_provider import StorageQueryValidationResult

from scripts.errors import ConfigError
from scripts.governance.start import ON_DISK, begin
from scripts.policies import parse_yaml
from scripts.settings import load_settings
from scripts.snakemake_private import root_of_jobs

# An input of a rule, or a constant that inputs are given by.
SOURCE = re.compile(
    r'(?:[a-z0-9_]=|^[A-Z0-9_]+ = )(source\(\s*)?(?:f"\{workflow\.basedir\}/|")'
    r"(?:config|envs|resources)/[\w./-]+\.\w+",
    re.MULTILINE,
)


def in_bucket(prefix: str) -> SimpleNamespace:
    """A workflow whose default storage keeps its copies below ``copies``."""
    provider = SimpleNamespace(
        is_valid_query=lambda query: StorageQueryValidationResult(
            query, query.startswith("s3://"), "must start with s3://"
        ),
        object=lambda query: SimpleNamespace(
            local_path=lambda: Path("copies", query.removeprefix("s3://"))
        ),
    )
    return SimpleNamespace(
        storage_settings=SimpleNamespace(
            default_storage_provider="s3", default_storage_prefix=prefix
        ),
        storage_registry=SimpleNamespace(default_storage_provider=provider),
    )


def test_sources_named_in_rules_are_marked():
    found = 0
    for path in [Path("Snakefile"), *sorted(Path("rules").glob("*.smk"))]:
        text = path.read_text(encoding="utf-8")
        for match in SOURCE.finditer(text):
            found += 1
            line = text[: match.start()].count("\n") + 1
            assert match[1], f"{path}:{line}: a source that would be looked for in object storage"
    assert found >= 4


def test_jobs_find_the_runs_root_on_disk_or_in_their_copy():
    nowhere = SimpleNamespace(storage_settings=None)
    assert root_of_jobs(nowhere, "runs/here") == "runs/here"
    nowhere.storage_settings = SimpleNamespace(default_storage_provider=None)
    assert root_of_jobs(nowhere, "runs/here") == "runs/here"
    for prefix in ("s3://bucket/a", "s3://bucket/a/"):
        assert root_of_jobs(in_bucket(prefix), "./runs/here") == "copies/bucket/a/runs/here"


def test_a_prefix_without_a_scheme_is_refused():
    with pytest.raises(ConfigError, match=r"^EC20 --default-storage-prefix: bucket/runs: must"):
        root_of_jobs(in_bucket("bucket"), "runs")


@pytest.mark.parametrize("rule", sorted(ON_DISK))
def test_targets_on_a_run_tree_are_refused_in_object_storage(rule):
    settings = load_settings(parse_yaml("config/config.yaml"))
    jobs = [SimpleNamespace(rule=SimpleNamespace(name=rule))]
    workflow = SimpleNamespace(dag=SimpleNamespace(jobs=jobs, targetjobs=[]))
    with pytest.raises(SystemExit, match=f"EG95 {rule}: "):
        begin(workflow, settings, "copies/bucket/runs/fix-data-engine", SimpleNamespace())
