"""Find secrets in chunks of documents, without a look at how the documents are made.

Most bytes are passed by what searches for a literal text: for that, a copy of the chunk has one
letter for all characters of a kind. Only what is left is held against expressions, and against
check digits. A search sees every string, key, symbol, code, expression and binary value, for each
of them stands in the bytes of a document as it is.

Where a finding lies, `locating` tells, which also drops what is no value at all.
"""

from __future__ import annotations

import re
import string
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from mongoshot.recording.masking import checks, naming
from mongoshot.recording.masking.values import TEXTS
from mongoshot.snapshot import elements


class Hit(NamedTuple):
    """Name what lies at an offset of a chunk; `exact` where a value has to start there.

    `what` is None where the name of the field alone tells.
    """

    start: int
    what: str | None
    exact: bool


_TOKEN = 14
"""How many characters in a row the shortest secret has that `_tokens` finds."""

_TOKEN_CHARACTERS = (string.ascii_letters + string.digits + "_+/=.$,:{}-").encode()
_TOKENS = bytes(120 if each in _TOKEN_CHARACTERS else 0 for each in range(256))
_KINDS = bytes.maketrans((string.digits + string.ascii_uppercase).encode(), b"0" * 10 + b"A" * 26)
_RUN = b"x" * _TOKEN
_REST_OF_RUN = re.compile(b"x*")
_REST_OF_DIGITS = re.compile(b"0*")

_NO_WORD = r"(?<![A-Za-z0-9])"
_NO_NUMBER = r"(?<![A-Za-z0-9_.,\-])"
_ENDS = r"(?![A-Za-z0-9])"
_NUMBER_ENDS = r"(?![A-Za-z0-9_\-]|[.,][0-9])"

#: What begins with the same texts each time: a name, those texts, and the expression that starts
#: there, bounded, so that a long text takes linear time. Sources: the documentation of each service
#: on the format of its keys.
_SECRETS: Final = (
    ("AWS access key", "AKIA ASIA", rf"{_NO_WORD}(?:AKIA|ASIA)[A-Z0-9]{{16}}{_ENDS}"),
    ("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{36}"),
    ("GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9_]{22}"),
    ("GitLab token", "glpat-", r"glpat-[A-Za-z0-9_\-]{20}"),
    ("Stripe key", "k_live_ k_test_", r"(?<=[sr])k_(?:live|test)_[A-Za-z0-9]{16}"),
    ("Stripe key", "whsec_", r"whsec_[A-Za-z0-9+/=]{24}"),
    ("Slack token", "xox", r"xox[abeoprs]-[A-Za-z0-9\-]{10}"),
    ("Google key", "AIza", r"AIza[A-Za-z0-9_\-]{35}"),
    ("Google key", "ya29.", r"ya29\.[A-Za-z0-9_\-]{20}"),
    ("Google key", "GOCSPX-", r"GOCSPX-[A-Za-z0-9_\-]{20}"),
    ("SendGrid key", "SG.", r"SG\.[A-Za-z0-9_\-]{16,64}\.[A-Za-z0-9_\-]{16}"),
    (
        "API key",
        "sk-",
        rf"{_NO_WORD}sk-(?:ant-|proj-|[A-Za-z0-9]{{20}}T3BlbkFJ)[A-Za-z0-9_\-]{{16}}",
    ),
    ("npm token", "npm_", rf"{_NO_WORD}npm_[A-Za-z0-9]{{36}}"),
    ("PyPI token", "pypi-AgE", r"pypi-AgE[A-Za-z0-9_\-]{20}"),
    ("JSON Web Token", "eyJ", rf"{_NO_WORD}eyJ[A-Za-z0-9_\-]{{8,4000}}\.[A-Za-z0-9_\-]{{8}}"),
    (
        "password hash",
        "$",
        r"\$2[abxy]?\$[0-9]{2}\$[./A-Za-z0-9]{53}|\$argon2(?:id|i|d)\$"
        r"|\$(?:scrypt|pbkdf2[a-z0-9\-]*|[156y7]|gy|apr1|md5|sha1)\$[./A-Za-z0-9+=,$\-]{12}",
    ),
    (
        "password hash",
        "pbkdf2 scrypt bcrypt_sha256$ argon2$",
        rf"{_NO_WORD}(?:(?:pbkdf2|scrypt):[a-z0-9:]{{1,40}}\$[./A-Za-z0-9]{{1,64}}\$"
        r"|(?:pbkdf2_sha[0-9]+|bcrypt_sha256|scrypt|argon2)\$)",
    ),
    (
        "password hash",
        "{",
        r"\{(?:SSHA|SHA|SMD5|CRYPT|PBKDF2)[0-9]*\}[./A-Za-z0-9+=$]{20}",
    ),
)
_BY_TEXT: Final = tuple(
    (text.encode(), re.compile(expression.encode()), name)
    for name, texts, expression in _SECRETS
    for text in texts.split()
)

#: One of these is in most of the texts, and some of them in few words.
_MARKS: Final = b"_$-{.:"

#: What is told by its digits and capitals: the text that the copy has, in which one stands for all
#: of a kind, and the expression that starts there.
_NUMBERED: Final = tuple(
    (literal.encode(), re.compile(f"{before}(?:{expression}){behind}".encode()), name)
    for name, before, behind, several in (
        (
            "digits",
            _NO_NUMBER,
            _NUMBER_ENDS,
            (
                ("0" * 14, "[0-9]{14,19}"),
                ("0000-0000-0000-0000", "[0-9]{4}(?:-[0-9]{4}){3}"),
                ("0000-000000-0000", "[0-9]{4}-[0-9]{6}-[0-9]{4,5}"),
                ("0000 0000 0000 0000", "[0-9]{4}(?: [0-9]{4}){3}"),
                ("0000 000000 0000", "[0-9]{4} [0-9]{6} [0-9]{4,5}"),
            ),
        ),
        (
            "IBAN",
            _NO_WORD,
            _ENDS,
            (
                (
                    "AA00",
                    "[A-Z]{2}[0-9]{2}(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)",
                ),
            ),
        ),
        *(
            (
                name,
                _NO_NUMBER,
                _NUMBER_ENDS,
                [(each, checks.NATIONAL_IDS[name][0]) for each in literals],
            )
            for name, literals in checks.LOOKS_LIKE.items()
        ),
    )
    for literal, expression in several
)

_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")
_PASSWORD_IN_URL = re.compile(
    rb"://[^\x00-\x20/:@?#\"'<>]*:"
    rb"(?!(?:[*x]+|<[^>]*>|\$?\{[^}]*\}|%[sd]|%\([^)]*\)s|password|pass|pwd)@)"
    rb"[^\x00-\x20/@\"'<>]+@[^\x00-\x20/]"
)

# Numbers that may be those of cards: from 10^13 on. Found by what is before and in the number, and
# with a look ahead, so that bytes that only look like the beginning of one hide none.
_INT64 = re.compile(rb"\x12(?=([^\x00]{0,128})\x00([\s\S]{5}(?!\x00\x00\x00)[\s\S]{2}[\x00-\x7f]))")
_DOUBLE = re.compile(rb"\x01(?=([^\x00]{0,128})\x00([\s\S]{6}(?:[\xa0-\xff]\x42|[\x00-\xbf]\x43)))")
_DECIMAL = re.compile(rb"\x13(?=([^\x00]{0,128})\x00([\s\S]{8}\x00{6}\x40\x30))")

#: Fields whose numbers have a check digit by another rule, that one of ten cards fits as well.
_NO_CARDS = re.compile(rb"ean|gtin|upc|barcode|isbn|imei|iccid", re.IGNORECASE)

_CONTROL = re.compile(rb"[\x00-\x1f]")
_LONGEST_NAME = 128
_BY_NAME = TEXTS | {
    elements.BINARY,
    elements.CODE,
    elements.DOCUMENT,
    elements.ARRAY,
    elements.INT32,
    elements.INT64,
    elements.DOUBLE,
}


def scan(chunk: bytes) -> list[Hit]:
    """Find what may be a secret, sorted by offset."""
    found = [*_tokens(chunk), *_numbered(chunk), *_numbers(chunk), *_names(chunk)]
    if b"-----BEGIN" in chunk:
        found += [Hit(at.start(), "private key", False) for at in _PRIVATE_KEY.finditer(chunk)]
    if b"://" in chunk:
        # The password itself counts, so that a rule for the field has to cover it.
        found += [
            Hit(at.end() - 2, "URL with a password", False)
            for at in _PASSWORD_IN_URL.finditer(chunk)
        ]
    found.sort(key=lambda hit: hit.start)
    return found


def hits_within(hits: list[Hit], start: int, end: int) -> list[Hit]:
    """Return the hits that lie in a part of the chunk."""
    first = bisect_left(hits, start, key=lambda hit: hit.start)
    return hits[first : bisect_left(hits, end, first, key=lambda hit: hit.start)]


def _tokens(chunk: bytes) -> Iterator[Hit]:
    """Find what is in words of characters that keys and hashes are made of, and begins as they do.

    Long words alone are searched, put together: mostly they are a small part of all.
    """
    copy = chunk.translate(_TOKENS)
    starts, words, offsets, size = [], [], [], 0
    start = copy.find(_RUN)
    while start >= 0:
        rest = _REST_OF_RUN.match(copy, start)
        end = rest.end() if rest else start + _TOKEN
        starts.append(start)
        offsets.append(size)
        words.append(chunk[start:end])
        size += end - start + 1
        start = copy.find(_RUN, end)
    together = b"\0".join(words)
    marks = {mark for mark in _MARKS if mark not in together}
    for text, expression, name in _BY_TEXT:
        if not marks.isdisjoint(text):
            continue
        at = together.find(text)
        while at >= 0:
            if expression.match(together, at):
                word = bisect_right(offsets, at) - 1
                yield Hit(starts[word] + at - offsets[word], name, False)
            at = together.find(text, at + 1)


def _numbered(chunk: bytes) -> Iterator[Hit]:
    copy = chunk.translate(_KINDS)
    for literal, expression, name in _NUMBERED:
        start = copy.find(literal)
        while start >= 0:
            match = expression.match(chunk, start)
            if match and (what := _named(name, match[0])):
                yield Hit(start, what, False)
            end = start + 1
            if not literal.strip(b"0"):  # none begins within the same digits
                rest = _REST_OF_DIGITS.match(copy, start)
                end = rest.end() if rest else end
            start = copy.find(literal, end)


def _named(name: str, match: bytes) -> str | None:
    """Tell what a match is, where that is decided by its digits."""
    text = match.decode()
    if name == "digits":
        digits = text.replace("-", "").replace(" ", "")
        if checks.is_card(digits):
            return "card number"
        return "French NIR" if len(text) == 15 and checks.is_nir(text) else None
    if name == "IBAN":
        return name if _holds_iban(text) else None
    check: Callable[[str], bool] | None = checks.NATIONAL_IDS.get(name, (None, None))[1]
    return name if check is None or check(text) else None


def _holds_iban(text: str) -> bool:
    """Tell whether a text is an IBAN, alone or with a word behind it that looks like part of it."""
    words = text.split(" ")
    return any(checks.is_iban("".join(words[:count])) for count in range(len(words), 0, -1))


def _numbers(chunk: bytes) -> Iterator[Hit]:
    for expression, read in ((_INT64, _read_int64), (_DOUBLE, _read_double), (_DECIMAL, _read_bid)):
        for match in expression.finditer(chunk):
            digits = read(match[2])
            # Ids that are made of the time have 17 digits and more; cards that have are no numbers.
            if len(digits) <= 16 and checks.is_card(digits) and not _NO_CARDS.search(match[1]):
                yield Hit(match.start(2), "card number", True)


def _read_int64(raw: bytes) -> str:
    return str(int.from_bytes(raw, "little"))


def _read_bid(raw: bytes) -> str:
    return str(int.from_bytes(raw[:14], "little"))


def _read_double(raw: bytes) -> str:
    bits = int.from_bytes(raw, "little")
    exponent, mantissa = (bits >> 52) - 1075, bits & (1 << 52) - 1 | 1 << 52
    if exponent >= 0:
        return str(mantissa << exponent)
    return "" if mantissa & (1 << -exponent) - 1 else str(mantissa >> -exponent)


def _names(chunk: bytes) -> Iterator[Hit]:
    lower = chunk.lower()
    for literal in naming.LITERALS:
        at = lower.find(literal)
        while at >= 0:
            end = chunk.find(0, at, at + _LONGEST_NAME)
            if end >= 0:
                before = chunk[max(0, at - _LONGEST_NAME) : end]
                name = _CONTROL.split(before)[-1]
                kind = before[-len(name) - 1] if len(name) < len(before) else 0
                if kind in _BY_NAME and naming.category(name):
                    yield Hit(end + 1, None, True)
            at = lower.find(literal, max(at + 1, end))
