"""Disk full, read-only, vanished and broken files: one named line, nothing partial, a way back."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.errors import SegmentError
from scripts.tables import write_json, write_parquet
from tests.certified import uncertified
from tests.torture import worlds
from tests.torture.record import record

Spoil = Callable[[Path], None]


@contextmanager
def tmpfs(folder: Path, size: str):
    """A file system of its own of a given size; skips where it cannot be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def test_a_full_disk_leaves_the_old_file_and_no_part_of_a_new_one(tmp_path):
    table = pa.table({"x": pa.array(range(200_000))})
    with tmpfs(tmp_path / "small", "128k") as folder:
        path, report = folder / "table.parquet", folder / "report.json"
        write_json(report, {"old": True})
        before = report.read_bytes()
        with pytest.raises(OSError, match=r"[Nn]o space left"):
            write_parquet(path, table)
        with pytest.raises(OSError, match=r"[Nn]o space left"):
            write_json(report, {"new": "x" * 300_000})
        assert report.read_bytes() == before
        assert sorted(p.name for p in folder.iterdir()) == ["report.json"]


def refused(world: Path, pattern: str) -> str:
    """Run certify: one named line, no traceback, no temporary files, and no promotion."""
    pointer = world / worlds.SEGMENT / "last_good/last_good_pointer.json"
    before = pointer.read_bytes() if pointer.is_file() else None
    result = worlds.finish(world)
    said = result.stdout + result.stderr
    assert result.returncode != 0, said[-3000:]
    assert "Traceback" not in said, said[-6000:]
    assert worlds.NAMED.search(said), said[-3000:]
    assert re.search(pattern, said), said[-3000:]
    assert not [p for p in (world / "runs").rglob(".*-tmp") if p.is_file()]
    assert (pointer.read_bytes() if pointer.is_file() else None) == before
    return said


def accepted(world: Path, reference: dict[str, str]) -> None:
    """Run certify: it must end well with the published files of an undisturbed run."""
    result = worlds.finish(world)
    assert result.returncode == 0, (result.stdout + result.stderr)[-3000:]
    assert worlds.published(world) == reference


def size_kb(certified: Path) -> int:
    """Kilobytes of the files of a certified world; releases are links to those of runs."""
    files = [path.stat() for path in (certified / "runs").rglob("*")]
    return sum({file.st_ino: file.st_size for file in files}.values()) // 1024


def fills_up(template: Path, folder: Path, kilobytes: int, reference: dict[str, str]) -> None:
    """Certify on a disk that fills up: refused; with room, what an undisturbed run makes."""
    world = worlds.fresh(template, folder)
    with tmpfs(world / "runs", f"{kilobytes}k"):
        refused(world, "EX20 .*[Nn]o space left|EG92 .*[Nn]o space left")
        remount(world / "runs", "size=2g")
        accepted(world, reference)


@pytest.mark.slow
def test_a_disk_that_fills_up_half_way(certified_world, tmp_path):
    half = int(0.45 * size_kb(certified_world))
    reference = worlds.published(certified_world)
    fills_up(uncertified(tmp_path / "template"), tmp_path / "world", half, reference)


@pytest.mark.torture
def test_disk_full_at_several_sizes(certified_world, tmp_path):
    reference = worlds.published(certified_world)
    made = uncertified(tmp_path / "template")
    whole = size_kb(certified_world)
    sizes = [int(whole * share) for share in (0.05, 0.2, 0.45, 0.7, 0.9)]
    sizes = sizes[: worlds.share(len(sizes))]
    held, faults = 0, []
    for size in sizes:
        try:
            fills_up(made, tmp_path / "world", size, reference)
            held += 1
        except AssertionError as error:
            faults.append(f"{size} kB: {str(error)[-1500:]}")
    record(
        "disk full",
        len(sizes),
        held,
        "runs root on a real file system that fills up during `certify`: one named line, no "
        "partial file; with room again, the same command ends with identical files",
        sizes_kb=sizes,
        faults=faults,
    )
    assert held == len(sizes), faults


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _drop_column(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.drop_columns([table.column_names[-1]]), path)


def _old_schema(path: Path) -> None:
    write_json(path, {"version": 0})


BROKEN = [
    ("S5 table cut in half", "s5_site_tile_assignment/1-of-1.parquet", _truncate),
    ("S4 plan with a flipped bit", "s4_alloc_plan/1-of-1.parquet", _flip),
    ("S5 table without a column", "s5_site_tile_assignment/1-of-1.parquet",
     _drop_column),
    ("S0 seal of another schema", "s0_gate/sealed_inputs_1B.json", _old_schema),
    ("S7 table cut in half", "s7_site_synthesis/1-of-1.parquet", _truncate),
]  # fmt: skip


def spoiled(world: Path, relative: str, spoil: Spoil, reference: dict[str, str]) -> None:
    """Certify with a broken file: refused by its name; without it, as an undisturbed run."""
    path = world / worlds.RELEASE / "seed=7" / relative
    spoil(path)
    said = refused(world, "E[A-Z0-9]{3} ")
    assert path.name in said, said[-2000:]
    shutil.rmtree(path.parent)
    accepted(world, reference)


@pytest.mark.slow
def test_a_table_that_is_cut_in_half(world_copy, certified_world):
    _, relative, spoil = BROKEN[0]
    spoiled(world_copy, relative, spoil, worlds.published(certified_world))


@pytest.mark.torture
def test_broken_inputs(certified_world, tmp_path):
    reference = worlds.published(certified_world)
    world = tmp_path / "world"
    shutil.copytree(certified_world, world, symlinks=True)
    held, faults = 0, []
    for name, relative, spoil in BROKEN:
        try:
            spoiled(world, relative, spoil, reference)
            held += 1
        except AssertionError as error:
            faults.append(f"{name}: {str(error)[-1500:]}")
            shutil.rmtree(world)
            shutil.copytree(certified_world, world, symlinks=True)
    missing = world / "resources/reference/places.parquet"
    kept = missing.read_bytes()
    missing.unlink()
    try:
        result = worlds.finish(world)
        assert result.returncode == 1
        assert "places.parquet" in result.stdout + result.stderr
        assert "Traceback" not in result.stdout + result.stderr
        missing.write_bytes(kept)
        accepted(world, reference)
        held += 1
    except AssertionError as error:
        faults.append(f"vanished input: {str(error)[-1500:]}")
    folders = [world / worlds.RELEASE / "seed=7/s4_alloc_plan", world / "config/layer1"]
    moved = [path for folder in folders for path in folder.rglob("*")]
    for name, year in (("files from the past", 2001), ("files from the future", 2090)):
        seconds = (year - 1970) * 365.25 * 86400
        for path in moved:
            os.utime(path, (seconds, seconds))
        try:
            if seconds > time.time():
                refused(world, "EG94 .* later than the clock")
                for path in moved:
                    os.utime(path)
            accepted(world, reference)
            held += 1
        except AssertionError as error:
            faults.append(f"{name}: {str(error)[-1500:]}")
    record(
        "broken files",
        len(BROKEN) + 3,
        held,
        "tables cut, flipped, without a column, a record of another schema, a vanished input, file "
        "times in the past and the future: refused by name or unharmed, and recovered",
        faults=faults,
    )
    assert not faults


@pytest.mark.torture
def test_read_only_runs_root(certified_world, tmp_path):
    reference = worlds.published(certified_world)
    world = tmp_path / "world"
    shutil.copytree(certified_world, world, symlinks=True)
    worlds.undo_jitter(world)
    runs = tmp_path / "kept"
    shutil.move(world / "runs", runs)
    with tmpfs(world / "runs", "2g") as folder:
        shutil.copytree(runs, folder, symlinks=True, dirs_exist_ok=True)
        remount(folder, "ro")
        before = worlds.published(world)
        held = False
        try:
            refused(world, "Read-only file system|Write-protected output files")
            assert worlds.published(world) == before
            remount(folder, "rw")
            accepted(world, reference)
            held = True
        finally:
            record(
                "read-only runs root",
                1,
                int(held),
                "runs root mounted read-only: one named line, nothing changed; writable again, "
                "the same command ends with identical files",
            )


def test_what_the_operating_system_refuses_is_one_line(tmp_path):
    from types import SimpleNamespace

    from scripts.entry import os_error

    error = os_error(OSError(28, "No space left on device", "runs/x"), SimpleNamespace())
    assert isinstance(error, SegmentError)
    assert str(error).startswith("EX20 runs/x: the operating system says: No space left on device")
