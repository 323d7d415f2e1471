"""Commands on files of other tools: import of dumps and of pytest-mongodb's fixtures, export."""

from __future__ import annotations

import contextlib
import datetime
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from mongoshot.cli.options import (
    describe_snapshot,
    format_option,
    snapshots_path,
)
from mongoshot.cli.progress import progress_bar
from mongoshot.cli.terminal import echo
from mongoshot.errors import UsageError

if TYPE_CHECKING:
    from mongoshot.snapshot.manifest import Origin
    from mongoshot.snapshot.model import State

_STANDARD = "-"
_FIXTURES = "fixtures"


@click.command("import")
@click.argument("path")
@click.argument("name")
@snapshots_path
@format_option
@click.option("--db", "database", metavar="DB", help="Which database, where there are several.")
@click.option(
    "--collection",
    "collections",
    multiple=True,
    metavar="C",
    help="Of fixtures, only this one; may be repeated.",
)
@click.option("--gzip", "packed", is_flag=True, help="Pack the files of the scenario.")
@click.option("--replace", is_flag=True, help="Import an existing scenario anew.")
def import_dump(
    path: str,
    name: str,
    snapshots_path: Path,
    format: str | None,
    packed: bool,
    database: str | None,
    collections: tuple[str, ...],
    replace: bool,
) -> None:
    r"""Import a dump of mongodump, or fixtures of pytest-mongodb, as the scenario NAME.

    PATH is a dump directory, of one database or of several, an archive, or - for an archive that
    comes from standard input; what is packed with gzip is unpacked. Or it is a directory of
    fixtures: one file a collection, players.json or players.yaml, with a list of documents.

    \b
    mongoshot import dump/shop checkout
    ssh backup cat shop.archive.gz | mongoshot import - checkout
    mongoshot import tests/unit/fixtures players
    """
    from mongoshot.snapshot.placing import check_target
    from mongoshot.snapshot.scenario_names import check_new_name
    from mongoshot.snapshot.writer import check_format, write_snapshot

    check_new_name(name, snapshots_path)
    place = Path("standard input" if path == _STANDARD else path)
    before = check_target(snapshots_path / name, replace=replace)
    with contextlib.ExitStack() as stack:
        source = _open_fixtures(place, database, collections) if path != _STANDARD else None
        if source is None:
            if collections:
                raise UsageError(
                    "--collection is for directories of fixtures; a dump is imported whole"
                )
            source = stack.enter_context(_open_dump(place, path, snapshots_path, database))
        with progress_bar("writing") as progress:
            snapshot = write_snapshot(
                source.state,
                snapshots_path / name,
                origin=_origin(source, {"format": format} | ({"gzip": True} if packed else {})),
                format=check_format(format),
                gzip=packed,
                replace=replace,
                progress=progress,
            )
        for line in source.remarks:
            echo(line, err=True)
        if before is not None and before.manifest == snapshot.manifest:
            echo(f"{snapshot.path}: nothing has changed since revision {before.manifest.revision}")
            return
        echo(f"imported {snapshot.path} from {source.said}: {describe_snapshot(snapshot)}")


@dataclass(frozen=True, slots=True)
class _Source:
    """Hold what is imported: `said` names it, `remarks` are lines about what to look at."""

    state: State
    said: str
    kind: str
    server_version: str
    remarks: tuple[str, ...]


def _open_fixtures(
    place: Path, database: str | None, collections: tuple[str, ...]
) -> _Source | None:
    """Read a directory of fixtures; None where it is none, and a dump, if anything."""
    from mongoshot.snapshot.fixture_files import is_fixture_directory, read_fixtures

    if not is_fixture_directory(place):
        return None
    if database is not None:
        raise UsageError(f"--db is for dumps, and {place} is a directory of fixtures")
    fixtures = read_fixtures(place, collections)
    remarks = [f"warning: {note}" for note in fixtures.notes]
    if fixtures.made_ids:
        counted = ", ".join(f"{n} ({count})" for n, count in sorted(fixtures.made_ids.items()))
        remarks.append(
            f"note: documents without an _id have got one, by their place in the file: {counted}"
        )
    return _Source(fixtures.state, f"the fixtures in {place}", _FIXTURES, "", tuple(remarks))


@contextlib.contextmanager
def _open_dump(
    place: Path, path: str, snapshots_path: Path, database: str | None
) -> Iterator[_Source]:
    from mongoshot.snapshot.dump.reading import open_dump

    with contextlib.ExitStack() as stack:
        with progress_bar("reading") as progress:
            dump = stack.enter_context(
                open_dump(
                    place,
                    scratch=_existing(snapshots_path),
                    database=database,
                    standard_input=_standard_input() if path == _STANDARD else None,
                    progress=progress,
                )
            )
        said = f"the database {dump.database} of {place}"
        remarks = tuple(f"warning: {note}" for note in dump.notes)
        yield _Source(dump.state, said, dump.kind, dump.server_version, remarks)


@click.command("export")
@click.argument("name")
@click.argument("path")
@snapshots_path
@click.option("--archive", is_flag=True, help="Write an archive, PATH, or - for standard output.")
@click.option("--gzip", "packed", is_flag=True, help="Pack it with gzip.")
@click.option(
    "--db",
    "database",
    metavar="DB",
    help="Name of the database in the dump.  [default: that of the capture]",
)
@click.option("--replace", is_flag=True, help="Write over a dump that is there.")
def export_dump(
    name: str,
    path: str,
    snapshots_path: Path,
    archive: bool,
    packed: bool,
    database: str | None,
    replace: bool,
) -> None:
    r"""Export the scenario NAME as mongodump would write it, for mongorestore.

    PATH is the directory that gets one of the database, PATH/DB.

    \b
    mongoshot export checkout dump && mongorestore --drop dump
    mongoshot export checkout - --archive | mongorestore --drop --archive
    """
    from mongoshot.snapshot.directory import load_scenario
    from mongoshot.snapshot.dump.writing import (
        Target,
        write_archive,
        write_archive_file,
        write_directory,
    )

    if path == _STANDARD and not archive:
        raise UsageError("a dump directory cannot go to standard output; add --archive")
    snapshot = load_scenario(name, snapshots_path)
    origin = snapshot.manifest.origin
    of_capture = origin.database or snapshot.name
    target = Target(of_capture if database is None else database, origin.server_version, packed)
    with progress_bar("verifying") as progress:
        snapshot.verify(progress)
    with progress_bar("writing") as progress:
        if path == _STANDARD:
            with _standard_output() as stream:
                notes = write_archive(snapshot, stream, target, progress=progress)
        elif archive:
            notes = write_archive_file(
                snapshot, Path(path), target, replace=replace, progress=progress
            )
        else:
            place, notes = write_directory(
                snapshot, Path(path), target, replace=replace, progress=progress
            )
            path = str(place)
    _warn(notes)
    where = "standard output" if path == _STANDARD else path
    echo(
        f"exported {snapshot.path} as the database {target.database} to {where}",
        err=path == _STANDARD,
    )


def _origin(source: _Source, asked: dict[str, Any]) -> Origin:
    from mongoshot.snapshot.manifest import Origin

    now = datetime.datetime.now(datetime.UTC)
    return Origin(
        server_version=source.server_version or "unknown",
        captured_at=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        consistency="unchanged" if source.kind == _FIXTURES else "none",
        recipe={"database": source.state.label, "import": source.kind} | asked,
    )


def _existing(directory: Path) -> Path:
    """Give the nearest directory that is there already, on the disk that the snapshot goes to."""
    resolved = directory.absolute()
    return next(each for each in (resolved, *resolved.parents) if each.is_dir())


def _standard_input() -> IO[bytes]:
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal: pipe an archive to it, or name a file")
    return sys.stdin.buffer


@contextlib.contextmanager
def _standard_output() -> Iterator[IO[bytes]]:
    if sys.stdout.isatty():
        raise UsageError("standard output is a terminal: pipe it to mongorestore, or name a file")
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except OSError as error:
        raise UsageError(
            f"cannot write to standard output: {error.strerror}; make room there, or let it go"
            " elsewhere"
        ) from None


def _warn(notes: Iterable[str]) -> None:
    for note in notes:
        echo(f"warning: {note}", err=True)
