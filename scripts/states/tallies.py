"""What a part of a state counts for the report: nested mappings of whole numbers, which add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts import countries
from scripts.contracts.measured import MEASURED_ON

Tally = dict[str, Any]


def by_country(
    country: npt.NDArray[np.integer], **counts: npt.NDArray[Any] | None
) -> dict[str, dict[str, int]]:
    """Sums by country of the countries that are met; a count of None counts rows."""
    rows = np.bincount(country, minlength=countries.CODES)
    sums = {
        name: np.bincount(country, weights=values, minlength=countries.CODES)
        for name, values in counts.items()
    }
    return {
        countries.decode_one(int(code)): {name: int(total[code]) for name, total in sums.items()}
        for code in np.flatnonzero(rows)
    }


def add(tallies: Iterable[Mapping[str, Any]]) -> Tally:
    """The tally of all parts, without what each was measured on."""
    total: Tally = {}
    for tally in tallies:
        for key, value in tally.items():
            if key == MEASURED_ON:
                continue
            if isinstance(value, Mapping):
                total[key] = add([total.get(key, {}), value])
            else:
                total[key] = total.get(key, 0) + value
    return total
