from pathlib import Path

import pytest

from tests.certified import certified
from tests.torture import worlds


@pytest.fixture(scope="session")
def four_seed_world() -> Path:
    """A small world of four seeds after one undisturbed ``certify``; tests leave it as it is."""
    return certified(worlds.FOUR_SEEDS)
