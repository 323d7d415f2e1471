"""Writing a snapshot directory: aside, verified, then renamed; the manifest last."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal, get_args

import psutil

from mongoshot.errors import (
    InvalidBSONError,
    NotRepresentableError,
    SnapshotError,
    SnapshotExistsError,
    UsageError,
)
from mongoshot.snapshot.directory import Snapshot, check_name
from mongoshot.snapshot.elements import count_documents, document_id, split_documents
from mongoshot.snapshot.encoding import readable, to_extended_json
from mongoshot.snapshot.manifest import MANIFEST_NAME, FileEntry, Manifest, Origin
from mongoshot.snapshot.metadata import metadata_to_json
from mongoshot.snapshot.model import Collection, Progress, State, no_progress
from mongoshot.snapshot.names import METADATA_SUFFIX, file_stems

Format = Literal["bson", "json"]

#: Without a format asked for, a collection up to this size (as BSON, in bytes) becomes JSON.
JSON_LIMIT = 1 << 20


def check_format(format: str | None) -> Format | None:
    """Return `format` where it is one of the encodings or None; else raise UsageError."""
    if format is None or format in get_args(Format):
        return format  # type: ignore[return-value]
    raise UsageError(f"no format {format!r}: take one of {', '.join(get_args(Format))}")


def check_target(path: Path, *, replace: bool) -> Snapshot | None:
    """Raise unless a snapshot may be written at `path`; return the one that it would replace.

    Raises SnapshotExistsError where one is there and not to be replaced, and SnapshotError where
    something else is there.
    """
    check_name(path.name)
    try:
        existing = Snapshot.load(path)
    except SnapshotError as error:
        if (path / MANIFEST_NAME).exists() and replace:
            return None  # damaged, and to be written anew
        if path.exists() and any(path.iterdir() if path.is_dir() else [path]):
            raise SnapshotExistsError(
                f"{path} is there and cannot be replaced as a snapshot ({error}):"
                " choose another name, or remove it"
            ) from None
        return None
    if not replace:
        raise SnapshotExistsError(
            f"the snapshot {path} is already there (revision {existing.manifest.revision},"
            f" captured {existing.manifest.origin.captured_at}); add --replace to capture it anew"
        )
    return existing


def write_snapshot(
    state: State,
    path: Path,
    *,
    origin: Origin,
    format: Format | None = None,
    replace: bool = False,
    progress: Progress = no_progress,
    before_commit: Callable[[], None] = lambda: None,
) -> Snapshot:
    """Write a state as the snapshot directory `path`, and return it, verified and safe on disk.

    Takes JSON for a collection up to 1 MiB and BSON above it, unless `format` says which. An
    existing snapshot is replaced, with `replace`, in one step at the end, and not touched where it
    holds the same already. `before_commit` may raise to give the new one up.

    Raises SnapshotExistsError, NotRepresentableError, and SnapshotError where the files cannot be
    written (a full disk); the previous snapshot is then as it was.
    """
    existing = check_target(path, replace=replace)
    with _translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_over(path)
        aside = path.parent / f".{path.name}.{os.getpid()}.partial"
        aside.mkdir()
        try:
            files = tuple(_write_files(state, aside, format, progress))
            snapshot = Snapshot(aside, _manifest(path.name, existing, origin, files))
            snapshot.verify()
            before_commit()
            if existing is not None and _holds_the_same(existing, snapshot):
                return existing
            _write_synced(aside / MANIFEST_NAME, snapshot.manifest.to_json().encode())
            _sync_directory(aside)
            _put_in_place(aside, path, existing)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return Snapshot.load(path)


def _manifest(
    name: str, existing: Snapshot | None, origin: Origin, files: tuple[FileEntry, ...]
) -> Manifest:
    """Count the revision up where the snapshot holds something else than the one before."""
    if existing is None:
        return Manifest(name, 1, origin, files)
    same = Manifest(name, existing.manifest.revision, origin, files)
    if same.digest == existing.digest:
        return same
    return Manifest(name, same.revision + 1, origin, files)


def _write_files(
    state: State, directory: Path, format: Format | None, progress: Progress
) -> Iterator[FileEntry]:
    collections = state.collections
    data_names = {name: c.definition.data_name or name for name, c in collections.items()}
    stems = file_stems({*collections, *data_names.values()})
    for name, collection in collections.items():
        if collection.definition.data_name is not None:
            stem = directory / stems[data_names[name]]
            yield _write_documents(collection, stem, format, progress)
        text = metadata_to_json(collection.definition).encode()
        file = directory / (stems[name] + METADATA_SUFFIX)
        _write_synced(file, text)
        yield FileEntry(file.name, name, len(text), hashlib.sha256(text).hexdigest())


def _write_documents(
    collection: Collection, stem: Path, format: Format | None, progress: Progress
) -> FileEntry:
    chunks = collection.chunks()
    if format is None:
        small = list(_until_larger_than(chunks, JSON_LIMIT))
        if sum(map(len, small)) <= JSON_LIMIT:
            with contextlib.suppress(NotRepresentableError):
                return _write_encoded(collection, small, stem, "json", progress)
        chunks, format = itertools.chain(small, chunks), "bson"
    return _write_encoded(collection, chunks, stem, format, progress)


def _until_larger_than(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        yield chunk
        if (size := size + len(chunk)) > limit:
            return


def _write_encoded(
    collection: Collection, chunks: Iterable[bytes], stem: Path, format: Format, progress: Progress
) -> FileEntry:
    path = stem.parent / f"{stem.name}.{format}"
    digest, content, documents, size = hashlib.sha256(), hashlib.sha256(), 0, 0
    with path.open("wb") as file:
        for chunk in chunks:
            content.update(chunk)
            count = count_documents(chunk)
            encoded = chunk if format == "bson" else _encode_lines(collection.name, chunk)
            digest.update(encoded)
            file.write(encoded)
            documents, size = documents + count, size + len(encoded)
            progress(collection.name, count)
        _sync(file)
    return FileEntry(
        path.name, collection.name, size, digest.hexdigest(), documents, content.hexdigest()
    )


def _encode_lines(name: str, chunk: bytes) -> bytes:
    lines = []
    for document in split_documents(chunk):
        try:
            lines.append(to_extended_json(document))
        except (NotRepresentableError, InvalidBSONError) as error:
            raise NotRepresentableError(
                f"{name}, _id {_readable_id(document)}: {error}; capture it with --format bson"
            ) from None
    lines.append("")
    return "\n".join(lines).encode()


def _readable_id(document: bytes) -> str:
    try:
        identity = document_id(document)
        return readable(identity[0], identity[1:]) if identity else "missing"
    except (NotRepresentableError, InvalidBSONError):
        return "unreadable"


def _holds_the_same(existing: Snapshot, new: Snapshot) -> bool:
    """Tell whether a replacement would change nothing but its date."""
    if existing.manifest.files != new.manifest.files:
        return False
    if existing.manifest.origin.recipe != new.manifest.origin.recipe:
        return False
    return not any(existing.problems())


def _put_in_place(aside: Path, path: Path, existing: Snapshot | None) -> None:
    """Swap the new directory in; the next load heals a swap that was killed half-way."""
    if not path.exists() or not any(path.iterdir()):
        aside.replace(path)
    else:
        ours = {MANIFEST_NAME, *(e.name for e in existing.manifest.files)} if existing else set()
        for entry in path.iterdir():
            # A README or notes that somebody keeps there are not ours to drop.
            if entry.name not in ours and not (aside / entry.name).exists() and existing:
                copy = shutil.copytree if entry.is_dir() else shutil.copy2
                copy(entry, aside / entry.name)
        replaced = path.parent / f".{path.name}.{os.getpid()}.replaced"
        path.rename(replaced)
        aside.rename(path)
        shutil.rmtree(replaced, ignore_errors=True)
    _sync_directory(path.parent)


def _remove_left_over(path: Path) -> None:
    """Remove what killed writers of this name left beside it; a living one's is not touched."""
    for left in path.parent.glob(f".{path.name}.*"):
        *_, pid, kind = left.name.split(".")
        killed = pid.isdecimal() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid)))
        if kind in {"partial", "replaced"} and killed:
            shutil.rmtree(left, ignore_errors=True)


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        _sync(file)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    # A rename is durable once its directory is; Windows has no such handle and needs none.
    with contextlib.suppress(PermissionError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SnapshotError(
            f"cannot write the snapshot {path}: {error.strerror or error}; what was there before is"
            " as it was; make room, or name another place with --snapshots-path"
        ) from error
