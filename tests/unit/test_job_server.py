"""Scripts in copies of one process: they run as under an interpreter of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts.job_server import JobServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")


@pytest.fixture(scope="module")
def server() -> Iterator[JobServer]:
    server = JobServer(["fractions", "scripts.contracts:datasets"])
    yield server
    server.end()


def run(server: JobServer, folder: Path, text: str, **environment: str) -> int:
    script = folder / "job.py"
    script.write_text(text, encoding="utf-8")
    return server.run(str(script), {**os.environ, **environment})


REPORT = """
import json, os, sys
state = {
    "name": __name__,
    "main": sys.modules["__main__"].__dict__ is globals(),
    "warm": "fractions" in sys.modules,
    "pandas": "pandas" in sys.modules,
    "called": sys.modules["scripts.contracts"].datasets.cache_info().currsize,
    "argv": sys.argv,
    "path": sys.path[0],
    "mark": os.environ.get("MARK"),
    "environ": sorted(os.environ),
    "folder": os.getcwd(),
}
open(os.environ["OUT"], "w").write(json.dumps(state))
"""


def test_a_script_is_the_main_module_with_its_own_environment(server, tmp_path):
    out = tmp_path / "state.json"
    assert run(server, tmp_path, REPORT, OUT=str(out), MARK="1") == 0
    found = json.loads(out.read_text())
    assert found.pop("environ") == sorted({**os.environ, "OUT": "", "MARK": ""})
    assert found == {
        "name": "__main__",
        "main": True,
        "warm": True,
        "pandas": False,
        "called": 1,
        "argv": [str(tmp_path / "job.py")],
        "path": str(tmp_path),
        "mark": "1",
        "folder": os.getcwd(),
    }
    assert run(server, tmp_path, REPORT, OUT=str(out)) == 0
    assert json.loads(out.read_text())["mark"] is None


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("pass", 0),
        ("raise SystemExit", 0),
        ("raise SystemExit(3)", 3),
        ("raise SystemExit('a message')", 1),
        ("1 / 0", 1),
        ("this is no Python", 1),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("import os; os.kill(os.getpid(), 15)", -signal.SIGTERM),
        ("import os; os.kill(os.getpid(), 2)", 1),
    ],
)
def test_the_exit_status_is_that_of_the_script(server, tmp_path, text, status):
    assert run(server, tmp_path, text) == status


def test_a_missing_script_fails(server, tmp_path):
    assert server.run(str(tmp_path / "none.py"), dict(os.environ)) == 1


def test_jobs_run_side_by_side_and_leave_nothing_behind(server, tmp_path):
    (tmp_path / "set.py").write_text("import sys; sys.modules['scripts.left'] = 1")
    wait = "import os, sys, time\nassert 'scripts.left' not in sys.modules\n"
    wait += f"open({str(tmp_path)!r} + f'/{{os.getpid()}}', 'w')\n"
    wait += "end = time.monotonic() + 20\n"
    wait += f"while len([n for n in os.listdir({str(tmp_path)!r}) if n.isdigit()]) < 3:\n"
    wait += "    assert time.monotonic() < end\n    time.sleep(0.01)\n"
    (tmp_path / "wait.py").write_text(wait)
    assert server.run(str(tmp_path / "set.py"), dict(os.environ)) == 0
    with ThreadPoolExecutor(3) as pool:
        scripts = [str(tmp_path / "wait.py")] * 3
        assert (
            list(pool.map(lambda script: server.run(script, dict(os.environ)), scripts)) == [0] * 3
        )


def test_a_server_that_has_ended_leaves_nothing_and_says_so(tmp_path, monkeypatch):
    folder = tmp_path / "t"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    server = JobServer([])
    assert len(list(folder.iterdir())) == 1
    server.end()
    assert list(folder.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        run(server, tmp_path, "pass")


def test_the_server_ends_with_its_workflow_and_its_jobs_run_on(tmp_path):
    done = tmp_path / "done"
    (tmp_path / "slow.py").write_text(f"import time; time.sleep(1); open({str(done)!r}, 'w')")
    (tmp_path / "workflow.py").write_text(
        "import os, threading, time\n"
        "from scripts.job_server import JobServer\n"
        "server = JobServer([])\n"
        f"job = {str(tmp_path / 'slow.py')!r}, os.environ\n"
        "threading.Thread(target=server.run, args=job).start()\n"
        "time.sleep(0.6)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run(
        [sys.executable, str(tmp_path / "workflow.py")],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    # Its output has ended, and with it everything that held it open: server and job.
    assert done.exists()
