import shutil
import signal
from pathlib import Path

import pytest

from tests.certified import certified

# A shell's background jobs ignore Ctrl-C, and so does all that they start: undone for the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def certified_world() -> Path:
    """A small world after ``snakemake certify``; tests must leave it as it is."""
    return certified()


@pytest.fixture(scope="session")
def released_world() -> Path:
    """The whole world after ``snakemake certify``; tests must leave it as it is."""
    return certified(())


@pytest.fixture(scope="module")
def own_copy(certified_world, tmp_path_factory) -> Path:
    """A copy of the certified world for the tests of one file."""
    folder = tmp_path_factory.mktemp("copy") / "world"
    shutil.copytree(certified_world, folder, symlinks=True)
    return folder


@pytest.fixture
def world_copy(certified_world, tmp_path) -> Path:
    """A copy of the certified world with its times, to be changed at will."""
    folder = tmp_path / "world"
    shutil.copytree(certified_world, folder, symlinks=True)
    return folder
