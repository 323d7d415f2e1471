"""Options and output that several commands share."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mongoshot.comparison.printable import one_line
from mongoshot.config import DEFAULT_SNAPSHOTS, DEFAULT_URL, Project, read_project
from mongoshot.errors import UsageError

if TYPE_CHECKING:
    from mongoshot.server.connection import Database
    from mongoshot.snapshot.directory import Snapshot
    from mongoshot.snapshot.steps.state import AtStep

Command = TypeVar("Command", bound=Callable[..., Any])

#: Bytes of one file that most hosts of repositories refuse.
TOO_MUCH = 100 * 10**6


def _not_empty(_context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    if value == "":
        raise UsageError(f"{parameter.opts[0]} is empty; give it a value or leave it out")
    return value


def _problem_of(path: Path) -> str | None:
    try:
        if not path.exists():
            return None  # a capture makes it
        if not path.is_dir():
            return "is no directory"
        return None if os.access(path, os.R_OK | os.X_OK) else "cannot be read"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _to_path(context: click.Context, parameter: click.Parameter, value: str) -> Path:
    path = Path(_not_empty(context, parameter, value))
    if problem := _problem_of(path):
        raise UsageError(f"{path} {problem}; name another directory with --snapshots-path")
    return path


snapshots_path = click.option(
    "--snapshots-path",
    callback=_to_path,
    default=DEFAULT_SNAPSHOTS,
    envvar="SNAPSHOTS_PATH",
    show_default=True,
    show_envvar=True,
    help="Directory of the scenarios.",
)
format_option = click.option(
    "--format", type=click.Choice(["bson", "json"]), help="Encoding of the files of documents."
)

shared_option = click.option(
    "--shared", is_flag=True, help="Let others read the files, also of a source with a password."
)


def database_options(url_variable: str, name_variable: str) -> Callable[[Command], Command]:
    """Add --db-url and --db-name to a command, with the environment variables given."""

    def decorate(command: Command) -> Command:
        name = click.option(
            "--db-name",
            envvar=name_variable,
            show_envvar=True,
            callback=_not_empty,
            help="Name of the database; default: the one in the URL.",
        )
        text = f"URL of the server.  [default: {DEFAULT_URL}]"
        return url_option(url_variable, default=DEFAULT_URL, help=text)(name(command))

    return decorate


def source_options(command: Command) -> Command:
    """Add --db-url and --db-name of a database that is only read from, to a command."""
    return database_options("SCENARIO_SOURCE_URL", "SCENARIO_SOURCE_NAME")(command)


def url_option(variable: str, **attributes: Any) -> Callable[[Command], Command]:
    """Add --db-url to a command, with the environment variable and attributes given."""
    return click.option(
        "--db-url", envvar=variable, show_envvar=True, callback=_not_empty, **attributes
    )


@contextlib.contextmanager
def open_database(url: str, name: str | None, otherwise: str | None = None) -> Iterator[Database]:
    """Connect to the database `name`, or to the one that the URL names, or to `otherwise`."""
    from mongoshot.server.connection import connect, default_database, named_database
    from mongoshot.server.urls import redact

    with connect(url) as client:
        database = default_database(client) if name is None else named_database(client, name)
        if database is None and otherwise is not None:
            database = named_database(client, otherwise)
        if database is None:
            raise UsageError(
                f"no database is named in {redact(url)}: write mongodb://HOST/NAME, or give the"
                " name with --db-name to a command that takes it"
            )
        yield database


def project() -> Project:
    """Read `[tool.mongoshot]` of the project that the command is typed in."""
    return read_project(working_directory())


def working_directory() -> Path:
    """Return the directory that the command is typed in."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UsageError("the working directory is gone; cd to one that is there") from None


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Align rows under a head: numbers to the right, everything else to the left."""
    from rich.cells import cell_len

    cells = [[one_line(str(cell)) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(head, *cells, strict=True)]
    right = [all(isinstance(row[at], int) for row in rows) for at in range(len(head))]

    def line(texts: Sequence[str]) -> str:
        padded = [
            " " * (width - cell_len(text)) + text
            if is_right
            else text + " " * (width - cell_len(text))
            for text, width, is_right in zip(texts, widths, right, strict=True)
        ]
        return "  ".join(padded).rstrip()

    return "\n".join(map(line, [head, *cells]))


def size_text(size: int) -> str:
    """Write a size in bytes for a person, in decimal units."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"


def count_text(count: int, noun: str) -> str:
    """Write a number with its noun: `1 document`, `2 documents`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def age_text(since: datetime.datetime) -> str:
    """Write how long ago something was, in its largest unit: `2 minutes ago`."""
    seconds = (datetime.datetime.now(datetime.UTC) - since).total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            return f"{count_text(int(seconds // length), unit)} ago"
    return "just now"


def several(name: str, parameter: str, metavar: str, text: str) -> Callable[[Command], Command]:
    """Add an option that may be given several times."""
    return click.option(name, parameter, multiple=True, metavar=metavar, help=text)


def describe_scenario(scenario: Snapshot | AtStep) -> str:
    """Say in a line how much is in a scenario, which may be a step of a recording."""
    from mongoshot.snapshot.steps.state import AtStep

    if not isinstance(scenario, AtStep):
        return describe_snapshot(scenario)
    return ", ".join(
        [
            count_text(len(scenario.collections), "collection"),
            f"step {scenario.step} of {scenario.recording.steps}",
            f"revision {scenario.snapshot.manifest.revision}",
        ]
    )


def describe_snapshot(snapshot: Snapshot) -> str:
    """Say in a line how much is in a snapshot."""
    files = snapshot.manifest.files
    documents = sum(entry.documents or 0 for entry in files)
    return ", ".join(
        [
            count_text(len(snapshot.collections), "collection"),
            count_text(documents, "document"),
            size_text(sum(entry.bytes for entry in files)),
            f"revision {snapshot.manifest.revision}",
        ]
    )
