"""A scenario of two thousand collections: right, and with no round trips that multiply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pymongo
import pytest
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)
from tests.integration.load.conftest import Project
from tests.integration.load.data import make_many_collections
from tests.reliability import Evidence

from mongoshot import Staged, capture, compare, restore
from mongoshot.server.collections import hash_collections
from mongoshot.server.connection import Client

pytestmark = [pytest.mark.long, pytest.mark.reliability]

COLLECTIONS = 2000
LIMIT = 200


class Counting(CommandListener):
    """Count the commands that were sent."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()

    def started(self, event: CommandStartedEvent) -> None:
        self.sent[event.command_name] += 1

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass

    def take(self) -> Counter[str]:
        """Return what was sent since the last time."""
        sent, self.sent = self.sent, Counter()
        return sent


@pytest.fixture(scope="module")
def counting(project: Project) -> Iterator[tuple[Counting, Client]]:
    listener = Counting()
    client: Client = pymongo.MongoClient(
        project.url, directConnection=True, event_listeners=[listener]
    )
    with client:
        yield listener, client


SUITE = """
    import pytest

    pytestmark = pytest.mark.scenario("many")


    @pytest.mark.parametrize("number", range(2))
    def test_writes(db, db_changes, db_state, db_snapshot, number):
        db[f"collection_{number:05}"].insert_one({"_id": "new"})
        assert db_changes == db_snapshot
        assert db_state == db_snapshot


    def test_drops(db, db_changes, db_snapshot):
        db.drop_collection("collection_00001")
        db["new"].insert_one({"_id": 1})
        assert db_changes == db_snapshot
"""


def test_two_thousand_collections(
    counting: tuple[Counting, Client], project: Project, evidence: Evidence
) -> None:
    listener, client = counting
    make_many_collections(client["many_source"], COLLECTIONS)
    listener.take()
    trips: dict[str, int] = {}

    def took(what: str, most: float) -> None:
        """Note the round trips since the last time: `most` a collection and some besides."""
        sent = listener.take()
        trips[what] = sent.total()
        assert sent.total() <= most * COLLECTIONS + 60, sent

    snapshot = capture(client["many_source"], project.directory / "snapshots" / "many")
    assert len(snapshot.collections) == COLLECTIONS
    # Indexes before and after the documents, the documents, and the first of them for the profile.
    took("capture", 4)
    database = client["many_target"]
    staged = restore(snapshot, database)
    took("restore", 7)
    assert hash_collections(database) == hash_collections(client["many_source"])
    listener.take()

    database["collection_00001"].insert_one({"_id": "new"})
    listener.take()
    assert list(staged.changes().collections) == ["collection_00001"]
    took("changes of one write", 0)
    assert staged.reset().documents == 0
    took("reset of one write", 0)

    _change_definitions(staged)
    listener.take()
    changes = staged.changes()
    assert set(changes.collections) == {"collection_00001", "collection_00002", "new"}
    took("changes of definitions", 1)  # the indexes of all, once
    staged.reset()
    took("reset of definitions", 1)
    assert not compare(snapshot, staged.state())
    took("comparison with all of it", 2)

    assert "all whole" in project.run("mongoshot", "verify", "many").output
    where = f"{project.url}/many_target"
    assert "are equal" in project.run("mongoshot", "diff", "many", where).output
    project.run("mongoshot", "show", "many")
    project.write("test_many.py", SUITE)
    options = ("-p", "no:cacheprovider", "--db-name", "many_target", "test_many.py")
    assert "3 passed" in project.run("pytest", "--snapshot-update", *options).output
    assert "3 passed" in project.run("pytest", *options).output
    assert max(project.peaks.values()) <= LIMIT
    evidence(
        "load",
        f"{', '.join(trips)}; runs of pytest with db_changes and db_state",
        f"{COLLECTIONS:,} collections",
        f"equal by dbHash; round trips: {', '.join(f'{n:,}' for n in trips.values())}; at most"
        f" {max(project.peaks.values())} MB of memory",
    )


def _change_definitions(staged: Staged) -> None:
    database = staged.database
    database["collection_00001"].drop()
    database["collection_00002"].create_index("more")
    database["new"].insert_one({"_id": 1})
