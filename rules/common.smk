"""Names that the other rooms share: paths, runs, input functions."""

import sys

sys.path.insert(0, workflow.basedir)

from snakemake.exceptions import WorkflowError

from scripts.errors import SegmentError
from scripts.governance import occupancy
from scripts.governance.versions import state_version
from scripts.ladder.calibration import load_calibration
from scripts.progress import export_quiet
from scripts.report.console import is_quiet
from scripts.settings import load_settings
from scripts.workflow import (
    STATE_RULES,
    Board,
    Promotion,
    contract_files,
    export_package_path,
    reference_paths,
    root_of_jobs,
    shipped_paths,
    source,
)

# Sources are files of this folder, also where the runs are in object storage.
GATES = source("config/gates.yaml")
CALIBRATION = source("config/calibration.yaml")

export_package_path(workflow.basedir)
try:
    SETTINGS = load_settings(config)
    ROOT_OF_JOBS = root_of_jobs(workflow, SETTINGS.runs_root)
    occupancy.attend(ROOT_OF_JOBS, workflow.is_main_process)
    BOARD = Board(SETTINGS, ROOT_OF_JOBS)
    PROMOTION = Promotion(BOARD)
    SEARCH = load_calibration(CALIBRATION)
except SegmentError as error:
    raise WorkflowError(str(error)) from None

DATA = BOARD.data
REFERENCE = BOARD.reference_files()
OWN_INPUTS = BOARD.own_inputs()
SEEDS = list(SETTINGS.seeds)
TUNED_SEED = SEARCH["seed"] if SEARCH["seed"] in SEEDS else SEEDS[0]
LOGS = f"{SETTINGS.runs_root}/logs"
BENCHMARKS = f"{SETTINGS.runs_root}/benchmarks"
QUIET = is_quiet(workflow)
export_quiet(QUIET)
RELEASE_RUN_ID = BOARD.named(SETTINGS.candidate).run_id
BASELINE_RUN_ID = BOARD.named(SETTINGS.baseline_posture).run_id

STATES_S4_TO_S8 = "rules/shards.smk" if SETTINGS.shards > 1 else "rules/unsharded.smk"
CONTRACT_FILES = source(contract_files())
RULE_VERSIONS = {rule: state_version(f"states.{rule}") for rule in STATE_RULES}

policy_of = BOARD.policy
upstream_file = BOARD.upstream_file
upstream_policy = BOARD.upstream_policy
upstream_id = BOARD.upstream_id
run_identity = BOARD.identity
run_name = BOARD.name
runs_root = BOARD.runs_root


# All of them before the first rule: a later statement would take them from outputs in storage.
wildcard_constraints:
    run_id="[a-f0-9]{32}",
    seed="[0-9]+",
    cycle="[0-9]+",
    attempt="[0-9]+",
    shard="[0-9]+-of-[0-9]+",
