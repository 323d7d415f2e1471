"""Whether what was written stays: on the disks of a majority, of servers that have not changed.

The writes of a load and of a reset are acknowledged by the primary alone. It may fail before it has
sent them on, and the next one does without them; a single server that crashes loses what it has
written in the last tenth of a second. So nothing is believed to be complete before `confirm`, and
before a tracker has said that there was no election, and no start, in between (`lost_since`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo import ReadPreference, WriteConcern

from mongoshot.server.connection import Database, describe, translated
from mongoshot.server.ledger import LEDGER_DATABASE

#: Milliseconds to wait for a majority. It takes milliseconds, unless members are gone.
PATIENCE = 10_000

#: Of each write that nobody confirms later on.
BY_MAJORITY: Mapping[str, Any] = {"w": "majority", "wtimeout": PATIENCE}


def confirm(database: Database) -> None:
    """Wait until all that this server has acknowledged is on the disks of a majority.

    Raises CommandError where that takes more than 10 s. An election later on loses none of it.
    """
    durable = WriteConcern(w="majority", j=True, wtimeout=PATIENCE)
    # A write that changes nothing waits for whatever was written before it.
    # https://github.com/mongodb/mongo/blob/master/src/mongo/db/repl/repl_client_info.h
    ledger = database.client[LEDGER_DATABASE].get_collection(
        "databases", write_concern=durable, read_preference=ReadPreference.PRIMARY
    )
    with translated(f"have what was written to {describe(database)} confirmed by a majority"):
        ledger.update_one({"_id": database.name}, {"$unset": {"confirmed": ""}})


def identify_process(database: Database) -> Any:
    """Identify the server's process; None for servers before 4.4."""
    with translated("ask the server who it is"):
        told = database.client.admin.command("hello")
    return told.get("topologyVersion", {}).get("processId")
