"""Measures again what decides a grade: a scorecard is a cache of its sites, never evidence.

It takes the egress of the run and of its baseline, the tables beneath them, the policies and the
gates of the source tree and the snapshot, and gets under two seconds of CPU time a seed. What
decides no grade, fidelity and the baseline's own truth, is not measured again.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from scripts.cores import cores
from scripts.geo.people import Points, read_points
from scripts.geo.snapshot import FACTS, OUTLET_DENSITY, PLACES, load_facts
from scripts.governance.verification.view import UNREADABLE, View, same
from scripts.scorers import scorecard
from scripts.scorers.gates import GATES_FILE, load_gates
from scripts.scorers.outline import StoredSites, outline_of
from scripts.scorers.scorecard import World
from scripts.scorers.truth.earth import Earth, read_earth
from scripts.states.pair_counts import read_homes
from scripts.states.tiles import read_grid
from scripts.tables import published, read_json, to_json_bytes

_OF_TILES = ("fidelity_cells", "fidelity_points", "people_width", "tile_index", "tile_population")
_OF_WORLD = frozenset({"facts", "fidelity_cells", "fidelity_points"})
_OF_EARTH = frozenset(
    {
        *("tile_index", "tile_population", "tile_weights", "tile_policy"),
        *("places", "density", "people_width"),
    }
)
# Files by what they are for, path and digest.
Known = tuple[tuple[str, str, str], ...]
_OF_SNAPSHOT = {
    "facts": FACTS,
    "places": PLACES,
    "density": OUTLET_DENSITY,
}


class Measurements:
    """Measures scorecards in processes of their own, while other checks go on."""

    def __init__(self, asked: Iterable[tuple[View, int, View | None]]):
        """Begin to measure these runs, seeds and baselines."""
        self._pool = ProcessPoolExecutor(min(cores(), 4))
        self._begun: dict[tuple[int, Known], Future[dict[str, Any]]] = {}
        for view, seed, baseline in asked:
            # The check tells of what cannot be read, and measures what was not begun.
            with contextlib.suppress(BrokenProcessPool, *UNREADABLE):
                if known := _files(view, seed, baseline):
                    self._begun[seed, known] = self._pool.submit(_measured, seed, known)

    def __enter__(self) -> Measurements:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def of(self, seed: int, known: Known) -> dict[str, Any]:
        """The part of a scorecard that decides a grade; made here where a process was killed."""
        begun = self._begun.get((seed, known))
        if begun is not None:
            with contextlib.suppress(BrokenProcessPool):
                return begun.result()
        return _measured(seed, known)


def scorecard_is_measured_on_its_sites(
    view: View, seed: int, baseline: View | None, measurements: Measurements
) -> Iterator[str]:
    """The scorecard says what the sites measure; ``baseline`` None is for the baseline itself."""
    known = _files(view, seed, baseline)
    if not known:
        view.skipped.add("scorecards: measured again with runs root, tree and reference at hand")
        return
    card, sites = view.record("segment1b_scorecard", seed=seed), _paths(known)["sites"]
    for key, wanted in sorted(measurements.of(seed, known).items()):
        for what, stated, measured in _differences(key, card[key], wanted):
            yield from same(card.path, what, stated, measured, sites)
            break


def _files(view: View, seed: int, baseline: View | None) -> Known:
    """What a scorecard is measured on; nothing where not all of it is at hand."""
    snapshot = None
    if view.root is not None and view.tree is not None:
        receipt = view.record("run_receipt", seed=seed)
        snapshot = view.snapshot(receipt)
    if view.tree is None or snapshot is None:
        return ()
    files = {
        "sites": view.path("site_locations", seed=seed),
        "summary": view.path("validation_summary_1B", seed=seed),
        "tile_weights": view.path("tile_weights"),
        "gates": view.tree / GATES_FILE,
        "tile_policy": view.policy_of(receipt, "policy.s1.tile_index"),
        "s2_policy": view.policy_of(receipt, "policy.s2.tile_weights"),
        "catalogue": view.path("outlet_catalogue", run_id=receipt["upstream_run_id"], seed=seed),
    }
    files |= {name: snapshot / file for name, file in _OF_SNAPSHOT.items()}
    files |= {name: view.path(name, tiles_id=receipt["tiles_id"]) for name in _OF_TILES}
    if baseline is not None:
        files["baseline_sites"] = baseline.path("site_locations", seed=seed)
    return tuple((name, str(path), view.digest(path)) for name, path in sorted(files.items()))


def _paths(known: Known) -> dict[str, str]:
    """Path of each file by what it is for."""
    return {name: path for name, path, _ in known}


# The digests are part of what is asked, so that only the same files have the same answer.
@functools.lru_cache(maxsize=32)
def _measured(seed: int, known: Known) -> dict[str, Any]:
    """The part of a scorecard that decides a grade, from files by name, path and digest."""
    files = _paths(known)
    settings = load_gates(files["gates"])
    sites = StoredSites(files["sites"])
    world, points = _world(tuple(file for file in known if file[0] in _OF_WORLD))
    baseline = files.get("baseline_sites")
    outline = outline_of(sites, seed, points, settings["reference_sites"])
    score, _, _ = scorecard.graded(
        outline,
        scorecard.home_of(outline.merchant, read_homes(files["catalogue"]), files["catalogue"]),
        world,
        points,
        settings,
        seed,
        None if baseline is None else StoredSites(baseline),
    )
    again = {
        **scorecard.basis(settings, files["s2_policy"], read_json(files["summary"])),
        **score,
    }
    if baseline is not None:
        earth = _earth(tuple(file for file in known if file[0] in _OF_EARTH))
        again["truth"] = scorecard.truth_of(sites, earth, seed)
    found: dict[str, Any] = json.loads(to_json_bytes(published(again)))
    return found


@functools.lru_cache(maxsize=2)
def _world(known: Known) -> tuple[World, Points]:
    """Countries and points of the snapshot, which seeds share."""
    files = _paths(known)
    cells = scorecard.read_cells(files["fidelity_cells"])
    return scorecard.world_of(load_facts(files["facts"]), cells), read_points(
        files["fidelity_points"]
    )


@functools.lru_cache(maxsize=1)
def _earth(known: Known) -> Earth:
    """What the tests of truth hold a map against, which seeds share."""
    files = _paths(known)
    return read_earth(
        files["tile_index"],
        files["tile_population"],
        files["tile_weights"],
        files["places"],
        files["density"],
        files["people_width"],
        read_grid(files["tile_policy"]),
    )


def _differences(trail: str, stated: Any, measured: Any) -> Iterator[tuple[str, Any, Any]]:
    """Leaves that differ: where they are, what is stated, what was measured."""
    if isinstance(stated, Mapping) and isinstance(measured, Mapping):
        for key in sorted({*stated, *measured}):
            yield from _differences(f"{trail}.{key}", stated.get(key), measured.get(key))
    elif isinstance(stated, list) and isinstance(measured, list) and len(stated) == len(measured):
        for at, pair in enumerate(zip(stated, measured, strict=True)):
            yield from _differences(f"{trail}[{at}]", *pair)
    elif stated != measured:
        yield trail, stated, measured
