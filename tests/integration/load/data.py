"""Databases at the limits of a server, the same at each run.

Limits: https://www.mongodb.com/docs/manual/reference/limits/
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from mongoshot.server.connection import Database
from mongoshot.snapshot.elements import framed

#: Bytes of the largest document that a program may write: maxBsonObjectSize.
LARGEST = 16 << 20
#: Levels of documents and arrays within each other, the outermost included.
DEEPEST = 100
#: Indexes of a collection, `_id_` included.
MOST_INDEXES = 64
#: Bytes of the longest name of a collection, with its database and a dot between.
LONGEST_NAMESPACE = 255

RESERVED = "reserved"
MILLION = ("customers", "events", "orders")
_BATCH = 20_000


def make_many_documents(database: Database, documents: int) -> int:
    """Fill three collections, two indexes each, with documents of about 0.5 kB; return how many."""
    made = 0
    for at, name in enumerate(MILLION):
        number = documents // 3 + (at < documents % 3)
        for batch in _batches(at, number):
            database.command({"insert": name, "documents": batch, "ordered": False})
        database[name].create_index("customer")
        database[name].create_index([("state", 1), ("at", -1)])
        made += number
    return made


def _batches(seed: int, number: int) -> Iterator[list[RawBSONDocument]]:
    # Most of a document is one of a few bodies: to write a million takes Python long enough.
    chance = random.Random(seed)
    bodies = [bson.encode(_body(chance, at))[4:-1] for at in range(997)]
    batch: list[RawBSONDocument] = []
    for at in range(number):
        identity = struct.pack(">IQ", 1_600_000_000 + at // 50, seed << 32 | at)
        element = b"\x07_id\0" + identity
        document = framed(element + bodies[at % 997] + b"\x12number\0" + struct.pack("<q", at))
        batch.append(RawBSONDocument(document))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _body(chance: random.Random, at: int) -> dict[str, Any]:
    return {
        "customer": chance.randrange(100_000),
        "state": ("open", "paid", "sent")[at % 3],
        "at": bson.DatetimeMS(1_600_000_000_000 + at * 60_000),
        "total": chance.random() * 1000,
        "tags": ["new", "gift", at % 17],
        "address": {"street": f"Street {at}", "city": "Zürich", "zip": str(10_000 + at)},
        "text": chance.randbytes(150).hex(),
    }


def make_many_collections(database: Database, number: int) -> None:
    """Make collections, each fourth with an index besides, two thirds with three documents."""
    for at in range(number):
        name = f"collection_{at:05}"
        if at % 4 == 0:
            database[name].create_index("value")
        if at % 3:
            database[name].insert_many([{"_id": each, "value": at} for each in range(3)])
        elif at % 4:
            database.create_collection(name)


def document_of(size: int, identity: Any, kind: str) -> bytes:
    """Make one document of exactly `size` bytes: of a `string`, of `binary`, or an `array`."""
    head: dict[str, Any] = {"_id": identity, "kind": kind}
    if kind == "array":
        # Many small values: what is decoded takes far more memory than it has bytes.
        head["values"] = list(range(size // 20))  # as many as Extended JSON may have
    room = size - len(bson.encode({**head, "data": "" if kind == "string" else b""}))
    filled = random.Random(size).randbytes(room) if kind == "binary" else b"\xc3\xa9" * (room // 2)
    filled += b"x" * (room - len(filled))
    data = filled.decode() if kind == "string" else filled
    document = bson.encode({**head, "data": data})
    assert len(document) == size
    return document


def nested(levels: int, *, arrays: bool) -> dict[str, Any]:
    """Make a document of so many levels, itself and the value at its end included."""
    inner: Any = {"end": 1}
    for _ in range(levels - 2):
        inner = [inner] if arrays else {"in": inner}
    return {"in": inner}


def make_large_documents(database: Database) -> None:
    """Fill a collection with documents of up to 16 MiB, others with what is deep or named oddly."""
    sizes = (LARGEST, LARGEST, LARGEST - 1, LARGEST, 9 << 20, 3 << 20, 100)
    for at, size in enumerate(sizes):
        kind = ("string", "binary", "array")[at % 3] if size > 100 else "string"
        document = RawBSONDocument(document_of(size, at, kind))
        database.command({"insert": "large", "documents": [document]})
    # A query has levels, too, so that what is that deep can be found by its _id alone.
    database["deep"].insert_many(
        [
            {"_id": "documents", "value": nested(DEEPEST - 1, arrays=False)},
            {"_id": "arrays", "value": nested(DEEPEST - 1, arrays=True)},
        ]
    )
    database["keys"].insert_many(
        [
            {"_id": 1, "$set": 1, "a.b": {"$inc": {"c.d": 1}}, "": {"": {"": None}}, "$": 0},
            {"_id": 2, "$ref": "no reference", "$numbers": 5, "ключ": 1, "a\tb\n": 2, " ": 3},
            {"_id": 3, "": "", ".": ".", "..": "..", "$$ROOT": "$$ROOT", "__proto__": {}},
        ]
    )


def make_reserved_keys(database: Database) -> None:
    """Fill a collection with keys that mean a type in Extended JSON, which cannot hold them."""
    database[RESERVED].insert_one({"_id": 1, "$oid": "no id", "in": {"$numberInt": 5}})


def make_most_indexes(database: Database) -> None:
    """Make a collection with as many indexes as the server lets it have, of all kinds."""
    collection = database["indexed"]
    collection.insert_many(
        [
            {
                "_id": at,
                "place": {"type": "Point", "coordinates": [at, at]},
                "flat": [at, at],
                "words": f"word{at} and",
                "wild": {f"key{at}": at},
                **{f"field{number}": at * number for number in range(60)},
            }
            for at in range(50)
        ]
    )
    kinds: list[tuple[Any, dict[str, Any]]] = [
        ([("place", "2dsphere")], {}),
        ([("flat", "2d")], {"min": -100, "max": 100, "bits": 20}),
        ([("words", "text")], {"default_language": "none"}),
        ([("field1", "hashed")], {}),
        ([("wild.$**", 1)], {}),
        ([("field2", 1)], {"unique": True, "sparse": True}),
        ([("field3", -1)], {"partialFilterExpression": {"field3": {"$gt": 5}}}),
        ([("field4", 1)], {"expireAfterSeconds": 10**8}),
        ([("field5", 1)], {"hidden": True}),
        ([("field6", 1)], {"collation": {"locale": "tr", "strength": 2}}),
        ([(f"field{number}", 1) for number in range(32)], {"name": "widest"}),
    ]
    for keys, options in kinds:
        collection.create_index(keys, **options)
    for number in range(MOST_INDEXES - 1 - len(kinds)):
        collection.create_index([(f"field{number}", -1), ("_id", 1)], name=f"more {number}")


def hard_names(database: str) -> list[str]:
    """Name collections as long as can be in several scripts, and such as programs confuse."""
    room = LONGEST_NAMESPACE - len(f"{database}.".encode())
    scripts = ("ñandú é ", "коллекция ", "数据库集合", "संग्रह ", "مجموعة ", "🧪👩‍🔬")
    longest = []
    for text in scripts:
        name = (text * 100).encode()[:room].decode(errors="ignore")
        longest.append(name + "x" * (room - len(name.encode())))
    # The last two pairs are what Unicode takes for equal, and Python's lower() and NFKC make so.
    alike = ["Orders", "orders", "ORDERS", "Caf\u00e9", "Cafe\u0301", "\ufb01le", "file"]
    odd = [
        "a.b.c", "a.", "a..b", "-rf", "con", "nul.txt", "a b", " lead", "trail ",
        "tab\tnewline\n", "slash/back\\", "%2F", "quote'\"`", "*?<>|:", "\x1b[31mred", "\u202eoff",
        "manifest.json", "~", "{{x}}", "<b>",
    ]  # fmt: skip
    return [*longest, *alike, *odd]


def make_hard_names(database: Database) -> list[str]:
    """Make a collection of each hard name, with two documents; return the names."""
    names = hard_names(database.name)
    for name in names:
        documents = [{"_id": 1, "name": name}, {"_id": 2, "name": name[::-1]}]
        # The driver refuses names that the server takes.
        database.command({"insert": name, "documents": documents})
    return names
