"""Writing a snapshot directory: aside, verified, then renamed; the manifest last."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, get_args

from mongoshot.errors import (
    InvalidBSONError,
    NotRepresentableError,
    SnapshotTooLargeError,
    UsageError,
)
from mongoshot.files import sync
from mongoshot.snapshot.directory import Snapshot
from mongoshot.snapshot.elements import count_documents, document_id, split_documents
from mongoshot.snapshot.encoding import readable, to_extended_json
from mongoshot.snapshot.manifest import (
    FileEntry,
    Origin,
)
from mongoshot.snapshot.metadata import metadata_to_json
from mongoshot.snapshot.model import Collection, Progress, State, no_progress
from mongoshot.snapshot.names import METADATA_SUFFIX, file_stems
from mongoshot.snapshot.packing import GZIP_SUFFIX, packing
from mongoshot.snapshot.placing import (
    aside_of,
    check_target,
    commit,
    copy_synced,
    number_revision,
    translated,
    write_synced,
)

Format = Literal["bson", "json"]

#: May refuse to let a snapshot be replaced, by what takes its place.
BeforeCommit = Callable[["Snapshot | None", Snapshot], None]

#: Without a format asked for, a collection up to this size (as BSON, in bytes) becomes JSON.
JSON_LIMIT = 1 << 20


def check_format(format: str | None) -> Format | None:
    """Return `format` where it is one of the encodings or None; else raise UsageError."""
    if format is None or format in get_args(Format):
        return format  # type: ignore[return-value]
    raise UsageError(f"no format {format!r}: take one of {', '.join(get_args(Format))}")


def write_snapshot(
    state: State,
    path: Path,
    *,
    origin: Origin | Callable[[], Origin],
    format: Format | None = None,
    gzip: bool = False,
    largest_file: int | None = None,
    replace: bool = False,
    private: bool = False,
    progress: Progress = no_progress,
    before_commit: BeforeCommit | None = None,
    recording_of: Snapshot | None = None,
) -> Snapshot:
    """Write a state as the snapshot directory `path`, and return it, verified and safe on disk.

    Takes JSON for a collection up to 1 MiB and BSON above it, unless `format` says which; with
    `gzip`, files of documents are packed. An existing snapshot is replaced, with `replace`, in one
    step at the end, and not touched where it holds the same already. `origin` may be a function,
    which is called when all has been read. `before_commit` is given the snapshot that is to be
    replaced, None where there is none, and the new one, verified, where it differs. Either may
    raise to give the new one up. Its owner alone may read a new one that is `private`; for one that
    takes the place of another, that stays as it was. What was recorded after the snapshot
    `recording_of` goes along.

    Raises SnapshotExistsError, NotRepresentableError, SnapshotTooLargeError for a file of more than
    `largest_file` bytes, and SnapshotError where the files cannot be written (a full disk); the
    previous snapshot is then as it was.
    """
    existing = check_target(path, replace=replace)
    with translated(path), aside_of(path, private=private) as aside:
        form = _Form(format, gzip, largest_file)
        files = tuple(_write_files(state, aside, form, progress))
        origin = origin() if callable(origin) else origin
        recording = None
        if recording_of is not None and (recording := recording_of.manifest.recording):
            copy_synced(recording_of.path / recording.name, aside / recording.name)
        manifest = dataclasses.replace(
            number_revision(path.name, existing, origin, files), recording=recording
        )
        snapshot = Snapshot(aside, manifest)
        snapshot.verify()
        if existing is not None and _holds_the_same(existing, snapshot):
            return existing
        if before_commit is not None:
            before_commit(existing, snapshot)
        commit(snapshot, path, existing)
    return Snapshot.load(path)


class _Form(NamedTuple):
    """Say how files of documents are written, and how many bytes one may have."""

    format: Format | None
    gzip: bool
    most: int | None


def _write_files(
    state: State, directory: Path, form: _Form, progress: Progress
) -> Iterator[FileEntry]:
    collections = state.collections
    data_names = {name: c.definition.data_name or name for name, c in collections.items()}
    stems = file_stems({*collections, *data_names.values()})
    for name, collection in collections.items():
        if collection.definition.data_name is not None:
            stem = directory / stems[data_names[name]]
            yield _write_documents(collection, stem, form, progress)
        text = metadata_to_json(collection.definition).encode()
        file = directory / (stems[name] + METADATA_SUFFIX)
        write_synced(file, text)
        yield FileEntry(file.name, name, len(text), hashlib.sha256(text).hexdigest())


def _write_documents(
    collection: Collection, stem: Path, form: _Form, progress: Progress
) -> FileEntry:
    chunks = collection.chunks()
    format = form.format
    if format is None:
        small = list(_until_larger_than(chunks, JSON_LIMIT))
        if sum(map(len, small)) <= JSON_LIMIT:
            with contextlib.suppress(NotRepresentableError):
                # All of it before the first byte is written: BSON takes over without a trace.
                encoded = [_encode_lines(collection.name, chunk) for chunk in small]
                pairs = zip(small, encoded, strict=True)
                return _write_encoded(
                    collection, pairs, stem, form._replace(format="json"), progress
                )
        chunks, format = itertools.chain(small, chunks), "bson"
    return _write_encoded(
        collection,
        (
            (chunk, chunk if format == "bson" else _encode_lines(collection.name, chunk))
            for chunk in chunks
        ),
        stem,
        form._replace(format=format),
        progress,
    )


def _until_larger_than(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        yield chunk
        if (size := size + len(chunk)) > limit:
            return


def _write_encoded(
    collection: Collection,
    chunks: Iterable[tuple[bytes, bytes]],
    stem: Path,
    form: _Form,
    progress: Progress,
) -> FileEntry:
    """Write chunks of documents, each given as BSON and as what goes into the file."""
    path = stem.parent / f"{stem.name}.{form.format}{GZIP_SUFFIX if form.gzip else ''}"
    content, documents = hashlib.sha256(), 0
    with path.open("wb") as file:
        hashed = _Hashed(file)
        with packing(hashed, packed=form.gzip) as sink:
            for chunk, encoded in chunks:
                content.update(chunk)
                sink.write(encoded)
                if form.most is not None and hashed.size > form.most:
                    raise SnapshotTooLargeError(_too_large(collection.name, path.name, form))
                count = count_documents(chunk)
                documents += count
                progress(collection.name, count)
        sync(file)
    sha256 = hashed.digest.hexdigest()
    return FileEntry(
        path.name, collection.name, hashed.size, sha256, documents, content.hexdigest()
    )


def _too_large(collection: str, file: str, form: _Form) -> str:
    name = shlex.quote(collection)
    packed = "" if form.gzip else " add --gzip to pack them,"
    return (
        f"{file} would have more than {(form.most or 0) // 10**6} MB, which is too much for a"
        f" repository: take fewer of its documents with --limit {name}=1000 or --query, or none"
        f" with --exclude {name},{packed} or --large to have it all the same"
    )


class _Hashed:
    """Write to a file, and hash what goes into it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest, self.size = hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


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
    old_manifest, manifest = existing.manifest, new.manifest
    if (old_manifest.files, old_manifest.recording) != (manifest.files, manifest.recording):
        return False
    old, origin = existing.manifest.origin, new.manifest.origin
    if old.recipe != origin.recipe or _shapes(old) != _shapes(origin):
        return False
    return not any(existing.problems())


def _shapes(origin: Origin) -> dict[str, dict[str, set[str]]]:
    """Say what a profile says but for how often."""
    return {
        name: {path: set(types) for path, types in found.fields.items()}
        for name, found in origin.profile.items()
    }
