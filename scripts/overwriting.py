"""Files that a person names for a result: what other work left there is not written over."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.errors import ConfigError
from scripts.tables import read_bytes


def json_of(content: bytes) -> Any:
    """What the content of a file says as JSON; None when it is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def require_replaceable(
    path: str | Path, option: str, kind: str, is_kind: Callable[[bytes], bool]
) -> None:
    """Refuse a path at which something stands that is not of the kind to be written.

    Parameters
    ----------
    option
        Key or option that names the path.
    kind, is_kind
        What is to be written, in words, and whether the content of a file is that; an empty file
        may always be replaced.

    Raises
    ------
    ConfigError
        ``EC22``.
    """
    path = Path(path)
    blocked = next((p for p in path.parents if p.exists() and not p.is_dir()), None)
    if blocked is not None:
        raise ConfigError("EC22", option, f"{blocked} is no folder", "a file in a folder")
    if not (path.exists() or path.is_symlink()):
        return
    try:
        content = read_bytes(path)
    except OSError:
        content = None
    if content is None or (content and not is_kind(content)):
        rule = f"{path} is there and is no {kind}"
        raise ConfigError("EC22", option, rule, "the name of a new file, or of an earlier one")
