"""Rule ``score_phase``: the candidate scorecard of P1, P2 or P3."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.governance.pointers import verify_baseline
from scripts.records.ledger import Ledger
from scripts.scorers import phase_rows
from scripts.scorers.gates import load_gates
from scripts.scorers.triage import with_triage
from scripts.tables import file_digest, published, read_json

Json = Mapping[str, Any]


def snapshot(card: Json, s4: Json) -> dict[str, Any]:
    """What a phase starts from: the reference run of one seed before the state is turned.

    Metrics of the sites, concentration before and after S4 and how its pairs spread, distances
    between neighbours, and how far the largest countries are from a line.
    """
    return {
        "metrics": card["metrics"],
        "region_shares": card["region_shares"],
        "s4": {name: s4[name] for name in ("pre_integer", "before_guard", "post_integer")},
        "nn_quantiles_m": card["nn"]["quantiles_m"],
        "collapse": card["collapse"],
    }


def _s4(paths: Sequence[str]) -> list[dict[str, Any]]:
    """Mode and pair statistics of S4 reports."""
    reports = [read_json(path) for path in paths]
    return [{"mode": r["identity"]["mode"], "pairs": r["post_integer"]["pairs"]} for r in reports]


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Score; every list by seed is in ascending order of seed."""
    root, phase = Path(params.runs_root), wildcards.phase
    pin = read_object("baseline_pointer", inputs.baseline_pointer)
    verify_baseline(pin, root, inputs.baseline_pointer)
    cards = [read_object("segment1b_scorecard", path) for path in inputs.scorecards]
    references = [read_object("segment1b_scorecard", path) for path in inputs.reference_scorecards]
    receipt = read_object("run_receipt", inputs.receipts[0])
    gates = load_gates(inputs.gates)["gates"]
    if phase == "p1":
        rows = phase_rows.p1_rows(cards, references, read_json(inputs.s2_report))
    elif phase == "p2":
        s4, before = _s4(inputs.s4), _s4(inputs.reference_s4)
        rows = phase_rows.p2_rows(cards, references, s4, before, gates)
    else:
        s6 = [read_json(path) for path in inputs.s6]
        rows = phase_rows.p3_rows(cards, references, s6, gates, params.tuned_seed)
    seeds = [card["seed"] for card in cards]
    write_object(
        "segment1b_phase_candidate",
        outputs.candidate,
        published(
            {
                "phase": phase.upper(),
                **{k: receipt[k] for k in ("run_id", "name", "posture", "parameter_hash")},
                "lane": phase_rows.lane_of(seeds, params.required_seeds),
                "seeds": seeds,
                "reference_run_id": references[0]["run_id"],
                "reference": {
                    str(before["seed"]): snapshot(before, read_json(path))
                    for before, path in zip(references, inputs.reference_s4, strict=True)
                },
                "baseline": {
                    "run_id": pin["run_id"],
                    "pointer_sha256": file_digest(inputs.baseline_pointer),
                },
                "metrics": {str(card["seed"]): card["metrics"] for card in cards},
                "delta": phase_rows.deltas(cards, references),
                "rows": with_triage(rows),
                "checks_all_pass": phase_rows.accepted(rows),
                "scorecards": Ledger.of(root, inputs.scorecards).digests,
            }
        ),
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
