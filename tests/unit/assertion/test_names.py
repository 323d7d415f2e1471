from __future__ import annotations

import pytest

from mongoshot.assertion.names import stem_of


@pytest.mark.parametrize(
    ("test", "index", "stem"),
    [
        ("test_paying", 0, "test_paying"),
        ("test_paying", 1, "test_paying.1"),
        ("test_paying", "1", "test_paying[1]"),
        (
            "TestShop.TestCart.test_paying[card-5.00]",
            2,
            "TestShop.TestCart.test_paying[card-5.00].2",
        ),
        ("test_paying[card]", "the orders", "test_paying[card][the orders]"),
        ("test_paying[a/b:c]", 0, "test_paying[a%2Fb%3Ac]"),
        (r"test_paying[\xe9]", 0, "test_paying[%5Cxe9]"),
        ("test_paying[100%]", 0, "test_paying[100%25]"),
        ("test_paying[a][b]", 0, "test_paying[a%5D[b]"),
        ("test_paying[..]", 0, "test_paying[..]"),
        ("test_paying[\x00\n]", 0, "test_paying[%00%0A]"),
        ("test_оплата", 0, "test_оплата"),
        ("test_paying[é]", 0, "test_paying[%C3%A9]"),
        ("con", 0, "con%"),
        ("Aux.test_it", 0, "Aux%.test_it"),
        ("contest", 0, "contest"),
        (".hidden", 0, "%2Ehidden"),
    ],
)
def test_a_name_can_be_read(test: str, index: int | str, stem: str) -> None:
    assert stem_of(test, index) == stem


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("test_it[a]", "test_it[A]"),
        ("test_it", "test_IT"),
        (f"test_it[{'x' * 300}]", f"test_it[{'x' * 301}]"),
        (f"test_it[{'é' * 300}]", f"test_it[{'é' * 301}]"),
        ("test_it[\ud800]", "test_it[\ud801]"),
    ],
)
def test_names_differ_where_case_does_not_count_and_length_is_short(one: str, other: str) -> None:
    stems = {stem_of(one, index).lower() for index in (0, "x" * 300, "X" * 300)}
    stems |= {stem_of(other, index).lower() for index in (0, "x" * 300, "X" * 300)}
    assert len(stems) == 6
    assert all(len(f"{stem}.json".encode()) <= 255 for stem in stems)
