from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import pytest

from mongoshot import Snapshot
from mongoshot.errors import SnapshotDamagedError, SnapshotNotFoundError, StepError
from mongoshot.snapshot.manifest import Origin
from mongoshot.snapshot.model import Definition, MemoryState
from mongoshot.snapshot.steps.model import Write
from mongoshot.snapshot.steps.state import AtStep, at_step, find_scenario, read_writes
from mongoshot.snapshot.steps.writing import put_recording, write_steps
from mongoshot.snapshot.writer import write_snapshot

Record = Callable[..., Snapshot]

WRITES = (
    Write(1, "update", "orders", bson.encode({"_id": 2, "paid": True})),
    Write(2, "insert", "orders", bson.encode({"_id": 0})),
    Write(2, "delete", "orders", bson.encode({"_id": 1})),
    Write(3, "define", "log", definition=Definition("log")),
    Write(3, "insert", "log", bson.encode({"_id": "a"})),
    Write(4, "insert", "orders", bson.encode({"_id": 1, "again": True})),
    Write(4, "update", "orders", bson.encode({"_id": 0, "paid": True})),
    Write(5, "rename", "orders", to="old"),
    Write(6, "drop", "log"),
)


@pytest.fixture
def record(make_state: Callable[..., MemoryState], origin: Origin, tmp_path: Path) -> Record:
    """Write a scenario `import` of three orders, and what came after it."""

    def record(*writes: Write, **form: Any) -> Snapshot:
        state = make_state(orders=[{"_id": 1}, {"_id": 2}, {"_id": 3}], carts=[{"_id": "c"}])
        aside = write_snapshot(state, tmp_path / "aside" / "import", origin=origin, **form)
        entry = write_steps(aside.path, writes, recorded_at="2026-01-02T03:05:00Z")
        path = tmp_path / "snapshots" / "import"
        return put_recording(aside, entry, path, replace_it=False)

    return record


def content(state: Snapshot | AtStep) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [bson.decode(document) for document in collection.documents()]
        for name, collection in state.collections.items()
    }


CARTS: list[dict[str, Any]] = [{"_id": "c"}]
PAID = {"_id": 2, "paid": True}
STATES: tuple[dict[str, list[dict[str, Any]]], ...] = (
    {"carts": CARTS, "orders": [{"_id": 1}, {"_id": 2}, {"_id": 3}]},
    {"carts": CARTS, "orders": [{"_id": 1}, PAID, {"_id": 3}]},
    {"carts": CARTS, "orders": [PAID, {"_id": 3}, {"_id": 0}]},
    {"carts": CARTS, "log": [{"_id": "a"}], "orders": [PAID, {"_id": 3}, {"_id": 0}]},
)
LAST = [PAID, {"_id": 3}, {"_id": 0, "paid": True}, {"_id": 1, "again": True}]


@pytest.mark.parametrize("form", [{"format": "json"}, {"format": "bson"}, {"gzip": True}], ids=str)
def test_each_step_is_what_was_then(record: Record, form: dict[str, Any]) -> None:
    snapshot = record(*WRITES, **form)
    for step, expected in enumerate(STATES):
        assert content(at_step(snapshot, step)) == expected
    assert content(at_step(snapshot, 4)) == {"carts": CARTS, "log": [{"_id": "a"}], "orders": LAST}
    assert content(at_step(snapshot, 5)) == {"carts": CARTS, "log": [{"_id": "a"}], "old": LAST}
    assert content(at_step(snapshot, 6)) == {"carts": CARTS, "old": LAST}
    assert content(at_step(snapshot, -1)) == content(at_step(snapshot, 6))
    assert at_step(snapshot, -7) is snapshot
    assert list(read_writes(snapshot)) == list(WRITES)


def test_what_a_step_has_not_touched_is_the_very_collection(record: Record) -> None:
    snapshot = record(*WRITES)
    assert at_step(snapshot, 6).collections["carts"] is snapshot.collections["carts"]


def test_each_step_is_recognised_and_none_taken_for_another(record: Record) -> None:
    snapshot = record(*WRITES)
    digests = [at_step(snapshot, step).digest for step in range(7)]
    assert len(set(digests)) == 7
    assert at_step(Snapshot.load(snapshot.path), 3).digest == digests[3]
    assert at_step(snapshot, 3).label == "import@3"
    assert at_step(snapshot, 3).captured_at == "2026-01-02T03:05:00Z"


@pytest.mark.parametrize("step", [7, -8, 100])
def test_a_step_that_is_not_there(record: Record, step: int) -> None:
    with pytest.raises(StepError, match=f"no step {step}: it has steps 0 to 6"):
        at_step(record(*WRITES), step)


def test_a_recording_without_a_write(record: Record) -> None:
    snapshot = record()
    assert at_step(snapshot, -1) is snapshot
    with pytest.raises(StepError, match="it has only the state before, step 0"):
        at_step(snapshot, 1)


def test_a_scenario_that_was_captured_has_no_steps(
    make_state: Callable[..., MemoryState], origin: Origin, tmp_path: Path
) -> None:
    write_snapshot(make_state(a=[]), tmp_path / "shop", origin=origin)
    with pytest.raises(StepError, match=r"shop has no steps: .*mongoshot record shop -- COMMAND"):
        find_scenario("shop@1", tmp_path)


def test_names(record: Record, origin: Origin, make_state: Callable[..., MemoryState]) -> None:
    directory = record(*WRITES).path.parent
    assert find_scenario("import", directory).label == "import"
    assert find_scenario("import@0", directory).label == "import"
    assert find_scenario("import@2", directory).label == "import@2"
    assert find_scenario("import@-1", directory).label == "import@6"
    for name in ("imp@2", "import@", "import@x", "@2"):
        with pytest.raises(SnapshotNotFoundError):
            find_scenario(name, directory)
    # One that is called so was there first.
    write_snapshot(make_state(a=[]), directory / "import@2", origin=origin)
    assert content(find_scenario("import@2", directory)) == {"a": []}


def damage(snapshot: Snapshot, change: Callable[[bytes], bytes]) -> Snapshot:
    file = snapshot.path / "recording.jsonl"
    file.write_bytes(change(file.read_bytes()))
    return Snapshot.load(snapshot.path)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text[:-1], id="cut in the last line"),
        pytest.param(lambda text: text[: text.rindex(b"\n", 0, -1) + 1], id="a line less"),
        pytest.param(lambda text: text + b'{"step":7,"drop":"old"}\n', id="a line more"),
        pytest.param(lambda text: text.replace(b"true", b"null", 1), id="another value"),
        pytest.param(lambda text: text.replace(b'"step":5', b'"step":8'), id="a step left out"),
        pytest.param(lambda text: b"\xff" + text[1:], id="no text"),
        pytest.param(lambda _: b"", id="empty"),
    ],
)
def test_a_recording_that_was_changed_is_not_believed(
    record: Record, change: Callable[[bytes], bytes]
) -> None:
    snapshot = damage(record(*WRITES), change)
    assert list(snapshot.problems())
    with pytest.raises(SnapshotDamagedError):
        at_step(snapshot, 1).verify()
    with pytest.raises(SnapshotDamagedError):
        _ = at_step(snapshot, 1).collections


def test_a_recording_that_is_gone(record: Record) -> None:
    snapshot = record(*WRITES)
    (snapshot.path / "recording.jsonl").unlink()
    with pytest.raises(SnapshotDamagedError, match=r"recording\.jsonl is missing"):
        snapshot.verify()


def test_a_write_to_what_is_not_there(record: Record) -> None:
    snapshot = record(Write(1, "insert", "nowhere", bson.encode({"_id": 1})))
    with pytest.raises(SnapshotDamagedError, match="step 1 is about 'nowhere'"):
        _ = at_step(snapshot, 1).collections


@pytest.mark.parametrize("name", ["", "system.users", "a\0b"])
def test_a_collection_is_renamed_to_what_one_can_be_called(record: Record, name: str) -> None:
    # Without `to`, a line is no rename at all.
    snapshot = record(Write(1, "rename", "orders", to=name))
    with pytest.raises(SnapshotDamagedError, match=r"can be no collection|does not go with"):
        _ = at_step(snapshot, 1).collections


def test_another_encoding_keeps_the_recording(record: Record) -> None:
    snapshot = record(*WRITES, format="json")
    converted = write_snapshot(
        snapshot,
        snapshot.path,
        origin=snapshot.manifest.origin,
        format="bson",
        replace=True,
        recording_of=snapshot,
    )
    assert converted.manifest.recording == snapshot.manifest.recording
    assert content(at_step(converted, -1)) == {"carts": CARTS, "old": LAST}


def test_a_capture_in_its_place_takes_the_recording_away(
    record: Record, make_state: Callable[..., MemoryState], origin: Origin
) -> None:
    snapshot = record(*WRITES)
    again = write_snapshot(snapshot, snapshot.path, origin=origin, replace=True)
    assert again.manifest.recording is None
    assert not (again.path / "recording.jsonl").exists()
