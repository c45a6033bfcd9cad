import json

import numpy as np
import pyarrow as pa
import pytest

from scripts.benchmarks.collect import collect
from scripts.benchmarks.floors import WORK, Work, floor, pair_by_pair
from scripts.benchmarks.page import draw
from scripts.benchmarks.scales import CHAIN, SITE_STATES, combine, parse_sites, slopes, table
from scripts.benchmarks.sizes import renew_page, require_markers, size_table
from scripts.contracts import datasets
from scripts.entry import run
from scripts.errors import ConfigError
from scripts.tables import write_parquet


def test_sizes_are_read():
    assert [parse_sites(text) for text in ("35k", "3.5M", "10M", "102000")] == [
        35_000,
        3_500_000,
        10_000_000,
        102_000,
    ]
    for text in ("35 sites", "0", "0.5", ""):
        with pytest.raises(ConfigError, match=f"EC03 sizes: {text!r} is no number of sites"):
            parse_sites(text)


def test_costs_of_a_job_come_from_its_log(tmp_path):
    class Job:
        input, output, params, wildcards = (), (), (), ()
        log = (tmp_path / "logs/1B/abc/42/s4.1-of-2.log",)

    Job.log[0].parent.mkdir(parents=True)
    run(lambda *_: None, Job)
    other = Job.log[0].with_name("s4.2-of-2.log")
    other.write_text('a line\n{"main_s": 0.5, "cpu_s": 1000.0, "peak_mb": 1.0}\n')
    Job.log[0].with_name("s5.log").write_text("refused\n")
    found = collect(tmp_path)
    assert list(found) == ["s4"]
    assert found["s4"]["jobs"] == 2
    assert found["s4"]["peak_mb"] > 10
    assert found["s4"]["cpu_s"] > 500
    assert found["s4"]["cpu_total_s"] > 1000
    assert collect(tmp_path, "other") == {}


def test_pair_by_pair_gives_every_site_a_tile(tmp_path):
    write_parquet(
        tmp_path / "r.parquet", pa.table({"legal_country_iso": ["AA", "BB"], "n_sites": [7, 1]})
    )
    weights = pa.table({"country_iso": ["AA"] * 3 + ["BB"], "weight_fp": [5, 3, 2, 10]})
    write_parquet(tmp_path / "w.parquet", weights)
    done = pair_by_pair(tmp_path / "r.parquet", tmp_path / "w.parquet", 60.0)
    assert (done["pairs"], done["pairs_done"], done["sites_done"]) == (2, 2, 8)


PLAN, JITTER, FEW = "s4_alloc_plan", "s6_site_jitter", "s3_requirements"


def test_a_floor_is_what_reading_sorting_and_writing_take(tmp_path):
    table = pa.table({"x": np.random.default_rng(1).integers(0, 1 << 60, 400_000)})
    files = {name: str(tmp_path / f"{name}.parquet") for name in (PLAN, JITTER, FEW)}
    for name, path in files.items():
        write_parquet(path, table.slice(0, 10) if name == FEW else table)
    found = floor(Work((PLAN,), (JITTER,), (PLAN, PLAN)), files)
    assert all(value > 0.0 for value in found.values())
    twice = floor(Work((PLAN, PLAN), (), (PLAN,)), files)
    assert twice["write_s"] == 0.0
    assert twice["sort_s"] < found["sort_s"]
    assert floor(Work((FEW,), (FEW,), (FEW,)), files)["sort_s"] < twice["sort_s"]
    assert {path.stem for path in tmp_path.iterdir()} == {PLAN, JITTER, FEW}


def test_every_state_of_sites_has_a_floor():
    assert list(WORK) == list(SITE_STATES)
    known = datasets()
    for work in WORK.values():
        assert set(work.reads + work.writes + work.sorts) <= set(known)


def result():
    def run_of(sites):
        cost = {
            "main_s": sites / 1e6,
            "cpu_s": sites / 1e6,
            "peak_mb": 100.0,
            "jobs": 1,
        }
        return {
            "sites": sites,
            "pairs": sites // 2,
            "chain_cpu_s": 10.0,
            "s4_to_s9_cpu_s": 6.0,
            "largest_job_mb": 100.0,
            "verdict_s9": "PASS",
            "failed_checks": [],
            "upstream": {"generate_1a": cost},
            "states": dict.fromkeys(CHAIN, cost),
            "floors": {
                state: {"read_s": sites / 1e7, "sort_s": sites / 1e7, "write_s": sites / 3e6}
                for state in SITE_STATES
            },
            "pair_by_pair": {
                "pairs": sites // 2,
                "pairs_done": sites // 4,
                "sites_done": sites // 2,
                "seconds": 3.0,
            },
        }

    return combine([run_of(4_000_000), run_of(1_000_000)])


def test_slopes_are_those_of_the_powers():
    assert np.allclose(list(result()["slopes"].values()), 1.0)
    assert slopes(result()["runs"][:1]) == {}


def test_table_and_figure_show_every_state(tmp_path):
    text = table(json.loads(json.dumps(result())))
    for job in ("generate_1a", *SITE_STATES):
        assert text.count(f"| {job} |") == 3
    assert "| 1,000,000 | 1.9 |" in text
    assert "6 s (from 250,000 of them)" in text
    draw(result(), tmp_path / "f.svg")
    assert (tmp_path / "f.svg").read_text(encoding="utf-8").count("s9_validation") >= 1


def test_a_page_is_renewed_between_its_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- measured -->\nold\n<!-- end -->\nb\n")
    for tables in ("new", "newer"):
        renew_page(page, tables)
    assert page.read_text() == "a\n<!-- measured -->\n\nnewer\n\n<!-- end -->\nb\n"
    require_markers(page)
    page.write_text("a\n<!-- end -->\n<!-- measured -->\n")
    for other in (page, tmp_path / "absent.md"):
        with pytest.raises(ConfigError, match=r"EC23 --page: .* has no table to renew"):
            require_markers(other)


def report_of(sites, grade="BPLUS", missed=(), contraction=0.7):
    seeds = {
        str(seed): {
            "sites": sites + seed,
            "nn_p99_p50_ratio": 7.0 + seed / 2,
            "nn_contraction": contraction,
            "eligible_country_nonzero_share": 1.0,
        }
        for seed in (1, 3)
    }
    return {
        "grade": grade,
        "measured": seeds,
        "misses": list(missed),
        "fidelity": [],
        "freeze_guard": {},
    }


def test_the_table_of_sizes_is_put_in_its_page(tmp_path):
    miss = {
        "grade": "BPLUS",
        "gate": "nn_tail",
        "metric": "nn_contraction",
        "seed": 1,
        "reason": "0.2 < 0.35",
    }
    reports = [(25_000, report_of(350_000)), (250, report_of(3_500, "B", [miss], None))]
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured -->\nold\n<!-- end -->\nafter\n")
    renew_page(page, size_table(reports))
    lines = page.read_text().splitlines()
    assert lines[0] == "before"
    assert lines[5:7] == [
        "| 3,502 | 250 | B | 7.5 to 8.5 | undefined | 1.000 |"
        " BPLUS nn_tail nn_contraction seed 1 |",
        "| 350,002 | 25,000 | BPLUS | 7.5 to 8.5 | 0.70 | 1.000 | none |",
    ]
    assert "old" not in lines
    assert lines[-1] == "after"
