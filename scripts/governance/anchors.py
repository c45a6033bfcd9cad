"""What a release stands on: the shipped inputs by SHA-256, which no configuration can replace.

``config/anchors.yaml`` names the snapshot, the baseline's policies, the bands of 1A, the policy of
S9 and the required seeds. A run on anything else is graded as a trial that says what is not the
shipped one. After a change on purpose, ``python -m scripts.governance.anchors`` writes it anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from scripts.geo.snapshot import DATA_FILES, MANIFEST
from scripts.policies import parse_yaml
from scripts.records.ledger import by_name
from scripts.tables import write_json

Json = Mapping[str, Any]

REPOSITORY = Path(__file__).resolve().parents[2]
ANCHORS = "config/anchors.yaml"
KNOWN_TABLES = "config/known_tables.json"
BANDS = "config/layer1/1A/policy/policy.1a.bands.yaml"
_HEAD = """\
# What a release stands on, by SHA-256; a run on anything else is a trial that says what differs.
# Written by `python -m scripts.governance.anchors`.
"""


def shipped() -> dict[str, Any]:
    """The anchors of the repository as its files are now."""
    posture, release = (
        parse_yaml(REPOSITORY / f"config/postures/{name}.yaml") for name in ("baseline", "reopened")
    )
    frozen = (posture["upstream_policy"], *posture["policies"].values())
    reference = REPOSITORY / "resources/reference"
    return {
        "required_seeds": [7, 42, 101, 202],
        "reference": by_name(reference / name for name in (*DATA_FILES, MANIFEST)),
        "baseline": by_name(REPOSITORY / path for path in frozen),
        "bands": by_name([REPOSITORY / BANDS]),
        "s9": by_name([REPOSITORY / release["policies"]["s9"]]),
    }


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


def main() -> None:
    """Write the anchors of the repository, and the digests of its tables of tiles."""
    from scripts.governance.verification import of_tables

    write_json(REPOSITORY / KNOWN_TABLES, of_tables.known_tables())
    text = yaml.safe_dump(shipped(), sort_keys=True)
    (REPOSITORY / ANCHORS).write_text(_HEAD + text, encoding="utf-8")


if __name__ == "__main__":
    main()
