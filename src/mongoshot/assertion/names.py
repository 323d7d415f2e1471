"""The names of expectation files: each assertion has its own, whatever its test is called.

A file is called `TestClass.test_name[parameters].json`, the second assertion of that test
`TestClass.test_name[parameters].1.json`, and one with a name of its own
`TestClass.test_name[parameters][name].json`. What a file system dislikes is written as `%XX`, byte
by byte of UTF-8. A name that is too long is cut, and two that differ in the case of their letters
alone would share a file where case does not count: both kinds end in `~` and the beginning of the
SHA-256 of the whole. Classes may have capitals without that; no other name has a `~`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from mongoshot.config import EXPECTATIONS

# Bytes, of the 255 that a file's name may have; behind them may be a hash, a number and `.json`.
_LONGEST_TEST = 160
_LONGEST_NAME = 60

_SAFE = r"\w\[\](){},;=+@!'^&$#. -"
_IN_IDENTIFIERS = re.compile(rf"[^{_SAFE}]|^\.")
# `][` stands between parameters and a name, and nowhere else.
_IN_VALUES = re.compile(rf"[^{_SAFE}]|\](?=\[)", re.ASCII)
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_WINDOWS_DEVICE = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(?=[. ]|$)", re.IGNORECASE)


def stem_of(test: str, index: int | str = 0) -> str:
    """Return the name of the file of an assertion, without `.json`: up to 250 bytes.

    `test` is the test's name in its module, with its classes and parameters, and `index` the number
    of the assertion in the test, from 0, or its own name.
    """
    identifiers, bracket, parameters = test.partition("[")
    escaped = _escape(_IN_IDENTIFIERS, identifiers) + bracket + _escape(_IN_VALUES, parameters)
    function = identifiers.rpartition(".")[2]
    escaped = _WINDOWS_DEVICE.sub(r"\1%", escaped)
    stem = _unique(escaped, test, function + parameters, _LONGEST_TEST)
    if isinstance(index, str):
        return f"{stem}[{_unique(_escape(_IN_VALUES, index), index, index, _LONGEST_NAME)}]"
    return f"{stem}.{index}" if index else stem


def expectation_file(module: Path, test: str, index: int | str = 0) -> Path:
    """Return the file that an assertion in a test module has its expectation in."""
    return module.parent / EXPECTATIONS / module.stem / f"{stem_of(test, index)}.json"


def owners_of(stem: str) -> Iterator[str]:
    """Return each stem of a test's first assertion that a file of this stem may belong to."""
    return (stem[: end.start()] for end in re.finditer(r"[.\[]|$", stem))


def _escape(unsafe: re.Pattern[str], text: str) -> str:
    return unsafe.sub(_percent, text)


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode(errors="surrogatepass"))


def _unique(escaped: str, whole: str, cased: str, longest: int) -> str:
    """Cut what is too long, and tell it, and what has capitals, from others by a hash."""
    encoded = escaped.encode()
    if len(encoded) <= longest and cased == cased.lower():
        return escaped
    digest = hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()
    return f"{encoded[:longest].decode(errors='ignore')}~{digest[:12]}"
