"""Which entries of the oplog are one step."""

from __future__ import annotations

import bson
import pytest
from bson.timestamp import Timestamp

from mongoshot.recording.program.telling import _Group
from mongoshot.server.history.commits import Commit, Operation


def updated(number: int, *at: int, collection: str = "orders") -> Commit:
    """Return an entry as updateMany leaves it for each document."""
    document = bson.encode({"_id": number})
    operation = Operation("update", collection, document, document)
    return Commit(Timestamp(*at), (operation,))


@pytest.mark.parametrize(
    ("entries", "steps"),
    [
        pytest.param([updated(1, 7, 1), updated(2, 7, 2)], [True], id="one after the other"),
        pytest.param([updated(1, 7, 9), updated(2, 8, 1)], [True], id="over the second"),
        pytest.param([updated(1, 7, 1), updated(2, 7, 3)], [False], id="something between"),
        pytest.param([updated(1, 7, 1), updated(2, 8, 2)], [False], id="between, over the second"),
        pytest.param([updated(1, 7, 1), updated(2, 9, 1)], [False], id="two seconds later"),
        pytest.param([updated(1, 7, 1), updated(1, 7, 2)], [False], id="the same document"),
        pytest.param(
            [updated(1, 7, 1), updated(2, 7, 2, collection="carts")], [False], id="another"
        ),
    ],
)
def test_entries_of_one_command_are_one_step(entries: list[Commit], steps: list[bool]) -> None:
    group = _Group()
    assert [group.takes(entry, makes_room=False) for entry in entries] == [False, *steps]
