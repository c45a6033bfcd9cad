import re
from pathlib import Path

import pytest
import yaml
from markdown import markdown

from scripts.contracts import datasets, state_datasets
from scripts.docs import reference
from scripts.docs.graph import Job, makers_and_readers, whole_graph
from scripts.docs.hook import with_mathml, without_links_outside
from scripts.docs.page_tables import with_tables
from scripts.policies import load_schema
from scripts.scorers.gates import load_gates
from scripts.states import CHAIN

ROOT = Path(__file__).resolve().parents[2]
STATE_PAGES = sorted((ROOT / "docs/states").glob("s?.md"))
SECTIONS = ["Inputs", "Outputs", "Law", "Invariants", "Knobs", "Failure codes"]


def leaves(document, trail=""):
    for key, value in document.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{trail}{key}.")
        else:
            yield f"{trail}{key}"


def front_matter(path):
    return yaml.safe_load(path.read_text(encoding="utf-8").split("---")[1])


def test_every_policy_file_has_a_schema():
    found = {path for files in reference.policy_files().values() for path in files}
    folder = ROOT / "config/layer1"
    assert set(folder.rglob("policy.*.yaml")) <= found


def test_every_key_of_every_policy_is_on_its_page():
    for name, files in reference.policy_names().items():
        page = reference.policy_page(name, files, [])
        for path in files:
            for dotted in leaves(yaml.safe_load(path.read_text(encoding="utf-8"))):
                # A free mapping is one key: its entries are data.
                parts = dotted.split(".")
                heads = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
                marks = [*(f"## `{head}`" for head in heads), f"## `{dotted}."]
                assert any(mark in page for mark in marks), (path.name, dotted)


def test_a_policy_page_names_the_states_that_read_it_and_what_an_edit_reruns():
    file = "config/layer1/1B/policy/policy.s6.jitter.yaml"
    jobs = [
        Job("s5_site_tile_assignment", ("a",), ("b",)),
        Job("s6_site_jitter", ("b", file), ("c",)),
        Job("s7_site_synthesis", ("c",), ("d",)),
        Job("certify", ("d",), ()),
    ]
    page = reference.policy_page("policy.s6.jitter", [ROOT / file], jobs)
    assert "read by [S6](../../states/s6.md)." in page
    again = "[S6](../../states/s6.md), [S7](../../states/s7.md): `s6_site_jitter`, `s7_site_synth"
    assert f"An edit of `{file}` reruns {again}" in page
    assert "- `policy.s6.jitter.yaml`: `0.5`" in page.split("## `towns.open_share`")[1]


def test_the_datasets_page_lists_policies_with_version_schema_and_readers():
    file = "config/layer1/1B/policy/policy.s4.alloc_plan.yaml"
    jobs = [Job("s4_guard", (file, "runs/a"), ("runs/b",)), Job("s9", (file,), ())]
    *_, rows = reference.policies_read(jobs)
    assert rows.splitlines()[2:] == [
        f'| `{file}` | `"2.0.0"` | `config/schemas/policy.s4.alloc_plan.schema.yaml` '
        "| `s4_guard`, `s9` |"
    ]


def test_keys_of_states_say_their_effect():
    for name in ("policy.s2.tile_weights", "policy.s4.alloc_plan", "policy.s6.jitter"):
        schema = load_schema(name)
        for dotted, entry in reference.keys(schema, schema):
            if dotted != "policy_version":
                assert entry.get("description"), (name, dotted)
                assert entry.get("x-effect"), (name, dotted)


def test_every_state_has_a_page():
    rules = {rule for path in STATE_PAGES for rule in front_matter(path)["rules"]}
    assert [path.stem for path in STATE_PAGES] == [f"s{number}" for number in range(10)]
    assert rules == {*CHAIN, "s9_passed_flag"}


@pytest.mark.parametrize("path", STATE_PAGES, ids=lambda path: path.stem)
def test_a_state_page_has_every_section(path):
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert "**Decides**" in text


def test_every_knob_of_a_state_is_on_a_state_page():
    told = {}
    for path in STATE_PAGES:
        for name, wanted in front_matter(path).get("knobs", {}).items():
            told.setdefault(name, set()).update(wanted)
    for name in reference.policy_names():
        if name.startswith("policy.s"):
            assert told[name] == {*load_schema(name)["properties"]} - {"policy_version"}


def test_names_in_formulae_are_keys_of_the_state_s_policies():
    for path in STATE_PAGES:
        known = {"tile_id", "manifest_fingerprint", "sd"}
        for name in front_matter(path).get("knobs", {}):
            schema = load_schema(name)
            for dotted, _ in reference.keys(schema, schema):
                parts = dotted.split(".")
                known.update(".".join(parts[n:]) for n in range(len(parts)))
        named = set(re.findall(r"\\texttt{([^}]+)}", path.read_text(encoding="utf-8")))
        assert named <= known, (path.name, named - known)


def test_tables_of_a_state_come_from_graph_contracts_schemas_and_modules():
    policy = "config/layer1/1B/policy/policy.s5.assignment.yaml"
    plan, assignment = (
        f"segment_1B/{'0' * 32}/seed=1/{name}/1-of-1.parquet"
        for name in ("s4_alloc_plan", "s5_site_tile_assignment")
    )
    jobs = [
        Job("s4_alloc_plan", (), (plan,)),
        Job("s5_site_tile_assignment", (plan, policy, "resources/reference/x.csv"), (assignment,)),
        Job("s6_site_jitter", (assignment,), ()),
    ]
    meta = front_matter(ROOT / "docs/states/s5.md")
    page = with_tables(
        "<!-- inputs -->\n\n<!-- outputs -->\n\n<!-- knobs -->\n\n<!-- codes -->", meta, jobs
    )
    inputs, outputs, knobs, codes = page.split("\n\n")
    assert "[s4_alloc_plan](../reference/datasets.md#s4_alloc_plan) | `s4_alloc_plan` |" in inputs
    assert "resources/reference/x.csv" in inputs
    assert "policy.s5.assignment.md" in inputs
    assert "`merchant_id`, `legal_country_iso`, `site_order`" in outputs
    assert "`s6_site_jitter` |" in outputs
    assert "| [`namespace`]" in knobs
    assert [code in codes for code in ("E501", "E503", "E509", "E6")] == [True, True, True, False]


def test_tables_of_gates_are_those_that_judge():
    page = with_tables("<!-- gates -->\n\n<!-- truth -->", {}, [])
    assert "| `country_gini` | <= 0.68 | <= 0.6 | yes |" in page
    assert "| T10 |" in page


def test_published_baseline_of_the_page_is_that_of_the_gates():
    rows = re.findall(
        r"^\| ([^|]+) \| ([\d.]+) \| [\d.]+(?: to [\d.]+)? \|",
        (ROOT / "docs/authority.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    published = load_gates(ROOT / "config/gates.yaml")["published_baseline"]
    assert [float(value) for _, value in rows] == pytest.approx(list(published.values()), rel=0.01)


def rows_of(page, heading):
    """First cells of the first table behind a heading or head of a page."""
    text = (ROOT / page).read_text(encoding="utf-8").split(heading, 1)[1]
    table = re.search(r"\|[\s-]+\|.*\n((?:\|.*\n)+)", text)[1]
    return [line.split("|")[1].strip() for line in table.splitlines()]


def test_the_glossary_is_short():
    assert len(rows_of("docs/glossary.md", "# Glossary")) <= 15


def test_columns_and_certificate_on_the_page_of_sites_are_those_of_the_contracts():
    named = re.findall(r"`(\w+)`", " ".join(rows_of("docs/sites.md", "site_locations.parquet`:")))
    assert named == [column["name"] for column in datasets()["site_locations"].columns]
    text = (ROOT / "docs/sites.md").read_text(encoding="utf-8").split("## Read the certificate")[1]
    told = {
        name
        for line in re.findall(r"^- (.+):", text, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", line.split(":")[0])
    }
    assert told
    assert told <= set(datasets()["segment1b_p5_certification"].schema["properties"])


def test_formulae_become_mathml():
    page = with_mathml(
        r'<p>a <span class="arithmatex">\(x &lt; \texttt{a_b}\)</span></p>'
        '<div class="arithmatex">\\[\n\\frac{1}{2}\n\\]</div>'
    )
    assert page.count("<math") == 2
    assert "arithmatex" not in page
    assert "a_b" in page
    assert "<mo>&#x0003C;</mo>" in page
    assert '<div class="formula"><math' in page
    assert "<mfrac>" in page


@pytest.mark.parametrize("path", sorted((ROOT / "docs/states").glob("*.md")), ids=lambda p: p.stem)
def test_every_formula_of_a_state_is_understood(path):
    extension = {"pymdownx.arithmatex": {"generic": True}}
    text = path.read_text(encoding="utf-8")
    made = markdown(text, extensions=list(extension), extension_configs=extension)
    shown = re.findall(r"<math.*?</math>", with_mathml(made), re.DOTALL)
    assert len(shown) == made.count('class="arithmatex"')
    assert not [one for one in shown if "\\" in one]


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
    assert without_links_outside(text) == "see `gates` and [here](metrics.md)"
