"""Small 1A worlds for tests: the shipped policies on the shipped facts, and hand-made tables."""

import contextlib
import copy
import functools
import tempfile
from types import SimpleNamespace

import numpy as np
import pyarrow as pa

from scripts.contracts import arrow_schema
from scripts.geo.snapshot import load_facts
from scripts.policies import load_policy
from scripts.tables import write_parquet
from scripts.upstream.egress import tables
from scripts.upstream.generator import generate
from scripts.upstream.prior import eligible_facts

POLICIES = "config/layer1/1A/policy/policy.1a.generator.{}.yaml"
FACTS = "resources/reference/country_facts.csv"
BANDS = "config/layer1/1A/policy/policy.1a.bands.yaml"


class Named(SimpleNamespace):
    """Stands in for the named inputs and outputs of a job."""

    def items(self):
        return self.__dict__.items()


@functools.cache
def facts_table():
    return load_facts(FACTS)


@functools.cache
def facts():
    return eligible_facts(facts_table())


@functools.cache
def _policy(name):
    return load_policy(POLICIES.format(name))


def policy(name="reopened", **changes):
    """A shipped policy; ``block__key=value`` changes one key."""
    changed = copy.deepcopy(dict(_policy(name)))
    for path, value in changes.items():
        *blocks, key = path.split("__")
        target = changed
        for block in blocks:
            target = target[block]
        assert key in target
        target[key] = value
    return changed


@functools.cache
def world(name="reopened", seed=42, total=None):
    return generate(policy(name), facts_table(), seed, total, name)


@functools.cache
def world_tables(name="reopened", seed=42, total=None):
    return tables(world(name, seed, total))


@contextlib.contextmanager
def stored(tables):
    """Files by name of tables."""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: f"{folder}/{name}.parquet" for name in tables}
        for name, table in tables.items():
            write_parquet(files[name], table)
        yield files


def replace(table, column, values):
    """The table with one column changed."""
    number = table.column_names.index(column)
    field = table.schema.field(column).with_nullable(True)
    return table.set_column(number, field, pa.array(values, type=field.type))


def catalogue_of(counts, seed=42):
    """Catalogue from ``{(merchant, home): {country: outlets}}``."""
    rows = []
    for (merchant, home), by_country in sorted(counts.items()):
        total = sum(by_country.values())
        for country, outlets in sorted(by_country.items()):
            for order in range(1, outlets + 1):
                rows.append(
                    {
                        "merchant_id": merchant,
                        "site_id": f"{order:06d}",
                        "home_country_iso": home,
                        "legal_country_iso": country,
                        "single_vs_multi_flag": total > 1,
                        "raw_nb_outlet_draw": total,
                        "final_country_outlet_count": outlets,
                        "site_order": order,
                        "global_seed": seed,
                    }
                )
    return pa.Table.from_pylist(rows, schema=arrow_schema("outlet_catalogue"))


def candidates_of(ranked):
    """Candidate set from ``{merchant: [home, first, second, ...]}``."""
    rows = [
        {
            "merchant_id": merchant,
            "country_iso": country,
            "candidate_rank": rank,
            "is_home": rank == 0,
            "reason_codes": ["HOME" if rank == 0 else "GLOBAL_MARKET"],
        }
        for merchant, countries in sorted(ranked.items())
        for rank, country in enumerate(countries)
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema("s3_candidate_set"))


def log_of(dispersion, outlets):
    """Draw log of merchants with the given dispersions (NaN for single-site) and outlets."""
    n = len(outlets)
    multi = np.asarray(outlets) > 1
    filled = {
        "merchant_id": np.arange(1, n + 1),
        "u_hurdle": np.full(n, 0.5),
        "is_multi": multi,
        "mu": np.where(multi, 10.0, np.nan),
        "dispersion_k": dispersion,
        "n_outlets": outlets,
        "p_eligible": np.zeros(n),
        "is_eligible": np.zeros(n, bool),
        "home_floor": np.ones(n),
    }
    schema = arrow_schema("rng_draw_log_1A")
    columns = []
    for field in schema:
        if field.name in filled:
            floating = pa.types.is_floating(field.type)
            columns.append(pa.array(filled[field.name], type=field.type, from_pandas=floating))
        elif field.nullable:
            columns.append(pa.nulls(n, field.type))
        else:
            columns.append(pa.array(np.zeros(n), type=field.type))
    return pa.table(columns, schema=schema)
