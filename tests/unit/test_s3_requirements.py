import numpy as np
import pyarrow as pa
import pytest

from scripts import countries
from scripts.errors import StateError
from scripts.states.pairs import distance_to_mass, mass_targets, read_candidates
from scripts.states.s3_requirements import (
    abroad_share,
    count_sites,
    require_tiles,
    requirements,
)


def catalogue(rows):
    merchant, home, legal, order = zip(*rows, strict=True)
    return pa.table(
        {
            "merchant_id": np.array(merchant, dtype=np.uint64),
            "home_country_iso": list(home),
            "legal_country_iso": list(legal),
            "site_order": np.array(order, dtype=np.int32),
        }
    )


ROWS = [
    (7, "DE", "DE", 1),
    (7, "DE", "DE", 2),
    (7, "DE", "DE", 3),
    (7, "DE", "FR", 1),
    (9, "KE", "KE", 1),
]


def test_counts_come_from_the_catalogue():
    ids, homes, pairs = count_sites([catalogue(ROWS)], "f")
    assert ids.tolist() == [7, 9]
    assert [countries.decode_one(h) for h in homes] == ["DE", "KE"]
    assert pairs.n_sites.tolist() == [3, 1, 1]
    assert abroad_share(pairs, homes) == 0.2


@pytest.mark.parametrize(
    ("rows", "code", "row"),
    [
        ([ROWS[0], ROWS[0]], "E314", "row 1"),
        ([ROWS[0], ROWS[2]], "E314", "row 1"),
        ([ROWS[4], ROWS[0]], "E310", "row 1"),
        ([ROWS[3], ROWS[0]], "E310", "row 1"),
        ([ROWS[0], (7, "FR", "DE", 2)], "E305", "row 1"),
    ],
)
def test_broken_catalogues_are_refused_by_row(rows, code, row):
    table = catalogue(rows)
    for blocks in ([table], [table[:1], table[1:]]):
        with pytest.raises(StateError) as caught:
            count_sites(blocks, "outlets.parquet")
        assert str(caught.value).startswith(f"{code} outlets.parquet {row}")


def test_counts_do_not_depend_on_the_blocks():
    table = catalogue(ROWS)
    ids, homes, pairs = count_sites([table], "f")
    one_by_one = count_sites([table[row : row + 1] for row in range(table.num_rows)], "f")
    assert one_by_one[0].tolist() == ids.tolist()
    assert one_by_one[1].tolist() == homes.tolist()
    for column, whole in zip(vars(one_by_one[2]).values(), vars(pairs).values(), strict=True):
        assert column.tolist() == whole.tolist()


def mass(**shares):
    return pa.table({"country_iso": list(shares), "mass_share": list(shares.values())})


def test_country_without_tiles_is_refused():
    _, _, pairs = count_sites([catalogue(ROWS)], "f")
    targets = mass_targets(mass(DE=0.5, FR=0.5), 5)
    with pytest.raises(StateError, match="E303 f: country KE"):
        require_tiles(pairs, targets, "f")


def steered(enabled=True, moved=1.0, abroad=1.0):
    ids, homes, pairs = count_sites([catalogue(ROWS)], "f")
    listed = pa.table(
        {
            "merchant_id": np.array([7, 7, 7, 9, 99], dtype=np.uint64),
            "country_iso": ["DE", "FR", "KE", "KE", "DE"],
            "candidate_rank": np.array([0, 1, 2, 0, 0], dtype=np.int32),
        }
    )
    candidates = read_candidates([listed], ids)
    targets = mass_targets(mass(DE=0.2, FR=0.2, KE=0.6), 5)
    policy = {"enabled": enabled, "max_moved_share": moved, "max_home_legal_mismatch": abroad}
    after, moves = requirements(pairs, candidates, homes, targets, policy)
    return pairs, after, moves, targets


def test_steering_moves_towards_the_mass():
    before, after, moves, targets = steered()
    assert moves.total == 2
    assert distance_to_mass(after, targets) == 0
    assert distance_to_mass(before, targets) > 0
    assert after.n_sites.sum() == before.n_sites.sum()


def test_steering_obeys_switch_and_bounds():
    assert steered(enabled=False)[2].total == 0
    assert steered(moved=0.2)[2].total == 1
    assert steered(abroad=0.4)[2].total == 1
    assert steered(abroad=0.2)[2].total == 0
