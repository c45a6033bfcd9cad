"""The errors that a user can cause, each told in one line.

A message reads ``CODE where: rule broken; what would be right``. The first digit of a code is the
part of the package that raised it:

========  =================================================================================
``EC..``  configuration, posture, seeds, policy files
``ER..``  reference snapshot
``EU..``  upstream 1A tables, bundle and freeze guard
``E0..``  state S0, and so on to ``E9..`` for state S9
``ES..``  scorers, gates and certificate
``EG..``  governance: locks, pointers, retention
``EX..``  contracts: dictionary, schemas, table contents
========  =================================================================================
"""

from collections.abc import Sequence


class SegmentError(Exception):
    """A broken rule that the user can put right.

    Parameters
    ----------
    code
        Stable identifier, for example ``E304``.
    where
        File, and key or row, where the rule is broken.
    rule
        What is wrong.
    remedy
        What would be right.
    """

    def __init__(self, code: str, where: object, rule: str, remedy: str = ""):
        self.code = code
        self.where = str(where)
        self.rule = rule
        self.remedy = remedy
        super().__init__(code, self.where, rule, remedy)

    def __str__(self) -> str:
        text = f"{self.code} {self.where}: {self.rule}"
        return " ".join((f"{text}; {self.remedy}" if self.remedy else text).split())


class ConfigError(SegmentError):
    """Configuration, posture or policy file (``EC..``)."""


class ReferenceSnapshotError(SegmentError):
    """Reference snapshot (``ER..``)."""


class UpstreamError(SegmentError):
    """Upstream 1A tables, bundle or freeze guard (``EU..``)."""


class StateError(SegmentError):
    """A state's own law (``E0..`` to ``E9..``)."""


class ScoreError(SegmentError):
    """Scorers, gates, certificate (``ES..``)."""


class GovernanceError(SegmentError):
    """Locks, pointers, retention (``EG..``)."""


class ContractError(SegmentError):
    """Dictionary, schemas and table contents (``EX..``)."""


class RefusedError(Exception):
    """Several broken rules at once, each with a line of its own."""

    def __init__(self, errors: Sequence[SegmentError]):
        super().__init__(*errors)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors))


def lines(error: SegmentError | RefusedError) -> list[str]:
    """An error as it is told: its kind and text, a line for each broken rule."""
    errors = error.errors if isinstance(error, RefusedError) else (error,)
    return [f"{type(one).__name__}: {one}" for one in errors]
