"""Reference pages: a page a policy, every configuration key, every dataset, every error.

Nothing here is written by hand: keys come from the JSON Schemas that the workflow validates with,
datasets from the contracts, rules from the graph of jobs, errors from the modules that raise them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from markdown.extensions.toc import slugify

from scripts import errors
from scripts.contracts import datasets
from scripts.docs.errors import raised
from scripts.docs.graph import Job, makers_and_readers, needed_by, reruns, states
from scripts.markdown_table import markdown_table
from scripts.policies import load_schema, parse_yaml

ROOT = Path(__file__).resolve().parents[2]
POLICY_FOLDERS = ("config", "config/layer1/1A/policy", "config/layer1/1B/policy")
Json = Mapping[str, Any]


def resolve(schema: Json, root: Json) -> dict[str, Any]:
    """A schema with its local reference replaced; keys beside the reference win."""
    if "$ref" not in schema:
        return dict(schema)
    target: Any = root
    for part in schema["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return {**resolve(target, root), **{k: v for k, v in schema.items() if k != "$ref"}}


def keys(schema: Json, root: Json, trail: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Dotted name and resolved schema of every leaf key, in the order of the schema."""
    for name, entry in schema.get("properties", {}).items():
        found = resolve(entry, root)
        # A unit or an effect holds for the keys below, unless they say otherwise.
        inherited = {k: schema[k] for k in ("x-unit", "x-effect") if k in schema}
        found = {**inherited, **found}
        dotted = f"{trail}{name}"
        if "properties" in found:
            yield from keys(found, root, f"{dotted}.")
        else:
            yield dotted, found


def range_of(schema: Json) -> str:
    """Values that a key may take, in words."""
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "any")
    kind = " or ".join(kind) if isinstance(kind, list) else str(kind)
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    left = "above " if "exclusiveMinimum" in schema else ""
    right = "below " if "exclusiveMaximum" in schema else ""
    if low is not None and high is not None:
        return f"{kind}, {left}{low} to {right}{high}"
    if low is not None:
        return f"{kind}, {left or 'at least '}{low}"
    if high is not None:
        return f"{kind}, {right or 'at most '}{high}"
    if "pattern" in schema:
        return f"{kind} like `{schema['pattern']}`"
    return kind


def value_of(document: Any, dotted: str) -> str:
    """A key's value as it stands in a document; empty where it is not."""
    for part in dotted.split("."):
        if not isinstance(document, Mapping) or part not in document:
            return ""
        document = document[part]
    text = json.dumps(document, ensure_ascii=False)
    return f"`{text}`" if len(text) <= 60 else f"`{text[:57]}...`"


def slug(heading: str) -> str:
    """Anchor of a heading on its page."""
    return str(slugify(heading, "-"))


def policy_files() -> dict[str, list[Path]]:
    """Shipped policy files by the name of their schema."""
    files: dict[str, list[Path]] = {}
    for folder in POLICY_FOLDERS:
        for path in sorted((ROOT / folder).glob("*.yaml")):
            parts = path.stem.split(".")
            for length in range(len(parts), 0, -1):
                name = ".".join(parts[:length])
                if (ROOT / f"config/schemas/{name}.schema.yaml").is_file():
                    files.setdefault(name, []).append(path)
                    break
    return files


def policy_names() -> dict[str, list[Path]]:
    """Shipped policy files by the name of their schema, without the configuration."""
    return {name: files for name, files in policy_files().items() if name != "config"}


def states_that_read(jobs: Sequence[Job], files: Sequence[Path]) -> list[str]:
    """States, from S0 to S9, whose rules name one of some files as an input."""
    names = {path.relative_to(ROOT).as_posix() for path in files}
    return states(job.rule for job in jobs if not names.isdisjoint(job.inputs))


def state_links(names: Iterable[str], up: str) -> str:
    """Links to the pages of states, from a page that lies ``up`` from the root of the site."""
    return ", ".join(f"[{name}]({up}states/{name.lower()}.md)" for name in names)


def policies_page(jobs: Sequence[Job]) -> str:
    """All policies: what each is for, which states read it, its files."""
    rows = [
        [
            f"[{name}](policies/{name}.md)",
            load_schema(name).get("title", ""),
            state_links(states_that_read(jobs, files), "../"),
            ", ".join(f"`{path.relative_to(ROOT).as_posix()}`" for path in files),
        ]
        for name, files in policy_names().items()
    ]
    return (
        "# Policies\n\nEverything that may be turned stands in these files. Each has a page with "
        "its keys, from the schema that refuses a wrong one.\n\n"
        + markdown_table(["policy", "of", "read by", "shipped files"], rows)
        + "\n"
    )


def policy_page(name: str, files: Sequence[Path], jobs: Sequence[Job]) -> str:
    """What an edit of a policy's files runs again, and every key: meaning, unit, range, effect."""
    schema = load_schema(name)
    parts = [f"# {schema.get('title', name)}"]
    law = state_links(states_that_read(jobs, files), "../../")
    parts.append(f"`{name}`{f', read by {law}' if law else ''}.")
    for file in (path.relative_to(ROOT).as_posix() for path in files):
        again = reruns(needed_by(jobs, "certify"), file)
        rerun = state_links(states(again), "../../")
        rules = ", ".join(f"`{rule}`" for rule in again)
        told = f"reruns {rerun}{': ' if rerun else ''}{rules}" if again else "reruns nothing"
        parts.append(f"An edit of `{file}` {told}{'' if again else ' of `certify`'}.")
    documents = {path: parse_yaml(path) for path in files}
    for dotted, entry in keys(schema, schema):
        lines = [f"## `{dotted}`", "", entry.get("description", "")]
        facts = [
            ("Range", range_of(entry)),
            ("Unit", entry.get("x-unit", "")),
            ("Effect", entry.get("x-effect", "")),
        ]
        lines += ["", *(f"- {label}: {text}" for label, text in facts if text)]
        for path, document in documents.items():
            shown = value_of(document, dotted)
            if shown:
                lines.append(f"- `{path.name}`: {shown}")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def configuration_page() -> str:
    """Every key of ``config/config.yaml``."""
    schema = load_schema("config")
    document = parse_yaml(ROOT / "config/config.yaml")
    rows = [
        [f"`{dotted}`", entry.get("description", ""), range_of(entry), value_of(document, dotted)]
        for dotted, entry in keys(schema, schema)
    ]
    return (
        "# Configuration\n\nKeys of `config/config.yaml`; any of them can be given on the command "
        "line as `--config key=value`.\n\n"
        + markdown_table(["key", "meaning", "range", "shipped"], rows)
        + "\n"
    )


def datasets_page(jobs: Sequence[Job]) -> str:
    """Every dataset: path, rules that make and read it, keys, and the columns of the tables."""
    rules = makers_and_readers(jobs)
    parts = [
        "# Datasets",
        "Every file below `runs_root`, from `config/contracts.yaml`, with the rules that make and "
        "read it, from the graph of jobs. Nothing else is written there but logs.",
    ]
    for segment in ("1A", "1B"):
        parts.append(f"## Segment {segment}")
        for entry in datasets().values():
            if not entry.path.startswith(f"segment_{segment}/"):
                continue
            lines = [f"### {entry.id}", "", f"`{entry.path}`", ""]
            if entry.description:
                lines += [entry.description, ""]
            made, read = ([f"`{rule}`" for rule in side] for side in rules[entry.id])
            lines.append(f"Made by {', '.join(made) or 'a command'}")
            lines[-1] += f"; read by {', '.join(read)}." if read else "."
            if entry.keys:
                lines[-1] += f" Unique by {', '.join(f'`{key}`' for key in entry.keys)}."
            rows = [[f"`{c['name']}`", c["type"], c.get("description", "")] for c in entry.columns]
            if rows:
                lines += ["", markdown_table(["column", "type", "meaning"], rows)]
            parts.append("\n".join(lines))
    return "\n\n".join([*parts, *policies_read(jobs)]) + "\n"


def policies_read(jobs: Sequence[Job]) -> list[str]:
    """The policies as inputs of jobs: file, version, schema, and the rules that read it."""
    rows = []
    for name, files in policy_files().items():
        for path in files:
            file = path.relative_to(ROOT).as_posix()
            readers = dict.fromkeys(job.rule for job in jobs if file in job.inputs)
            if readers:
                version = value_of(parse_yaml(path), "policy_version")
                schema = f"`config/schemas/{name}.schema.yaml`"
                rows.append([f"`{file}`", version, schema, ", ".join(f"`{r}`" for r in readers)])
    said = "Inputs in git; a sealed release holds them to the byte. [Every key](policies.md)."
    return ["## Policies", said, markdown_table(["file", "version", "schema", "read by"], rows)]


def errors_page() -> str:
    """Every error code with what it says, from the modules that raise it."""
    rows = [[f"`{e.code}`", e.rule, e.remedy, f"`{e.module}`"] for e in raised()]
    said = str(errors.__doc__).strip().replace("``", "`")
    head = ["code", "rule that is broken", "what would be right", "module"]
    return (
        f"# Errors\n\n{said}\n\nWhat each code says; what is filled in stands in braces.\n\n"
        f"{markdown_table(head, rows)}\n"
    )


def pages(jobs: Sequence[Job]) -> dict[str, str]:
    """Generated pages by their address in the documentation, from the graph of jobs."""
    return {
        **{
            f"reference/policies/{name}.md": policy_page(name, files, jobs)
            for name, files in policy_names().items()
        },
        "reference/policies.md": policies_page(jobs),
        "reference/configuration.md": configuration_page(),
        "reference/datasets.md": datasets_page(jobs),
        "reference/errors.md": errors_page(),
    }
