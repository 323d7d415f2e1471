"""Rules: what is left out, and what is compared otherwise than exactly."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import ANY
from uuid import UUID

import pytest
from bson import Binary, Decimal128, Int64, ObjectId
from dirty_equals import IsPartialDict, IsPositiveInt, IsStr

from mongoshot.assertion.written import Asserted, Written, explain, matches, write
from mongoshot.comparison.difference import Changes, compare
from mongoshot.comparison.documents import Value
from mongoshot.comparison.expectation.rules import make_rules
from mongoshot.comparison.inline.matchers import within
from mongoshot.comparison.provenance import Provenance
from mongoshot.comparison.sameness import Rule
from mongoshot.errors import UsageError
from mongoshot.snapshot.occurrences import Family

if TYPE_CHECKING:
    from tests.conftest import MakeState

NOW = datetime.datetime(2026, 9, 21, 14, 13, 20, tzinfo=datetime.UTC)
SPAN = (1_790_000_000_000, 1_790_000_000_500)

Write = Callable[..., Written]


def made(number: int) -> ObjectId:
    """Make an id of the test's own time."""
    return ObjectId(bytes.fromhex(f"6ab13b80aaaaaaaaaa{number:06x}"))


def not_in_the_scenario(family: Family, raw: bytes) -> bool:
    return False


@pytest.fixture
def changed(make_state: MakeState) -> Write:
    """Write what a test changed, from nothing or from `before`, under rules."""

    def changed(
        before: dict[str, Any] | None = None, rules: dict[str, Any] | None = None, **after: Any
    ) -> Written:
        empty: dict[str, Any] = {name: [] for name in after}
        found = compare(make_state(**(before or empty)), make_state(**after)).collections
        provenance = Provenance((SPAN,), b"-----", not_in_the_scenario)
        changes = Changes("x", "y", found, "shop", "sha256:0", lambda: provenance)
        return write(Asserted(changes, make_rules(**(rules or {}))))

    return changed


def said(actual: Written, expected: str) -> list[str]:
    """Say what is not as expected; nothing where all is."""
    if matches(actual, expected):
        return []
    return [line.strip() for line in explain(actual, is_stored=True)][1:]


class TestExclude:
    def test_a_field_is_left_out_of_the_file(self, changed: Write) -> None:
        rules = {"exclude": ["orders.items[].at", "*.etag"]}
        text = changed(
            rules=rules, orders=[{"_id": 1, "etag": 5, "items": [{"at": 7, "n": 1}, {"at": 8}]}]
        )
        assert '"etag"' not in text
        assert '"at"' not in text
        other = changed(rules=rules, orders=[{"_id": 1, "etag": 6, "items": [{"n": 1}, {"at": 9}]}])
        assert other == text

    def test_it_holds_for_a_file_that_was_recorded_without(self, changed: Write) -> None:
        stored = changed(orders=[{"_id": 1, "at": 7, "x": made(1)}, {"_id": 2, "n": made(2)}])
        for at in (7, 8):
            actual = changed(
                rules={"exclude": "orders.at"},
                orders=[{"_id": 1, "at": at, "x": made(1)}, {"_id": 2, "n": made(2)}],
            )
            assert said(actual, stored) == []

    def test_an_id_that_is_left_out_takes_no_number(self, changed: Write) -> None:
        documents = [{"_id": 1, "a": made(1), "b": made(2), "c": made(2)}]
        stored = changed(orders=documents)
        assert said(changed(rules={"exclude": "orders.a"}, orders=documents), stored) == []
        wrong = [{"_id": 1, "a": made(1), "b": made(2), "c": made(3)}]
        assert said(changed(rules={"exclude": "orders.a"}, orders=wrong), stored)[-1] == (
            "c  expected ObjectId-2, is ObjectId-1"
        )

    def test_an_update_of_nothing_else_is_none(self, changed: Write) -> None:
        before = {"orders": [{"_id": 1, "at": 1, "n": 1}]}
        rules = {"exclude": "**.at"}
        none = changed(before, rules, orders=[{"_id": 1, "at": 1, "n": 1}])
        assert changed(before, rules, orders=[{"_id": 1, "at": 2, "n": 1}]) == none
        two = changed(before, rules, orders=[{"_id": 1, "at": 2, "n": 2}])
        assert said(two, none) == ["orders", "+ _id 1: updated, which is not expected", "n  1 → 2"]

    def test_an_update_recorded_without_counts_for_the_rest(self, changed: Write) -> None:
        before = {"orders": [{"_id": 1, "x": {"at": 1}, "n": 1}, {"_id": 2, "x": {"at": 1}}]}
        after = [{"_id": 1, "x": {"at": 2}, "n": 2}, {"_id": 2, "x": {"at": 2}}]
        stored = changed(before, orders=after)
        later = [{"_id": 1, "x": {"at": 3}, "n": 2}, {"_id": 2, "x": {"at": 1}}]
        assert said(changed(before, {"exclude": "orders.x.at"}, orders=later), stored) == []
        assert said(changed(before, orders=later), stored) != []

    def test_ids_may_be_left_out(self, changed: Write) -> None:
        rules = {"exclude": "orders._id"}
        stored = changed(rules=rules, orders=[{"_id": "x8", "n": 1}, {"_id": "a3", "n": 2}])
        same = changed(rules=rules, orders=[{"_id": "k1", "n": 2}, {"_id": "m9", "n": 1}])
        assert same == stored
        other = changed(rules=rules, orders=[{"_id": "k1", "n": 2}, {"_id": "m9", "n": 2}])
        lines = said(other, stored)
        assert len([line for line in lines if line.startswith(("-", "+", "~"))]) == 2

    def test_ids_of_many_documents_may_be_left_out(self, changed: Write) -> None:
        rules = {"exclude": "orders._id"}
        stored = changed(rules=rules, orders=[{"_id": n, "n": n} for n in range(3000)])
        actual = changed(rules=rules, orders=[{"_id": n, "n": -n - 1} for n in range(3000)])
        # Each with each would be nine million comparisons, of minutes.
        assert not matches(actual, stored)
        lines = list(explain(actual, is_stored=True))
        assert lines[0] == "changes not as expected in orders: 3,000 missing, 3,000 not expected"

    def test_elements_of_arrays(self, changed: Write) -> None:
        rules = {"exclude": ["orders.a[1]", "orders.b[]"]}
        stored = changed(rules=rules, orders=[{"_id": 1, "a": [1, 2, 3], "b": [1, [2]]}])
        assert (
            said(changed(rules=rules, orders=[{"_id": 1, "a": [1, 9, 3], "b": []}]), stored) == []
        )
        assert said(changed(rules=rules, orders=[{"_id": 1, "a": [1, 2, 9], "b": []}]), stored)

    def test_the_other_elements_keep_their_places(self, changed: Write) -> None:
        rules = {"exclude": "orders.a[0]"}
        stored = changed(rules=rules, orders=[{"_id": 1, "a": [1, 2, 3]}])
        assert said(changed(rules=rules, orders=[{"_id": 1, "a": [9, 2, 3]}]), stored) == []
        one_less = changed(rules=rules, orders=[{"_id": 1, "a": [1, 3]}])
        assert said(one_less, stored)[2:] == [
            "a[1]  expected 2, is 3",
            "a[2]  expected 3, is (missing)",
        ]
        before = {"orders": [{"_id": 1, "a": [1, 2]}, {"_id": 2, "a": []}]}
        after = [{"_id": 1, "a": [8, 3]}, {"_id": 2, "a": [5, 6]}]
        assert said(changed(before, rules, orders=after), changed(before, orders=after)) == []

    def test_it_counts_for_more_than_a_matcher(self, changed: Write) -> None:
        before = {"orders": [{"_id": 1, "at": 1, "n": 1}, {"_id": 2, "at": 1, "n": 5}]}
        after = [{"_id": 1, "at": 2, "n": 1}, {"_id": 2, "at": 2, "n": 6}]
        actual = changed(
            before, {"exclude": "**.at", "match": {"**.at": IsStr(), "**.n": 6}}, orders=after
        )
        assert said(actual, str(actual)) == []

    def test_a_collection(self, changed: Write) -> None:
        stored = changed(orders=[{"_id": 1}], audit=[{"_id": 1}])
        for rules in ({"exclude": "audit"}, {"collections": {"audit": "ignore"}}):
            assert said(changed(rules=rules, orders=[{"_id": 1}], audit=[{"_id": 2}]), stored) == []
            assert said(changed(rules=rules, orders=[{"_id": 2}], audit=[{"_id": 2}]), stored)


class _Near(Rule):
    """Compare numbers up to one, as `within` does."""

    def same(self, expected: Value, actual: Value) -> bool:
        numbers = (int.from_bytes(value.raw, "little") for value in (expected, actual))
        return expected.type == actual.type and abs(next(numbers) - next(numbers)) <= 1


class TestMatch:
    def test_a_matcher_compares_a_field(self, changed: Write) -> None:
        stored = changed(orders=[{"_id": 1, "x": [{"n": 5, "m": 5}]}])
        rules = {"match": {"orders.x[].n": _Near()}}
        assert (
            said(changed(rules=rules, orders=[{"_id": 1, "x": [{"n": 6, "m": 5}]}]), stored) == []
        )
        wrong = changed(rules=rules, orders=[{"_id": 1, "x": [{"n": 7, "m": 6}]}])
        assert said(wrong, stored)[-2:] == ["x[0].n  expected 5, is 7", "x[0].m  expected 5, is 6"]

    def test_an_update_of_what_it_compares_is_one_thing(self, changed: Write) -> None:
        before = {"orders": [{"_id": 1, "x": {"n": 1, "m": 1}, "y": 5}]}
        rules = {"match": {"orders.x": ANY, "orders.y": _Near()}}
        stored = changed(before, rules, orders=[{"_id": 1, "x": {"n": 2, "m": 1}, "y": 6}])
        assert '"x.n"' not in stored
        near = changed(before, rules, orders=[{"_id": 1, "x": {"n": 3, "m": 2}, "y": 7}])
        assert said(near, stored) == []
        far = changed(before, rules, orders=[{"_id": 1, "x": {"n": 3, "m": 2}, "y": 8}])
        assert said(far, stored)[-1] == "y  expected 5 → 6, is 5 → 8"

    def test_an_object_is_asked_whether_it_equals_what_is(self, changed: Write) -> None:
        rules = {"match": {"orders.token": IsStr(min_length=3), "orders.n": IsPositiveInt()}}
        stored = changed(rules=rules, orders=[{"_id": 1, "token": "abc", "n": 1}])
        assert (
            said(changed(rules=rules, orders=[{"_id": 1, "token": "xyz1", "n": 2}]), stored) == []
        )
        wrong = changed(rules=rules, orders=[{"_id": 1, "token": "xy", "n": -2}])
        assert said(wrong, stored)[2:] == [
            'token  expected IsStr(min_length=3), is "xy"',
            "n  expected IsPositiveInt(), is -2",
        ]

    def test_it_is_asked_about_a_whole_document(self, changed: Write) -> None:
        stored = changed(orders=[{"_id": 1, "n": 1}])
        rules = {"match": {"orders": IsPartialDict(n=IsPositiveInt())}}
        assert said(changed(rules=rules, orders=[{"_id": 1, "n": 2}]), stored) == []
        assert said(changed(rules=rules, orders=[{"_id": 1, "n": -2}]), stored)[2:] == [
            'the document  expected IsPartialDict(n=IsPositiveInt()), is {"_id": 1, "n": -2}'
        ]

    def test_it_is_asked_within_what_another_rule_compares(self, changed: Write) -> None:
        rules = {"match": {"orders": _Near(), "orders.n": IsStr()}}
        actual = changed(rules=rules, orders=[{"_id": 1, "n": 5}])
        assert said(actual, str(actual))[-1] == "n  expected IsStr(), is 5"

    def test_it_sees_decimals_and_uuids_as_in_code(self, changed: Write) -> None:
        rules = {"match": {"orders.id": UUID(int=5), "orders.n": Decimal("1.5")}}
        found = {"_id": 1, "id": Binary.from_uuid(UUID(int=5)), "n": Decimal128("1.5")}
        actual = changed(rules=rules, orders=[found])
        assert said(actual, str(actual)) == []
        wrong = changed(rules=rules, orders=[found | {"n": Decimal128("1.6")}])
        assert len(said(wrong, str(actual))) > 0

    def test_an_object_that_fails_is_named(self, changed: Write) -> None:
        class Undecided:
            def __bool__(self) -> bool:
                raise ValueError("ambiguous \x1b[31m")

        class Vector:
            def __eq__(self, other: object) -> Any:
                return Undecided()

            __hash__ = None  # type: ignore[assignment]

        with pytest.raises(UsageError, match="Vector was compared with '5'") as failure:
            changed(rules={"match": {"orders.n": Vector()}}, orders=[{"_id": 1, "n": 5}])
        assert "ambiguous" in str(failure.value)
        assert str(failure.value).isprintable()

    def test_what_it_refuses_is_not_as_expected_though_recorded(self, changed: Write) -> None:
        rules = {"match": {"orders.id": IsStr()}}
        refused = changed(rules=rules, orders=[{"_id": 1, "id": 5}])
        assert said(refused, str(refused))[-1] == "id  expected IsStr(), is 5"

    def test_a_document_that_is_refused_and_otherwise_besides_is_told_once(
        self, changed: Write
    ) -> None:
        rules = {"match": {"orders.total": IsPositiveInt()}}
        stored = changed(rules=rules, orders=[{"_id": made(1), "total": 5, "s": 1}])
        wrong = changed(rules=rules, orders=[{"_id": made(2), "total": -6, "s": 2}])
        assert said(wrong, stored) == [
            "orders",
            "~ _id ObjectId-1: inserted otherwise than expected",
            "s  expected 1, is 2",
            "total  expected IsPositiveInt(), is -6",
        ]

    def test_so_is_an_update_that_is_refused(self, changed: Write) -> None:
        before = {"orders": [{"_id": 1, "total": 1, "s": 0, "at": 0}]}
        rules = {"match": {"orders.total": IsPositiveInt()}, "exclude": "orders.at"}
        stored = changed(before, rules, orders=[{"_id": 1, "total": 2, "s": 1, "at": 1}])
        wrong = changed(before, rules, orders=[{"_id": 1, "total": -2, "s": 2, "at": 2}])
        assert said(wrong, stored)[1:] == [
            "~ _id 1: updated otherwise than expected",
            "s  expected 0 → 1, is 0 → 2",
            "total  expected IsPositiveInt(), is -2",
        ]

    def test_what_may_be_there_besides_is_asked_about_too(self, changed: Write) -> None:
        rules = {"match": {"orders.n": IsPositiveInt()}, "collections": {"orders": "contains"}}
        stored = changed(rules=rules, orders=[{"_id": 1, "n": 1}])
        wrong = changed(rules=rules, orders=[{"_id": 1, "n": 1}, {"_id": 2, "n": -1}])
        assert said(wrong, stored)[1:] == [
            "~ _id 2: inserted otherwise than expected",
            "n  expected IsPositiveInt(), is -1",
        ]

    def test_it_sees_the_value_and_not_its_placeholder(self, changed: Write) -> None:
        rules = {"match": {"orders.ref": made(1), "orders.at": NOW.replace(tzinfo=None)}}
        actual = changed(rules=rules, orders=[{"_id": 1, "ref": made(1), "at": NOW}])
        assert said(actual, str(actual)) == []
        wrong = changed(rules=rules, orders=[{"_id": 1, "ref": made(2), "at": NOW}])
        assert len(said(wrong, str(actual))) == 3

    def test_ids_of_any_kind_pair_by_what_documents_hold(self, changed: Write) -> None:
        rules = {"match": {"orders._id": IsStr(), "lines.order": IsStr()}}
        stored = changed(
            rules=rules,
            orders=[{"_id": "x8", "n": 1}, {"_id": "a3", "n": 2}],
            lines=[{"_id": made(1), "order": "x8"}],
        )
        same = changed(
            rules=rules,
            orders=[{"_id": "k1", "n": 2}, {"_id": "m9", "n": 1}],
            lines=[{"_id": made(5), "order": "k1"}],
        )
        assert said(same, stored) == []
        twice = changed(
            rules=rules,
            orders=[{"_id": "k1", "n": 2}, {"_id": "m9", "n": 2}],
            lines=[{"_id": made(5), "order": "k1"}],
        )
        assert said(twice, stored) != []

    def test_it_tells_which_of_two_generated_ids_is_which(self, changed: Write) -> None:
        def orders(*totals: float | None) -> list[dict[str, Any]]:
            return [
                {"_id": made(number)} | ({} if total is None else {"total": total})
                for number, total in enumerate(totals)
            ]

        rules = {"match": {"orders.total": within(0.01)}}
        stored = changed(orders=orders(10.0, 20.0, None))
        # As text, 9.999 stands behind 20.001.
        assert said(changed(rules=rules, orders=orders(9.999, 20.001, None)), stored) == []
        one_is_off = said(changed(rules=rules, orders=orders(9.999, None, 25.0)), stored)
        assert one_is_off[2:] == ["total  expected 20.0, is 25.0"]

    def test_matching_is_one_to_one(self, changed: Write) -> None:
        rules = {"match": {"orders._id": ANY, "orders.n": _Near()}}
        stored = changed(rules=rules, orders=[{"_id": "a", "n": 1}, {"_id": "b", "n": 2}])
        found = changed(rules=rules, orders=[{"_id": "c", "n": 2}, {"_id": "d", "n": 3}])
        assert said(found, stored) == []
        too_far = changed(rules=rules, orders=[{"_id": "c", "n": 3}, {"_id": "d", "n": 3}])
        assert said(too_far, stored) != []
        too_many = changed(
            rules=rules, orders=[{"_id": "c", "n": 2}, {"_id": "d", "n": 3}, {"_id": "e", "n": 1}]
        )
        assert said(too_many, stored) != []

    def test_the_last_matcher_for_a_path_counts(self, changed: Write) -> None:
        rules = {"match": {"**.n": IsStr(), "orders.n": ANY}}
        actual = changed(rules=rules, orders=[{"_id": 1, "n": 5}], lines=[{"_id": 1, "n": "x"}])
        assert said(actual, str(actual)) == []


class TestContains:
    RULES = {"collections": {"audit": "contains"}}  # noqa: RUF012 - read only

    def test_more_may_be_there_and_nothing_may_be_missing(self, changed: Write) -> None:
        stored = changed(audit=[{"_id": 1, "n": 1}])
        more = changed(rules=self.RULES, audit=[{"_id": 1, "n": 1}, {"_id": 2}])
        assert said(more, stored) == []
        assert said(changed(audit=[{"_id": 1, "n": 1}, {"_id": 2}]), stored) != []
        less = changed(rules=self.RULES, audit=[{"_id": 2}])
        assert "- _id 1: expected to be inserted, and is not" in said(less, stored)

    def test_other_collections_are_exact(self, changed: Write) -> None:
        stored = changed(audit=[{"_id": 1}], orders=[{"_id": 1}])
        actual = changed(rules=self.RULES, audit=[{"_id": 1}], orders=[{"_id": 1}, {"_id": 2}])
        assert said(actual, stored)[0] == "orders"
        rules = {"collections": {"*": "contains", "audit": "exact"}}
        found = changed(rules=rules, audit=[{"_id": 1}], orders=[{"_id": 1}, {"_id": 2}])
        assert said(found, stored) == []

    def test_many_that_refer_to_one_are_found(self, changed: Write) -> None:
        def lines(count: int) -> list[dict[str, Any]]:
            return [{"_id": made(1 + number), "order": made(0)} for number in range(count)]

        stored = changed(orders=[{"_id": made(0)}], audit=lines(3000))
        # Each line tried with all lines of its order would be millions of tries.
        actual = changed(rules=self.RULES, orders=[{"_id": made(0)}], audit=lines(3500))
        assert said(actual, stored) == []

    def test_generated_ids_are_found_among_others(self, changed: Write) -> None:
        def audit(*entries: tuple[int, int | None, str]) -> list[dict[str, Any]]:
            return [{"_id": made(i), "of": of and made(of), "what": w} for i, of, w in entries]

        stored = changed(audit=audit((1, None, "order"), (2, 1, "line"), (3, 1, "line")))
        among = audit(
            *((5, None, "order"), (6, 5, "line"), (7, None, "order"), (8, 7, "line")),
            *((9, 7, "line"), (10, None, "other")),
        )
        assert said(changed(rules=self.RULES, audit=among), stored) == []
        apart = audit((5, None, "order"), (6, 5, "line"), (7, None, "order"), (8, 7, "line"))
        assert said(changed(rules=self.RULES, audit=apart), stored) != []


def test_without_rules_types_and_orders_of_fields_are_told(changed: Write) -> None:
    stored = changed(orders=[{"_id": 1, "n": 1, "m": 1, "tags": ["a", "b"], "due": NOW}])
    actual = changed(
        orders=[
            {
                "_id": 1,
                "m": 1,
                "n": Int64(1),
                "tags": ["b", "a"],
                "due": NOW + datetime.timedelta(days=1, hours=2),
            }
        ]
    )
    assert said(actual, stored)[2:] == [
        'n  expected 1, is {"$numberLong": "1"} (int32 expected, is int64)',
        'tags  expected ["a", "b"], is ["b", "a"] (the same elements in another order)',
        'due  expected now, is {"$date": "2026-09-22T16:13:20Z"}',
        "the document: the fields are in the order _id, m, n, tags, due, not _id, n, m, tags, due",
    ]


def test_what_an_update_hardly_shows_is_told_too(changed: Write) -> None:
    before = {"orders": [{"_id": 1, "n": 0}]}
    stored = changed(before, orders=[{"_id": 1, "n": 1, "tags": ["a", "b"]}])
    actual = changed(before, orders=[{"_id": 1, "n": Int64(1), "tags": ["b", "a"]}])
    lines = said(actual, stored)
    assert 'n  expected 0 → 1, is 0 → {"$numberLong": "1"} (int32 expected, is int64)' in lines
    [line] = [line for line in lines if line.startswith("tags")]
    assert line.endswith("(the same elements in another order)")


def test_a_damaged_file_is_a_fault_and_no_error(changed: Write) -> None:
    actual = changed(orders=[{"_id": 1}])
    assert not matches(actual, "{")
    [line] = explain(actual, is_stored=True)
    assert "this is no expectation" in line
