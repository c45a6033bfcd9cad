"""The configuration as the rules use it: normalised, validated, with every run named.

Files and values of the command line are read here, by one strict reader of YAML: what Snakemake
reads of them itself guesses (``0601`` is 601 to it).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scripts.errors import ConfigError
from scripts.overwriting import json_of, require_replaceable
from scripts.policies import load_policy, load_schema, parse_text, parse_yaml, validate
from scripts.records.identity import run_id
from scripts.root_lock import OWN_REFERENCE

CONFIG_FILE = "config/config.yaml"
SHIPPED_POSTURES = Path("config/postures")
WITNESS = "witness"
# Starts of the file names of policies whose keys do not say them.
POLICY_NAMES = {
    "upstream_policy": "policy.1a.generator.",
    "s1_tile_index": "policy.s1.tile_index.",
    "s1_population": "policy.s1.population.",
}
TILE_POLICIES = ("s1_tile_index", "s1_population")
PATHS_IN_BLOCKS = {
    "upstream": ("external_root",),
    "polygons": ("path",),
    "population": ("raster",),
    "reference_build": ("python", "admin1"),
}
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

    @property
    def policies(self) -> dict[str, str]:
        """Policy files by key, ``upstream`` among them where a policy made the 1A."""
        upstream = self.posture.upstream_policy
        return {**({"upstream": upstream} if upstream else {}), **self.posture.policies}


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
    verdict_json: str
    repin: bool
    required_seeds: tuple[int, ...]
    minimum_grade: str
    release: bool
    postures: Mapping[str, Posture]
    runs: Mapping[str, Run]
    upstreams: Mapping[str, Upstream]
    tile_sets: Mapping[str, TileSet]

    @property
    def policy_files(self) -> list[str]:
        """Policy files of all postures that take part."""
        return sorted(
            {p for x in self.postures.values() for p in (x.upstream_policy, *x.policies.values())}
        )

    @property
    def snapshot(self) -> Path:
        """Folder of the reference snapshot in force: the shipped one, or that on own polygons."""
        own = Path(self.runs_root, OWN_REFERENCE)
        return own if self.polygons_path else Path(self.reference)

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


def command_line(values: Iterable[str]) -> dict[str, Any]:
    """The configuration that ``--config`` gives.

    Raises
    ------
    ConfigError
        ``EC02`` for a value that is not plain YAML, ``EC03`` for a part that is no ``KEY=VALUE``.
    """
    config: dict[str, Any] = {}
    for item in values:
        key, equals, text = item.partition("=")
        if not key or not equals:
            raise ConfigError("EC03", "--config", f"{item!r} is no KEY=VALUE", "seeds=[42,7]")
        config = merged(config, {key: parse_text(text, f"--config {key}") if text else ""})
    return config


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with another on top of it, mapping by mapping, as Snakemake does it."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result


def read_configuration(files: Iterable[str | Path], values: Iterable[str]) -> dict[str, Any]:
    """``config/config.yaml`` with files and values of the command line on top, not yet validated.

    Raises
    ------
    ConfigError
        ``EC01`` to ``EC03``; ``EC10`` for a file that is no mapping.
    """
    config: dict[str, Any] = {}
    for file in (CONFIG_FILE, *files):
        document = parse_yaml(file)
        validate(document, {"type": "object", "description": "keys of config/config.yaml"}, file)
        config = merged(config, document)
    return merged(config, command_line(values))


def normalise(config: Mapping[str, Any]) -> dict[str, Any]:
    """Configuration with seeds as sorted lists.

    Raises
    ------
    ConfigError
        ``EC03`` for a seed that is not an integer.
    """
    plain = dict(config)
    plain["seeds"] = _seeds(plain.get("seeds"), "seeds")
    certification = plain.get("certification")
    if isinstance(certification, Mapping) and "required_seeds" in certification:
        key = "certification.required_seeds"
        seeds = _seeds(certification["required_seeds"], key)
        plain["certification"] = {**certification, "required_seeds": seeds}
    return plain


def _seeds(value: Any, key: str) -> Any:
    """Seeds of a list, of one number, or of a text such as ``42,7``."""
    if isinstance(value, str):
        value = [part for part in value.strip("[]() ").split(",") if part.strip()]
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    seeds = []
    for item in value:
        where = f"{CONFIG_FILE} key {key!r}"
        number = parse_text(item, where) if isinstance(item, str) else item
        if isinstance(number, bool) or not isinstance(number, int):
            raise ConfigError(
                "EC03", CONFIG_FILE, f"key {key!r}: {item!r} is not an integer", "seeds=[42,7]"
            )
        seeds.append(number)
    return sorted(seeds)


def _check_paths(plain: Mapping[str, Any]) -> None:
    """Refuse paths that no rule can name, and sources that are not there.

    Raises
    ------
    ConfigError
        ``EC16`` a NUL or line break, a brace, or a part of over 255 bytes; ``EC17`` no such file or
        folder; ``EC21`` a runs root that is a file, below one, or holds the workflow; ``EC22`` a
        ``verdict_json`` that stands and is no verdict.
    """
    upstream, build = plain["upstream"], plain["reference_build"]
    external = upstream["external_root"] if upstream["kind"] == "external" else ""
    folders = {
        "postures": plain["postures"],
        "reference": plain["reference"],
        "upstream.external_root": external,
    }
    files = {
        "polygons.path": plain["polygons"]["path"],
        "population.raster": plain["population"]["raster"],
    }
    others = {
        "runs_root": plain["runs_root"],
        "upstream.external_root": upstream["external_root"],
        "reference_build.python": build["python"],
        "reference_build.admin1": build["admin1"],
    }
    for key, value in [*folders.items(), *files.items(), *others.items()]:
        parts = value.encode("utf-8", "surrogatepass").split(b"/")
        if set(value) & set("\0\n{}") or max(map(len, parts)) > _NAME_MAX:
            raise ConfigError(
                "EC16",
                CONFIG_FILE,
                f"key {key!r}: {value[:80]!r} can be no path",
                f"no braces, parts of at most {_NAME_MAX} bytes",
            )
    for kind, named in (("folder", folders), ("file", files)):
        for key, value in named.items():
            there = Path(value).is_dir() if kind == "folder" else Path(value).is_file()
            if value and not there:
                raise ConfigError(
                    "EC17", CONFIG_FILE, f"key {key!r}: no {kind} {value}", f"a {kind}"
                )
    root = Path(plain["runs_root"])
    for path in (root, *root.parents):
        if path.exists() and not path.is_dir():
            raise ConfigError(
                "EC21", CONFIG_FILE, f"key 'runs_root': {path} is no folder", "a folder of its own"
            )
    if (root / "Snakefile").exists():
        raise ConfigError(
            "EC21", CONFIG_FILE, f"key 'runs_root': {root} holds a workflow", "a folder of its own"
        )
    if plain.get("verdict_json"):
        require_replaceable(plain["verdict_json"], "verdict_json", "verdict", _is_verdict)


def _without_dots(plain: dict[str, Any]) -> dict[str, Any]:
    """The configuration with every path in one form: no ``./``, double or last slash."""

    def short(path: str) -> str:
        return Path(path).as_posix() if path else ""

    named = {key: short(plain[key]) for key in ("runs_root", "reference", "postures")}
    blocks = {
        block: {**plain[block], **{key: short(plain[block][key]) for key in keys}}
        for block, keys in PATHS_IN_BLOCKS.items()
    }
    return {**plain, **named, **blocks}


def _is_verdict(content: bytes) -> bool:
    """Whether a file is what ``verdict_json`` names: verdicts, one a target."""
    found = json_of(content)
    return isinstance(found, list) and all(
        isinstance(entry, Mapping) and "target" in entry for entry in found
    )


def require_sources(paths: Iterable[str]) -> None:
    """Refuse a source, a file that no rule makes, that is not there (``EC19``)."""
    for path in paths:
        if not Path(path).is_file():
            raise ConfigError("EC19", path, "is not there", "the file, or the name of another")


def _posture_names(folder: Path) -> list[str]:
    """Names of the postures of a folder and of the shipped ones."""
    return sorted({path.stem for f in (folder, SHIPPED_POSTURES) for path in f.glob("*.yaml")})


def load_posture(name: str, folder: Path) -> Posture:
    """Read and validate a posture of a folder, or the shipped one of that name.

    Raises
    ------
    ConfigError
        ``EC04`` unknown posture; ``EC05`` a policy of another kind; ``EC10`` a bad key.
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
    policies = {"upstream_policy": entry["upstream_policy"], **entry["policies"]}
    for key, policy in policies.items():
        expected = POLICY_NAMES.get(key, f"policy.{key}.")
        if not Path(policy).name.startswith(expected):
            raise ConfigError("EC05", path, f"key {key!r} is {policy}", f"{expected}*.yaml")
    plain = {key: Path(policy).as_posix() for key, policy in policies.items()}
    return Posture(name, plain.pop("upstream_policy"), plain)


def upstream_name(policy: str) -> str:
    """Name of an upstream run: the variant of its policy file (authority, reopened, ...)."""
    return Path(policy).name.split(".")[-2]


def load_settings(config: Mapping[str, Any], with_policies: bool = True) -> Settings:
    """Validate the configuration, all postures that take part, and name the runs.

    Parameters
    ----------
    config
        Content of ``config/config.yaml`` and what overrides it.
    with_policies
        Whether the policies of the postures are validated, too.

    Raises
    ------
    ConfigError
        Names the file, the key, the rule and the remedy.
    """
    plain = normalise(config)
    validate(plain, load_schema("config"), CONFIG_FILE)
    _check_paths(plain)
    plain = _without_dots(plain)
    upstream, certification = plain["upstream"], plain["certification"]
    if upstream["kind"] == "external" and not upstream["external_root"]:
        raise ConfigError(
            "EC06", CONFIG_FILE, "key 'upstream.external_root' is empty", "the folder of your 1A"
        )
    postures_dir = Path(plain["postures"])
    wanted = {plain["posture"], plain["baseline_posture"], *_posture_names(postures_dir)}
    postures = {name: load_posture(name, postures_dir) for name in sorted(wanted)}

    for policy in sorted(
        {p for x in postures.values() for p in (x.upstream_policy, *x.policies.values())}
        if with_policies
        else ()
    ):
        load_policy(policy)

    upstreams: dict[str, Upstream] = {}
    runs: dict[str, Run] = {}
    tile_sets: dict[str, TileSet] = {}
    # What tiles follow from beside the policies, by name: changed content runs again in place.
    earth = (plain["reference"], plain["polygons"]["path"], plain["population"]["raster"])

    def add(name: str, posture: Posture, kind: str) -> None:
        base = "external" if kind == "external" else upstream_name(posture.upstream_policy)
        if kind == "external":
            posture = replace(posture, upstream_policy="")
        world = Upstream(run_id("1A", base), kind, posture.upstream_policy)
        known = upstreams.setdefault(world.run_id, world)
        if known != world:
            raise ConfigError(
                "EC09",
                posture.upstream_policy or "upstream.kind external",
                f"has the name {base!r}, as has {known.policy}",
                "a policy.1a.generator.NAME.yaml of another NAME",
            )
        for lineage in ("", WITNESS):
            identity = run_id("1B", name, lineage)
            policies = {key: posture.policies[key] for key in TILE_POLICIES}
            tiles_id = run_id("tiles", "\0".join((*policies.values(), *earth)), lineage)
            tile_sets.setdefault(tiles_id, TileSet(tiles_id, policies))
            runs[identity] = Run(name, posture, identity, world.run_id, tiles_id)

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
    if candidate == plain["baseline_posture"] and upstream["kind"] == "external":
        raise ConfigError(
            "EC08",
            CONFIG_FILE,
            f"candidate {candidate!r} is the baseline, which an external 1A would replace",
            "another posture, or another candidate",
        )
    add(candidate, postures[plain["posture"]], upstream["kind"])
    return Settings(
        runs_root=plain["runs_root"],
        reference=plain["reference"],
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
        verdict_json=plain.get("verdict_json", ""),
        repin=plain.get("repin", "") == plain["baseline_posture"],
        required_seeds=tuple(certification["required_seeds"]),
        minimum_grade=certification["minimum_grade"],
        release=certification["release"],
        postures=postures,
        runs=runs,
        upstreams=upstreams,
        tile_sets=tile_sets,
    )
