import numpy as np
import pytest

from scripts.random_kernels import unit
from scripts.randomness import keyed_uniforms, philox4x64

# Known-answer vectors of the Random123 distribution, philox4x64 with ten rounds.
ALL_ONES = 2**64 - 1
PI_WORDS = [0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89]
KNOWN_ANSWERS = [
    (
        [0] * 4,
        (0, 0),
        [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B],
    ),
    (
        [ALL_ONES] * 4,
        (ALL_ONES, ALL_ONES),
        [0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0],
    ),
    (
        PI_WORDS,
        (0x452821E638D01377, 0xBE5466CF34E90C6C),
        [0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6],
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_published_known_answers(counter, key, expected):
    assert philox4x64(np.array([counter], dtype=np.uint64).T, key)[0].tolist() == expected


def test_counter_words_of_different_lengths_are_refused():
    word = np.zeros(3, dtype=np.uint64)
    with pytest.raises(ValueError, match="different shapes"):
        philox4x64((word, word, word, word[:2]), (1, 2))


def test_philox_agrees_with_numpy():
    key = (123456789, 987654321)
    reference = np.random.Philox(key=np.array(key, dtype=np.uint64), counter=[5, 0, 7, 1])
    words = reference.random_raw(8).reshape(2, 4)
    # NumPy raises the counter before it makes a block.
    counter = np.array([[6, 0, 7, 1], [7, 0, 7, 1]], dtype=np.uint64)
    assert (philox4x64(counter.T, key) == words).all()


def test_blocks_do_not_depend_on_their_neighbours():
    merchants = np.arange(20_000)
    whole = keyed_uniforms(42, "family", merchants, country=17, site=3)
    alone = keyed_uniforms(42, "family", merchants[12_345], country=17, site=3)
    assert (whole[12_345] == alone).all()


def test_seed_family_and_every_counter_word_matter():
    base = {"merchant": 1, "country": 2, "site": 3, "attempt": 4, "block": 5}
    draws = [keyed_uniforms(42, "f", **base), keyed_uniforms(43, "f", **base)]
    draws.append(keyed_uniforms(42, "g", **base))
    draws += [keyed_uniforms(42, "f", **{**base, word: 9}) for word in base]
    assert len({tuple(draw.ravel().tolist()) for draw in draws}) == len(draws)


def test_uniforms_lie_strictly_inside_the_unit_interval():
    ends = [unit(np.uint64(0)), unit(np.uint64(ALL_ONES))]
    assert 0 < ends[0] < ends[1] < 1


def test_uniforms_have_the_moments_of_the_uniform_law():
    draws = keyed_uniforms(7, "moments", np.arange(100_000)).ravel()
    assert abs(draws.mean() - 0.5) < 5 * np.sqrt(1 / 12 / draws.size)
    assert abs(draws.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / draws.size)
