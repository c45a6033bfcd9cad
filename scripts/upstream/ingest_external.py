"""An external 1A: proved, held against the same contracts, and only then published.

A seed's folder holds ``outlet_catalogue.parquet`` and ``s3_candidate_set.parquet``, any other 1A
table under its own name, and ``validation/`` with the producer's bundle: ``index.json``,
``egress_checksums.json`` with the SHA-256 of the tables, and ``_passed.flag``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from scripts import countries
from scripts.contracts import arrow_schema, check_table
from scripts.errors import ContractError, UpstreamError
from scripts.tables import read_parquet
from scripts.upstream.egress import pairs
from scripts.upstream.prior import Facts

_CODES = {"EX01": "EU20", "EX10": "EU21", "EX11": "EU22", "EX12": "EU23", "EX13": "EU24"}
_COUNTRY_COLUMNS = ("home_country_iso", "legal_country_iso", "country_iso")


def load_table(dataset_id: str, path: str) -> pa.Table:
    """Read and check one table.

    Raises
    ------
    UpstreamError
        ``EU20`` unreadable, ``EU21`` columns or types, ``EU22`` a value (null, NaN, range,
        pattern), ``EU23`` sort order, ``EU24`` duplicate key; with file, column and row.
    """
    try:
        table = _plain_strings(dataset_id, read_parquet(path))
        check_table(dataset_id, table, path)
    except ContractError as error:
        raise UpstreamError(
            _CODES.get(error.code, "EU21"), error.where, error.rule, error.remedy
        ) from None
    return table


def _plain_strings(dataset_id: str, table: pa.Table) -> pa.Table:
    """Large and dictionary-encoded strings as plain ones, lists of them too; others as they are."""
    for number, name in enumerate(table.column_names):
        kind = table.schema.field(name).type
        encoded = pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type)
        if pa.types.is_large_string(kind) or encoded:
            table = table.set_column(number, name, table.column(name).cast(pa.string()))
        elif pa.types.is_large_list(kind) and kind.value_type in (pa.string(), pa.large_string()):
            plain = table.column(name).cast(pa.list_(pa.string()))
            table = table.set_column(number, name, plain)
    schema = arrow_schema(dataset_id)
    if table.column_names != schema.names and set(table.column_names) == set(schema.names):
        table = table.select(schema.names)
    return table.replace_schema_metadata(None)


def check_countries(table: pa.Table, facts: Facts, path: str) -> None:
    """Every country is an eligible one of the snapshot (``EU25``)."""
    known = pa.array(facts.iso)
    for name in _COUNTRY_COLUMNS:
        if name in table.column_names:
            unknown = pc.invert(pc.is_in(table.column(name), value_set=known))
            if pc.any(unknown).as_py():
                row = pc.index(unknown, True).as_py()
                raise UpstreamError(
                    "EU25",
                    path,
                    f"column {name!r} row {row}: {table.column(name)[row].as_py()!r} is not an "
                    "eligible country",
                    "a country with population above zero in the snapshot",
                )


def check_worlds_agree(
    catalogue: pa.Table, candidate_set: pa.Table, seed: int, paths: Mapping[str, str]
) -> None:
    """What the two required tables say of each other and of the seed.

    Raises
    ------
    UpstreamError
        ``EU26`` gap in site_order or a site_id that does not follow it; ``EU27`` an outlet outside
        its merchant's candidate countries, or a home that is not rank 0; ``EU28`` another seed;
        ``EU29`` counts or flags that disagree with the rows; with file, column and row.
    """
    path = paths["outlet_catalogue"]
    merchant, country, count = pairs(catalogue)
    order = catalogue.column("site_order").to_numpy().astype(np.int64)
    expected = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count) + 1
    _refuse("EU26", path, "site_order", order != expected, order, "contiguous from 1 per country")
    names = catalogue.column("site_id")
    wrong = pc.not_equal(
        names, pc.utf8_lpad(pc.cast(catalogue.column("site_order"), pa.string()), 6, "0")
    )
    _refuse("EU26", path, "site_id", wrong.to_numpy(), names, "site_order padded to six digits")
    seeds = catalogue.column("global_seed").to_numpy()
    _refuse("EU28", path, "global_seed", seeds != np.uint64(seed), seeds, f"the seed {seed}")

    final = catalogue.column("final_country_outlet_count").to_numpy()
    wrong = final != np.repeat(count, count)
    _refuse("EU29", path, "final_country_outlet_count", wrong, final, "rows of the pair")
    _, index, total = np.unique(
        catalogue.column("merchant_id").to_numpy(), return_inverse=True, return_counts=True
    )
    raw = catalogue.column("raw_nb_outlet_draw").to_numpy()
    wrong = raw != total[index]
    _refuse("EU29", path, "raw_nb_outlet_draw", wrong, raw, "rows of the merchant")
    flag = catalogue.column("single_vs_multi_flag").to_numpy(zero_copy_only=False)
    wrong = flag != (total[index] > 1)
    _refuse("EU29", path, "single_vs_multi_flag", wrong, flag, "true above one outlet")

    candidates = _keys(
        candidate_set.column("merchant_id").to_numpy(),
        countries.encode(candidate_set.column("country_iso")),
    )
    outside = ~np.isin(_keys(merchant, country), candidates)
    rows = np.repeat(outside, count)
    legal = catalogue.column("legal_country_iso")
    _refuse("EU27", path, "legal_country_iso", rows, legal, "a candidate country of the merchant")
    rank = candidate_set.column("candidate_rank").to_numpy()
    is_home = candidate_set.column("is_home").to_numpy(zero_copy_only=False)
    other = paths["s3_candidate_set"]
    _refuse("EU27", other, "is_home", is_home != (rank == 0), is_home, "true on rank 0 only")
    home = _keys(
        catalogue.column("merchant_id").to_numpy(),
        countries.encode(catalogue.column("home_country_iso")),
    )
    wrong = ~np.isin(home, candidates[rank == 0])
    value = catalogue.column("home_country_iso")
    _refuse("EU27", path, "home_country_iso", wrong, value, "the candidate of rank 0")


def _keys(merchant: npt.NDArray[np.uint64], country: npt.NDArray[Any]) -> npt.NDArray[Any]:
    keys = np.empty(len(merchant), dtype=[("merchant", np.uint64), ("country", np.int16)])
    keys["merchant"], keys["country"] = merchant, country
    return keys


def _refuse(
    code: str, path: str, column: str, wrong: npt.NDArray[Any], values: Any, right: str
) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        value = values[row].as_py() if isinstance(values, pa.ChunkedArray) else values[row].item()
        raise UpstreamError(code, path, f"column {column!r} row {row}: {value!r}", right)
