"""An external 1A: accepted when sound, refused with file, column and row when not."""

import numpy as np
import pyarrow as pa
import pytest

from scripts.contracts import read_dataset, write_dataset
from scripts.errors import GovernanceError, UpstreamError
from scripts.records.bundle import write_flag, write_index
from scripts.tables import file_digest, read_parquet, write_json, write_parquet
from scripts.upstream.ingest_1a import publish_world, verify_delivery
from scripts.upstream.tables_1a import ALL_TABLES, REQUIRED_TABLES, supplied_tables
from tests.upstream_world import (
    candidates_of,
    catalogue_of,
    facts,
    replace,
    world_tables,
)

COUNTS = {
    (1, "FR"): {"FR": 1},
    (3, "DE"): {"DE": 3, "FR": 1},
    (5, "US"): {"CA": 3, "US": 4},
}
RANKED = {1: ["FR"], 3: ["DE", "FR", "IT"], 5: ["US", "CA"]}


def sound():
    return {
        "outlet_catalogue": catalogue_of(COUNTS),
        "s3_candidate_set": candidates_of(RANKED),
    }


def publish(folder, tables, seed=42):
    """Write an external seed with its bundle, as a producer would."""
    for name, table in tables.items():
        write_parquet(folder / f"{name}.parquet", table)
    bundle = folder / "validation"
    files = {f"{name}.parquet": file_digest(folder / f"{name}.parquet") for name in tables}
    write_json(bundle / "egress_checksums.json", {"files": files})
    write_index(bundle, ["egress_checksums.json"])
    write_flag(bundle)


def ingest(folder, names=REQUIRED_TABLES, seed=42):
    """The record of a delivery, and its tables."""
    bundle = folder / "validation"
    files = {name: str(folder / f"{name}.parquet") for name in names}
    source = verify_delivery(files, bundle / "index.json")
    published = {name: str(folder / "published" / f"{name}.parquet") for name in names}
    publish_world(files, published, facts(), seed)
    return source, {name: read_parquet(path) for name, path in published.items()}


def test_a_sound_world_is_published_as_it_is(tmp_path):
    publish(tmp_path, sound())
    source, tables = ingest(tmp_path)
    assert set(tables) == set(sound())
    for name, table in sound().items():
        assert tables[name].equals(table)
    digest = file_digest(tmp_path / "outlet_catalogue.parquet")
    assert source["files"]["outlet_catalogue.parquet"] == digest


def test_a_builtin_world_passes_as_an_external_one(tmp_path):
    publish(tmp_path, world_tables())
    assert supplied_tables(tmp_path.parent, []) == ALL_TABLES
    assert set(ingest(tmp_path, ALL_TABLES)[1]) == set(ALL_TABLES)


def test_large_and_dictionary_strings_and_column_order_are_taken(tmp_path):
    tables = sound()
    catalogue = tables["outlet_catalogue"]
    number = catalogue.column_names.index("home_country_iso")
    encoded = catalogue.column(number).dictionary_encode()
    catalogue = catalogue.set_column(number, "home_country_iso", encoded)
    number = catalogue.column_names.index("site_id")
    large = catalogue.column(number).cast(pa.large_string())
    tables["outlet_catalogue"] = catalogue.set_column(number, "site_id", large).select(
        catalogue.column_names[::-1]
    )
    publish(tmp_path, tables)
    published = tmp_path / "published.parquet"
    write_dataset("outlet_catalogue", published, ingest(tmp_path)[1]["outlet_catalogue"])
    expected = sound()["outlet_catalogue"]
    assert read_dataset("outlet_catalogue", published, check="rows").equals(expected)


def test_large_lists_of_text_are_taken(tmp_path):
    tables = sound()
    candidates = tables["s3_candidate_set"]
    number = candidates.column_names.index("reason_codes")
    large = candidates.column(number).cast(pa.large_list(pa.large_string()))
    tables["s3_candidate_set"] = candidates.set_column(number, "reason_codes", large)
    publish(tmp_path, tables)
    published = tmp_path / "published.parquet"
    write_dataset("s3_candidate_set", published, ingest(tmp_path)[1]["s3_candidate_set"])
    assert read_dataset("s3_candidate_set", published, check="rows").equals(candidates)


def test_which_tables_a_producer_supplies(tmp_path):
    for seed in (1, 2):
        publish(tmp_path / f"seed={seed}", sound())
    write_parquet(tmp_path / "seed=1" / "sparse_flag.parquet", world_tables()["sparse_flag"])
    assert supplied_tables(tmp_path, [1]) == (*REQUIRED_TABLES, "sparse_flag")
    assert supplied_tables(tmp_path, [1, 2]) == REQUIRED_TABLES


def _set(table, column, row, value):
    values = table.column(column).to_pylist()
    values[row] = value
    return replace(table, column, values)


def _nan(table):
    values = table.column("raw_nb_outlet_draw").cast(pa.float64()).to_numpy().copy()
    values[2] = np.nan
    number = table.column_names.index("raw_nb_outlet_draw")
    return table.set_column(number, "raw_nb_outlet_draw", pa.array(values))


CATALOGUE, CANDIDATES = REQUIRED_TABLES


@pytest.mark.parametrize(
    ("table", "change", "code", "told"),
    [
        (CATALOGUE, lambda t: t.drop_columns(["site_id"]), "EU21", "'site_id' is missing"),
        (CATALOGUE, lambda t: t.append_column("x", t.column(0)), "EU21", "'x' is not declared"),
        (CATALOGUE, _nan, "EU21", "'raw_nb_outlet_draw' has type double"),
        (
            CATALOGUE,
            lambda t: _set(t, "site_order", 2, None),
            "EU22",
            "'site_order' row 2: None breaks non-null",
        ),
        (
            CATALOGUE,
            lambda t: _set(t, "legal_country_iso", 3, "de"),
            "EU22",
            "'legal_country_iso' row 3: 'de' breaks pattern",
        ),
        (
            CATALOGUE,
            lambda t: _set(t, "raw_nb_outlet_draw", 0, 0),
            "EU22",
            "'raw_nb_outlet_draw' row 0: 0 breaks minimum 1",
        ),
        (CATALOGUE, lambda t: t.take(pa.array([1, 0, *range(2, 12)])), "EU23", "row 1 is out"),
        (CATALOGUE, lambda t: t.take(pa.array([0, 0, *range(1, 12)])), "EU24", "row 1 repeats"),
        (
            CATALOGUE,
            lambda t: _set(t, "legal_country_iso", 4, "ZZ"),
            "EU25",
            "'legal_country_iso' row 4: 'ZZ' is not an eligible country",
        ),
        (
            CANDIDATES,
            lambda t: _set(t, "country_iso", 3, "AQ"),
            "EU25",
            "'country_iso' row 3: 'AQ' is not an eligible country",
        ),
        (CATALOGUE, lambda t: t.take(pa.array([0, 1, *range(3, 12)])), "EU26", "row 2: 3"),
        (CATALOGUE, lambda t: _set(t, "site_id", 1, "000009"), "EU26", "row 1: '000009'"),
        (CANDIDATES, lambda t: t.slice(0, 5), "EU27", "'legal_country_iso' row 5: 'CA'"),
        (
            CANDIDATES,
            lambda t: _set(t, "is_home", 1, False),
            "EU27",
            "'is_home' row 1: False",
        ),
        (
            CANDIDATES,
            lambda t: _set(t, "candidate_rank", 3, 5),
            "EU27",
            "'candidate_rank' row 3: 5",
        ),
        (
            CANDIDATES,
            lambda t: _set(t, "country_iso", 3, "FR"),
            "EU27",
            "'country_iso' row 3: 'FR'",
        ),
        (CATALOGUE, lambda t: t.slice(0, 0), "EU35", "has no rows"),
        (
            CATALOGUE,
            lambda t: replace(t, "home_country_iso", ["FR", *["FR"] * 4, *["US"] * 7]),
            "EU27",
            "'home_country_iso' row 1: 'FR'",
        ),
        (CATALOGUE, lambda t: _set(t, "global_seed", 6, 43), "EU28", "'global_seed' row 6: 43"),
        (
            CATALOGUE,
            lambda t: _set(t, "final_country_outlet_count", 3, 2),
            "EU29",
            "'final_country_outlet_count' row 3: 2",
        ),
        (
            CATALOGUE,
            lambda t: _set(t, "raw_nb_outlet_draw", 11, 8),
            "EU29",
            "'raw_nb_outlet_draw' row 11: 8",
        ),
        (
            CATALOGUE,
            lambda t: _set(t, "single_vs_multi_flag", 0, True),
            "EU29",
            "'single_vs_multi_flag' row 0: True",
        ),
    ],
)
def test_a_defect_is_named_with_file_column_and_row(tmp_path, table, change, code, told):
    tables = sound()
    tables[table] = change(tables[table])
    publish(tmp_path, tables)
    with pytest.raises(UpstreamError) as caught:
        ingest(tmp_path)
    assert caught.value.code == code
    assert told in str(caught.value)
    assert f"{CATALOGUE}.parquet" in str(caught.value) or table == CANDIDATES
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "published").glob("*"))


def test_nan_is_refused(tmp_path):
    flags = world_tables()["sparse_flag"]
    flags = _set(flags, "effective_merchants", 3, float("nan"))
    publish(tmp_path, {**sound(), "sparse_flag": flags})
    with pytest.raises(UpstreamError, match="'effective_merchants' row 3: nan") as caught:
        ingest(tmp_path, (*REQUIRED_TABLES, "sparse_flag"))
    assert caught.value.code == "EU22"


def test_nothing_is_read_before_the_bundle_passes(tmp_path):
    publish(tmp_path, sound())
    (tmp_path / "outlet_catalogue.parquet").write_bytes(b"not parquet")
    with pytest.raises(GovernanceError) as caught:
        ingest(tmp_path)
    assert caught.value.code == "EG26"
    (tmp_path / "validation" / "_passed.flag").unlink()
    with pytest.raises(GovernanceError) as caught:
        ingest(tmp_path)
    assert caught.value.code == "EG23"


def test_a_bundle_must_seal_the_tables(tmp_path):
    publish(tmp_path, sound())
    write_json(tmp_path / "validation" / "egress_checksums.json", {"files": {}})
    write_index(tmp_path / "validation", ["egress_checksums.json"])
    write_flag(tmp_path / "validation")
    with pytest.raises(UpstreamError, match=r"does not seal outlet_catalogue\.parquet") as caught:
        ingest(tmp_path)
    assert caught.value.code == "EU20"


def test_a_file_that_is_no_table_is_refused(tmp_path):
    publish(tmp_path, sound())
    path = tmp_path / "s3_candidate_set.parquet"
    path.write_bytes(b"not parquet")
    bundle = tmp_path / "validation"
    files = {f"{name}.parquet": file_digest(tmp_path / f"{name}.parquet") for name in sound()}
    write_json(bundle / "egress_checksums.json", {"files": files})
    write_index(bundle, ["egress_checksums.json"])
    write_flag(bundle)
    with pytest.raises(UpstreamError, match=r"s3_candidate_set\.parquet") as caught:
        ingest(tmp_path)
    assert caught.value.code == "EU20"
