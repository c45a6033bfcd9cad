"""Short words for people at the end of a command: plain text, colours on a terminal alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import TextIO

GOOD, BAD, STRONG = "\033[32m", "\033[31m", "\033[1m"
_PLAIN = "\033[0m"
QUIET = "SEGMENT_1B_QUIET"


def coloured(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether a stream takes colours: a terminal, and nobody asked for none (no-color.org)."""
    return stream.isatty() and not environment.get("NO_COLOR")


def paint(text: str, tone: str, colours: bool) -> str:
    """Text in a tone where colours are wanted."""
    return f"{tone}{text}{_PLAIN}" if colours else text


def export_quiet(quiet: bool) -> None:
    """Let this process and those that it starts know whether they were asked to be quiet."""
    if quiet:
        os.environ[QUIET] = "1"
    else:
        os.environ.pop(QUIET, None)


def is_quiet() -> bool:
    """Whether this process was asked to be quiet."""
    return bool(os.environ.get(QUIET))


def say(lines: Iterable[str]) -> None:
    """Print lines to standard output unless quiet."""
    if not is_quiet():
        print("\n".join(lines), flush=True)


def colours_wanted() -> bool:
    """Whether standard output takes colours."""
    return coloured(sys.stdout, os.environ)
