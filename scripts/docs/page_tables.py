"""Tables on pages that are written by hand: of a state, and of the gates.

A line such as ``<!-- inputs -->`` stands where a table belongs. The front matter of a state's page
names its rules, the policy keys that are its knobs and the family of its error codes::

    rules: [s4_guard, s4_alloc_plan]
    knobs: {policy.s4.alloc_plan: [outlets, reroute]}
    codes: E4

What the tables say comes from the graph of jobs, the contracts, the schemas, the modules that raise
and the code that judges.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from scripts.contracts import Dataset, datasets
from scripts.docs.errors import raised
from scripts.docs.graph import Job, datasets_of, makers_and_readers
from scripts.docs.reference import ROOT, keys, policy_names, range_of, slug, value_of
from scripts.markdown_table import markdown_table
from scripts.policies import load_schema, parse_yaml
from scripts.records.code_digest import modules_of
from scripts.scorers.gates import AT_MOST, GATED_GRADES, GATES, GATES_FILE, GRADE_NAMES, load_gates
from scripts.scorers.truth.judgement import TESTS, bounds_text

_MARKER = re.compile(r"^<!-- (inputs|outputs|knobs|codes|gates|truth) -->$", re.MULTILINE)
_SNAPSHOT = "resources/reference/"
# The snapshot made from a user's own polygons takes the place of the shipped one.
_OWN_SNAPSHOT = "own_reference"
Meta = Mapping[str, Any]


def _dataset(entry: Dataset) -> str:
    return f"[{entry.id}](../reference/datasets.md#{slug(entry.id)})"


def _rules(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def inputs(meta: Meta, jobs: Sequence[Job]) -> str:
    """Datasets, files of the snapshot and policies that the rules of a state read."""
    mine = [job for job in jobs if job.rule in meta["rules"]]
    made = datasets_of(path for job in mine for path in job.outputs)
    paths = list(dict.fromkeys(path for job in mine for path in job.inputs))
    makers = makers_and_readers(jobs)
    rows = [
        [_dataset(entry), _rules(makers[name][0]), entry.description]
        for name, entry in datasets().items()
        if name in datasets_of(paths) - made and not name.startswith(_OWN_SNAPSHOT)
    ]
    snapshot = [path for path in paths if path.startswith(_SNAPSHOT)]
    rows += [
        [f"`{path}`", "", "[reference snapshot](../reference-data.md)"] for path in sorted(snapshot)
    ]
    policies = [
        name
        for name, files in policy_names().items()
        if any(path.endswith(file.name) for file in files for path in paths)
    ]
    rows += [[f"[{name}](../reference/policies/{name}.md)", "", "policy"] for name in policies]
    return markdown_table(["input", "made by", "what it is"], rows)


def outputs(meta: Meta, jobs: Sequence[Job]) -> str:
    """Datasets that the rules of a state make, with their keys and who reads them."""
    made = datasets_of(path for job in jobs if job.rule in meta["rules"] for path in job.outputs)
    readers = makers_and_readers(jobs)
    rows = [
        [
            _dataset(entry),
            f"`{entry.path.removeprefix('segment_1B/')}`",
            ", ".join(f"`{key}`" for key in entry.keys),
            entry.description,
            _rules(readers[name][1]),
        ]
        for name, entry in datasets().items()
        if name in made
    ]
    head = ["output", "path below `segment_1B/`", "key", "what it is", "read by"]
    return markdown_table(head, rows)


def knobs(meta: Meta, jobs: Sequence[Job]) -> str:
    """Keys of the state's policies: shipped value, range, unit and effect."""
    rows = []
    for name, wanted in meta.get("knobs", {}).items():
        schema = load_schema(name)
        document = parse_yaml(next(f for f in policy_names()[name] if f.stem == name))
        for dotted, entry in keys(schema, schema):
            if dotted.split(".")[0] in wanted:
                page = f"../reference/policies/{name}.md#{slug(dotted)}"
                rows.append(
                    [
                        f"[`{dotted}`]({page})",
                        value_of(document, dotted),
                        range_of(entry),
                        entry.get("x-unit", ""),
                        entry.get("x-effect", ""),
                    ]
                )
    return markdown_table(["key", "shipped", "range", "unit", "effect"], rows)


def codes(meta: Meta, jobs: Sequence[Job]) -> str:
    """Errors of the state's family that its rules can raise."""
    modules = {name for rule in meta["rules"] for name in modules_of(f"scripts.states.{rule}")}
    rows = [
        [f"`{place.code}`", place.rule, place.remedy]
        for place in dict.fromkeys(raised())
        if place.code.startswith(meta["codes"]) and place.module in modules
    ]
    return markdown_table(["code", "what is broken", "what would be right"], rows)


def gates(meta: Meta, jobs: Sequence[Job]) -> str:
    """Graded metrics with their thresholds, as shipped."""
    settings = load_gates(ROOT / GATES_FILE)
    rows = []
    for gate in GATES:
        sign = "<=" if gate.direction == AT_MOST else ">="
        asked = [f"{sign} {settings['gates'][gate.metric][grade]:g}" for grade in GATED_GRADES]
        rows.append([f"`{gate.metric}`", *asked, "yes" if gate.interval else ""])
    stable = [f"<= {settings['stability_cv_max'][grade]:g}" for grade in GATED_GRADES]
    rows.append(["coefficient of variation across seeds", *stable, ""])
    names = [GRADE_NAMES[grade] for grade in GATED_GRADES]
    return markdown_table(["gate", *names, "95 % interval must hold, too"], rows)


def truth(meta: Meta, jobs: Sequence[Job]) -> str:
    """Tests of truth with the ranges that they accept."""
    rows = [[name, test.title, bounds_text(test.accepted)] for name, test in TESTS.items()]
    return markdown_table(["test", "of", "accepted"], rows)


_TABLES: Mapping[str, Callable[[Meta, Sequence[Job]], str]] = {
    "inputs": inputs,
    "outputs": outputs,
    "knobs": knobs,
    "codes": codes,
    "gates": gates,
    "truth": truth,
}


def with_tables(markdown: str, meta: Meta, jobs: Sequence[Job]) -> str:
    """A page with its tables in the place of their markers."""
    return _MARKER.sub(lambda marker: _TABLES[marker[1]](meta, jobs), markdown)
