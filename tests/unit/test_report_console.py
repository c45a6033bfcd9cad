import io
from types import SimpleNamespace

import pytest

from scripts import console, snakemake_private
from scripts.report.scorecard_summary import summary
from tests.unit.test_gates import SETTINGS, passing_card


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "wanted"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (io.StringIO(), {}, False),
    ],
)
def test_colours_need_a_terminal_and_no_objection(stream, environment, wanted):
    assert console.coloured(stream, environment) is wanted


@pytest.mark.parametrize(
    ("kinds", "quiet"), [((), False), (None, False), (("RULES",), False), (("ALL",), True)]
)
def test_only_quiet_all_silences_the_summary(kinds, quiet):
    named = None if kinds is None else [SimpleNamespace(name=kind) for kind in kinds]
    workflow = SimpleNamespace(output_settings=SimpleNamespace(quiet=named))
    assert snakemake_private.is_quiet(workflow) is quiet


def test_quiet_says_nothing(capsys, monkeypatch):
    monkeypatch.setenv(console.QUIET, "")
    console.export_quiet(True)
    console.say(["words"])
    assert capsys.readouterr().out == ""
    console.export_quiet(False)
    console.say(["words", "more"])
    assert capsys.readouterr().out == "words\nmore\n"


def test_summary_of_passing_cards_holds_a_and_no_escape_codes():
    lines = summary("mine", [passing_card(7), passing_card(42)], SETTINGS, colours=False)
    assert lines[0] == "mine: 2 seeds"
    assert "\033" not in "".join(lines)
    assert lines[-2].split()[-2:] == ["A", "A"]
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    ("gini", "text", "grade"),
    [(0.64, "0.6400*", "B"), (0.7, "0.7000**", "below B"), (None, "undefined**", "below B")],
)
def test_summary_marks_what_is_missed(gini, text, grade):
    card = passing_card()
    card["metrics"]["country_gini"] = gini
    card["intervals"].pop("country_gini")
    card["intervals"]["country_gini"] = None if gini is None else [gini, gini]
    lines = summary("mine", [card], SETTINGS, colours=True)
    row = next(line for line in lines if line.startswith("country_gini"))
    assert text in row
    held = next(line for line in lines if line.startswith("gates of the seed alone"))
    assert grade in held
    assert (console.BAD if grade == "below B" else console.GOOD) in held
