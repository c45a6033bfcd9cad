"""Compiled loops: what is kept of them follows their content, and nothing needs a place to keep."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
KERNELS = """
from scripts.compiled import compiled


@compiled("f8(f8)")
def twice(x):
    return 2.0 * x
"""
DOUBLE = "from scripts.small_kernels import twice; print(twice(1.5))"


@pytest.fixture
def package(tmp_path):
    (tmp_path / "scripts").mkdir()
    for name in ("__init__.py", "compiled.py"):
        shutil.copy(REPOSITORY / "scripts" / name, tmp_path / "scripts" / name)
    (tmp_path / "scripts/small_kernels.py").write_text(KERNELS, encoding="utf-8")
    return tmp_path


def double(folder: Path, code: str = DOUBLE, **environment: str) -> str:
    # Python's own byte code goes by time and size; none is kept, so that the loops alone are.
    result = subprocess.run(
        [sys.executable, "-B", "-c", code],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.slow
def test_a_changed_kernel_is_compiled_again_also_under_its_old_time(package):
    kernels = package / "scripts/small_kernels.py"
    assert double(package) == "3.0"
    status = kernels.stat()
    kernels.write_text(KERNELS.replace("2.0", "4.0"), encoding="utf-8")
    os.utime(kernels, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert double(package) == "6.0"
    assert len(list((package / "scripts/__pycache__").glob("kernels-*"))) == 2


@pytest.mark.slow
def test_a_tree_that_moved_compiles_nothing_again(package):
    assert double(package) == "3.0"
    kept = {path: path.stat().st_mtime_ns for path in package.rglob("*.nb[ci]")}
    assert kept
    moved = package.rename(package.with_name("moved"))
    (moved / "scripts/small_kernels.py").touch()
    assert double(moved) == "3.0"
    found = {path: path.stat().st_mtime_ns for path in moved.rglob("*.nb[ci]")}
    assert found == {moved / path.relative_to(package): time for path, time in kept.items()}


@pytest.mark.slow
def test_kernels_work_where_nothing_can_be_kept(package):
    code = f"import os; os.access = lambda *_: False; {DOUBLE}"
    assert double(package, code, XDG_CACHE_HOME="/dev/null/none") == "3.0"
    kept = package / "cache"
    assert double(package, code, XDG_CACHE_HOME=str(kept)) == "3.0"
    assert list(kept.glob("segment1b/kernels-*/**/*.nbc"))
