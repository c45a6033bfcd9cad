"""Runs the scripts of jobs in copies of one process that has the libraries in memory.

Most of a small job is the start of its interpreter and the import of its libraries. On Linux the
workflow therefore starts one process that imports what the scripts of its jobs import and then
waits. For every job it forks: the copy runs the script as its own interpreter would, with its own
environment, and its exit status goes back. Where this process is not at hand (few jobs, a cluster,
conda environments, another system), every script has an interpreter of its own.

One connection of a Unix socket serves one job: the request is a line of JSON with ``script`` and
``environment``, the answer a line with the exit status, negative for a signal. The process ends
when its standard input does, with the workflow; jobs that still run then run on.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path

# The name says to scripts/__init__.py that this process is one of the rules' jobs.
_PROGRAM = "import sys; snakemake = None; from scripts.job_server import main; main(*sys.argv[1:])"


class JobServer:
    """The process and its socket, as the workflow sees them."""

    def __init__(self, prepare: Iterable[str]):
        """Start it; ``prepare`` names modules to import, or ``module:function`` to call as well."""
        self._address = str(Path(tempfile.mkdtemp(prefix="segment1b-"), "jobs"))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self._address)
        listener.listen(128)
        # Linear algebra asks once, at import; every script states one thread.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(listener.fileno()), *prepare],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            env=environment,
        )
        listener.close()
        atexit.register(self.end)

    def run(self, script: str, environment: Mapping[str, str]) -> int:
        """Run a script to its end in a copy; its exit status, negative for a signal.

        Raises
        ------
        OSError
            When nobody is there to run it.
        """
        with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rw") as stream:
            connection.connect(self._address)
            print(json.dumps({"script": script, "environment": dict(environment)}), file=stream)
            stream.flush()
            answer = stream.readline()
        if not answer:
            print(f"{script}: the process that runs the jobs has ended", file=sys.stderr)
            return 1
        return int(answer)

    def end(self) -> None:
        """End the process, and wait for it; jobs that run are left alone."""
        self._process.communicate()


def exit_status(error: SystemExit) -> int:
    """Status that an interpreter ends with for ``SystemExit``, its message printed."""
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    print(error.code, file=sys.stderr)
    return 1


def run_script(script: str, environment: Mapping[str, str]) -> int:
    """Run a script as the main module of this process; its exit status."""
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [script]
    sys.path[0] = str(Path(script).parent)
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as error:
        return exit_status(error)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _fork(connection: socket.socket, request: str) -> int:
    """Fork a copy that runs the script of a request; its process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        connection.close()
        status = run_script(**json.loads(request))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status & 0xFF)


def serve(listener: socket.socket) -> None:
    """Fork for every request until standard input ends."""
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connections: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        for source in (listener, sys.stdin, woken):
            selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:
                    return
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    with connection.makefile() as stream:
                        connections[_fork(connection, stream.readline())] = connection
                else:
                    os.read(woken, 4096)
                    _answer(connections)


def _answer(connections: dict[int, socket.socket]) -> None:
    """Send the status of every copy that has ended."""
    while True:
        try:
            child, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not child:
            return
        with connections.pop(child) as connection, contextlib.suppress(OSError):
            connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def main(descriptor: str, *prepare: str) -> None:
    """Import and call what is common to jobs, then serve."""
    for entry in prepare:
        name, _, function = entry.partition(":")
        module = importlib.import_module(name)
        if function:
            getattr(module, function)()
    with socket.socket(fileno=int(descriptor)) as listener:
        folder = Path(listener.getsockname()).parent
        # Collections in a copy leave what the libraries hold alone, and its pages shared.
        gc.collect()
        gc.freeze()
        serve(listener)
    shutil.rmtree(folder)
