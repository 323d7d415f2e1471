"""The masks by name, and what each does with the values of each BSON type.

A mask is a text: its name and, behind colons, what it takes: `email:keep-domain`, `name:de_DE`,
`shift-date:30d`. What it makes of a value depends on the key, that text and the value alone, so
that a value has the same mask in every collection and every capture.
"""

from __future__ import annotations

import difflib
import re
from base64 import b32encode
from collections.abc import Callable
from dataclasses import dataclass

from mongoshot.errors import UsageError
from mongoshot.recording.masking import checks, formats, places
from mongoshot.recording.masking.cipher import Cipher
from mongoshot.recording.masking.dates import shifted_date
from mongoshot.recording.masking.functions import load_function
from mongoshot.recording.masking.numerals import masked_number, raw_number, whole_number
from mongoshot.recording.masking.values import (
    NUMBERS,
    TEXTS,
    Apply,
    Refused,
    refuse_kind,
    text_of,
    with_text,
)
from mongoshot.recording.masking.words import DEFAULT_LOCALE, check_locale
from mongoshot.snapshot import elements

KEEP = "keep"
DROP = "drop"
NULL = "null"
REDACT = "redact"

#: What ends a path: nothing below it is looked at.
ENDING = (DROP, NULL, REDACT)

_DAYS = re.compile(r"([1-9][0-9]{0,4})d")
_DEFAULT_DAYS = 30
_DOMAIN = re.compile(rb"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")

_Maker = Callable[[Cipher], Apply]


@dataclass(frozen=True, slots=True)
class Mask:
    """Say what to do with the values of a rule.

    `name` is what stands before the first colon of `text`. `different` tells whether values that
    are not the same stay so; `instead` is what to write where they have to, as in a unique index.
    """

    text: str
    name: str
    different: bool
    instead: str
    keyed: bool
    words: bool
    bind: _Maker

    @property
    def ends(self) -> bool:
        """Tell whether it takes the place of all that lies below."""
        return self.name in ENDING


def make_mask(text: str) -> Mask:
    """Read a mask.

    Raises UsageError, with near names, for one that is not there or takes something else.
    """
    name, _, rest = text.partition(":")
    if name == "python":
        call = load_function(rest)
        return Mask(text, name, True, "", False, False, lambda _: call)
    options = rest.split(":") if rest else []
    if name in _SIMPLE:
        if options or text.endswith(":"):
            raise UsageError(f"the mask {name} takes nothing behind a colon, not {rest!r:.60}")
        different, keyed, maker = _SIMPLE[name]
        return Mask(text, name, different, "hash", keyed, False, maker)
    if name == "email":
        if options not in ([], ["keep-domain"]):
            raise UsageError(f"the mask email takes keep-domain, not {rest!r:.60}")
        return Mask(text, name, True, "", True, False, lambda cipher: _email(cipher, bool(options)))
    if name == "shift-date":
        days = _days(text, options)
        return Mask(
            text, name, False, "keep", True, False, lambda cipher: shifted_date(cipher, days)
        )
    if name in places.MAKERS:
        return _worded(text, name, options)
    near = difflib.get_close_matches(name, NAMES, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(NAMES)}"
    raise UsageError(f"there is no mask {name!r:.60}: {hint}")


def _days(text: str, options: list[str]) -> int:
    if not options:
        return _DEFAULT_DAYS
    found = _DAYS.fullmatch(options[0])
    if found is None or len(options) > 1:
        raise UsageError(f"{text!r:.60} is no number of days: write shift-date:30d")
    return int(found[1])


def _worded(text: str, name: str, options: list[str]) -> Mask:
    locales = [option for option in options if option != "unique"]
    if len(locales) > 1 or len(options) > len(locales) + 1:
        raise UsageError(f"the mask {name} takes a locale and unique, as in {name}:de_DE:unique")
    locale = locales[0] if locales else DEFAULT_LOCALE
    check_locale(locale)
    unique = "unique" in options

    def bind(cipher: Cipher) -> Apply:
        make = places.MAKERS[name]

        def mask(text: bytes) -> bytes:
            made = make(cipher, locale, text)
            return f"{made} {_code(cipher, text)}".encode() if unique else made.encode()

        return _on_bytes(mask)

    return Mask(text, name, unique, f"{text}:unique", True, True, bind)


def _on_bytes(mask: Callable[[bytes], bytes]) -> Apply:
    """Apply a mask of bytes to texts; an empty one hides nothing, and stays."""

    def apply(kind: int, raw: bytes, _: bytes) -> bytes:
        if kind not in TEXTS:
            raise refuse_kind(kind, "strings")
        return raw if len(raw) <= 5 else with_text(mask(raw[4:-1]))

    return apply


def _on_text(mask: Callable[[Cipher, str], str]) -> _Maker:
    def bind(cipher: Cipher) -> Apply:
        return _on_bytes(lambda text: mask(cipher, text_of(text)).encode())

    return bind


def _on_text_or_number(mask: Callable[[Cipher, str], str]) -> _Maker:
    """Take numbers too, which have digits alone."""

    def bind(cipher: Cipher) -> Apply:
        on_text = _on_bytes(lambda text: mask(cipher, text_of(text)).encode())

        def apply(kind: int, raw: bytes, _: bytes) -> bytes:
            if kind in NUMBERS:
                return masked_number(cipher, kind, raw)
            if kind not in TEXTS:
                raise refuse_kind(kind, "strings and numbers")
            return on_text(kind, raw, b"")

        return apply

    return bind


def _digits(cipher: Cipher, text: str) -> str:
    if not any(each in formats.DIGITS for each in text):
        raise Refused("a string without a digit", "text")
    return formats.masked_digits(cipher, text)


def _card(cipher: Cipher) -> Apply:
    """Take the numbers of cards as numbers, too: valid ones for valid ones alone."""
    on_text = _on_text(formats.masked_card)(cipher)

    def digits_of(kind: int, raw: bytes) -> str:
        digits = str(whole_number(kind, raw))
        return digits if checks.card_prefix(digits) else ""

    def apply(kind: int, raw: bytes, _: bytes) -> bytes:
        if kind in TEXTS:
            return on_text(kind, raw, b"")
        if kind not in NUMBERS:
            raise refuse_kind(kind, "strings and numbers")
        digits = digits_of(kind, raw)
        if digits:
            return raw_number(kind, int(formats.masked_card(cipher, digits)))
        made = masked_number(cipher, kind, raw)
        while digits_of(kind, made):
            made = masked_number(cipher, kind, made)
        return made

    return apply


def _number(cipher: Cipher) -> Apply:
    def apply(kind: int, raw: bytes, _: bytes) -> bytes:
        if kind not in NUMBERS:
            raise refuse_kind(kind, "numbers")
        return masked_number(cipher, kind, raw)

    return apply


def _code(cipher: Cipher, text: bytes) -> str:
    # 80 bits: that two of a million values have the same is less likely than one in 10^12.
    return b32encode(cipher.digest(b"code", text, 10)).decode().lower()


def _email(cipher: Cipher, keep_domain: bool) -> Apply:
    def mask(text: bytes) -> bytes:
        domain = b"example.com"  # reserved for this: RFC 2606
        named = text.rpartition(b"@")[2] if keep_domain and b"@" in text else b""
        if _DOMAIN.fullmatch(named):  # what else may stand there is no domain, and not to be kept
            domain = named
        return _code(cipher, text).encode() + b"@" + domain

    return _on_bytes(mask)


def _hash(cipher: Cipher) -> Apply:
    """Make hexadecimal digits of texts, and bytes of binary values, as many as there were."""

    def apply(kind: int, raw: bytes, _: bytes) -> bytes:
        if kind == elements.BINARY:
            return raw[:5] + _expanded(cipher, raw[5:], len(raw) - 5) if len(raw) > 5 else raw
        if kind not in TEXTS:
            raise refuse_kind(kind, "strings and binary values")
        if len(raw) <= 5:
            return raw
        text = raw[4:-1]
        return with_text(_expanded(cipher, text, -(-len(text) // 2)).hex()[: len(text)].encode())

    return apply


def _expanded(cipher: Cipher, value: bytes, size: int) -> bytes:
    seed = cipher.digest(b"hash", value, 64)
    blocks = (
        cipher.digest(b"hash more", seed + index.to_bytes(4, "little"), 64)
        for index in range(1, -(-size // 64))
    )
    return b"".join((seed, *blocks))[:size]


def _objectid(cipher: Cipher) -> Apply:
    def permuted(value: bytes) -> bytes:
        number = int.from_bytes(value, "big")
        return cipher.permuted(b"objectid", number, 1 << 96).to_bytes(12, "big")

    return _identifier(elements.OBJECT_ID, 12, permuted, "objectid")


def _uuid(cipher: Cipher) -> Apply:
    def permuted(value: bytes) -> bytes:
        # Version and variant stay: RFC 9562, section 4.
        number = int.from_bytes(value, "big")
        version, variant = number >> 76 & 15, number >> 62 & 3
        free = number >> 80 << 74 | (number >> 64 & 0xFFF) << 62 | number & (1 << 62) - 1
        free = cipher.permuted(b"uuid", free, 1 << 122, b"%d %d" % (version, variant))
        number = free >> 74 << 80 | version << 76 | (free >> 62 & 0xFFF) << 64
        return (number | variant << 62 | free & (1 << 62) - 1).to_bytes(16, "big")

    return _identifier(elements.BINARY, 16, permuted, "uuid")


_HEXADECIMAL = re.compile(rb"[0-9a-f]+|[0-9A-F]+")


def _identifier(of: int, size: int, permuted: Callable[[bytes], bytes], name: str) -> Apply:
    """Mask ids as such, and as the strings that they are written as."""

    def apply(kind: int, raw: bytes, _: bytes) -> bytes:
        if kind == of:
            if len(raw) == size:  # an ObjectId
                return permuted(raw)
            if len(raw) == size + 5:
                return raw[:5] + permuted(raw[5:])
            raise Refused(f"a binary value that is no {name}", "hash")
        if kind not in TEXTS:
            raise refuse_kind(kind, "ids and strings that are ids")
        text = raw[4:-1]
        if not text:
            return raw
        dashed = size == 16 and len(text) == 36 and text[8:24:5] == b"----"
        bare = text.replace(b"-", b"") if dashed else text
        if len(bare) != 2 * size or not _HEXADECIMAL.fullmatch(bare):
            raise Refused(f"a string that is no {name}", "text")
        made = permuted(bytes.fromhex(bare.decode())).hex().encode()
        if bare != bare.lower():
            made = made.upper()
        if dashed:
            made = b"-".join((made[:8], made[8:12], made[12:16], made[16:20], made[20:]))
        return with_text(made)

    return apply


def _as_it_is(_: Cipher) -> Apply:
    """Stand for what the walk does by itself."""
    return lambda _kind, raw, _document: raw


#: Masks without options: whether they keep different values different, need the key, and how.
_SIMPLE: dict[str, tuple[bool, bool, _Maker]] = {
    "phone": (True, True, _on_text_or_number(formats.masked_phone)),
    "iban": (True, True, _on_text(formats.masked_iban)),
    "card": (True, True, _card),
    "digits": (True, True, _on_text_or_number(_digits)),
    "text": (True, True, _on_text(formats.masked_text)),
    "hash": (True, True, _hash),
    "uuid": (True, True, _uuid),
    "objectid": (True, True, _objectid),
    "number": (True, True, _number),
    REDACT: (False, False, _as_it_is),
    NULL: (False, False, _as_it_is),
    DROP: (False, False, _as_it_is),
    KEEP: (True, False, _as_it_is),
}

NAMES = ("email", *places.MAKERS, *(name for name in _SIMPLE), "shift-date", "python")
