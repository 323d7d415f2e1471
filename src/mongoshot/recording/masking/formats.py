"""Texts that are masked within their format: a letter by a letter, a digit by a digit.

Each position that changes has an alphabet, which the masked text tells as well as the original
does. So a text and its mask have one shape, and the permutation of all texts of that shape gives no
two of them the same mask.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

from mongoshot.recording.masking import checks
from mongoshot.recording.masking.cipher import Cipher

DIGITS = string.digits
_FROM_TWO = "23456789"

#: Digits behind the first one of a phone number that there have to be.
_FEWEST_DIGITS = 3
_LONGEST_PHONE = 40

#: Positions that are permuted at a time: more are chained, so that long texts take linear time.
_BLOCK = 64

#: Characters of a text up to which what is known of its shape is kept.
_SHORT = 256

#: Country calling codes of one and of two digits; all others have three. ITU-T E.164.
_SHORT_CODES = re.compile(r"[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]", re.ASCII)
_PHONE = re.compile(r"[0-9 ()+./-]*[0-9][0-9 ()+./-]*(?:(?:x|ext\.?) ?[0-9]+)?")
_PREFIX = re.compile(r"\s*(?:\+|00)\s*(?=[1-9])")
_DIGIT = re.compile(r"[0-9]")
_FIRST_DIGIT = re.compile(r"[1-9]")
_SPACES = re.compile(r"[ -]")


class _Alphabets(dict[int, str]):
    """Know the alphabet of each letter and digit, by code point; "" for all other characters.

    Beyond ASCII it is what is of the same category within 256 code points, so that a letter stays
    one of its script and case, and keeps its length in UTF-8; marks and symbols have theirs too.
    """

    def __missing__(self, point: int) -> str:
        category = unicodedata.category(chr(point))
        found = ""
        if category[0] in "LMNS":
            first = max(point & ~255, 128)
            found = "".join(
                each
                for each in map(chr, range(first, (point | 255) + 1))
                if unicodedata.category(each) == category
            )
        self[point] = found
        return found


_ALPHABETS = _Alphabets(
    {
        ord(each): alphabet
        for alphabet in (string.ascii_lowercase, string.ascii_uppercase, DIGITS)
        for each in alphabet
    }
)
for _each in range(128):
    _ALPHABETS.setdefault(_each, "")


class _Shape(dict[int, str]):
    """Map each letter and digit to the first one of its alphabet, for `str.translate`."""

    def __missing__(self, point: int) -> str:
        self[point] = (_ALPHABETS[point] or chr(point))[0]
        return self[point]


_SHAPE = _Shape()
_DIGIT_SHAPE = str.maketrans(dict.fromkeys(DIGITS, "0"))


def shape_of(text: str) -> str:
    """Return a text with the first letter or digit of its alphabet for each."""
    return text.translate(_SHAPE)


@lru_cache(maxsize=4096)
def _text_alphabets(shape: str) -> tuple[str, ...]:
    return tuple(_ALPHABETS[ord(each)] for each in shape)


@lru_cache(maxsize=4096)
def _digit_alphabets(shape: str) -> tuple[str, ...]:
    return tuple(DIGITS if each == "0" else "" for each in shape)


def masked_text(cipher: Cipher, text: str) -> str:
    """Replace each letter and digit by one of its kind.

    Texts that differ in the case of ASCII letters alone do so masked: what an index that ignores
    case takes for different stays so.
    """
    shape = shape_of(text)
    alphabets = _text_alphabets if len(shape) <= _SHORT else _text_alphabets.__wrapped__
    return permuted(cipher, b"text", text, alphabets(shape), shape.lower())


def masked_digits(cipher: Cipher, text: str) -> str:
    """Replace each digit by a digit, and leave the rest."""
    shape = text.translate(_DIGIT_SHAPE)
    alphabets = _digit_alphabets if len(shape) <= _SHORT else _digit_alphabets.__wrapped__
    return permuted(cipher, b"digits", text, alphabets(shape), shape)


def masked_phone(cipher: Cipher, text: str) -> str:
    """Replace the digits of a phone number behind its country code.

    The code, a zero for domestic calls, and how it is written stay; the first digit of the number
    stays one that numbers begin with.
    """
    if not _is_phone(text):
        return _without(cipher, text, _is_phone)
    # Zeros before the number are for domestic calls, and stay.
    first = _FIRST_DIGIT.search(text, _number_start(text))
    at = first.start() if first else 0
    leading = "2" if text[at] in _FROM_TWO else text[at]
    shape = text[:at] + leading + text[at + 1 :].translate(_DIGIT_SHAPE)
    return permuted(cipher, b"phone", text, _phone_alphabets(shape, at), f"{at} {shape}")


@lru_cache(maxsize=4096)
def _phone_alphabets(shape: str, at: int) -> tuple[str, ...]:
    leading = _FROM_TWO if shape[at] == "2" else ""
    rest = (DIGITS if each == "0" else "" for each in shape[at + 1 :])
    return (*([""] * at), leading, *rest)


def _is_phone(text: str) -> bool:
    """Tell whether a text is a phone number and nothing else, such as whom to ask for.

    A mask of it is one as well, and that of other texts is none.
    """
    if len(text) > _LONGEST_PHONE or not _PHONE.fullmatch(text):
        return False
    first = _FIRST_DIGIT.search(text, _number_start(text))
    return first is not None and len(_DIGIT.findall(text, first.end())) >= _FEWEST_DIGITS


def _number_start(text: str) -> int:
    prefix = _PREFIX.match(text)
    if prefix is None:
        return 0
    start = prefix.end()
    code = _SHORT_CODES.match(text, start)
    if code is not None:
        return code.end()
    long = re.compile(r"[0-9]{3}").match(text, start)
    return long.end() if long else start


def masked_card(cipher: Cipher, text: str) -> str:
    """Replace the digits of a card number but those that name the issuer; valid by Luhn again."""
    digits = _SPACES.sub("", text)
    kept = checks.card_prefix(digits) if digits.isascii() and digits.isdigit() else 0
    if not kept:
        return _without(cipher, text, lambda made: checks.card_prefix(_SPACES.sub("", made)) > 0)
    free = len(digits) - kept - 1
    tweak = f"{len(digits)} {digits[:kept]}".encode()
    middle = cipher.permuted(b"card", int(digits[kept:-1]), 10**free, tweak)
    made = f"{digits[:kept]}{middle:0{free}d}"
    return _laid_out(text, made + checks.luhn_digit(made))


def masked_iban(cipher: Cipher, text: str) -> str:
    """Replace what stands behind country and check digits of an IBAN, and check it again."""
    bare = text.replace(" ", "")
    if not checks.is_iban(bare):
        return _without(cipher, text, lambda made: checks.is_iban(made.replace(" ", "")))
    country, account = bare[:2], bare[4:]
    shape = shape_of(account)
    account = permuted(cipher, b"iban", account, _text_alphabets(shape), country + shape)
    return _laid_out(text, country + checks.iban_digits(country, account) + account)


def _without(cipher: Cipher, text: str, valid: Callable[[str], bool]) -> str:
    """Mask what has no valid format, and leave the valid ones to those that have it.

    Walking on until it is not valid stays a permutation of what is not.
    """
    made = masked_text(cipher, text)
    while valid(made):
        made = masked_text(cipher, made)
    return made


def _laid_out(text: str, characters: str) -> str:
    """Write characters where a text has its own, with its spaces and dashes between them."""
    rest = iter(characters)
    return "".join(each if each in " -" else next(rest) for each in text)


def permuted(
    cipher: Cipher, purpose: bytes, text: str, alphabets: tuple[str, ...], shape: str
) -> str:
    """Permute the characters of a text within their alphabets; "" is for one that stays.

    `shape` is the same for a text and its mask, and tells how long the alphabets are.
    """
    places = (_places if len(shape) <= _SHORT else _places.__wrapped__)(alphabets)
    characters = list(text)
    if len(places) <= _BLOCK:
        _permute_block(cipher, purpose, characters, alphabets, places, shape.encode())
        return "".join(characters)
    tweak = cipher.digest(b"shape", shape.encode())
    count = -(-len(places) // _BLOCK)
    size = -(-len(places) // count)
    blocks = [places[at : at + size] for at in range(0, len(places), size)]
    # Each block depends on those before it, and in the second round on those behind it.
    for block in (*blocks, *reversed(blocks)):
        _permute_block(cipher, purpose, characters, alphabets, block, tweak)
        told = "".join(characters[index] for index in block)
        tweak = cipher.digest(b"chain", tweak + told.encode())
    return "".join(characters)


@lru_cache(maxsize=1024)
def _places(alphabets: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(index for index, alphabet in enumerate(alphabets) if alphabet)


def _permute_block(
    cipher: Cipher,
    purpose: bytes,
    characters: list[str],
    alphabets: tuple[str, ...],
    places: Sequence[int],
    tweak: bytes,
) -> None:
    value, size = 0, 1
    for index in places:
        alphabet = alphabets[index]
        value = value * len(alphabet) + alphabet.index(characters[index])
        size *= len(alphabet)
    value = cipher.permuted(purpose, value, size, tweak)
    for index in reversed(places):
        alphabet = alphabets[index]
        value, position = divmod(value, len(alphabet))
        characters[index] = alphabet[position]
