import pytest


@pytest.fixture(scope="module")
def world(own_copy):
    """One copy of the certified world for a file; its tests put back what they change."""
    return own_copy
