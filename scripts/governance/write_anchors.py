"""Writes ``config/anchors.yaml`` and ``config/known_tables.json`` from the repository's files."""

from __future__ import annotations

from typing import Any

import yaml

from scripts.geo.snapshot import DATA_FILES, MANIFEST
from scripts.governance.anchors import ANCHORS, BANDS, KNOWN_TABLES, REPOSITORY
from scripts.governance.verification.of_tables import known_tables
from scripts.policies import parse_yaml
from scripts.records.ledger import by_name
from scripts.tables import write_json

_HEAD = """\
# What a release stands on, by SHA-256; a run on anything else is a trial that says what differs.
# Written by `python -m scripts.governance.write_anchors`.
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
        "known_tables": by_name([REPOSITORY / KNOWN_TABLES]),
    }


def write_known_tables() -> None:
    """Write the digests of the repository's tables of tiles."""
    write_json(REPOSITORY / KNOWN_TABLES, known_tables())


def main() -> None:
    """Write the anchors of the repository, and the digests of its tables of tiles."""
    write_known_tables()
    text = yaml.safe_dump(shipped(), sort_keys=True)
    (REPOSITORY / ANCHORS).write_text(_HEAD + text, encoding="utf-8")


if __name__ == "__main__":
    main()
