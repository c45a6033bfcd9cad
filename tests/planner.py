"""What Snakemake would run after each of a list of changes, all asked in one process.

    python tests/planner.py < scenarios.json

runs in the folder of a workflow that has finished. A scenario is a name and the files that change:
``comment`` writes a comment at the end, ``constant`` a statement, ``byte`` a space, ``touch`` moves
the time alone, ``remove`` deletes, a pair of texts puts the second for the first. Each is undone,
times included, before the next. Prints the jobs that ``certify`` would run, by scenario and rule.
"""

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

# The code of the workflow in this folder, wherever the package is installed.
sys.path.insert(0, os.getcwd())
ADDED = {"comment": b"\n# changed\n", "constant": b"\nCHANGED = 1\n", "byte": b" "}


def plan(target):
    """Jobs that would run, by rule."""
    from scripts import snakemake_private

    graph = snakemake_private.plan([target], {})
    return dict(Counter(rule for rule, _, _ in snakemake_private.needed(graph)))


def in_memory(paths):
    """Whether the package keeps something of the files in memory: code, contracts, schemas."""
    kept = ("scripts", "config/contracts.yaml", "config/schemas")
    return any(path.as_posix().startswith(kept) for path in paths)


def forget():
    """Import the package anew."""
    for name in [name for name in sys.modules if name.split(".")[0] == "scripts"]:
        del sys.modules[name]


def change(path, how):
    """Change a file."""
    if how == "remove":
        path.unlink()
    elif how == "touch":
        os.utime(path)
    elif isinstance(how, str):
        path.write_bytes(path.read_bytes() + ADDED[how])
    else:
        text = path.read_text(encoding="utf-8")
        if how[0] not in text:
            raise SystemExit(f"{path} does not hold {how[0]!r}")
        path.write_text(text.replace(*how, 1), encoding="utf-8")


def main():
    """Answer every scenario."""
    found = {}
    for scenario in json.load(sys.stdin):
        paths = [path for pattern in scenario["files"] for path in sorted(Path().glob(pattern))]
        if not paths and scenario["files"]:
            raise SystemExit(f"{scenario['name']}: no file {scenario['files']}")
        before = {path: (path.read_bytes(), path.stat()) for path in paths}
        time.sleep(0.02)
        for path in paths:
            change(path, scenario["how"])
        if in_memory(paths):
            forget()
        found[scenario["name"]] = plan(scenario.get("target", "certify"))
        if in_memory(paths):
            forget()
        for path, (content, status) in before.items():
            path.write_bytes(content)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
