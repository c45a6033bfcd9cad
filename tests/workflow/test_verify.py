"""``verify`` on a certified world: sound as it is, wherever it lies, and not after any change."""

import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scripts.governance.envelope import private_key, sign
from scripts.governance.verification import lines, of_measures, verify
from scripts.tables import read_json, write_json
from tests import small_world
from tests.records import changed
from tests.torture import tamper
from tests.unit.test_envelope import write_pair

RELEASE, BASELINE = tamper.RELEASE, tamper.BASELINE
STATEMENT = tamper.SEGMENT / "reports/segment1b_p5_attestation.json"
ENVELOPE = tamper.SEGMENT / "reports/segment1b_p5_attestation.dsse.json"


@pytest.fixture(scope="module")
def world(own_copy):
    """One copy for this file; its tests put back what they change."""
    return own_copy


def faults(world, folder=None, **at_hand):
    return verify(folder or world / RELEASE, **at_hand).faults


def whole(world):
    return faults(world, tree=world, reference=world / "resources/reference")


def test_a_certified_run_and_its_baseline_have_no_fault(world):
    """The command in the workflow's folder has the tree, the snapshot and the policies at hand."""
    told = small_world.segment1b(world, "verify")
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-1].endswith("0 faults")
    assert faults(world, world / BASELINE) == []


def test_a_baseline_pointer_pins_the_report_that_was_certified_against(world):
    pointer = tamper.SEGMENT / "baseline_authority/baseline_pointer.json"
    report = f"{tamper.SEGMENT.name}/reports/segment1b_p0_baseline_{BASELINE.name}.json"
    assert report in read_json(world / pointer)["digests"]
    with changed(world / pointer, lambda found: found["digests"].pop(report)):
        found = whole(world)
    assert any(f"baseline_pointer.json: {report} is None" in line for line in found), found


MEASURED, HERE = of_measures._measured, os.getpid()


def killed_elsewhere(seed, known):
    """Measures, unless in a process of its own: that one is killed."""
    if os.getpid() != HERE:
        os.kill(os.getpid(), signal.SIGKILL)
    return MEASURED(seed, known)


def test_what_a_killed_process_was_to_measure_is_measured_all_the_same(world, monkeypatch):
    monkeypatch.setattr(of_measures, "_measured", killed_elsewhere)
    assert whole(world) == []
    card = world / RELEASE / "seed=7/scorecard/segment1b_scorecard.json"
    with changed(card, lambda card: card["metrics"].update(country_gini=0.1)):
        assert any("metrics.country_gini" in line for line in whole(world))


def test_a_run_folder_is_verified_where_it_was_copied_alone(world, tmp_path):
    folder = tmp_path / "elsewhere"
    shutil.copytree(world / RELEASE, folder)
    found = verify(folder)
    assert found.faults == []
    assert any("only the run's folder" in text for text in found.skipped)
    egress = folder / "seed=7/s8_site_locations/site_locations.parquet"
    egress.write_bytes(egress.read_bytes() + b" ")
    assert any("site_locations.parquet: has digest" in line for line in verify(folder).faults)


@pytest.mark.slow
def test_copied_runs_are_verified_without_snakemake_tree_or_network(world, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(world / tamper.RUNS, root)
    program = "import sys; sys.modules['snakemake'] = None; from scripts.cli.main import main"
    result = subprocess.run(
        [sys.executable, "-c", f"{program}; main()", "verify", "reopened",
         "--runs-root", str(root)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(small_world.REPOSITORY)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines()[-1].endswith("0 faults")


@pytest.mark.slow
def test_every_kind_of_file_is_missed_by_none(world):
    without = ("lock record", "evidence of a lock")
    assert tamper.missed(world, len(tamper.TARGETS) - len(without), 42, without) == []


def test_a_fault_is_one_line_with_file_and_both_digests(world):
    path = world / RELEASE / "seed=7/s4_alloc_plan/1-of-1.parquet"
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    result = verify(world / RELEASE)
    path.write_bytes(data)
    told = [x for x in lines(result, path) if x.startswith(f"FAULT {path}: has")]
    assert told
    assert len(re.findall(r"\b[0-9a-f]{64}\b", told[0])) == 2


@pytest.mark.slow
def test_a_trial_seed_beside_a_certified_run_is_no_fault(world):
    trial = world / RELEASE / "seed=5"
    shutil.copytree(world / RELEASE / "seed=7", trial)
    try:
        assert whole(world) == []
        (trial / "run_receipt.json").unlink()
        found = verify(world / RELEASE)
        assert found.faults == []
        assert any("seed=5, which the certificate does not cover" in x for x in found.skipped)
    finally:
        shutil.rmtree(trial)


@pytest.mark.slow
def test_a_certified_seed_that_is_gone_is_a_fault(world):
    receipt = world / RELEASE / "seed=7/run_receipt.json"
    data = receipt.read_bytes()
    receipt.unlink()
    found = whole(world)
    receipt.write_bytes(data)
    assert any("seed=7: has no run receipt" in line for line in found)


@pytest.mark.parametrize("path", ["segment_1B/../../etc/passwd", "/etc/passwd", "segment_1A/x"])
def test_a_receipt_that_lists_files_elsewhere_is_a_fault(world, path):
    receipt = world / RELEASE / "seed=7/run_receipt.json"
    with changed(receipt, lambda r: r["outputs"].update({path: "0" * 64})):
        found = whole(world)
    assert any("run_receipt.json: lists" in line and path in line for line in found)
    assert all(len(line) < 1000 for line in found)


def test_paths_of_a_run_never_leave_its_folder(world):
    receipt = world / RELEASE / "seed=7/run_receipt.json"
    path = f"segment_1B/{RELEASE.name}/../../../../config/config.yaml"
    with changed(receipt, lambda r: r["outputs"].update({path: "0" * 64})):
        assert any("EG27" in line for line in whole(world))


def test_a_flag_beside_a_failed_verdict_is_a_fault(world):
    summary = world / RELEASE / "seed=7/s9_validation/s9_summary.json"

    def fail(document):
        document["checks"][0]["status"] = document["verdict"] = "FAIL"

    with changed(summary, fail):
        found = whole(world)
    assert any("_passed.flag: stands beside the verdict FAIL" in line for line in found)
    assert any("verdict is FAIL, the certificate says PASS" in line for line in found)


def test_a_record_too_deep_to_read_ends_in_one_line(world):
    card = world / RELEASE / "seed=7/scorecard/segment1b_scorecard.json"
    data = card.read_bytes()
    card.write_bytes(b"[" * 100_000)
    found = whole(world)
    card.write_bytes(data)
    assert any(card.name in line for line in found)
    assert all("\n" not in line for line in found)


@pytest.mark.parametrize("place", ["run", "state", "tiles"])
def test_symbolic_links_and_strangers_in_a_run_are_faults(world, place):
    tiles = read_json(world / RELEASE / "seed=7/run_receipt.json")["tiles_id"]
    folder = (
        world
        / {
            "run": RELEASE,
            "state": RELEASE / "seed=7/s4_alloc_plan",
            "tiles": tamper.SEGMENT / "tiles" / tiles,
        }[place]
    )
    link, stranger = folder / "link.json", folder / "stranger.parquet"
    link.symlink_to(world / "config/config.yaml")
    stranger.write_bytes(b"x")
    found = whole(world)
    link.unlink()
    stranger.unlink()
    assert any("link.json: is a symbolic link" in line for line in found)
    assert any("stranger.parquet" in line and "no contract declares it" in line for line in found)


def test_an_output_that_no_receipt_lists_is_a_fault(world):
    path = world / RELEASE / "seed=7/s4_alloc_plan/7-of-9.parquet"
    path.write_bytes(b"x")
    found = whole(world)
    path.unlink()
    assert any("7-of-9.parquet" in line and "no run receipt lists it" in line for line in found)


def test_a_certificate_that_claims_more_than_its_scorecards_is_refused(world):
    path = world / tamper.SEGMENT / "reports/segment1b_p5_certification.json"
    data = path.read_bytes()
    document = read_json(path)
    document["rows"][0]["observed"] = document["rows"][0]["observed"] / 2
    write_json(path, document)
    found = whole(world)
    path.write_bytes(data)
    assert any("rows does not follow from the scorecards" in line for line in found)


def test_the_statement_names_every_seed_and_no_machine(world):
    statement = read_json(world / STATEMENT)
    names = [subject["name"] for subject in statement["subject"]]
    assert len(names) == 1 + len(small_world.SEEDS)
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    uris = {d["uri"] for d in statement["predicate"]["buildDefinition"]["resolvedDependencies"]}
    assert "file:envs/runtime.lock.txt" in uris
    assert {f"sealed:seed={s}/upstream/outlet_catalogue" for s in small_world.SEEDS} <= uris
    assert str(world) not in (world / STATEMENT).read_text()


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Two Ed25519 key pairs."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("mine", "other"):
        write_pair(folder, name, Ed25519PrivateKey.generate())
    return folder


@pytest.mark.slow
def test_a_signature_holds_for_its_key_and_its_statement_alone(world, keys):
    result = small_world.segment1b(world, "sign", "--key", str(keys / "mine.pem"))
    assert result.returncode == 0, result.stderr[-2000:]
    envelope = read_json(world / ENVELOPE)
    assert faults(world, public_key=keys / "mine.pub.pem") == []
    assert any("EG86" in line for line in faults(world, public_key=keys / "other.pub.pem"))
    forged = sign((world / STATEMENT).read_bytes(), private_key(keys / "other.pem"))
    (mine,), (signature,) = envelope["signatures"], forged["signatures"]
    stolen = {**envelope, "signatures": [{**signature, "keyid": mine["keyid"]}]}
    write_json(world / ENVELOPE, stolen)
    assert any("EG83" in line for line in faults(world, public_key=keys / "mine.pub.pem"))
    write_json(world / ENVELOPE, {**envelope, "payload": "e30="})
    found = faults(world, public_key=keys / "mine.pub.pem")
    assert any("payload digest" in line for line in found)
    (world / ENVELOPE).unlink()
    assert any("(no file)" in line for line in faults(world, public_key=keys / "mine.pub.pem"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "gone", [STATEMENT, tamper.SEGMENT / "reports/segment1b_p5_certification.json"]
)
def test_with_a_key_nothing_less_than_a_signed_certificate_passes(world, keys, gone):
    data = (world / gone).read_bytes()
    signed = sign((world / STATEMENT).read_bytes(), private_key(keys / "mine.pem"))
    write_json(world / ENVELOPE, signed)
    (world / gone).unlink()
    at_hand = {"public_key": keys / "mine.pub.pem"}
    found, baseline = faults(world, **at_hand), faults(world, world / BASELINE, **at_hand)
    (world / gone).write_bytes(data)
    assert faults(world, **at_hand) == []
    (world / ENVELOPE).unlink()
    assert found
    assert any("no certificate of it is here" in line for line in baseline)


def test_a_run_folder_alone_is_never_signed(world, keys, tmp_path):
    shutil.copytree(world / RELEASE, tmp_path / "alone")
    found = faults(world, tmp_path / "alone", public_key=keys / "mine.pub.pem")
    assert any("no certificate of it is here" in line for line in found)


def test_the_command_refuses(world):
    path = world / RELEASE / "seed=42/s9_validation/_passed.flag"
    data = path.read_bytes()
    path.write_bytes(data.replace(data[20:21], b"0" if data[20:21] != b"0" else b"1", 1))
    result = small_world.segment1b(world, "verify", RELEASE.name)
    path.write_bytes(data)
    assert result.returncode == 1
    assert "EG89" in result.stderr
    assert "_passed.flag" in result.stderr
    assert "Traceback" not in result.stderr
