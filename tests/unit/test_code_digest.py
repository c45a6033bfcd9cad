"""A digest of code changes with what the code does, and with nothing else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.contracts import datasets
from scripts.records import code_digest
from scripts.records.code_digest import modules_of, syntax_digest

STATES = ("s2_tile_weights", "s6_site_jitter")
CODE = '''"""What it is."""
import numpy as np

LIMIT = 8  # why


def law(x: float, *, scale: float = 2.0) -> str:
    """What it does."""
    if x > LIMIT:
        raise ValueError(f"{x:.3f} is above {LIMIT!r}")
    return f"{x * scale}"
'''


def digest(folder, text):
    path = folder / "module.py"
    path.write_text(text, encoding="utf-8")
    return syntax_digest(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # why", ""),
        ("LIMIT = 8", "LIMIT = (\n    8\n)"),
        ('"""What it does."""\n', '"""Something else."""\n'),
        ('    """What it does."""\n', ""),
        ('"""What it is."""', "# No docstring."),
        ('f"{x * scale}"', "f'{x*scale}'"),
        ("\n\n\n", "\n"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(tmp_path, old, new):
    assert old in CODE
    assert digest(tmp_path, CODE.replace(old, new)) == digest(tmp_path, CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 8", "LIMIT = 9"),
        ("LIMIT = 8", "LIMIT = 8.0"),
        ("x > LIMIT", "x >= LIMIT"),
        ("x * scale", "x + scale"),
        ("scale: float = 2.0", "scale: float = 2.5"),
        (".3f", ".4f"),
        ("is above", "lies above"),
        ("import numpy as np", "import numpy as numpy"),
        ("*, ", ""),
    ],
)
def test_everything_else_counts(tmp_path, old, new):
    assert old in CODE
    assert digest(tmp_path, CODE.replace(old, new)) != digest(tmp_path, CODE)


def test_a_file_that_is_no_python_any_more_counts_by_its_bytes(tmp_path):
    assert digest(tmp_path, "x = (") != digest(tmp_path, "x = (  # why")


@pytest.mark.slow
def test_every_supported_python_digests_alike(tmp_path):
    """Records name digests of code; another Python than the one that wrote them must agree."""
    source = Path(code_digest.__file__).read_text(encoding="utf-8")
    syntax = re.search(r"class _Syntax:.*?\n\n\n(?=\w|@)", source, re.S)
    script = tmp_path / "digest.py"
    script.write_text(
        "from __future__ import annotations\nimport ast, hashlib, sys\nfrom typing import Any\n\n"
        + syntax.group(0)
        + "for path in sys.argv[1:]:\n"
        + "    print(_Syntax(ast.parse(open(path, 'rb').read())).digest())\n",
        encoding="utf-8",
    )
    files = sorted(str(path) for path in Path("scripts").rglob("*.py"))
    here = [syntax_digest(Path(path)) for path in files]
    others = {p for v in ("3.11", "3.12", "3.13") for p in interpreters(v)}
    for python in others:
        result = subprocess.run(
            [python, str(script), *files], capture_output=True, text=True, check=True
        )
        assert result.stdout.split() == here, python


def interpreters(version):
    """Interpreters of a version at hand, beside the one that runs the tests."""
    candidates = [f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"]
    candidates += map(str, sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))
    return [path for path in candidates if Path(path).is_file() and path != sys.executable]


def test_modules_are_found_through_their_imports():
    modules = modules_of("scripts.states.s6_site_jitter")
    assert {"scripts.states.jitter_law", "scripts.contracts.check"} <= set(modules)
    assert not {"scripts.errors", "scripts.progress", "scripts.entry"} & set(modules)


@pytest.fixture
def change(monkeypatch):
    """Changes a dataset's declaration for a test."""

    def apply(dataset_id, **values):
        entry = datasets()[dataset_id]
        changed = {**datasets(), dataset_id: type(entry)(**{**vars(entry), **values})}
        monkeypatch.setattr(code_digest, "datasets", lambda: changed)
        forget()

    yield apply
    forget()


def forget():
    code_digest.code_digest.cache_clear()


def test_only_contracts_that_the_modules_name_count(change):
    weights, jitter = (code_digest.code_digest(f"states.{s}") for s in STATES)
    change("s6_site_jitter", keys=("merchant_id",))
    assert code_digest.code_digest(f"states.{STATES[0]}") == weights
    assert code_digest.code_digest(f"states.{STATES[1]}") != jitter


def test_the_description_of_a_dataset_does_not_count(change):
    before = code_digest.code_digest(f"states.{STATES[1]}")
    change("s6_site_jitter", description="Something else.")
    assert code_digest.code_digest(f"states.{STATES[1]}") == before
