"""What a record was measured on: the code of its job, and the digest of every file it was given.

The edge to Snakemake begins a job here; ``write_object`` puts the stamp into every record whose
contract has ``measured_on``. A file of the runs has the name that the contracts give it, with the
ids of the record's own run and of its tiles left open, so that a run has the same bytes under every
name; any other source has its file name. Verification holds them against what is there.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts.contracts.declared import dataset, name_below_root
from scripts.errors import ContractError
from scripts.tables import file_digest

MEASURED_ON = "measured_on"
RUN, TILES = "{run_id}", "{tiles_id}"
_TILES = re.compile("(?<=^segment_1B/tiles/)[^/]+")


def recorded_name(path: str, run_id: str) -> str:
    """Name of a file in a record of a run."""
    below = name_below_root(path)
    if below is None:
        return Path(path).name
    if run_id:
        below = below.replace(f"/{run_id}/", f"/{RUN}/")
    return _TILES.sub(TILES, below)


def path_of(name: str, run_id: str, tiles_id: str) -> str:
    """Path below the runs root of a recorded name; a source has none and comes as it is."""
    return name.replace(RUN, run_id).replace(TILES, tiles_id)


class Job:
    """The files that a job was given, and the code that it runs."""

    def __init__(self, paths: Iterable[str] = (), run_id: str = "", code: str = "") -> None:
        self.paths = list(map(str, paths))
        self.run_id = run_id
        self.code = code
        self.known: dict[str, str] = {}
        texts = [path for path in self.paths if path.endswith(".yaml")]
        self._obeyed = {path: file_digest(path) for path in texts}

    def digest(self, path: str) -> str:
        """SHA-256 of a file, taken once."""
        if path not in self.known:
            self.known[path] = file_digest(path)
        return self.known[path]

    def stamp(self, paths: Iterable[str] | None = None) -> dict[str, Any]:
        """What a record of this job was measured on: some files, by default all that it reads."""
        files = self.paths if paths is None else paths
        return {
            "code": self.code,
            "files": {recorded_name(path, self.run_id): self.digest(path) for path in files},
        }

    def end(self) -> None:
        """Refuse policies that changed while the job ran (``EX23``): nobody knows which it read."""
        for path, digest in self._obeyed.items():
            if file_digest(path) != digest:
                raise ContractError(
                    "EX23", path, "changed while a job read it", "start again with it as it is now"
                )


# Of this process; outside a job nothing is measured.
_job: Job | None = None


def begin(job: Job) -> None:
    """Let the records that this process writes from now on be those of a job."""
    global _job
    _job = job


@contextlib.contextmanager
def outside_jobs() -> Iterator[None]:
    """Write records that no job measured."""
    global _job
    job, _job = _job, None
    try:
        yield
    finally:
        _job = job


def digest(path: str | Path) -> str:
    """SHA-256 of a file that the job reads, taken once for itself and for its records."""
    return file_digest(path) if _job is None else _job.digest(str(path))


def asks(dataset_id: str) -> bool:
    """Whether the contract of a record asks what it was measured on."""
    return MEASURED_ON in (dataset(dataset_id).schema or {}).get("properties", {})


def stamped(dataset_id: str, value: Any) -> Any:
    """A record with what it was measured on, where its contract asks for that and it has none."""
    if _job is None or not asks(dataset_id) or MEASURED_ON in value:
        return value
    return {**value, MEASURED_ON: _job.stamp()}


def on(path: str) -> dict[str, Any]:
    """The stamp of a record that was measured on one file alone, nothing outside a job."""
    return {} if _job is None else {MEASURED_ON: _job.stamp([path])}


def of_parts(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The stamp that all parts of a state share, nothing outside a job; ``-of-`` names a part.

    Raises
    ------
    ContractError
        ``EX24`` two parts were made from another file of one name, or by other code.
    """
    code: str | None = None
    files: dict[str, str] = {}
    for stamp in (part[MEASURED_ON] for part in parts if MEASURED_ON in part):
        other = [n for n, sha in stamp["files"].items() if files.get(n, sha) != sha]
        if other or code not in (None, stamp["code"]):
            rule = "is not alike in all parts of a state"
            raise ContractError("EX24", (other or ["code"])[0], rule, "start again")
        code = stamp["code"]
        files |= {n: sha for n, sha in stamp["files"].items() if "-of-" not in n}
    return {} if code is None else {MEASURED_ON: {"code": code, "files": files}}
