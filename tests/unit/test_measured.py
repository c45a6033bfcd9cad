"""What records were measured on: names, digests and code, and policies that change under a job."""

from types import SimpleNamespace

import pytest

from scripts.contracts import datasets, measured, read_object, write_object
from scripts.contracts.measured import MEASURED_ON, Job, of_parts, path_of, recorded_name
from scripts.entry import run
from scripts.errors import ContractError
from scripts.tables import file_digest

RUN, OTHER, TILES = "a" * 32, "b" * 32, "c" * 32
BELOW = "segment_1B/{}/seed=7/s4_alloc_plan/1-of-2.parquet"
TALLY = {"rows": 3, "active_tiles": 2}


@pytest.fixture(autouse=True)
def no_job():
    yield
    measured.begin(None)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"runs/x/{BELOW.format(RUN)}", BELOW.format("{run_id}")),
        (f"/far/{BELOW.format(OTHER)}", BELOW.format(OTHER)),
        (f"segment_1B/tiles/{TILES}/s1_tile_index/tile_index.parquet",
         "segment_1B/tiles/{tiles_id}/s1_tile_index/tile_index.parquet"),
        (f"r/segment_1A/{OTHER}/seed=7/outlet_catalogue.parquet",
         f"segment_1A/{OTHER}/seed=7/outlet_catalogue.parquet"),
        ("config/gates.yaml", "gates.yaml"),
        ("/home/me/segment_1B/policy.s5.mine.yaml", "policy.s5.mine.yaml"),
        ("runs/own_reference/countries.parquet", "own_reference/countries.parquet"),
    ],
)  # fmt: skip
def test_names_leave_the_ids_of_a_run_and_its_tiles_open(path, name):
    assert recorded_name(path, RUN) == name
    assert path.endswith(path_of(name, RUN, TILES))


def test_the_same_run_under_another_name_has_the_same_stamp(tmp_path):
    stamps = []
    for run_id in (RUN, OTHER):
        plan = tmp_path / BELOW.format(run_id)
        plan.parent.mkdir(parents=True)
        plan.write_bytes(b"plan")
        stamps.append(Job([str(plan)], run_id, "1234").stamp())
    assert stamps[0] == stamps[1]
    assert stamps[0] == {
        "code": "1234",
        "files": {BELOW.format("{run_id}"): file_digest(plan)},
    }


def test_records_of_a_job_say_what_it_read_and_others_do_not(tmp_path):
    policy = tmp_path / "policy.s5.mine.yaml"
    policy.write_text("a: 1\n")
    record = tmp_path / "record.json"
    write_object("s4_tally", record, TALLY)
    assert MEASURED_ON not in read_object("s4_tally", record)
    measured.begin(Job([str(policy)], RUN, "1234"))
    write_object("s4_tally", record, TALLY)
    said = {"code": "1234", "files": {policy.name: file_digest(policy)}}
    assert read_object("s4_tally", record) == TALLY | {MEASURED_ON: said}
    write_object("sealed_inputs_1B", record, [])
    assert read_object("sealed_inputs_1B", record) == []


def test_every_record_of_a_state_a_score_and_a_phase_says_what_it_was_measured_on():
    asked = {name for name in datasets() if measured.asks(name)}
    of_states = {f"s{n}_run_report" for n in (1, 2, 3, 4, 5, 6)} | {"s7_run_summary"}
    of_parts = {f"s{n}_tally" for n in (4, 5, 6, 7)} | {"s4_guard_summary", "s8_run_summary"}
    assert asked == of_states | of_parts | {
        *("s1_population_report", "raster_population_report", "validation_summary_1B"),
        *("segment1a_scorecard", "segment1a_p5_certification", "segment1b_scorecard"),
        *("segment1b_p0_baseline", "segment1b_phase_candidate"),
        *("segment1b_p4_integrated", "segment1b_p4_recovery"),
    }


def job_of(policy, main, tmp_path):
    log = tmp_path / "job.log"
    smk = SimpleNamespace(
        input=[str(policy)], output=[], log=[str(log)],
        params=SimpleNamespace(code="1234"), wildcards=SimpleNamespace(run_id=RUN),
    )  # fmt: skip
    run(main, smk)
    return log


def test_a_policy_that_is_edited_while_a_job_reads_it_fails_the_job(tmp_path, capsys):
    policy = tmp_path / "policy.s5.mine.yaml"
    policy.write_text("a: 1\n")

    def edit(*_):
        policy.write_text("a: 2\n")

    with pytest.raises(SystemExit):
        job_of(policy, edit, tmp_path)
    told = (tmp_path / "job.log").read_text() + capsys.readouterr().err
    assert f"ContractError: EX23 {policy}: changed while a job read it" in told
    job_of(policy, lambda *_: None, tmp_path)


def part(name, policy="1" * 64, code="1234"):
    files = {f"segment_1B/{{run_id}}/{name}": "2" * 64, "policy.s5.yaml": policy}
    return {"pairs": 1, MEASURED_ON: {"code": code, "files": files}}


def test_what_parts_share_does_not_depend_on_how_many_they_are():
    one, two = [part("1-of-1")], [part("1-of-2"), part("2-of-2")]
    assert of_parts(one) == of_parts(two)
    assert of_parts(one)[MEASURED_ON]["files"] == {"policy.s5.yaml": "1" * 64}
    assert of_parts([{"pairs": 1}]) == {}


@pytest.mark.parametrize("other", [{"policy": "3" * 64}, {"code": "5678"}])
def test_parts_of_one_state_obeyed_one_policy_and_one_law(other):
    with pytest.raises(ContractError, match=r"^EX24 (policy\.s5\.yaml|code): is not alike"):
        of_parts([part("1-of-2"), part("2-of-2", **other)])
