"""Names that the other rule files share: paths, runs, input functions."""

import re
import sys
from pathlib import Path

sys.path.insert(0, workflow.basedir)

from scripts import console

console.say_interrupts_in_a_line()

from scripts import entry, root_lock, view
from scripts.contracts import contracts_digest, dataset, datasets, require_declared, state_datasets
from scripts.errors import SegmentError, lines
from scripts.governance import promotion, start
from scripts.records.code_digest import code_digest
from scripts.records.identity import parameter_hash
from scripts.scorers import levers
from scripts.scorers.gates import GATES_FILE, load_gates
from scripts.search.policy import SEARCHES as SEARCH_NAMES, load_knobs, load_search, tuned_seed
from scripts.resources import demand as demand_of
from scripts.settings import load_settings, read_configuration, require_sources
from scripts.snakemake_private import (
    configuration_given,
    is_job,
    root_of_jobs,
    source as marked_source,
)
from scripts.states import CHAIN
from scripts.states.groups import part_names
from scripts.tables import file_digest


def source(path):
    """Sources, which have to be there: files of this folder, also where runs are in storage."""
    try:
        require_sources([path] if isinstance(path, str) else path)
    except SegmentError as error:
        raise WorkflowError(str(error)) from None
    return marked_source(path)


GATES = source(GATES_FILE)
SENSITIVITY = source(levers.TABLE)

try:
    SETTINGS = load_settings(read_configuration(*configuration_given(workflow)))
    ROOT_OF_JOBS = root_of_jobs(workflow, SETTINGS.runs_root)
    promotion.check_fork(SETTINGS, ROOT_OF_JOBS)
    load_gates(GATES_FILE)
    KNOBS = load_knobs("config/knobs.yaml")
    SEARCHES = {name: load_search(f"config/{name}.yaml") for name in SEARCH_NAMES}
except SegmentError as error:
    raise SystemExit("\n".join(lines(error))) from None
except OSError as error:
    raise SystemExit("\n".join(lines(entry.os_error(error, ["config/config.yaml"])))) from None

# What the processes of all jobs inherit.
entry.export_package_path(workflow.basedir)
entry.export_heap()
root_lock.name_to_jobs(ROOT_OF_JOBS)
if is_job(workflow):
    root_lock.hold_as_job()
elif not workflow.output_settings.dryrun:
    VIEW = view.attach(workflow.output_settings, reads_logs=ROOT_OF_JOBS == SETTINGS.runs_root)

SEEDS = list(SETTINGS.seeds)
# The baseline is pinned over the required seeds, whichever seeds a run takes.
P0_SEEDS = list(SETTINGS.required_seeds)
TUNED_SEED = tuned_seed(SEARCHES["calibration"], SEEDS)
RUNS = SETTINGS.runs_root
ENV = "../envs/runtime.yaml"
# Validation bundle of either segment.
BUNDLE = (
    *("s9_summary.json", "rng_accounting.json", "egress_checksums.json"),
    *("parameter_hash_resolved.json", "manifest_fingerprint_resolved.json", "index.json"),
)
CANDIDATE = SETTINGS.run_named(SETTINGS.candidate)
BASELINE = SETTINGS.run_named(SETTINGS.baseline_posture)
RELEASE_RUN_ID = CANDIDATE.run_id
BASELINE_RUN_ID = BASELINE.run_id

PARTS = part_names(SETTINGS.groups)
CONTRACTS_DIGEST = contracts_digest(datasets())


# All of them before the first rule: a later statement would take them from outputs in storage.
wildcard_constraints:
    run_id="|".join([*SETTINGS.runs, *SETTINGS.upstreams]),
    seed="[0-9]+",
    segment="1[AB]",
    cycle="[0-9]+",
    attempt="[0-9]+",
    search="|".join(SEARCHES),
    tiles_id="[a-f0-9]{32}",
    part="[0-9]+-of-[0-9]+",
    suffix="csv|geojson|gpkg",


def run_of(wildcards):
    """The run of a job's `run_id`."""
    return SETTINGS.run_of(wildcards.run_id)


def run_name(wildcards):
    """Name of a job's run."""
    return run_of(wildcards).name


def runs_root(wildcards):
    """Folder that records name files relative to."""
    return ROOT_OF_JOBS


# Paths, as the rules write them: below the runs root, each declared in the contracts.


def declared(path):
    """A path below the runs root; refused when no contract declares it."""
    require_declared(path)
    return f"{RUNS}/{path}"


def run(path):
    """A file of one run and seed."""
    return declared(f"segment_1B/{{run_id}}/seed={{seed}}/{path}")


def each_seed(templates, run_id="{run_id}", seeds=SEEDS):
    """Files of a run, by default of a job's own, for every configured seed."""
    return expand(templates, run_id=run_id, seed=seeds)


def parts(path):
    """All parts of a file of one run and seed, one for each group of countries."""
    return expand(run(path), part=PARTS, allow_missing=True)


def shared(path):
    """A file of one run that all its seeds share."""
    return declared(f"segment_1B/{{run_id}}/shared/{path}")


def reports(path):
    """A record of segment 1B."""
    return declared(f"segment_1B/reports/{path}")


def internal(path):
    """An output that nobody calls: Snakemake takes a rule for a target when it has no wildcard."""
    return re.sub("segment_1[AB]", "segment_{segment}", path)


def world(path):
    """A file of one upstream run and seed, in the rules that make it."""
    return declared(f"segment_1A/{{run_id}}/seed={{seed}}/{path}")


def upstream(path):
    """Input function: a file of the upstream run that a run of 1B stands on."""
    template = world(path)

    def of_run(wildcards):
        return template.format(run_id=run_of(wildcards).upstream_id, seed=wildcards.seed)

    return of_run


def tile_set(path):
    """A file of the tiles that several runs share, in the rules that make it."""
    return declared(f"segment_1B/tiles/{{tiles_id}}/{path}")


def tiles(path):
    """Input function: a file of the tiles that a run stands on."""
    template = tile_set(path)

    def of_run(wildcards):
        return template.format(tiles_id=SETTINGS.runs[wildcards.run_id].tiles_id)

    return of_run


def policy(key):
    """Input function: a policy file of a job's run, or of the tile set that it makes."""

    def of_job(wildcards):
        run_id = getattr(wildcards, "run_id", None)
        found = SETTINGS.run_of(run_id) if run_id else SETTINGS.tile_sets[wildcards.tiles_id]
        return source(found.policies[key])

    return of_job


def reference(file):
    """A file of the reference snapshot in force: the shipped one, or that on own polygons."""
    if SETTINGS.polygons_path:
        return declared(f"{root_lock.OWN_REFERENCE}/{file}")
    return source(f"{SETTINGS.reference}/{file}")


def upstream_id(wildcards):
    """Run id of the 1A run that a job's run stands on."""
    return run_of(wildcards).upstream_id


def outputs_of(run_id, seeds):
    """Every file that S0 to S8 of a run publish, for some seeds."""
    templates = [declared(dataset(name).path) for name in state_datasets()]
    tiles_id = SETTINGS.run_of(run_id).tiles_id
    tokens = {"run_id": run_id, "tiles_id": tiles_id, "seed": seeds, "part": PARTS}
    return sorted(set(expand(templates, **tokens)))


def published(of="run_id", seeds=None):
    """Input function: what S0 to S8 publish of the run that a wildcard names, for a job's seed."""

    def of_job(wildcards):
        return outputs_of(wildcards[of], seeds or [wildcards.seed])

    return of_job


def logs(name):
    """Log of a job."""
    return f"{RUNS}/logs/{name}.log"


def labels(**fixed):
    """Label function of a file in `--report`: labels that are fixed, name of the run, seed."""

    def of_job(wildcards):
        seed = wildcards.get("seed")
        named = {**fixed, "run": run_name(wildcards)}
        return named if seed is None else {**named, "seed": seed}

    return of_job


def code(module, *obeyed):
    """Params: digest of a module, of what it imports and of its contracts, and of policies.

    ``obeyed`` are policy files, or input functions of them. Snakemake knows these by times alone, and
    a copy may keep an old one; of a parameter that follows from a job's inputs it sees no change.
    """
    law = code_digest(module)

    def of_job(wildcards):
        found = [files(wildcards) if callable(files) else files for files in obeyed]
        paths = {path for files in found for path in ([files] if isinstance(files, str) else files)}
        return f"{law} {parameter_hash({path: file_digest(path) for path in paths})}"

    return of_job if obeyed else law


def versions(run_id):
    """Digests of the code of a run's states and of the producer of its 1A."""
    kind = SETTINGS.upstreams[SETTINGS.run_of(run_id).upstream_id].kind
    producer = "ingest_1a" if kind == "external" else "generate_1a"
    modules = {state: f"states.{state}" for state in CHAIN[:-1]}
    modules[producer] = f"upstream.{producer}"
    return {name: code_digest(module) for name, module in modules.items()}


def versions_of_run(wildcards):
    """Params function: the same of a job's run."""
    return versions(wildcards.run_id)


def demand(job):
    """Memory and time of a kind of job, by the sites of its world."""
    return demand_of(SETTINGS, job)
