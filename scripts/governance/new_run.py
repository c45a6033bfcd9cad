"""A run of one's own, ready to edit: a posture, and copies of the policies that it changes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from scripts.errors import GovernanceError
from scripts.settings import SHIPPED_POSTURES, Settings

NAME = re.compile("[a-z0-9][a-z0-9-]{0,62}")


def new_run(settings: Settings, name: str, source: str, states: Iterable[str]) -> list[str]:
    """Write a posture and copies of some of its policies; what to tell.

    Parameters
    ----------
    settings
        The configuration.
    name
        Name of the posture, and so of its run.
    source
        Posture to start from.
    states
        Keys of the policies to copy: ``upstream``, ``s2``, ``s4``, ...

    Raises
    ------
    GovernanceError
        ``EG99`` a bad name or key, an unknown posture, or a file that is there already.
    """
    path = SHIPPED_POSTURES / f"{name}.yaml"
    if not NAME.fullmatch(name):
        raise GovernanceError("EG99", "new", f"{name!r} is no name", "a-z, 0-9 and hyphens")
    start = settings.postures.get(source)
    if start is None:
        known = ", ".join(settings.postures)
        raise GovernanceError("EG99", "new", f"posture {source!r} is unknown", f"one of {known}")
    policies = {"upstream": start.upstream_policy, **start.policies}
    copies: dict[str, Path] = {}
    for key in states:
        if key not in policies:
            raise GovernanceError("EG99", "new", f"no policy {key!r}", ", ".join(policies))
        if key == "upstream" and name == "external":
            raise GovernanceError("EG99", "new", f"{name!r} is a 1A made elsewhere", "another name")
        before = Path(policies[key])
        stem = before.name.removesuffix(".yaml")
        has_variant = key == "upstream" or stem.count(".") > 2
        base = stem.rpartition(".")[0] if has_variant else stem
        copies[key] = before.with_name(f"{base}.{name}.yaml")
    for made in (path, *copies.values()):
        if made.exists():
            raise GovernanceError("EG99", made, "is there already", "another name")
    for key, copy in copies.items():
        shutil.copyfile(policies[key], copy)
    used = {**policies, **{key: copy.as_posix() for key, copy in copies.items()}}
    upstream = used.pop("upstream")
    lines = [f"# As {source}, with policies of its own.", f"posture: {name}",
             f"upstream_policy: {upstream}", "policies:"]  # fmt: skip
    lines += [f"  {key}: {file}" for key, file in used.items()]
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return [
        f"posture {path}",
        *(f"edit {copy}" for copy in copies.values()),
        f"then snakemake candidate --config posture={name} seeds=[42]",
    ]
