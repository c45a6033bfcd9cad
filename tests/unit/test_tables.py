import errno
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts import countries, tables
from scripts.contracts import check_table, datasets, write_dataset
from scripts.errors import ContractError
from scripts.tables import (
    file_digest,
    publish,
    read_json,
    read_parquet,
    row_blocks,
    write_json,
    write_parquet,
)
from tests.content import content_digest


def requirements(**changes):
    columns = {
        "merchant_id": np.array([1, 1, 2], dtype=np.uint64),
        "legal_country_iso": ["DE", "FR", "AD"],
        "n_sites": np.array([3, 1, 2], dtype=np.int64),
        **changes,
    }
    return pa.table(columns)


def test_valid_table_is_published_with_the_declared_columns(tmp_path):
    path = tmp_path / "t.parquet"
    shuffled = requirements().select(["n_sites", "merchant_id", "legal_country_iso"])
    write_dataset("s3_requirements", path, shuffled)
    assert pq.read_schema(path).names == ["merchant_id", "legal_country_iso", "n_sites"]


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"n_sites": np.array([3.0, 1, 2])}, "EX10", "'n_sites' has type double"),
        ({"extra": [1, 2, 3]}, "EX10", "'extra' is not declared"),
        ({"legal_country_iso": ["DE", "fr", "AD"]}, "EX11", "row 1: 'fr'"),
        ({"n_sites": np.array([3, 0, 2])}, "EX11", "row 1: 0"),
        ({"legal_country_iso": pa.array(["DE", None, "AD"])}, "EX11", "row 1: None"),
        ({"legal_country_iso": ["FR", "DE", "AD"]}, "EX12", "row 1 is out of order"),
        ({"legal_country_iso": ["DE", "DE", "AD"]}, "EX13", "merchant_id=1"),
    ],
)
def test_broken_tables_are_refused_by_file_column_and_row(changes, code, words):
    with pytest.raises(ContractError) as caught:
        check_table("s3_requirements", requirements(**changes), "some/file.parquet")
    line = str(caught.value)
    assert line.startswith(f"{code} some/file.parquet")
    assert words in line


def test_nan_is_refused():
    table = pa.table(
        {
            "merchant_id": np.array([1], dtype=np.uint64),
            "legal_country_iso": ["DE"],
            "site_order": np.array([1], dtype=np.int32),
            "tile_id": np.array([1], dtype=np.uint64),
            "lon_deg": [float("nan")],
            "lat_deg": [1.0],
        }
    )
    with pytest.raises(ContractError, match=r"EX11 .*'lon_deg' row 0: nan"):
        check_table("s7_site_synthesis", table)


def test_publishing_is_all_or_nothing(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def fail_half_way():
        with publish(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert read_json(path) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_json_is_canonical_and_refuses_nan(tmp_path):
    write_json(tmp_path / "a.json", {"b": np.float64(0.5), "a": [np.int64(1)]})
    assert (tmp_path / "a.json").read_bytes() == b'{\n  "a": [\n    1\n  ],\n  "b": 0.5\n}\n'
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", {"a": float("nan")})


def test_parquet_bytes_are_reproducible(tmp_path):
    for name in ("a", "b"):
        write_parquet(tmp_path / name, requirements())
    assert file_digest(tmp_path / "a") == file_digest(tmp_path / "b")


def test_a_fast_table_leaves_numbers_as_they_are_and_holds_the_same(tmp_path):
    columns = {"id": np.arange(5000), "iso": ["DE", "FR"] * 2500}
    columns |= {"u": np.random.default_rng(1).random(5000), "part": np.arange(5000, dtype=np.int16)}
    table = pa.table(columns)
    write_parquet(tmp_path / "fast.parquet", table, fast=True)
    assert read_parquet(tmp_path / "fast.parquet").equals(table)
    group = pq.read_metadata(tmp_path / "fast.parquet").row_group(0)
    stored = {chunk.path_in_schema: chunk for chunk in map(group.column, range(4))}
    assert [name for name, chunk in stored.items() if chunk.compression != "ZSTD"] == ["u"]
    encoded = {name for name, chunk in stored.items() if chunk.has_dictionary_page}
    assert encoded == {"iso", "part"}


def test_tables_of_sites_that_states_pass_on_are_written_fast():
    passed_on = {name for name, found in datasets().items() if found.is_passed_on}
    assert passed_on == {
        "s3_site_sequence",
        "s5_site_tile_assignment",
        "rng_event_site_tile_assign",
        "s6_site_jitter",
        "rng_event_in_cell_jitter",
        "s7_site_synthesis",
    }


@pytest.mark.parametrize("rows", [1, 70, 100, 350, 1000, 5000])
def test_blocks_have_the_rows_asked_for_whatever_the_row_groups(tmp_path, rows):
    codes = np.repeat(np.arange(40), 25)
    table = pa.table({"country_iso": countries.decode(codes), "x": np.arange(1000.0)})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=100)
    file = pq.ParquetFile(tmp_path / "t.parquet", read_dictionary=["country_iso"])
    blocks = list(row_blocks(file, rows, ["country_iso", "x"]))
    assert [len(block) for block in blocks[:-1]] == [rows] * (len(blocks) - 1)
    assert 0 < len(blocks[-1]) <= rows
    assert np.concatenate([block["x"] for block in blocks]).tolist() == list(range(1000))
    found = [countries.encode(block["country_iso"]) for block in blocks]
    assert np.concatenate(found).tolist() == codes.tolist()


def test_a_file_without_rows_has_one_block_without_rows(tmp_path):
    write_parquet(tmp_path / "t.parquet", requirements().slice(0, 0))
    file = pq.ParquetFile(tmp_path / "t.parquet")
    names = file.schema_arrow.names[:2]
    (block,) = row_blocks(file, 10, names)
    assert block.num_rows == 0
    assert block.column_names == names


def test_blocks_of_a_long_file_take_no_more_memory_than_one_row_group(tmp_path):
    groups, rows = 60, 10_000
    values = np.random.default_rng(1).random(groups * rows)
    pq.write_table(pa.table({"x": values}), tmp_path / "t.parquet", row_group_size=rows)
    file = pq.ParquetFile(tmp_path / "t.parquet")
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in row_blocks(file, 1000)]
    assert len(held) == groups * 10
    assert max(held) < 10 * rows * values.itemsize < values.nbytes / 5


def test_content_digest_sees_values_names_and_types_but_not_the_layout(tmp_path):
    base = requirements()
    chunked = pa.concat_tables([base.slice(0, 1), base.slice(1)])
    assert content_digest(base) == content_digest(chunked)
    assert content_digest(base) != content_digest(requirements(n_sites=np.array([3, 1, 3])))
    assert content_digest(base) != content_digest(base.rename_columns(["a", "b", "c"]))


def test_unreadable_parquet_is_named(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(ContractError, match=r"EX01 .*x\.parquet"):
        read_parquet(path)
    write_parquet(path, requirements())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ContractError, match="EX01"):
        read_parquet(path)
    write_parquet(path, requirements())
    with pytest.raises(ContractError, match=r"EX10 .*'absent' is missing"):
        read_parquet(path, ["absent"])


@pytest.mark.parametrize("encoded", [False, True])
def test_text_that_is_no_utf8_is_named(tmp_path, encoded):
    path = tmp_path / "t.parquet"
    write_parquet(path, pa.table({"country_iso": ["\u00c4D", "AE"]}))
    path.write_bytes(path.read_bytes().replace("\u00c4D".encode(), b"\x80DX"))
    named = r"EX01 .*t.parquet: .*UTF8"
    with pytest.raises(ContractError, match=named):
        read_parquet(path, ["country_iso"], dictionaries=encoded)
    file = pq.ParquetFile(path, read_dictionary=["country_iso"] if encoded else None)
    with pytest.raises(pa.ArrowInvalid, match="UTF8"):
        list(row_blocks(file, 1))


def test_country_codes_keep_alphabetical_order():
    iso = ["AD", "ZW", "NA", "NO", "AA"]
    codes = countries.encode(pa.array(iso))
    assert countries.decode(codes).to_pylist() == iso
    assert [iso[i] for i in np.argsort(codes)] == sorted(iso)
    with pytest.raises(KeyError):
        countries.encode(pa.array(["DE", "d1"]))
    with pytest.raises(KeyError):
        countries.encode(pa.array(["DE", None]))


def test_json_nested_too_deep_is_no_record(tmp_path):
    (tmp_path / "deep.json").write_bytes(b"[" * 100_000)
    with pytest.raises(ContractError, match=r"EX02 .*deep\.json"):
        read_json(tmp_path / "deep.json")


def test_a_record_of_any_size_or_depth_is_refused_in_one_line(tmp_path):
    path = tmp_path / "record.json"
    for text in ("[" * 100 + "]" * 100, "[" * 10**6, '{"a":' * 500 + "1" + "}" * 500):
        path.write_text(text)
        with pytest.raises(ContractError, match=r"^EX02 ") as told:
            read_json(path)
        assert len(str(told.value)) < 500
    path.write_text("[" * 60 + "]" * 60)
    assert read_json(path)
    with path.open("wb") as file:
        file.truncate(tables.LARGEST_TEXT + 1)
    with pytest.raises(ContractError, match=r"^EX02 .*over 67108864 bytes"):
        read_json(path)


def test_a_name_that_no_file_system_takes_is_refused(tmp_path):
    with pytest.raises(ContractError, match=r"^EX02 .*File name too long"):
        read_json(tmp_path / ("a" * 300))


def test_a_folder_that_cannot_be_listed_is_no_empty_folder(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    assert tables.everything_below(tmp_path) == [tmp_path / "closed"]
    scan = os.scandir

    def denied(path):
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(PermissionError, match="closed"):
        tables.everything_below(tmp_path)
