"""What jobs ask a cluster for, read from the planned graph at two scales."""

import json
import re
import subprocess
import sys
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.resources import DEMANDS, demand
from scripts.states import CHAIN
from tests.small_world import REPOSITORY

IN_GROUPS = CHAIN[CHAIN.index("s4_alloc_plan") : CHAIN.index("s8_site_locations")]
GENERATOR = "config/layer1/1A/policy/policy.1a.generator.reopened.yaml"
# Small and large world, each in one group of countries and in seven.
MERCHANTS, GROUPS = (0, 700_000), (1, 7)
PLAN = """
import json, sys
from pathlib import Path
import yaml
from scripts.snakemake_private import jobs_of, plan

profile = yaml.safe_load(Path("profiles/default/config.yaml").read_text())
default = {k: int(v) for k, v in (pair.split("=") for pair in profile["default-resources"])}
plans = []
for config in json.loads(sys.argv[1]):
    plans.append({})
    for job in jobs_of(plan(["certify"], config, resources=default)):
        for attempt in (1, 2):
            job.attempt = attempt
            asked = {k: job.resources.get(k) for k in ("mem_mb", "runtime")}
            plans[-1].setdefault(job.rule.name, {})[attempt] = asked
print("PLANS" + json.dumps(plans))
"""


@pytest.fixture(scope="module")
def plans(tmp_path_factory) -> dict[tuple[int, int], dict[str, dict[str, dict[str, int]]]]:
    """Memory and time by rule and attempt for a fresh tree, by merchants and groups."""
    sizes = list(product(MERCHANTS, GROUPS))
    configs = [
        {
            "runs_root": str(tmp_path_factory.mktemp("fresh") / "runs"),
            "seeds": [42],
            "certification": {"required_seeds": [42], "release": False},
            "groups": groups,
            "upstream": {"kind": "builtin", "external_root": "", "merchants_total": merchants},
        }
        for merchants, groups in sizes
    ]
    result = subprocess.run(
        [sys.executable, "-c", PLAN, json.dumps(configs)],
        cwd=REPOSITORY,
        text=True,
        capture_output=True,
        check=False,
    )
    lines = [line for line in result.stdout.splitlines() if line.startswith("PLANS")]
    assert lines, result.stderr[-3000:]
    return dict(zip(sizes, json.loads(lines[0].removeprefix("PLANS")), strict=True))


@pytest.mark.parametrize("groups", GROUPS)
def test_jobs_ask_for_what_their_world_needs(plans, groups):
    small, large = (plans[merchants, groups] for merchants in MERCHANTS)
    for rule, asked in small.items():
        for name, value in asked["1"].items():
            assert isinstance(value, int), (rule, name)
            assert large[rule]["1"][name] >= value
        if rule in DEMANDS:
            assert asked["1"]["mem_mb"] <= 2100
            assert asked["2"]["mem_mb"] >= 2 * asked["1"]["mem_mb"] - 100
    assert large["s9_validation"]["1"]["mem_mb"] > 2 * small["s9_validation"]["1"]["mem_mb"]
    if groups > 1:
        whole = plans[MERCHANTS[1], 1]
        for state in IN_GROUPS:
            assert large[state]["1"]["mem_mb"] < whole[state]["1"]["mem_mb"], state


def test_a_finer_grid_asks_for_its_tiles(tmp_path):
    policy = Path("config/layer1/1B/policy/policy.s1.tile_index.yaml")
    text = policy.read_text(encoding="utf-8")
    asked = {}
    for resolution in (5, 2.5, 1, "fine"):
        own = tmp_path / str(resolution) / policy.name
        own.parent.mkdir()
        own.write_text(re.sub("resolution_arcmin: 5", f"resolution_arcmin: {resolution}", text))
        run = SimpleNamespace(upstream_id="world", tiles_id="tiles")
        settings = SimpleNamespace(
            candidate="own",
            groups=1,
            merchants_total=0,
            runs={"run": run},
            run_named=lambda name, run=run: SimpleNamespace(run_id="run", **vars(run)),
            upstreams={"world": SimpleNamespace(kind="builtin", policy=GENERATOR)},
            tile_sets={"tiles": SimpleNamespace(policies={"s1_tile_index": str(own)})},
        )
        of_tiles, of_run = {"tiles_id": "tiles"}, {"run_id": "run"}
        asked[resolution] = (
            demand(settings, "s1_population_surface")["mem_mb"](of_tiles, 1),
            demand(settings, "s4_alloc_plan")["mem_mb"](of_run, 1),
        )
    assert asked[5] == asked["fine"] == (2000, 600)
    assert asked[5] < asked[2.5] < asked[1]
    # Peaks of docs/benchmarks.md, MB.
    assert asked[1][0] > 8340
    assert asked[1][1] > 7130
