"""File names of collections, as mongodump and mongorestore spell them.

Source of the escaping: `EscapeCollectionName` of mongo-tools, which is Go's `url.QueryEscape` with
a truncated form for long names. Its unescaping accepts any `%XX`, which is used here to keep apart
names that mongodump lets collide: on file systems that fold case, on Windows, and with our own
`manifest.json`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from urllib.parse import quote_plus

METADATA_SUFFIX = ".metadata.json"

#: Bytes of an escaped name. A longer one keeps its first 208, and `%24` and 27 of its hash follow:
#: by that very length and the `%24` mongorestore knows that the name is to be read in the metadata.
_LONGEST = 238
_KEPT = 208
#: Files that have a meaning of their own in a snapshot or in a dump, Windows' device names, and the
#: dot that hides a file.
_RESERVED = re.compile(
    r"(manifest|prelude|oplog|con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)|\.", re.IGNORECASE
)
_CAPITAL = re.compile(r"%[0-9A-F]{2}|[A-Z]")


def file_stems(names: Iterable[str]) -> dict[str, str]:
    """Give each collection a file name without suffix that is distinct in every file system.

    Takes the collection names of one database; returns name → stem. Names that differ only in case
    have their capitals written as `%XX`.
    """
    names = list(names)
    folded = Counter(name.lower() for name in names)
    return {name: _stem(name, apart=folded[name.lower()] > 1) for name in names}


def _stem(name: str, *, apart: bool) -> str:
    stem = quote_plus(name, safe="")
    if apart:
        stem = _CAPITAL.sub(lambda m: m[0] if m[0][0] == "%" else f"%{ord(m[0]):02X}", stem)
    if stem.lower().endswith(".metadata"):
        stem = _percent_at(stem, len(stem) - len("metadata"))
    if _RESERVED.match(stem):
        stem = _percent_at(stem, 0)
    if len(stem) > _LONGEST:
        digest = hashlib.sha1(name.encode(), usedforsecurity=False).digest()
        return f"{stem[:_KEPT]}%24{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
    return stem


def _percent_at(text: str, at: int) -> str:
    return f"{text[:at]}%{ord(text[at]):02X}{text[at + 1 :]}"
