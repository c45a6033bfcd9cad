"""Single random mutations of a certified world, and whether ``verify`` names each."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scripts.contracts import CONTRACTS
from scripts.governance.verification import verify
from scripts.records.identity import run_id
from scripts.tables import read_json

RUNS = Path("runs/fix-data-engine")
SEGMENT = RUNS / "segment_1B"
# As a pattern.
ID = "[0-9a-f]" * 32
RELEASE, BASELINE = (SEGMENT / run_id("1B", name) for name in ("reopened", "baseline"))
UPSTREAM, AUTHORITY = (
    RUNS / "segment_1A" / run_id("1A", name) for name in ("reopened", "authority")
)
Mutation = Callable[[Path, np.random.Generator], None]


def flip_byte(path: Path, rng: np.random.Generator) -> None:
    """Change one byte."""
    data = bytearray(path.read_bytes())
    data[int(rng.integers(len(data)))] ^= int(rng.integers(1, 256))
    path.write_bytes(bytes(data))


def change_row(path: Path, rng: np.random.Generator) -> None:
    """Change one number of one row, drop a row, repeat a row or swap two."""
    table = pq.read_table(path)
    kind, row = rng.integers(4), int(rng.integers(table.num_rows - 1))
    rows = np.arange(table.num_rows)
    if kind == 0:
        names = [f.name for f in table.schema if pa.types.is_floating(f.type)]
        at = table.schema.get_field_index(names[int(rng.integers(len(names)))])
        values = table.column(at).to_numpy().copy()
        values[row] = np.nextafter(values[row], values[row] / 2)
        table = table.set_column(at, table.schema.field(at), pa.array(values))
    elif kind == 1:
        table = table.take(np.delete(rows, row))
    elif kind == 2:
        table = table.take(np.insert(rows, row, row))
    else:
        rows[[row, row + 1]] = rows[[row + 1, row]]
        table = table.take(rows)
    pq.write_table(table, path, compression="zstd")


def change_type(path: Path, rng: np.random.Generator) -> None:
    """Declare another type of one column or property; comments and layout are no contract."""
    text = path.read_text(encoding="utf-8")
    found = list(re.finditer(r"\{type: (string|integer|number|int64|float64)\b", text))
    at = found[int(rng.integers(len(found)))]
    path.write_text(f"{text[: at.start(1)]}bool{text[at.end(1) :]}", encoding="utf-8")


@dataclass(frozen=True)
class Target:
    """A kind of file that is mutated: its patterns below the world, how, and whether `certify`
    looks at it.
    """

    name: str
    patterns: tuple[str, ...]
    mutate: Mutation = flip_byte
    promotes: bool = True


TARGETS = (
    Target("reference snapshot", ("resources/reference/*",)),
    Target("contract", ("config/contracts.yaml",), change_type),
    Target("sealed 1A table", (f"{UPSTREAM}/seed=*/outlet_catalogue.parquet",
                               f"{UPSTREAM}/seed=*/s3_candidate_set.parquet")),
    Target("other 1A table", (f"{UPSTREAM}/seed=*/*.parquet", f"{AUTHORITY}/seed=*/*.parquet")),
    Target("1A bundle", (f"{UPSTREAM}/seed=*/validation/*.json",
                         f"{AUTHORITY}/seed=*/validation/*.json")),
    Target("1A flag", (f"{UPSTREAM}/seed=*/validation/_passed.flag",
                       f"{AUTHORITY}/seed=*/validation/_passed.flag")),
    Target("freeze guard", (f"{UPSTREAM}/seed=*/segment1a_*.json",
                            f"{RUNS}/segment_1A/reports/*.json")),
    Target("policy after lock", ("config/layer1/1B/policy/policy.s2.tile_weights.yaml",)),
    Target("policy", ("config/layer1/1B/policy/policy.s?.*[a-z].yaml",
                      "config/layer1/1A/policy/policy.1a.generator.*.yaml")),
    Target("gate table", ("config/gates.yaml",)),
    Target("lock file of libraries", ("envs/runtime.lock.txt",)),
    Target("S9 bundle", (f"{RELEASE}/seed=*/s9_validation/*.json",)),
    Target("S9 flag", (f"{RELEASE}/seed=*/s9_validation/_passed.flag",)),
    Target("state output", (f"{RELEASE}/shared/*/*", f"{RELEASE}/seed=*/s[3-8]_*/**/*")),
    Target("tiles", (f"{SEGMENT}/tiles/*/*/*",)),
    Target("S0 seal", (f"{RELEASE}/seed=*/s0_gate/*.json",)),
    Target("run receipt", (f"{RELEASE}/seed=*/run_receipt.json",)),
    Target("scorecard", (f"{RELEASE}/seed=*/scorecard/*",)),
    Target("1A authority", (f"{AUTHORITY}/seed=*/segment1a_*.json",)),
    Target("final lock set", (f"{SEGMENT}/reports/segment1b_p5_lock_set.json",)),
    Target("iteration protocol", (f"{SEGMENT}/iteration_protocol.json",)),
    Target("certificate", (f"{SEGMENT}/reports/segment1b_p5_certification.json",)),
    Target("attestation", (f"{SEGMENT}/reports/segment1b_p5_attestation.json",)),
    Target("lock record", (f"{SEGMENT}/reports/segment1b_p?_lock_record.json",)),
    Target("evidence of a lock", (f"{SEGMENT}/reports/segment1b_p1_candidate_*.json",
                                  f"{SEGMENT}/reports/segment1b_p1_repro_check_*.json"),
           promotes=False),
    Target("pointer", (f"{SEGMENT}/*/*_pointer.json",)),
    Target("sealed release", (f"{RUNS}/releases/*/release.json", f"{RUNS}/releases/*/egress/**/*",
                              f"{RUNS}/releases/*/segment_1?/**/*"), promotes=False),
    Target("baseline", (f"{SEGMENT}/reports/segment1b_p0_baseline_*", f"{BASELINE}/shared/*/*",
                        f"{BASELINE}/seed=*/*/**/*", f"{BASELINE}/seed=*/run_receipt.json")),
    Target("site_locations row", (f"{RELEASE}/seed=*/s8_site_locations/*.parquet",), change_row),
    Target("RNG log row", (f"{RELEASE}/seed=*/s[56]_*/draws/*.parquet",), change_row),
)  # fmt: skip


# A list of what a start found to be superseded: any later start or `prune` writes it anew, so no
# record of a run can hold its digest. The day of a sealing is no published data.
UNCOVERED = ("segment1b_p0_prune_check.txt", "sealed.json")


def beside_the_release(world: Path) -> set[Path]:
    """Files that the release in force does not stand on: runs of phases and their witnesses, the
    tiles of these, and earlier releases, which a `rollback` looks at.
    """
    in_force = read_json(world / SEGMENT / "last_good/last_good_pointer.json")["release"]
    own = {world / RELEASE, world / BASELINE, world / RUNS / "releases" / in_force}
    for receipt in [path for run in own for path in run.glob("seed=*/run_receipt.json")]:
        own.add(world / SEGMENT / "tiles" / read_json(receipt)["tiles_id"])
    patterns = (f"{SEGMENT}/{ID}", f"{SEGMENT}/tiles/{ID}", f"{RUNS}/releases/*")
    folders = [folder for pattern in patterns for folder in world.glob(pattern)]
    return {path for folder in folders if folder not in own for path in folder.rglob("*")}


def files_of(world: Path, target: Target) -> list[Path]:
    """Files of a kind that are there, of the release in force and what it stands on."""
    found = {path for pattern in target.patterns for path in world.glob(pattern)}
    return sorted(path for path in found - beside_the_release(world) if path.is_file())


def without_a_kind(world: Path) -> list[str]:
    """Published files of the release that no kind of mutation touches."""
    touched = {path for target in TARGETS for path in files_of(world, target)}
    touched |= beside_the_release(world)
    folders = [path for path in (world / RUNS).iterdir() if path.name not in ("logs", "benchmarks")]
    return [
        path.relative_to(world).as_posix()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path not in touched and path.name not in UNCOVERED
    ]


@contextmanager
def mutated(path: Path, mutate: Mutation, rng: np.random.Generator) -> Iterator[None]:
    """A file mutated with its times kept; afterwards as it was, whatever happened to it."""
    data, times = path.read_bytes(), path.stat()
    mutate(path, rng)
    assert path.read_bytes() != data
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    try:
        yield
    finally:
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def unnamed(world: Path, path: Path, mutate: Mutation, rng: np.random.Generator) -> list[str]:
    """Mutate a file: empty when ``verify`` names it, else the file and what was found instead."""
    with mutated(path, mutate, rng):
        faults = verify(world / RELEASE, tree=world, reference=world / "resources/reference").faults
    if any(path.name in line for line in faults):
        return []
    return [f"{path.relative_to(world)}: {faults[:2]}"]


def missed(world: Path, count: int, seed: int, without: tuple[str, ...] = ()) -> list[str]:
    """Mutations, one kind after another, that are not found, or not by the file's name."""
    rng = np.random.default_rng(seed)
    targets = [target for target in TARGETS if target.name not in without]
    found = []
    for number in range(count):
        target = targets[number % len(targets)]
        files = files_of(world, target)
        lines = unnamed(world, files[int(rng.integers(len(files)))], target.mutate, rng)
        found += [f"{target.name}: {line}" for line in lines]
    return found


def missed_anywhere(world: Path, seed: int) -> tuple[int, list[str]]:
    """A byte, or a type, of every file of every kind, one by one: how many, and those not named."""
    rng = np.random.default_rng(seed)
    files = sorted({path for target in TARGETS for path in files_of(world, target)})
    found = []
    for path in files:
        mutate = change_type if path.name == CONTRACTS.name else flip_byte
        found += unnamed(world, path, mutate, rng)
    return len(files), found
