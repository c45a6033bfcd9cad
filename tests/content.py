"""What a table holds, whatever its file's layout and the version of its library."""

import hashlib

import numpy as np
import pyarrow as pa


def content_digest(table: pa.Table) -> str:
    """SHA-256 of a table's logical content: names, types and values, whatever the file layout.

    Strings are hashed with their lengths; numbers as little-endian bytes. Nulls are not expected.
    """
    digest = hashlib.sha256()
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = column.chunk(0) if column.num_chunks else pa.array([], type=column.type)
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        digest.update(f"{name}:{column.type};{len(column)};".encode())
        if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            digest.update(np.ascontiguousarray(column.to_numpy(zero_copy_only=False)).tobytes())
        else:
            for value in column.to_pylist():
                piece = value if isinstance(value, bytes) else str(value).encode("utf-8")
                digest.update(len(piece).to_bytes(4, "little") + piece)
    return digest.hexdigest()
