"""What reaches a terminal is text, and nothing that commands it."""

from __future__ import annotations

import pytest

from mongoshot.comparison.printable import one_line, printable


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
        ("a\u2028b", r"a\u2028b"),
        ("\udcff", r"\udcff"),
    ],
)
def test_what_commands_a_terminal_is_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_name_stays_within_its_line() -> None:
    assert one_line("two\nlines\x1b[2J") == r"two\nlines\x1b[2J"
