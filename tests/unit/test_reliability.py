"""The page of what mongoshot was put through is what runs have taken down, and nothing else."""

from __future__ import annotations

from tests.reliability import PAGE, ROOT, ROWS, load, render


def test_the_page_is_made_of_the_rows_of_runs() -> None:
    rows = load(ROWS)
    assert rows
    assert PAGE.read_text("utf-8") == render(rows), "type: make reliability"


def test_each_row_names_a_test_that_there_is() -> None:
    for row in load(ROWS):
        file, _, name = row.test.partition("::")
        assert f"def {name.partition('[')[0]}(" in (ROOT / file).read_text("utf-8") or not name
