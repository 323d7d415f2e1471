"""What reaches a terminal is text, and nothing that commands it."""

from __future__ import annotations

import pytest

from mongoshot.cli.options import count_text, size_text, table
from mongoshot.cli.terminal import printable


@pytest.mark.parametrize("text", ["", "plain", "two\nlines", "é → … 日本語 😀", "a\u200db", "\xa0"])
def test_text_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("a\tb\rc", r"a\tb\rc"),
        ("\x00\x07\x7f\x9b", r"\x00\x07\x7f\x9b"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\udcff", r"\udcff"),
    ],
)
def test_what_commands_a_terminal_is_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown


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
