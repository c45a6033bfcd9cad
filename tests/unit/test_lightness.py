import subprocess
import sys

JOB = """
snakemake = None
import sys
import scripts.states.s4_alloc_plan, scripts.states.s9_validation, scripts.scorers.scorecard
import pyarrow, numpy
pyarrow.table({"x": numpy.arange(3)})
heavy = [n for n in ("pandas", "matplotlib", "jsonschema", "scipy.stats") if n in sys.modules]
assert not heavy, heavy
"""


def test_a_job_starts_without_heavy_libraries():
    result = subprocess.run(
        [sys.executable, "-c", JOB], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_other_processes_keep_pandas():
    code = "import scripts, pandas, pyarrow; print(pyarrow.array(pandas.Series(['a', None])))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_the_start_of_a_workflow_and_the_commands_compile_nothing():
    code = """
import sys
from pathlib import Path
from snakemake.api import ConfigSettings, ResourceSettings, SnakemakeApi
with SnakemakeApi() as api:
    resources, config = ResourceSettings(cores=1), ConfigSettings()
    workflow = api.workflow(resources, config, snakefile=Path("Snakefile"))
    workflow.dag()
import scripts.cli.main
assert "scripts.governance.sealed" in sys.modules
assert "numba" not in sys.modules
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
