import shutil
from pathlib import Path

import pytest

from tests import small_world


@pytest.fixture(scope="session")
def certified_world(tmp_path_factory) -> Path:
    """A small world after ``snakemake certify``; tests must leave it as it is."""
    folder = small_world.build(tmp_path_factory.mktemp("world"))
    result = small_world.snakemake(folder, "certify", "--quiet", "rules")
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    return folder


@pytest.fixture
def world_copy(certified_world, tmp_path) -> Path:
    """A copy of the certified world with its times, to be changed at will."""
    folder = tmp_path / "world"
    shutil.copytree(certified_world, folder, symlinks=True)
    return folder
