"""Dates that are shifted: all of a document by the same number of whole days."""

from __future__ import annotations

import datetime
import re
import struct

from mongoshot.recording.masking.cipher import Cipher
from mongoshot.recording.masking.values import TEXTS, Apply, Refused, refuse_kind, with_text
from mongoshot.snapshot import elements
from mongoshot.snapshot.elements import document_id

_DAY = 24 * 60 * 60 * 1000

_int64 = struct.Struct("<q")
_ISO_DATE = re.compile(rb"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ][0-9:.,]+(?:Z|[+-][0-9:]+)?)?")


def shifted_date(cipher: Cipher, days: int) -> Apply:
    """Shift dates by 1 to `days` days to and fro, by as many for each date of a document.

    How many is decided by the `_id` as it was, so that what is the same in two collections stays so
    where their documents have the same one. Strings are shifted where they are ISO dates.
    """

    def offset(document: bytes) -> int:
        digest = cipher.digest(b"shift %d" % days, document_id(document))
        drawn = int.from_bytes(digest, "little") % (2 * days)
        return drawn - days if drawn < days else drawn - days + 1

    def apply(kind: int, raw: bytes, document: bytes) -> bytes:
        if kind == elements.DATE:
            made = _int64.unpack(raw)[0] + offset(document) * _DAY
            return _int64.pack((made + (1 << 63)) % (1 << 64) - (1 << 63))
        if kind not in TEXTS:
            raise refuse_kind(kind, "dates and strings that are ISO dates")
        return raw if len(raw) <= 5 else with_text(_shift_text(raw[4:-1], offset(document)))

    return apply


def _shift_text(text: bytes, days: int) -> bytes:
    found = _ISO_DATE.fullmatch(text)
    shifted = None
    if found is not None:
        try:
            date = datetime.date.fromisoformat(found[1].decode())
            shifted = date + datetime.timedelta(days=days)
        except (ValueError, OverflowError):
            shifted = None
    if shifted is None:
        raise Refused("a string that is no ISO date", "text")
    return shifted.isoformat().encode() + text[10:]
