"""Names and addresses, put together from word lists by the hash of what they stand for."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from mongoshot.recording.masking.cipher import Cipher
from mongoshot.recording.masking.words import words

_WORD = re.compile(r"\w{2,}")
_LATIN = "ɏ"
_INITIALS = "ABCDEFGHIJKLMNOPRSTUVWYZ"


class _Draw:
    """Draw from lists what a digest decides, and nothing that the original has in it."""

    def __init__(self, cipher: Cipher, purpose: bytes, original: bytes) -> None:
        self._number = int.from_bytes(cipher.digest(b"words " + purpose, original, 40), "little")
        self._avoided = frozenset(_words_of(original.decode(errors="replace")))

    def number(self, below: int) -> int:
        """Draw a number from 0 on."""
        self._number, drawn = divmod(self._number, below)
        return drawn

    def word(self, locale: str, which: str) -> str:
        """Draw from a list what shares no word with the original."""
        choices = _choices(locale, which)
        first = self.number(len(choices))
        for index in range(first, first + len(choices)):
            found, parts = choices[index % len(choices)]
            if self._avoided.isdisjoint(parts):
                return found
        return choices[first][0]


@lru_cache(maxsize=64)
def _choices(locale: str, which: str) -> list[tuple[str, frozenset[str]]]:
    return [(word, frozenset(_words_of(word))) for word in words(locale, which)]


def _words_of(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _first_name(cipher: Cipher, locale: str, text: bytes) -> str:
    return _Draw(cipher, b"first", text).word(locale, "first")


def _last_name(cipher: Cipher, locale: str, text: bytes) -> str:
    return _Draw(cipher, b"last", text).word(locale, "last")


def _name(cipher: Cipher, locale: str, text: bytes) -> str:
    draw = _Draw(cipher, b"name", text)
    first, last = draw.word(locale, "first"), draw.word(locale, "last")
    # With an initial there are so many names that hardly one is that of somebody else in the data.
    return (
        f"{first} {_INITIALS[draw.number(len(_INITIALS))]}. {last}"
        if last < _LATIN
        else (f"{last} {first}")
    )


def _street(cipher: Cipher, locale: str, text: bytes) -> str:
    draw = _Draw(cipher, b"street", text)
    return f"{draw.number(9899) + 100} {draw.word(locale, 'street')}"


def _city(cipher: Cipher, locale: str, text: bytes) -> str:
    return _Draw(cipher, b"city", text).word(locale, "city")


def _address(cipher: Cipher, locale: str, text: bytes) -> str:
    draw = _Draw(cipher, b"address", text)
    street = f"{draw.number(9899) + 100} {draw.word(locale, 'street')}"
    between = "\n" if b"\n" in text else ", "
    return f"{street}{between}{draw.word(locale, 'postcode')} {draw.word(locale, 'city')}"


#: By the name of the mask; each takes a locale and a text.
MAKERS: dict[str, Callable[[Cipher, str, bytes], str]] = {
    "name": _name,
    "first-name": _first_name,
    "last-name": _last_name,
    "address": _address,
    "street": _street,
    "city": _city,
}
