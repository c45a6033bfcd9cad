import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import entry
from scripts.entry import export_heap


def test_jobs_keep_freed_memory_in_one_heap_unless_the_user_sets_another(monkeypatch):
    monkeypatch.delenv("ARROW_DEFAULT_MEMORY_POOL", raising=False)
    monkeypatch.setenv("MALLOC_TOP_PAD_", "4096")
    # What export_heap adds goes with the test.
    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", os.environ.copy())
        export_heap()
        theirs = dict(os.environ)
    assert theirs["MALLOC_TOP_PAD_"] == "4096"
    assert int(theirs["MALLOC_TRIM_THRESHOLD_"]) > 1 << 30
    asked = "import pyarrow; print(pyarrow.default_memory_pool().backend_name)"
    told = subprocess.run([sys.executable, "-c", asked], env=theirs, capture_output=True, text=True)
    assert told.stdout == "system\n"


@pytest.mark.parametrize("status", ["Name:\tpython\n", "VmHWM:\t 2048 kB\n"])
def test_the_peak_of_a_process_is_told_without_the_line_of_the_kernel(monkeypatch, status):
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: status)
    assert entry._peak_kib(1024) == (2048.0 if "2048" in status else 1024)
