from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bson
import pytest

from mongoshot.errors import OverlayError, SnapshotDamagedError
from mongoshot.snapshot.directory import Snapshot
from mongoshot.snapshot.manifest import Origin
from mongoshot.snapshot.model import CHUNK_SIZE, Collection, Definition, Scenario
from mongoshot.snapshot.overlay import Overlay, overlay
from mongoshot.snapshot.writer import write_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import MakeCollection, MakeState

    Layer = Callable[..., Snapshot]


@pytest.fixture
def layer(make_state: MakeState, origin: Origin, tmp_path: Path) -> Layer:
    def make(name: str, **collections: Any) -> Snapshot:
        return write_snapshot(make_state(**collections), tmp_path / name, origin=origin)

    return make


def contents(scenario: Scenario) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [bson.decode(document) for document in collection.documents()]
        for name, collection in scenario.collections.items()
    }


def test_no_scenarios_are_an_empty_database() -> None:
    empty = overlay([])
    empty.verify()
    assert (dict(empty.collections), empty.label) == ({}, "an empty database")


def test_one_scenario_is_itself(layer: Layer) -> None:
    shop = layer("shop", a=[{"_id": 1}])
    assert overlay([shop]) is shop


def test_collections_of_all_layers_are_there_sorted_by_name(layer: Layer) -> None:
    both = overlay([layer("x", b=[{"_id": 1}], d=[]), layer("y", a=[], c=[{"_id": 2}])])
    assert list(both.collections) == ["a", "b", "c", "d"]
    assert contents(both) == {"a": [], "b": [{"_id": 1}], "c": [{"_id": 2}], "d": []}


def test_of_documents_with_the_same_id_the_last_layer_wins(layer: Layer) -> None:
    layers = [
        layer("x", a=[{"_id": 1, "n": "x"}, {"_id": 2, "n": "x"}, {"_id": 3, "n": "x"}]),
        layer("y", a=[{"_id": 2, "n": "y"}, {"_id": 3, "n": "y"}]),
        layer("z", a=[{"_id": 3, "n": "z"}, {"_id": 4, "n": "z"}]),
    ]
    assert contents(overlay(layers)) == {
        "a": [
            {"_id": 1, "n": "x"},
            {"_id": 2, "n": "y"},
            {"_id": 3, "n": "z"},
            {"_id": 4, "n": "z"},
        ]
    }


def test_ids_of_different_types_are_different(layer: Layer) -> None:
    both = overlay([layer("x", a=[{"_id": 1}]), layer("y", a=[{"_id": bson.Int64(1)}])])
    assert len(contents(both)["a"]) == 2


def test_documents_without_an_id_are_all_kept(layer: Layer) -> None:
    both = overlay([layer("x", a=[{"n": 1}, {"n": 1}]), layer("y", a=[{"n": 1}, {"n": 2}])])
    assert contents(both)["a"] == [{"n": 1}, {"n": 1}, {"n": 1}, {"n": 2}]


def test_many_documents_come_in_chunks(make_collection: MakeCollection) -> None:
    documents: list[Any] = [{"_id": n, "x": "y" * 1000} for n in range(2500)]
    layers = (_Layer(make_collection("a", documents)), _Layer(make_collection("a", [{"_id": 1}])))
    sizes = [len(chunk) for chunk in Overlay(layers).collections["a"].chunks()]
    assert len(sizes) == 3
    assert max(sizes) < CHUNK_SIZE + 2000


def test_a_view_in_both_layers_has_no_documents(
    layer: Layer, make_collection: MakeCollection
) -> None:
    view = make_collection("v", options={"viewOn": "a"}, indexes=[], type="view")
    both = overlay([layer("x", v=view), layer("y", v=view)])
    assert contents(both) == {"v": []}
    assert both.collections["v"].definition == view.definition


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("options", {"options": {"capped": True}}),
        ("indexes", {"indexes": []}),
        ("type", {"type": "view", "options": {"viewOn": "b"}}),
    ],
)
def test_layers_that_differ_in_what_a_collection_is_are_refused(
    layer: Layer, make_collection: MakeCollection, part: str, other: dict[str, Any]
) -> None:
    both = overlay([layer("x", a=[]), layer("y", a=make_collection("a", **other))])
    with pytest.raises(OverlayError, match=rf"^cannot lay x \+ y .* differ in the {part} of 'a'"):
        _ = both.collections


def test_the_digest_depends_on_the_order(layer: Layer) -> None:
    x, y = layer("x", a=[]), layer("y", b=[])
    digests = {overlay(list(layers)).digest for layers in ((x, y), (y, x), (x, x), (x, y, x))}
    assert len(digests) == 4
    assert all(len(digest) == len(x.digest) for digest in digests)


def test_the_digest_is_the_same_for_the_same(layer: Layer) -> None:
    x, y = layer("x", a=[]), layer("y", b=[])
    assert overlay([x, y]).digest == overlay([Snapshot.load(x.path), y]).digest


def test_all_layers_are_verified(layer: Layer) -> None:
    x, y = layer("x", a=[]), layer("y", b=[])
    (y.path / "b.metadata.json").unlink()
    with pytest.raises(SnapshotDamagedError):
        overlay([x, y]).verify()


def test_what_is_enough_for_an_overlay_is_for_its_layers(make_collection: MakeCollection) -> None:
    layers = (_Layer(make_collection("a")), _Layer(make_collection("b")))
    Overlay(layers).verify()
    Overlay(layers).verify(unchanged_is_enough=True)
    assert [layer.verified for layer in layers] == [[False, True]] * 2


def test_the_documents_of_one_layer_keep_their_digest(layer: Layer) -> None:
    x, y = layer("x", a=[{"_id": 1}], b=[]), layer("y", b=[])
    both = overlay([x, y]).collections
    assert both["a"].digest == x.collections["a"].digest
    assert both["a"].digest is not None
    assert both["b"].digest is None


class _Layer:
    """Be a scenario of one collection."""

    label = digest = "layer"
    captured_at = "2026-01-02T03:04:05Z"

    def __init__(self, collection: Collection) -> None:
        self.collections = {collection.name: collection}
        self.verified: list[bool] = []

    def verify(self, *, unchanged_is_enough: bool = False) -> None:
        self.verified.append(unchanged_is_enough)


def test_the_first_layer_is_read_once() -> None:
    read: list[str] = []

    def chunks(name: str) -> Iterator[bytes]:
        read.append(name)
        yield bson.encode({"_id": name})

    layers = tuple(_Layer(Collection(Definition("a"), partial(chunks, n))) for n in "xy")
    assert len(contents(Overlay(layers))["a"]) == 2
    assert read.count("x") == 1
