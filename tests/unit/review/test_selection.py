"""A name means the proposals that it says, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from mongoshot.errors import UsageError
from mongoshot.review.proposal import Proposal
from mongoshot.review.selection import select

ROOT = Path("/project")
PLACES = (
    ("tests/test_pay.py::test_card", "", "tests/__expectations__/test_pay/test_card.json"),
    ("tests/test_pay.py::test_card", "1", "tests/__expectations__/test_pay/test_card.1.json"),
    ("tests/test_pay.py::test_ids[a]", "", "tests/__expectations__/test_pay/test_ids[a].json"),
    ("tests/test_pay.py::test_ids[a/b*]", "", "tests/__expectations__/test_pay/x~12.json"),
    ("tests/api/test_pay.py::T::test_card", "", "tests/api/__expectations__/test_pay/T.json"),
    ("tests/test_pay.py::test_discard", "", "tests/__expectations__/test_pay/test_discard.json"),
)
ALL = [Proposal(*place, None, "shop", "", "") for place in PLACES]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("tests/test_pay.py::test_card", [0]),
        ("tests/test_pay.py::test_card#1", [1]),
        ("test_card#1", [1]),
        ("tests/__expectations__/test_pay/test_card.json", [0]),
        ("/project/tests/__expectations__/test_pay/test_card.json", [0]),
        ("test_card.1.json", [1]),
        ("__expectations__/test_pay/test_card.1.json", [1]),
        ("test_ids[a]", [2]),
        ("test_ids[a/b*]", [3]),
        ("T::test_card", [4]),
        ("api/test_pay.py::T::test_card", [4]),
        ("*::test_card", [0, 4]),
        ("*card", [0, 4, 5]),
        ("tests/test_pay.py::*", [0, 1, 2, 3, 5]),
        ("*test_ids[?]", [2]),
        ("*test_ids[*]*", [2, 3]),
        ("*", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_a_name_means(name: str, meant: list[int]) -> None:
    assert select([name], ALL, ROOT) == [ALL[at] for at in meant]


def test_names_add_up_in_the_order_of_the_list() -> None:
    assert select(["test_discard", "*card", "T::test_card"], ALL, ROOT) == [
        ALL[0],
        ALL[4],
        ALL[5],
    ]


def test_an_end_of_several_names_is_refused() -> None:
    message = (
        r"'test_card' is the end of 2 names: tests/test_pay.py::test_card,"
        r" tests/api/test_pay.py::T::test_card; write more of it, or \*test_card for all of them"
    )
    with pytest.raises(UsageError, match=message):
        select(["test_card"], ALL, ROOT)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("test_discrad", "; did you mean tests/test_pay.py::test_discard"),
        ("tests/test_pay.py::test_card#2", "; did you mean tests/test_pay.py::test_card"),
        ("iscard", ""),  # no end from a separator on
        ("/projects/test_card", ""),
        ("", ""),
        ("*x*x*x", ""),
    ],
)
def test_what_means_nothing_is_refused(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        select([name], ALL, ROOT)
    message = str(caught.value)
    assert message.startswith(f"no proposal is called {name!r}{hint}")
    assert message.endswith("(mongoshot pending lists all 6)")


def test_nothing_at_all_is_said() -> None:
    with pytest.raises(UsageError, match="'x': there is nothing to review; a failing run"):
        select(["x"], [], ROOT)
