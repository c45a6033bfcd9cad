"""What a release stands on: the shipped inputs by SHA-256, which no configuration can replace.

``config/anchors.yaml`` names the snapshot, the baseline's policies, the bands of 1A, the policy of
S9 and the required seeds. A run on anything else is graded as a trial that says what is not the
shipped one. It names the list of known tables, too. After a change on purpose,
``python -m scripts.governance.write_anchors`` renews it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Json = Mapping[str, Any]

REPOSITORY = Path(__file__).resolve().parents[2]
ANCHORS = "config/anchors.yaml"
KNOWN_TABLES = "config/known_tables.json"
BANDS = "config/layer1/1A/policy/policy.1a.bands.yaml"


def not_shipped(
    receipts: Sequence[Json],
    baseline_receipts: Sequence[Json],
    bands: str,
    required_seeds: Iterable[int],
    anchors: Json,
) -> list[str]:
    """What a certificate stands on that is not the shipped one, one reason each.

    Parameters
    ----------
    receipts, baseline_receipts
        Run receipts of the run and of its baseline.
    bands
        SHA-256 of the bands that 1A was judged by.
    required_seeds
        ``certification.required_seeds``.
    anchors
        ``config/anchors.yaml``.
    """
    sealed = [
        {n: sha for n, sha in receipt["sealed_inputs"].items() if n.startswith("reference/")}
        for receipt in (*receipts, *baseline_receipts)
    ]
    snapshot = anchors["reference"]
    others = {n for files in sealed for n, sha in files.items() if sha not in snapshot.values()}
    unread = {n for files in sealed for n, sha in snapshot.items() if sha not in files.values()}
    found: dict[str, Iterable[str]] = {
        "reference snapshot": others or unread,
        "baseline": _others(baseline_receipts, anchors["baseline"], whole=True),
        "policy of S9": _others(receipts, anchors["s9"]),
        "policy of 1A's bands": [n for n, sha in anchors["bands"].items() if sha != bands],
        "list of required seeds": [
            f"lacks {seed}" for seed in anchors["required_seeds"] if seed not in required_seeds
        ],
    }
    return [
        f"the {what} is not the shipped one ({', '.join(sorted(names))})"
        for what, names in found.items()
        if names
    ]


def _others(receipts: Sequence[Json], anchored: Json, whole: bool = False) -> list[str]:
    """Policies that a receipt has not as anchored; ``whole``: it may have no further ones."""
    return sorted(
        {
            name
            for receipt in receipts
            for name in {*anchored, *(receipt["policies"] if whole else ())}
            if receipt["policies"].get(name) != anchored.get(name)
        }
    )
