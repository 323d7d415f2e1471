"""A snapshot as a directory of files: finding, reading and verifying it."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import IO

from mongoshot.errors import (
    InvalidBSONError,
    InvalidExtendedJSONError,
    SnapshotDamagedError,
    SnapshotError,
    SnapshotNotFoundError,
)
from mongoshot.snapshot.bounds import (
    LARGEST_DOCUMENT,
    LARGEST_MANIFEST,
    LARGEST_METADATA,
    LONGEST_LINE,
    MOST_BLANK_LINES,
    not_a_file,
    read_up_to,
    stays_within,
)
from mongoshot.snapshot.cache import Cache, Stamp
from mongoshot.snapshot.elements import count_documents, whole_documents
from mongoshot.snapshot.encoding import from_extended_json
from mongoshot.snapshot.left_over import recover_replaced
from mongoshot.snapshot.manifest import (
    MANIFEST_NAME,
    FileEntry,
    Manifest,
    RecordingEntry,
    parse_manifest,
)
from mongoshot.snapshot.metadata import parse_metadata
from mongoshot.snapshot.model import (
    CHUNK_SIZE,
    Collection,
    Definition,
    Progress,
    join_documents,
    no_progress,
)
from mongoshot.snapshot.packing import (
    UNPACKING_ERRORS,
    encoding_of,
    open_unpacked,
    unpacking_problem,
)
from mongoshot.snapshot.scenario_names import check_name, split_name

_REMEDY = "take it from version control again, or capture the scenario anew with --replace"


@dataclass(frozen=True)
class Snapshot:
    """Stand for a snapshot directory whose manifest has been read; documents stay in the files.

    It is a `State`: a restore, a comparison or a conversion reads it collection by collection.
    """

    path: Path
    manifest: Manifest

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Snapshot:
        """Open the snapshot in the directory `path`.

        Reads the manifest and nothing else. Raises SnapshotNotFoundError, FormatVersionError, or
        SnapshotDamagedError.
        """
        path = Path(path)
        where = path / MANIFEST_NAME
        try:
            recover_replaced(path)
            _require_file(where)
            with where.open("rb") as file:
                content = read_up_to(file, LARGEST_MANIFEST)
            if len(content) > LARGEST_MANIFEST:
                raise SnapshotDamagedError(
                    f"{where} has more than {LARGEST_MANIFEST} bytes, which no manifest needs;"
                    f" {_REMEDY}"
                )
            text = content.decode()
        except (FileNotFoundError, NotADirectoryError):
            raise SnapshotNotFoundError(_not_found(path)) from None
        except UnicodeDecodeError as error:
            raise SnapshotDamagedError(f"{where} is not UTF-8 ({error}); {_REMEDY}") from None
        except (OSError, ValueError) as error:
            # ValueError: a NUL or half a surrogate pair in the path.
            reason = getattr(error, "strerror", None) or error
            raise SnapshotError(
                f"cannot read {str(where)!r}: {reason}; make it readable, or name another path"
            ) from None
        return cls(path, parse_manifest(text, str(where)))

    @property
    def name(self) -> str:
        """Return the scenario's name: that of its directory."""
        return self.path.name

    @property
    def digest(self) -> str:
        """Identify what the snapshot holds, whatever the encoding of its files."""
        return self.manifest.digest

    @property
    def label(self) -> str:
        """Say in a report what state this is."""
        return self.name

    @property
    def captured_at(self) -> str:
        """Say when it was captured, as ISO 8601."""
        return self.manifest.origin.captured_at

    @cached_property
    def collections(self) -> Mapping[str, Collection]:
        """Return the collections by name; reads and verifies the metadata files."""
        data = {entry.collection: entry for entry in self.manifest.files if entry.holds_documents}
        collections: dict[str, Collection] = {}
        for entry in self.manifest.files:
            if entry.holds_documents:
                continue
            definition = self._read_definition(entry)
            if (definition.data_name is None) == (entry.collection in data):
                raise SnapshotDamagedError(
                    f"{self.path / MANIFEST_NAME} lists {'a' if entry.collection in data else 'no'}"
                    f" file of documents for the {definition.type} {entry.collection!r}; {_REMEDY}"
                )
            if (documents := data.pop(entry.collection, None)) is None:
                collections[definition.name] = Collection(definition)
            else:
                read = partial(self._read_documents, documents)
                path = self.path / documents.name
                file = path if path.suffix == ".bson" else None
                digest = documents.content_sha256
                collections[definition.name] = Collection(definition, read, file, digest)
        if data:
            raise SnapshotDamagedError(
                f"{self.path / MANIFEST_NAME} lists no metadata file for {min(data)!r}; {_REMEDY}"
            )
        return dict(sorted(collections.items()))

    @property
    def definitions(self) -> dict[str, Definition]:
        """Return what each collection is, by name."""
        return {name: collection.definition for name, collection in self.collections.items()}

    def problems(self, progress: Progress = no_progress) -> Iterator[str]:
        """Compare every file with the manifest, and say in one line each what does not fit.

        Reads everything; a JSON file is decoded, and its documents hashed as BSON.
        """
        return self._problems(progress, unchanged_is_enough=False)

    def verify(
        self, progress: Progress = no_progress, *, unchanged_is_enough: bool = False
    ) -> None:
        """Raise SnapshotDamagedError unless every file is what the manifest says.

        With `unchanged_is_enough`, a file of documents is not read where it has the size, the times
        and the inode with which it was last verified, against the same digests. Those are kept in
        the user's cache, whenever a file was read whole. Progress shows what is read.
        """
        for problem in self._problems(progress, unchanged_is_enough=unchanged_is_enough):
            raise SnapshotDamagedError(problem)

    def _problems(self, progress: Progress, *, unchanged_is_enough: bool) -> Iterator[str]:
        cache, whole = Cache(), True
        for entry in self.manifest.files:
            try:
                if entry.holds_documents:
                    self._verify_documents(entry, progress, cache, unchanged_is_enough)
                else:
                    self._read_definition(entry)
            except SnapshotDamagedError as error:
                whole = False
                yield str(error)
        if self.manifest.recording is not None:
            try:
                self._verify_recording(self.manifest.recording, cache, unchanged_is_enough)
            except SnapshotDamagedError as error:
                yield str(error)
        if whole:
            try:
                _ = self.collections
            except SnapshotDamagedError as error:
                yield str(error)

    def _verify_documents(
        self, entry: FileEntry, progress: Progress, cache: Cache, unchanged_is_enough: bool
    ) -> None:
        path = self.path / entry.name
        digests = entry.sha256, entry.content_sha256
        with reading(path), path.open("rb") as file:
            stamp = Stamp.of(file.fileno())
            self._require_size(entry, stamp.size)
            if unchanged_is_enough and cache.was_verified(path, stamp, *digests):
                return
            self._require_digest(entry, hashlib.file_digest(file, "sha256").hexdigest())
        for chunk in self._read_documents(entry):
            progress(entry.collection, count_documents(chunk))
        cache.remember_verified(path, stamp, *digests)

    def _verify_recording(
        self, entry: RecordingEntry, cache: Cache, unchanged_is_enough: bool
    ) -> None:
        path = self.path / entry.name
        with reading(path), path.open("rb") as file:
            stamp = Stamp.of(file.fileno())
            self._require_size(entry, stamp.size)
            if unchanged_is_enough and cache.was_verified(path, stamp, entry.sha256):
                return
            self._require_digest(entry, hashlib.file_digest(file, "sha256").hexdigest())
        cache.remember_verified(path, stamp, entry.sha256)

    def _require_size(self, entry: FileEntry | RecordingEntry, size: int) -> None:
        if size != entry.bytes:
            raise SnapshotDamagedError(
                f"{self.path / entry.name} has {size} bytes, and the manifest says {entry.bytes};"
                f" {_REMEDY}"
            )

    def _require_digest(self, entry: FileEntry | RecordingEntry, digest: str) -> None:
        if digest != entry.sha256:
            raise SnapshotDamagedError(
                f"{self.path / entry.name} was changed: its SHA-256 is {digest[:12]}…, and the"
                f" manifest says {entry.sha256[:12]}…; {_REMEDY}"
            )

    def _read_documents(self, entry: FileEntry) -> Iterator[bytes]:
        """Read a file of documents; raise at its end unless they are those of the manifest."""
        content, documents = hashlib.sha256(), 0
        for chunk in read_chunks(self.path / entry.name):
            content.update(chunk)
            documents += count_documents(chunk)
            yield chunk
        if documents != entry.documents or content.hexdigest() != entry.content_sha256:
            raise SnapshotDamagedError(
                f"{self.path / MANIFEST_NAME} says {entry.documents} documents with the content"
                f" {str(entry.content_sha256)[:12]}… are in {entry.name}, and there are {documents}"
                f" with {content.hexdigest()[:12]}…; {_REMEDY}"
            )

    def _read_definition(self, entry: FileEntry) -> Definition:
        path = self.path / entry.name
        with reading(path), path.open("rb") as file:
            text = read_up_to(file, LARGEST_METADATA)
        self._require_size(entry, len(text))
        self._require_digest(entry, hashlib.sha256(text).hexdigest())
        definition = parse_metadata(text, str(path))
        if definition.name != entry.collection:
            raise SnapshotDamagedError(
                f"{path} describes {definition.name!r}, and the manifest says"
                f" {entry.collection!r}; {_REMEDY}"
            )
        return definition


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Translate what goes wrong when the file of a snapshot is read to SnapshotDamagedError."""
    _require_file(path)
    try:
        yield
    except FileNotFoundError:
        raise SnapshotDamagedError(f"{path} is missing; {_REMEDY}") from None
    except UNPACKING_ERRORS as error:
        raise SnapshotDamagedError(f"{path} {unpacking_problem(error)}; {_REMEDY}") from None
    except OSError as error:
        raise SnapshotDamagedError(f"cannot read {path}: {error.strerror}") from None


def _require_file(path: Path) -> None:
    # What is in a scenario may come from a stranger; its directory is the user's to place.
    if what := not_a_file(path):
        raise SnapshotDamagedError(
            f"{path} is {what}, and the files of a snapshot are no such: put the file itself there;"
            f" {_REMEDY}"
        )


def read_chunks(path: Path) -> Iterator[bytes]:
    """Read a file of documents as chunks of whole, concatenated BSON documents.

    A `.json` file holds one canonical Extended JSON document a line, any other file concatenated
    BSON; either may be packed, with `.gz` behind its name. Raises SnapshotDamagedError with the
    offset or line of what is not a document.
    """
    with reading(path), open_unpacked(path) as file:
        if encoding_of(path.name) == ".json":
            yield from join_documents(_json_documents(file, path))
        else:
            yield from bson_chunks(file, path)


def _damaged(problem: str) -> SnapshotError:
    return SnapshotDamagedError(f"{problem}; {_REMEDY}")


def bson_chunks(
    file: IO[bytes], path: Path | str, damaged: Callable[[str], SnapshotError] = _damaged
) -> Iterator[bytes]:
    """Read concatenated BSON documents from where `file` stands; `path` names it in errors.

    Raises what `damaged` makes of a problem (SnapshotDamagedError), with the offset of what is not
    a document.
    """
    rest, offset = b"", 0
    while block := file.read(CHUNK_SIZE):
        buffer = rest + block
        try:
            end = whole_documents(buffer)
        except InvalidBSONError as error:
            raise damaged(f"{path}, after byte {offset}: {error}") from None
        if end:
            yield buffer[:end]
        rest, offset = buffer[end:], offset + end
        if len(rest) > LARGEST_DOCUMENT:
            break  # no document is that long: it does not end, wherever the file does
    if rest:
        raise damaged(f"{path} ends before the document does that begins at byte {offset}")


def _json_documents(file: IO[bytes], path: Path) -> Iterator[bytes]:
    # Packed, a line without an end may be a small file.
    blank = 0
    for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE), b""), 1):
        if not line.strip():
            if (blank := blank + 1) > MOST_BLANK_LINES:
                raise SnapshotDamagedError(
                    f"{path} has more than {MOST_BLANK_LINES} lines without a document; {_REMEDY}"
                )
            continue
        try:
            yield from_extended_json(line)
        except InvalidExtendedJSONError as error:
            raise SnapshotDamagedError(f"{path}, line {number}: {error}; {_REMEDY}") from None


def find_snapshots(directory: Path) -> list[str]:
    """List the names of the snapshots in `directory`, sorted; none where it does not exist."""
    return sorted(
        found.parent.name
        for found in directory.glob(f"*/{MANIFEST_NAME}")
        if not found.parent.name.startswith(".")
    )


def load_scenario(name: str, directory: Path) -> Snapshot:
    """Open the scenario `name` below the snapshots directory.

    The snapshots directory may be a link, and a scenario one to another in it. Raises
    SnapshotNotFoundError, with the nearest names, where there is none, and SnapshotError for a link
    that leads elsewhere.
    """
    check_name(name)
    path = directory / name
    # `os.path` says no of what cannot be looked at, which whoever reads it says better.
    if os.path.islink(path) and not stays_within(path, directory):  # noqa: PTH114
        raise SnapshotError(
            f"{path} is a link that leads out of {directory}: put the scenario itself there, or"
            " name the directory that it is in with --snapshots-path"
        )
    return Snapshot.load(path)


def _not_found(path: Path) -> str:
    if path.is_dir():
        return (
            f"{path} is no snapshot: it has no {MANIFEST_NAME}; capture one beside it"
            " (mongoshot capture NAME --db-url URL --db-name DB)"
        )
    scenario, step = split_name(path.name)
    names = find_snapshots(path.parent)
    if step is not None and scenario in names:
        return (
            f"{path} is a step of {scenario!r}, and no scenario with files of its own: this takes"
            f" the name {scenario} alone (restore, diff and tests take steps)"
        )
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    if near:
        hint = f"did you mean {' or '.join(map(repr, near))}?"
    elif names:
        hint = f"there are {', '.join(names[:10])}{', …' if len(names) > 10 else ''}"
    else:
        hint = f"no snapshot is in {path.parent}"
    return (
        f"no scenario {path.name!r} in {path.parent}: {hint};"
        f" to record it, type: mongoshot capture {path.name} --db-url URL --db-name DB"
    )
