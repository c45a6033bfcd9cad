"""Policy files: YAML held against a JSON Schema that gives every key a unit, a range and an effect.

YAML is read by the core schema of its version 1.2, for files and for values of the command line
alike: ``NO`` is a text, a date is a text. What other readers take for another number (``0742``,
``1_000``, ``1:30``, ``0x1F``) is refused.

``policy.s2.tile_weights.legacy.yaml`` is held against ``policy.s2.tile_weights.schema.yaml`` in
``config/schemas``: the name up to the third dot says which.
"""

from __future__ import annotations

import difflib
import functools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from scripts.errors import ConfigError
from scripts.tables import DEEPEST, read_bytes

SCHEMAS_DIR = Path(__file__).resolve().parents[1] / "config" / "schemas"
_MAX_BYTES = 1 << 20


# The C library reads ten times as fast as Python, and need not be there.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _StrictLoader(_Loader):  # type: ignore[misc]
    """Safe YAML 1.2 without doubtful numbers, and duplicate or other than text keys."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        tag = super().resolve(kind, value, implicit)
        if kind is not yaml.ScalarNode or not implicit[0]:
            return tag
        # What is left of version 1.1: booleans of five spellings, times, merge keys.
        if tag not in _CORE or (tag == _BOOL and value.lower() not in ("true", "false")):
            tag = _TEXT
        if _NUMBER.fullmatch(value):
            return _INTEGER if value.lstrip("+-").isdecimal() else _FLOAT
        return _DOUBTFUL if tag == _INTEGER or _NO_NUMBER.fullmatch(value) else tag

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            problem = f"key {str(key)[:40]!r} stands twice" if key in seen else ""
            if not isinstance(key, str):
                problem = f"key {str(key)[:40]} is no text: quote it"
            if problem:
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def refuse_number(self, node: Any) -> Any:
        """A number that is read in more than one way."""
        raise yaml.MarkedYAMLError(
            problem=f"{node.value[:40]} is not a plain decimal number: write one or quote the text",
            problem_mark=node.start_mark,
        )


_TEXT, _BOOL, _INTEGER, _FLOAT = (f"tag:yaml.org,2002:{x}" for x in ("str", "bool", "int", "float"))
_CORE = (_TEXT, _BOOL, _INTEGER, _FLOAT, "tag:yaml.org,2002:null")
_DOUBTFUL = "!doubtful"
_NUMBER = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?(0[0-9_]+(\.[0-9]*)?|0o[0-7]+|[0-9][0-9_:]*\.[0-9_]*)")
_StrictLoader.add_constructor(_DOUBTFUL, _StrictLoader.refuse_number)


def _load(text: str) -> Any:
    """Value of a YAML text without aliases, nested no deeper than any of ours."""
    depth = 0
    # Before it is composed: the C library composes by recursion that nothing bounds.
    event: Any
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        problem = f"nested over {DEEPEST} deep" if depth > DEEPEST else ""
        if isinstance(event, yaml.AliasEvent):
            problem = "aliases are not allowed"
        elif getattr(event, "tag", None) is not None:
            problem = f"tags such as {event.tag} are not allowed"
        if problem:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
    return yaml.load(text, Loader=_StrictLoader)


def parse_yaml(path: str | Path) -> Any:
    """Parse a YAML file that a user may have edited.

    Raises
    ------
    ConfigError
        ``EC01`` when it cannot be read, ``EC02`` when it is not plain YAML.
    """
    try:
        data = read_bytes(path, _MAX_BYTES)
    except OSError as error:
        raise ConfigError(
            "EC01", path, f"cannot be read ({error.strerror})", "a file that can be read"
        ) from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError("EC02", path, f"is not UTF-8: {error}", "valid YAML") from None
    return parse_text(text, path)


def parse_text(text: str, where: str | Path) -> Any:
    """Parse YAML that a user has written (``EC02``)."""
    try:
        return _load(text)
    # The YAML library lets slip what its constructors stumble over: !!bool x, !!timestamp x.
    except (
        *(yaml.YAMLError, ValueError, TypeError, RecursionError),
        *(LookupError, AttributeError, ArithmeticError),
    ) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where} line {mark.line + 1}" if mark else str(where)
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError("EC02", place, f"is not plain YAML: {problem}", "valid YAML") from None


@functools.cache
def load_schema(name: str) -> Mapping[str, Any]:
    """Parsed JSON Schema ``config/schemas/{name}.schema.yaml``."""
    path = SCHEMAS_DIR / f"{name}.schema.yaml"
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)


def _not_finite(value: Any, trail: str = "") -> str | None:
    """Key of the first number that is infinite or not a number."""
    if isinstance(value, float) and not math.isfinite(value):
        return trail
    children = value if isinstance(value, Mapping) else {}
    if isinstance(value, list):
        children = dict(enumerate(value))
    for key, child in children.items():
        found = _not_finite(child, f"{trail}.{key}" if trail else str(key))
        if found is not None:
            return found
    return None


@functools.cache
def _validator() -> Any:
    """Validator of JSON Schema to which 700.0 is no integer."""
    from jsonschema import Draft202012Validator, validators

    def is_integer(checker: Any, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", is_integer)
    return validators.extend(Draft202012Validator, type_checker=types)


def nearest(unknown: str, known: Iterable[str]) -> str:
    """Remedy for a name that is not known: the one that it is nearest to, or all."""
    names = sorted(known)
    close = difflib.get_close_matches(unknown, names, n=1)
    return f"did you mean {close[0]!r}" if close else f"one of {', '.join(names)}"


def validate(value: Any, schema: Mapping[str, Any], where: str | Path, code: str = "EC10") -> None:
    """Hold a parsed document against a JSON Schema; an error names the key and the remedy."""
    from jsonschema.exceptions import best_match

    key = _not_finite(value)
    if key is not None:
        raise ConfigError(code, where, f"key {key!r}: not a finite number", "a finite number")
    error = next(iter(sorted(_validator()(schema).iter_errors(value), key=_error_order)), None)
    if error is None:
        return
    if error.context:
        # Of alternatives, the one that comes nearest.
        error = best_match([error])
    key = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties" and isinstance(error.instance, Mapping):
        allowed = sorted(error.schema.get("properties", {}))
        unknown = sorted(str(k) for k in error.instance if k not in allowed)[0]
        full = f"{key}.{unknown}" if key else unknown
        raise ConfigError(code, where, f"key {full!r} is unknown", nearest(unknown, allowed))
    rule = " ".join(error.message.split())
    if error.validator == "uniqueItems":
        twice = next(x for i, x in enumerate(error.instance) if x in error.instance[:i])
        rule = f"{twice!r} stands twice"
    if len(rule) > 200:
        # The value comes first and the rule last.
        rule = f"{rule[:100]} ... {rule[-100:]}"
    remedy = error.schema.get("description", "") if isinstance(error.schema, Mapping) else ""
    if error.validator == "type" and error.validator_value == "string":
        remedy = f"a text, in quotes where it looks like a number; {remedy}"
    raise ConfigError(code, where, f"key {key or '(top)'!r}: {rule}", remedy)


def _error_order(error: Any) -> tuple[int, str]:
    return (0 if error.validator == "additionalProperties" else 1, str(error.message))


def schema_name(path: str | Path) -> str:
    """Schema of a policy file: its file name up to the third dot."""
    return ".".join(Path(path).name.split(".")[:3])


def load_policy(path: str | Path) -> Mapping[str, Any]:
    """Parse and validate one policy file (``EC01``, ``EC02``, ``EC10``, ``EC11``)."""
    policy = parse_yaml(path)
    name = schema_name(path)
    if not (SCHEMAS_DIR / f"{name}.schema.yaml").is_file():
        raise ConfigError(
            "EC10", path, f"no schema {name!r} for this file name", "its state's name"
        )
    check_policy(policy, name, path)
    return policy


def check_policy(policy: Any, name: str, where: str | Path) -> None:
    """Hold a policy against its schema and the rules between its keys (``EC10``, ``EC11``)."""
    validate(policy, load_schema(name), where)
    relations = _RELATIONS.get(name)
    for holds, key, rule, remedy in relations(policy) if relations else ():
        if not holds:
            raise ConfigError("EC11", where, f"key {key!r}: {rule}", remedy)


# Rules between keys, which a JSON Schema cannot say: (holds, key, rule, remedy).
Relations = Iterator[tuple[bool, str, str, str]]


def _of_jitter(policy: Mapping[str, Any]) -> Relations:
    if "towns" in policy:
        low, high = policy["towns"]["spread_min_km"], policy["towns"]["spread_max_km"]
        rule = f"{low} is above spread_max_km {high}"
        yield low <= high, "towns.spread_min_km", rule, "min at most max"


def _of_generator(policy: Mapping[str, Any]) -> Relations:
    codes = [activity["mcc"] for activity in policy["activities"]]
    yield len(set(codes)) == len(codes), "activities", "names an mcc twice", "each mcc once"
    breaks = policy["gdp_bucket_breaks_usd"]
    yield breaks == sorted(breaks), "gdp_bucket_breaks_usd", "falls", "rising limits"
    for law in ("hurdle", "openness"):
        found, buckets = len(policy[law]["gdp_bucket"]), len(breaks) + 1
        rule = f"{found} values for {buckets} buckets"
        yield found == buckets, f"{law}.gdp_bucket", rule, "one more than gdp_bucket_breaks_usd"
    tiers = policy["split"]["home_floor"]
    limits = [tier.get("max_outlets", math.inf) for tier in tiers]
    rising = all(low < high for low, high in pairwise(limits)) and math.isinf(limits[-1])
    rule = "is no list of rising max_outlets whose last tier has none"
    yield rising, "split.home_floor", rule, "rising tiers, the last one open"
    count = policy["candidates"]["count"]
    rule = f"{count['minimum']} is above maximum {count['maximum']}"
    yield (
        count["minimum"] <= count["maximum"],
        "candidates.count.minimum",
        rule,
        "minimum at most maximum",
    )


def _of_tile_weights(policy: Mapping[str, Any]) -> Relations:
    mass = policy["country_mass"]
    for key in ("tile_density", "country_mass"):
        total = sum(policy[key]["basis_mix"].values())
        yield abs(total - 1) < 1e-9, f"{key}.basis_mix", f"sums to {total:.6g}", "exactly 1"
    floors = sum(mass["region_floor_share"].values())
    yield (
        floors <= 1 + 1e-12,
        "country_mass.region_floor_share",
        f"sums to {floors:.6g}",
        "at most 1",
    )
    soft, hard = mass["country_cap_share_soft"], mass["country_cap_share_hard"]
    yield (
        soft <= hard,
        "country_mass.country_cap_share_soft",
        f"{soft} is above country_cap_share_hard {hard}",
        "soft at most hard",
    )


_RELATIONS: Mapping[str, Callable[[Mapping[str, Any]], Relations]] = {
    "policy.1a.generator": _of_generator,
    "policy.s2.tile_weights": _of_tile_weights,
    "policy.s6.jitter": _of_jitter,
}
