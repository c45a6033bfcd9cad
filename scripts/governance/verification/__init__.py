"""Verifies a run from its own records: every digest is taken again, every certified grade measured.

Starts from the run receipts in the run's folder and follows what they and the other records name,
as far as it is there: S9's bundle and flag, the scorecards, the upstream bundle and freeze guard,
the certificate with its verdict, the attestation, the pointers and the locks; and, given a source
tree, policies, contracts, gates and reference snapshot. A copied run folder is enough for the
first half. No network, no Snakemake, no clock.

Records that agree with each other can still all have been written by somebody else: only a
signature on the attestation says who wrote them.

``of_run`` and ``of_release`` hold the checks: each is a function whose name says what it proves,
and yields a line for every fault.
"""

from scripts.governance.verification.verify import (
    Findings,
    folder_of,
    has_run,
    lines,
    refuse,
    verify,
)

__all__ = ["Findings", "folder_of", "has_run", "lines", "refuse", "verify"]
