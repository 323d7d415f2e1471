"""A dump → the state of one database in it."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Literal

from bson.errors import BSONError

from mongoshot.errors import DumpError, InvalidBSONError
from mongoshot.snapshot.bounds import LARGEST_DUMPED_METADATA
from mongoshot.snapshot.dump import directories
from mongoshot.snapshot.dump.archives import Archive
from mongoshot.snapshot.dump.definitions import make_definition, read_definition
from mongoshot.snapshot.dump.sorting import Read, in_snapshot_order
from mongoshot.snapshot.dump.source import damaged, read_documents, reading
from mongoshot.snapshot.dump.spool import Spool
from mongoshot.snapshot.elements import framed, split_documents
from mongoshot.snapshot.model import (
    BUCKETS_PREFIX,
    Collection,
    Definition,
    MemoryState,
    Progress,
    decode,
    no_documents,
    no_progress,
)

#: Databases of the server's own, which a dump of everything holds too.
_SERVER_DATABASES = frozenset({"admin", "config", "local"})
_SYSTEM_PREFIX, _STORED_FUNCTIONS, _OLD_INDEXES = "system.", "system.js", "system.indexes"
_EMPTY = framed(b"")

#: The text of a metadata file, and the file or namespace that it is from.
_Metadata = tuple[bytes, str]


@dataclass(frozen=True, slots=True)
class Dump:
    """Hold one database of a dump; its documents can be read while the dump is open.

    `notes` says, a line each, what of the dump is not in `state`, or not as it is there.
    `server_version` is "" where the dump does not say it.
    """

    database: str
    kind: Literal["directory", "archive"]
    server_version: str
    state: MemoryState
    notes: tuple[str, ...]


@contextlib.contextmanager
def open_dump(
    path: Path,
    *,
    scratch: Path,
    database: str | None = None,
    standard_input: IO[bytes] | None = None,
    progress: Progress = no_progress,
) -> Iterator[Dump]:
    """Open a dump directory, of one database or of several, or an archive, packed or not.

    `database` says which database, where there are several; those of the server itself count only
    where they are named. With `standard_input`, an archive is read from there, and `path` is its
    name in errors. Temporary files go to the directory `scratch`: they hold the documents of an
    archive, and of collections that are not sorted by `_id`. `progress` is told of documents that
    pass on the way there.

    Raises DumpError where it is no dump, is damaged or has no such database.
    """
    with ExitStack() as stack:
        if standard_input is None and path.is_dir():
            yield _open_directory(path, database, scratch)
            return
        if standard_input is None:
            with reading(path):
                standard_input = stack.enter_context(path.open("rb"))
            _require_archive_name(path)
        spool = stack.enter_context(closing(Spool(scratch)))
        yield _open_archive(standard_input, str(path), database, spool, scratch, progress)


def _open_directory(path: Path, database: str | None, scratch: Path) -> Dump:
    found = directories.find_databases(path)
    name = _choose(list(found), database, str(path))
    directory = found[name]
    files = directories.list_files(directory)
    notes = [f"{directory / other}: not of mongodump, left out" for other in files.others]
    root = directory.parent if directory == path else path
    if directories.has_oplog(root):
        notes.append(_oplog_note(str(root)))
    texts = directories.read_metadata(files.metadata)
    metadata = {n: (texts[n], str(p)) for n, p in files.metadata.items()}
    documents = {n: (partial(read_documents, p), str(p)) for n, p in files.documents.items()}
    return Dump(
        name,
        "directory",
        directories.read_server_version([directory, root]),
        _assemble(name, metadata, documents, scratch, notes),
        tuple(notes),
    )


def _open_archive(
    file: IO[bytes],
    where: str,
    database: str | None,
    spool: Spool,
    scratch: Path,
    progress: Progress,
) -> Dump:
    with reading(where):
        archive = Archive(file, where)
        prelude = archive.prelude
        name = _choose(prelude.databases, database, where)
        extents = archive.documents(name, spool, progress)
    notes = []
    if any(not of for of, _ in prelude.metadata):
        notes.append(_oplog_note(where))
    listed = {n: text for (of, n), text in prelude.metadata.items() if of == name}
    metadata = {n: (text.encode(), f"{where}, {name}.{n}") for n, text in listed.items()}
    documents = {n: (each.chunks, f"{where}, {name}.{n}") for n, each in extents.items()}
    state = _assemble(name, metadata, documents, scratch, notes)
    for collection in state.collections.values():
        definition = collection.definition
        names = {definition.name, definition.data_name}
        # Old versions of mongodump close no view.
        if definition.type != "view" and not names & documents.keys():
            raise damaged(f"{where} is cut: it ends before {name}.{definition.name}")
    return Dump(name, "archive", prelude.server_version, state, tuple(notes))


def _choose(databases: list[str], database: str | None, where: str) -> str:
    if database is not None:
        if database in databases:
            return database
        near = difflib.get_close_matches(database, databases, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else _listed(databases)
        raise DumpError(f"{where} has no database {database!r}: {hint}")
    candidates = [name for name in databases if name not in _SERVER_DATABASES] or databases
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise DumpError(f"{where} holds no database: there is nothing to import")
    raise DumpError(f"{where} holds several databases; name one with --db: {_listed(candidates)}")


def _listed(names: list[str]) -> str:
    return f"it has {', '.join(names[:10])}{', …' if len(names) > 10 else ''}"


def _oplog_note(where: str) -> str:
    return (
        f"{where} was made with --oplog, and what its oplog holds is left out: documents may not"
        " fit each other; for one point in time, restore it with mongorestore --oplogReplay and"
        " capture that"
    )


def _require_archive_name(path: Path) -> None:
    if path.name.endswith((directories.DOCUMENTS_SUFFIX, directories.DOCUMENTS_SUFFIX + ".gz")):
        raise DumpError(f"{path} is one collection: name the directory that it is in")


def _assemble(
    database: str,
    metadata: Mapping[str, _Metadata],
    documents: Mapping[str, tuple[Read, str]],
    scratch: Path,
    notes: list[str],
) -> MemoryState:
    """Put together metadata and documents, by the names that they have in the dump."""
    indexes = _old_indexes(documents)
    skipped = sorted(filter(_is_of_server, {*metadata, *documents}))
    notes += [f"{name}: of the server itself, left out" for name in skipped]
    collections: dict[str, Collection] = {}
    for name in sorted({*metadata, *documents} - set(skipped)):
        if name.startswith(BUCKETS_PREFIX):
            if name.removeprefix(BUCKETS_PREFIX) not in metadata:
                raise damaged(
                    f"{documents.get(name, metadata.get(name))[1]} holds a time series"  # type: ignore[index]
                    " whose metadata is missing"
                )
            continue
        definition = _definition(name, metadata, indexes, notes.append)
        found = documents.get(name)
        if definition.type == "timeseries":
            found = documents.get(BUCKETS_PREFIX + name, found)
        if definition.type == "view":
            found = None
        elif found is None and name not in metadata:
            continue
        read = no_documents if found is None else _reader(definition, *found, scratch)
        collections[name] = Collection(definition, read)
    return MemoryState(database, collections)


def _definition(
    name: str,
    metadata: Mapping[str, _Metadata],
    indexes: Mapping[str, list[bytes]],
    note: Callable[[str], None],
) -> Definition:
    text, where = metadata.get(name, (b"", ""))
    if text.strip():
        return read_definition(text, name, where, note)
    return make_definition(name, _EMPTY, indexes.get(name, ()), note)


def _reader(definition: Definition, read: Read, where: str, scratch: Path) -> Read:
    def chunks() -> Iterator[bytes]:
        try:
            yield from in_snapshot_order(definition, read, where, scratch)
        except InvalidBSONError as error:
            raise damaged(f"{where}: {error}") from None

    return chunks


def _is_of_server(name: str) -> bool:
    """Tell the server's own collections, and the users and roles that a dump may hold."""
    if name.startswith("$"):
        return True
    kept = name == _STORED_FUNCTIONS or name.startswith(BUCKETS_PREFIX)
    return name.startswith(_SYSTEM_PREFIX) and not kept


def _old_indexes(documents: Mapping[str, tuple[Read, str]]) -> dict[str, list[bytes]]:
    """Read the indexes of all collections, as MongoDB 2 keeps them in a collection of its own."""
    if _OLD_INDEXES not in documents:
        return {}
    found: dict[str, list[bytes]] = {}
    read, where = documents[_OLD_INDEXES]
    size = 0
    for chunk in read():
        if (size := size + len(chunk)) > LARGEST_DUMPED_METADATA:
            raise damaged(f"{where} has more than {LARGEST_DUMPED_METADATA} bytes of indexes")
        for index in split_documents(chunk):
            try:
                namespace = decode(index).get("ns")
            except BSONError:
                namespace = None
            if not isinstance(namespace, str):
                raise damaged(f"{where} holds what is no index")
            found.setdefault(namespace.partition(".")[2], []).append(index)
    return found
