"""Writing a snapshot directory: aside, verified, then renamed; the manifest last."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shlex
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, get_args

import psutil

from mongoshot.errors import (
    FormatVersionError,
    InvalidBSONError,
    NotRepresentableError,
    SnapshotDamagedError,
    SnapshotError,
    SnapshotExistsError,
    SnapshotNotFoundError,
    SnapshotTooLargeError,
    UsageError,
)
from mongoshot.snapshot.directory import Snapshot, check_name, left_over
from mongoshot.snapshot.elements import count_documents, document_id, split_documents
from mongoshot.snapshot.encoding import readable, to_extended_json
from mongoshot.snapshot.manifest import (
    MANIFEST_NAME,
    FileEntry,
    Manifest,
    Origin,
    looks_like_manifest,
)
from mongoshot.snapshot.metadata import metadata_to_json
from mongoshot.snapshot.model import Collection, Progress, State, no_progress
from mongoshot.snapshot.names import METADATA_SUFFIX, file_stems
from mongoshot.snapshot.packing import GZIP_SUFFIX, encoding_of, packing

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


def check_target(path: Path, *, replace: bool) -> Snapshot | None:
    """Raise unless a snapshot may be written at `path`; return the one that it would replace.

    Raises SnapshotExistsError where one is there and not to be replaced, and SnapshotError where
    something else is there.
    """
    check_name(path.name)
    try:
        existing = Snapshot.load(path)
    except SnapshotNotFoundError as error:
        if path.exists() and any(path.iterdir() if path.is_dir() else [path]):
            raise _not_replaceable(path, error) from None
        return None
    except (SnapshotDamagedError, FormatVersionError) as error:
        if not _was_snapshot(path):
            raise _not_replaceable(path, error) from None
        if not replace:
            raise SnapshotExistsError(
                f"the snapshot {path} is already there, but cannot be read ({error});"
                " add --replace to capture it anew, and the options that it was captured with: they"
                " cannot be read either"
            ) from None
        return None
    if not replace:
        raise SnapshotExistsError(
            f"the snapshot {path} is already there (revision {existing.manifest.revision},"
            f" captured {existing.manifest.origin.captured_at}); add --replace to capture it anew"
        )
    return existing


def _was_snapshot(path: Path) -> bool:
    # Other programs have a manifest.json too, and a directory of theirs is nobody's to replace.
    try:
        return looks_like_manifest((path / MANIFEST_NAME).read_bytes())
    except OSError:
        return False


def _not_replaceable(path: Path, error: SnapshotError) -> SnapshotExistsError:
    return SnapshotExistsError(
        f"{path} is there and cannot be replaced as a snapshot ({error}):"
        " choose another name, or remove it"
    )


def write_snapshot(
    state: State,
    path: Path,
    *,
    origin: Origin | Callable[[], Origin],
    format: Format | None = None,
    gzip: bool = False,
    largest_file: int | None = None,
    replace: bool = False,
    progress: Progress = no_progress,
    before_commit: BeforeCommit | None = None,
) -> Snapshot:
    """Write a state as the snapshot directory `path`, and return it, verified and safe on disk.

    Takes JSON for a collection up to 1 MiB and BSON above it, unless `format` says which; with
    `gzip`, files of documents are packed. An existing snapshot is replaced, with `replace`, in one
    step at the end, and not touched where it holds the same already. `origin` may be a function,
    which is called when all has been read. `before_commit` is given the snapshot that is to be
    replaced, None where there is none, and the new one, verified, where it differs. Either may
    raise to give the new one up.

    Raises SnapshotExistsError, NotRepresentableError, SnapshotTooLargeError for a file of more than
    `largest_file` bytes, and SnapshotError where the files cannot be written (a full disk); the
    previous snapshot is then as it was.
    """
    existing = check_target(path, replace=replace)
    with _translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_over(path)
        aside = path.parent / f".{path.name}.{os.getpid()}.partial"
        aside.mkdir()
        try:
            form = _Form(format, gzip, largest_file)
            files = tuple(_write_files(state, aside, form, progress))
            origin = origin() if callable(origin) else origin
            snapshot = Snapshot(aside, _manifest(path.name, existing, origin, files))
            snapshot.verify()
            if existing is not None and _holds_the_same(existing, snapshot):
                return existing
            if before_commit is not None:
                before_commit(existing, snapshot)
            _write_synced(aside / MANIFEST_NAME, snapshot.manifest.to_json().encode())
            _sync_directory(aside)
            Snapshot.load(aside)
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
        _write_synced(file, text)
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
        _sync(file)
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
    if existing.manifest.files != new.manifest.files:
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


def _put_in_place(aside: Path, path: Path, existing: Snapshot | None) -> None:
    """Swap the new directory in; the next load heals a swap that was killed half-way."""
    if not path.exists() or not any(path.iterdir()):
        aside.replace(path)
        _sync_directory(path.parent)
        return
    for entry in path.iterdir():
        # A README or notes that somebody keeps there are not ours to drop.
        if not _is_ours(entry, existing) and not (aside / entry.name).exists():
            if entry.is_dir() and not entry.is_symlink():
                shutil.copytree(entry, aside / entry.name, symlinks=True)
            else:
                shutil.copy2(entry, aside / entry.name, follow_symlinks=False)
    replaced = path.parent / f".{path.name}.{os.getpid()}.replaced"
    path.rename(replaced)
    try:
        aside.rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            replaced.rename(path)
        raise
    _sync_directory(path.parent)
    # Half removed it must not be healed back, so that it loses its name before its files.
    replaced.rename(aside)


def _is_ours(entry: Path, existing: Snapshot | None) -> bool:
    if existing is None:  # its manifest is damaged, and does not tell
        return encoding_of(entry.name) in {".json", ".bson"} and entry.is_file()
    return entry.name == MANIFEST_NAME or any(
        entry.name == file.name for file in existing.manifest.files
    )


def _remove_left_over(path: Path) -> None:
    """Remove what killed writers of this name left beside it; a living one's is not touched."""
    for left, pid in [*left_over(path, "partial"), *left_over(path, "replaced")]:
        if pid == os.getpid() or not psutil.pid_exists(pid):
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
