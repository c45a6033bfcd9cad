"""Two-letter country codes as small integers that keep their order.

``encode("AA") = 0`` ... ``encode("ZZ") = 675``: alphabetical order is numeric order, the code needs
no table, and it fits the counter of a keyed draw.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

CODES = 26 * 26
_ALL = [chr(65 + i) + chr(65 + j) for i in range(26) for j in range(26)]
_NAMES = pa.array(_ALL, type=pa.string())
_INDEX = {iso: code for code, iso in enumerate(_ALL)}


def hold(column: str) -> bool:
    """Whether a column of this name holds countries."""
    return column.endswith("country_iso")


def encode_one(iso: str) -> int:
    """Code of one country; KeyError when ``iso`` is not two capital letters."""
    return _INDEX[iso]


def decode_one(code: int) -> str:
    """Two letters of one code."""
    return _ALL[code]


def encode(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int16]:
    """Codes of a string or dictionary column of two-letter codes.

    Raises
    ------
    KeyError
        When a value is null or not two capital letters.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column)
    lookup = np.array([_INDEX[value] for value in column.dictionary.to_pylist()], np.int16)
    if column.null_count:
        raise KeyError("null")
    if not len(lookup):
        return np.empty(0, dtype=np.int16)
    # Four times faster than an index of numpy, which widens it first.
    codes: npt.NDArray[np.int16] = pa.array(lookup).take(column.indices).to_numpy()
    return codes


def names(codes: npt.NDArray[np.integer]) -> pa.DictionaryArray:
    """Dictionary column of codes."""
    return pa.DictionaryArray.from_arrays(np.asarray(codes, dtype=np.int32), _NAMES)


def decode(codes: npt.NDArray[np.integer]) -> pa.Array:
    """String column of codes."""
    return _NAMES.take(pa.array(np.asarray(codes, dtype=np.int32)))
