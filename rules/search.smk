"""Bounded searches over the policies of the candidate: `calibrate`, and `recover` (P4.3)."""

from scripts.search.policy import attempts_of, seeds_of, zoom_of

RECOVERS = evaluate("{search} == 'recovery'")
ATTEMPTS = {search: attempts_of(SEARCHES[search]) for search in SEARCHES}
# Policies that an attempt writes, by the state whose knobs it may turn.
TURNED = {
    "s2": "policy.s2.tile_weights.yaml",
    "s4": "policy.s4.alloc_plan.yaml",
    "s6": "policy.s6.jitter.yaml",
}


def seeds_of_search(wildcards):
    """Seeds that every attempt runs on."""
    return seeds_of(SEARCHES[wildcards.search], SEEDS)


def searched(path, search="{search}"):
    """A file of a search over the policies of a run."""
    return declared(f"segment_1B/{{run_id}}/{{search}}/{path}").replace("{search}", search)


def tried(path):
    """A file of one attempt."""
    return searched(f"cycle={{cycle}}/attempt={{attempt}}/{path}")


def over_attempts(path):
    """Input function: a file of every attempt of a job's cycle, or of all cycles."""
    template = tried(path)

    def of_job(wildcards):
        cycles = ATTEMPTS[wildcards.search]
        wanted = [int(wildcards.cycle)] if "cycle" in wildcards.keys() else range(len(cycles))
        tokens = {"run_id": wildcards.run_id, "search": wildcards.search}
        return [
            path
            for cycle in wanted
            for path in expand(template, cycle=cycle, attempt=range(cycles[cycle]), **tokens)
        ]

    return of_job


def over_search_seeds(template):
    """Input function: a file of a run, or of its upstream run, for every seed of the search."""

    def of_job(wildcards):
        known = run_of(wildcards)
        identity = known.upstream_id if "segment_1A" in template else known.run_id
        return expand(template, run_id=identity, seed=seeds_of_search(wildcards))

    return of_job


def best_before(wildcards):
    """Best attempt of the cycles before a job's, or of all; nothing before the first cycle."""
    path = searched("cycle={cycle}/best.json")
    cycle = int(wildcards.get("cycle", len(ATTEMPTS[wildcards.search])))
    return path.format(**{**wildcards, "cycle": cycle - 1}) if cycle else []


def base_of_attempt(wildcards):
    """Where an attempt starts: the best before its cycle, or the policies in force."""
    return best_before(wildcards) or searched("start.json").format(**wildcards)


def baseline_of_search(wildcards):
    """Egress of the baseline by seed; nothing when the run is the baseline."""
    seeds = [] if wildcards.run_id == BASELINE_RUN_ID else seeds_of_search(wildcards)
    return expand(BASELINE_SITES, seed=seeds)


def asked(*keys):
    """Params function: some keys of a job's search, those that it has."""

    def of_job(wildcards):
        search = SEARCHES[wildcards.search]
        return {key: search[key] for key in keys if key in search}

    return of_job


def p3_of_search(wildcards):
    """Scorecards of P3 by seed of the search, which a recovery may not fall behind."""
    before = promotion.reference_run(SETTINGS, "P4")
    path = run("scorecard/segment1b_scorecard.json")
    return each_seed(path, before.run_id, seeds_of_search(wildcards))


def zoom_of_cycle(wildcards):
    """Part of each range that the attempts of a job's cycle search."""
    return zoom_of(SEARCHES[wildcards.search], int(wildcards.cycle))


def recovery_record(target):
    """Record of the candidate's recovery."""
    path = reports("segment1b_p4_recovery_{run_id}.json")
    return {"record": path.format(run_id=CANDIDATE.run_id)}


rule start_search:
    input:
        **{state: policy(state) for state in TURNED},
        integrated=branch(RECOVERS, then=reports("segment1b_p4_integrated_{run_id}.json")),
    output:
        start=searched("start.json"),
    log:
        logs("1B/{run_id}/start_search.{search}"),
    params:
        code=code("search.start_search", *map(policy, TURNED)),
    conda:
        ENV
    script:
        "../scripts/search/start_search.py"


rule search_attempt:
    input:
        base=base_of_attempt,
        p3=branch(RECOVERS, then=p3_of_search),
        gate=over_search_seeds(run("s0_gate/s0_gate_receipt_1B.json")),
        tile_index=tiles("s1_tile_index/tile_index.parquet"),
        tile_population=tiles("s1_tile_index/tile_population.parquet"),
        outlet_catalogue=over_search_seeds(world("outlet_catalogue.parquet")),
        candidate_set=over_search_seeds(world("s3_candidate_set.parquet")),
        baseline_sites=baseline_of_search,
        cells=tiles("fidelity_reference/fidelity_cells.parquet"),
        points=tiles("fidelity_reference/fidelity_points.parquet"),
        width=tiles("fidelity_reference/people_width.parquet"),
        countries=reference("countries.parquet"),
        facts=reference("country_facts.csv"),
        places=reference("places.parquet"),
        near_urban=tiles("fidelity_reference/near_urban_cells.parquet"),
        density=reference("outlet_density.csv"),
        tile_policy=policy("s1_tile_index"),
        s5_policy=policy("s5"),
        gates=GATES,
        sensitivity=SENSITIVITY,
    output:
        **{state: tried(file) for state, file in TURNED.items()},
        attempt=tried("attempt.json"),
    log:
        logs("1B/{run_id}/search_attempt.{search}.{cycle}.{attempt}"),
    resources:
        **demand("search_attempt"),
    params:
        code=code("search.search_attempt", policy("s1_tile_index"), policy("s5"), GATES),
        name=run_name,
        seeds=seeds_of_search,
        search=asked("starts", "objective", "constraints", "goal"),
        ranges=KNOBS,
        zoom=zoom_of_cycle,
    conda:
        ENV
    script:
        "../scripts/search/search_attempt.py"


rule best_of_cycle:
    input:
        **{state: over_attempts(file) for state, file in TURNED.items()},
        before=best_before,
        attempts=over_attempts("attempt.json"),
    output:
        best=searched("cycle={cycle}/best.json"),
    log:
        logs("1B/{run_id}/best_of_cycle.{search}.{cycle}"),
    params:
        code=code("search.best_of_cycle"),
        gain=asked("minimum_gain", "goal"),
        zoom=zoom_of_cycle,
    conda:
        ENV
    script:
        "../scripts/search/best_of_cycle.py"


rule record_search:
    input:
        **{state: policy(state) for state in TURNED},
        start=searched("cycle={cycle}/best.json").replace("{cycle}", "0"),
        best=best_before,
        attempts=over_attempts("attempt.json"),
    output:
        **{state: searched(f"best/{file}") for state, file in TURNED.items()},
        leaderboard=searched("leaderboard.json"),
        table=searched("leaderboard.csv"),
    log:
        logs("1B/{run_id}/record_search.{search}"),
    params:
        code=code("search.record_search", *map(policy, TURNED)),
        seeds=seeds_of_search,
    conda:
        ENV
    script:
        "../scripts/search/record_search.py"


rule record_recovery:
    input:
        **{state: searched(f"best/{file}", "recovery") for state, file in TURNED.items()},
        integrated=reports("segment1b_p4_integrated_{run_id}.json"),
        start=searched("start.json", "recovery"),
        leaderboard=searched("leaderboard.json", "recovery"),
    output:
        record=reports("segment1b_p4_recovery_{run_id}.json"),
    log:
        logs("1B/{run_id}/record_recovery"),
    params:
        code=code("governance.record_recovery"),
        runs_root=runs_root,
    conda:
        ENV
    script:
        "../scripts/governance/record_recovery.py"


rule calibrate:
    """Search the policies of the candidate for the best map that holds every gate with a margin."""
    input:
        searched("leaderboard.json", "calibration").format(run_id=CANDIDATE.run_id),
        searched("leaderboard.csv", "calibration").format(run_id=CANDIDATE.run_id),


rule recover:
    """Search for B+ where P4 holds B and misses B+; refused for any other candidate."""
    input:
        unpack(unless_refused("recover", recovery_record)),
    log:
        logs("1B/recover"),
    localrule: True
    params:
        code=code("governance.recover"),
        faults=refusals("recover"),
    conda:
        ENV
    script:
        "../scripts/governance/recover.py"
