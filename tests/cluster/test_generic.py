"""The profile for any scheduler, with jobs as processes of this machine."""

import importlib.util

import pytest

from scripts.tables import read_json
from tests import small_world

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        importlib.util.find_spec("snakemake_executor_plugin_cluster_generic") is None,
        reason="not installed: snakemake-executor-plugin-cluster-generic",
    ),
]


def test_certify_in_groups_through_submitted_jobs(tmp_path):
    world = small_world.build(tmp_path / "world")
    result = small_world.snakemake(
        world,
        *("certify", "--profile", "profiles/generic", "--jobs", "2", "--latency-wait", "20"),
        *("--seconds-between-status-checks", "1", "--quiet", "rules", "--config", "groups=3"),
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    reports = world / "runs/fix-data-engine/segment_1B/reports"
    document = read_json(reports / "segment1b_p5_certification.json")
    assert document["verdict"]["grade"] in ("B", "BPLUS")
    spool = world / ".snakemake/generic"
    submitted = [line.split() for line in (spool / "submitted").read_text().splitlines()]
    assert len(submitted) > 90
    assert len({job for job, *_ in submitted}) == len(submitted)
    for job, threads, mem_mb, minutes, _ in submitted:
        assert (int(threads), int(mem_mb) >= 500, int(minutes) >= 5) == (1, True, True)
        assert (spool / job / "status").read_text() == "0\n"
