"""Contracts that were damaged are refused by name."""

import pytest

from scripts import contracts
from scripts.errors import ContractError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(contracts, "CONTRACTS_DIR", tmp_path)
    contracts.contract.cache_clear()
    (tmp_path / "1B").mkdir()
    yield tmp_path / "1B"
    contracts.contract.cache_clear()


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"datasets: \xa4", "is not plain YAML"),
        (b"datasets: [", "is not plain YAML"),
        (b"- 1", "is no mapping with datasets"),
        (b"datasetz: []", "is no mapping with datasets"),
        (b"datasets: [{id: a, path: b, farmat: c}]", r"datasets\[0\] has no format"),
        (b"datasets: [1]", r"datasets\[0\] has no id"),
    ],
)
def test_a_damaged_dictionary_is_refused_by_name(folder, data, rule):
    (folder / "dataset_dictionary.layer1.1B.yaml").write_bytes(data)
    with pytest.raises(ContractError, match=f"EX04 .*dictionary.*1B.yaml: {rule}"):
        contracts.contract("1B", "dictionary")


def test_a_contract_that_is_gone_is_refused_by_name(folder):
    with pytest.raises(ContractError, match=r"EX04 .*schemas\.1B\.yaml"):
        contracts.contract("1B", "schemas")
