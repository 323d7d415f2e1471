"""`manifest.json`: what a snapshot directory says of itself, written last and believed by nobody.

Format version 1:

    {"format_version": 1, "name": "checkout", "revision": 3, "digest": "sha256:…",
     "server_version": "6.0.5", "captured_at": "2026-11-21T09:30:00Z", "consistency": "snapshot",
     "outside_consistency": [], "recipe": {"database": "shop", "format": null, …},
     "profile": {"orders": {"documents": 300, "fields": {"_id": {"string": 300}, …}}, …},
     "files": [{"name": "orders.json", "collection": "orders", "bytes": 81234, "sha256": "…",
                "documents": 300, "content_sha256": "…"},
               {"name": "orders.metadata.json", "collection": "orders", "bytes": 812,
                "sha256": "…"}, …],
     "recording": {"name": "recording.jsonl", "steps": 5, "bytes": 1234, "sha256": "…",
                   "recorded_at": "2026-11-21T09:31:00Z", "untold": ""}}

`sha256` is of the file as it lies there; `content_sha256` of the documents as BSON, so that the
digest of a snapshot does not depend on the encoding of its files. `profile` is of the database that
it was captured from, as far as that was looked at, and is not there where nothing was. `recording`
is there where a program was recorded (`snapshot.steps`); the digest is that of the state before.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from mongoshot.errors import FormatVersionError, SnapshotDamagedError
from mongoshot.snapshot.bounds import LARGEST_MANIFEST, read_up_to
from mongoshot.snapshot.encoding.style import has_too_many_values
from mongoshot.snapshot.profile import Profile

FORMAT_VERSION = 1
MANIFEST_NAME = "manifest.json"
RECORDING_NAME = "recording.jsonl"

#: "snapshot": every collection at one point in time, as the server kept it. "unchanged": a server
#: that cannot do that, and two readings one after the other were the same: this is the state at
#: the moment between them. "none": somebody wrote meanwhile, each time.
Consistency = Literal["snapshot", "unchanged", "none"]


@dataclass(frozen=True, slots=True)
class FileEntry:
    """Describe one file: `bytes` is its size, the hashes are lower-case hexadecimal SHA-256.

    `documents` and `content_sha256` are None for a metadata file.
    """

    name: str
    collection: str
    bytes: int
    sha256: str
    documents: int | None = None
    content_sha256: str | None = None

    @property
    def holds_documents(self) -> bool:
        """Tell a file of documents from a metadata file."""
        return self.documents is not None


@dataclass(frozen=True, slots=True)
class Origin:
    """Say where and how a state was captured.

    `outside_consistency` names the collections that could not be read at the same point in time as
    the others; `recipe` is the request, enough to repeat it; `profile` describes, by collection,
    what was there at that time.
    """

    server_version: str
    captured_at: str
    consistency: Consistency
    outside_consistency: tuple[str, ...] = ()
    recipe: dict[str, Any] = field(default_factory=dict)
    profile: Mapping[str, Profile] = field(default_factory=dict)

    @property
    def database(self) -> str | None:
        """Name the database that it was captured from, where the recipe says it."""
        name = self.recipe.get("database")
        return name if isinstance(name, str) else None


@dataclass(frozen=True, slots=True)
class RecordingEntry:
    """Describe the writes that were recorded after a snapshot: how many steps, until when.

    `untold` says why they are one step, where they could not be told apart.
    """

    steps: int
    bytes: int
    sha256: str
    recorded_at: str
    untold: str = ""
    name: str = RECORDING_NAME


@dataclass(frozen=True, slots=True)
class Manifest:
    """Describe a snapshot: `revision` counts captures under this name from 1."""

    name: str
    revision: int
    origin: Origin
    files: tuple[FileEntry, ...]
    recording: RecordingEntry | None = None

    @property
    def digest(self) -> str:
        """Identify what the snapshot holds, whatever the encoding: `sha256:` and hexadecimal."""
        digest = hashlib.sha256(b"mongoshot snapshot 1\n")
        contents = sorted(
            [
                entry.collection,
                "documents" if entry.holds_documents else "metadata",
                entry.content_sha256 or entry.sha256,
            ]
            for entry in self.files
        )
        for content in contents:
            digest.update(json.dumps(content).encode() + b"\n")
        return f"sha256:{digest.hexdigest()}"

    def to_json(self) -> str:
        """Write the manifest as the text of its file, the same for equal manifests."""
        files = [
            {key: value for key, value in asdict(entry).items() if value is not None}
            for entry in self.files
        ]
        value = {
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "revision": self.revision,
            "digest": self.digest,
            "server_version": self.origin.server_version,
            "captured_at": self.origin.captured_at,
            "consistency": self.origin.consistency,
            "outside_consistency": list(self.origin.outside_consistency),
            "recipe": self.origin.recipe,
            "files": files,
        }
        if self.recording is not None:
            value["recording"] = asdict(self.recording)
        text = json.dumps(value, indent=2, ensure_ascii=False)
        if not self.origin.profile:
            return text + "\n"
        return text.removesuffix("\n}") + ",\n" + "\n".join(_profile_lines(self.origin.profile))


def _profile_lines(profiles: Mapping[str, Profile]) -> Iterator[str]:
    """Write profiles as the last member of the manifest: a line for each field, as in a table."""
    yield '  "profile": {'
    for at, (name, found) in enumerate(profiles.items(), 1):
        yield f"    {_quoted(name)}: {{"
        fields = [f"        {_quoted(path)}: {_quoted(t)}" for path, t in found.fields.items()]
        yield f'      "documents": {found.documents},'
        yield '      "fields": {' + ("" if fields else "}")
        if fields:
            yield ",\n".join(fields)
            yield "      }"
        yield "    }" + ("," if at < len(profiles) else "")
    yield "  }\n}\n"


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def parse_manifest(text: str, where: str) -> Manifest:
    """Read a manifest from the text of its file; `where` names the file in errors.

    Raises FormatVersionError for a version that this mongoshot does not know, and
    SnapshotDamagedError for anything that is not a manifest or contradicts itself.
    """
    if has_too_many_values(text):
        raise SnapshotDamagedError(f"{where} has more values than a manifest needs; {_REMEDY}")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SnapshotDamagedError(f"{where} is not JSON ({error}); {_REMEDY}") from None
    reader = _Reader(where)
    version = reader.get(value, "format_version", int)
    if version != FORMAT_VERSION:
        raise FormatVersionError(
            f"{where} has format version {version}, and this mongoshot reads version"
            f" {FORMAT_VERSION}; install a mongoshot that knows it (pip install -U mongoshot)"
        )
    consistency = reader.get(value, "consistency", str)
    if consistency not in get_args(Consistency):
        expected = " or ".join(map(repr, get_args(Consistency)))
        raise reader.damaged("consistency", expected, consistency)
    manifest = Manifest(
        name=reader.get(value, "name", str),
        revision=reader.get(value, "revision", int),
        origin=Origin(
            server_version=reader.get(value, "server_version", str),
            captured_at=reader.get(value, "captured_at", str),
            consistency=consistency,
            outside_consistency=tuple(map(str, reader.get(value, "outside_consistency", list))),
            recipe=reader.get(value, "recipe", dict),
            profile=_parse_profiles(reader, value),
        ),
        files=tuple(
            _parse_file(reader, item, f"files[{at}].")
            for at, item in enumerate(reader.get(value, "files", list))
        ),
        recording=_parse_recording(reader, value),
    )
    _refuse_overlaps(manifest.files, where)
    if (recorded := reader.get(value, "digest", str)) != manifest.digest:
        raise SnapshotDamagedError(
            f"{where} was changed: its files add up to {manifest.digest}, it says"
            f" {recorded[:80]!r}; {_REMEDY}"
        )
    return manifest


def looks_like_manifest(text: bytes) -> bool:
    """Tell a damaged manifest of ours from the `manifest.json` of some other program."""
    return text.startswith(b'{\n  "format_version": ') and b'"digest": "sha256:' in text


def is_snapshot_manifest(path: Path) -> bool:
    """Tell a manifest of ours, also a damaged one, by its file. Raises OSError."""
    with path.open("rb") as file:
        return looks_like_manifest(read_up_to(file, LARGEST_MANIFEST))


_REMEDY = "take the snapshot from version control again, or capture it anew with --replace"
#: What `file_stems` makes, and nothing that any system takes for a path or a stream.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_~%+-][A-Za-z0-9_.~%+-]{0,254}")


def _refuse_overlaps(files: tuple[FileEntry, ...], where: str) -> None:
    # Of two entries one would be read and the other believed.
    seen: set[str | tuple[str, bool]] = set()
    for entry in files:
        role = (entry.collection, entry.holds_documents)
        if entry.name.lower() in seen or role in seen:
            raise SnapshotDamagedError(
                f"{where} lists {entry.name!r}, a file of {entry.collection[:80]!r}, twice;"
                f" {_REMEDY}"
            )
        seen |= {entry.name.lower(), role}


def _parse_file(reader: _Reader, item: Any, prefix: str) -> FileEntry:
    name = reader.get(item, "name", str, prefix)
    # A manifest may come from a stranger: a name must stay a name in this directory.
    if not _PLAIN_NAME.fullmatch(name) or name.lower() == MANIFEST_NAME:
        raise reader.damaged(f"{prefix}name", "a plain file name", name)
    has_documents = "documents" in item
    entry = FileEntry(
        name=name,
        collection=reader.get(item, "collection", str, prefix),
        bytes=reader.get(item, "bytes", int, prefix),
        sha256=reader.get(item, "sha256", str, prefix),
        documents=reader.get(item, "documents", int, prefix) if has_documents else None,
        content_sha256=reader.get(item, "content_sha256", str, prefix) if has_documents else None,
    )
    for key, count in (("bytes", entry.bytes), ("documents", entry.documents or 0)):
        if count < 0:
            raise reader.damaged(prefix + key, "zero or more", count)
    return entry


def _parse_recording(reader: _Reader, value: Any) -> RecordingEntry | None:
    if "recording" not in value:
        return None
    item, prefix = reader.get(value, "recording", dict), "recording."
    if (name := reader.get(item, "name", str, prefix)) != RECORDING_NAME:
        raise reader.damaged("recording.name", RECORDING_NAME, name)
    return RecordingEntry(
        steps=reader.get(item, "steps", int, prefix),
        bytes=reader.get(item, "bytes", int, prefix),
        sha256=reader.get(item, "sha256", str, prefix),
        recorded_at=reader.get(item, "recorded_at", str, prefix),
        untold=reader.get(item, "untold", str, prefix),
    )


def _parse_profiles(reader: _Reader, value: Any) -> dict[str, Profile]:
    if "profile" not in value:
        return {}
    found = {}
    for name, each in reader.get(value, "profile", dict).items():
        prefix = f"profile.{name}."
        fields = reader.get(each, "fields", dict, prefix)
        for path, types in fields.items():
            if not isinstance(types, dict) or not all(type(n) is int for n in types.values()):
                raise reader.damaged(f"{prefix}fields.{path}", "counts by type", types)
        found[name] = Profile(reader.get(each, "documents", int, prefix), fields)
    return found


@dataclass(frozen=True, slots=True)
class _Reader:
    where: str

    def get(self, value: Any, key: str, kind: type[Any], prefix: str = "") -> Any:
        if not isinstance(value, dict) or key not in value:
            raise SnapshotDamagedError(f"{self.where} lacks {prefix + key!r}; {_REMEDY}")
        found = value[key]
        if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
            raise self.damaged(prefix + key, f"of type {kind.__name__}", found)
        return found

    def damaged(self, key: str, expected: str, found: object) -> SnapshotDamagedError:
        return SnapshotDamagedError(
            f"{self.where}: {key!r} should be {expected}, and is {str(found)[:80]!r}; {_REMEDY}"
        )
