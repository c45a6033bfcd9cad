"""S9: validates a run from its files alone and writes the evidence.

Parity, keys, bounds, point near its tile, point in country for every site; quotas, requirements and
conservation; the replay of every draw of S4, S5 and S6; then the realism gates. The checks are the
registry of :mod:`scripts.states.validation_checks`; all of them run and all are published, with the
verdict in ``s9_summary.json``. The bundle is written whatever the verdict; rule ``s9_passed_flag``
sets the flag.
"""

import contextlib
import functools
import itertools
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from scripts import countries
from scripts.contracts import (
    arrow_schema,
    dataset_blocks,
    measured,
    read_dataset,
    read_object,
    write_object,
)
from scripts.entry import run
from scripts.geo.people import read_points
from scripts.geo.snapshot import load_countries, load_facts, read_places
from scripts.policies import load_policy
from scripts.records.bundle import FLAG, INDEX, write_index
from scripts.states.pair_counts import (
    Flows,
    Homes,
    PairCounts,
    read_homes,
    read_ledger,
    read_outlets,
)
from scripts.states.pairs import Pairs
from scripts.states.s4_alloc_plan import Ground, allocate, read_ground, read_tiles
from scripts.states.s5_site_tile_assignment import Plan, read_plan
from scripts.states.s8_site_locations import point_coordinates
from scripts.states.sites import (
    ALL,
    BLOCK,
    KEY,
    ColumnFiller,
    Mask,
    SiteKeys,
    country_codes,
    falls,
    read_columns,
    read_site_blocks,
    workers_for,
)
from scripts.states.tiles import coverage_of, read_grid
from scripts.states.validation_checks import FAIL, Findings, evaluate, listed_name
from scripts.states.validation_evidence import AttemptTable, Evidence
from scripts.tables import footer, open_parquet, published, row_count


@dataclass(frozen=True)
class Files:
    """Files of a run by what they hold; those of S4 to S7 in parts, all in one order of groups."""

    receipt: str
    outlet_catalogue: str
    candidate_set: str
    requirements: str
    steering_ledger: str
    reroute_ledger: str
    plan: Sequence[str]
    assignment: Sequence[str]
    assignment_log: Sequence[str]
    jitter: Sequence[str]
    jitter_log: Sequence[str]
    synthesis: Sequence[str]
    site_locations: str
    tile_index: str
    tile_weights: str
    countries: str
    places: str
    facts: str
    points: str
    tile_policy: str
    weights_policy: str
    plan_policy: str
    assignment_policy: str
    jitter_policy: str
    policy: str

    def policies(self) -> dict[str, str]:
        """Policy files by what they govern."""
        return {
            "tile": self.tile_policy,
            "weights": self.weights_policy,
            "plan": self.plan_policy,
            "assignment": self.assignment_policy,
            "jitter": self.jitter_policy,
            "validation": self.policy,
        }

    def listed(self) -> list[str]:
        """What the run receipt lists of them."""
        whole = (self.requirements, self.steering_ledger, self.reroute_ledger)
        parts = (self.plan, self.assignment, self.assignment_log, self.jitter, self.jitter_log)
        return [
            *(*whole, self.site_locations, self.tile_index, self.tile_weights),
            *itertools.chain(*parts, self.synthesis),
        ]

    def sealed(self) -> dict[str, str]:
        """What S0 sealed of them, by the names that the run receipt gives it."""
        return {
            "upstream/outlet_catalogue": self.outlet_catalogue,
            "upstream/candidate_set": self.candidate_set,
            "reference/countries": self.countries,
            "reference/places": self.places,
            "reference/facts": self.facts,
        }


F64 = npt.NDArray[np.float64]
Columns = Mapping[str, npt.NDArray[Any]]
RNG_KEYS = ("family", "namespace", "algorithm")
_UNIFORMS = ("u_component", "u_anchor", "u_lon", "u_lat")


def egress_fault(path: str | Path) -> str:
    """What the egress file's schema, nulls and GeoParquet metadata break; empty when nothing."""
    file = open_parquet(path)
    found, wanted = file.schema_arrow, arrow_schema("site_locations")
    if found.names != wanted.names:
        return f"columns are {', '.join(found.names)}"
    for field in wanted:
        if found.field(field.name).type != field.type:
            return f"column {field.name} has type {found.field(field.name).type}"
    for group in range(file.metadata.num_row_groups):
        for column in range(file.metadata.num_columns):
            chunk = file.metadata.row_group(group).column(column)
            if chunk.statistics is not None and chunk.statistics.null_count:
                return f"column {chunk.path_in_schema} holds a null"
    try:
        geo = json.loads((found.metadata or {})[b"geo"])
        column = geo["columns"][geo["primary_column"]]
        valid = geo["primary_column"] == "geometry" and column["encoding"] == "WKB"
    except (KeyError, ValueError, TypeError):
        valid = False
    return "" if valid else "GeoParquet metadata do not name the geometry column"


def _requirements(path: str | Path) -> PairCounts:
    table = read_dataset("s3_requirements", path, arrow_schema("s3_requirements").names)
    return PairCounts(
        table.column("merchant_id").to_numpy(),
        country_codes(table.column("legal_country_iso"), path),
        table.column("n_sites").to_numpy(),
    )


def _tile_countries(path: str | Path) -> npt.NDArray[np.int16]:
    column = read_dataset("tile_index", path, ["country_iso"]).column("country_iso").unique()
    return country_codes(column, path)


@dataclass(frozen=True)
class _Table:
    """Keys, other numeric columns, file metadata and, in the egress, the points' coordinates."""

    keys: SiteKeys
    columns: dict[str, npt.NDArray[Any]]
    metadata: Mapping[str, str]
    geometry: tuple[F64, F64] | None


def _read_sites(dataset_id: str, paths: Sequence[str], like: Columns) -> _Table:
    """A table of the sites, or its parts; what it repeats of ``like`` is not held again."""
    columns = read_columns(dataset_id, paths, arrow_schema(dataset_id).names, like=like)
    keys = SiteKeys(*map(columns.pop, KEY))
    return _Table(keys, columns, _common_metadata(paths), None)


def _read_egress(read: str, path: str, like: Columns) -> _Table:
    """The egress, or some countries of it that :func:`_divide_egress` put elsewhere.

    A column of another type, or a null, is left to the checks.
    """
    names = [*KEY, "lon_deg", "lat_deg"]
    columns = read_columns("site_locations", [read], names, "cast", like)
    keys = SiteKeys(*map(columns.pop, KEY))
    return _Table(keys, columns, _common_metadata([path]), _read_points(read, *columns.values()))


def _read_points(path: str, lon: F64, lat: F64) -> tuple[F64, F64] | None:
    """Coordinates of the egress's geometry, which are to repeat others; None if one is no point."""
    rows = row_count(path)
    axes = ColumnFiller(rows, np.float64, lon), ColumnFiller(rows, np.float64, lat)
    for block in dataset_blocks("site_locations", path, ["geometry"], BLOCK, "cast"):
        points = point_coordinates(block.column("geometry"))
        if points is None:
            return None
        for axis, values in zip(axes, points, strict=True):
            axis.add(values)
    return axes[0].result(), axes[1].result()


def _divide_egress(path: str, parts: Sequence[Mask], folder: Path) -> list[str]:
    """Write the rows of each part's countries to a file of its own; one pass over the egress."""
    names = arrow_schema("site_locations").names
    files = [str(folder / f"{part}.parquet") for part in range(len(parts))]
    # Read once, and soon: not worth compressing.
    plain: Any = {"compression": "none", "use_dictionary": [KEY[1]], "write_statistics": False}
    owner = np.argmax(parts, axis=0).astype(np.int16)
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(workers_for(row_count(path))))
        writers: list[pq.ParquetWriter] = []
        for block in dataset_blocks("site_locations", path, names, BLOCK, "cast"):
            writers = writers or [
                stack.enter_context(pq.ParquetWriter(file, block.schema, **plain)) for file in files
            ]
            part = owner[country_codes(block.column(KEY[1]), path)]
            block = block.take(np.argsort(part, kind="stable"))
            rows = np.bincount(part, minlength=len(parts))
            slices = map(block.slice, np.cumsum(rows) - rows, rows)
            list(pool.map(pq.ParquetWriter.write_table, writers, slices))
    return files


def _common_metadata(paths: Sequence[str]) -> dict[str, str]:
    """File metadata that all parts share."""
    found = [footer(path).metadata or {} for path in paths]
    shared = set.intersection(*(set(part.items()) for part in found))
    return {key.decode(): value.decode() for key, value in shared if key != b"ARROW:schema"}


def read_allowed(path: str | Path) -> PairCounts:
    """Countries where each merchant of 1A may stand, one for each candidate."""
    blocks = dataset_blocks("s3_candidate_set", path, ["merchant_id", "country_iso"])
    pairs = [
        (table.column("merchant_id").to_numpy(), country_codes(table.column("country_iso"), path))
        for table in blocks
    ]
    merchant, country = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return PairCounts(merchant, country, np.broadcast_to(np.int64(1), len(country)))


def plan_anew(
    files: Files,
    policy: Mapping[str, Any],
    seed: int,
    homes: Homes,
    mine: Mask,
    world_sites: int,
    pairs: PairCounts,
) -> Plan:
    """What the law of S4 gives for some pairs; those of countries without tiles are left out.

    Parameters
    ----------
    homes
        Of the merchants of 1A.
    mine
        Their countries, by code.
    world_sites
        Sites of all countries, these or others.
    """
    tiles = read_tiles(files.tile_weights, mine)
    known = np.isin(pairs.country, list(tiles.rows)) & (pairs.n_sites > 0)
    ids, merchant = np.unique(pairs.merchant[known], return_inverse=True)
    country = pairs.country[known]
    abroad = country != homes.of(ids)[merchant]
    ground = None
    if policy["mode"] == "outlets_v3":
        ground = _ground(files.places, files.tile_policy, files.plan_policy)
    wanted = Pairs(merchant.astype(np.int64), country.astype(np.int64), pairs.n_sites[known])
    made = allocate(
        wanted, abroad, ids, tiles, policy, ground, seed, files.tile_weights, world_sites
    )
    return Plan(pairs.merchant[known][made.pair], country[made.pair], made.tile_id, made.n_sites)


# The same for all countries.
@functools.lru_cache(maxsize=1)
def _ground(places: str, tile_policy: str, plan_policy: str) -> Ground:
    return read_ground(places, read_grid(tile_policy), load_policy(plan_policy))


def read_run(files: Files, run_id: str, seed: int) -> dict[str, Any]:
    """Fields of the evidence that are the same for all countries, and pairs of all of them."""
    policies = {name: load_policy(path) for name, path in files.policies().items()}
    listed, sealed = files.listed(), files.sealed()
    with ThreadPoolExecutor(workers_for(row_count(files.site_locations))) as pool:
        # Hashed while all that follows is read; taken last, and in this order.
        digests = pool.map(measured.digest, [*listed, *sealed.values()])
        return {
            "seed": seed,
            "run_id": run_id,
            "policies": policies,
            "grid": read_grid(files.tile_policy),
            "polygons": load_countries(files.countries),
            "places": read_places(files.places),
            "facts": load_facts(files.facts),
            "people": read_points(files.points),
            "tile_countries": _tile_countries(files.tile_index),
            "coverage": functools.partial(coverage_of, files.tile_index),
            "receipt": read_object("run_receipt", files.receipt),
            "policy_digests": {
                Path(path).name: measured.digest(path) for path in files.policies().values()
            },
            "egress_fault": egress_fault(files.site_locations),
            "world_sites": row_count(files.site_locations),
            "homes": read_homes(files.outlet_catalogue),
            "allowed": read_allowed(files.candidate_set),
            "requirements": _requirements(files.requirements),
            "whole": Flows(
                read_outlets(files.outlet_catalogue),
                read_ledger("s3_steering_ledger", files.steering_ledger),
                read_ledger("s4_reroute_ledger", files.reroute_ledger),
            ),
            "input_digests": {Path(path).as_posix(): next(digests) for path in listed},
            "sealed_digests": {name: next(digests) for name in sealed},
        }


def read_part(
    files: Files, run: Mapping[str, Any], mine: Mask, part: slice, egress: str, order: str
) -> Evidence:
    """What the checks look at in some countries.

    Parameters
    ----------
    run
        From :func:`read_run`.
    mine, part
        The countries, by code, and the parts of the tables that they are in.
    egress
        File with their rows of the egress.
    order
        What is out of order in the whole egress; empty when nothing.
    """
    sources = {
        "assignment": ("s5_site_tile_assignment", files.assignment[part]),
        "jitter": ("s6_site_jitter", files.jitter[part]),
        "assignment_log": ("rng_event_site_tile_assign", files.assignment_log[part]),
    }
    with ThreadPoolExecutor(workers_for(run["world_sites"])) as pool:
        log_read = pool.submit(_read_sites, "rng_event_in_cell_jitter", files.jitter_log[part], {})
        made = _read_sites("s7_site_synthesis", files.synthesis[part], {})
        like: Columns = {**dict(zip(KEY, made.keys.arrays, strict=True)), **made.columns}
        published_sites = pool.submit(_read_egress, egress, files.site_locations, like)
        reading = pool.map(
            _read_sites, *zip(*sources.values(), strict=True), itertools.repeat(like)
        )
        plan = read_plan(files.plan[part])
        tables = dict(zip(sources, reading, strict=False))
        tables |= {
            "synthesis": made,
            "egress": published_sites.result(),
            "jitter_log": log_read.result(),
        }
    metadata = {name: table.metadata for name, table in tables.items()}
    log = tables.pop("jitter_log")
    flows: Flows = run["whole"]
    planned = (run["requirements"], *flows.reroute)
    total = int(sum(pairs.n_sites.sum() for pairs in planned))
    pairs = {
        "allowed": run["allowed"].within(mine),
        "upstream": flows.upstream.within(mine),
        "requirements": run["requirements"].within(mine),
        "steering": [moves.within(mine) for moves in flows.steering],
        "reroute": [moves.within(mine) for moves in flows.reroute],
    }
    policy, seed = run["policies"]["plan"], run["seed"]
    return Evidence(
        **{**run, **pairs},
        plan=plan,
        plan_anew=functools.partial(plan_anew, files, policy, seed, run["homes"], mine, total),
        keys={name: table.keys for name, table in tables.items()},
        tables={name: table.columns for name, table in tables.items()},
        attempts=AttemptTable(
            log.keys,
            log.columns["attempt"],
            [log.columns[name] for name in _UNIFORMS],
            log.columns["accepted"],
        ),
        log_metadata=metadata,
        egress_order=order,
        geometry=tables["egress"].geometry,
    )


def countries_of_parts(paths: Sequence[str]) -> list[Mask]:
    """Countries of each part of S7 by code; the first has those that none of them holds."""
    owner = np.zeros(countries.CODES, dtype=np.int64)
    for part, path in reversed(list(enumerate(paths))):
        for table in dataset_blocks("s7_site_synthesis", path, [KEY[1]]):
            owner[country_codes(table.column(KEY[1]).unique(), path)] = part
    return [owner == part for part in range(len(paths))]


def order_fault(path: str) -> str:
    """The first row of the egress that is out of order, in words; empty when none is."""
    last: SiteKeys | None = None
    for block, _ in read_site_blocks("site_locations", path, ()):
        keys = block
        if last is not None:
            keys = SiteKeys(
                np.append(last.merchant, block.merchant),
                np.append(last.country, block.country),
                np.append(last.order, block.order),
            )
        fallen = falls(keys)
        if len(fallen):
            return f"{keys.name(int(fallen[0]))}: is out of order"
        last = keys[-1:]
    return ""


def read_evidence(files: Files, run: Mapping[str, Any]) -> Iterator[Evidence]:
    """What the checks look at, part by part of the tables; ``run`` from :func:`read_run`."""
    if len(files.synthesis) == 1:
        yield read_part(files, run, ALL, slice(None), files.site_locations, "")
        return
    order = "" if run["egress_fault"] else order_fault(files.site_locations)
    parts = countries_of_parts(files.synthesis)
    with tempfile.TemporaryDirectory() as folder:
        egress = _divide_egress(files.site_locations, parts, Path(folder))
        for part, mine in enumerate(parts):
            yield read_part(files, run, mine, slice(part, part + 1), egress[part], order)


def accounting(findings: Findings) -> dict[str, Any]:
    """Events, uniforms and replay failures by RNG family."""
    families = []
    for name, counted in findings.tally["families"].items():
        metadata = findings.log_metadata[name]
        families.append(
            {
                **{key: metadata.get(f"rng.{key}", "") for key in RNG_KEYS},
                **counted,
                "sites_total": findings.tally["sizes"]["sites_s7"],
            }
        )
    return {"families": families}


def summarise(run: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    """The summary: verdict, identity, sizes, every check."""
    failed = any(row["status"] == FAIL for row in findings.rows)
    return {
        "state": "S9",
        "verdict": "FAIL" if failed else "PASS",
        "identity": {
            "run_id": run["run_id"],
            "seed": run["seed"],
            "parameter_hash": run["receipt"]["parameter_hash"],
            "manifest_fingerprint": run["receipt"]["manifest_fingerprint"],
            "policy_version": run["policies"]["validation"]["policy_version"],
        },
        "sizes": {
            **findings.tally["sizes"],
            "countries_active": len(findings.tally["by_country"]),
            "countries_eligible": int(findings.map.eligible.sum()),
        },
        "checks": findings.rows,
        "realism": {
            "mode": run["policies"]["validation"]["realism"]["mode"],
            "concentration": published(findings.map.concentration),
        },
        "by_country": findings.tally["by_country"],
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s9_validation``: every output of one folder; a flag of before goes first."""
    Path(outputs.summary).with_name(FLAG).unlink(missing_ok=True)
    files = Files(**{field.name: getattr(inputs, field.name) for field in fields(Files)})
    run_read = read_run(files, wildcards.run_id, int(wildcards.seed))
    findings = evaluate(read_evidence(files, run_read))
    receipt, digests = run_read["receipt"], run_read["input_digests"]
    write_object("validation_summary_1B", outputs.summary, summarise(run_read, findings))
    write_object("rng_accounting_1B", outputs.rng_accounting, accounting(findings))
    write_object(
        "parameter_hash_resolved_1B",
        outputs.parameter_hash,
        _resolved(receipt, "parameter_hash", "policies"),
    )
    write_object(
        "manifest_fingerprint_resolved_1B",
        outputs.manifest_fingerprint,
        _resolved(receipt, "manifest_fingerprint", "sealed_inputs"),
    )
    egress = Path(inputs.site_locations)
    write_object(
        "egress_checksums_1B",
        outputs.egress_checksums,
        {
            "dataset_id": "site_locations",
            "files": [
                {
                    "path": egress.name,
                    "sha256_hex": digests[egress.as_posix()],
                    "size_bytes": egress.stat().st_size,
                }
            ],
        },
    )
    named = [
        Path(getattr(outputs, key)).name
        for key in (
            "manifest",
            "summary",
            "rng_accounting",
            "egress_checksums",
            "parameter_hash",
            "manifest_fingerprint",
        )
    ]
    write_object(
        "validation_manifest_1B",
        outputs.manifest,
        {
            "version": "1B.validation.1",
            "run_id": wildcards.run_id,
            "seed": int(wildcards.seed),
            "parameter_hash": receipt["parameter_hash"],
            "manifest_fingerprint": receipt["manifest_fingerprint"],
            "inputs": {
                listed_name(path, receipt["outputs"]): digest for path, digest in digests.items()
            },
            "outputs": sorted([*named, INDEX]),
        },
    )
    write_index(Path(outputs.index).parent, named)


def _resolved(receipt: Mapping[str, Any], name: str, listed: str) -> dict[str, Any]:
    return {name: receipt[name], "artifact_count": len(receipt[listed]), listed: receipt[listed]}


if "snakemake" in globals():
    run(main, globals()["snakemake"])
