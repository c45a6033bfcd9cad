"""Keeps libraries that no rule needs out of the start of a job.

pyarrow looks for pandas when it makes its first array and imports it where it is installed, 0.2
seconds that every job would pay. It looks once: a job lets it look while there is none to be seen.
"""

from __future__ import annotations

import sys


class _HidesPandas:
    """Finder that answers for pandas, with no."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ImportError(name)


def keep_pandas_out() -> None:
    """Make pyarrow believe, for the life of this process, that there is no pandas."""
    if "pandas" in sys.modules:
        return
    import pyarrow

    sys.meta_path.insert(0, _HidesPandas)
    try:
        pyarrow.array(["pandas"])
    finally:
        sys.meta_path.remove(_HidesPandas)
