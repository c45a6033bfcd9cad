"""Notes every file that a job opens for reading; Python imports this when it starts.

Put this folder on ``PYTHONPATH`` and name a folder in ``NOTE_READS``: each job of Snakemake leaves
a file there with its rule, its declared files and what it opened. Python's own opens come as audit
events. Those of pyarrow are native and raise none, so its openers are wrapped.

It does not see: opens of processes that a job starts, of native libraries other than pyarrow (GDAL
and HDF5 of rasterio and pyogrio), and names that are only looked up or listed.
"""

import atexit
import contextlib
import json
import os
import runpy
import sys
from functools import wraps

SEEN = set()


def note(path):
    """Remember a file that is opened."""
    if isinstance(path, (str, bytes, os.PathLike)):
        SEEN.add(os.path.abspath(os.fsdecode(path)))


def hook(event, arguments):
    """Audit hook: ``open`` has a path, a mode and flags."""
    if event == "open" and not (arguments[2] or 0) & os.O_WRONLY:
        note(arguments[0])


def noted(function, place):
    """The function, noting its argument at a place."""

    @wraps(function)
    def opener(*arguments, **named):
        if len(arguments) > place:
            note(arguments[place])
        else:
            note(next(iter(named.values()), None))
        return function(*arguments, **named)

    return opener


def wrap_pyarrow():
    """Note what pyarrow's openers are given."""
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    openers = {
        pyarrow.csv: ("read_csv", "open_csv"),
        pyarrow.parquet: ("read_table", "read_metadata", "read_schema"),
        pyarrow: ("memory_map",),
    }
    for module, names in openers.items():
        for name in names:
            setattr(module, name, noted(getattr(module, name), 0))
    file = pyarrow.parquet.ParquetFile
    file.__init__ = noted(file.__init__, 1)


def leave(job):
    """Write what this process opened, if it is a job."""
    if job is None:
        return
    files = {
        name: [str(path) for path in getattr(job, name)] for name in ("input", "output", "log")
    }
    record = {"rule": job.rule, **files, "cwd": os.getcwd(), "opened": sorted(SEEN)}
    target = os.path.join(os.environ["NOTE_READS"], f"{os.getpid()}.json")
    with open(target, "w", encoding="utf-8") as file:
        json.dump(record, file)


def leave_main():
    """The same for an interpreter that runs one script."""
    leave(getattr(sys.modules["__main__"], "snakemake", None))


def run_path(*arguments, run=runpy.run_path, **named):
    """Run a script, in a copy of a process that has the libraries, which runs no exit handlers."""
    names = run(*arguments, **named)
    leave(names.get("snakemake"))
    return names


if "NOTE_READS" in os.environ:
    with contextlib.suppress(ImportError):
        wrap_pyarrow()
    sys.addaudithook(hook)
    atexit.register(leave_main)
    os.register_at_fork(after_in_child=SEEN.clear)
    runpy.run_path = run_path
