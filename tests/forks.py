"""Runs a module as ``python -m`` would, in a copy of a process that has Snakemake in memory.

More than half the time of a short ``snakemake`` goes to imports that are the same every time. A
copy has a folder, an environment and standard streams of its own; what a world brings along, its
package first, the copy imports itself.
"""

import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LIBRARIES = ("snakemake.cli", "jsonschema", "pyarrow.parquet", "referencing")
_one_at_a_time = threading.Lock()


def interpreter(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command in an interpreter of its own, to its end."""
    return subprocess.run(
        command, cwd=folder, env=environment, text=True, capture_output=True, check=False
    )


def run(
    module: str, arguments: list[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a module to its end; where another one runs already, in an interpreter of its own."""
    if not _one_at_a_time.acquire(blocking=False):
        return interpreter([sys.executable, "-m", module, *arguments], folder, environment)
    try:
        with tempfile.TemporaryDirectory() as streams:
            server = _server()
            assert server.stdin is not None
            assert server.stdout is not None
            request = {
                "module": module,
                "argv": [module, *arguments],
                "folder": str(folder),
                "environment": dict(environment),
                "streams": [os.devnull, f"{streams}/stdout", f"{streams}/stderr"],
            }
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
            status = int(server.stdout.readline())
            said = [Path(file).read_text(encoding="utf-8") for file in request["streams"][1:]]
        return subprocess.CompletedProcess(request["argv"], status, *said)
    finally:
        _one_at_a_time.release()


@functools.cache
def _server() -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.Popen(
        [sys.executable, __file__],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _serve() -> dict[str, Any] | None:
    """Answer requests until the input ends; in a copy, return what it has to run."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            return json.loads(line)  # type: ignore[no-any-return]
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    return None


def _become(request: dict[str, Any]) -> None:
    for handle, file in enumerate(request["streams"]):
        opened = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, handle)
        os.close(opened)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv, sys.path[0] = request["argv"], request["folder"]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    plugins = [m.name for m in pkgutil.iter_modules() if m.name.startswith("snakemake_")]
    for name in (*LIBRARIES, *plugins):
        importlib.import_module(name)
    gc.freeze()
    asked = _serve()
    if asked:
        _become(asked)
