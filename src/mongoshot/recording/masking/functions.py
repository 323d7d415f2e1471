"""Masks of one's own: a Python callable, given the decoded value."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import bson
from bson.errors import BSONError, InvalidDocument

from mongoshot.errors import UsageError
from mongoshot.recording.masking.values import TYPE_NAMES, Apply, Refused
from mongoshot.snapshot import elements
from mongoshot.snapshot.elements import framed, iterate_elements
from mongoshot.snapshot.model import decode

_WHOLE = (elements.INT32, elements.INT64)


def load_function(name: str) -> Apply:
    """Import `package.module:function`.

    Raises UsageError where there is none, or it is not to be called.
    """
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise UsageError(
            f"python:{name:.100} names no callable: write python:package.module:function"
        )
    try:
        found: Any = importlib.import_module(module)
        for each in attribute.split("."):
            found = getattr(found, each)
    except Exception as error:  # noqa: BLE001 - a module of somebody else's may raise anything
        raise UsageError(
            f"python:{name:.100} cannot be imported: {type(error).__name__}: {error};"
            " is its directory on PYTHONPATH?"
        ) from None
    if not callable(found):
        raise UsageError(f"python:{name:.100} is a {type(found).__name__}, not a callable")
    return _calling(found)


def _calling(function: Callable[[Any], Any]) -> Apply:
    def apply(kind: int, raw: bytes, _: bytes) -> bytes:
        failed = ""
        try:
            made = bson.encode({"": function(_decoded(kind, raw))})
        except (BSONError, InvalidDocument, OverflowError) as error:
            failed = f"returned what BSON does not have ({type(error).__name__})"
        except Exception as error:  # noqa: BLE001 - its text may hold the value
            failed = f"raised {type(error).__name__}"
        if failed:
            raise Refused(f"a value for which the callable {failed}", "redact")
        returned, _key, start, end = next(iterate_elements(made))
        return _of_kind(kind, returned, made[start:end])

    return apply


def _decoded(kind: int, raw: bytes) -> Any:
    return decode(framed(bytes((kind, 0)) + raw))[""]


def _of_kind(kind: int, made: int, raw: bytes) -> bytes:
    if made == kind:
        return raw
    if kind in _WHOLE and made in _WHOLE:
        size = 4 if kind == elements.INT32 else 8
        number = int.from_bytes(raw, "little", signed=True)
        if -(1 << 8 * size - 1) <= number < 1 << 8 * size - 1:
            return number.to_bytes(size, "little", signed=True)
    raise Refused(
        f"type {TYPE_NAMES[kind]}, for which the callable returned {TYPE_NAMES[made]}", "redact"
    )
