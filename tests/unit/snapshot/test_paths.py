from __future__ import annotations

import re

import pytest

from mongoshot.comparison.expectation.rules import make_rules
from mongoshot.comparison.inline.matchers import within
from mongoshot.errors import UsageError
from mongoshot.snapshot.paths import parse_pattern


def covers(pattern: str, collection: str, path: str) -> bool:
    dotted = path if not path or path.startswith("[") else f".{path}"
    found = parse_pattern(pattern, "exclude").within(collection)
    return any(re.fullmatch(expression, dotted) for expression in found)


@pytest.mark.parametrize(
    ("pattern", "collection", "path"),
    [
        ("orders.status", "orders", "status"),
        ("orders.items[].at", "orders", "items[12].at"),
        ("orders.items[3].at", "orders", "items[3].at"),
        ("orders.items[]", "orders", "items[0]"),
        ("*.etag", "orders", "etag"),
        ("*.etag", "audit.log", "etag"),
        ("orders.*.at", "orders", "items.at"),
        ("orders.*_at", "orders", "updated_at"),
        ("orders.a*b*c", "orders", "axxbyyc"),
        ("**.at", "orders", "at"),
        ("**.at", "orders", 'x["a b"].y[3].at'),
        ("orders.**.at", "orders", "at"),
        ("orders.**", "orders", ""),
        ("orders.**", "orders", "a.b[0]"),
        ("orders", "orders", ""),
        ("audit.log.at", "audit.log", "at"),
        ("audit.log.at", "audit", "log.at"),
        ('["audit.log"].at', "audit.log", "at"),
        ('orders["a.b"].c', "orders", '["a.b"].c'),
        ('orders["$x"]', "orders", '["$x"]'),
        ("orders.$x", "orders", '["$x"]'),
        ("orders._id", "orders", "_id"),
        ("audit_*.at", "audit_2026.log", "at"),
        ("orders.naïve", "orders", "naïve"),
        ("orders.3", "orders", "3"),
    ],
)
def test_a_pattern_means(pattern: str, collection: str, path: str) -> None:
    assert covers(pattern, collection, path)


@pytest.mark.parametrize(
    ("pattern", "collection", "path"),
    [
        ("orders.status", "orders", "status2"),
        ("orders.status", "orders2", "status"),
        ("orders.status", "orders", "x.status"),
        ("orders.items[].at", "orders", "items.at"),
        ("orders.items.at", "orders", "items[0].at"),
        ("orders.items[3].at", "orders", "items[30].at"),
        ("*.etag", "orders", "x.etag"),
        ("orders.*.at", "orders", "items[0].at"),
        ("orders.*.at", "orders", "at"),
        ("orders.*_at", "orders", "x.updated_at"),
        ("**.at", "orders", "that"),
        ("**.at", "orders", '["x.at"]'),
        ("orders.a.b", "orders", '["a.b"]'),
        ('["audit.log"].at', "audit", "log.at"),
        ('["*"].at', "orders", "at"),
    ],
)
def test_a_pattern_does_not_mean(pattern: str, collection: str, path: str) -> None:
    assert not covers(pattern, collection, path)


@pytest.mark.parametrize(
    "pattern",
    [
        *("", ".", "orders.", ".orders", "orders..at", "orders at", "[]", "[3].at", "orders[x]"),
        *(
            "orders[-1]",
            "orders[",
            'orders["a]',
            "orders.a**",
            '["\\x"]',
            "orders.items[]at",
            "é\n",
        ),
    ],
)
def test_what_is_no_pattern_is_one_line_that_shows_one(pattern: str) -> None:
    with pytest.raises(UsageError, match=r"exclude: .*orders\.items\[\]\.updated_at") as caught:
        make_rules(exclude=[pattern])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("exclude", [5, {"orders.at": 1}, b"orders.at", [5], lambda: None])
def test_exclude_takes_paths(exclude: object) -> None:
    with pytest.raises(UsageError, match="exclude takes paths such as"):
        make_rules(exclude=exclude)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"match": ["orders.at"]}, "match takes a mapping of paths to matchers"),
        ({"match": {"orders..": 1}}, "match: 'orders..' is no path, from character 7 on"),
        ({"match": {"orders.at": dict}}, "match: 'orders.at' is given the class dict"),
        ({"match": {"orders.at": within}}, "match: 'orders.at' is given <function within at"),
        ({"match": {"orders.at": object()}}, "which equals nothing but itself"),
        ({"collections": "orders"}, "collections takes a mapping of names to modes"),
        ({"collections": {"orders": "some"}}, "the modes are exact, contains, ignore"),
    ],
)
def test_other_options_say_what_they_take(options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        make_rules(**options)
