"""Operations without a command of their own, for children of the nursery."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

from mongoshot.assertion.files import ExpectationFiles
from mongoshot.config import read_project, resolve
from mongoshot.recording.capture import Conduct, Recorded
from mongoshot.recording.program.record import record_program
from mongoshot.recording.request import Request
from mongoshot.review.store import Store
from mongoshot.server.connection import connect
from mongoshot.snapshot.cache import Cache
from mongoshot.snapshot.directory import Snapshot
from mongoshot.snapshot.lookup import DocumentIndex
from mongoshot.staging.stage import Stage


@contextlib.contextmanager
def open_stage(url: str, name: str) -> Iterator[Stage]:
    """Open a stage as pytest does, for tests most of which ask for `orders`."""
    settings = resolve({"db-url": url, "db-name": name}, root=Path.cwd())
    with connect(url) as client:
        stage = Stage(client, name, settings, url=url, main=("orders",))
        try:
            yield stage
        finally:
            stage.close()


def use_stage(url: str, name: str) -> None:
    """Run three tests on a stage: two of one scenario, one of another; each writes."""
    with open_stage(url, name) as stage:
        with stage.scenario("orders") as staged:
            database = staged.database
            database["orders"].update_one({"_id": 1}, {"$set": {"total": 0}})
            database["orders"].delete_one({"_id": 2})
            database["orders"].insert_one({"_id": "new"})
            database.drop_collection("payments")
            database["stray"].insert_one({})
        with stage.scenario("orders") as staged:
            staged.database["payments"].insert_one({"_id": "two"})
            staged.reset()
            staged.database["orders"].delete_many({})
        with stage.scenario("small") as staged:
            staged.database["orders"].insert_one({"_id": "new"})


def stage_once(url: str, name: str) -> None:
    """Stage the scenario `orders`, as the next run would, and leave it as it is."""
    with open_stage(url, name) as stage, stage.scenario("orders"):
        pass


def record(url: str, name: str, path: str) -> None:
    """Record what a program writes, which this process is."""
    with connect(url) as client:
        database = client[name]

        def run(_: Recorded) -> None:
            database["orders"].insert_one({"_id": "made"})
            database["orders"].delete_one({"_id": "made"})

        conduct = Conduct(project=read_project(Path.cwd()))
        record_program(database, Path(path), Request(), conduct, run, replace_it=True)


def update_expectation(path: str, text: str) -> None:
    """Write an expectation as `--snapshot-update` does."""
    snapshots = [SimpleNamespace(name="test_it", data=text)]
    collection = type("Written", (), {"location": path, "__iter__": lambda _: iter(snapshots)})()
    ExpectationFiles.write_snapshot_collection(snapshot_collection=collection)


def propose(root: str, test: str, texts: list[str]) -> None:
    """Leave proposals for review, as a failing test does; none: as one that passes."""
    store = Store(Path(root))
    directory = Path(root, "__expectations__", "test_it")
    proposals = [
        store.propose(
            test,
            str(index) if index else "",
            directory / f"test_it.{index}.json",
            expected=None,
            actual=text,
            scenario="orders",
            report="it is new",
        )
        for index, text in enumerate(texts)
    ]
    store.replace(test, proposals)


def index(path: str) -> None:
    """Find documents in a snapshot, with all that this leaves in the cache."""
    snapshot = Snapshot.load(path)
    snapshot.verify()
    for collection in snapshot.collections.values():
        if collection.definition.data_name:
            DocumentIndex(collection).find([b"\x10\1\0\0\0"])


def keep_in_cache(name: str, text: str) -> None:
    """Keep an entry in the cache."""
    data = text.encode()
    Cache().write(name, [data[:10], data[10:]])
