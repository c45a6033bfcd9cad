"""The configuration as the rules use it: normalised, validated, with every run named.

Values from the command line arrive as text; whole numbers are read as such once, here, before the
schema sees them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.errors import ConfigError
from scripts.policies import load_policy, load_schema, parse_yaml, validate
from scripts.records.identity import run_id

CONFIG_FILE = "config/config.yaml"
SHIPPED_POSTURES = Path("config/postures")
WITNESS = "witness"
TILE_POLICIES = ("s1_tile_index", "s1_population")
_TEXTS = (*("candidate", "posture", "baseline_posture", "runs_root", "reference", "postures"),)
_PATHS = ("runs_root", "reference", "postures")
_NAME_MAX = 255


@dataclass(frozen=True)
class Posture:
    """Policy files of one kind of run."""

    name: str
    upstream_policy: str
    policies: Mapping[str, str]


@dataclass(frozen=True)
class Run:
    """One run of segment 1B: its name, posture and folder, and the runs and tiles it stands on."""

    name: str
    posture: Posture
    run_id: str
    upstream_id: str
    tiles_id: str


@dataclass(frozen=True)
class Upstream:
    """One run of segment 1A: its producer, and the policy of a builtin one."""

    run_id: str
    kind: str
    policy: str


@dataclass(frozen=True)
class TileSet:
    """What the states of S1 make for all runs with the same policies of S1, and these by key."""

    tiles_id: str
    policies: Mapping[str, str]


@dataclass(frozen=True)
class Settings:
    """Validated configuration."""

    runs_root: str
    reference: str
    seeds: tuple[int, ...]
    candidate: str
    baseline_posture: str
    upstream_kind: str
    external_root: str
    merchants_total: int
    groups: int
    polygons_path: str
    polygons_iso_column: str
    population_raster: str
    population_totals: str
    population_uncovered: str
    reference_python: str
    reference_admin1: str
    reference_update: bool
    export_format: str
    required_seeds: tuple[int, ...]
    minimum_grade: str
    release: bool
    postures: Mapping[str, Posture]
    runs: Mapping[str, Run]
    upstreams: Mapping[str, Upstream]
    tile_sets: Mapping[str, TileSet]

    @property
    def authority_id(self) -> str:
        """Run id of the frozen 1A authority, which the baseline posture stands on."""
        return run_id("1A", upstream_name(self.postures[self.baseline_posture].upstream_policy))

    def run_of(self, identity: str) -> Run:
        """The run of a run id (``EC07`` when the configuration names no such run)."""
        try:
            return self.runs[identity]
        except KeyError:
            names = ", ".join(sorted({run.name for run in self.runs.values()}))
            raise ConfigError(
                "EC07", identity, "is no run_id of this configuration", f"runs: {names}"
            ) from None

    def run_named(self, name: str) -> Run:
        """The run of a name."""
        return self.runs[run_id("1B", name)]

    @property
    def kept_runs(self) -> list[str]:
        """Run ids that retention keeps whatever the records say: candidate and baseline."""
        return sorted({self.run_named(n).run_id for n in (self.candidate, self.baseline_posture)})


def _whole(value: Any) -> Any:
    """A text of digits as an integer, ``true`` and ``false`` as booleans, else unchanged."""
    if isinstance(value, str):
        text = value.strip()
        if text.lstrip("-").isdecimal() and text.isascii():
            return int(text)
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
    return value


def normalise(config: Mapping[str, Any]) -> dict[str, Any]:
    """Configuration with numbers as numbers and seeds as a sorted list.

    Raises
    ------
    ConfigError
        ``EC03`` for a seed that is not an integer.
    """
    plain = {
        key: {k: _whole(v) for k, v in value.items()} if isinstance(value, Mapping) else value
        for key, value in config.items()
    }
    plain["seeds"] = _seeds(plain.get("seeds"), "seeds")
    certification = plain.get("certification")
    if isinstance(certification, dict) and "required_seeds" in certification:
        certification["required_seeds"] = _seeds(
            certification["required_seeds"], "certification.required_seeds"
        )
    for key in _TEXTS:
        if key in plain and not isinstance(plain[key], str):
            plain[key] = str(plain[key])
    if "groups" in plain:
        plain["groups"] = _whole(plain["groups"])
    return plain


def _seeds(value: Any, key: str) -> Any:
    if isinstance(value, str):
        value = [part for part in value.strip("[]() ").split(",") if part.strip()]
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    seeds = []
    for item in value:
        number = _whole(item)
        if isinstance(number, bool) or not isinstance(number, int):
            raise ConfigError(
                "EC03", CONFIG_FILE, f"key {key!r}: {item!r} is not an integer", "seeds=[42,7]"
            )
        seeds.append(number)
    return sorted(seeds)


def _check_paths(plain: Mapping[str, Any]) -> None:
    """Refuse what can be the name of no file (``EC16``): a NUL, or a part of over 255 bytes."""
    named = {key: plain.get(key, "") for key in _PATHS}
    named["upstream.external_root"] = plain["upstream"]["external_root"]
    named["reference_build.admin1"] = plain["reference_build"]["admin1"]
    for key, value in named.items():
        parts = value.encode("utf-8", "surrogatepass").split(b"/")
        if "\0" in value or max(map(len, parts)) > _NAME_MAX:
            raise ConfigError(
                "EC16", CONFIG_FILE, f"key {key!r} can be no path", f"parts of {_NAME_MAX} bytes"
            )


def _posture_names(folder: Path) -> list[str]:
    """Names of the postures of a folder and of the shipped ones."""
    return sorted({path.stem for f in (folder, SHIPPED_POSTURES) for path in f.glob("*.yaml")})


def load_posture(name: str, folder: Path) -> Posture:
    """Read and validate a posture of a folder, or the shipped one of that name.

    Raises
    ------
    ConfigError
        ``EC04`` unknown posture; ``EC05`` a policy of another state; ``EC10`` a bad key.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        path = SHIPPED_POSTURES / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(_posture_names(folder))
        raise ConfigError("EC04", CONFIG_FILE, f"posture {name!r} is unknown", f"one of {known}")
    entry = parse_yaml(path)
    validate(entry, load_schema("posture"), path)
    if entry["posture"] != name:
        raise ConfigError("EC04", path, f"key 'posture' says {entry['posture']!r}", repr(name))
    for key, policy in entry["policies"].items():
        expected = f"policy.{key.split('_')[0]}."
        if not Path(policy).name.startswith(expected):
            raise ConfigError("EC05", path, f"policies.{key} is {policy}", f"{expected}*.yaml")
    return Posture(name, entry["upstream_policy"], entry["policies"])


def upstream_name(policy: str) -> str:
    """Name of an upstream run: the variant of its policy file (authority, reopened, ...)."""
    return Path(policy).name.split(".")[-2]


def load_settings(config: Mapping[str, Any]) -> Settings:
    """Validate the configuration, all postures that take part, and name the runs.

    Raises
    ------
    ConfigError
        Names the file, the key, the rule and the remedy.
    """
    plain = normalise(config)
    validate(plain, load_schema("config"), CONFIG_FILE)
    _check_paths(plain)
    upstream, certification = plain["upstream"], plain["certification"]
    if upstream["kind"] == "external" and not upstream["external_root"]:
        raise ConfigError(
            "EC06", CONFIG_FILE, "key 'upstream.external_root' is empty", "the folder of your 1A"
        )
    for key, file in (
        ("polygons.path", plain["polygons"]["path"]),
        ("population.raster", plain["population"]["raster"]),
    ):
        if file and not Path(file).is_file():
            raise ConfigError("EC17", CONFIG_FILE, f"key {key!r}: no file {file}", "a file")
    postures_dir = Path(plain["postures"])
    wanted = {plain["posture"], plain["baseline_posture"], *_posture_names(postures_dir)}
    postures = {name: load_posture(name, postures_dir) for name in sorted(wanted)}

    for policy in sorted(
        {p for x in postures.values() for p in (x.upstream_policy, *x.policies.values())}
    ):
        load_policy(policy)

    upstreams: dict[str, Upstream] = {}
    runs: dict[str, Run] = {}
    tile_sets: dict[str, TileSet] = {}
    # What tiles follow from beside the policies, by name: changed content runs again in place.
    earth = (plain["reference"], plain["polygons"]["path"], plain["population"]["raster"])

    def add(name: str, posture: Posture, kind: str) -> None:
        base = "external" if kind == "external" else upstream_name(posture.upstream_policy)
        upstream_id = run_id("1A", base)
        policy = posture.upstream_policy
        upstreams.setdefault(upstream_id, Upstream(upstream_id, kind, policy))
        for lineage in ("", WITNESS):
            identity = run_id("1B", name, lineage)
            policies = {key: posture.policies[key] for key in TILE_POLICIES}
            tiles_id = run_id("tiles", "\0".join((*policies.values(), *earth)), lineage)
            tile_sets.setdefault(tiles_id, TileSet(tiles_id, policies))
            runs[identity] = Run(name, posture, identity, upstream_id, tiles_id)

    for name, posture in postures.items():
        add(name, posture, "builtin")
    candidate = plain["candidate"] or plain["posture"]
    if candidate in postures and candidate != plain["posture"]:
        raise ConfigError(
            "EC08",
            CONFIG_FILE,
            f"candidate {candidate!r} has the name of another posture than {plain['posture']!r}",
            "another name",
        )
    add(candidate, postures[plain["posture"]], upstream["kind"])
    return Settings(
        runs_root=plain["runs_root"].rstrip("/"),
        reference=plain["reference"].rstrip("/"),
        seeds=tuple(plain["seeds"]),
        candidate=candidate,
        baseline_posture=plain["baseline_posture"],
        upstream_kind=upstream["kind"],
        external_root=upstream["external_root"],
        merchants_total=upstream["merchants_total"],
        groups=plain.get("groups", 1),
        polygons_path=plain["polygons"]["path"],
        polygons_iso_column=plain["polygons"]["iso_column"],
        population_raster=plain["population"]["raster"],
        population_totals=plain["population"]["totals"],
        population_uncovered=plain["population"]["uncovered"],
        reference_python=plain["reference_build"]["python"],
        reference_admin1=plain["reference_build"]["admin1"],
        reference_update=plain["reference_build"]["update"],
        export_format=plain["format"],
        required_seeds=tuple(certification["required_seeds"]),
        minimum_grade=certification["minimum_grade"],
        release=certification["release"],
        postures=postures,
        runs=runs,
        upstreams=upstreams,
        tile_sets=tile_sets,
    )
