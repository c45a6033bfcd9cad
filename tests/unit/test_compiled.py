"""Compiled loops: what is kept of them follows their content, and nothing needs a place to keep."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DRAW = "from scripts.random_kernels import unit; import numpy; print(unit(numpy.uint64(1 << 63)))"


@pytest.fixture
def package(tmp_path):
    (tmp_path / "scripts").mkdir()
    for name in ("__init__.py", "compiled.py", "random_kernels.py"):
        shutil.copy(REPOSITORY / "scripts" / name, tmp_path / "scripts" / name)
    return tmp_path


def draw(folder: Path, code: str = DRAW, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_a_changed_kernel_is_compiled_again_also_under_its_old_time(package):
    kernels = package / "scripts/random_kernels.py"
    assert draw(package) == "0.5000000000000001"
    status = kernels.stat()
    text = kernels.read_text(encoding="utf-8")
    kernels.write_text(text.replace("+ 0.5) * 2.0**-52", "+ 0.5) * 2.0**-53"), encoding="utf-8")
    os.utime(kernels, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert draw(package) == "0.25000000000000006"
    assert len(list((package / "scripts/__pycache__").glob("kernels-*"))) == 2


def test_kernels_work_where_nothing_can_be_kept(package):
    code = f"import os; os.access = lambda *_: False; {DRAW}"
    assert draw(package, code, XDG_CACHE_HOME="/dev/null/none") == "0.5000000000000001"
    kept = package / "cache"
    assert draw(package, code, XDG_CACHE_HOME=str(kept)) == "0.5000000000000001"
    assert list(kept.glob("segment1b/kernels-*/**/*.nbc"))
