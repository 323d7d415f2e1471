"""Scenarios that a run captures, from a server that is not its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mongoshot import Snapshot
from mongoshot.config import resolve
from mongoshot.errors import AuthenticationError, DatabaseNotFoundError, UsageError
from mongoshot.recording.modes import Wish
from mongoshot.recording.scenarios import Target, record_missing
from mongoshot.server.connection import Client, connect


def test_a_user_who_may_only_read_the_source_is_enough(
    mongo_client: Client, start_guarded_mongod: Callable[[str], str], tmp_path: Path
) -> None:
    address = start_guarded_mongod("s3cret")
    settings = resolve({"db-name": "shop"}, root=tmp_path, environment={})
    target, locks = Target(mongo_client, settings), tmp_path / ".mongoshot" / "recording"
    with connect(f"mongodb://root:s3cret@{address}") as root:
        root["shop"]["orders"].insert_one({"_id": 1})
        root["mongoshot"]["databases"].insert_one({"_id": "ours", "ownership": "created"})
        root["ours"]["orders"].insert_one({"_id": 1})
        roles = [{"role": "read", "db": "shop"}]
        root.admin.command("createUser", "reader", pwd="s3cret", roles=roles)
    url = f"mongodb://reader:s3cret@{address}/shop?authSource=admin"

    # On another server, a database of the same name is another one.
    captured = record_missing("checkout", Wish("once", url), target, locks)

    assert captured is not None
    assert str(captured).startswith(f"shop on {address}: 1 document in ")
    assert list(Snapshot.load(captured.path).collections) == ["orders"]
    assert record_missing("checkout", Wish("once", "mongodb://nowhere"), target, locks) is None
    for wish, error, message in [
        (
            Wish("once", url, "shpo"),
            DatabaseNotFoundError,
            "cannot record the scenario 'other' from",
        ),
        (
            Wish("once", url.replace("s3cret", "wrong")),
            AuthenticationError,
            r"\(--scenario-source-url or SCENARIO_SOURCE_URL\)",
        ),
        (
            Wish("once", f"mongodb://root:s3cret@{address}", "ours"),
            UsageError,
            r"the source ours on .* is no source, as it is one that mongoshot overwrites",
        ),
    ]:
        with pytest.raises(error, match=message) as caught:
            record_missing("other", wish, target, locks)
        assert "\n" not in str(caught.value)
        assert "s3cret" not in str(caught.value)
        assert "wrong" not in str(caught.value)
