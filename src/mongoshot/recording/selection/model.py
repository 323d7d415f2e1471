"""What is asked for when a part of a database is chosen, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Collection as Sized
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mongoshot.snapshot.encoding.style import quoted
from mongoshot.snapshot.model import MemoryState
from mongoshot.snapshot.paths import path_step

#: A step of a reference's path: a key, or None for any element of an array.
Path = tuple[str | None, ...]

#: What a selection does unless it is told otherwise: levels of documents that refer to a root, and
#: documents that refer to the same one by the same reference.
LEVELS_UP, MOST_CHILDREN = 2, 100

_PLAIN_COLLECTION = re.compile(r"[\w$-]+")
_PLAIN_FIELD = re.compile(r"[\w$-]+")


def path_text(path: Path) -> str:
    """Write a path as it is typed: `lines[].product_id`."""
    text = ""
    for step in path:
        if step is None:
            text += "[]"
        elif _PLAIN_FIELD.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += path_step(step.encode(), in_array=True)
    return text


@dataclass(frozen=True, slots=True)
class Root:
    """Say which documents of one collection a selection begins with.

    `query` and `sort` are BSON documents as `find` takes them; `limit` counts documents in the
    order of `sort`, else of `_id`; `sample` is that many which only their `_id`s decide. With none
    of them, all documents.
    """

    collection: str
    query: bytes | None = None
    sort: bytes | None = None
    limit: int | None = None
    sample: int | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """Say that values at `path` in `collection` are those of `key` in documents of `target`.

    Arrays on the way are walked through, whether or not the path has them as None. A path that ends
    in `$id` is that of a DBRef, and about those alone whose `$ref` is the target.
    """

    collection: str
    path: Path
    target: str
    key: Path = ("_id",)

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the path without its arrays, as the server takes it."""
        return tuple(step for step in self.path if step is not None)

    @property
    def target_keys(self) -> tuple[str, ...]:
        """Return the key's path without its arrays, as the server takes it."""
        return tuple(step for step in self.key if step is not None)

    @property
    def is_dbref(self) -> bool:
        """Tell whether the values are those of DBRefs."""
        return self.path[-1] == "$id"

    def same_as(self, other: Reference) -> bool:
        """Tell whether both mean the same, however their arrays are written."""
        return self._meaning() == other._meaning()

    def _meaning(self) -> tuple[object, ...]:
        return self.collection, self.keys, self.target, self.target_keys

    def text(self, names: Sized[str] = ()) -> str:
        """Write the reference as it is typed, so that `names` of collections do not mislead."""
        child = f"{_collection_text(self.collection, names)}{_joined(self.path)}"
        return f"{child}={_collection_text(self.target, names)}{_joined(self.key)}"

    def __str__(self) -> str:
        return self.text()


def _collection_text(name: str, names: Sized[str]) -> str:
    plain = all(_PLAIN_COLLECTION.fullmatch(part) for part in name.split("."))
    # `audit.log.at` is the field `at` of `audit.log`, unless there is an `audit` too.
    misleading = any(
        other.startswith(name + ".") or name.startswith(other + ".") for other in names
    )
    return name if plain and not misleading else f"[{quoted(name)}]"


def _joined(path: Path) -> str:
    text = path_text(path)
    return text if text.startswith("[") else f".{text}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Say what speaks for a reference.

    `by` is "declared", "DBRef", or "inferred"; `named` tells whether the field's name speaks for
    it. Of `looked_up` values, out of `sampled` documents, the source has `found`. `unindexed` are
    the paths without an index, each with its collection, where following it reads all documents.
    """

    by: str
    named: bool = False
    looked_up: int = 0
    found: int = 0
    sampled: int = 0
    unindexed: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [self.by]
        if self.named:
            parts.append("by its name")
        if self.looked_up:
            parts.append(f"{self.found:,} of {self.looked_up:,} values found")
        parts += [f"no index on {path}" for path in self.unindexed]
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class InferredReference:
    """Join a reference with what speaks for it."""

    reference: Reference
    evidence: Evidence

    def __str__(self) -> str:
        return f"{self.reference}  ({self.evidence})"


@dataclass(frozen=True, slots=True)
class UsedReference:
    """Say what one reference did in a selection.

    `down` documents came because something chosen refers to them, and `up` because they refer to
    something chosen. `cut` documents that refer to something chosen were left out as too many, of
    `cut_at` documents that they refer to.
    """

    reference: Reference
    evidence: Evidence
    down: int = 0
    up: int = 0
    cut: int = 0
    cut_at: int = 0


@dataclass(frozen=True, slots=True)
class Dangling:
    """Count values in chosen documents that refer to nothing.

    `values` different ones at a path of `collection`, none of them in any of the `targets`;
    `examples` are the `_id`s of up to three documents that hold one, as Extended JSON.
    """

    collection: str
    path: str
    targets: tuple[str, ...]
    values: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        things = "value" if self.values == 1 else "different values"
        examples = f"; for example in _id {', '.join(self.examples)}" if self.examples else ""
        return (
            f"{self.collection}.{self.path}: {self.values:,} {things} not in"
            f" {' nor in '.join(self.targets)}{examples}"
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """Say which part of a database is wanted.

    `follow` are references that are declared; with `infer`, others are looked for, but not at a
    path that is declared, nor those in `ignore`. `whole` are collections with all their documents,
    `exclude` those that are left out altogether. Documents that refer to a root come along over
    `levels_up` levels, at most `most_children` for each document and reference; what anything
    chosen refers to always comes.
    """

    roots: tuple[Root, ...]
    follow: tuple[Reference, ...] = ()
    infer: bool = True
    ignore: tuple[Reference, ...] = ()
    whole: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    levels_up: int = LEVELS_UP
    most_children: int = MOST_CHILDREN


@dataclass(frozen=True, slots=True)
class Selected:
    """Hold what was chosen, and how.

    `state` reads the documents from the server each time, in the session of the reading, which has
    to be open still. `documents` counts them by collection, but for the `whole` ones, which have
    all of theirs. `dangling` are references that the source itself has broken, `broken` those that
    this selection breaks: none, but into collections that are excluded. `recipe` is JSON: by
    `parsing.selection_of` the same selection again, which infers nothing. `notes` are lines for the
    user, mostly none.
    """

    state: MemoryState
    documents: Mapping[str, int]
    whole: tuple[str, ...]
    references: tuple[UsedReference, ...]
    dangling: tuple[Dangling, ...]
    broken: tuple[Dangling, ...]
    recipe: dict[str, Any]
    notes: tuple[str, ...] = field(default=())
