"""A state → a dump that mongorestore takes: a directory, or an archive; whole, or not at all.

The bytes are the same for the same state and version. What mongorestore would make something else
of is said, as nothing in the format could prevent that.

Source: `mongodump/mongodump.go`, `common/archive/prelude.go` and `multiplexer.go` of
https://github.com/mongodb/mongo-tools
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import bson
import psutil

from mongoshot.errors import DumpError, UsageError
from mongoshot.files import make_directory, sync, sync_directory
from mongoshot.snapshot.dump.archives import MAGIC, TERMINATOR, VERSION
from mongoshot.snapshot.dump.checksum import Checksum
from mongoshot.snapshot.dump.directories import DOCUMENTS_SUFFIX, PRELUDE_NAME
from mongoshot.snapshot.dump.limits import Limits, explicit_collations
from mongoshot.snapshot.elements import count_documents
from mongoshot.snapshot.left_over import left_over, recover_replaced
from mongoshot.snapshot.metadata import metadata_to_json
from mongoshot.snapshot.model import Collection, Progress, State, in_creation_order, no_progress
from mongoshot.snapshot.names import METADATA_SUFFIX, file_stems
from mongoshot.snapshot.packing import GZIP_SUFFIX, Sink, packing

#: What no server takes in the name of a database on any system.
#: https://www.mongodb.com/docs/manual/reference/limits/#naming-restrictions
_NOT_IN_NAMES = frozenset('/\\. "$*<>|:?\0')
_LONGEST_NAME = 63

_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+([-+].*)?")


@dataclass(frozen=True, slots=True)
class Target:
    """Say what a dump is written as: the name of its database, the server's version, packed or not.

    `server_version` is that of the server which the state was captured from.
    """

    database: str
    server_version: str
    packed: bool = False

    def __post_init__(self) -> None:
        """Raise UsageError for a name that no database can have."""
        name = self.database
        if not name or len(name.encode()) > _LONGEST_NAME or set(name) & _NOT_IN_NAMES:
            raise UsageError(
                f"{name!r} cannot be the name of a database: name one with --db, of up to"
                f' {_LONGEST_NAME} bytes and without / \\ . space " $ * < > | : ?'
            )

    @property
    def known_version(self) -> str:
        """Return the server's version as mongorestore can read it."""
        return self.server_version if _VERSION.fullmatch(self.server_version) else "0.0.0"


def write_directory(
    state: State,
    path: Path,
    target: Target,
    *,
    replace: bool = False,
    progress: Progress = no_progress,
) -> tuple[Path, list[str]]:
    """Write a dump directory `path`, with one of the database in it.

    Other databases in `path` stay. One of this name is replaced with `replace`, if it holds nothing
    but a dump, in one step at the end. Returns the directory of the database, and a line for each
    thing that mongorestore would not restore as it is.

    Raises DumpError where something is there, or files cannot be written.
    """
    place = path / target.database
    with _translated(place):
        recover_replaced(place)
        _check_directory(path, place, replace=replace)
    limits = Limits()
    with _writing(place) as aside:
        aside.mkdir(parents=True)
        names = {n for c in state.collections.values() for n in (c.name, c.definition.data_name)}
        stems = file_stems(name for name in names if name is not None)
        for name, collection in state.collections.items():
            limits.look_at(collection.definition, state)
            definition = explicit_collations(collection.definition)
            if definition.data_name is not None:
                file = aside / (stems[definition.data_name] + DOCUMENTS_SUFFIX)
                with _create(file, packed=target.packed) as opened:
                    for chunk in limits.watched(collection):
                        opened.write(chunk)
                        progress(name, count_documents(chunk))
            file = aside / (stems[name] + METADATA_SUFFIX)
            with _create(file, packed=target.packed) as opened:
                opened.write(metadata_to_json(definition).encode())
        versions = {"ServerVersion": target.known_version, "ToolVersion": _tool_version()}
        with _create(aside / PRELUDE_NAME, packed=target.packed) as opened:
            opened.write(json.dumps(versions).encode())
        _put_in_place(aside, place)
    return place, limits.notes()


def write_archive_file(
    state: State,
    path: Path,
    target: Target,
    *,
    replace: bool = False,
    progress: Progress = no_progress,
) -> list[str]:
    """Write the archive `path`; returns and raises what `write_directory` does."""
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise DumpError(f"{path} is there and is no file: name another one for the archive")
    if path.exists() and not replace:
        raise DumpError(f"{path} is already there; add --replace, or name another file")
    with _writing(path) as aside:
        with aside.open("xb") as file:
            notes = write_archive(state, file, target, progress=progress)
            sync(file)
        aside.replace(path)
        sync_directory(path.parent)
    return notes


def write_archive(
    state: State, file: Sink, target: Target, *, progress: Progress = no_progress
) -> list[str]:
    """Write an archive to a stream; return what `write_directory` does."""
    limits = Limits()
    with packing(file, packed=target.packed) as opened:
        opened.write(MAGIC + _prelude(state, target, limits) + TERMINATOR)
        # mongorestore makes collections as they come.
        for definition in in_creation_order(
            {n: c.definition for n, c in state.collections.items()}
        ):
            collection = state.collections[definition.name]
            _write_namespace(opened, collection, target.database, limits, progress)
    return limits.notes()


def _prelude(state: State, target: Target, limits: Limits) -> bytes:
    header = {
        "concurrent_collections": 1,
        "version": VERSION,
        "server_version": target.known_version,
        "tool_version": _tool_version(),
    }
    parts = [bson.encode(header)]
    for name, collection in state.collections.items():
        limits.look_at(collection.definition, state)
        entry = {
            "db": target.database,
            "collection": name,
            "metadata": metadata_to_json(explicit_collations(collection.definition)),
            "size": 0,  # as mongodump, which does not know it yet either
            "type": collection.definition.type,
        }
        parts.append(bson.encode(entry))
    return b"".join(parts)


def _write_namespace(
    file: Sink, collection: Collection, database: str, limits: Limits, progress: Progress
) -> None:
    name = collection.definition.data_name or collection.name
    header = {"db": database, "collection": name, "EOF": False, "CRC": bson.Int64(0)}
    file.write(bson.encode(header))
    checksum = Checksum()
    if collection.definition.type != "view":
        for chunk in limits.watched(collection):
            checksum.update(chunk)
            file.write(chunk)
            progress(collection.name, count_documents(chunk))
    signed = int.from_bytes(checksum.value().to_bytes(8), signed=True)
    header |= {"EOF": True, "CRC": bson.Int64(signed)}
    file.write(TERMINATOR + bson.encode(header) + TERMINATOR)


def _tool_version() -> str:
    return f"{version('mongoshot')}-mongoshot"


@contextlib.contextmanager
def _create(path: Path, *, packed: bool) -> Iterator[Sink]:
    path = path.with_name(path.name + GZIP_SUFFIX) if packed else path
    with path.open("xb") as file:
        with packing(file, packed=packed) as opened:
            yield opened
        sync(file)


def _check_directory(path: Path, place: Path, *, replace: bool) -> None:
    if path.exists() and not path.is_dir():
        raise DumpError(f"{path} is a file: name a directory, or add --archive")
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        raise DumpError(f"{place} is there and is no directory: name another one for the dump")
    entries = sorted(place.iterdir()) if place.is_dir() else []
    if not entries:
        return
    strange = [entry.name for entry in entries if not _is_of_dump(entry)]
    if strange:
        raise DumpError(
            f"{place} is there, and {strange[0]!r} in it is not of a dump: name another directory"
        )
    if not replace:
        raise DumpError(f"{place} is already there; add --replace, or name another directory")


def _is_of_dump(entry: Path) -> bool:
    suffixes = (DOCUMENTS_SUFFIX, METADATA_SUFFIX, PRELUDE_NAME)
    return entry.name.removesuffix(GZIP_SUFFIX).endswith(suffixes) and not entry.is_dir()


@contextlib.contextmanager
def _writing(place: Path) -> Iterator[Path]:
    """Give the path to write aside at; what is left there in the end goes."""
    aside = place.parent / f".{place.name}.{os.getpid()}.partial"
    with _translated(place):
        make_directory(place.parent)
        for left, pid in [*left_over(place, "partial"), *left_over(place, "replaced")]:
            if pid == os.getpid() or not psutil.pid_exists(pid):
                _remove(left)
        try:
            yield aside
        finally:
            _remove(aside)


@contextlib.contextmanager
def _translated(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DumpError(
            f"cannot write {place}: {error.strerror or error}; what was there before is as it was;"
            " make room, or name another place"
        ) from None


def _put_in_place(aside: Path, place: Path) -> None:
    """Swap the new directory in; the next export heals a swap that was killed half-way."""
    sync_directory(aside)
    if not place.exists():
        aside.rename(place)
        sync_directory(place.parent)
        return
    replaced = place.parent / f".{place.name}.{os.getpid()}.replaced"
    place.rename(replaced)
    try:
        aside.rename(place)
        try:
            sync_directory(place.parent)
        except BaseException:
            place.rename(aside)
            raise
    except BaseException:
        replaced.rename(place)
        raise
    # Half removed it must not be healed back; where that cannot be, the next export does it.
    with contextlib.suppress(OSError):
        replaced.rename(aside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
