"""Progress of a long job: a line every few seconds in its log.

A state wraps the loop that takes its time in :func:`track`. Outside a job nothing is written; a
job that ends within ``INTERVAL_S`` writes nothing either.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
INTERVAL_S = 5.0
_log: Path | None = None
_last = 0.0


def begin(log: object) -> None:
    """Start the progress of a job that logs to a file; an older run's lines go."""
    global _log, _last
    _log, _last = Path(str(log)), time.monotonic()
    _log.unlink(missing_ok=True)


def track(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """The items, with a line like ``countries: 40 of 245`` when ``INTERVAL_S`` have passed.

    Parameters
    ----------
    items
        What a loop goes through.
    what
        Their name in the plural.
    total
        How many there are at most.
    """
    for done, item in enumerate(items):
        _tell(f"{what}: {done} of {total}")
        yield item


def _tell(line: str) -> None:
    global _last
    now = time.monotonic()
    if _log is None or now - _last < INTERVAL_S:
        return
    _last = now
    with _log.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
