"""Keyed, counter-based randomness: every draw is a function of what it is for.

Philox4x64-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11)
maps a 128-bit key and a 256-bit counter to 256 random bits. Here the key says *which world and
which family of decisions* (seed, family namespace) and the counter says *which decision*
(merchant; country and site; attempt; block). Draws therefore do not depend on order, position,
group or on any other merchant, and any of them can be replayed alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.random_kernels import fill_blocks, fill_uniforms

U64 = npt.NDArray[np.uint64]

_MASK_64 = (1 << 64) - 1
_SHIFT_32 = np.uint64(32)


def philox4x64(counter: Iterable[U64], key: tuple[int, int]) -> U64:
    """Philox4x64-10 blocks.

    Parameters
    ----------
    counter
        Four words of one shape (n,), word 0 first; see :func:`counters`.
    key
        Two 64-bit words.

    Returns
    -------
    Shape (n, 4), uint64.

    Raises
    ------
    ValueError
        When the words have not one shape.
    """
    words = tuple(counter)
    if len({word.shape for word in words}) > 1:
        raise ValueError("counter words of different shapes")
    out = np.empty((len(words[0]), 4), dtype=np.uint64)
    fill_blocks(*words, *map(np.uint64, key), out)
    return out


def family_key(seed: int, namespace: str) -> tuple[int, int]:
    """Philox key of a family of decisions: (seed, first 8 bytes of SHA-256 of the namespace)."""
    digest = hashlib.sha256(namespace.encode("utf-8")).digest()
    return seed & _MASK_64, int.from_bytes(digest[:8], "little")


def counters(
    merchant: Any, country: Any = 0, site: Any = 0, attempt: Any = 0, block: Any = 0
) -> tuple[U64, ...]:
    """The four counter words of decisions, all arguments broadcast against each other.

    Word 0 is the merchant id; word 1 is ``country << 32 | site``; word 2 is the attempt; word 3 is
    the block of four draws. ``country`` is the code of :func:`scripts.countries.encode`, and
    ``site`` lies in [0, 2**32).
    """
    merchant, country, site, attempt, block = (
        np.asarray(word, dtype=np.uint64) for word in (merchant, country, site, attempt, block)
    )
    words = (merchant, country << _SHIFT_32 | site, attempt, block)
    shape = np.broadcast_shapes(*(word.shape for word in words))
    return tuple(np.broadcast_to(word, shape) for word in words)


def keyed_uniforms(
    seed: int,
    namespace: str,
    merchant: Any,
    country: Any = 0,
    site: Any = 0,
    attempt: Any = 0,
    block: Any = 0,
) -> npt.NDArray[np.float64]:
    """Four uniforms in (0, 1) for each decision; shape (n, 4).

    Further draws of the same decision are taken from ``block`` = 1, 2, ...
    """
    words = counters(merchant, country, site, attempt, block)
    out = np.empty((words[0].size, 4))
    key = map(np.uint64, family_key(seed, namespace))
    fill_uniforms(*(word.reshape(-1) for word in words), *key, out)
    return out.reshape(*words[0].shape, 4)
