"""The release itself under attack: what the small world cannot show, its grade and its anchors."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from scripts.docs import upstream_values
from scripts.records.identity import run_id
from scripts.settings import load_settings, read_configuration
from scripts.tables import file_digest, read_json, write_json
from tests import small_world
from tests.torture import tamper

pytestmark = pytest.mark.slow

RELEASE = tamper.RELEASE
CERTIFICATE = tamper.SEGMENT / "reports/segment1b_p5_certification.json"
SEEDS = (7, 42, 101, 202)


@pytest.fixture
def world(released_world, tmp_path):
    folder = tmp_path / "release"
    shutil.copytree(released_world, folder, symlinks=True)
    return folder


def certify(world, *config):
    result = small_world.snakemake(world, "certify", "--quiet", "rules", *config)
    assert "Traceback" not in result.stderr, result.stderr[-3000:]
    return result


def good(world):
    return (world / tamper.SEGMENT / "last_good/last_good_pointer.json").read_bytes()


def verdict(world):
    return read_json(world / CERTIFICATE)["verdict"]


def reasons(world):
    return " ".join(verdict(world)["not_a_release_because"])


def shop(world):
    """Configure two of the required seeds as all of them."""
    config = world / "config/config.yaml"
    document = yaml.safe_load(config.read_text(encoding="utf-8"))
    document["seeds"] = [7, 42]
    document["certification"]["required_seeds"] = [7, 42]
    config.write_text(yaml.safe_dump(document), encoding="utf-8")


def test_the_page_of_1a_has_its_values(released_world, monkeypatch):
    page = upstream_values.PAGE.read_text(encoding="utf-8")
    monkeypatch.chdir(released_world)
    settings = load_settings(read_configuration([Path("config/config.yaml")], {}))
    assert upstream_values.tables(settings) in page


def test_the_release_is_one(released_world):
    assert verdict(released_world)["release"]
    assert verdict(released_world)["grade"] == "A"


def test_scorecards_of_the_release_certify_no_map_of_the_baseline(world):
    """The published study's map under a name of its own, with scorecards of the release."""
    before = good(world)
    trial = "certification={release: false}"
    theirs = ("--config", "posture=baseline", "candidate=theirs", trial)
    made = small_world.snakemake(world, "candidate", "--quiet", "rules", *theirs)
    assert made.returncode == 0, made.stderr[-3000:]
    folder = world / tamper.SEGMENT / run_id("1B", "theirs")
    for seed in SEEDS:
        card = f"seed={seed}/scorecard/segment1b_scorecard.json"
        pasted = {**read_json(world / RELEASE / card), "run_id": folder.name}
        write_json(folder / card, pasted)
    result = certify(world, *theirs)
    assert result.returncode != 0
    assert verdict(world)["grade"] == "A"
    assert "ES33" in result.stderr
    assert "metrics.country_gini is" in result.stderr
    assert good(world) == before


def test_an_earth_turned_upside_down_on_fewer_seeds_is_a_trial_and_no_release(world):
    """Each is a reason of its own: another snapshot, and required seeds that were shopped."""
    earth = world / "upside_down"
    shutil.copytree(world / "resources/reference", earth)
    places = pq.read_table(earth / "places.parquet")
    at = places.schema.get_field_index("population")
    people = places.column(at).to_numpy()
    turned = pa.array(np.sort(people)[::-1][np.argsort(np.argsort(people))])
    pq.write_table(places.set_column(at, places.schema.field(at), turned), earth / "places.parquet")
    manifest = read_json(earth / "manifest.json")
    manifest["files"]["places.parquet"]["sha256"] = file_digest(earth / "places.parquet")
    manifest["files"]["places.parquet"]["bytes"] = (earth / "places.parquet").stat().st_size
    write_json(earth / "manifest.json", manifest)
    shop(world)
    result = certify(world, "--config", "reference=upside_down")
    assert result.returncode != 0
    assert not verdict(world)["release"]
    assert "the reference snapshot is not the shipped one" in reasons(world)
    assert "lacks 101, lacks 202" in reasons(world)


def test_a_baseline_of_ones_own_is_a_trial_and_no_release(world):
    """A posture folder whose baseline draws points by the law of the release."""
    shutil.copytree(world / "config/postures", world / "mine")
    posture = world / "mine/baseline.yaml"
    text = posture.read_text(encoding="utf-8")
    posture.write_text(text.replace("s6.jitter.legacy", "s6.jitter"), encoding="utf-8")
    before = good(world)
    refused = certify(world, "--config", "postures=mine")
    assert refused.returncode != 0
    assert "EG36 baseline: would run again" in refused.stderr
    assert "uses other files than before" in refused.stderr
    assert good(world) == before
    shop(world)
    result = certify(world, "--config", "postures=mine", "runs_root=runs/mine")
    assert result.returncode != 0
    found = read_json(world / "runs/mine" / CERTIFICATE.relative_to(tamper.RUNS))["verdict"]
    assert not found["release"]
    assert "the baseline is not the shipped one (policy.s6" in " ".join(
        found["not_a_release_because"]
    )
