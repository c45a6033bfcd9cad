import copy
import os
from pathlib import Path

import pytest
import yaml

from scripts.errors import ConfigError
from scripts.policies import check_policy, load_policy, parse_text, parse_yaml, validate

POLICY_DIR = Path("config/layer1/1B/policy")
ALL_POLICIES = sorted(Path("config/layer1").glob("*/policy/*.yaml"))
S2 = POLICY_DIR / "policy.s2.tile_weights.yaml"


@pytest.mark.parametrize("path", ALL_POLICIES, ids=lambda p: p.name)
def test_shipped_policies_obey_their_schema(path):
    assert load_policy(path)["policy_version"]


def edited(tmp_path, change, source=S2):
    policy = copy.deepcopy(parse_yaml(source))
    change(policy)
    path = tmp_path / source.name
    path.write_text(yaml.safe_dump(policy))
    return path


def refusal(path):
    with pytest.raises(ConfigError) as caught:
        load_policy(path)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    return line


def test_misspelt_key_is_named_with_the_nearest_one(tmp_path):
    def misspell(policy):
        policy["country_mass"]["country_cap_share_sofd"] = 0.02

    line = refusal(edited(tmp_path, misspell))
    assert line.startswith("EC10 ")
    assert "country_mass.country_cap_share_sofd" in line
    assert "'country_cap_share_soft'" in line


@pytest.mark.parametrize(
    ("key", "change"),
    [
        (
            "region_floor_share",
            lambda p: p["country_mass"]["region_floor_share"].update(Africa=0.6, Asia=0.6),
        ),
        ("country_mass.basis_mix", lambda p: p["country_mass"]["basis_mix"].update(uniform=0.9)),
        (
            "country_cap_share_soft",
            lambda p: p["country_mass"].update(country_cap_share_soft=0.5),
        ),
    ],
)
def test_relations_between_keys_are_checked(tmp_path, key, change):
    line = refusal(edited(tmp_path, change))
    assert line.startswith("EC11 ")
    assert key in line


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("activities", lambda p: p["activities"].append(p["activities"][0])),
        ("gdp_bucket_breaks_usd", lambda p: p["gdp_bucket_breaks_usd"].reverse()),
        ("hurdle.gdp_bucket", lambda p: p["hurdle"]["gdp_bucket"].pop()),
        ("openness.gdp_bucket", lambda p: p["openness"]["gdp_bucket"].append(0.1)),
        ("split.home_floor", lambda p: p["split"]["home_floor"].pop()),
        ("split.home_floor", lambda p: p["split"]["home_floor"].reverse()),
        ("candidates.count.minimum", lambda p: p["candidates"]["count"].update(minimum=15)),
    ],
)
def test_relations_between_keys_of_1a_are_checked(key, change):
    name = "policy.1a.generator"
    policy = copy.deepcopy(load_policy(f"config/layer1/1A/policy/{name}.reopened.yaml"))
    check_policy(policy, name, "mine.yaml")
    change(policy)
    with pytest.raises(ConfigError, match=f"EC11 mine.yaml: key '{key}'"):
        check_policy(policy, name, "mine.yaml")


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.update(dp=99),
        lambda p: p.update(dp="twelve"),
        lambda p: p.update(dp=12.0),
        lambda p: p.update(mode="blend_v3"),
        lambda p: p["steering"].update(max_moved_share=float("nan")),
        lambda p: p.pop("steering"),
    ],
)
def test_values_outside_their_range_are_refused(tmp_path, change):
    assert refusal(edited(tmp_path, change)).startswith("EC10 ")


@pytest.mark.parametrize(
    "text",
    [
        "a: &x 1\nb: *x\n",
        "a: 1\na: 2\n",
        "a: [1, 2\n",
        "!!python/object/apply:os.system [echo]\n",
        "a: !!float 2_5.0\n",
        "a: !!int 1:30\n",
        "a: !!str 5\n",
        "\x00\n",
    ],
)
def test_only_plain_yaml_is_read(tmp_path, text):
    path = tmp_path / "policy.s2.tile_weights.yaml"
    path.write_text(text)
    assert refusal(path).startswith("EC02 ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("[AD, NO, ON, Y]", ["AD", "NO", "ON", "Y"]),
        ("{NO: 1}", {"NO": 1}),
        ("true", True),
        ("False", False),
        ("~", None),
        ("2024-01-31", "2024-01-31"),
        ("'0742'", "0742"),
        ("742", 742),
        ("-7", -7),
        ("0", 0),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("-2.5E-3", -0.0025),
        ("1.2.3", "1.2.3"),
        ("{<<: 1}", {"<<": 1}),
    ],
)
def test_values_are_those_of_yaml_1_2(text, value):
    found = parse_text(text, "here")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text", ["0742", "-01", "08", "00.5", "0x1F", "0b1", "0o17", "1_000", "1_0.5", "1:30", "1:30.5"]
)
def test_numbers_that_others_read_otherwise_are_refused(text):
    with pytest.raises(ConfigError, match=rf"^EC02 here line 1: .*{text} is not a plain decimal"):
        parse_text(text, "here")


def test_the_item_that_stands_twice_is_named(tmp_path):
    path = tmp_path / "list.yaml"
    schema = {"properties": {"markets": {"uniqueItems": True}}}
    markets = [f"{a}{b}" for a in "ABCDEFGHIJ" for b in "ABCDEFGHIJ"]
    with pytest.raises(ConfigError, match=r"key 'markets': 'CD' stands twice"):
        validate({"markets": [*markets, "CD"]}, schema, path)
    schema = {"properties": {"markets": {"type": "string"}}}
    with pytest.raises(ConfigError, match=r"'AA', 'AB'.* \.\.\. .*is not of type 'string'"):
        validate({"markets": markets}, schema, path)
    schema = {"oneOf": [{"const": "all"}, {"items": {"pattern": "^[A-Z]{2}$"}, "type": "array"}]}
    with pytest.raises(ConfigError, match=r"key '100': 'usa' does not match"):
        validate([*markets, "usa"], schema, path)


def test_missing_file_is_named(tmp_path):
    assert refusal(tmp_path / "policy.s2.tile_weights.yaml").startswith("EC01 ")


def test_every_key_of_every_schema_is_described():
    def walk(schema, trail):
        for name, child in schema.get("properties", {}).items():
            resolved = child
            assert "description" in child or "$ref" in child, f"{trail}.{name}"
            walk(resolved, f"{trail}.{name}")

    for path in sorted(Path("config/schemas").glob("*.schema.yaml")):
        walk(yaml.safe_load(path.read_text()), path.name)


def test_a_policy_of_any_size_or_depth_or_a_pipe_is_refused(tmp_path):
    path = tmp_path / "policy.s5.deep.yaml"
    path.write_text("a: " + "[" * 100 + "]" * 100)
    with pytest.raises(ConfigError, match=r"^EC02 .*nested over 64 deep"):
        parse_yaml(path)
    with path.open("wb") as file:
        file.truncate(1 << 33)
    with pytest.raises(ConfigError, match=r"^EC01 .*over 1048576 bytes"):
        parse_yaml(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ConfigError, match=r"^EC01 .*no plain file"):
        parse_yaml(path)
