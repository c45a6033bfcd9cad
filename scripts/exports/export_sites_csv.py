"""Sites as CSV: the five columns of the egress, every number as it reads back exactly."""

from typing import Any

import pyarrow.csv as pa_csv

from scripts.contracts import read_dataset
from scripts.entry import run
from scripts.tables import publish

COLUMNS = ["merchant_id", "legal_country_iso", "site_order", "lon_deg", "lat_deg"]


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``export_sites_csv``."""
    table = read_dataset("site_locations", inputs.site_locations, COLUMNS)
    with publish(outputs.sites) as temporary:
        pa_csv.write_csv(table, temporary, pa_csv.WriteOptions(quoting_style="needed"))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
