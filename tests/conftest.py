import os
import shutil
from pathlib import Path

import pytest

from tests import small_world
from tests.torture import worlds


@pytest.fixture(scope="session")
def certified_world(tmp_path_factory) -> Path:
    """A small world after ``snakemake certify``; tests must leave it as it is."""
    if "TORTURE_WORLDS" in os.environ:
        return Path(os.environ["TORTURE_WORLDS"]) / "two"
    return worlds.undisturbed(tmp_path_factory.mktemp("world") / "two", small_world.SEEDS)


@pytest.fixture
def world_copy(certified_world, tmp_path) -> Path:
    """A copy of the certified world with its times, to be changed at will."""
    folder = tmp_path / "world"
    shutil.copytree(certified_world, folder, symlinks=True)
    return folder
