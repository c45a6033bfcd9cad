"""Philox and its uniforms as compiled loops; what they are for: :mod:`scripts.randomness`."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from scripts.compiled import compiled


def _high_word(_context: Any, a: Any, b: Any) -> Any:
    """Upper 64 bits of the product of two uint64: one instruction, which numba does not offer."""

    def product(_target: Any, builder: Any, _signature: Any, words: Any) -> Any:
        wide = ir.IntType(128)
        whole = builder.mul(*(builder.zext(word, wide) for word in words))
        return builder.trunc(builder.lshr(whole, wide(64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), product


high_word: Any = intrinsic(_high_word)


@compiled("UniTuple(u8, 4)(u8, u8, u8, u8, u8, u8)")
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """One block of Philox4x64-10 for compiled loops: counter words and key words, uint64."""
    multiplier_0, multiplier_1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
    weyl_0, weyl_1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
    for _ in range(10):
        upper_0, upper_1 = high_word(multiplier_0, c0), high_word(multiplier_1, c2)
        c1, c3, c0, c2 = multiplier_1 * c2, multiplier_0 * c0, upper_1 ^ c1 ^ k0, upper_0 ^ c3 ^ k1
        k0 += weyl_0
        k1 += weyl_1
    return c0, c1, c2, c3


@compiled("f8(u8)")
def unit(bits: Any) -> Any:
    """A uniform strictly inside (0, 1) from the upper 52 bits: ``(x + 1/2) * 2**-52``, exact."""
    return (np.float64(bits >> np.uint64(12)) + 0.5) * 2.0**-52


# Words of counters; one that is the same for all is a broadcast array, read-only and of stride 0.
_WORDS = ", ".join(4 * ["Array(u8, 1, 'A', readonly=True)"])


@compiled(f"void({_WORDS}, u8, u8, u8[:, ::1])")
def fill_blocks(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any, out: Any) -> None:
    """One block a counter into ``out``, shape (n, 4)."""
    for i in range(len(out)):
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = philox(c0[i], c1[i], c2[i], c3[i], k0, k1)


@compiled(f"void({_WORDS}, u8, u8, f8[:, ::1])")
def fill_uniforms(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any, out: Any) -> None:
    """Four uniforms a counter into ``out``, shape (n, 4)."""
    for i in range(len(out)):
        b0, b1, b2, b3 = philox(c0[i], c1[i], c2[i], c3[i], k0, k1)
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = unit(b0), unit(b1), unit(b2), unit(b3)
