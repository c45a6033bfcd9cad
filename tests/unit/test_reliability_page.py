"""The table of docs/reliability.md is that of the recorded results, and nothing in it was lost."""

from scripts.tables import read_json
from tests.torture.record import PAGE, REPOSITORY, with_table


def test_the_page_shows_the_recorded_results():
    text = PAGE.read_text(encoding="utf-8")
    assert with_table(text, read_json(REPOSITORY / "docs/reliability.json")) == text
