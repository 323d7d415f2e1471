"""Changes as they happen, from a change stream of one database.

https://www.mongodb.com/docs/manual/reference/change-events/
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo import ReadPreference
from pymongo.read_concern import ReadConcern

from mongoshot.server.connection import RAW, Database, ask_server, describe, translated
from mongoshot.server.requirements import WATCH, WATCH_COMMANDS, require
from mongoshot.snapshot.elements import DOCUMENT, iterate_elements

#: Milliseconds that the server waits for a change before it answers that there was none.
_WAIT = 500


@dataclass(frozen=True, slots=True)
class LiveChange:
    """Hold one change: `verb` as the server calls it, `at` its time in UTC.

    `collection` is "" for what happened to the database; `document` what was inserted or replaced,
    or the `_id` of what was updated or deleted. `updated` are the fields of an update with their
    new values, `removed` those that are gone, `detail` what else is told of a command.
    """

    at: datetime.datetime
    verb: str
    collection: str
    document: bytes = b""
    updated: bytes = b""
    removed: tuple[str, ...] = ()
    detail: bytes = b""


def watch_changes(
    database: Database, *, ready: Callable[[], None] = lambda: None
) -> Iterator[LiveChange | None]:
    """Yield each change of a database from now on, and None at least twice a second without one.

    `ready` is called when none will be missed. Commands are told by MongoDB 6.0 and newer. Ends
    when the database is dropped. Raises CommandError on a standalone server, which has no stream.
    """
    server = ask_server(database.client)
    require(
        WATCH,
        server,
        f"watch {describe(database)}",
        "a standalone server tells nobody what is written: start it as a replica set of one, or use"
        " one of your own: mongoshot server",
    )
    options: dict[str, Any] = {"max_await_time_ms": _WAIT}
    if not WATCH_COMMANDS.lacking(server):
        options["show_expanded_events"] = True
    source: Any = database.with_options(
        codec_options=RAW,
        read_preference=ReadPreference.PRIMARY,
        read_concern=ReadConcern("majority"),  # a stream takes no other
    )
    with translated(f"watch {describe(database)}"), contextlib.ExitStack() as stack:
        stream = stack.enter_context(source.watch(**options))
        ready()
        while stream.alive:
            event = stream.try_next()
            yield None if event is None else _change(event)


def _change(event: RawBSONDocument) -> LiveChange:
    verb: str = event["operationType"]
    parts = {key: event.raw[s:e] for _, key, s, e in iterate_elements(bytes(event.raw))}
    described = event.get("updateDescription")
    update: dict[bytes, bytes] = {}
    if described is not None:
        raw = bytes(described.raw)
        update = {key: raw[s:e] for k, key, s, e in iterate_elements(raw) if k == DOCUMENT}
    removed = tuple(described.get("removedFields", ())) if described is not None else ()
    truncated = described.get("truncatedArrays", ()) if described is not None else ()
    # Servers before 6.0 tell the second alone.
    at = event.get("wallTime") or event["clusterTime"].as_datetime()
    document = parts.get(b"fullDocument") if verb in ("insert", "replace") else None
    return LiveChange(
        at=at.replace(tzinfo=datetime.UTC),
        verb=verb,
        collection=event.get("ns", {}).get("coll", ""),
        document=bytes(document or parts.get(b"documentKey", b"")),
        updated=update.get(b"updatedFields", b""),
        removed=(*removed, *(f"{each['field']}[{each['newSize']}…]" for each in truncated)),
        detail=bytes(parts.get(b"operationDescription", b"")),
    )
