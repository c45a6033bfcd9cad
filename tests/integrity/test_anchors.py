"""What a release stands on, by digest: whoever replaces it gets a trial that says what differs."""

import copy

import pytest

from scripts.governance.anchors import ANCHORS, BANDS, not_shipped
from scripts.governance.verification import of_tables
from scripts.governance.write_anchors import shipped
from scripts.policies import parse_yaml
from scripts.tables import read_json

SHIPPED = shipped()
SEEDS = SHIPPED["required_seeds"]
BAND = SHIPPED["bands"]["policy.1a.bands.yaml"]
SEALED = {f"reference/{name}": digest for name, digest in SHIPPED["reference"].items()}
OTHER = "0" * 64


def receipts():
    """Those of a release and of its baseline on everything that is shipped."""
    release = {"sealed_inputs": SEALED, "policies": {**SHIPPED["s9"], "policy.s6.yaml": OTHER}}
    baseline = {"sealed_inputs": SEALED, "policies": SHIPPED["baseline"]}
    return [copy.deepcopy(release)], [copy.deepcopy(baseline)]


def test_the_anchors_are_those_of_the_files():
    assert parse_yaml(ANCHORS) == SHIPPED, (
        "python -m scripts.governance.write_anchors writes them anew"
    )


def test_a_release_on_the_shipped_inputs_lacks_nothing():
    assert not_shipped(*receipts(), BAND, SEEDS, SHIPPED) == []
    assert not_shipped(*receipts(), BAND, [*SEEDS, 5], SHIPPED) == []


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("name", sorted(SEALED))
def test_a_file_of_another_earth_is_named(name, which):
    found = receipts()
    found[which][0]["sealed_inputs"][name] = OTHER
    (reason,) = not_shipped(*found, BAND, SEEDS, SHIPPED)
    assert reason == f"the reference snapshot is not the shipped one ({name})"


def test_a_run_that_sealed_no_snapshot_is_a_trial():
    found = receipts()
    for receipt in (*found[0], *found[1]):
        receipt["sealed_inputs"] = {}
    (reason,) = not_shipped(*found, BAND, SEEDS, SHIPPED)
    assert "reference snapshot" in reason
    assert "places.parquet" in reason


@pytest.mark.parametrize("name", sorted(SHIPPED["baseline"]))
@pytest.mark.parametrize("digest", [OTHER, None])
def test_a_policy_of_the_baseline_that_was_replaced_or_left_out_is_named(name, digest):
    found = receipts()
    policies = found[1][0]["policies"]
    policies.pop(name)
    if digest:
        policies[name] = digest
    (reason,) = not_shipped(*found, BAND, SEEDS, SHIPPED)
    assert reason == f"the baseline is not the shipped one ({name})"


def test_a_policy_that_the_baseline_has_beside_the_shipped_ones_is_named():
    found = receipts()
    found[1][0]["policies"]["policy.s6.jitter.own.yaml"] = OTHER
    (reason,) = not_shipped(*found, BAND, SEEDS, SHIPPED)
    assert "policy.s6.jitter.own.yaml" in reason


def test_another_validation_or_other_bands_are_named():
    found = receipts()
    found[0][0]["policies"] = {"policy.s9.validation.report.yaml": OTHER}
    reasons = not_shipped(*found, OTHER, SEEDS, SHIPPED)
    assert [reason.partition(" is not ")[0] for reason in reasons] == [
        "the policy of S9",
        "the policy of 1A's bands",
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_no_required_seed_can_be_left_out(seed):
    required = [other for other in SEEDS if other != seed]
    (reason,) = not_shipped(*receipts(), BAND, required, SHIPPED)
    assert reason == f"the list of required seeds is not the shipped one (lacks {seed})"


def test_the_snapshot_that_s0_seals_is_anchored_whole():
    names = {"countries", "facts", "places", "land_cover", "manifest"} | {
        f"outlet_{kind}" for kind in ("density", "samples", "statistics")
    }
    assert len(SHIPPED["reference"]) == len(names)
    assert set(SHIPPED["bands"]) == {BANDS.rpartition("/")[2]}


def test_tables_that_differ_in_a_digest_are_made_again(tmp_path, monkeypatch):
    """Only files with every digest of ``config/known_tables.json`` pass as known."""
    entry = read_json(of_tables.KNOWN)[0]
    report = tmp_path / "report.json"
    report.write_text("{}", encoding="utf-8")
    entry["report"] = of_tables._digest_of_content(str(report))
    monkeypatch.setattr(of_tables, "_known", lambda: frozenset([frozenset(entry.items())]))
    made_again = []
    monkeypatch.setattr(of_tables, "_make", lambda *_: made_again.append(1))
    monkeypatch.setattr(of_tables, "_same", lambda *_: False)
    files = [(role, str(report) if role == "report" else "t", d) for role, d in entry.items()]

    def differing(files):
        of_tables._differing.cache_clear()
        return of_tables._differing(print, (), tuple(files), ("tile_index", "report"))

    assert differing(files) == []
    assert not made_again
    for changed in ("countries", "policy", "tile_index"):
        other = [(r, p, "0" * 64 if r == changed else d) for r, p, d in files]
        assert differing(other) == ["tile_index", "report"], changed
    report.write_text('{"rows": 1}', encoding="utf-8")
    assert differing(files) == ["tile_index", "report"]


@pytest.mark.parametrize("content", ["[]\n", None])
def test_a_list_that_is_not_the_anchored_one_knows_no_table(tmp_path, monkeypatch, content):
    assert len(of_tables._known.__wrapped__()) == len((*of_tables.TILES, *of_tables.SHARED)) + 1
    listed = tmp_path / "known_tables.json"
    listed.write_text(content or of_tables.KNOWN.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(of_tables, "KNOWN", listed)
    assert bool(of_tables._known.__wrapped__()) == (content is None)
    listed.unlink()
    assert not of_tables._known.__wrapped__()


@pytest.mark.slow
def test_the_known_tables_are_what_the_scripts_make_of_the_shipped_snapshot():
    made = of_tables.known_tables()
    assert made == read_json(of_tables.KNOWN), "python -m scripts.governance.write_anchors"
