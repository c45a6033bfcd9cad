"""What Snakemake is made to do beside its documented interface."""

import asyncio
import hashlib
from types import SimpleNamespace

import pytest
from snakemake.io import IOFile, _IOFile

from scripts import snakemake_private


@pytest.mark.parametrize("local", [True, False])
def test_the_limit_of_jobs_a_second_is_lifted_on_this_machine_alone(local):
    limit = object()
    scheduler = SimpleNamespace(job_rate_limiter=limit)
    snakemake_private.lift_job_rate(SimpleNamespace(local_exec=local, scheduler=scheduler))
    assert (scheduler.job_rate_limiter is None) == local


def test_a_file_is_read_once_for_its_checksum_until_it_changes(tmp_path, monkeypatch):
    path, read = tmp_path / "table", []
    path.write_bytes(b"before")
    digest = hashlib.file_digest
    monkeypatch.setattr(
        hashlib, "file_digest", lambda file, of: read.append(file.name) or digest(file, of)
    )
    monkeypatch.setattr(_IOFile, "checksum", _IOFile.checksum)
    snakemake_private.take_checksums_once()
    workflow = SimpleNamespace(iocache=SimpleNamespace(active=False))

    def checksum(largest):
        file = IOFile(str(path), rule=None)
        file.rule = SimpleNamespace(workflow=workflow)
        return asyncio.run(file.checksum(largest))

    before = f"sha256:{hashlib.sha256(b'before').hexdigest()}"
    assert [checksum(100), checksum(100)] == [before, before]
    assert len(read) == 1
    assert checksum(3) is None
    path.write_bytes(b"behind")
    assert checksum(100) == f"sha256:{hashlib.sha256(b'behind').hexdigest()}"
    path.unlink()
    assert checksum(100) is None
