"""A clone as a newcomer has it: the repository over thirty small countries, and its ``.venv``.

``make`` sets ``.venv`` up from lock files. Here ``pip`` is a stand-in that links what a lock names
from the environment of the tests: no index is needed, and a library that a lock leaves out is
missing as it would be after a real install.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import stat
import subprocess
import sys
import venv
from pathlib import Path

from packaging.requirements import Requirement

from tests import small_world

_REST = (
    *("Makefile", "pyproject.toml", "mkdocs.yml", "README.md", "CONTRIBUTING.md", "LICENSE"),
    *("Containerfile", "docs", "tests", "resources"),
)
_PINNED = re.compile(r"^([A-Za-z0-9_.\-]+)==", re.MULTILINE)
_PIP = """#!{python}
import sys
sys.path.insert(0, {repository!r})
from tests.clone import pip
pip(sys.argv[1:])
"""
_SCRIPT = """#!{python}
import sys
from {module} import {function}
sys.exit({function}())
"""


def make_clone(folder: Path) -> Path:
    """Lay out a clone with an empty ``.venv`` below ``folder``."""
    small_world.build(folder)
    for part in _REST:
        source, target = small_world.REPOSITORY / part, folder / part
        if source.is_file():
            shutil.copy2(source, target)
        else:
            ignored = shutil.ignore_patterns("__pycache__", "reference", "worlds")
            shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "clone"]):
        subprocess.run([*git, *command], cwd=folder, check=True, capture_output=True)
    venv.EnvBuilder(symlinks=True).create(folder / ".venv")
    _script(
        folder / ".venv/bin/pip",
        _PIP.format(python=sys.executable, repository=str(small_world.REPOSITORY)),
    )
    return folder


def _script(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def pip(arguments: list[str]) -> None:
    """What ``make`` asks of pip in the folder of a clone: a lock file, or the package itself."""
    folder = Path(".venv").resolve()
    if "--editable" in arguments:
        (_site(folder) / "clone.pth").write_text(str(folder.parent), encoding="utf-8")
        _entry(folder, "segment1b", "scripts.cli.main", "main")
        return
    lock = Path(arguments[arguments.index("-r") + 1])
    waiting, known = _PINNED.findall(lock.read_text(encoding="utf-8")), set()
    while waiting:
        name = waiting.pop()
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if package.name not in known:
            known.add(package.name)
            link(package, folder)
            # The version that is installed here may need what the locked one does not.
            needed = map(Requirement, package.requires or ())
            waiting += [one.name for one in needed if not one.marker or one.marker.evaluate()]


def _site(folder: Path) -> Path:
    (found,) = folder.glob("lib/python3.*/site-packages")
    return found


def _entry(folder: Path, name: str, module: str, function: str) -> None:
    python = folder / "bin/python"
    _script(folder / "bin" / name, _SCRIPT.format(python=python, module=module, function=function))


def link(package: importlib.metadata.Distribution, folder: Path) -> None:
    """Link the modules and metadata of an installed package, and write its scripts."""
    tops = {file.parts[0] for file in package.files or () if file.parts[0] not in ("..", "/")}
    for top in sorted(tops - {"__pycache__"}):
        source, target = Path(str(package.locate_file(top))), _site(folder) / top
        if source.exists() and not target.exists():
            target.symlink_to(source)
    for entry in package.entry_points:
        if entry.group == "console_scripts":
            _entry(folder, entry.name, entry.module, entry.attr.partition(".")[0])
