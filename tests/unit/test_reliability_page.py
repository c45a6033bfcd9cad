"""The table of docs/reliability.md is that of the recorded results, and nothing in it was lost."""

import time

import pytest

from scripts.tables import read_json
from tests.torture import __main__ as torture
from tests.torture.record import PAGE, PUBLISHED, table, with_table


def test_the_page_shows_the_recorded_results():
    text = PAGE.read_text(encoding="utf-8")
    assert with_table(text, read_json(PUBLISHED)) == text


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import subprocess; subprocess.run(['sleep', '60'])", "did not end within 1 s"),
        ("raise SystemExit(3)", "ended with status 3"),
        ("print('SKIPPED [1] x: no root')", "SKIPPED [1] x: no root"),
        ("", "left no figures"),
    ],
)
def test_a_part_that_leaves_no_figures_is_told_and_does_not_count(
    tmp_path, monkeypatch, program, told
):
    monkeypatch.setattr(torture, "FOLDER", tmp_path)
    monkeypatch.setenv("TORTURE_RESULTS", str(tmp_path / "results.json"))
    part = torture.Part("part", ("item",), ("-c", program), 1 if "sleep" in program else 60)
    began = time.monotonic()
    fault = torture.run(part)
    assert time.monotonic() - began < 20
    assert not torture.settle(part, fault, 1.0)
    found = read_json(tmp_path / "results.json")
    assert (found["item"]["tried"], found["item"]["held"]) == (0, 0)
    assert f"| item | 0 | 0 | not tried: {told} |" in table(found)


def test_every_item_belongs_to_one_part():
    items = [item for part in torture.PARTS for item in part.items]
    assert len(items) == len(set(items))
