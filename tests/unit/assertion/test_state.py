from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bson
import pytest

from mongoshot.assertion.inline_report import explain_inline
from mongoshot.assertion.state import ObservedState
from mongoshot.comparison.expectation.contrast import find_mismatch
from mongoshot.comparison.expectation.model import StateKind, parse_expectation
from mongoshot.comparison.expectation.rules import make_rules
from mongoshot.errors import UsageError
from mongoshot.snapshot.directory import Snapshot
from mongoshot.snapshot.manifest import Origin
from mongoshot.snapshot.model import Collection, Definition, MemoryState, State, join_documents
from mongoshot.snapshot.writer import write_snapshot

if TYPE_CHECKING:
    from tests.conftest import MakeCollection, MakeState

Write = Callable[[State], Snapshot]

FEW = [{"_id": number, "n": number} for number in range(3)]
MANY = [{"_id": number, "n": number} for number in range(1500)]


@pytest.fixture
def write(tmp_path: Path, origin: Origin) -> Write:
    """Write a state as the scenario `shop`; the next one in another place."""

    def write(state: State) -> Snapshot:
        directory = tmp_path / str(len(list(tmp_path.iterdir())))
        return write_snapshot(state, directory / "shop", origin=origin)

    return write


@pytest.fixture
def observe(write: Write, make_state: MakeState) -> Callable[..., ObservedState]:
    """Observe a state that was staged from a scenario; both given as collections by name."""

    def observe(scenario: dict[str, Any], now: dict[str, Any]) -> ObservedState:
        return ObservedState(lambda: make_state(**now), write(make_state(**scenario)))

    return observe


def parsed(state: ObservedState, kind: StateKind | None = None) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(state.write(kind)[0])
    return said


def test_a_small_state_is_written_whole_and_a_large_one_as_what_differs(observe: Any) -> None:
    small = observe({"orders": FEW}, {"orders": [*FEW, {"_id": 9}]})
    large = observe({"orders": MANY}, {"orders": [*MANY, {"_id": 9999}]})
    assert parsed(small)["kind"] == "state"
    assert parsed(small)["collections"]["orders"]["documents"] == [*FEW, {"_id": 9}]
    assert parsed(large)["kind"] == "difference"
    assert parsed(large)["collections"] == {"orders": {"inserted": [{"_id": 9999}]}}


@pytest.mark.parametrize("kind", ["state", "difference"])
def test_contains_asks_for_the_same_in_either_form(observe: Any, kind: StateKind) -> None:
    rules = make_rules(collections={"orders": "contains"})
    scenario = {"orders": FEW, "carts": []}

    def held(recorded: dict[str, Any], now: dict[str, Any]) -> bool:
        expected, actual = (
            parse_expectation(observe(scenario, side).write(kind, rules)[0])
            for side in (recorded, now)
        )
        return not find_mismatch(expected, actual, rules)

    dropped: dict[str, Any] = {"carts": []}
    without_one = {"orders": FEW[1:], "carts": []}
    changed = {"orders": [{"_id": 0}, *FEW[1:]], "carts": []}
    more = {"orders": [*FEW, {"_id": 9}], "carts": []}
    assert held(scenario, more)
    assert held(without_one, scenario)
    assert held(dropped, scenario)
    for less in (without_one, changed, dropped):
        assert not held(scenario, less)
    assert not held(more, scenario)
    assert not held(scenario, {**more, "carts": [{"_id": 1}]})


def test_either_form_can_be_asked_for(observe: Any) -> None:
    small = observe({"orders": FEW}, {"orders": FEW[1:]})
    large = observe({"orders": MANY}, {"orders": MANY})
    assert parsed(small, "difference")["collections"] == {"orders": {"deleted": [{"_id": 0}]}}
    assert parsed(large, "difference")["collections"] == {}
    assert parsed(large, "state")["collections"]["orders"]["documents"] == MANY
    assert parsed(small, "state") == parsed(small)


def test_a_difference_says_all_that_is_not_as_in_the_scenario(
    observe: Any, make_collection: MakeCollection
) -> None:
    changed = [{"_id": 0, "n": "0"}, *MANY[2:], {"_id": 9999}]
    capped = make_collection("log", options={"capped": True})
    state = observe(
        {"carts": FEW, "log": [], "orders": MANY, "same": FEW},
        {"log": capped, "new": [{"_id": 1}], "orders": changed, "same": FEW},
    )
    assert parsed(state)["collections"] == {
        "carts": {"dropped": {}},
        "log": {"definition": {"before": {}, "after": {"options": {"capped": True}}}},
        "new": {"created": {}, "inserted": [{"_id": 1}]},
        "orders": {
            "updated": [{"_id": 0, "fields": {"n": {"before": 0, "after": "0"}}}],
            "inserted": [{"_id": 9999}],
            "deleted": [{"_id": 1}],
        },
    }


@pytest.mark.parametrize("documents", [FEW, MANY], ids=["small", "large"])
def test_one_collection_is_looked_at_alone(observe: Any, documents: list[Any]) -> None:
    now = {"carts": documents[1:], "orders": documents[:-1], "new": documents}
    state = observe({"carts": documents, "orders": documents}, now)
    assert list(parsed(state["orders"], "state")["collections"]) == ["orders"]
    assert parsed(state["orders"], "difference")["collections"] == {
        "orders": {"deleted": [{"_id": documents[-1]["_id"]}]}
    }
    assert parsed(state["new"], "difference")["collections"]["new"] == {
        "created": {},
        "inserted": documents,
    }


def test_the_size_is_that_of_what_is_looked_at(observe: Any) -> None:
    state = observe({"few": FEW, "many": MANY}, {"few": FEW, "many": MANY})
    assert parsed(state)["kind"] == parsed(state["many"])["kind"] == "difference"
    assert parsed(state["few"])["kind"] == "state"


def test_what_differs_is_expected_the_same_when_the_scenario_has_grown(observe: Any) -> None:
    more = [*MANY, *({"_id": 2000 + number} for number in range(500))]
    states = [
        observe({"orders": before}, {"orders": [{"_id": -1}, *before]}) for before in (MANY, more)
    ]
    first, second = (parse_expectation(state.write()[0]) for state in states)
    assert not find_mismatch(first, second)
    assert first.digest != second.digest
    other = parse_expectation(observe({"orders": MANY}, {"orders": more}).write()[0])
    assert find_mismatch(first, other)


def test_one_collection_is_compared_with_a_list(observe: Any) -> None:
    state = observe({"orders": []}, {"carts": FEW, "orders": MANY})
    assert state["carts"] == FEW
    assert state["carts"] == FEW[::-1]
    assert state["carts"] != FEW[1:]
    assert state["orders"] == MANY
    assert state["carts"].found()[0] == FEW[0]
    with pytest.raises(
        UsageError, match=r'compare one collection with a list: db_state\["orders"\]'
    ):
        assert state == FEW
    with pytest.raises(UsageError, match="no collection 'oders' in the database: there are carts"):
        assert state["oders"] == []
    with pytest.raises(UsageError, match="db_state is compared with db_snapshot, and not with a"):
        assert state != {"carts": FEW}


def test_a_list_that_is_not_met_says_what_is_there(observe: Any) -> None:
    state = observe({"orders": []}, {"carts": [{"_id": 1, "n": 1}, {"_id": 2, "n": 1}]})
    lines = explain_inline("==", state["carts"], [{"_id": 1, "n": 1}, {"_id": 2, "n": 1.0}])
    assert lines is not None
    assert lines[0] == "carts: 2 there, 2 expected: 1 otherwise"
    assert any("n  expected 1.0, is 1 (double expected, is int32)" in line for line in lines)


def test_a_large_state_is_never_held_whole(write: Write) -> None:
    def documents(numbers: range) -> MemoryState:
        encoded = (bson.encode({"_id": number, "text": "x" * 800}) for number in numbers)
        chunks = partial(join_documents, encoded)
        return MemoryState("memory", {"orders": Collection(Definition("orders"), chunks)})

    scenario = write(documents(range(20_000)))
    state = ObservedState(lambda: documents(range(-1, 19_999)), scenario)
    tracemalloc.start()
    try:
        said = parsed(state)["collections"]["orders"]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [d["_id"] for d in said["inserted"] + said["deleted"]] == [-1, 19_999]
    assert peak < 8 << 20  # of 16 MiB on each side
