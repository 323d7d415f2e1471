"""Dumps as mongodump writes them, put together byte by byte; nothing of mongoshot is used here."""

from __future__ import annotations

import base64
import gzip
import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote_plus

MAGIC = bytes.fromhex("6de29981")
TERMINATOR = bytes.fromhex("ffffffff")

Block = tuple[str, str, Sequence[bytes]]


def _table() -> list[int]:
    # The polynomial of ECMA-182, its bits in reverse: x^0 is the highest.
    polynomial = int(f"{0x42F0E1EBA9EA3693:064b}"[::-1], 2)
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _table()


def crc64(data: bytes) -> int:
    checksum = (1 << 64) - 1
    for byte in data:
        checksum = _TABLE[(checksum ^ byte) & 255] ^ (checksum >> 8)
    return checksum ^ ((1 << 64) - 1)


def document(*elements: bytes) -> bytes:
    members = b"".join(elements)
    return struct.pack("<i", len(members) + 5) + members + b"\0"


def string(key: str, value: str) -> bytes:
    raw = value.encode() + b"\0"
    return b"\x02" + key.encode() + b"\0" + struct.pack("<i", len(raw)) + raw


def int32(key: str, value: int) -> bytes:
    return b"\x10" + key.encode() + b"\0" + struct.pack("<i", value)


def int64(key: str, value: int) -> bytes:
    return b"\x12" + key.encode() + b"\0" + struct.pack("<q", value)


def boolean(key: str, value: bool) -> bytes:
    return b"\x08" + key.encode() + b"\0" + bytes([value])


def header(database: str, collection: str, *, end: bool, checksum: int) -> bytes:
    signed = checksum - (1 << 64) if checksum >> 63 else checksum
    return document(
        string("db", database),
        string("collection", collection),
        boolean("EOF", end),
        int64("CRC", signed),
    )


@dataclass
class Archive:
    """Describe an archive: metadata by namespace, and blocks of documents in their order."""

    metadata: Mapping[tuple[str, str], tuple[str, str]]
    blocks: Iterable[Block] = ()
    server_version: str = "6.0.5"
    tool_version: str = "100.9.4"
    concurrent: int = 4
    #: Namespaces that are opened and closed without a document.
    empty: Iterable[tuple[str, str]] = ()
    checksums: dict[tuple[str, str], int] = field(default_factory=dict)

    def prelude(self) -> bytes:
        parts = [
            MAGIC,
            document(
                int32("concurrent_collections", self.concurrent),
                string("version", "0.1"),
                string("server_version", self.server_version),
                string("tool_version", self.tool_version),
            ),
        ]
        parts += [
            document(
                string("db", database),
                string("collection", collection),
                string("metadata", text),
                int32("size", 0),
                string("type", kind),
            )
            for (database, collection), (kind, text) in self.metadata.items()
        ]
        return b"".join([*parts, TERMINATOR])

    def to_bytes(self) -> bytes:
        parts = [self.prelude()]
        content: dict[tuple[str, str], bytes] = {}
        for database, collection, documents in self.blocks:
            joined = b"".join(documents)
            parts.append(header(database, collection, end=False, checksum=0) + joined + TERMINATOR)
            content[database, collection] = content.get((database, collection), b"") + joined
        for database, collection in self.empty:
            parts.append(header(database, collection, end=False, checksum=0) + TERMINATOR)
            content.setdefault((database, collection), b"")
        for namespace, joined in content.items():
            checksum = self.checksums.get(namespace, crc64(joined))
            parts.append(header(*namespace, end=True, checksum=checksum) + TERMINATOR)
        return b"".join(parts)


def stem(name: str) -> str:
    escaped = quote_plus(name, safe="")
    if len(escaped) <= 238:
        return escaped
    digest = base64.urlsafe_b64encode(hashlib.sha1(name.encode()).digest()).decode().rstrip("=")
    return f"{escaped[:208]}%24{digest}"


def write(directory: Path, name: str, content: bytes | str, *, packed: bool = False) -> Path:
    """Write one file of a dump directory; `name` has its suffix, and is escaped by the caller."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / (f"{name}.gz" if packed else name)
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw) if packed else raw)
    return path
