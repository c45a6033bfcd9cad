"""What runs sealed, held against what is there now: sources, settings and laws."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from scripts.contracts import contracts_digest, datasets
from scripts.errors import ConfigError, GovernanceError, UpstreamError
from scripts.governance import sealed
from scripts.records.identity import CONTRACTS_SEALED
from scripts.settings import CONFIG_FILE, load_settings, require_sources
from scripts.snakemake_private import (
    INCOMPLETE,
    METADATA,
    is_recorded,
    record_path,
    refuse_broken_records,
)
from scripts.tables import file_digest
from scripts.upstream.tables_1a import REQUIRED_TABLES, deciding_policies, delivered_files
from tests.unit.test_upstream_ingest import publish, sound

CONFIG = yaml.safe_load(Path(CONFIG_FILE).read_text(encoding="utf-8"))


@pytest.fixture
def sources(tmp_path):
    files = {}
    for name in ("a", "b"):
        files[name] = tmp_path / name
        files[name].write_text(name)
        os.utime(files[name], (1e9, 1e9))
    record = tmp_path / "receipt.json"
    record.touch()
    return files, {name: file_digest(path) for name, path in files.items()}, record


def test_a_source_that_is_the_same_is_none_that_changed(sources):
    files, listed, record = sources
    assert sealed.changed_source(listed, files, record) is None
    assert sealed.other_sources(listed, files) == ""


def test_other_content_under_an_older_time_is_seen(sources):
    files, listed, record = sources
    files["b"].write_text("other")
    os.utime(files["b"], (5e8, 5e8))
    assert sealed.changed_source(listed, files, record) == files["b"]


def test_other_names_are_seen(sources):
    files, listed, record = sources
    assert sealed.other_sources(listed, {"a": files["a"]}) == "b"
    assert sealed.other_sources({"a": listed["a"]}, files) == "b"
    assert sealed.changed_source(listed, {"a": files["a"]}, record) is None


def test_a_source_later_than_the_record_is_left_to_snakemake(sources):
    files, listed, record = sources
    os.utime(record, (2e9, 2e9))
    files["a"].write_text("other")
    os.utime(files["a"], (3e9, 3e9))
    assert sealed.changed_source(listed, files, record) is None


def receipt_of(settings, run, **changes):
    return {
        "posture": run.posture.name,
        "upstream_run_id": run.upstream_id,
        "tiles_id": run.tiles_id,
        "rule_versions": {"s6_site_jitter": "1"},
        "sealed_inputs": {CONTRACTS_SEALED: contracts_digest(datasets())},
        **changes,
    }


def test_settings_that_differ_are_named(tmp_path):
    settings = load_settings(CONFIG)
    run = settings.run_named(settings.candidate)
    same = receipt_of(settings, run)
    assert sealed.changed_setting(settings, run, same, tmp_path) == ""
    other = receipt_of(settings, run, posture="p1")
    assert sealed.changed_setting(settings, run, other, tmp_path) == "posture"
    moved = replace(run, tiles_id="0" * 32)
    assert "reference" in sealed.changed_setting(settings, moved, same, tmp_path)
    external = replace(run, upstream_id="0" * 32)
    assert sealed.changed_setting(settings, external, same, tmp_path) == "upstream.kind"


def test_laws_that_differ_are_named():
    settings = load_settings(CONFIG)
    receipt = receipt_of(settings, settings.run_named(settings.candidate))
    assert sealed.changed_law(receipt, {"s6_site_jitter": "1"}) == ""
    assert sealed.changed_law(receipt, {"s6_site_jitter": "2"}) == "law of s6_site_jitter"
    assert sealed.changed_law(receipt, {"generate_1a": "1"}) == "law of generate_1a"
    receipt["sealed_inputs"] = {}
    assert sealed.changed_law(receipt, {}) == "config/contracts.yaml"


def test_the_number_of_merchants_decides_a_world():
    policy = "config/layer1/1A/policy/policy.1a.generator.reopened.yaml"
    plain, more = deciding_policies(policy, 0), deciding_policies(policy, 500)
    assert list(plain) == [Path(policy).name]
    assert plain.items() < more.items()
    assert more != deciding_policies(policy, 501)


def test_a_record_or_the_mark_of_an_unfinished_job_is_a_record(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_recorded("runs/x.parquet")
    for folder in (METADATA, INCOMPLETE):
        mark = record_path(folder, "runs/x.parquet")
        mark.parent.mkdir(parents=True)
        mark.write_text('{"params": []}')
        assert is_recorded(Path("runs/x.parquet"))
        mark.unlink()


@pytest.mark.parametrize("broken", ["", "{", "[]", "{}", "1", '{"version": 99}'])
def test_a_broken_record_is_none(tmp_path, monkeypatch, broken):
    monkeypatch.chdir(tmp_path)
    record = record_path(METADATA, "runs/x.parquet")
    record.parent.mkdir(parents=True)
    record.write_text(broken)
    assert not is_recorded("runs/x.parquet")


@pytest.mark.parametrize("where", [METADATA.parent, METADATA, INCOMPLETE])
def test_what_stands_where_the_records_are_kept_is_refused_by_name(tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    refuse_broken_records()
    where.parent.mkdir(parents=True, exist_ok=True)
    for make in (where.touch, lambda: where.symlink_to("nowhere")):
        make()
        with pytest.raises(GovernanceError, match=f"^EG93 {where}: is no folder"):
            refuse_broken_records()
        where.unlink()
    where.mkdir()
    refuse_broken_records()


def test_a_read_only_checkout_is_refused_until_records_have_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != "." and access(path, mode))
    with pytest.raises(GovernanceError, match=r"^EG93 \.snakemake: cannot be made: .*read-only"):
        refuse_broken_records()
    METADATA.parent.mkdir()
    refuse_broken_records()


def test_a_source_that_is_not_there_is_refused(tmp_path):
    require_sources([CONFIG_FILE])
    with pytest.raises(ConfigError, match=r"^EC19 .*/no\.yaml: is not there"):
        require_sources([str(tmp_path / "no.yaml")])


@pytest.fixture
def delivery(tmp_path):
    folder = tmp_path / "seed=7"
    publish(folder, sound())
    return folder


def test_every_file_of_a_delivery_is_listed(delivery):
    (delivery / "validation/notes").mkdir()
    (delivery / "validation/notes/a.txt").touch()
    names = [
        Path(p).relative_to(delivery).as_posix() for p in delivered_files(delivery.parent, [7])[7]
    ]
    assert {f"{name}.parquet" for name in REQUIRED_TABLES} <= set(names)
    assert {"validation/index.json", "validation/_passed.flag", "validation/notes/a.txt"} <= set(
        names
    )


@pytest.mark.parametrize("name", ["outlet_catalogue.parquet", "validation/_passed.flag"])
def test_a_file_of_a_delivery_that_is_gone_is_refused(delivery, name):
    (delivery / name).unlink()
    with pytest.raises(UpstreamError, match=rf"^EU19 .*{name}: is not there"):
        delivered_files(delivery.parent, [7])


@pytest.mark.parametrize("content", [b"", b"garbage", b"PAR1" + b"x" * 50 + b"PAR1"])
def test_garbage_for_a_table_is_refused_before_anything_is_planned(delivery, content):
    (delivery / "s3_candidate_set.parquet").write_bytes(content)
    with pytest.raises(UpstreamError, match=r"^EU19 .*s3_candidate_set\.parquet: not a readable"):
        delivered_files(delivery.parent, [7])
