import re
from pathlib import Path

import pytest
import yaml
from mkdocs.commands.build import build
from mkdocs.config import load_config

from scripts.contracts import datasets, state_datasets
from scripts.docs import reference
from scripts.docs.graph import makers_and_readers, whole_graph
from scripts.docs.hook import on_page_markdown
from scripts.policies import load_schema
from scripts.states import CHAIN

ROOT = Path(__file__).resolve().parents[2]


def leaves(document, trail=""):
    for key, value in document.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{trail}{key}.")
        else:
            yield f"{trail}{key}"


@pytest.fixture(scope="module")
def page():
    return reference.policies_page([])


def test_every_policy_file_has_a_schema():
    found = {path for files in reference.policy_files().values() for path in files}
    folder = ROOT / "config/layer1"
    assert set(folder.rglob("policy.*.yaml")) <= found


def test_every_key_of_every_policy_is_on_the_page(page):
    for files in reference.policy_files().values():
        for path in files:
            if path.name == "config.yaml":
                continue
            for dotted in leaves(yaml.safe_load(path.read_text(encoding="utf-8"))):
                # A free mapping is one key: its entries are data.
                parts = dotted.split(".")
                heads = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
                marks = [*(f"### `{head}`" for head in heads), f"### `{dotted}."]
                assert any(mark in page for mark in marks), (path.name, dotted)


def test_keys_of_states_say_their_effect():
    for name in ("policy.s2.tile_weights", "policy.s4.alloc_plan", "policy.s6.jitter"):
        schema = load_schema(name)
        for dotted, entry in reference.keys(schema, schema):
            if dotted != "policy_version":
                assert entry.get("description"), (name, dotted)
                assert entry.get("x-effect"), (name, dotted)


@pytest.fixture(scope="module")
def made():
    """Rules that make each dataset."""
    return {name: makers for name, (makers, _) in makers_and_readers(whole_graph()).items()}


@pytest.mark.slow
def test_states_make_what_lies_in_their_folders(made):
    states = {name for name, rules in made.items() if not set(CHAIN[:-1]).isdisjoint(rules)}
    assert states == set(state_datasets())


@pytest.mark.slow
def test_a_dataset_is_made_by_one_rule_or_by_a_command(made):
    several = {name: rules for name, rules in made.items() if len(rules) > 1}
    assert all(set(rules) == {"generate_1a", "ingest_1a"} for rules in several.values()), several
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "scripts").rglob("*.py")]
    for name in (name for name, rules in made.items() if not rules):
        file = datasets()[name].path.rsplit("/", 1)[-1]
        assert any(f'"{name}"' in text or file in text for text in texts), f"nothing makes {name}"


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "number", "minimum": 0, "maximum": 1}, "number, 0 to 1"),
        ({"type": "number", "exclusiveMinimum": 0}, "number, above 0"),
        ({"type": "integer", "minimum": 2}, "integer, at least 2"),
        ({"enum": ["a", "b"]}, "`a`, `b`"),
        ({"type": "boolean"}, "boolean"),
        ({"type": "string", "pattern": "^x$"}, "string like `^x$`"),
    ],
)
def test_ranges_read_well(schema, text):
    assert reference.range_of(schema) == text


def test_references_are_resolved_and_outer_keys_win():
    root = {"$defs": {"share": {"type": "number", "description": "inner"}}}
    entry = {"$ref": "#/$defs/share", "description": "outer"}
    assert reference.resolve(entry, root) == {"type": "number", "description": "outer"}


def test_links_out_of_the_site_become_text():
    text = "see [`gates`](../config/gates.yaml) and [here](metrics.md)"
    assert on_page_markdown(text) == "see `gates` and [here](metrics.md)"


@pytest.mark.slow
def test_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=True))
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 15
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'<(?:script|img|iframe)[^>]+src="https?:', text), path
        assert not re.search(r'<link[^>]+rel="stylesheet"[^>]+href="https?:', text), path
    policies = (tmp_path / "site/reference/policies.html").read_text(encoding="utf-8")
    assert "outlets.company.km" in policies
    assert re.search(
        r"policy.s9.validation.yaml</code> reruns [^.]*<code>s9_validation</code>", policies
    )
    made = (tmp_path / "site/reference/datasets.html").read_text(encoding="utf-8")
    assert "Made by <code>s8_site_locations</code>; read by" in made
