"""An external 1A: proved, held against the same contracts, and only then published.

A seed's folder holds ``outlet_catalogue.parquet`` and ``s3_candidate_set.parquet``, any other 1A
table under its own name, and ``validation/`` with the producer's bundle: ``index.json``,
``egress_checksums.json`` with the SHA-256 of the tables, and ``_passed.flag``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from scripts import countries
from scripts.contracts import TableCheck, arrow_schema, dataset_stream
from scripts.errors import ContractError, UpstreamError
from scripts.ordering import is_among, run_starts
from scripts.tables import open_parquet, readable, row_blocks
from scripts.upstream import laws
from scripts.upstream.egress import pairs
from scripts.upstream.prior import Facts
from scripts.upstream.stored import ROWS_EACH, merchant_slices, padded_numbers
from scripts.upstream.tables_1a import REQUIRED_TABLES

_CODES = {"EX01": "EU20", "EX10": "EU21", "EX11": "EU22", "EX12": "EU23", "EX13": "EU24"}
_REQUIRED = {name: tuple(arrow_schema(name).names) for name in REQUIRED_TABLES}
_COUNTRY_COLUMNS = ("home_country_iso", "legal_country_iso", "country_iso")


def copy_table(dataset_id: str, source: str, target: str | Path, facts: Facts) -> None:
    """Write a table in the types of its contract, checked block by block.

    Raises
    ------
    UpstreamError
        ``EU20`` unreadable, ``EU21`` columns or types, ``EU22`` a value (null, NaN, range,
        pattern), ``EU23`` sort order, ``EU24`` duplicate key, ``EU25`` a country that is not
        eligible; with file, column and row.
    """
    # The stream casts what it is given; a delivery is held to its types before.
    check, first_row = TableCheck(dataset_id, source), 0
    try:
        with dataset_stream(dataset_id, target) as stream:
            for block in plain_blocks(dataset_id, source):
                check.hold(block)
                stream.write(block)
                check_countries(block, facts, source, first_row)
                first_row += block.num_rows
    except ContractError as error:
        raise UpstreamError(
            _CODES.get(error.code, "EU21"), error.where, error.rule, error.remedy
        ) from None


def plain_blocks(dataset_id: str, path: str) -> Iterator[pa.Table]:
    """Rows of a delivered table with plain strings, at least one block."""
    file = open_parquet(path)
    with readable(path):
        for block in row_blocks(file, ROWS_EACH):
            yield _plain_strings(dataset_id, block)


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


def check_countries(table: pa.Table, facts: Facts, path: str, first_row: int = 0) -> None:
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
                    f"column {name!r} row {first_row + row}: {table.column(name)[row].as_py()!r} "
                    "is not an eligible country",
                    "a country with population above zero in the snapshot",
                )


def check_worlds_agree(files: Mapping[str, str], seed: int, paths: Mapping[str, str]) -> None:
    """What the two required tables say of each other and of the seed.

    Parameters
    ----------
    files
        Tables by dataset id, each of which keeps its contract.
    seed
        Seed that the catalogue must name.
    paths
        Delivered files by dataset id, for the messages.

    Raises
    ------
    UpstreamError
        ``EU26`` gap in site_order or a site_id that does not follow it; ``EU27`` an outlet outside
        its merchant's candidate countries, a candidate twice, a gap in candidate_rank, or a home
        that is not rank 0; ``EU28`` another seed; ``EU29`` counts or flags that disagree with the
        rows; with file, column and row. ``EU35`` a catalogue without rows.
    """
    first = dict.fromkeys(REQUIRED_TABLES, 0)
    for tables in merchant_slices(files, _REQUIRED):
        outlets, candidates = (
            _Rows(paths[name], tables[name], first[name]) for name in REQUIRED_TABLES
        )
        _check_slice(outlets, candidates, seed)
        for name, table in tables.items():
            first[name] += table.num_rows
    if not first["outlet_catalogue"]:
        where = paths["outlet_catalogue"]
        raise UpstreamError("EU35", where, "has no rows", "a row for each outlet")


@dataclass(frozen=True)
class _Rows:
    """Rows of a delivered table from a row on."""

    path: str
    table: pa.Table
    first: int

    def refuse(self, code: str, column: str, wrong: npt.NDArray[Any], right: str) -> None:
        """Name the first row that is wrong."""
        if wrong.any():
            row = int(np.argmax(wrong))
            value = self.table.column(column)[row].as_py()
            rule = f"column {column!r} row {self.first + row}: {value!r}"
            raise UpstreamError(code, self.path, rule, right)


def _check_slice(outlets: _Rows, candidates: _Rows, seed: int) -> None:
    """:func:`check_worlds_agree` of some merchants."""
    catalogue, listed = outlets.table, candidates.table
    owner, country, count = pairs(catalogue)
    starts = run_starts(catalogue.column("merchant_id").to_numpy())
    total = np.repeat(np.diff(starts), np.diff(starts))
    order = catalogue.column("site_order").to_numpy().astype(np.int64)
    expected = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count) + 1
    outlets.refuse("EU26", "site_order", order != expected, "contiguous from 1 per country")
    named = padded_numbers(catalogue.column("site_id"))
    outlets.refuse("EU26", "site_id", named != order, "site_order padded to six digits")
    other_seed = catalogue.column("global_seed").to_numpy() != np.uint64(seed)
    outlets.refuse("EU28", "global_seed", other_seed, f"the seed {seed}")
    final = catalogue.column("final_country_outlet_count").to_numpy() != np.repeat(count, count)
    outlets.refuse("EU29", "final_country_outlet_count", final, "rows of the pair")
    raw = catalogue.column("raw_nb_outlet_draw").to_numpy() != total
    outlets.refuse("EU29", "raw_nb_outlet_draw", raw, "rows of the merchant")
    flag = catalogue.column("single_vs_multi_flag").to_numpy() != (total > 1)
    outlets.refuse("EU29", "single_vs_multi_flag", flag, "true above one outlet")

    merchant = listed.column("merchant_id").to_numpy()
    ids = merchant[run_starts(merchant)[:-1]]
    rank = listed.column("candidate_rank").to_numpy()
    gap = rank != laws.position_in_segment(np.searchsorted(ids, merchant))
    candidates.refuse("EU27", "candidate_rank", gap, "contiguous from 0 per merchant")
    at_home = rank == 0
    homes = countries.encode(catalogue.column("home_country_iso")).astype(np.int64)

    def keys(of: npt.NDArray[np.uint64], code: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        key = np.searchsorted(ids, of) * countries.CODES + code
        return np.where(is_among(ids, of), key, -1)

    allowed = keys(merchant, countries.encode(listed.column("country_iso")).astype(np.int64))
    by_key = np.argsort(allowed, kind="stable")
    ranked = allowed[by_key]
    again = np.zeros(len(allowed), dtype=bool)
    again[by_key[1:]] = ranked[1:] == ranked[:-1]
    candidates.refuse("EU27", "country_iso", again, "each country once per merchant")
    outside = ~is_among(ranked, keys(owner, country))
    rule = "a candidate country of the merchant"
    outlets.refuse("EU27", "legal_country_iso", np.repeat(outside, count), rule)
    not_rank = listed.column("is_home").to_numpy() != at_home
    candidates.refuse("EU27", "is_home", not_rank, "true on rank 0 only")
    abroad = ~is_among(
        np.sort(allowed[at_home]), keys(catalogue.column("merchant_id").to_numpy(), homes)
    )
    outlets.refuse("EU27", "home_country_iso", abroad, "the candidate of rank 0")
