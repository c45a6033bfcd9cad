"""The 1A policies and their schemas: every key described, bands that can only be narrowed."""

from pathlib import Path

import pytest

from scripts.errors import ConfigError
from scripts.policies import load_policy, load_schema
from tests.upstream_world import BANDS, POLICIES

SHIPPED = sorted(Path(BANDS).parent.glob("policy.1a.*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.name)
def test_shipped_policies_are_valid(path):
    assert load_policy(path)["policy_version"]


def resolved(node, schema):
    while "$ref" in node:
        own = {k: v for k, v in node.items() if k != "$ref"}
        target = schema
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = {**target, **own}
    return node


def leaves(node, schema, path=""):
    node = resolved(node, schema)
    yield path, node
    for key, child in node.get("properties", {}).items():
        yield from leaves(child, schema, f"{path}.{key}")
    if isinstance(node.get("items"), dict) and "properties" in node["items"]:
        yield from leaves(node["items"], schema, f"{path}[]")


@pytest.mark.parametrize("name", ["policy.1a.generator", "policy.1a.bands"])
def test_every_key_says_what_it_is_and_does(name):
    schema = load_schema(name)
    for path, node in leaves(schema, schema):
        if node.get("type") == "object":
            assert node.get("additionalProperties") is False, path
        if path and not path.endswith("[]"):
            assert node.get("description"), path
        leaf = "properties" not in node and node.get("items", {}).get("type") != "object"
        if leaf and path != ".policy_version" and "region_floor_share." not in path:
            for key in ("x-unit", "x-effect"):
                assert node.get(key), f"{path}: {key}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("B: [0.25, 0.45]", "B: [0.20, 0.45]"),
        ("B_plus: [8, 18]", "B_plus: [8, 19]"),
        ("single_site_share_min: 0.10", "single_site_share_min: 0.05"),
        ("B_pass_share_min: 0.70", "B_pass_share_min: 0.60"),
        ("concentration_max_regression: 0.01", "concentration_max_regression: 0.02"),
        ("tolerance_abs: 1.0e-12", "tolerance_abs: 0.01"),
    ],
)
def test_no_limit_can_be_loosened(tmp_path, before, after):
    text = Path(BANDS).read_text(encoding="utf-8")
    assert before in text
    path = tmp_path / "policy.1a.bands.yaml"
    path.write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_policy(path)
    assert caught.value.code == "EC10"


def test_a_misspelt_key_is_named_with_its_neighbour(tmp_path):
    text = Path(POLICIES.format("reopened")).read_text(encoding="utf-8")
    path = tmp_path / "policy.1a.generator.mine.yaml"
    path.write_text(text.replace("  body_sigma:", "  body_sigm:"), encoding="utf-8")
    with pytest.raises(ConfigError, match="did you mean 'body_sigma'"):
        load_policy(path)


def test_norway_is_a_country_and_not_a_no(tmp_path):
    path = Path(POLICIES.format("authority"))
    assert "NO" in load_policy(path)["home_prior"]["markets"]
    unquoted = tmp_path / path.name
    unquoted.write_text(path.read_text(encoding="utf-8").replace('"NO"', "NO"), encoding="utf-8")
    assert load_policy(unquoted) == load_policy(path)
