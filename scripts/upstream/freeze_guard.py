"""Freeze guard: may a reopened 1A stand in for the frozen authority?

Five checks, each on every seed of the candidate and on all seeds together. A seed is compared with
the same seed of the authority; a seed that the authority was not certified on, with the authority
over all its seeds. The authority's own run has nothing to regress from: its seeds are held to the
grade and the hard gates alone. The verdict is a file and never an exit status:
``check_freeze_guard`` writes it and ``enforce_freeze_guard`` refuses what is not PASS.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.contracts import read_object
from scripts.errors import SegmentError, UpstreamError
from scripts.policies import load_policy
from scripts.tables import file_digest
from scripts.upstream.scorer import CONCENTRATION, Bands, in_band, over_seeds, representative

GUARD_CHECKS = (
    "grade_not_below_B",
    "hard_gates_not_regressed",
    "authority_B_pass_metrics_not_regressed",
    "B_pass_count_not_below_authority",
    "concentration_not_materially_worse_than_authority",
)


def compare(
    authority: Mapping[str, Any],
    candidate: Mapping[str, Any],
    authority_size: Mapping[str, Any],
    bands: Bands,
) -> tuple[dict[str, bool], list[str]]:
    """The five checks on one seed, or on all together, and the measures that regressed.

    Parameters
    ----------
    authority, candidate
        Graded checks: ``target_band_checks``, ``hard_gates``, ``band_coverage``,
        ``grade_decision``.
    authority_size
        top10 and Gini of outlets of the authority.
    bands
        Policy of bands and tolerances; ``tolerance_abs`` widens every comparison.
    """
    rules = bands["freeze_guard"]
    tolerance = rules["tolerance_abs"]
    rows = {row["metric"]: row for row in candidate["target_band_checks"]}
    holds = {
        name: row["B_pass"] or _within(row, bands["bands"].get(name, {}).get("B"), tolerance)
        for name, row in rows.items()
    }
    regressed = [
        row["metric"]
        for row in authority["target_band_checks"]
        if row["B_pass"] and not holds.get(row["metric"], False)
    ]
    limit = rules["concentration_max_regression"] + tolerance
    worse = [
        name
        for name in CONCENTRATION
        if rows[name]["value"] is None
        or authority_size[name] is None
        or rows[name]["value"] > authority_size[name] + limit
    ]
    gates, authority_gates = (side["hard_gates"]["checks"] for side in (candidate, authority))
    verdicts = (
        candidate["grade_decision"]["eligible_B"],
        all(gates.get(name, False) for name, passed in authority_gates.items() if passed),
        not regressed,
        sum(holds.values()) >= authority["band_coverage"]["B_pass_count"],
        not worse,
    )
    names = sorted(set(regressed) | set(worse))
    return dict(zip(GUARD_CHECKS, verdicts, strict=True)), names


def _within(row: Mapping[str, Any], band: Sequence[float | None] | None, tolerance: float) -> bool:
    """Does a measure hold its band within the tolerance on every seed it stands for?"""
    values = (row.get("minimum", row["value"]), row.get("maximum", row["value"]))
    return all(in_band(value, band, tolerance) for value in values)


def judge(
    run_id: str,
    certification: Mapping[str, Any],
    certification_digest: str,
    cards: Sequence[Mapping[str, Any]],
    card_digests: Sequence[str],
    bands: Bands,
) -> dict[str, Any]:
    """Guard payload: verdict, the five checks, what regressed, and digests of what was judged.

    Raises
    ------
    UpstreamError
        ``EU32`` no certified authority; ``EU34`` no scorecards, or scorecards of another run or of
        a seed twice.
    """
    if certification["status"] == "NOT_CERTIFIED":
        raise UpstreamError(
            "EU32", "authority", "is not certified", "an authority of grade B at least"
        )
    seeds = [card["seed"] for card in cards]
    if not cards or len(set(seeds)) != len(seeds) or {c["run_id"] for c in cards} != {run_id}:
        raise UpstreamError(
            "EU34",
            run_id,
            f"scorecards of seeds {seeds} are not its own",
            "one scorecard for each seed",
        )
    authority_seeds = {row["seed"]: row for row in certification["per_seed"]}
    whole = certification["surface_metrics"]["p1_representative"]
    summary = over_seeds(cards, bands)
    is_authority = run_id == certification["authority_runs"]["run_id"]
    against, size = (summary, representative(summary)) if is_authority else (certification, whole)
    verdicts, regressed = compare(against, summary, size, bands)
    by_seed: dict[str, Any] = {"all": {"checks": verdicts, "regressed": regressed}}
    for card in cards:
        same = card if is_authority else authority_seeds.get(card["seed"])
        size = representative(same) if same else whole
        checks, names = compare(same or certification, card, size, bands)
        by_seed[str(card["seed"])] = {"checks": checks, "regressed": names}
    checks = {
        name: all(entry["checks"][name] for entry in by_seed.values()) for name in GUARD_CHECKS
    }
    passed = all(checks.values())
    failed = [name for name, ok in checks.items() if not ok]
    return {
        "run_id": run_id,
        "status": "PASS" if passed else "FAIL",
        "reason": "all checks hold" if passed else f"failed: {', '.join(failed)}",
        "tolerance_abs": bands["freeze_guard"]["tolerance_abs"],
        "concentration_max_regression": bands["freeze_guard"]["concentration_max_regression"],
        "authority": {
            "run_id": certification["authority_runs"]["run_id"],
            "certification_sha256": certification_digest,
            "grade_decision": certification["grade_decision"],
            "hard_gates": certification["hard_gates"],
            "band_coverage": certification["band_coverage"],
            "surface_metrics": whole,
        },
        "candidate": {
            "inputs": {
                str(card["seed"]): {**card["inputs"], "scorecard": digest}
                for card, digest in zip(cards, card_digests, strict=True)
            },
            "by_seed": by_seed,
            **summary,
        },
        "guard_checks": checks,
        "regressed_B_metrics": sorted(
            {name for entry in by_seed.values() for name in entry["regressed"]}
        ),
    }


def refusal(run_id: str, error: Exception) -> dict[str, Any]:
    """Payload of a guard that could not judge: FAIL, with the reason."""
    return {
        "run_id": run_id,
        "status": "FAIL",
        "reason": " ".join(f"{type(error).__name__}: {error}".split()),
        "tolerance_abs": None,
        "concentration_max_regression": None,
        "authority": {},
        "candidate": {},
        "guard_checks": dict.fromkeys(GUARD_CHECKS, False),
        "regressed_B_metrics": [],
    }


def judge_files(
    run_id: str, certification: str, scorecards: Sequence[str], bands: str
) -> dict[str, Any]:
    """Judge from files; any failure to do so is a refusal, never a pass."""
    try:
        return judge(
            run_id,
            read_object("segment1a_p5_certification", certification),
            file_digest(certification),
            [read_object("segment1a_scorecard", path) for path in scorecards],
            [file_digest(path) for path in scorecards],
            load_policy(bands),
        )
    except (SegmentError, KeyError, TypeError, ValueError, OSError) as error:
        return refusal(run_id, error)
