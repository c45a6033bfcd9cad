"""How every knob moves every gate: each turned down and up by itself, the map made and measured.

Policies of one world are turned in one process (:mod:`scripts.search.chain`). The table says for
each knob and step which sites it moved and by how much the margin of each gate changed, as a share
of its threshold. Floors, caps, targets, budgets and guards act beyond a value alone: each has the
values, downwards and upwards, at which it begins to move a site of any seed. Advice on a failed
gate is read from the table.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts.contracts import dataset_path
from scripts.cores import cores
from scripts.errors import ConfigError, StateError
from scripts.geo.metrics import Sites
from scripts.geo.snapshot import COUNTRIES, FACTS, OUTLET_DENSITY, PLACES
from scripts.policies import load_policy
from scripts.records.code_digest import code_digest
from scripts.scorers.gates import GATES_FILE, Row, evaluate, load_gates
from scripts.scorers.margins import chosen, relative_margin
from scripts.search.chain import Density, Files, assigned, densities, guarded, placed, required
from scripts.search.evaluate import World, card_of, check_policies, read_world
from scripts.search.knobs import Knob, knobs_of, turned
from scripts.search.policy import STATES, Policies
from scripts.settings import Settings
from scripts.states.pairs import Pairs
from scripts.states.s5_site_tile_assignment import Assignment
from scripts.tables import published, write_json

Json = Mapping[str, Any]
HALVINGS = 12


@dataclass(frozen=True)
class Made:
    """What some policies made.

    ``pairs`` of the measured seed and of the others, ``assignment`` the tile of every site of the
    measured one, ``margins`` of its gates.
    """

    policies: Policies
    density: Density
    pairs: tuple[Pairs, ...]
    assignment: Assignment
    sites: Sites
    margins: Mapping[str, float | None]


def pairs_of(
    world: World, policies: Policies, base: Made | None
) -> tuple[Density, tuple[Pairs, ...]]:
    """S2 to the guard of S4; weights of tiles are made again where their law was turned alone."""
    s2 = policies["s2"]
    if base is None or s2["tile_density"] != base.policies["s2"]["tile_density"]:
        density = densities(world.fixed, s2)
    elif s2["country_mass"] == base.policies["s2"]["country_mass"]:
        density = base.density
    else:
        density = densities(world.fixed, s2, base.density.weights)
    pairs = tuple(
        guarded(required(merchants, density, s2), merchants, density, policies)
        for merchants in world.merchants
    )
    return density, pairs


def moved_pairs(before: Pairs, after: Pairs) -> float:
    """Share of sites that are in another country of their merchant."""
    width = max(before.country.max(), after.country.max()) + 1
    keys = [pairs.merchant * width + pairs.country for pairs in (before, after)]
    _, at = np.unique(np.concatenate(keys), return_inverse=True)
    change = np.bincount(at, weights=np.concatenate([before.n_sites, -after.n_sites]))
    return float(np.abs(change).sum() / 2.0 / before.total)


def same(density: Density, pairs: Pairs, base: Made) -> bool:
    """Whether weights of tiles, and counts of outlets of the measured seed, are the base's."""
    weights = np.array_equal(density.weights.value, base.density.weights.value)
    return weights and moved_pairs(base.pairs[0], pairs) == 0.0


def gate_margins(rows: Iterable[Row]) -> dict[str, float | None]:
    """Least relative margin of every gate of B+ and A that one seed alone decides, S9 apart."""
    found: dict[str, float | None] = {}
    for row in (*chosen(rows, "BPLUS"), *chosen(rows, "A")):
        if row["family"] in ("structural", "validation", "stability"):
            continue
        name, margin = row["gate"].removesuffix("_interval"), relative_margin(row)
        before = found.get(name, margin)
        found[name] = None if margin is None or before is None else min(before, margin)
    return found


def make(world: World, policies: Policies, base: Made | None = None) -> Made:
    """S2 to S7 and the gates; what is as in the base is not made again."""
    check_policies(policies)
    density, pairs = pairs_of(world, policies, base)
    measured = world.merchants[0]
    if base is not None and same(density, pairs[0], base) and policies["s4"] == base.policies["s4"]:
        assignment = base.assignment
    else:
        assignment = assigned(world.fixed, measured, density, policies)
    sites = placed(world.fixed, measured.seed, assignment, policies["s6"])
    card = card_of(world, measured, sites, density, policies)
    margins = gate_margins(evaluate([card], world.settings)["rows"])
    return Made(policies, density, pairs, assignment, sites, margins)


def moved_share(before: Sites, after: Sites) -> float:
    """Share of sites that stand elsewhere; of all when their number differs."""
    if len(before.lon) != len(after.lon):
        return 1.0
    return float(np.mean((before.lon != after.lon) | (before.lat != after.lat)))


def effect(world: World, base: Made, knob: Knob, value: float) -> Json:
    """What turning a knob to a value does, or which rule refuses it."""
    try:
        tried = turned(base.policies, knob, value)
        check_policies(tried)
        if knob.decides_countries:
            _, pairs = pairs_of(world, tried, base)
            shares = [moved_pairs(*pair) for pair in zip(base.pairs, pairs, strict=True)]
            if shares[0] == 0.0:
                seeds = [str(merchants.seed) for merchants in world.merchants[1:]]
                elsewhere = {s: n for s, n in zip(seeds, shares[1:], strict=True) if n > 0.0}
                more = {"elsewhere": elsewhere} if elsewhere else {}
                return {"value": value, "moved": 0.0, "margins": {}, **more}
        made = make(world, tried, base)
    except (ConfigError, StateError) as error:
        return {"value": value, "refused": f"{error.code} {error.rule}"}
    changes = {
        gate: published(after - before)
        for gate, after in made.margins.items()
        if (before := base.margins[gate]) is not None and after is not None and after != before
    }
    return {"value": value, "moved": moved_share(base.sites, made.sites), "margins": changes}


def begins_at(
    changes: Callable[[float], bool | None], value: float, end: float, halvings: int = HALVINGS
) -> float | None:
    """Value nearest to the one in force, towards an end, that changes something; None for none.

    ``changes`` says None of a value that is refused; the last that is not then is the end. Between
    whole numbers only whole numbers are tried.
    """

    def halfway(a: float, b: float) -> float:
        return (a + b) // 2 if isinstance(value, int) else (a + b) / 2.0

    if value == end:
        return None
    allowed, refused = (value, end) if changes(end) is None else (end, end)
    for _ in range(halvings):
        if allowed == refused or (allowed != value and changes(allowed)):
            break
        middle = halfway(allowed, refused)
        allowed, refused = (allowed, middle) if changes(middle) is None else (middle, refused)
    end = allowed
    if not changes(end):
        return None
    still, moving = value, end
    for _ in range(halvings):
        middle = halfway(still, moving)
        still, moving = (still, middle) if changes(middle) else (middle, moving)
    return moving if isinstance(value, int) else round(moving, 6)


def onset(world: World, base: Made, knob: Knob) -> dict[str, float | None]:
    """Where a knob begins to move a site, downwards and upwards.

    Sites of any seed where the knob decides countries, of the measured one else.
    """

    def changes(value: float) -> bool | None:
        if not knob.decides_countries:
            found = effect(world, base, knob, value)
            return None if "refused" in found else found["moved"] > 0.0
        tried = turned(base.policies, knob, value)
        try:
            check_policies(tried)
            _, pairs = pairs_of(world, tried, base)
        except (ConfigError, StateError):
            return None
        return any(moved_pairs(*pair) > 0.0 for pair in zip(base.pairs, pairs, strict=True))

    return {"down": begins_at(changes, knob.value, knob.low),
            "up": begins_at(changes, knob.value, knob.high)}  # fmt: skip


def entry_of(world: World, base: Made, knob: Knob) -> dict[str, Any]:
    """A knob's entry in the table."""
    steps = [effect(world, base, knob, value) for value in knob.steps]
    entry: dict[str, Any] = {
        "state": knob.state.upper(),
        "knob": knob.key,
        "value": knob.value,
        "steps": steps,
    }
    idle = not any(step.get("moved") for step in steps)
    if (knob.decides_countries or idle) and not isinstance(knob.value, bool):
        entry["begins_at"] = onset(world, base, knob)
    return entry


def measure(
    world: World, policies: Policies, tell: Callable[[str], None], only: Iterable[str] = ()
) -> dict[str, Any]:
    """The table of a world: gate margins of its first seed, and what each knob does to them.

    Knobs are turned in copies of this process, one for each processor; ``only`` names some of them.
    """
    base = make(world, policies)
    wanted = set(only)
    knobs = [knob for knob in knobs_of(policies) if not wanted or knob.key in wanted]
    entries = []
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(
        max_workers=cores(), mp_context=context, initializer=_hold, initargs=(world, base)
    ) as pool:
        for entry in pool.map(_entry_of_held, knobs):
            entries.append(entry)
            tell(f"{len(entries)} of {len(knobs)}: {entry['state']} {entry['knob']}")
    seeds = [merchants.seed for merchants in world.merchants]
    measured = {"seed": seeds[0], "seeds": sorted(seeds), "margins": base.margins}
    return {**measured, "knobs": entries}


# What the copies of a measuring process turn knobs of; a forked process has it without a copy.
_held: list[Any] = []


def _hold(world: World, base: Made) -> None:
    _held[:] = [world, base]


def _entry_of_held(knob: Knob) -> dict[str, Any]:
    world, base = _held
    return entry_of(world, base, knob)


def candidate_world(settings: Settings, seed: int) -> World:
    """The world of the candidate's finished run, this seed first (``EC18``: it has none of it)."""
    root, snapshot = Path(settings.runs_root), settings.snapshot
    run, baseline = (
        settings.run_named(name) for name in (settings.candidate, settings.baseline_posture)
    )

    def of(name: str, **tokens: object) -> str:
        path = dataset_path(root, name, **tokens)
        if not path.is_file():
            raise ConfigError("EC18", path, f"is not there for seed {seed}", "snakemake certify")
        return path.as_posix()

    tiles, world = {"tiles_id": run.tiles_id}, {"run_id": run.upstream_id, "seed": seed}
    files = Files(
        tile_index=of("tile_index", **tiles),
        tile_population=of("tile_population", **tiles),
        countries=str(snapshot / COUNTRIES),
        facts=str(snapshot / FACTS),
        places=str(snapshot / PLACES),
        near_urban=of("near_urban_cells", **tiles),
        density=str(snapshot / OUTLET_DENSITY),
        cells=of("fidelity_cells", **tiles),
        points=of("fidelity_points", **tiles),
        width=of("people_width", **tiles),
        tile_policy=run.posture.policies["s1_tile_index"],
        s5_policy=run.posture.policies["s5"],
    )
    upstream = {seed: (of("outlet_catalogue", **world), of("s3_candidate_set", **world))}
    sites = of("site_locations", run_id=baseline.run_id, seed=seed)
    for other in settings.seeds:
        tokens = {"run_id": run.upstream_id, "seed": other}
        names = ("outlet_catalogue", "s3_candidate_set")
        catalogue, offered = (dataset_path(root, name, **tokens) for name in names)
        if other != seed and catalogue.is_file() and offered.is_file():
            upstream[other] = (str(catalogue), str(offered))
    return read_world(files, upstream, {seed: sites}, load_gates(GATES_FILE))


def policies_of(settings: Settings) -> Policies:
    """Policies of S2, S4 and S6 of the candidate."""
    files = settings.run_named(settings.candidate).posture.policies
    return {state: dict(load_policy(files[state])) for state in STATES}


def versions() -> dict[str, str]:
    """Digests of the laws that a table was measured under."""
    laws = ("states.s2_tile_weights", "states.s4_alloc_plan", "states.s6_site_jitter")
    return {law: code_digest(law) for law in laws}


def write_table(path: Path, settings: Settings, seed: int, tell: Callable[[str], None]) -> None:
    """Measure the candidate's world and write the table."""
    table = measure(candidate_world(settings, seed), policies_of(settings), tell)
    write_json(path, {"measured_under": versions(), **table})
