"""The verdict block: every gate once, thinnest margin first, the same as text and as JSON."""

import json

import pytest

from scripts.governance.verdict import failing_gates, gate_table, table_lines, text
from scripts.scorers.gates import evaluate
from tests.unit.test_gates import SETTINGS, passing_card


def rows(**metrics):
    card = passing_card(42)
    for name, value in metrics.items():
        card["metrics"][name] = value
        if name in card["intervals"]:
            card["intervals"][name] = None if value is None else [value, value]
    return evaluate([passing_card(7), card], SETTINGS)["rows"]


def lines(found):
    verdict = {
        "target": "certify",
        "passed": True,
        "says": "mine",
        "gates": gate_table(found),
        "failing": failing_gates(found, "B"),
    }
    json.dumps(verdict)
    return text(verdict, colours=False)


def test_every_gate_stands_once_and_the_thinnest_margin_first():
    table = gate_table(rows())
    names = [entry["gate"] for entry in table]
    assert len(set(names)) == len(names)
    assert names[-1] == "checks"
    assert {"country_gini", "region_floor", "stability"} < set(names)
    margins = [entry["margin"] for entry in table[:-1]]
    assert margins == sorted(margins)
    assert min(margins) >= 0.0


@pytest.mark.parametrize(
    ("gini", "cell", "grade"),
    [(0.5, "0.5", "A"), (0.64, "0.64*", "B"), (0.7, "0.7**", "BELOW_B"),
     (None, "none**", "BELOW_B")],
)  # fmt: skip
def test_a_cell_says_which_grade_is_missed(gini, cell, grade):
    found = rows(country_gini=gini)
    entry = next(e for e in gate_table(found) if e["gate"] == "country_gini")
    assert entry["seeds"]["42"]["grade"] == grade
    line = next(x for x in lines(found) if x.startswith("country_gini"))
    assert line.split()[6].replace("i", "") == cell


def test_a_narrow_terminal_shows_the_thinnest_seed_of_every_gate():
    found = rows(country_gini=0.7)
    gates = gate_table(found)
    wide = table_lines(gates, 120)
    assert wide == table_lines(gates)
    narrow = table_lines(gates, 80)
    assert max(map(len, narrow[:-1])) <= 60
    assert [line.split()[0] for line in narrow] == [line.split()[0] for line in wide]
    line = next(x for x in narrow if x.startswith("country_gini"))
    assert line.split()[1:3] == ["0.7**", "42"]
    assert next(x for x in narrow if x.startswith("stability ")).split()[3] == "all"


def test_a_gate_of_several_metrics_names_the_thinnest_and_its_threshold():
    card = passing_card(7)
    card["region_floors"] = {"Africa": 0.1, "Asia": 0.2, "Oceania": 0.0}
    card["region_shares"] = {"Africa": 0.3, "Asia": 0.21, "Oceania": 0.49}
    line = next(x for x in table_lines(gate_table(evaluate([card], SETTINGS)["rows"]))
                if x.startswith("region_floor"))  # fmt: skip
    assert line.split() == ["region_floor", "Asia", *[">=", "0.2"] * 2, "0.21", "+5.0", "%"]


def test_the_longest_cells_stand_apart():
    cards = [passing_card(7), passing_card(42)]
    for card in cards:
        card["metrics"]["southern_hemisphere_share"] = 0.09
        card["intervals"]["southern_hemisphere_share"] = [0.0887612, 0.1]
    table = lines(evaluate(cards, SETTINGS)["rows"])
    line = next(x for x in table if x.startswith("southern_hemisphere_share"))
    assert line.split()[5:7] == ["0.08876i**", "0.08876i**"]


def test_an_interval_that_fails_alone_is_told():
    card = passing_card(42)
    card["intervals"]["country_gini"] = [0.3, 0.69]
    found = evaluate([card], SETTINGS)["rows"]
    (failed,) = [e for e in failing_gates(found, "B") if e["gate"] == "country_gini"]
    assert failed["gate"] == "country_gini"
    assert "end of its interval" in failed["reason"]
    assert failed["turn"]
    line = next(x for x in lines(found) if x.startswith("country_gini"))
    assert "0.69i**" in line


def test_a_failed_gate_is_told_once_over_its_seeds():
    cards = [passing_card(7), passing_card(42)]
    for card, value in zip(cards, (0.7, 0.8), strict=True):
        card["metrics"]["country_gini"] = value
        card["intervals"]["country_gini"] = [value, value]
    failed = [e for e in failing_gates(evaluate(cards, SETTINGS)["rows"], "B")
              if e["gate"] == "country_gini"]  # fmt: skip
    assert [(e["seeds"], "0.8 is above" in e["reason"]) for e in failed] == [(["7", "42"], True)]


def test_a_block_is_short_and_narrow():
    found = rows(country_gini=0.7, top1_share=0.3, top5_share=0.5, southern_hemisphere_share=0.0)
    block = lines(found)
    assert len(block) <= 45
    assert max(len(line) for line in block if not line.startswith(("FAIL", "     "))) <= 110
