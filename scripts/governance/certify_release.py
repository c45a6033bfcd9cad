"""P5: the certificate of a release over all its seeds.

Every state output is hashed again and held against the ledgers of the run receipts before anything
is judged. The certificate is written whatever the verdict; ``certify`` enforces it.
"""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.errors import ScoreError
from scripts.governance.anchors import not_shipped
from scripts.governance.locks import lock_set
from scripts.governance.run_receipt import verify_outputs
from scripts.policies import parse_yaml
from scripts.records.identity import OWN_INPUTS
from scripts.records.ledger import Ledger, by_name
from scripts.scorers.gates import evaluate, load_gates, reaches
from scripts.scorers.p0_baseline import by_seed
from scripts.tables import file_digest, published

LIBRARIES = ("numpy", "pyarrow", "scipy", "shapely")
RUN = ("run_id", "name", "posture", "upstream_run_id", "upstream_kind")
Json = Mapping[str, Any]


def verify_policies(receipts: Sequence[Json], now: Mapping[str, str]) -> None:
    """Refuse policies that are not those the run obeyed (``ES23``)."""
    for receipt in receipts:
        for name in sorted({*receipt["policies"], *now}):
            if receipt["policies"].get(name) != now.get(name):
                raise ScoreError(
                    "ES23",
                    name,
                    f"is not the policy that seed {receipt['seed']} obeyed",
                    "run the states that depend on it again",
                )


def release_faults(
    cards: Sequence[Json],
    receipts: Sequence[Json],
    settings: Json,
    demands: Json,
    baseline_decision: str,
) -> list[str]:
    """Why the run cannot be a release, empty when it can."""
    faults = [] if demands["release"] else ["certification.release is false"]
    sealed = {name for receipt in receipts for name in receipt["sealed_inputs"]}
    own = sorted(name for name in sealed if name.startswith(OWN_INPUTS))
    if own:
        faults.append(f"stands on inputs of the user: {', '.join(own)}")
    if baseline_decision != "GO":
        faults.append(f"P0 says {baseline_decision} to the baseline")
    eligible = min(card["counts"]["eligible_countries"] for card in cards)
    if eligible < settings["eligible_countries_min"]:
        faults.append(
            f"{eligible} eligible countries, fewer than {settings['eligible_countries_min']}"
        )
    missing = sorted(set(demands["required_seeds"]) - {card["seed"] for card in cards})
    if missing:
        faults.append(f"seeds {', '.join(map(str, missing))} are missing")
    return faults


def check_alike(cards: Sequence[Json], baseline: Sequence[Json], where: object) -> None:
    """Refuse scorecards of different seeds, grades or eligible sets (``ES24``)."""
    first = cards[0]
    for card in (*cards, *baseline):
        for key in ("gates_version", "eligible_countries"):
            if card[key] != first[key]:
                raise ScoreError(
                    "ES24",
                    where,
                    f"{key} of run {card['run_id']} seed {card['seed']} differs",
                    "score both runs on one snapshot and one config/gates.yaml",
                )
    if [card["seed"] for card in cards] != [card["seed"] for card in baseline]:
        raise ScoreError("ES24", where, "release and baseline have other seeds", "the same seeds")


def certificate(
    cards: Sequence[Json],
    baseline: Sequence[Json],
    receipts: Sequence[Json],
    baseline_receipts: Sequence[Json],
    settings: Json,
    anchors: Json,
    bands: str,
    demands: Json,
    baseline_decision: str,
) -> dict[str, Any]:
    """Verdict and evidence; without the digests of files.

    Parameters
    ----------
    cards, baseline, receipts, baseline_receipts
        By seed, in the same order.
    settings, anchors
        ``config/gates.yaml`` and ``config/anchors.yaml``.
    bands
        SHA-256 of the bands that 1A was judged by.
    demands
        ``required_seeds``, ``minimum_grade`` and ``release`` of the configuration.
    baseline_decision
        GO or NO_GO, as P0 decided.
    """
    verdict = evaluate(cards, settings)
    required = demands["required_seeds"]
    faults = release_faults(cards, receipts, settings, demands, baseline_decision)
    faults += not_shipped(receipts, baseline_receipts, bands, required, anchors)
    met = reaches(verdict["grade"], demands["minimum_grade"])
    first = receipts[0]
    return {
        "phase": "P5",
        "verdict": {
            "grade": verdict["grade"],
            "minimum_grade": demands["minimum_grade"],
            "minimum_grade_met": met,
            "release": met and not faults,
            "not_a_release_because": faults,
            "failing_rows": sum(not row["passed"] for row in verdict["rows"]),
        },
        "run": {key: first[key] for key in RUN},
        "baseline_run_id": baseline[0]["run_id"],
        "seeds": [card["seed"] for card in cards],
        "required_seeds": sorted(required),
        "parameter_hash": first["parameter_hash"],
        "manifest_fingerprint": {str(r["seed"]): r["manifest_fingerprint"] for r in receipts},
        "rule_versions": first["rule_versions"],
        "eligible_countries": cards[0]["eligible_countries"],
        "gates": settings,
        "anchors": anchors,
        "rows": verdict["rows"],
        "fidelity_rows": verdict["fidelity"],
        "seeds_measured": {
            str(card["seed"]): {
                key: card[key]
                for key in (
                    "counts",
                    "metrics",
                    "concentration",
                    "region_shares",
                    "intervals",
                    "nn",
                    "as_published",
                )
            }
            | {
                "collapse_flagged": card["collapse"]["flagged"],
                "truth": {test: found["value"] for test, found in card["truth"].items()},
                "fidelity": {
                    name: {k: v for k, v in block.items() if k != "countries"}
                    for name, block in card["fidelity"].items()
                },
            }
            for card in cards
        },
        "baseline_metrics": {str(card["seed"]): card["metrics"] for card in baseline},
        "libraries": {
            "python": platform.python_version(),
            **{name: version(name) for name in LIBRARIES},
        },
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``certify_release``; every list by seed is in ascending order of seed."""
    settings = load_gates(inputs.gates)
    where = inputs.scorecards[0]
    cards = by_seed([read_object("segment1b_scorecard", p) for p in inputs.scorecards], where)
    baseline = by_seed(
        [read_object("segment1b_scorecard", p) for p in inputs.baseline_scorecards],
        inputs.baseline_scorecards[0],
    )
    receipts, baseline_receipts = (
        sorted((read_object("run_receipt", path) for path in paths), key=lambda r: r["seed"])
        for paths in (inputs.receipts, inputs.baseline_receipts)
    )
    check_alike(cards, baseline, where)

    def ledger(paths: Sequence[str]) -> Ledger:
        return Ledger.of(params.runs_root, paths)

    decision = read_object("segment1b_p0_baseline", inputs.baseline_report)["readiness"]["decision"]
    policies = by_name(inputs.policies)
    verify_policies(receipts, policies)
    made = ledger(inputs.state_outputs)
    verify_outputs(receipts, made)
    bands = file_digest(inputs.bands)
    judged = certificate(
        cards,
        baseline,
        receipts,
        baseline_receipts,
        settings,
        parse_yaml(inputs.anchors),
        bands,
        params.demands,
        decision,
    )
    write_object(
        "segment1b_p5_certification",
        outputs.certificate,
        {
            **published(judged),
            "locks": lock_set(Path(outputs.certificate).parent),
            "digests": {
                "state_outputs": made.digests,
                "scorecards": ledger([*inputs.scorecards, *inputs.baseline_scorecards]).digests,
                "baseline_report": file_digest(inputs.baseline_report),
                "receipts": ledger([*inputs.receipts, *inputs.baseline_receipts]).digests,
                "validation": ledger(inputs.validation).digests,
                "policies": dict(sorted(policies.items())),
                "gates": file_digest(inputs.gates),
                "bands": bands,
            },
        },
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
