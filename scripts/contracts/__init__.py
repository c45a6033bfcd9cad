"""What every published file holds: ``config/contracts.yaml``, and reading and writing by it.

``declared`` is the file itself, ``check`` holds tables and objects against it, ``files`` reads and
publishes them. Paths, columns, types and keys are stated there and nowhere else; which rules make
and read a dataset is what the rules say.
"""

from scripts.contracts.check import TableCheck, check_object, check_table
from scripts.contracts.declared import (
    CONTRACTS,
    Dataset,
    arrow_schema,
    contracts_digest,
    dataset,
    dataset_path,
    datasets,
    read_contracts,
    require_declared,
    state_datasets,
)
from scripts.contracts.files import (
    Check,
    DatasetStream,
    dataset_blocks,
    dataset_stream,
    read_dataset,
    read_object,
    write_dataset,
    write_object,
)

__all__ = [
    "CONTRACTS",
    "Check",
    "Dataset",
    "DatasetStream",
    "TableCheck",
    "arrow_schema",
    "check_object",
    "check_table",
    "contracts_digest",
    "dataset",
    "dataset_blocks",
    "dataset_path",
    "dataset_stream",
    "datasets",
    "read_contracts",
    "read_dataset",
    "read_object",
    "require_declared",
    "state_datasets",
    "write_dataset",
    "write_object",
]
