"""Names of fields that say that their value is a secret."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal

#: What a name says: a password or the like, which any value may be; a key or token, which is a long
#: word; a number of a person or a card.
Category = Literal["password", "key", "number"]

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

#: What may stand behind the word that tells.
_TRAILING = frozenset(
    (
        *("hash", "hashed", "digest", "value", "plain", "plaintext", "encrypted", "raw"),
        *("confirmation", "confirm", "old", "new", "current", "bcrypt", "sha", "md", "history"),
    )
)
_PASSWORDS = frozenset(
    (
        *("password", "passwords", "passwd", "pwd", "passphrase", "passcode", "passwort", "passe"),
        *("secret", "secrets", "credential", "credentials"),
    )
)
_NUMBERS = frozenset(("cvv", "cvc", "ssn", "bsn", "pesel"))
_KEYS = frozenset(
    (
        *("api", "private", "secret", "access", "signing", "encryption", "auth", "shared", "ssh"),
        "webhook",
    )
)
_TOLD_BY_TWO = frozenset(
    (
        ("connection", "string"),
        ("recovery", "code"),
        ("recovery", "codes"),
        ("backup", "code"),
        ("backup", "codes"),
    )
)
_DESCRIPTIONS = frozenset(
    b"_id id type kind provider method algorithm name user username scope status label".split()
)
#: Tokens that are places in a list, or counted words.
_NO_TOKENS = frozenset(
    (
        *("page", "next", "previous", "cursor", "continuation", "continue", "sync", "resume"),
        *("max", "min", "prompt", "completion", "total", "input", "output", "used", "num"),
        *("count", "design"),
    )
)
_GLUED_PASSWORD = re.compile(r".+(?:password|passwd|secret)")
_GLUED_KEY = re.compile(r".+token|.*(?:api|private|secret|access)key")

#: What a chunk of documents has in it, in lower case, where it has such a name.
LITERALS: Final = tuple(
    b"pass pwd secret token key credential cvv cvc ssn bsn pesel social authorization connection"
    b" recovery backup".split(b" ")
)

_PLACEHOLDER = re.compile(
    rb"[*x.\-_#\s]*|<.*>|\[.*\]|\$?\{.*\}|%.*%|redacted|masked|hidden|filtered|null|none|nil|n/a"
    rb"|undefined|unset|empty|true|false|yes|no|on|off|[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?",
    re.IGNORECASE,
)
_LETTERS_ALONE = re.compile(rb"[A-Za-z\s?!:.,'-]+")


@lru_cache(maxsize=4096)
def category(name: bytes) -> Category | None:
    """Tell what a field's name says of its value; None for what is no secret."""
    words = [word.lower() for word in _WORDS.findall(name.decode(errors="replace"))]
    while len(words) > 1 and (words[-1].isdigit() or words[-1] in _TRAILING):
        words.pop()
    if not words:
        return None
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in _NUMBERS or words[-3:] == ["social", "security", "number"]:
        return "number"
    if last in _PASSWORDS:
        return "password"
    if last in ("token", "tokens"):
        return None if before in _NO_TOKENS else "key"
    if last == "authorization" or (before, last) in _TOLD_BY_TWO:
        return "key"
    if _GLUED_PASSWORD.fullmatch(last):
        return "password"
    if (last in ("key", "keys") and before in _KEYS) or _GLUED_KEY.fullmatch(last):
        return "key"
    return None


def is_description(name: bytes) -> bool:
    """Tell whether a field describes the secret that it lies beside."""
    return name.lower() in _DESCRIPTIONS


def is_secret(told: Category, name: bytes, text: bytes) -> bool:
    """Tell whether a text is what the name of its field says, and no placeholder or label."""
    if _PLACEHOLDER.fullmatch(text):
        return False
    if told == "number":
        return any(48 <= each <= 57 for each in text)
    if told == "password":
        # "Password" and "Your new password:" are what a form says.
        label = text.lower() == name.lower() or (b" " in text and b"passw" in text.lower())
        return not (label and _LETTERS_ALONE.fullmatch(text))
    has_digit = any(48 <= each <= 57 for each in text)
    return len(text) >= (8 if has_digit else 20) and b" " not in text.removeprefix(b"Bearer ")
