"""Short words for people at the end of a command: plain text, colours on a terminal alone."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TextIO

GOOD, BAD, STRONG = "\033[32m", "\033[31m", "\033[1m"
_PLAIN = "\033[0m"
# Set where a view tells what the logs of jobs say, so that the jobs need not.
VIEW = "SEGMENT_1B_VIEW"


def counted(number: int, thing: str) -> str:
    """A number of things: ``1 seed``, ``2 seeds``."""
    return f"{number} {thing}{'s' * (number != 1)}"


def say_interrupts_in_a_line() -> None:
    """Let Ctrl-C end this process in a line; Python ends it by the signal all the same."""
    others = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            print("interrupted; the same command goes on from here", file=sys.stderr)
        else:
            others(kind, error, trace)

    sys.excepthook = hook


def draws(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether a stream is a terminal that can move its cursor."""
    return stream.isatty() and environment.get("TERM", "dumb") != "dumb"


def coloured(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether a stream takes colours: a terminal, and nobody asked for none (no-color.org)."""
    return draws(stream, environment) and not environment.get("NO_COLOR")


def paint(text: str, tone: str, colours: bool) -> str:
    """Text in a tone where colours are wanted."""
    return f"{tone}{text}{_PLAIN}" if colours else text


def width() -> int | None:
    """Columns of the terminal that standard output is, None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def colours_wanted() -> bool:
    """Whether standard output takes colours."""
    return coloured(sys.stdout, os.environ)
