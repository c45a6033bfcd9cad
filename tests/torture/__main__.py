"""All torture tests as one command: every item ends as a figure, whatever became of the others.

    python -m tests.torture                       # make torture
    TORTURE_SHARE=0.1 python -m tests.torture     # a tenth of the blows, mutations and examples

Each part is a process with a time limit of its own; what does not end in time is killed and
counts as lost. Two worlds are certified undisturbed first, and shared by the parts. Parts that ran
in full renew their items in ``docs/reliability.json`` and in the table of ``docs/reliability.md``;
a share of them writes ``build/torture/results.json`` alone. What the parts said is in
``build/torture``.
"""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass

import psutil

from scripts.tables import read_json, write_json
from tests import small_world
from tests.certified import certified, timeline
from tests.torture import record, worlds

FOLDER = record.REPOSITORY / "build/torture"
PYTEST = ("-m", "pytest", "-o", "addopts=-q", "-p", "no:cacheprovider", "-rs")
TORTURE = (*PYTEST, "-m", "torture")


@dataclass(frozen=True)
class Part:
    """A process that makes some items of the table, and the seconds that it may take."""

    name: str
    items: tuple[str, ...]
    arguments: tuple[str, ...]
    limit_s: int


def tests(path: str) -> tuple[str, ...]:
    """Arguments of Python for the torture tests of a file or test."""
    return (*TORTURE, f"tests/torture/{path}")


KILL = "test_kill.py::test_recovers_from_blow_after_blow"
PARTS = (
    Part("gates", ("gates cannot lie",),
         (*PYTEST, "tests/unit/test_gates_cannot_lie.py"), 300),
    Part("supply", ("supply chain", "no network"), tests("test_supply.py"), 300),
    Part("tamper", ("tamper: verify", "tamper: every file", "tamper: certify"),
         tests("test_tamper.py"), 3600),
    Part("clock", ("clock set back",), tests("test_clock.py"), 600),
    Part("disk", ("disk full", "broken files", "read-only runs root"), tests("test_disk.py"), 900),
    Part("concurrency", ("concurrency: one tree", "concurrency: two candidates"),
         tests("test_concurrency.py"), 600),
    Part("fuzz", ("fuzz",), tests("test_fuzz.py"), 900),
    Part("environments", ("environments",), ("-m", "tests.torture.environments"), 900),
    Part("kill-alone", ("kill: SIGKILL of the workflow, its jobs live on",),
         tests(f"{KILL}[alone]"), 600),
    Part("kill-term", ("kill: SIGTERM of the group",), tests(f"{KILL}[term]"), 600),
    Part("kill-int", ("kill: Ctrl-C (SIGINT of the group)",), tests(f"{KILL}[int]"), 600),
    Part("kill", ("kill: SIGKILL of the group",),
         tests("test_kill.py::test_recovers_from_a_kill_at_any_moment"), 2700),
)  # fmt: skip


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it started."""
    leader = psutil.Process(process.pid)
    for member in (*leader.children(recursive=True), leader):
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()


def run(part: Part) -> str:
    """Run a part; empty when it ended well, else why not."""
    with open(FOLDER / f"{part.name}.log", "wb") as said:
        process = subprocess.Popen(
            [sys.executable, *part.arguments],
            cwd=record.REPOSITORY,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            status = process.wait(part.limit_s)
        except subprocess.TimeoutExpired:
            end(process)
            return f"did not end within {part.limit_s} s"
        except BaseException:
            end(process)
            raise
    return "" if status == 0 else f"ended with status {status}"


def settle(part: Part, fault: str, seconds: float) -> bool:
    """See that every item of a part has its figures; True when all of them held."""
    path = record.results_path()
    found = read_json(path) if path.is_file() else {}
    for item in part.items:
        log = (FOLDER / f"{part.name}.log").read_text(encoding="utf-8", errors="replace")
        if item not in found:
            skipped = [line for line in log.splitlines() if line.startswith("SKIPPED")]
            why = fault or "; ".join(skipped) or "left no figures"
            found[item] = {"tried": 0, "held": 0, "what": f"not tried: {why}", "details": {}}
        found[item]["details"] |= {"part": part.name, "part_s": round(seconds), "fault": fault}
    write_json(path, found)
    entries = [found[item] for item in part.items]
    return not fault and all(0 < entry["tried"] == entry["held"] for entry in entries)


def main() -> int:
    """Run all parts, or those named on the command line, and renew their rows of the table."""
    wanted = [part for part in PARTS if not sys.argv[1:] or part.name in sys.argv[1:]]
    FOLDER.mkdir(parents=True, exist_ok=True)
    results = FOLDER / "results.json"
    results.unlink(missing_ok=True)
    os.environ["TORTURE_RESULTS"] = str(results)
    lost = []
    for seeds in (small_world.SEEDS, worlds.FOUR_SEEDS):
        took = timeline(certified(seeds)).whole_s
        print(f"{len(seeds)} seeds undisturbed: {took:.0f} s", flush=True)
    for part in wanted:
        start = time.monotonic()
        fault = run(part)
        seconds = time.monotonic() - start
        if not settle(part, fault, seconds):
            lost.append(part.name)
        print(f"{part.name}: {fault or 'ended well'} after {seconds:.0f} s", flush=True)
    found = read_json(results)
    found[record.RUN] = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
    }
    write_json(results, found)
    print(record.table(found))
    if os.environ.get("TORTURE_SHARE", "1") == "1":
        record.publish(read_json(record.PUBLISHED) | found)
    return 1 if lost else 0


if __name__ == "__main__":
    raise SystemExit(main())
