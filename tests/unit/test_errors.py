"""Every error code has one meaning: one class, and one module that raises it."""

import re
from collections import defaultdict
from pathlib import Path

from scripts.docs.errors import raised
from scripts.docs.reference import errors_page

# Codes of a rule that several modules may find broken.
SHARED = {
    "EG26": "a table is not the one that was sealed",
    "EC03": "a value is not of its kind",
    "EC11": "a key breaks a rule of its own",
    "ER02": "no country code",
    "ER05": "a value out of range",
    "ER22": "a built snapshot is not as it should be",
    "EX03": "no such dataset",
    "EX10": "a column is missing, undeclared or of another type",
    "EX11": "a value breaks its column's rule",
    "EX20": "the operating system refuses",
}


def test_a_code_belongs_to_one_exception_class():
    classes = defaultdict(set)
    for place in raised():
        classes[place.code].add(place.kind)
    assert not {code: kinds for code, kinds in classes.items() if len(kinds) > 1}


def test_a_code_is_raised_by_one_module_unless_it_is_shared():
    modules = defaultdict(set)
    for place in raised():
        modules[place.code].add(place.module)
    assert {code for code, where in modules.items() if len(where) > 1} == set(SHARED)


def test_the_page_names_every_code_with_its_rule():
    page = errors_page()
    assert all(f"`{place.code}`" in page and place.rule for place in raised())
    texts = [path.read_text(encoding="utf-8") for path in Path("scripts").rglob("*.py")]
    named = {code for text in texts for code in re.findall(r'"(E[A-Z0-9]\d\d)"', text)}
    assert named <= {place.code for place in raised()}
    assert len({place.code for place in raised()}) > 150
