"""Directories of documents as pytest-mongodb reads them: one file a collection, a list in each.

`players.json` is a list of documents in JSON, with whatever wrappers of Extended JSON `json_util`
of the driver understands; `players.yaml` (or `.yml`, which pytest-mongodb passes over) is one in
YAML, whose dates and binary values are BSON's, and in which wrappers are documents like others.
A collection with two files has the documents of both, by the names of the files.

Source: `load_fixtures` in `pytest_mongodb/plugin.py` of https://github.com/mdomke/pytest-mongodb
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bson
from bson import json_util
from bson.errors import BSONError

from mongoshot.errors import FixturesError
from mongoshot.snapshot import model
from mongoshot.snapshot.bounds import (
    LARGEST_DOCUMENT,
    LARGEST_FIXTURES,
    LARGEST_YAML,
    MOST_VALUES,
    not_a_file,
    read_up_to,
)
from mongoshot.snapshot.elements import ARRAY, REGULAR_EXPRESSION, document_id
from mongoshot.snapshot.encoding import readable
from mongoshot.snapshot.encoding.style import has_too_many_values
from mongoshot.snapshot.manifest import MANIFEST_NAME, is_snapshot_manifest
from mongoshot.snapshot.model import Definition, MemoryState, join_documents
from mongoshot.snapshot.names import METADATA_SUFFIX
from mongoshot.snapshot.order import sort_key
from mongoshot.snapshot.yaml_text import YamlProblem, read_yaml

_PRELUDE = "prelude.json"
_ID_INDEX = bson.encode({"v": 2, "key": {"_id": 1}, "name": "_id_"})

#: The first four bytes of ids that are made here: 2000-01-01, which no test takes for its own.
_MADE_AT = 946_684_800
_MOST_PLACES = 1 << 24


@dataclass(slots=True)
class Fixtures:
    """Hold what a directory of fixtures has.

    `state` is named after the directory. `notes` says, a line each, what is not in it, or not as it
    may look; `made_ids` in how many documents of a collection an `_id` was missing.
    """

    state: MemoryState
    notes: list[str] = field(default_factory=list)
    made_ids: dict[str, int] = field(default_factory=dict)


def is_fixture_directory(path: Path) -> bool:
    """Tell a directory of fixtures from a dump of mongodump, a snapshot and everything else.

    Raises FixturesError for one that holds both fixtures and a dump, for one whose directories hold
    fixtures, and for a single file of them.
    """
    try:
        if _is_fixture(path.name) and path.is_file():
            raise FixturesError(
                f"{path} is one file of documents: name the directory that it is in, and with"
                f" --collection {path.stem} it alone is read"
            )
        if not path.is_dir() or _is_snapshot(path):
            return False
        own = [entry.name for entry in sorted(path.iterdir()) if entry.is_file()]
        below = [
            f"{directory.name}/{entry.name}"
            for directory in sorted(path.iterdir())
            if directory.is_dir()
            for entry in sorted(directory.iterdir())
        ]
    except OSError:
        return False  # whoever reads it says why it cannot
    dumped = [name for name in (*own, *below) if _is_dumped(name)]
    fixtures = [name for name in own if _is_fixture(name)]
    if dumped and fixtures:
        raise FixturesError(
            f"{path} holds a dump of mongodump ({dumped[0]}) and fixtures ({fixtures[0]}): put"
            " either into a directory of its own, and name that"
        )
    if not dumped and not fixtures:
        for name in below:
            directory, _, file = name.partition("/")
            if _is_fixture(file):
                raise FixturesError(
                    f"{path} holds no files of documents, and {path / directory} does ({file}):"
                    " name that directory, as its files are one database"
                )
    return bool(fixtures)


def read_fixtures(path: Path, only: Collection[str] = ()) -> Fixtures:
    """Read the collections of a directory of fixtures, or those that are named in `only`.

    A document without an `_id` gets an ObjectId by its collection and its place in it, the same
    each time; these sort as the documents stand. Raises FixturesError, with the file and the line
    or the document, for what cannot be read, is no list of documents, or has an `_id` twice.
    """
    found = Fixtures(MemoryState(path.resolve().name, {}))
    files: dict[str, list[Path]] = {}
    for entry in sorted(path.iterdir()):
        if not (_is_fixture(entry.name) and entry.is_file()):
            if not entry.name.startswith("."):
                found.notes.append(f"{entry}: no file of documents, left out")
        elif not only or entry.stem in only:
            files.setdefault(entry.stem, []).append(entry)
    for name in only:
        if name not in files:
            raise FixturesError(f"no file of a collection {name!r} in {path}: {_near(path, name)}")
    collections = {}
    for name, of_collection in files.items():
        _check_name(name, of_collection[0])
        if len(of_collection) > 1:
            both = " and ".join(file.name for file in of_collection)
            found.notes.append(f"{name}: has the documents of {both}")
        documents = [each for file in of_collection for each in _read(file, found.notes)]
        collections[name] = model.Collection(
            Definition(name, indexes=(_ID_INDEX,)),
            _chunks(_in_order(name, documents, found.made_ids)),
        )
    found.state = MemoryState(found.state.label, collections)
    return found


def _is_fixture(name: str) -> bool:
    if name.startswith(".") or name == _PRELUDE or name.endswith(METADATA_SUFFIX):
        return False
    return Path(name).suffix in _READERS


def _is_dumped(name: str) -> bool:
    return name.removesuffix(".gz").endswith((".bson", METADATA_SUFFIX))


def _is_snapshot(path: Path) -> bool:
    manifest = path / MANIFEST_NAME
    return manifest.is_file() and is_snapshot_manifest(manifest)


def _near(path: Path, name: str) -> str:
    there = sorted({entry.stem for entry in path.iterdir() if _is_fixture(entry.name)})
    near = difflib.get_close_matches(name, there, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(there[:10])}"


def _check_name(name: str, file: Path) -> None:
    # https://www.mongodb.com/docs/manual/reference/limits/#naming-restrictions
    try:
        name.encode()
        is_text = "\0" not in name
    except UnicodeEncodeError:
        is_text = False
    if not is_text or "$" in name or name.startswith("system."):
        raise FixturesError(
            f"{file}: {name!r} cannot be the name of a collection of yours; rename the file"
        )


def _read(file: Path, notes: list[str]) -> list[dict[str, Any]]:
    if what := not_a_file(file):
        raise FixturesError(f"{file} is {what}: put the file itself there, or remove it")
    largest = LARGEST_FIXTURES if file.suffix == ".json" else LARGEST_YAML
    try:
        with file.open("rb") as opened:
            content = read_up_to(opened, largest)
        if len(content) > largest:
            raise FixturesError(
                f"{file} has more than {largest >> 20} MiB, which is too much for a file of"
                " fixtures: load it once, and capture a scenario of it"
            )
        text = content.decode()
    except OSError as error:
        raise FixturesError(f"cannot read {file}: {error.strerror}; make it readable") from None
    except UnicodeDecodeError as error:
        raise FixturesError(f"{file}: this is not UTF-8: {error}") from None
    try:
        listed = _READERS[file.suffix](file, text, notes)
    except RecursionError:
        raise FixturesError(f"{file}: values lie too deep within each other") from None
    if not isinstance(listed, list):
        shown = "nothing" if listed is None else f"a {type(listed).__name__}"
        raise FixturesError(
            f"{file} should hold a list of documents, and holds {shown}: write [] for a collection"
            " without documents"
        )
    for number, each in enumerate(listed, 1):
        if not isinstance(each, dict):
            raise FixturesError(f"{file}: document {number} is no document: {each!r:.80}")
    return _encodable(file, listed)


def _read_json(file: Path, text: str, _notes: list[str]) -> Any:
    if has_too_many_values(text):
        raise FixturesError(
            f"{file} has more than {MOST_VALUES:,} values, which is too much for a file of"
            " fixtures: load it once, and capture a scenario of it"
        )
    try:
        listed = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        exported = error.msg == "Extra data" and text.lstrip().startswith("{")
        hint = ": export it with mongoexport --jsonArray" if exported else ""
        raise FixturesError(
            f"{file}, line {error.lineno}: this is not JSON: {error.msg}{hint}"
        ) from None
    except _TwiceError as error:
        raise FixturesError(f"{file}: the key {str(error)!r} is there twice; keep one") from None
    if not isinstance(listed, list):
        return listed
    return [_unwrapped(f"{file}: document {number}", each) for number, each in enumerate(listed, 1)]


class _TwiceError(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _TwiceError(counts.most_common(1)[0][0])
    return document


def _unwrapped(where: str, value: Any) -> Any:
    """Make of wrappers what they stand for, innermost first, as pytest-mongodb has it done."""
    if isinstance(value, list):
        return [_unwrapped(f"{where}[{at}]", each) for at, each in enumerate(value)]
    if not isinstance(value, dict):
        return value
    document = {key: _unwrapped(f"{where}.{key}", each) for key, each in value.items()}
    try:
        return json_util.object_hook(document)
    except (BSONError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise FixturesError(f"{where}: this is not Extended JSON: {reason}") from None


def _read_yaml(file: Path, text: str, notes: list[str]) -> Any:
    try:
        listed = read_yaml(text)
    except YamlProblem as problem:
        raise FixturesError(f"{file}{problem.where}: {problem}") from None
    if wrapper := next(_wrappers(listed), None):
        notes.append(
            f"{file}: {wrapper} stays a document there, as for pytest-mongodb; wrappers of Extended"
            " JSON count in .json files"
        )
    return listed


def _wrappers(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if len(value) == 1 and isinstance(key := next(iter(value)), str) and key.startswith("$"):
            yield f"{{{key}: …}}"
        for each in value.values():
            yield from _wrappers(each)
    elif isinstance(value, list):
        for each in value:
            yield from _wrappers(each)


def _encodable(file: Path, listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for number, document in enumerate(listed, 1):
        if _problem(document):
            for where, value in _leaves(f"{file}: document {number}", document):
                if problem := _problem(value):
                    raise FixturesError(f"{where}: {problem}; {_REMEDY}")
    return listed


def _problem(document: dict[str, Any]) -> str:
    try:
        bson.encode(document)
    except (BSONError, OverflowError, TypeError, ValueError) as error:
        return " ".join(str(error).split())[:200]
    return ""


_REMEDY = "a date takes a time (2026-01-02 00:00:00), a key is a string, and a string has quotes"


def _leaves(where: str, value: Any) -> Iterator[tuple[str, dict[Any, Any]]]:
    """Take a document apart, so that what cannot be encoded has a path."""
    if isinstance(value, dict):
        for key, each in value.items():
            if isinstance(each, dict | list) and isinstance(key, str):
                yield from _leaves(f"{where}.{key}", each)
            else:
                yield f"{where}.{key}", {key: each}
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from _leaves(f"{where}[{at}]", each)
    else:
        yield where, {"": value}


def _in_order(name: str, documents: list[dict[str, Any]], made: dict[str, int]) -> list[bytes]:
    """Encode documents, with an `_id` each, and sort them by it."""
    by_id: dict[Any, tuple[int, bytes]] = {}
    for place, document in enumerate(documents, 1):
        if "_id" not in document:
            made[name] = made.get(name, 0) + 1
        encoded = bson.encode({"_id": _make_id(name, place), **document})
        if len(encoded) > LARGEST_DOCUMENT:
            raise FixturesError(
                f"{name}, document {place}: it has {len(encoded):,} bytes of BSON, and a document"
                " has up to 16 MiB; leave some of it out"
            )
        identity = document_id(encoded)
        if identity[0] in (ARRAY, REGULAR_EXPRESSION):
            raise FixturesError(
                f"{name}, document {place}: an _id can be neither an array nor a regular expression"
            )
        other = by_id.setdefault(sort_key(identity), (place, encoded))
        if other[0] != place:
            raise FixturesError(
                f"{name}: the documents {other[0]} and {place} have the same _id,"
                f" {readable(identity[0], identity[1:])}; give each its own"
            )
    return [by_id[key][1] for key in sorted(by_id)]


def _make_id(name: str, place: int) -> bson.ObjectId:
    whose = hashlib.sha256(name.encode()).digest()[:5]
    if place >= _MOST_PLACES:
        raise FixturesError(f"{name} has more documents than a fixture can; use a capture")
    return bson.ObjectId(_MADE_AT.to_bytes(4, "big") + whose + place.to_bytes(3, "big"))


def _chunks(documents: list[bytes]) -> Callable[[], Iterator[bytes]]:
    return lambda: join_documents(documents)


_READERS: dict[str, Callable[[Path, str, list[str]], Any]] = {
    ".json": _read_json,
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
}
