"""The command `demo`: the whole job on a server of its own, telling what it does as it goes."""

from __future__ import annotations

import datetime
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mongoshot.cli.options import count_text, project, size_text
from mongoshot.cli.terminal import echo

if TYPE_CHECKING:
    from mongoshot.server.connection import Client, Database
    from mongoshot.snapshot.directory import Snapshot

_DEVELOPMENT, _TEST = "shop", "shop_test"


@click.command()
def demo() -> None:
    """Play the whole job on an embedded mongod: capture, restore, change, diff, reset."""
    from mongoshot.server.connection import connect
    from mongoshot.server.embedded.binary import find_mongod
    from mongoshot.server.embedded.leftovers import demo_prefix
    from mongoshot.server.embedded.mongod import start_mongod

    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix=demo_prefix()) as directory:
        _say("A MongoDB for this demo", "mongoshot server")
        # On no other server, also where none can be started: what it leaves is said to be gone.
        with (
            start_mongod(find_mongod(project().mongod)) as server,
            connect(server.url) as client,
        ):
            version = client.server_info()["version"]
            echo(f"  MongoDB {version}, a replica set of one, ready {_since(started)}")
            _tell(client, Path(directory))
    echo(f"\nDone {_since(started)}; the server and its data are gone.")


def _tell(client: Client, directory: Path) -> None:
    from mongoshot.recording.capture import capture
    from mongoshot.server.collections import hash_collections
    from mongoshot.staging.staged import restore

    scenario = _bundled_shop()
    development, test = client[_DEVELOPMENT], client[_TEST]
    restore(scenario, development)

    _say(
        "Record the live dev database once",
        f"mongoshot capture checkout --db-name {_DEVELOPMENT}",
    )
    started = time.perf_counter()
    snapshot = capture(development, directory / "snapshots" / "checkout")
    _show(snapshot)
    echo(f"  captured at one point in time, verified, written {_since(started)}")

    _say("Stage it for the tests", f"mongoshot restore checkout --db-name {_TEST}")
    started = time.perf_counter()
    staged = restore(snapshot, test)
    echo(f"  {_count(snapshot)} restored {_since(started)}")
    _prove(hash_collections(development) == hash_collections(test), "equal dbHash, by collection")

    _say("A test pays an order, and does a little more than it should")
    _pay(test)
    started = time.perf_counter()
    changes = staged.changes()
    echo("\n".join(f"  {line}" for line in str(changes).splitlines()))
    echo(f"  found {_since(started)}")

    _say("Reset: put back what the test touched")
    report = staged.reset()
    echo(f"  {', '.join(report.collections)}: {count_text(report.documents, 'document')}")
    echo(f"  written in {report.seconds * 1000:.0f} ms")
    _prove(hash_collections(development) == hash_collections(test), "equal dbHash, by collection")
    _prove(not staged.changes(), "no change since the restore")


def _bundled_shop() -> Snapshot:
    """Open the scenario that comes with the package, or beside it in a source tree."""
    from mongoshot.snapshot.directory import load_scenario

    package = Path(__file__).parents[1]
    bundled = package / "bundled"
    return load_scenario("shop", bundled if bundled.is_dir() else package.parents[1] / "snapshots")


def _pay(database: Database) -> None:
    now = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC)
    order = database["orders"].find_one({"_id": "order-1001"}) or {}
    database["orders"].update_one(
        {"_id": "order-1001"}, {"$set": {"status": "paid", "paid_at": now}}
    )
    database["payments"].insert_one(
        {
            "_id": "payment-order-1001",
            "order_id": "order-1001",
            "amount": order.get("total"),
            "method": "card",
            "created_at": now,
        }
    )
    database["products"].update_one({"sku": "MUG-BLUE"}, {"$inc": {"stock": -1}})


def _show(snapshot: Snapshot) -> None:
    for entry in snapshot.manifest.files:
        if entry.documents is not None:
            documents = count_text(entry.documents, "document")
            echo(f"  {entry.name:18} {documents:>14}  {size_text(entry.bytes):>9}")


def _count(snapshot: Snapshot) -> str:
    return count_text(sum(e.documents or 0 for e in snapshot.manifest.files), "document")


def _prove(holds: bool, what: str) -> None:
    from mongoshot.errors import RestoreError

    if not holds:
        raise RestoreError(f"the demo expected this, and it is not so: {what}")
    echo(f"  proved: {what}")


def _say(title: str, typed: str | None = None) -> None:
    echo("")
    echo(f"   $ {typed}" if typed else "", bold=title)


def _since(started: float) -> str:
    return f"in {time.perf_counter() - started:.2f} s"
