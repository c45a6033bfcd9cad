"""Runs in object storage: the small world in a bucket of an S3 server that this test starts."""

import importlib.util
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.tables import file_digest, read_json
from tests import small_world

MISSING = [
    name
    for name, module in (
        ("snakemake-storage-plugin-s3", "snakemake_storage_plugin_s3"),
        ("moto[server]", "moto"),
        ("flask", "flask"),
        ("snakemake-executor-plugin-cluster-generic", "snakemake_executor_plugin_cluster_generic"),
    )
    if importlib.util.find_spec(module) is None
]
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; make test-s3"),
]

BUCKET = "segment1b"
ROOT = "runs/fix-data-engine"
# Logs and benchmarks tell times; retention is for run trees on disk.
OF_ONE_RUN = ("logs/", "benchmarks/", "segment_1B/reports/segment1b_p0_prune_check.txt")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Environment in which Snakemake and boto3 reach an S3 server of this test's own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(tmp_path_factory.mktemp("s3") / "server.log", "wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    for _ in range(120):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.25)
    else:
        server.terminate()
        pytest.fail(f"the S3 server did not come up: {log.name}")
    yield {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }
    server.terminate()
    server.wait(timeout=20)


def fetch(environment, folder: Path) -> Path:
    """Copy of everything in the bucket."""
    import boto3

    bucket = boto3.resource(
        "s3",
        endpoint_url=environment["SNAKEMAKE_STORAGE_S3_ENDPOINT_URL"],
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    ).Bucket(BUCKET)
    for entry in bucket.objects.all():
        path = folder / entry.key
        path.parent.mkdir(parents=True, exist_ok=True)
        bucket.download_file(entry.key, str(path))
    return folder


def published(root: Path) -> dict[str, str]:
    found = {p.relative_to(root).as_posix(): p for p in root.rglob("*") if p.is_file()}
    return {k: file_digest(p) for k, p in sorted(found.items()) if not k.startswith(OF_ONE_RUN)}


def said(result) -> str:
    return (result.stdout + result.stderr)[-4000:]


def planned(result) -> set[str]:
    """Rules of the job table of a dry run."""
    assert result.returncode == 0, said(result)
    rows = re.findall(r"^(\w+) +\d+$", result.stdout + result.stderr, flags=re.MULTILINE)
    return set(rows) - {"total"}


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory):
    """Digests of what the small world publishes below a folder."""
    world = small_world.build(tmp_path_factory.mktemp("disk") / "world")
    result = small_world.snakemake(world, "certify", "--quiet", "rules")
    assert result.returncode == 0, said(result)
    return published(world / ROOT)


@pytest.mark.parametrize("where", ["here", "apart"])
def test_certify_in_a_bucket(environment, on_disk, tmp_path, where):
    world = small_world.build(tmp_path / "world")
    prefix = f"{BUCKET}/{where}"
    arguments = ("--profile", "profiles/s3", "--default-storage-prefix", f"s3://{prefix}")
    if where == "apart":
        # Jobs find no file of another one: profiles/generic names a folder of each in FOLDER.
        arguments += (
            *("--profile", "profiles/generic", "--jobs", "2"),
            *("--seconds-between-status-checks", "1"),
            *("--remote-job-local-storage-prefix", "$FOLDER/storage"),
        )

    def snakemake(*more):
        return small_world.snakemake(world, *more, *arguments, environment=environment)

    result = snakemake("certify", "--quiet", "rules")
    assert result.returncode == 0, said(result)
    assert not (world / ROOT / "segment_1B").exists()
    if where == "apart":
        spool = world / ".snakemake/generic"
        jobs = [line.split()[0] for line in (spool / "submitted").read_text().splitlines()]
        # All but the verdict.
        assert len(jobs) > 70
        assert all((spool / job / "storage/s3" / BUCKET).is_dir() for job in jobs)

    root = fetch(environment, tmp_path / "fetched") / where / ROOT
    assert published(root) == on_disk
    sites = [path for path in on_disk if path.endswith("/site_locations.parquet")]
    assert sum(path.startswith("segment_1B/") for path in sites) == 4
    assert sum(path.startswith("releases/") for path in sites) == 6
    verdict = read_json(root / "segment_1B/reports/segment1b_p5_certification.json")
    assert verdict["verdict"]["grade"] in ("B", "BPLUS")

    assert planned(snakemake("-n", "certify")) == {"certify"}
    policy = world / "config/layer1/1B/policy/policy.s6.jitter.yaml"
    text = policy.read_text(encoding="utf-8")
    policy.touch()
    assert planned(snakemake("-n", "certify")) == {"certify"}
    policy.write_text(f"{text}# Another comment.\n", encoding="utf-8")
    rerun = planned(snakemake("-n", "certify"))
    assert {"s6_site_jitter", "s8_site_locations", "scorecard", "certify_release"} <= rerun
    assert not rerun & {"s1_tile_index", "s2_tile_weights", "s4_alloc_plan", "generate_1a"}

    result = snakemake("p1")
    assert result.returncode == 1
    assert "EG95 p1: works on a run tree on disk" in result.stdout + result.stderr
