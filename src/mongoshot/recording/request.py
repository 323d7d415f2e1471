"""What a capture is to hold: as it is asked for, and as the manifest keeps it to do it again."""

from __future__ import annotations

import difflib
from collections.abc import Collection as Names
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import bson
from bson.errors import InvalidDocument

from mongoshot.errors import UsageError
from mongoshot.recording.selection.model import LEVELS_UP, MOST_CHILDREN, Selection
from mongoshot.recording.selection.parsing import parse_reference, parse_roots, selection_of
from mongoshot.snapshot.encoding import to_extended_json
from mongoshot.snapshot.model import MemoryState
from mongoshot.snapshot.writer import Format, check_format

#: What a request has that asks for no part of a database.
_UNASKED: Mapping[str, Any] = {
    "follow": (),
    "whole": (),
    "infer": True,
    "levels_up": LEVELS_UP,
    "most_children": MOST_CHILDREN,
}


@dataclass(frozen=True, slots=True)
class Request:
    """Say what of a database a snapshot is to hold, and how it is to be kept.

    `collections` are those to capture, none for all; `exclude` those to leave out. `queries`,
    `sorts`, `limits` and `samples` are texts such as `orders={"status": "open"}` that choose
    documents to begin with, `whole` are collections with all documents beside those, `follow`
    references such as `orders.customer_id=customers._id`.
    `masks` are texts such as `customers.email=email`. `selected` is a selection as a manifest has
    it, which counts in place of all that chooses; `masked` is what a manifest says of all masks.
    With `repeats`, all of it is what a manifest has: collections that it leaves out may be gone.
    """

    collections: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    format: Format | None = None
    gzip: bool = False
    queries: tuple[str, ...] = ()
    sorts: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    follow: tuple[str, ...] = ()
    infer: bool = True
    levels_up: int = LEVELS_UP
    most_children: int = MOST_CHILDREN
    masks: tuple[str, ...] = ()
    selected: Mapping[str, Any] = field(default_factory=dict)
    masked: Mapping[str, Any] = field(default_factory=dict)
    repeats: bool = False

    def __post_init__(self) -> None:
        """Raise UsageError for what can be no request, whatever the database."""
        check_format(self.format)
        for name in ("collections", "exclude", "whole", "follow", "masks"):
            if isinstance(getattr(self, name), str):
                raise UsageError(f"{name} takes a list of texts, not one string")
        for option in ("follow", "whole", "infer", "levels_up", "most_children"):
            if getattr(self, option) != _UNASKED[option] and not self.chooses_documents:
                option = "no-infer" if option == "infer" else option.replace("_", "-")
                raise UsageError(
                    f"--{option} is about what comes with chosen documents: choose some with"
                    " --query, --limit or --sample, or leave it out, and all is captured"
                )

    @classmethod
    def from_recipe(cls, recipe: Mapping[str, Any]) -> Request:
        """Take the request that a manifest keeps; raises UsageError where that is damaged."""
        try:
            return cls(
                collections=_texts(recipe, "collections"),
                exclude=_texts(recipe, "exclude"),
                format=recipe.get("format"),
                gzip=recipe.get("gzip", False) is True,
                masks=_texts(recipe, "masks"),
                selected=dict(recipe.get("selection", {})),
                masked=_masking(recipe),
                repeats=True,
            )
        except (TypeError, ValueError, UsageError) as error:
            raise UsageError(
                f"the recipe in the manifest cannot be used ({error}); capture it anew with the"
                " options that you want"
            ) from None

    def recipe(self, database: str, selected: Mapping[str, Any], masking: Any) -> dict[str, Any]:
        """Return what the manifest keeps of the request, as JSON.

        `selected` is the selection as it was made, and `masking` what was masked, {} for none.
        """
        if self.selected:
            # What is left out follows from the collections; those that come and go change nothing.
            selected = {**selected, "exclude": self.selected.get("exclude", [])}
        recipe: dict[str, Any] = {
            "database": database,
            "collections": sorted(self.collections),
            "exclude": sorted(self.exclude),
            "format": self.format,
        }
        more = {"gzip": self.gzip, "masks": list(self.masks), "masking": masking}
        return recipe | {
            key: value for key, value in (more | {"selection": dict(selected)}).items() if value
        }

    def choose(self, state: MemoryState, *, missing_is_fine: bool = False) -> MemoryState:
        """Leave of a state the collections that are asked for.

        Raises UsageError for one that it lacks.
        """
        for name in (*self.collections, *(() if self.repeats else self.exclude)):
            if name not in state.collections and not missing_is_fine:
                near = difflib.get_close_matches(name, state.collections, n=3)
                hint = (
                    f"did you mean {' or '.join(near)}?"
                    if near
                    else "it has " + ", ".join(state.collections)
                )
                raise UsageError(f"no collection {name!r} in {state.label}: {hint}")
        chosen = set(self.collections or state.collections) - set(self.exclude)
        return MemoryState(
            state.label, {name: c for name, c in state.collections.items() if name in chosen}
        )

    def leaves_out(self, collection: str) -> bool:
        """Tell whether nothing of a collection is to be captured."""
        only = self.collections
        return collection in self.exclude or bool(only and collection not in only)

    @property
    def chooses_documents(self) -> bool:
        """Tell whether some documents are to be taken, and not whole collections alone."""
        return bool(self.queries or self.sorts or self.limits or self.samples or self.selected)

    def selection(self, names: Names[str]) -> Selection:
        """Return which documents are to be taken, in a database with collections of these names."""
        if self.collections:
            left_out = set(names) - set(self.collections) | set(self.exclude)
        else:
            left_out = set(self.exclude)
        if self.repeats:
            left_out &= set(names)
        if self.selected:
            selection = selection_of(dict(self.selected), names)
            return replace(selection, exclude=tuple(sorted(left_out)))
        return Selection(
            parse_roots(
                names,
                queries=self.queries,
                sorts=self.sorts,
                limits=self.limits,
                samples=self.samples,
            ),
            tuple(parse_reference(text, names) for text in self.follow),
            infer=self.infer,
            whole=self.whole,
            exclude=tuple(sorted(left_out)),
            levels_up=self.levels_up,
            most_children=self.most_children,
        )

    def again(self, earlier: Request) -> Request:
        """Return what an earlier request asked for, kept as this one says."""
        return replace(
            earlier, format=self.format or earlier.format, gzip=self.gzip or earlier.gzip
        )


def _texts(recipe: Mapping[str, Any], key: str) -> tuple[str, ...]:
    texts = recipe.get(key, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{key} should be a list of texts")
    return tuple(texts)


def _masking(recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    masking = recipe.get("masking", {})
    rules = masking.get("rules", {}) if isinstance(masking, dict) else None
    if not isinstance(rules, dict) or not all(isinstance(mask, str) for mask in rules.values()):
        raise TypeError("masking should have masks by path")
    return dict(masking)


def as_texts(option: str, given: Mapping[str, object]) -> tuple[str, ...]:
    """Write what is given by collection as it is typed: `orders=20`."""
    if not isinstance(given, Mapping):
        raise UsageError(f'{option} takes a mapping by collection, such as {{"orders": …}}')
    return tuple(f"{name}={value}" for name, value in given.items())


def documents_as_texts(option: str, given: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Write documents given by collection as they are typed: `orders={"status": "open"}`."""
    try:
        texts = {name: to_extended_json(bson.encode(document)) for name, document in given.items()}
    except (AttributeError, TypeError, InvalidDocument) as error:
        raise UsageError(
            f"{option} takes a document by collection, such as {{'orders': {{'status': 'open'}}}}"
            f" ({error})"
        ) from None
    return as_texts(option, texts)
