"""P0, certificate and its enforcement: verdicts are decided by files, and tampering is named."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.contracts import dataset_path, read_object, write_object
from scripts.errors import ScoreError
from scripts.governance import (
    anchors,
    certify,
    certify_release,
    pointers,
    run_receipt,
    write_anchors,
)
from scripts.governance.locks import SURFACES
from scripts.records.identity import OWN_INPUTS
from scripts.records.ledger import Ledger
from scripts.scorers import companions, p0_baseline
from scripts.tables import file_digest, write_json
from tests.unit.test_gates import passing_card

SEEDS = (7, 42, 101, 202)
RELEASE, BASELINE = "a" * 32, "b" * 32
S9_POLICY = "config/layer1/1B/policy/policy.s9.validation.yaml"
DEMANDS = {"required_seeds": list(SEEDS), "minimum_grade": "B", "release": True}
COUNTRY = [
    {"rank": 1, "country_iso": "AA", "region": "Asia", "site_count": 900}
    | {"share": 0.9, "cumulative_share": 0.9},
    {"rank": 2, "country_iso": "AB", "region": "Asia", "site_count": 100}
    | {"share": 0.1, "cumulative_share": 1.0},
]
REGION = [{"region": "Asia", "site_count": 1000, "active_countries": 2, "share": 1.0}]
QUANTILES = [{"scope": "global", "quantile": 0.5, "distance_m": 10.0}]


class Runs:
    """A release and a baseline on disk, as their rules leave them."""

    def __init__(self, folder):
        self.root = folder / "runs"
        self.folder = folder
        self.policy = folder / "policy.s2.tile_weights.yaml"
        self.policy.write_text("mode: blend_v2\n", encoding="utf-8")
        self.shared = self.root / f"segment_1B/{RELEASE}/shared/tile_index.parquet"
        self.shared.parent.mkdir(parents=True)
        self.shared.write_bytes(b"tiles")
        for run_id in (RELEASE, BASELINE):
            for seed in SEEDS:
                self.make_seed(run_id, seed)
        self.anchors = folder / "anchors.yaml"
        own = {self.policy.name: file_digest(self.policy)}
        self.anchor(**write_anchors.shipped() | {"reference": {}, "baseline": own, "s9": own})

    def path(self, run_id, seed, name):
        return self.root / f"segment_1B/{run_id}/seed={seed}/{name}"

    def paths(self, run_id, name):
        return [str(self.path(run_id, seed, name)) for seed in SEEDS]

    def make_seed(self, run_id, seed):
        sites = self.path(run_id, seed, "site_locations.parquet")
        sites.parent.mkdir(parents=True)
        sites.write_bytes(f"{run_id}{seed}".encode())
        card = passing_card(seed, run_id)
        if run_id == BASELINE:
            card["metrics"] |= {"nn_contraction": 0.0, "country_gini": 0.75}
        write_object("segment1b_scorecard", self.path(run_id, seed, "card.json"), card)
        write_json(self.path(run_id, seed, "s9_summary.json"), {"verdict": "PASS"})
        outputs = {sites.relative_to(self.root).as_posix(): file_digest(sites)}
        if run_id == RELEASE:
            outputs[self.shared.relative_to(self.root).as_posix()] = file_digest(self.shared)
        receipt = {
            "run_id": run_id,
            "name": "candidate",
            "posture": "reopened",
            "upstream_run_id": "c" * 32,
            "upstream_kind": "builtin",
            "tiles_id": "e" * 32,
            "seed": seed,
            "parameter_hash": "d" * 64,
            "manifest_fingerprint": f"{seed:064x}",
            "policies": {self.policy.name: file_digest(self.policy)},
            "sealed_inputs": {},
            "rule_versions": {"s2_tile_weights": "0123"},
            "outputs": outputs,
        }
        write_object("run_receipt", self.path(run_id, seed, "run_receipt.json"), receipt)
        for name, rows in (("country", COUNTRY), ("region", REGION)):
            companions.write_csv(
                f"segment1b_{name}_share", self.path(run_id, seed, f"{name}.csv"), rows
            )
        companions.write_csv("segment1b_nn_quantiles", self.path(run_id, seed, "nn.csv"), QUANTILES)
        report = {"state": "S8", "identity": {}, "counts": {"rows_s8": 1000}}
        report["by_country"] = {"AB": {"sites": 100}, "AA": {"sites": 900}}
        write_json(self.path(run_id, seed, "report.json"), report)

    def anchor(self, **shipped):
        self.anchors.write_text(json.dumps(shipped), encoding="utf-8")

    def change(self, run_id, seed, edit, name="card.json"):
        path = self.path(run_id, seed, name)
        value = json.loads(path.read_text(encoding="utf-8"))
        edit(value)
        write_json(path, value)

    def certify_release(self, demands=DEMANDS, seeds=SEEDS):
        kept = [f"seed={seed}/" for seed in seeds]

        def of(run_id, name):
            return [p for p in self.paths(run_id, name) if any(k in p for k in kept)]

        out = self.folder / "certificate.json"
        self.p0()
        certify_release.main(
            SimpleNamespace(
                scorecards=of(RELEASE, "card.json"),
                baseline_scorecards=of(BASELINE, "card.json"),
                baseline_report=self.folder / "p0_report",
                receipts=of(RELEASE, "run_receipt.json"),
                baseline_receipts=of(BASELINE, "run_receipt.json"),
                state_outputs=[str(self.shared), *of(RELEASE, "site_locations.parquet")],
                validation=of(RELEASE, "s9_summary.json"),
                policies=[str(self.policy)],
                bands=anchors.BANDS,
                gates="config/gates.yaml",
                anchors=str(self.anchors),
            ),
            SimpleNamespace(certificate=out),
            SimpleNamespace(runs_root=str(self.root), demands=demands),
            SimpleNamespace(),
        )
        return read_object("segment1b_p5_certification", out)

    def enforce(self, scored=RELEASE):
        path = self.root / "certificate.json"
        path.write_bytes((self.folder / "certificate.json").read_bytes())
        certify.main(
            Inputs(
                certificate=path,
                scorecards=self.paths(scored, "card.json"),
                receipts=self.paths(scored, "run_receipt.json"),
                policies=[S9_POLICY],
                bands=S9_POLICY,
                gates=S9_POLICY,
            ),
            None,
            SimpleNamespace(
                demands=DEMANDS,
                runs_root=str(self.root),
                reference="resources/reference",
                faults=[],
                policies=dict.fromkeys(SURFACES["P4"].policies, S9_POLICY),
                keep=[RELEASE],
            ),
            None,
        )

    def p0(self):
        out = {
            name: self.folder / f"p0_{name}"
            for name in ("report", "country_share", "region_share", "nn_quantiles")
        }
        p0_baseline.main(
            SimpleNamespace(
                scorecards=self.paths(BASELINE, "card.json"),
                country_share=self.paths(BASELINE, "country.csv"),
                region_share=self.paths(BASELINE, "region.csv"),
                nn_quantiles=self.paths(BASELINE, "nn.csv"),
                receipts=self.paths(BASELINE, "run_receipt.json"),
                s2_report=self.path(BASELINE, 7, "report.json"),
                s4_reports=self.paths(BASELINE, "report.json"),
                s6_reports=self.paths(BASELINE, "report.json"),
                s8_summaries=self.paths(BASELINE, "report.json"),
                gates="config/gates.yaml",
            ),
            SimpleNamespace(**out),
            SimpleNamespace(),
            SimpleNamespace(run_id=BASELINE),
        )
        return read_object("segment1b_p0_baseline", out["report"]), out


class Inputs(list):
    """Input files of a rule: a list of all, and each by its name."""

    def __init__(self, **named):
        every = (named[name] if isinstance(named[name], list) else [named[name]] for name in named)
        super().__init__(path for paths in every for path in paths)
        vars(self).update(named)


def sealed(root, certificate, digest, files, policies):
    """The files here are no tables; tests/workflow/test_releases.py seals real ones."""
    folder = root / "releases" / f"{certificate['run']['name']}-{digest[:8]}"
    write_json(folder / "release.json", {path: file_digest(path) for path in map(str, files)})
    return folder


@pytest.fixture
def runs(tmp_path, monkeypatch):
    # The files here are no whole run tree; tests/workflow/test_verify.py verifies real ones.
    monkeypatch.setattr(certify, "verify_records", lambda *_: None)
    monkeypatch.setattr(certify, "seal", sealed)
    return Runs(tmp_path)


def test_a_sound_release_is_certified(runs):
    found = runs.certify_release()
    assert found["verdict"] == {
        "grade": "A",
        "minimum_grade": "B",
        "minimum_grade_met": True,
        "release": True,
        "not_a_release_because": [],
        "failing_rows": 0,
    }
    assert found["seeds"] == list(SEEDS)
    assert len(found["digests"]["state_outputs"]) == 5
    assert len(found["digests"]["scorecards"]) == 8
    runs.enforce()
    good = read_object("last_good_pointer", dataset_path(runs.root, "last_good_pointer"))
    assert good["run_id"] == RELEASE
    assert good["release"].startswith("candidate-")
    pointers.verify(good, runs.root, "last_good")
    final = read_object("segment1b_p5_lock_set", dataset_path(runs.root, "segment1b_p5_lock_set"))
    assert final["grade"] == "A"
    assert not final["complete"]
    assert final["files"]["policies"] == {S9_POLICY: file_digest(S9_POLICY)}
    assert "scripts/states/s6_site_jitter.py" in final["files"]["code"]
    assert final["scorecards"] == found["digests"]["scorecards"]


def test_the_certificate_repeats_to_the_byte_and_holds_no_path(runs):
    runs.certify_release()
    path = runs.folder / "certificate.json"
    first = path.read_bytes()
    runs.certify_release()
    assert path.read_bytes() == first
    assert str(runs.folder).encode() not in first


def test_one_flipped_byte_is_named_and_nothing_is_certified(runs):
    target = runs.path(RELEASE, 101, "site_locations.parquet")
    target.write_bytes(target.read_bytes()[:-1] + b"x")
    with pytest.raises(ScoreError, match=r"ES21 segment_1B/a+/seed=101/site_locations.parquet"):
        runs.certify_release()
    assert not (runs.folder / "certificate.json").exists()


def test_a_changed_shared_file_is_named(runs):
    runs.shared.write_bytes(b"other tiles")
    with pytest.raises(ScoreError, match=r"ES21.*shared/tile_index"):
        runs.certify_release()


def test_the_ledger_must_list_what_is_hashed_and_the_other_way_round():
    receipt = {"outputs": {"a": "1" * 64}}
    made = {"a": "1" * 64}
    run_receipt.verify_outputs([receipt], Ledger(Path(), made))
    with pytest.raises(ScoreError, match="ES20 b"):
        run_receipt.verify_outputs([receipt], Ledger(Path(), {**made, "b": "2" * 64}))
    with pytest.raises(ScoreError, match="ES22 a"):
        run_receipt.verify_outputs([receipt], Ledger(Path(), {}))


def test_receipts_that_disagree_on_a_shared_file_are_refused():
    receipts = [{"outputs": {"a": "1" * 64}}, {"outputs": {"a": "2" * 64}}]
    with pytest.raises(ScoreError, match="ES21 a"):
        run_receipt.verify_outputs(receipts, Ledger(Path(), {"a": "1" * 64}))


def test_a_policy_changed_after_the_run_is_refused(runs):
    runs.policy.write_text("mode: legacy_basis_only\n", encoding="utf-8")
    with pytest.raises(ScoreError, match=r"ES23 policy.s2.tile_weights.yaml.*seed 7"):
        runs.certify_release()


def test_a_policy_that_no_receipt_lists_is_refused():
    now = {"policy.s2.tile_weights.yaml": "0" * 64}
    with pytest.raises(ScoreError, match=r"ES23 policy.s2.tile_weights.yaml"):
        certify_release.verify_policies([{"seed": 7, "policies": {}}], now)


def test_a_baseline_of_other_seeds_is_refused():
    cards, baseline = ([passing_card(seed) for seed in seeds] for seeds in ((7, 42), (7, 101)))
    with pytest.raises(ScoreError, match=r"ES24.*other seeds"):
        certify_release.check_alike(cards, baseline, "cards")


@pytest.mark.parametrize("run_id", [RELEASE, BASELINE])
@pytest.mark.parametrize(
    "edit",
    [
        lambda card: card.update(gates_version="9.9.9"),
        lambda card: card.update(eligible_countries=["AA"]),
    ],
)
def test_scorecards_of_other_worlds_or_gates_are_refused(runs, run_id, edit):
    runs.change(run_id, 42, edit)
    with pytest.raises(ScoreError, match=r"ES24.*seed 42"):
        runs.certify_release()


def test_a_failing_release_keeps_its_evidence(runs):
    runs.change(RELEASE, 42, lambda card: card["metrics"].update(country_gini=0.70))
    found = runs.certify_release()
    assert found["verdict"]["grade"] == "BELOW_B"
    assert not found["verdict"]["release"]
    path = runs.folder / "certificate.json"
    with pytest.raises(ScoreError, match=r"ES31.*grade BELOW_B is below B"):
        runs.enforce()
    assert path.exists()
    assert not dataset_path(runs.root, "last_good_pointer").exists()


def test_the_minimum_grade_decides_which_gates_matter(runs):
    runs.change(RELEASE, 42, lambda card: card["metrics"].update(country_gini=0.62))
    found = runs.certify_release()
    assert found["verdict"]["grade"] == "B"
    assert found["verdict"]["release"]
    certify.enforce(found, DEMANDS, "certificate")
    strict = {**DEMANDS, "minimum_grade": "BPLUS"}
    with pytest.raises(ScoreError, match="ES31"):
        certify.enforce(found, strict, "certificate")


def test_a_small_world_is_scored_but_never_a_release(runs):
    for run_id in (RELEASE, BASELINE):
        for seed in SEEDS:
            runs.change(run_id, seed, lambda card: card["counts"].update(eligible_countries=24))
    asked = runs.certify_release()
    assert asked["verdict"]["minimum_grade_met"]
    assert not asked["verdict"]["release"]
    with pytest.raises(ScoreError, match=r"ES30.*24 eligible countries, fewer than 240"):
        certify.enforce(asked, DEMANDS, "certificate")
    trial = {**DEMANDS, "release": False}
    found = runs.certify_release(trial)
    assert not found["verdict"]["release"]
    certify.enforce(found, trial, "certificate")


@pytest.mark.parametrize(
    ("name", "edit", "fault"),
    [
        (
            "run_receipt.json",
            lambda receipt: receipt["sealed_inputs"].update({f"{OWN_INPUTS}raster": "0" * 64}),
            "stands on inputs of the user",
        ),
        (
            "card.json",
            lambda card: card["counts"].update(eligible_countries=24),
            "24 eligible countries",
        ),
    ],
)
def test_one_seed_of_a_small_world_or_of_own_inputs_makes_no_release(runs, name, edit, fault):
    runs.change(RELEASE, 202, edit, name)
    (told,) = runs.certify_release()["verdict"]["not_a_release_because"]
    assert told.startswith(fault)


def test_missing_seeds_make_no_release(runs):
    found = runs.certify_release(seeds=(7, 42))
    assert found["verdict"]["not_a_release_because"] == ["seeds 101, 202 are missing"]
    with pytest.raises(ScoreError, match=r"ES30.*101, 202"):
        certify.enforce(found, DEMANDS, "certificate")


def test_a_baseline_that_p0_refuses_makes_no_release(runs):
    runs.change(BASELINE, 7, lambda r: r["counts"].update(rows_s8=1), "report.json")
    found = runs.certify_release()
    assert found["verdict"]["minimum_grade_met"]
    with pytest.raises(ScoreError, match=r"ES30.*P0 says NO_GO to the baseline"):
        certify.enforce(found, DEMANDS, "certificate")


def test_two_scorecards_of_one_seed_are_refused():
    cards = [passing_card(7), passing_card(7)]
    with pytest.raises(ScoreError, match="ES12"):
        p0_baseline.by_seed(cards, "cards")
    with pytest.raises(ScoreError, match="ES12"):
        p0_baseline.by_seed([passing_card(7), passing_card(42, BASELINE)], "cards")
    swapped = p0_baseline.by_seed([passing_card(42), passing_card(7)], "cards")
    assert [card["seed"] for card in swapped] == [7, 42]


def test_p0_pins_the_baseline_and_says_go(runs):
    found, out = runs.p0()
    assert found["readiness"]["decision"] == "GO"
    assert found["grade"] == "BELOW_B"
    assert found["baseline_authority"]["parameter_hash"] == "d" * 64
    assert found["baseline_authority"]["manifest_fingerprint"]["42"] == f"{42:064x}"
    assert found["published"].keys() >= set(passing_card()["as_published"])
    assert found["checkpoints"]["S4"]["101"]["counts"] == {"rows_s8": 1000}
    assert found["s4_profile"]["101"] == {
        "country_share": {"AA": 0.9, "AB": 0.1},
        "region_share": {"Asia": 1.0},
    }
    rows = companions.read_csv("segment1b_p0_country_share", out["country_share"])
    assert [row["seed"] for row in rows] == [7, 7, 42, 42, 101, 101, 202, 202]


@pytest.mark.parametrize(
    ("name", "edit", "check"),
    [
        ("card.json", lambda c: c["metrics"].update(nn_p99_p50_ratio=None), "metrics_defined"),
        ("country.csv", None, "companion_tables_add_up"),
        ("card.json", lambda c: c.update(eligible_countries=["AA"]), "one_eligible_set"),
        (
            "card.json",
            lambda c: c["counts"].update(sites_outside_eligible=2),
            "no_site_outside_eligible",
        ),
        ("run_receipt.json", lambda r: r.update(parameter_hash="e" * 64), "lineage_pinned"),
        ("run_receipt.json", lambda r: r.update(seed=5), "lineage_pinned"),
        ("report.json", lambda r: r["counts"].update(rows_s8=1001), "sites_agree_with_s8"),
    ],
)
def test_p0_says_no_go_for_the_one_fault(runs, name, edit, check):
    if edit is None:
        companions.write_csv("segment1b_country_share", runs.path(BASELINE, 42, name), COUNTRY[:1])
    else:
        runs.change(BASELINE, 42, edit, name)
    found, _ = runs.p0()
    assert found["readiness"]["decision"] == "NO_GO"
    failed = [entry["check"] for entry in found["readiness"]["checks"] if not entry["passed"]]
    assert failed == [check]


def test_published_numbers_stand_beside_the_measured_ones():
    card = copy.deepcopy(passing_card())
    card["as_published"] = {"country_gini": 0.7, "nn_p99_p50_ratio": 11.0}
    found = p0_baseline.against_publication([card], {"country_gini": 0.753})
    assert found["country_gini"] == {"published": 0.753, "measured": {"42": 0.7}}
    assert found["nn_p99_p50_ratio"]["published"] is None
