"""Two states → everything that differs between them.

Both sides are read once and side by side, and compared as bytes (`pairing`); only documents that
differ are looked into.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from mongoshot.comparison.documents import DocumentChange, compare_documents
from mongoshot.comparison.inline.sequences import (
    ByCollection,
    Documents,
    Found,
    Section,
    Updates,
)
from mongoshot.comparison.pairing import pair_documents
from mongoshot.comparison.provenance import Provenance
from mongoshot.comparison.text import CollectionDifference, render, summarize
from mongoshot.errors import UsageError
from mongoshot.snapshot.elements import count_documents
from mongoshot.snapshot.model import Collection, Progress, State, no_progress


@dataclass(frozen=True)
class Difference:
    """Hold everything that differs between two states; falsy where nothing does.

    `before` and `after` name the states; `collections` has those that differ, by name. `inserted`
    and `deleted` are documents that only the second and only the first state has.
    """

    before: str
    after: str
    collections: Mapping[str, CollectionDifference]

    def __bool__(self) -> bool:
        """Tell whether the states differ."""
        return bool(self.collections)

    def __str__(self) -> str:
        """Write the difference for a person: counts first, then every field."""
        return "\n".join(render(self.before, self.after, self.collections))

    def __repr__(self) -> str:
        """Say in one line how much differs."""
        return f"<{type(self).__name__}: {summarize(self.collections)}>"

    @property
    def inserted(self) -> ByCollection[Documents]:
        """Return the inserted documents by collection, to compare exactly with dicts."""
        return self._by_collection(Documents, "inserted")

    @property
    def updated(self) -> ByCollection[Updates]:
        """Return pairs of a document before and after, by collection."""
        return self._by_collection(Updates, "updated")

    @property
    def deleted(self) -> ByCollection[Documents]:
        """Return the deleted documents by collection, to compare exactly with dicts."""
        return self._by_collection(Documents, "deleted")

    def _by_collection(self, kind: type[Found], section: Section) -> ByCollection[Found]:
        found = {
            name: kind(section, name, raw)
            for name, difference in self.collections.items()
            if (raw := getattr(difference, section))
        }
        return ByCollection(kind, section, found)


@dataclass(frozen=True, repr=False)
class Changes(Difference):
    """Hold what happened to a staged database since its mark; falsy where nothing did.

    `scenario` and `digest` say what it was staged from, `provenance` which values were made since;
    without it, all are taken for literal.
    """

    scenario: str = ""
    digest: str = ""
    provenance: Callable[[], Provenance] | None = field(default=None, compare=False)


def compare(left: State, right: State, *, progress: Progress = no_progress) -> Difference:
    """Compare two states: what it takes to get from `left` to `right`.

    Values that differ only in BSON type and documents that differ only in field order are
    different. Documents that both sides hold in about the same order cost no memory. Progress shows
    those of `left` that were read. Raises UsageError for what is no state.
    """
    for side in (left, right):
        if not hasattr(side, "collections"):
            raise UsageError(f"compare takes states, not {side!r}: Snapshot.load(PATH) opens one")
    found = {}
    for name in sorted({*left.collections, *right.collections}):
        sides = left.collections.get(name), right.collections.get(name)
        # What a recording has not touched is read by neither side.
        if sides[0] is not sides[1] and (
            difference := compare_collections(*sides, progress=progress)
        ):
            found[name] = difference
    return Difference(left.label, right.label, found)


def compare_collections(
    left: Collection | None, right: Collection | None, *, progress: Progress = no_progress
) -> CollectionDifference | None:
    """Compare a collection of two states; None where it is the same, or on neither side."""
    inserted: list[bytes] = []
    deleted: list[bytes] = []
    updated: list[DocumentChange] = []
    for before, after in pair_documents(
        _counted(left, progress) if left else (), right.chunks() if right else ()
    ):
        if before is None:
            inserted.append(after)  # type: ignore[arg-type]
        elif after is None:
            deleted.append(before)
        elif change := compare_documents(before, after):
            updated.append(change)
    difference = CollectionDifference(
        before=left.definition if left else None,
        after=right.definition if right else None,
        inserted=tuple(inserted),
        updated=tuple(updated),
        deleted=tuple(deleted),
    )
    return difference if difference else None


def _counted(collection: Collection, progress: Progress) -> Iterator[bytes]:
    for chunk in collection.chunks():
        if progress is not no_progress:  # to count is to walk through them
            progress(collection.name, count_documents(chunk))
        yield chunk
