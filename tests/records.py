"""Records of a certified world: changed for a test, and verified."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.governance.verification import verify
from scripts.tables import read_json, write_json
from tests.torture import tamper


def faults(world: Path, **at_hand: Any) -> list[str]:
    """What a verification of the release finds, with the world's tree and snapshot at hand."""
    snapshot = world / "resources/reference"
    return verify(world / tamper.RELEASE, tree=world, reference=snapshot, **at_hand).faults


@contextmanager
def changed(path: Path, edit: Callable[[Any], object]) -> Iterator[None]:
    """A record changed for a while, in canonical form; its bytes and times come back."""
    data, times = path.read_bytes(), path.stat()
    document = read_json(path)
    edit(document)
    write_json(path, document)
    try:
        yield
    finally:
        path.write_bytes(data)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
