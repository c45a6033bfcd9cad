import os
from pathlib import Path

import pytest

from tests.torture import worlds


@pytest.fixture(scope="session")
def four_seed_world(tmp_path_factory) -> Path:
    """A small world of four seeds after one undisturbed ``certify``; tests leave it as it is."""
    if "TORTURE_WORLDS" in os.environ:
        return Path(os.environ["TORTURE_WORLDS"]) / "four"
    return worlds.undisturbed(tmp_path_factory.mktemp("four") / "world", worlds.FOUR_SEEDS)
