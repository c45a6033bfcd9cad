"""A passing certify seals a release: it stays, is found by name, compared and gone back to."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from scripts.contracts import dataset
from scripts.errors import GovernanceError
from scripts.governance import pointers, releases
from scripts.records.identity import run_id
from scripts.tables import file_digest, read_json, write_json
from tests import small_world

RUNS = Path("runs/fix-data-engine")
POINTER = RUNS / "segment_1B/last_good/last_good_pointer.json"
PIN = RUNS / "segment_1B/baseline_authority/baseline_pointer.json"
DOSSIER = RUNS / "segment_1B/reports/segment1b_p5_dossier.html"
S5 = Path("config/layer1/1B/policy/policy.s5.assignment.yaml")
S6 = Path("config/layer1/1B/policy/policy.s6.jitter.yaml")
LAW = Path("scripts/states/s5_site_tile_assignment.py")


@pytest.fixture(scope="module")
def world(certified_world, tmp_path_factory) -> Path:
    """One copy of the certified world for this file; its tests build on each other."""
    folder = tmp_path_factory.mktemp("released") / "world"
    shutil.copytree(certified_world, folder, symlinks=True)
    return folder


def command(folder, *arguments, status=0):
    result = small_world.segment1b(folder, *arguments)
    assert result.returncode == status, (result.stdout + result.stderr)[-3000:]
    return result.stdout + result.stderr


def sealed(folder):
    (found,) = (folder / RUNS / releases.FOLDER).iterdir()
    return found


def test_a_release_holds_every_file_by_link_and_digest(certified_world):
    folder = sealed(certified_world)
    manifest = releases.read_release(folder)
    assert folder.name == f"reopened-{manifest['certificate_sha256'][:8]}"
    assert list(releases.verify_release(folder)) == []
    run = manifest["run"]["run_id"]
    for seed in small_world.SEEDS:
        name = f"segment_1B/{run}/seed={seed}/s8_site_locations/site_locations.parquet"
        assert os.path.samefile(folder / name, certified_world / RUNS / name)
    for part in ("certification", "attestation", "lock_set"):
        assert f"segment_1B/reports/segment1b_p5_{part}.json" in manifest["files"]
    held = manifest["policies"][str(S6)]
    assert held["text"].encode() == (certified_world / S6).read_bytes()
    assert held["sha256"] == file_digest(certified_world / S6)
    note = read_json(folder / "sealed.json")
    assert set(note) == {"date", "commit", "version"}


def test_a_published_file_says_what_it_is(certified_world):
    folder = sealed(certified_world)
    seed = small_world.SEEDS[0]
    file = pq.ParquetFile(folder / f"egress/seed={seed}/site_locations.parquet")
    about = json.loads(file.metadata.metadata[b"segment_1b"])
    certificate = read_json(folder / "segment_1B/reports/segment1b_p5_certification.json")
    assert (about["run"], about["seed"], about["release"]) == ("reopened", seed, folder.name)
    assert about["grade"] == certificate["verdict"]["grade"]
    assert about["parameter_hash"] == certificate["parameter_hash"]
    assert set(about["columns"]) == set(dataset("site_locations").column_names)
    run = certificate["run"]["run_id"]
    source = f"segment_1B/{run}/seed={seed}/s8_site_locations/site_locations.parquet"
    assert file.read().equals(pq.read_table(folder / source))
    assert b"geo" in file.metadata.metadata
    dictionary = read_json(folder / "egress/data_dictionary.json")
    assert all(column["description"] for column in dictionary["columns"])


@pytest.mark.slow
def test_a_release_is_verified_by_its_name(world):
    assert "0 faults" in command(world, "verify", sealed(world).name)


@pytest.mark.slow
def test_a_release_that_was_copied_is_verified_by_its_folder(world, tmp_path):
    copied = tmp_path / "elsewhere"
    shutil.copytree(sealed(world), copied / sealed(world).name)
    assert "0 faults" in command(world, "verify", str(copied / sealed(world).name))
    (tmp_path / "folder").mkdir()
    told = small_world.segment1b(world, "verify", str(tmp_path / "folder"))
    assert told.returncode == 1
    assert "holds no run receipt" in told.stderr


@pytest.mark.slow
def test_another_map_of_the_same_run_leaves_the_release_as_it_is(world):
    folder, before = sealed(world), (world / POINTER).read_bytes()
    document = yaml.safe_load((world / S6).read_text())
    was = document["towns"]["open_share"]
    document["towns"]["open_share"] = was - 0.1
    text = (world / S6).read_text()
    (world / S6).write_text(yaml.safe_dump(document))
    seed = small_world.SEEDS[0]
    run = small_world.snakemake(world, "candidate", "--config", f"seeds=[{seed}]")
    assert run.returncode == 0, run.stderr[-3000:]
    name = releases.read_release(folder)["run"]["run_id"]
    egress = f"segment_1B/{name}/seed={seed}/s8_site_locations/site_locations.parquet"
    assert file_digest(world / RUNS / egress) != file_digest(folder / egress)
    assert list(releases.verify_release(folder)) == []
    assert (world / POINTER).read_bytes() == before
    pointers.verify(read_json(world / POINTER), world / RUNS, "last_good")

    again = small_world.snakemake(world, "certify")
    assert again.returncode == 0, again.stdout[-3000:]
    both = sorted((world / RUNS / releases.FOLDER).iterdir())
    assert len(both) == 2
    assert read_json(world / POINTER)["release"] != folder.name
    listing = command(world, "releases")
    assert [line.split()[0] for line in listing.splitlines()] == ["*", folder.name]

    other = next(path for path in both if path != folder)
    page = world / "compared.html"
    told = command(world, "compare", folder.name, other.name, "--html", str(page))
    assert "policy.s6.jitter: towns.open_share" in told
    compared = json.loads(command(world, "compare", folder.name, other.name, "--json"))
    assert compared["policies"] == {"policy.s6.jitter: towns.open_share": [was, was - 0.1]}
    assert compared["releases"] == [folder.name, other.name]
    assert page.read_text().count("data:image/png;base64,") == 2
    named = folder / "release.json"
    refused = small_world.segment1b(world, "compare", folder.name, other.name, "--html", str(named))
    assert refused.returncode == 1
    assert refused.stderr.startswith("ConfigError: EC22 --html: ")
    assert list(releases.verify_release(folder)) == []
    dossier = small_world.snakemake(world, "dossier", "--quiet", "rules")
    assert dossier.returncode == 0, (dossier.stdout + dossier.stderr)[-4000:]
    text_of_page = (world / DOSSIER).read_text(encoding="utf-8")
    changes = text_of_page.split('id="changes"')[1].split("</section>")[0]
    assert f"segment1b compare {folder.name} " in changes
    turned = rf"towns.open_share</th>.*{was}</td>.*{was - 0.1:g}</td>"
    assert re.search(rf"policy.s6.jitter: {turned}", changes)
    assert "gates: " not in changes

    assert f"{S6} differs" in command(world, "rollback", folder.name)
    assert read_json(world / POINTER)["release"] == folder.name
    (world / S6).write_text("towns: 1\n")
    told = command(world, "rollback", folder.name, "--policies")
    assert f"{S6} written" in told
    assert "14 policies already match" in told
    assert (world / S6).read_text() == text


def test_a_changed_release_is_never_put_in_force(world):
    folder = sealed_first(world)
    record = folder / "segment_1B/reports/segment1b_p5_certification.json"
    before = record.read_bytes()
    folder.joinpath("segment_1B/reports").chmod(0o755)
    record.unlink()
    record.write_bytes(before + b" ")
    assert "EG98" in command(world, "rollback", folder.name, status=1)
    assert "EG97" in command(world, "rollback", "nothing", status=1)
    record.write_bytes(before)


def relisted(folder, manifest):
    """The folder's manifest with the digests of what its files hold now."""
    files = {name: file_digest(folder / name) for name in manifest["files"]}
    return {**manifest, "files": files}


def flattened(folder, manifest):
    path = folder / "egress/seed=7/site_locations.parquet"
    table = pq.read_table(path)
    at = table.schema.get_field_index("lat_deg")
    flat = table.set_column(at, "lat_deg", pa.array(np.zeros(len(table))))
    path.unlink()
    pq.write_table(flat, path)
    return relisted(folder, manifest)


def other_validation(folder, manifest):
    path = next(folder.glob("segment_1B/*/seed=7/s9_validation/s9_summary.json"))
    summary = read_json(path)
    path.unlink()
    write_json(path, {**summary, "verdict": "FAIL"})
    return relisted(folder, manifest)


def laxer_policy(folder, manifest):
    path, held = next(iter(manifest["policies"].items()))
    laxer = {**held, "text": held["text"] + "# laxer\n"}
    return {**manifest, "policies": {**manifest["policies"], path: laxer}}


def renamed(folder, manifest):
    return {**manifest, "certificate_sha256": "0" * 64}


def with_a_link(folder, manifest):
    (folder / "egress/seed=9").symlink_to(folder / "egress/seed=7")
    return manifest


@pytest.mark.parametrize(
    ("forge", "told"),
    [
        (flattened, "holds other sites than segment_1B"),
        (other_validation, "is not the file that was certified"),
        (laxer_policy, "holds another .* than it says"),
        (renamed, "is not about the certificate"),
        (with_a_link, "seed=9: is no file of"),
    ],
)
def test_a_release_that_agrees_with_itself_alone_is_never_put_in_force(
    world, tmp_path, forge, told
):
    sealed = sealed_first(world)
    folder = tmp_path / "runs" / releases.FOLDER / sealed.name
    shutil.copytree(sealed, folder)
    for inside in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        inside.chmod(0o755)
    assert list(releases.verify_release(folder)) == []
    write_json(folder / "release.json", forge(folder, read_json(folder / "release.json")))
    with pytest.raises(GovernanceError, match=told):
        releases.rollback(tmp_path / "runs", sealed.name)


def test_a_release_keeps_its_name(world, tmp_path):
    sealed = sealed_first(world)
    folder = tmp_path / "runs" / releases.FOLDER / "other"
    shutil.copytree(sealed, folder)
    with pytest.raises(GovernanceError, match=f"another name than its release, {sealed.name}"):
        releases.rollback(tmp_path / "runs", "other")


def test_policies_of_a_release_go_nowhere_else(world, tmp_path, monkeypatch):
    sealed = sealed_first(world)
    folder = tmp_path / "runs" / releases.FOLDER / sealed.name
    folder.mkdir(parents=True)
    manifest = read_json(sealed / "release.json")
    (tmp_path / "tree").mkdir()
    monkeypatch.chdir(tmp_path / "tree")
    (tmp_path / "outside.yaml").write_text("y")
    Path("link.yaml").symlink_to(tmp_path / "outside.yaml")
    evil = ("../evil.yaml", str(tmp_path / "evil.yaml"), "scripts/evil.py", "link.yaml")
    for path in evil:
        policies = {path: {"sha256": "0" * 64, "text": "x"}}
        write_json(folder / "release.json", {**manifest, "policies": policies})
        with pytest.raises(GovernanceError, match="no policy of this folder"):
            releases.restore_policies(tmp_path / "runs", sealed.name)
    assert list(Path().iterdir()) == [Path("link.yaml")]
    assert (tmp_path / "outside.yaml").read_text() == "y"
    assert not (tmp_path / "evil.yaml").exists()


def sealed_first(folder):
    return sorted((folder / RUNS / releases.FOLDER).iterdir())[0]


def baseline_files(folder):
    runs = folder / RUNS / "segment_1B" / run_id("1B", "baseline")
    files = [path for path in runs.rglob("*") if path.is_file()]
    return {path: (file_digest(path), path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize(
    ("changed", "line", "why"),
    [
        (S5, "\n# changed\n", r"s5_site_tile_assignment \(2\): changed: \S+s5\.assignment\.yaml"),
        (
            LAW,
            "\nCHANGED = 1\n",
            r"s5_site_tile_assignment \(2\): its code, a contract, a policy or a param",
        ),
    ],
)
def test_a_changed_baseline_is_refused_before_anything_runs(world, changed, line, why):
    text, before = (world / changed).read_text(), baseline_files(world)
    pin = (world / PIN).read_bytes()
    (world / changed).write_text(text + line)
    run = small_world.snakemake(world, "certify", "--config", "verdict_json=verdict.json")
    (world / changed).write_text(text)
    said = run.stdout + run.stderr
    assert run.returncode == 1
    assert "certify failed: refused before anything ran" in run.stdout
    (verdict,) = read_json(world / "verdict.json")
    assert (verdict["target"], verdict["passed"]) == ("certify", False)
    assert "EG36 baseline" in verdict["because"][0]
    assert "Traceback" not in said
    assert re.search(rf"EG36 baseline: would run again.*{why}", said), said[-3000:]
    assert "segment1b repin" in said
    assert baseline_files(world) == before
    assert (world / PIN).read_bytes() == pin


@pytest.mark.slow
def test_another_baseline_is_pinned_when_it_is_asked_for_by_name(world):
    text, pin = (world / S5).read_text(), read_json(world / PIN)
    assert "replaced" not in pin
    document = yaml.safe_load(text)
    document["namespace"] += ".test"
    (world / S5).write_text(yaml.safe_dump(document))
    assert "is not the baseline" in command(world, "repin", "reopened", status=2)
    told = command(world, "repin", "baseline")
    assert "baseline passed: P0 says GO to baseline" in told
    again = read_json(world / PIN)
    assert again["replaced"] == pin["digests"]
    receipts = [path for path in pin["digests"] if path.endswith("run_receipt.json")]
    assert len(receipts) == len(small_world.SEEDS)
    assert all(again["digests"][path] != pin["digests"][path] for path in receipts)
    pointers.verify_baseline(again, world / RUNS, "baseline")

    run = small_world.snakemake(world, "certify")
    assert run.returncode == 0, (run.stdout + run.stderr)[-3000:]
    assert read_json(world / PIN) == again
    pointers.verify(read_json(world / POINTER), world / RUNS, "last_good")


@pytest.mark.slow
def test_a_new_run_is_ready_to_edit(world):
    said = command(world, "new", "mine", "--policy", "s6", "--policy", "upstream")
    posture = yaml.safe_load((world / "config/postures/mine.yaml").read_text())
    assert posture["policies"]["s6"].endswith("policy.s6.jitter.mine.yaml")
    assert posture["policies"]["s4"].endswith("policy.s4.alloc_plan.yaml")
    assert posture["upstream_policy"].endswith("policy.1a.generator.mine.yaml")
    assert (world / posture["policies"]["s6"]).read_bytes() == (world / S6).read_bytes()
    assert "snakemake candidate --config posture=mine" in said
    assert "EG99" in command(world, "new", "mine", status=1)
    plan = small_world.snakemake(world, "candidate", "-n", "--config", "posture=mine")
    assert plan.returncode == 0, plan.stderr
