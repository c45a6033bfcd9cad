"""Records that an adversary wrote, in a certified small world: each is refused by what it says."""

import os
import shutil

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scripts.governance.anchors import KNOWN_TABLES
from scripts.governance.attestation import dependencies
from scripts.governance.envelope import private_key, sign
from scripts.governance.verification import verify
from scripts.settings import load_settings, read_configuration
from scripts.tables import file_digest, read_json, write_json
from tests import certified, small_world
from tests.records import changed, faults
from tests.torture import tamper
from tests.unit.test_envelope import write_pair

pytestmark = pytest.mark.slow

RELEASE, BASELINE, UPSTREAM = tamper.RELEASE, tamper.BASELINE, tamper.UPSTREAM
REPORTS = tamper.SEGMENT / "reports"
CERTIFICATE = REPORTS / "segment1b_p5_certification.json"
STATEMENT = REPORTS / "segment1b_p5_attestation.json"
ENVELOPE = REPORTS / "segment1b_p5_attestation.dsse.json"
CARD = "seed=7/scorecard/segment1b_scorecard.json"


def better(*trail, by=0.5):
    """Edit that multiplies one number of a record."""

    def edit(document):
        *way, last = trail
        for key in way:
            document = document[key]
        document[last] = document[last] * by

    return edit


def test_a_sound_world_measures_what_its_scorecards_say(world):
    assert faults(world) == []


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (better("metrics", "country_gini"), "metrics.country_gini"),
        (better("metrics", "nn_contraction", by=1.1), "metrics.nn_contraction"),
        (better("region_shares", "Africa", by=2.0), "region_shares.Africa"),
        (lambda card: card["region_floors"].update(Africa=0.0001), "region_floors.Africa"),
        (lambda card: card["intervals"].update(top1_share=[0.0, 0.01]), "intervals.top1_share"),
        (lambda card: card["collapse"].update(flagged=[]) or card["collapse"].update(judged=1),
         "collapse.judged"),
        (lambda card: card["truth"]["T3"].update(value=0.1), "truth.T3.value"),
        (lambda card: card["counts"].update(eligible_countries=249),
         "counts.eligible_countries"),
        (lambda card: card["validation"].update(failing_realism=["x"]),
         "validation.failing_realism"),
    ],
)  # fmt: skip
def test_what_decides_a_grade_is_what_the_sites_measure(world, edit, named):
    with changed(world / RELEASE / CARD, edit):
        found = faults(world)
    assert any(f"{CARD}: {named}" in line and "site_locations" in line for line in found), found


def test_a_worse_baseline_on_paper_is_found(world):
    with changed(world / BASELINE / CARD, better("metrics", "nn_p99_p50_ratio", by=2.0)):
        found = faults(world)
    where = str(BASELINE / CARD)
    assert any(f"{where}: metrics.nn_p99_p50_ratio" in line for line in found)


def test_the_scorecard_of_another_run_is_certified_by_no_workflow(world_copy):
    """Snakemake takes the pasted card and writes a certificate on it; ``certify`` refuses."""
    pasted = read_json(world_copy / RELEASE / CARD)
    other = read_json(world_copy / RELEASE / CARD.replace("seed=7", "seed=42"))
    write_json(
        world_copy / RELEASE / CARD,
        {**other, "run_id": pasted["run_id"], "seed": pasted["seed"]},
    )
    before = (world_copy / tamper.SEGMENT / "last_good/last_good_pointer.json").read_bytes()
    result = small_world.snakemake(world_copy, "certify", "--quiet", "rules")
    assert result.returncode != 0
    assert "ES33" in result.stderr
    assert "metrics.country_gini is" in result.stderr
    assert "Traceback" not in result.stderr
    after = (world_copy / tamper.SEGMENT / "last_good/last_good_pointer.json").read_bytes()
    assert after == before


def test_sites_changed_under_their_old_time_are_certified_by_no_workflow(world_copy):
    path = world_copy / RELEASE / "seed=7/s8_site_locations/site_locations.parquet"
    content, times = path.read_bytes(), (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.unlink()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=times)
    before = (world_copy / tamper.SEGMENT / "last_good/last_good_pointer.json").read_bytes()
    result = small_world.snakemake(world_copy, "certify", "--quiet", "rules")
    assert result.returncode != 0
    assert "ES33" in result.stderr
    assert "seed=7/s8_site_locations/site_locations.parquet: has digest" in result.stderr
    after = (world_copy / tamper.SEGMENT / "last_good/last_good_pointer.json").read_bytes()
    assert after == before


def test_a_world_of_its_own_is_a_trial_that_says_why(world):
    verdict = read_json(world / CERTIFICATE)["verdict"]
    assert not verdict["release"]
    reasons = " / ".join(verdict["not_a_release_because"])
    for part in ("reference snapshot", "the baseline", "list of required seeds"):
        assert part in reasons
    assert "policy.1a.generator.authority.yaml" in reasons
    assert "lacks 101, lacks 202" in reasons
    assert "policy of S9" not in reasons


def test_a_trial_is_no_release_by_asking_for_one(world_copy):
    small_world._edit(world_copy / "config/config.yaml", certification__release=True)
    result = small_world.snakemake(world_copy, "certify", "--quiet", "rules")
    assert result.returncode != 0
    assert "ES30" in result.stderr
    assert "the reference snapshot is not the shipped one" in result.stderr


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (lambda c: c["verdict"].update(release=True, not_a_release_because=[]),
         "verdict does not follow"),
        (lambda c: c.update(required_seeds=[7]), "required_seeds"),
        (lambda c: c["anchors"].update(reference={}), "anchors does not follow"),
        (lambda c: c["gates"]["gates"]["country_gini"].update(B=0.99), "EC10"),
        (lambda c: c["run"].update(upstream_kind="external"), "run does not follow"),
        (lambda c: c["run"].update(name="mine"), "run does not follow"),
    ],
)  # fmt: skip
def test_a_certificate_that_says_more_than_its_records_is_a_fault(world, edit, named):
    with changed(world / CERTIFICATE, edit):
        found = faults(world)
    if named == "required_seeds":
        named = "does not follow"
    assert any(CERTIFICATE.name in line and named in line for line in found), found


def test_forged_tiles_on_a_list_of_known_tables_are_told(world_copy):
    """Neither the list nor the anchor of the list can be edited without a trace."""
    (people,) = (world_copy / tamper.SEGMENT).rglob("tile_population.parquet")
    table = pq.read_table(people)
    at = table.schema.get_field_index("population")
    more = pc.multiply(table["population"], 1.5)
    pq.write_table(table.set_column(at, table.schema.field(at), more), people)
    listed = read_json(world_copy / KNOWN_TABLES)
    (entry,) = (files for files in listed if "places" in files)
    entry["tile_population"] = file_digest(people)
    write_json(world_copy / KNOWN_TABLES, listed)
    unlike = f"{people.name}: is not what its law makes"
    found = small_world.segment1b(world_copy, "verify")
    assert found.returncode != 0
    assert unlike in found.stdout + found.stderr
    certified.anchor_known_tables(world_copy)
    found = small_world.segment1b(world_copy, "verify")
    assert found.returncode != 0
    assert unlike not in found.stdout + found.stderr
    assert "anchors does not follow" in found.stdout + found.stderr


def test_looser_gates_are_refused_where_no_source_tree_is_at_hand(world):
    with changed(world / CERTIFICATE, lambda c: c["gates"]["gates"]["country_gini"].update(B=0.99)):
        found = verify(world / RELEASE).faults
    assert any("EC10" in line for line in found)


def test_a_1a_that_another_policy_made_is_a_fault(world):
    record = world / UPSTREAM / "seed=7/validation/parameter_hash_resolved.json"
    with changed(record, lambda r: r["policies"].update(dict.fromkeys(r["policies"], "0" * 64))):
        found = faults(world)
    assert any(f"{record.name}: policy.1a.generator" in line for line in found)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """An Ed25519 key pair."""
    folder = tmp_path_factory.mktemp("keys")
    write_pair(folder, "mine", Ed25519PrivateKey.generate())
    return folder


def test_nothing_is_signed_that_does_not_hold(world, keys):
    with changed(world / RELEASE / CARD, better("metrics", "country_gini")):
        result = small_world.segment1b(world, "sign", "--key", str(keys / "mine.pem"))
    assert result.returncode == 1
    assert "EG89" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (world / ENVELOPE).exists()


def test_an_envelope_of_an_earlier_release_blocks_nothing_and_proves_nothing(world, keys):
    old = (world / STATEMENT).read_bytes().replace(b"reopened", b"renamed_")
    write_json(world / ENVELOPE, sign(old, private_key(keys / "mine.pem")))
    assert faults(world) == []
    found = faults(world, public_key=keys / "mine.pub.pem")
    result = small_world.segment1b(world, "sign", "--key", str(keys / "mine.pem"))
    signed = faults(world, public_key=keys / "mine.pub.pem")
    (world / ENVELOPE).unlink()
    assert any("payload digest" in line for line in found)
    assert result.returncode == 0, result.stderr
    assert signed == []


@pytest.mark.parametrize("altered", [CERTIFICATE, STATEMENT])
def test_a_signature_is_over_this_certificate(world, keys, altered):
    write_json(
        world / ENVELOPE, sign((world / STATEMENT).read_bytes(), private_key(keys / "mine.pem"))
    )

    grade = "B" if read_json(world / CERTIFICATE)["verdict"]["grade"] == "A" else "A"

    def edit(document):
        if altered == STATEMENT:
            document = document["predicate"]["buildDefinition"]["internalParameters"]
        document["verdict"]["grade"] = grade

    with changed(world / altered, edit):
        found = faults(world, public_key=keys / "mine.pub.pem")
    (world / ENVELOPE).unlink()
    assert any("verdict" in line or "predicate" in line for line in found), found


def test_a_1a_of_the_user_is_named_and_the_generator_is_not(tmp_path):
    theirs = f"upstream={{kind: external, external_root: {tmp_path}}}"
    settings = load_settings(read_configuration([], [theirs, "candidate=theirs"]))
    run, baseline = map(settings.run_named, ("theirs", settings.baseline_posture))
    assert settings.upstreams[run.upstream_id].kind == "external"
    assert not any("policy.1a." in path for path in run.policies.values())
    assert baseline.policies["upstream"].endswith("policy.1a.generator.authority.yaml")
    digests = {"gates": "1" * 64, "policies": dict.fromkeys(run.policies.values(), "2" * 64)}
    named = [entry["uri"] for entry in dependencies({"digests": digests}, [], "4" * 64)]
    assert not any("policy.1a.generator" in uri for uri in named)
    assert any("policy.s6.jitter" in uri for uri in named)


def test_a_record_that_names_a_device_or_a_link_is_a_fault(world):
    receipt = world / RELEASE / "seed=7/run_receipt.json"
    egress = world / RELEASE / "seed=7/s8_site_locations/site_locations.parquet"
    kept = egress.with_name("kept")
    shutil.move(egress, kept)
    found = {}
    for name, make in {
        "fifo": os.mkfifo,
        "link": lambda path: path.symlink_to("/dev/zero"),
    }.items():
        make(egress)
        found[name] = faults(world)
        egress.unlink()
    shutil.move(kept, egress)
    assert any(f"{egress}: has digest (no file)" in line for line in found["fifo"])
    assert any("EG27" in line and egress.name in line for line in found["link"])
    paths = ("//etc/passwd", f"segment_1B/{RELEASE.name}//x", "segment_1B/" + "a/" * 600 + "b")
    for path in paths:
        with changed(receipt, lambda r, path=path: r["outputs"].update({path: "0" * 64})):
            lines = faults(world)
        assert any("EG27" in line or "run_receipt.json: lists" in line for line in lines)
        assert all(len(line) < 2000 and "\n" not in line for line in lines)
