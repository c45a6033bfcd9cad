"""What a change reruns: asked of Snakemake on the real graph after a finished certify.

The scenarios below name every policy, schema, 1A table, reference file and state script. Each is
compared with the jobs of the rerun matrix exactly: nothing less, and nothing more. They are planned
in two processes (``tests/planner.py``), since only the plans are wanted.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from scripts.geo.snapshot import OUTLET_FILES
from scripts.governance.iteration_protocol import UPSTREAM as OTHER_1A
from scripts.records.identity import run_id
from scripts.upstream.tables_1a import ALL_TABLES
from tests import small_world

N = len(small_world.SEEDS)
RELEASE = run_id("1B", "reopened")
UPSTREAM_RUNS = {name: run_id("1A", name) for name in ("authority", "reopened")}
POLICY_1A, POLICY = "config/layer1/1A/policy", "config/layer1/1B/policy"

# The verdict is always enforced anew; it costs nothing.
NOTHING = {"certify": 1}
CERTIFY = {
    "certify_release": 1,
    "attest_release": 1,
    **NOTHING,
}
# The map of the first seed stands beside the certificate.
MAP = {"site_map": 1}
BASELINE = {"p0_baseline": 1, "pin_baseline": 1}
TILES = ("s1_tile_index", "s1_population_surface")
SEEDED = (
    "s3_requirements",
    "s4_guard",
    "s4_alloc_plan",
    "s5_site_tile_assignment",
    "s6_site_jitter",
    "s7_site_synthesis",
    "s8_site_locations",
)
S9 = ("s9_validation", "scorecard")
UPSTREAM = ("generate_1a", "validate_1a", "pass_1a", "score_1a")


def jobs(count, *rules):
    return dict.fromkeys(rules, count)


def chain(first, runs):
    """Jobs of S3 to S9 from a state on, in a number of runs, without what stands on them."""
    rules = (*SEEDED[SEEDED.index(first) :], "run_receipt", *S9)
    return jobs(runs * N, *rules)


def release_from(first):
    """Jobs when a state of the release alone reruns, with everything after it (plan 2.1)."""
    head = jobs(1, "s2_tile_weights") if first == "s2_tile_weights" else {}
    start = "s3_requirements" if head else first
    return {**head, **chain(start, 1), **MAP, "s9_passed_flag": N, **CERTIFY}


def baseline_from(first):
    """The same for the baseline: it is scored and pinned again, and the release scored against."""
    head = jobs(1, "s2_tile_weights") if first == "s2_tile_weights" else {}
    start = "s3_requirements" if head else first
    return {**head, **chain(start, 1), "scorecard": 2 * N, **BASELINE, **CERTIFY}


def both_from(first):
    """Jobs when a state of both runs reruns, with everything after it."""
    if first == "s0_gate":
        return {"s0_gate": 2 * N, **both_from("s3_requirements")}
    if first in TILES:
        shared = jobs(1, *TILES[TILES.index(first) :], "fidelity_reference")
        return {**shared, **both_from("s2_tile_weights")}
    if first == "s2_tile_weights":
        return {"s2_tile_weights": 2, **both_from("s3_requirements")}
    return {**chain(first, 2), **MAP, "s9_passed_flag": N, **BASELINE, **CERTIFY}


GUARD = {"certify_1a_authority": 1, "check_freeze_guard": 1, "enforce_freeze_guard": 1}
S9_ALONE = {**jobs(N, "run_receipt", *S9, "s9_passed_flag"), **CERTIFY}
REOPENED_1A = {
    **jobs(N, *UPSTREAM, "check_freeze_guard_seed", "s0_gate"),
    **jobs(1, "check_freeze_guard", "enforce_freeze_guard"),
    **release_from("s3_requirements"),
}
BOTH_1A = {**jobs(2 * N, *UPSTREAM, "check_freeze_guard_seed"), **GUARD, **both_from("s0_gate")}
# The authority is what the reopened 1A is judged against, so both runs have a new verdict to seal.
AUTHORITY_1A = {
    **jobs(N, *UPSTREAM),
    **jobs(2 * N, "check_freeze_guard_seed"),
    **GUARD,
    **both_from("s0_gate"),
}
BANDS = {**jobs(2 * N, "score_1a", "check_freeze_guard_seed"), **GUARD, **both_from("s0_gate")}
# Both segments seal the contracts, so changed ones are validated against and sealed anew.
CONTRACTS = {
    **jobs(2 * N, "validate_1a", "pass_1a", "score_1a", "check_freeze_guard_seed"),
    **GUARD,
    **both_from("s0_gate"),
}
POLICIES = {
    f"{POLICY_1A}/policy.1a.bands.yaml": BANDS,
    f"{POLICY_1A}/policy.1a.generator.authority.yaml": AUTHORITY_1A,
    f"{POLICY_1A}/policy.1a.generator.reopened.yaml": REOPENED_1A,
    f"{POLICY}/policy.s1.tile_index.yaml": both_from("s1_tile_index"),
    f"{POLICY}/policy.s1.population.yaml": both_from("s1_population_surface"),
    f"{POLICY}/policy.s2.tile_weights.yaml": release_from("s2_tile_weights"),
    f"{POLICY}/policy.s2.tile_weights.legacy.yaml": baseline_from("s2_tile_weights"),
    f"{POLICY}/policy.s4.alloc_plan.yaml": release_from("s4_guard"),
    f"{POLICY}/policy.s4.alloc_plan.legacy.yaml": baseline_from("s4_guard"),
    f"{POLICY}/policy.s5.assignment.yaml": both_from("s5_site_tile_assignment"),
    f"{POLICY}/policy.s6.jitter.yaml": release_from("s6_site_jitter"),
    f"{POLICY}/policy.s6.jitter.legacy.yaml": baseline_from("s6_site_jitter"),
    f"{POLICY}/policy.s9.validation.yaml": S9_ALONE,
    f"{POLICY}/policy.s9.validation.legacy.yaml": {
        **jobs(N, "run_receipt", "s9_validation"),
        "scorecard": N,
        **BASELINE,
        "certify_release": 1,
        "attest_release": 1,
        **NOTHING,
    },
    "config/gates.yaml": {"scorecard": 2 * N, **BASELINE, **CERTIFY},
    "config/anchors.yaml": {"certify_release": 1, "attest_release": 1, **NOTHING},
}
REFERENCE = {
    "manifest.json": both_from("s0_gate"),
    "countries.parquet": {**both_from("s0_gate"), **both_from("s1_tile_index")},
    "places.parquet": {**both_from("s0_gate"), **both_from("s1_population_surface")},
    "land_cover.parquet": {**both_from("s0_gate"), **both_from("s1_population_surface")},
    "country_facts.csv": {**BOTH_1A, **both_from("s1_population_surface")},
    **dict.fromkeys(OUTLET_FILES, both_from("s0_gate")),
}
STATES = ("s0_gate", *TILES, "s2_tile_weights", *SEEDED)
ONE_SEED = {
    **jobs(
        1, "validate_1a", "pass_1a", "score_1a", "check_freeze_guard", "check_freeze_guard_seed"
    ),
    **jobs(1, "enforce_freeze_guard", "s0_gate", *SEEDED, "run_receipt", *S9, "s9_passed_flag"),
    **MAP,
    **CERTIFY,
}
TABLES_1A = tuple(f"{name}.parquet" for name in ALL_TABLES)


def table_1a(name):
    return f"runs/fix-data-engine/segment_1A/{UPSTREAM_RUNS['reopened']}/seed=7/{name}"


def scenarios():
    """Name, changed files, kind of change, and the jobs that are expected."""
    everything = (
        "config/layer1/*/policy/*.yaml",
        "config/schemas/*.yaml",
        "config/*.yaml",
        "scripts/**/*.py",
        "resources/reference/*",
    )
    yield "nothing", (), "touch", NOTHING
    yield "everything touched", everything, "touch", NOTHING
    for path, expected in POLICIES.items():
        yield path, (path,), "comment", expected
    yield "every schema of a policy", ("config/schemas/*.yaml",), "comment", NOTHING
    searches = ("config/knobs.yaml", "config/calibration.yaml", "config/recovery.yaml")
    yield "searches", searches, "comment", NOTHING
    contracts = ("config/contracts.yaml",)
    yield "a comment on the contracts", contracts, "comment", NOTHING
    yield "a described column", contracts, ("description: Sites.", "description: Outlets."), NOTHING
    yield "a licence", contracts, ("Proprietary-Internal", "Proprietary"), CONTRACTS
    for name, expected in REFERENCE.items():
        yield name, (f"resources/reference/{name}",), "byte", expected
    for name in TABLES_1A:
        yield name, (table_1a(name),), "byte", ONE_SEED
    yield "a comment in every module", ("scripts/**/*.py",), "comment", NOTHING
    law, value = ("scripts/states/jitter_law.py",), "POPULATION = 100_000.0"
    yield "a docstring", law, ('"""', '"""Changed. '), NOTHING
    yield (
        "a line break",
        law,
        (value, "POPULATION = (\n    100_000.0\n)"),
        NOTHING,
    )
    yield (
        "a constant of a law",
        law,
        (value, "POPULATION = 90_000.0"),
        both_from("s6_site_jitter"),
    )
    for state in STATES:
        yield f"{state}.py", (f"scripts/states/{state}.py",), "constant", both_from(state)
    yield (
        "s9_validation.py",
        ("scripts/states/s9_validation.py",),
        "constant",
        {
            **jobs(2 * N, *S9),
            "s9_passed_flag": N,
            **BASELINE,
            **CERTIFY,
        },
    )
    yield (
        "a helper of S2 and S4",
        ("scripts/tabulated.py",),
        "constant",
        both_from("s2_tile_weights"),
    )
    yield "a figure", ("scripts/report/figure_*.py",), "constant", NOTHING
    yield (
        "a deleted S6",
        (f"runs/fix-data-engine/segment_1B/{RELEASE}/seed=*/s6_site_jitter/*.parquet",),
        "remove",
        release_from("s6_site_jitter"),
    )
    seed = f"runs/fix-data-engine/segment_1B/{RELEASE}/seed=7"
    scored = {"scorecard": 1, **CERTIFY}
    validated = {"s9_validation": 1, "s9_passed_flag": 1, **scored}
    yield "a deleted scorecard", (f"{seed}/scorecard/*.json",), "remove", scored
    yield "a deleted bundle", (f"{seed}/s9_validation/*.json",), "remove", validated
    yield (
        "a deleted receipt",
        (f"{seed}/run_receipt.json",),
        "remove",
        {"run_receipt": 1, **validated},
    )


EXPECTED = {name: expected for name, _, _, expected in scenarios()}


@pytest.fixture(scope="module")
def plans(own_copy, tmp_path_factory) -> dict[str, dict[str, int]]:
    """Jobs that would run after each scenario; half of them is asked of a second copy."""
    asked = [
        {"name": name, "files": list(files), "how": how} for name, files, how, _ in scenarios()
    ]
    another = tmp_path_factory.mktemp("matrix") / "world"
    shutil.copytree(own_copy, another, symlinks=True)
    with ThreadPoolExecutor() as both:
        found = both.map(planned, (own_copy, another), (asked[::2], asked[1::2]))
        return {name: plan for part in found for name, plan in part.items()}


def planned(world, asked):
    result = subprocess.run(
        [sys.executable, str(small_world.REPOSITORY / "tests/planner.py")],
        cwd=world,
        env=small_world.without_package(os.environ),
        input=json.dumps(asked),
        text=True,
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-4000:]
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.parametrize("scenario", EXPECTED)
def test_a_change_reruns_its_state_and_what_follows_and_nothing_else(plans, scenario):
    assert plans[scenario] == EXPECTED[scenario]


def test_every_policy_reference_file_1a_table_and_state_script_has_a_row(own_copy):
    policies = {str(p.relative_to(own_copy)) for p in own_copy.glob("config/layer1/*/policy/*")}
    assert policies == set(POLICIES) - {"config/gates.yaml", "config/anchors.yaml"}
    assert {p.name for p in (own_copy / "resources/reference").iterdir()} == set(REFERENCE)
    scripts = {p.stem for p in (own_copy / "scripts/states").glob("s[0-8]_*.py")}
    assert scripts == set(STATES)
    tables = {p.name for p in (own_copy / table_1a("")).glob("*.parquet")}
    assert tables == set(TABLES_1A)


def states(plan):
    """States among the rules of a plan."""
    numbered = {rule.partition("_")[0].upper() for rule in plan if re.match(r"s\d_", rule)}
    return sorted(numbered)


def of_release():
    """Policy files of the release; that of 1A under the name that the protocol has for it."""
    posture = yaml.safe_load(Path("config/postures/reopened.yaml").read_text(encoding="utf-8"))
    return {
        OTHER_1A: posture["upstream_policy"],
        **{Path(path).name: path for path in posture["policies"].values()},
    }


def test_the_published_matrix_is_what_would_run(own_copy, plans):
    """``iteration_protocol.json`` says no more and no less than Snakemake does."""
    path = own_copy / "runs/fix-data-engine/segment_1B/iteration_protocol.json"
    published = json.loads(path.read_text(encoding="utf-8"))["rerun_matrix"]
    assert published == {name: states(plans[path]) for name, path in of_release().items()}


def test_the_readme_says_what_would_run(plans):
    text = (small_world.REPOSITORY / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(policy\.s\d)\.\*` \| (S\d(?: to S\d)?) \|$", text, re.MULTILINE))
    assert len(rows) >= 5
    for name, claim in rows.items():
        first, _, last = claim.partition(" to ")
        claimed = [f"S{n}" for n in range(int(first[1]), int((last or first)[1]) + 1)]
        matching = [path for key, path in of_release().items() if key.startswith(f"{name}.")]
        assert matching
        for path in matching:
            assert states(plans[path]) == claimed, path
