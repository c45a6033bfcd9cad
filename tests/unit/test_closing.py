"""What a target ends with, from the records that this run made and no others."""

from pathlib import Path

import pytest

from scripts.contracts import dataset_path, write_object
from scripts.errors import GovernanceError
from scripts.governance import pointers
from scripts.governance.closing import Outcome, closing
from scripts.policies import parse_yaml
from scripts.settings import CONFIG_FILE, load_settings
from tests.unit.test_gates import passing_card


@pytest.fixture
def settings(tmp_path, monkeypatch):
    document = {**parse_yaml(Path(CONFIG_FILE)), "runs_root": "runs", "seeds": [7, 42]}
    made = load_settings(document)
    repository = Path.cwd()
    for part in ("config", "scripts"):
        (tmp_path / part).symlink_to(repository / part)
    monkeypatch.chdir(tmp_path)
    return made


def with_cards(settings, seeds):
    run = settings.run_named(settings.candidate)
    paths = []
    for seed in seeds:
        path = dataset_path("runs", "segment1b_scorecard", run_id=run.run_id, seed=seed)
        write_object("segment1b_scorecard", path, passing_card(seed, run.run_id))
        paths.append(path.as_posix())
    return paths


def test_without_a_scorecard_the_failed_jobs_are_told(settings):
    verdict = closing(settings, Outcome("certify", False, failed=("s4_alloc_plan seed 7",)))
    assert not verdict["passed"]
    assert "has no scorecard" in verdict["says"]
    assert verdict["because"] == ["failed: s4_alloc_plan seed 7"]


def test_seeds_that_have_a_scorecard_are_judged_though_others_failed(settings):
    with_cards(settings, [7])
    verdict = closing(settings, Outcome("certify", False, failed=("s9_passed_flag seed 42",)))
    assert verdict["seeds"] == [7]
    assert "seeds 42 have no scorecard" in verdict["says"]
    assert {entry["gate"] for entry in verdict["gates"]} > {"country_gini", "checks"}
    assert "stability" not in {entry["gate"] for entry in verdict["gates"]}


def test_a_scorecard_that_had_to_be_made_and_was_not_counts_for_nothing(settings):
    stale = with_cards(settings, [7, 42])
    outcome = Outcome(
        "candidate", False, unmade=frozenset(stale[1:]), failed=("scorecard seed 42",)
    )
    assert closing(settings, outcome)["seeds"] == [7]
    outcome = Outcome("candidate", False, unmade=frozenset(stale), failed=("scorecard seed 42",))
    assert "has no scorecard" in closing(settings, outcome)["says"]


def test_a_target_of_files_says_what_it_made_and_what_not(settings):
    outcome = Outcome("site_maps", False, files=("a.png", "b.png"), unmade=frozenset(["b.png"]))
    verdict = closing(settings, outcome)
    assert verdict["made"] == ["a.png"]
    assert "1 could not be made" in verdict["says"]


def test_another_baseline_is_not_pinned_unasked():
    before = {"digests": {"a/run_receipt.json": "1" * 64, "report.json": "2" * 64}}
    pointers.refuse_unasked_repin(before, {"a/run_receipt.json": "1" * 64, "report.json": "x"}, "p")
    with pytest.raises(GovernanceError, match=r"EG35 p: pins a/run_receipt\.json"):
        pointers.refuse_unasked_repin(before, {"a/run_receipt.json": "3" * 64}, "p")
