"""A whole selection: from roots to the state of all that they need."""

from __future__ import annotations

import difflib
import hashlib
import heapq
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Collection as Sized
from functools import partial
from typing import Any

from mongoshot.errors import UsageError
from mongoshot.recording.selection.closure import Closure, Holders
from mongoshot.recording.selection.evidence import unindexed_paths
from mongoshot.recording.selection.inference import infer_references
from mongoshot.recording.selection.model import (
    Dangling,
    Evidence,
    InferredReference,
    Reference,
    Root,
    Selected,
    Selection,
    UsedReference,
    path_text,
)
from mongoshot.recording.selection.parsing import check_name, check_root, recipe_of
from mongoshot.recording.selection.sampling import take_sample
from mongoshot.server.catalog import STORED_FUNCTIONS
from mongoshot.server.finding import find, has_path, read_chosen, shown_id
from mongoshot.server.reading import Reading
from mongoshot.snapshot.elements import document_id, framed, split_documents
from mongoshot.snapshot.model import (
    Collection,
    Definition,
    MemoryState,
    Progress,
    decode,
    no_documents,
    no_progress,
)
from mongoshot.snapshot.order import in_order

_MOST_EXAMPLES = 3


def select(
    reading: Reading,
    selection: Selection,
    progress: Progress = no_progress,
    show: Callable[[Sequence[InferredReference]], None] | None = None,
) -> Selected:
    """Choose the part of a database that some documents and all that they need make up.

    Only reads. `show` is given the references that were inferred, before they are followed. The
    reading has to stay open for as long as the state is read. Raises UsageError for names that are
    not there and choices that cannot be made, and the errors of the connection.
    """
    names = reading.state.collections
    check(reading, selection)
    inferred: tuple[InferredReference, ...] = ()
    if selection.infer:
        inferred = infer_references(
            reading,
            but_not=selection.ignore,
            declared=selection.follow,
            exclude=selection.exclude,
            progress=progress,
        )
        if show is not None:
            show(inferred)
    evidence = _evidence(reading, selection, inferred)
    whole = {name for name in {*selection.whole, STORED_FUNCTIONS} if name in names}
    closure = Closure(
        reading, evidence, whole=whole, exclude=set(selection.exclude), progress=progress
    )
    notes = []
    for root in sorted(selection.roots, key=lambda root: root.collection):
        definition = names[root.collection].definition
        if not closure.add(root.collection, _documents_of(reading, definition, root)):
            notes.append(f"no document of {root.collection} is what was asked for")
    closure.go_up(selection.levels_up, selection.most_children)
    for name in sorted(whole):
        if names[name].definition.type == "collection":
            closure.add_whole(name, names[name].documents())
    closure.go_down()
    dangling, broken = _dangling(closure)
    return Selected(
        state=_state(reading, closure, whole, selection.exclude),
        documents={name: len(found) for name, found in sorted(closure.chosen.items()) if found},
        whole=tuple(sorted(whole)),
        references=_used(reading, closure, evidence),
        dangling=dangling,
        broken=broken,
        recipe=recipe_of(selection, evidence, names),
        notes=(
            *notes,
            *_notes(closure, selection.most_children),
            *_misspelled(reading, closure, selection.follow),
        ),
    )


def check(reading: Reading, selection: Selection) -> None:
    """Raise UsageError, with what to type, unless a selection can be made of this database."""
    definitions = {name: each.definition for name, each in reading.state.collections.items()}
    for name in (*selection.whole, *selection.exclude):
        check_name(name, definitions, "the selection")
    for reference in selection.follow:
        for name in (reference.collection, reference.target):
            check_name(name, definitions, f"--follow {reference}")
            _check_kind(definitions[name], f"--follow {reference}", "follow references")
    if not selection.roots:
        raise UsageError(
            "the selection has no root: choose documents to begin with, as in"
            ' --query \'orders={"status": "open"}\' or --limit orders=20'
        )
    if len({root.collection for root in selection.roots}) < len(selection.roots):
        raise UsageError("the selection has two roots in one collection; join their queries")
    for root in selection.roots:
        check_name(root.collection, definitions, "the selection")
        _check_kind(definitions[root.collection], f"the root {root.collection}", "choose")
        check_root(root)
        if root.collection in (*selection.whole, *selection.exclude):
            how = "whole" if root.collection in selection.whole else "excluded"
            raise UsageError(
                f"{root.collection} is a root and {how}: choose of its documents, or do not"
            )
    if selection.levels_up < 0 or selection.most_children < 1:
        raise UsageError(
            f"{selection.levels_up} levels up with {selection.most_children} documents each: take"
            " 0 levels or more, and 1 document or more"
        )


def _check_kind(definition: Definition, of: str, verb: str) -> None:
    name = definition.name
    if definition.type == "view":
        raise UsageError(
            f"{of}: {name} is a view, whose documents are those of other collections: {verb} there"
        )
    if definition.type == "timeseries":
        raise UsageError(
            f"{of}: {name} is a time series, which can only be taken whole: --whole {name}"
        )


def _evidence(
    reading: Reading, selection: Selection, inferred: tuple[InferredReference, ...]
) -> dict[Reference, Evidence]:
    """Return the references to follow, each once: the declared ones first."""
    definitions = {name: each.definition for name, each in reading.state.collections.items()}
    evidence: dict[Reference, Evidence] = {}
    for reference in selection.follow:
        if not any(map(reference.same_as, evidence)):
            without = unindexed_paths(reference, definitions, up=True)
            evidence[reference] = Evidence("declared", unindexed=without)
    for each in inferred:
        if each.reference.collection not in selection.exclude:
            evidence[each.reference] = each.evidence
    return evidence


def _documents_of(reading: Reading, definition: Definition, root: Root) -> Iterator[bytes]:
    query = root.query if root.query is not None else framed(b"")
    if root.sample is not None:
        # By a hash: the same documents each time, wherever they lie in the collection.
        # All of them lie in the index of ids, where a sort by these leads the server.
        order = _order(definition) if root.query is None else ()
        listed = find(reading, definition, query, sort=order, fields=["_id"])
        chosen = heapq.nsmallest(root.sample, map(document_id, listed), key=_lot)
        for chunk in read_chosen(reading, definition, set(chosen)):
            yield from split_documents(chunk)
        return
    order = () if root.limit is None else _total_order(definition, root.sort)
    yield from find(reading, definition, query, sort=order, limit=root.limit)


def _lot(identity: bytes) -> bytes:
    return hashlib.blake2b(identity, digest_size=16).digest()


def _order(definition: Definition) -> list[tuple[str, Any]]:
    return [("$natural" if definition.capped else "_id", 1)]


def _total_order(definition: Definition, sort: bytes | None) -> list[tuple[str, Any]]:
    """Return an order in which no two documents are equal, so that a limit always cuts alike."""
    if sort is None:
        return _order(definition)
    order = [
        (key, direction if isinstance(direction, dict) else int(direction))
        for key, direction in decode(sort).items()
    ]
    if any(key in ("_id", "$natural") for key, _ in order):
        return order
    return [*order, ("_id", 1)]


def _state(
    reading: Reading, closure: Closure, whole: Sized[str], exclude: Sized[str]
) -> MemoryState:
    collections = {}
    for name, collection in reading.state.collections.items():
        if name in exclude:
            continue
        if name not in whole:
            identities = closure.chosen.get(name)
            chunks = (
                partial(read_chosen, reading, collection.definition, identities)
                if identities
                else no_documents
            )
            collection = Collection(collection.definition, chunks)
        collections[name] = collection
    return MemoryState(reading.state.label, collections)


def _used(
    reading: Reading, closure: Closure, evidence: dict[Reference, Evidence]
) -> tuple[UsedReference, ...]:
    definitions = {name: each.definition for name, each in reading.state.collections.items()}
    used = []
    for reference, tally in closure.tallies.items():
        values, found = closure.looked_up(reference)
        if not values and not tally.cut:
            continue
        known = evidence.get(reference)
        if known is None or not known.looked_up:
            known = Evidence(
                known.by if known else "DBRef",
                looked_up=values,
                found=found,
                unindexed=unindexed_paths(reference, definitions, up=known is not None),
            )
        used.append(UsedReference(reference, known, tally.down, tally.up, tally.cut, tally.cut_at))
    return tuple(sorted(used, key=lambda each: each.reference.text()))


def _dangling(closure: Closure) -> tuple[tuple[Dangling, ...], tuple[Dangling, ...]]:
    dangling, broken = [], []
    for _, holders in sorted(closure.holders.items()):
        lost: dict[bool, list[bytes]] = {False: [], True: []}
        for holder, in_source in closure.lost(holders):
            lost[in_source].append(holder)
        dangling += _counted(holders, lost[False])
        broken += _counted(holders, lost[True])
    return tuple(dangling), tuple(broken)


def _counted(holders: Holders, lost: list[bytes]) -> list[Dangling]:
    if not lost:
        return []
    examples = in_order(set(lost))[:_MOST_EXAMPLES]
    return [
        Dangling(
            holders.collection,
            path_text(holders.path),
            tuple(f"{each.target}.{path_text(each.key)}" for each in holders.targets),
            len(lost),
            tuple(map(shown_id, examples)),
        )
    ]


def _notes(closure: Closure, most_children: int) -> Iterator[str]:
    for where, values in sorted(closure.unfollowed.items()):
        yield f"{values:,} DBRefs lead to {where}, and were not followed"
    for reference, tally in closure.tallies.items():
        if tally.cut:
            yield (
                f"{tally.cut:,} documents were left out, as by {reference} more than"
                f" {most_children:,} refer to the same one, of {tally.cut_at:,};"
                " --most-children takes more"
            )


def _misspelled(
    reading: Reading, closure: Closure, declared: tuple[Reference, ...]
) -> Iterator[str]:
    """Give a line for each field of a declared reference that no document has."""
    for reference in declared:
        values, found = closure.looked_up(reference)
        places = [] if values else [(reference.collection, reference.keys)]
        places += [] if found else [(reference.target, reference.target_keys)]
        for name, keys in places:
            definition = reading.state.collections[name].definition
            if has_path(reading, definition, ".".join(keys)):
                continue
            known = {".".join(each): None for each in take_sample(reading, definition).fields}
            near = difflib.get_close_matches(".".join(keys), known, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            yield f"--follow {reference}: no document of {name} has {'.'.join(keys)}{hint}"
