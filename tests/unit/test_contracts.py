"""Contracts that were damaged are refused by name; every file has one declaration."""

import re

import pytest

from scripts.contracts import datasets, require_declared
from scripts.contracts.declared import CONTRACTS, contracts_digest, read_contracts
from scripts.errors import ContractError

HEAD = "defaults: [{path: '*', licence: x, pii: false, retention_days: 1}]\ncolumns: {}\n"


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"datasets: \xa4", "is not plain YAML"),
        (b"datasets: [", "is not plain YAML"),
        (b"- 1", "has no defaults"),
        (b"defaults: []\ndatasetz: {}", "has no columns"),
        (b"defaults: []\ndefaults: []", "'defaults' stands twice"),
        ("definitions:\ndatasets: {a: {path: b, kays: [c]}}", "a: has an unknown 'kays'"),
        ("definitions:\ndatasets: {a: {keys: [c]}}", "a: has no path"),
        ("definitions:\ndatasets: {a: {path: b, keys: [c]}}", "a: has the key 'c'"),
        ("definitions:\ndatasets: {a: {path: b, columns: [d]}}", r"KeyError\('d'\)"),
        (
            "definitions:\ndatasets: {a: {path: b, schema: {}, properties: {}}}",
            "a: holds more than one of",
        ),
        (
            "definitions:\ndatasets: {a: {path: b, columns: [{name: c, type: text}]}}",
            "a: has the unknown type 'text'",
        ),
        (
            "definitions:\ndatasets: {a: {path: b, properties: {c: {type: bool}}}}",
            "a: has the unknown type 'bool'",
        ),
        (
            "definitions:\ndatasets: {a: {path: b, schema: {items: {anyOf: [{type: [int]}]}}}}",
            "a: has the unknown type 'int'",
        ),
    ],
)
def test_a_damaged_contract_is_refused_by_name(tmp_path, data, rule):
    file = tmp_path / "contracts.yaml"
    file.write_bytes(data if isinstance(data, bytes) else (HEAD + data).encode())
    with pytest.raises(ContractError, match=f"EX04 .*contracts.yaml.*{rule}"):
        read_contracts(file)


def test_a_contract_that_is_gone_is_refused_by_name(tmp_path):
    with pytest.raises(ContractError, match=r"EX04 .*contracts\.yaml"):
        read_contracts(tmp_path / "contracts.yaml")


def test_defaults_hold_where_a_dataset_says_nothing(tmp_path):
    file = tmp_path / "contracts.yaml"
    text = "definitions:\ndatasets: {a: {path: b.json}, c: {path: d.json, pii: true}}"
    file.write_text(HEAD + text, encoding="utf-8")
    a, c = read_contracts(file).values()
    assert (a.licence, a.pii, c.licence, c.pii) == ("x", False, "x", True)


def test_a_value_may_be_called_type(tmp_path):
    file = tmp_path / "contracts.yaml"
    text = "definitions:\ndatasets: {a: {path: b, properties: {type: {type: string}}}}"
    file.write_text(HEAD + text, encoding="utf-8")
    assert read_contracts(file)["a"].schema["properties"] == {"type": {"type": "string"}}


def test_no_path_is_declared_twice():
    shapes = [re.sub(r"\{\w+\}", "{}", entry.path) for entry in datasets().values()]
    assert len(set(shapes)) == len(shapes)


def test_a_path_that_no_dataset_has_is_refused():
    require_declared("segment_1B/{run_id}/seed={seed}/run_receipt.json")
    with pytest.raises(ContractError, match="EX03 segment_1B/x"):
        require_declared("segment_1B/x")


def test_every_table_says_what_each_column_means():
    assert CONTRACTS.is_file()
    for entry in datasets().values():
        for column in entry.columns:
            assert column.get("description"), (entry.id, column["name"])


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("# Columns that", "# The columns that", False),
        ("description: Sites.", "description: Outlets.", False),
        ("share: {type: float64,", "share:\n    {type: float64,", False),
        ("share: {type: float64,", "share: {type: float32,", True),
        ("retention_days: 90", "retention_days: 91", True),
    ],
)
def test_contracts_count_by_what_they_say(tmp_path, old, new, counts):
    text = CONTRACTS.read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / CONTRACTS.name
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    before, after = (contracts_digest(read_contracts(path)) for path in (CONTRACTS, file))
    assert (before != after) == counts
