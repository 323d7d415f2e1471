"""The command `watch`: changes as they happen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mongoshot.cli.options import open_database, several, source_options
from mongoshot.cli.terminal import ReaderGoneError, echo, echo_json, echo_while_read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mongoshot.comparison.documents import Value
    from mongoshot.server.history.live import LiveChange

_MOST = 160  # characters of a value


@click.command()
@source_options
@several("--collection", "collections", "C", "Only this one; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Write each change as a line of JSON.")
def watch(db_url: str, db_name: str | None, collections: tuple[str, ...], as_json: bool) -> None:
    r"""Watch a database: each change as it happens, until Ctrl-C. Only reads from the server.

    \b
    mongoshot watch --db-url mongodb://127.0.0.1:27017 --db-name shop
    """
    from mongoshot.server.connection import describe
    from mongoshot.server.history.live import watch_changes

    with open_database(db_url, db_name) as database:

        def ready() -> None:
            echo(f"watching {describe(database)}, until Ctrl-C", err=True)

        try:
            for change in watch_changes(database, ready=ready):
                if change is None or (collections and change.collection not in collections):
                    continue
                if as_json:
                    echo_json(_to_json(change), endless=True)
                else:
                    bold, text = _to_text(change)
                    echo_while_read(text, bold=bold)
            echo("the database was dropped", err=True)
        except KeyboardInterrupt:
            echo("stopped", err=True)
        except ReaderGoneError:
            pass  # as `head` goes: it has seen enough


def _to_text(change: LiveChange) -> tuple[str, str]:
    """Write a change for a person: when and what, and of which document."""
    from mongoshot.comparison.documents import Value, identity_of
    from mongoshot.comparison.text import shorten, spell_out
    from mongoshot.snapshot.elements import DOCUMENT

    where = spell_out(change.collection)
    start = f"{change.at.astimezone():%H:%M:%S.%f}"[:-3] + f"  {change.verb:8}"
    if change.verb in ("insert", "replace"):
        return start, f"  {where}  {shorten(Value(DOCUMENT, change.document), _MOST)}"
    if change.verb not in ("update", "delete"):
        told = f"  {shorten(Value(DOCUMENT, change.detail), _MOST)}" if change.detail else ""
        return start, f"  {where}{told}"
    identity = shorten(identity_of(change.document), _MOST) if change.document else ""
    fields = [f"{path} = {shorten(value, _MOST)}" for path, value in _fields(change.updated)]
    fields += [f"{spell_out(path)} removed" for path in change.removed]
    return start, f"  {where}  {identity}  {', '.join(fields)}".rstrip()


def _fields(updated: bytes) -> Iterator[tuple[str, Value]]:
    from mongoshot.comparison.documents import Value
    from mongoshot.comparison.text import spell_out
    from mongoshot.snapshot.elements import iterate_elements

    for kind, key, start, end in iterate_elements(updated) if updated else ():
        yield spell_out(key.decode(errors="replace")), Value(kind, updated[start:end])


def _to_json(change: LiveChange) -> str:
    """Write a change as one line, documents in canonical Extended JSON.

    One that Extended JSON cannot hold is said to be so, by the reason in its place.
    """
    import json

    from mongoshot.errors import InvalidBSONError, NotRepresentableError
    from mongoshot.snapshot.encoding import to_extended_json

    def document(raw: bytes) -> str:
        try:
            return to_extended_json(raw) if raw else ""
        except (InvalidBSONError, NotRepresentableError) as error:
            return json.dumps(str(error))

    members = {
        "at": json.dumps(change.at.isoformat()),
        "verb": json.dumps(change.verb),
        "collection": json.dumps(change.collection, ensure_ascii=False),
        "document": document(change.document),
        "updated": document(change.updated),
        "removed": json.dumps(change.removed, ensure_ascii=False) if change.removed else "",
        "detail": document(change.detail),
    }
    return "{" + ", ".join(f'"{key}": {text}' for key, text in members.items() if text) + "}"
