"""Values that are made for each document: computed, referred to, and the same in each run."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from mongoshot import fake, ref, sequence
from mongoshot.errors import TemplateError
from mongoshot.staging.building.computing import Computing, show
from mongoshot.staging.building.drafts import Draft, Drafts


def compute(template: Any, times: int = 3, *, seed: int = 0, name: str = "orders") -> list[Any]:
    computing = Computing(seed)
    return [computing.value(template, (name, at, "field")) for at in range(times)]


def complete(scenario: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    computing = Computing(0)
    drafts = {
        name: [
            Draft.of(name, label, *computing.fields({"_id": label, **given}, {}, (name, label)))
            for label, given in (
                documents.items() if isinstance(documents, dict) else enumerate(documents)
            )
        ]
        for name, documents in scenario.items()
    }
    named = {
        (d.collection, d.label): d
        for each in drafts.values()
        for d in each
        if isinstance(d.label, str)
    }
    Drafts(drafts, named, computing).complete()
    return {name: [draft.document for draft in each] for name, each in drafts.items()}


@pytest.mark.parametrize(
    ("template", "values"),
    [
        (sequence("user-{}"), ["user-1", "user-2", "user-3"]),
        (sequence("{:03}", start=0), ["000", "001", "002"]),
        (sequence(), [1, 2, 3]),
        (sequence(lambda n: {"n": n * 10}), [{"n": 10}, {"n": 20}, {"n": 30}]),
        (sequence(["new", "old"]), ["new", "old", "new"]),
        (
            [sequence(start=7), {"x": sequence("{}.")}],
            [[7, {"x": "1."}], [8, {"x": "2."}], [9, {"x": "3."}]],
        ),
        (iter("abc"), ["a", "b", "c"]),
        (itertools.count(5), [5, 6, 7]),
        (dict, [{}, {}, {}]),
        (lambda x=4: [x, sequence()], [[4, 1], [4, 1], [4, 1]]),
        (("a", None), [["a", None]] * 3),
    ],
)
def test_a_value_is_made_for_each_document(template: Any, values: list[Any]) -> None:
    assert compute(template) == values


def test_a_sequence_begins_again_and_others_do_not_count_in_it() -> None:
    computing, one, other = Computing(0), sequence(), sequence()
    assert [computing.value(each, ("a", 0)) for each in (one, one, other)] == [1, 2, 1]
    computing.rewind()
    assert computing.value(one, ("a", 0)) == 1


def test_fakes_are_the_same_in_each_run_whatever_else_is_made() -> None:
    email = compute(fake("email"))
    assert len(set(email)) == 3
    assert compute(fake("email")) == email
    assert compute(fake("email"), seed=1) != email
    assert compute(fake("email"), name="users") != email
    assert all("@" in each for each in email)
    assert compute(fake("pyint", min_value=3, max_value=3, locale="de_DE")) == [3, 3, 3]
    computing = Computing(0)
    with_others = [
        computing.value(each, ("orders", at, key))
        for at in range(3)
        for key, each in (("first", fake("name")), ("field", fake("email")))
    ]
    assert with_others[1::2] == email


def test_a_provider_of_the_users_own_faker_is_as_reproducible_and_left_alone() -> None:
    from faker import Faker

    own, twin = Faker(), Faker()
    own.seed_instance(5)
    twin.seed_instance(5)
    numbers = functools.partial(own.pyint, max_value=10**9)

    assert compute(own.name) == compute(own.name)
    assert compute(numbers) == compute(numbers)
    assert len(set(compute(numbers))) == 3
    assert own.name() == twin.name()


def test_a_callable_that_takes_one_gets_its_document() -> None:
    made = complete(
        {
            "orders": [
                {
                    "total": lambda order: sum(line["n"] * 2 for line in order["lines"]),
                    "lines": [{"n": 1}, {"n": sequence(start=4)}],
                    "slug": lambda order: f"{order['name']}-{order['total']}",
                    "name": ref("customers", "alice", field="name"),
                    "seen": lambda order: sorted(order),
                }
            ],
            "customers": {"alice": {"name": "Alice"}},
        }
    )
    assert made["orders"] == [
        {
            "_id": 0,
            "total": 10,
            "lines": [{"n": 1}, {"n": 4}],
            "slug": "Alice-10",
            "name": "Alice",
            "seen": ["_id", "lines", "name", "slug", "total"],
        }
    ]
    assert list(made["orders"][0]) == ["_id", "total", "lines", "slug", "name", "seen"]


def test_references_are_found_in_any_order_and_through_others() -> None:
    made = complete(
        {
            "a": [
                {"to": ref("b", "x", field="up.0.n"), "of": [ref("b")]},
                {"to": ref("a", field="to")},
            ],
            "b": {"x": {"up": [{"n": ref("c", -1, field="n")}], "back": ref("a", 1)}, "y": {}},
            "c": [{"n": 1}, {"n": lambda document: document["_id"] + 1}],
        }
    )
    assert made["a"] == [{"_id": 0, "to": 2, "of": ["x"]}, {"_id": 1, "to": 2}]
    assert made["b"] == [{"_id": "x", "up": [{"n": 2}], "back": 1}, {"_id": "y"}]


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        ({"a": [{"x": ref("a", field="x")}]}, "without end: a[0].x → a[0].x; give one"),
        (
            {"a": [{"x": ref("b", "n", field="y")}], "b": {"n": {"y": [ref("a", field="x")]}}},
            'without end: a[0].x → b["n"].y → a[0].x; give one',
        ),
        (
            {"a": [{"x": ref("b", "alicia")}], "b": {"alice": {}}},
            "that name: did you mean 'alice'?",
        ),
        ({"a": [{"x": [ref("b")]}]}, "a[0].x[0]: ref('b', 0): this create makes 0 documents in b"),
        ({"a": [{"x": ref("a", 1)}]}, "this create makes 1 documents in a"),
        (
            {"a": [{"x": ref("a", field="y.z"), "y": 1}]},
            "a[0] has no field 'y.z'; it has _id, x, y",
        ),
        ({"a": [{"x": lambda d: d["y"]}]}, "a[0].x: KeyError: 'y'"),
        ({"a": [{}, {"x": {"y": lambda: 1 / 0}}]}, "a[1].x.y: ZeroDivisionError: division by"),
        (
            {"a": [{"x": lambda a, b: 1}]},
            "a[0].x: a callable is called with nothing, or with its doc",
        ),
        ({"a": [{"x": iter([])}]}, "a[0].x: the iterator has no more values"),
        ({"a": [{"x": fake("nonsense")}]}, "a[0].x: Faker has no provider 'nonsense'"),
        ({"a": [{"x": fake("name", locale="xx")}]}, "a[0].x: Faker does not know the locale"),
        ({"a": [{"x": fake("pyint", nonsense=1)}]}, "a[0].x: TypeError: "),
    ],
)
def test_what_cannot_be_made_names_its_field(scenario: Mapping[str, Any], message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        complete(scenario)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("pattern", ["user", "user-{name}", "{", 5, [], None])
def test_a_sequence_without_a_number_is_refused(pattern: Any) -> None:
    with pytest.raises(TemplateError, match=r"no place for the number|sequence takes a text"):
        sequence(pattern)


def test_a_path_reads_like_code() -> None:
    assert show(("orders", 0, "lines", 1, "sku")) == "orders[0].lines[1].sku"
    assert show(("orders", "first", "total")) == 'orders["first"].total'
