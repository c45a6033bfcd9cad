"""The libraries of own inputs, which the default environment leaves out."""

from __future__ import annotations

import importlib
from typing import Any

from scripts.errors import ReferenceSnapshotError


def need(module: str, where: object) -> Any:
    """A module of ``envs/own-inputs.yaml``.

    Raises
    ------
    ReferenceSnapshotError
        ``ER30`` when it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ReferenceSnapshotError(
            "ER30",
            where,
            f"own inputs need {module.split('.')[0]}",
            "make own-inputs, or --sdm conda",
        ) from None
