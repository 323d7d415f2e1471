"""What is written for a person at a terminal."""

from __future__ import annotations

from mongoshot.cli.options import count_text, size_text, table


def test_a_table_is_aligned_by_what_is_seen() -> None:
    rows = [("日本", 1, "x"), ("a\x1b", 1000, "longer")]
    assert table(("name", "count", "end"), rows).splitlines() == [
        "name   count  end",
        "日本       1  x",
        r"a\x1b   1000  longer",
    ]


def test_numbers_for_a_person() -> None:
    assert [size_text(size) for size in (0, 999, 1000, 1_500_000, 2 * 10**9)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "1.5 MB",
        "2.0 GB",
    ]
    assert [count_text(count, "file") for count in (0, 1, 1234)] == [
        "0 files",
        "1 file",
        "1,234 files",
    ]
