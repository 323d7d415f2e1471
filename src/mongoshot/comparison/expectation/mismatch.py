"""What an expectation says and what is, side by side: everything that is not as expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mongoshot.comparison.documents import Value, identity_of

#: What becomes of an expectation's part: it is expected and not so, so and not expected, or both
#: and not the same.
Verdict = Literal["missing", "unexpected", "otherwise"]


@dataclass(frozen=True, slots=True)
class FieldMismatch:
    """Say how one field is not as expected: None stands for a field that is not there.

    `path` is written as in `FieldChange`, "" for all of the document. Where `updates` is set, both
    values are updates of the field, documents with a `before` and an `after` as far as they are
    there, and None stands for a field that is not updated. A string stands for itself: what was
    asked for in place of a value, or an order of keys. Where `asked` is set, a rule asks for that,
    and not the expectation. `remark` says in words what two values hardly show: "int32 expected, is
    int64", "the same elements in another order", "1 day later".
    """

    path: str
    expected: Value | str | None
    actual: Value | str | None
    updates: bool = False
    remark: str = ""
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Nearest:
    """Hold the part that comes nearest to a missing one, and where it is not the same."""

    actual: Value
    fields: tuple[FieldMismatch, ...]


@dataclass(frozen=True, slots=True)
class PartMismatch:
    """Hold one thing that an expectation says of a collection, and what is.

    `section` is that of the expectation's format: "inserted", "updated", "deleted", "documents" are
    about one document; "created", "dropped", "definition" about the collection. `expected` and
    `actual` are documents as they stand in the expectation; one of them is None where the verdict
    is "unexpected" or "missing". `fields` say where both are not the same, or what a definition
    that is missing or unexpected changes; `nearest` is for a missing document that another one
    resembles, which then is one of the unexpected parts, too.
    """

    section: str
    expected: Value | None
    actual: Value | None
    fields: tuple[FieldMismatch, ...] = ()
    nearest: Nearest | None = None

    @property
    def verdict(self) -> Verdict:
        """Say what is wrong."""
        if self.actual is None:
            return "missing"
        return "unexpected" if self.expected is None else "otherwise"

    @property
    def identity(self) -> Value | None:
        """Return the `_id` of the document; None where it has none, and for a collection's part."""
        value = self.expected if self.actual is None else self.actual
        return identity_of(value.raw) if value else None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Hold everything that is not as expected, by collection; falsy where all is.

    `kind` is that of the actual expectation; `other_kind` that of the expected one where it is not
    the same, and nothing more can be said. `notes` are what a reader should know besides, a line
    each.
    """

    kind: str
    collections: Mapping[str, tuple[PartMismatch, ...]]
    notes: tuple[str, ...] = ()
    other_kind: str | None = None

    def __bool__(self) -> bool:
        """Tell whether anything is not as expected."""
        return bool(self.collections) or self.other_kind is not None

    @property
    def is_of_text(self) -> bool:
        """Tell whether anything is not as the expectation says, and not only as rules ask."""
        parts = (part for parts in self.collections.values() for part in parts)
        return self.other_kind is not None or any(
            part.verdict != "otherwise" or not all(field.asked for field in part.fields)
            for part in parts
        )
