"""Compiles loops over single rows by numba (Lam, Pitrou and Seibert, LLVM-HPC 2015).

Only the four basic operations, square roots and integers may stand in them: without fast-math a
compiler neither reorders nor fuses these, so that a result is the same to the bit on every machine.
The loops stand in files named ``*kernels.py``.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import UserProvidedCacheLocator

_HERE = Path(__file__).resolve().parent


def _digest() -> str:
    """SHA-256 of all kernels: numba does not see a change in what a loop calls."""
    digest = hashlib.sha256()
    for path in (Path(__file__), *sorted(_HERE.rglob("*kernels.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _cache() -> Path:
    """Where machine code is kept: beside the source, or the user's own cache."""
    if os.access(_HERE, os.W_OK):
        return _HERE / "__pycache__"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "segment1b"


class ByContent(UserProvidedCacheLocator):  # type: ignore[misc]
    """Finds what numba keeps by content alone, so that a tree that moved finds it too."""

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        """Folder of a source below the cache."""
        return Path(py_file).resolve().parent.relative_to(_HERE).as_posix()

    def get_source_stamp(self) -> str:
        """Nothing: the name of the cache says what the sources are."""
        return ""


# Read by numba when a function is compiled; its types do not know them.
for _name, _value in {
    "CACHE_DIR": str(_cache() / f"kernels-{_digest()[:16]}"),
    "CACHE_LOCATOR_CLASSES": f"{__name__}.{ByContent.__name__}",
}.items():
    setattr(numba.config, _name, _value)


def compiled(signature: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function for a signature when its module is imported; it runs beside other threads.

    The machine code is kept in ``scripts/__pycache__`` or the user's cache; where neither can be
    written, every process makes it anew.
    """

    def of(function: Callable[..., Any]) -> Callable[..., Any]:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
        try:
            kept: Callable[..., Any] = numba.njit(signature, cache=True, **options)(function)
        except RuntimeError:
            kept = numba.njit(signature, **options)(function)
        return kept

    return of
