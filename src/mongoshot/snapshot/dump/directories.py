"""Dump directories: a `.bson` and a `.metadata.json` file for each collection of a database.

Names of collections are escaped like the query of a URL. An escaped one of more than 238 bytes is
cut to 208, and `%24` and a hash follow; then the metadata says the name. `--gzip` adds `.gz`.

Source: `mongodump/prepare.go`, `mongorestore/filepath.go` of
https://github.com/mongodb/mongo-tools
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_plus

from mongoshot.errors import DumpError
from mongoshot.snapshot.bounds import LARGEST_DUMPED_METADATA
from mongoshot.snapshot.dump.definitions import collection_name
from mongoshot.snapshot.dump.source import damaged, read_text, reading
from mongoshot.snapshot.manifest import MANIFEST_NAME, is_snapshot_manifest
from mongoshot.snapshot.names import METADATA_SUFFIX
from mongoshot.snapshot.packing import GZIP_SUFFIX

DOCUMENTS_SUFFIX = ".bson"
PRELUDE_NAME = "prelude.json"
OPLOG_NAME = "oplog.bson"

#: Characters of a version that are kept.
_LONGEST_VERSION = 80
#: Bytes of the stem of a file whose name is cut.
_CUT_STEM = 238


@dataclass(frozen=True, slots=True)
class DatabaseFiles:
    """Hold the files of one database: those of documents and of metadata, by collection.

    `others` are those that mongodump does not write.
    """

    documents: dict[str, Path]
    metadata: dict[str, Path]
    others: tuple[str, ...]


def find_databases(path: Path) -> dict[str, Path]:
    """Find the databases of a dump directory, by name: itself, or those in it.

    Raises DumpError where there is none.
    """
    with reading(path):
        entries = sorted(path.iterdir())
        manifest = path / MANIFEST_NAME
        if manifest.is_file() and is_snapshot_manifest(manifest):
            raise DumpError(f"{path} is a snapshot, not a dump: use it as it is")
        within = {
            entry.name: entry
            for entry in entries
            if entry.is_dir()
            and not entry.is_symlink()
            and any(map(_is_of_collection, entry.iterdir()))
        }
    own = [entry for entry in entries if _is_of_collection(entry) and not _is_oplog(entry)]
    if own and within:
        raise DumpError(
            f"{path} holds collections ({own[0].name}) and databases ({min(within)}): name the"
            " directory of one database"
        )
    if own:
        return {path.resolve().name: path}
    if not within:
        raise DumpError(
            f"{path} holds no dump: there is no {DOCUMENTS_SUFFIX} and no {METADATA_SUFFIX} file in"
            " it or below; name the directory that mongodump made (--out), an archive, or a"
            " directory of files of documents (.json, .yaml)"
        )
    return within


def has_oplog(path: Path) -> bool:
    """Tell whether a dump was made with --oplog."""
    names = (OPLOG_NAME, OPLOG_NAME + GZIP_SUFFIX)
    with reading(path):
        return any((path / name).is_file() for name in names)


def list_files(directory: Path) -> DatabaseFiles:
    """List the files of one database. Raises DumpError where they contradict each other."""
    documents: dict[str, Path] = {}
    metadata: dict[str, Path] = {}
    others = []
    with reading(directory):
        entries = sorted(directory.iterdir())
    for entry in entries:
        stem, found = _stem(entry), documents
        if stem.endswith(METADATA_SUFFIX):
            stem, found = stem.removesuffix(METADATA_SUFFIX), metadata
        elif stem.endswith(DOCUMENTS_SUFFIX):
            stem = stem.removesuffix(DOCUMENTS_SUFFIX)
        else:
            if entry.name.removesuffix(GZIP_SUFFIX) != PRELUDE_NAME:
                others.append(entry.name)
            continue
        _require_regular(entry)
        name = _name(stem, entry)
        if name in found:
            raise DumpError(
                f"{entry} and {found[name].name} are both of {name!r}: remove the one that is wrong"
            )
        found[name] = entry
    return DatabaseFiles(documents, metadata, tuple(others))


def read_metadata(paths: dict[str, Path]) -> dict[str, bytes]:
    """Read metadata files, packed or not, by collection. Raises DumpError where they are large."""
    texts: dict[str, bytes] = {}
    left = LARGEST_DUMPED_METADATA
    for name, path in paths.items():
        texts[name] = read_text(path, left)
        left -= len(texts[name])
    return texts


def read_server_version(directories: Iterable[Path]) -> str:
    """Read the version of the server from the first `prelude.json` in one of these; "" if none."""
    for directory in directories:
        for name in (PRELUDE_NAME, PRELUDE_NAME + GZIP_SUFFIX):
            path = directory / name
            with reading(path):
                if not path.is_file():
                    continue
            _require_regular(path)
            try:
                version = json.loads(read_text(path, LARGEST_DUMPED_METADATA))["ServerVersion"]
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise damaged(f"{path} does not say the server's version ({error!r:.80})") from None
            return str(version)[:_LONGEST_VERSION]
    return ""


def _stem(entry: Path) -> str:
    return entry.name.removesuffix(GZIP_SUFFIX)


def _is_of_collection(entry: Path) -> bool:
    return _stem(entry).endswith((DOCUMENTS_SUFFIX, METADATA_SUFFIX)) and not entry.is_dir()


def _is_oplog(entry: Path) -> bool:
    return _stem(entry) == OPLOG_NAME


def _require_regular(entry: Path) -> None:
    # A dump may come from a stranger: a link leads out of it, and a pipe never ends.
    with reading(entry):
        mode = os.lstat(entry).st_mode
    if not stat.S_ISREG(mode):
        raise DumpError(
            f"{entry} is {'a link' if stat.S_ISLNK(mode) else 'no file'}, and mongodump writes"
            " files: put the file itself there, or remove it"
        )


def _name(stem: str, entry: Path) -> str:
    if len(stem) == _CUT_STEM and "%24" in stem:
        packed = GZIP_SUFFIX if entry.name.endswith(GZIP_SUFFIX) else ""
        path = entry.with_name(stem + METADATA_SUFFIX + packed)
        _require_regular(path)
        return collection_name(read_text(path, LARGEST_DUMPED_METADATA), str(path))
    try:
        name = unquote_plus(stem, errors="strict")
        name.encode()  # a file's name may be of bytes that are no text
    except UnicodeError:
        raise damaged(f"{entry} has a name that stands for no collection's") from None
    return name
