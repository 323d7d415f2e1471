"""What a capture would hold, as far as the server can tell without its documents being read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mongoshot.config import Project
from mongoshot.errors import CommandError
from mongoshot.recording.masking.key import KEY_SIZE
from mongoshot.recording.masking.masker import Masker
from mongoshot.recording.masking.policy import make_policy
from mongoshot.recording.refusals import unreadable
from mongoshot.recording.request import Request
from mongoshot.recording.selection.choose import check
from mongoshot.recording.selection.inference import infer_references
from mongoshot.recording.selection.model import InferredReference, Root
from mongoshot.server.collections import require_database
from mongoshot.server.connection import Database, describe
from mongoshot.server.finding import count
from mongoshot.server.reading import Reading, is_refused, open_reading
from mongoshot.server.weights import Weight, weigh_collections
from mongoshot.snapshot.elements import framed


@dataclass(frozen=True, slots=True)
class Planned:
    """Say what would be taken of a collection: `documents` of it, None for what cannot be counted.

    `why` is "all", "chosen", or "what is referred to".
    """

    collection: str
    there: Weight
    documents: int | None
    why: str

    @property
    def bytes(self) -> int | None:
        """Estimate the size of these documents as BSON, by the mean size of all."""
        there, size = self.there.documents, self.there.bytes
        if self.documents is None or there is None or size is None:
            return None
        return size * self.documents // there if there else 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Hold what a capture would take of a database, and which references it would follow."""

    database: str
    collections: tuple[Planned, ...]
    inferred: tuple[InferredReference, ...]


def make_plan(database: Database, request: Request, project: Project | None = None) -> Plan:
    """Plan a capture. To infer references, some hundred documents of each collection are read.

    Rules for masking, of the request and the `project`, are checked, and need no key.

    Raises what the capture would raise for a request that cannot be done, and the errors of the
    connection.
    """
    require_database(database)
    project = project or Project(Path.cwd())
    policy = make_policy(project.masking, request.masks, request.masked)
    with open_reading(database, left_out=request.leaves_out) as reading:
        asked = request.choose(reading.state)
        definitions = {name: each.definition for name, each in asked.collections.items()}
        masker = Masker(policy, bytes(KEY_SIZE), definitions)
        weights = weigh_collections(reading.database, definitions)
        try:
            return _plan(reading, request, masker, weights)
        except CommandError as error:
            if is_refused(error):
                raise unreadable(reading, asked) from error
            raise


def _plan(
    reading: Reading, request: Request, masker: Masker, weights: Mapping[str, Weight]
) -> Plan:
    name_of_database = describe(reading.database)
    if not request.chooses_documents:
        planned = [Planned(name, each, each.documents, "all") for name, each in weights.items()]
        return Plan(name_of_database, tuple(planned), ())
    selection = request.selection(reading.state.collections)
    check(reading, selection)
    masker.check_queries(selection.roots)
    inferred: tuple[InferredReference, ...] = ()
    if selection.infer:
        inferred = infer_references(reading, declared=selection.follow, exclude=selection.exclude)
    roots = {root.collection: root for root in selection.roots}
    planned = []
    for name, weight in weights.items():
        if name in roots:
            taken: int | None = _count(reading, roots[name], weight)
            planned.append(Planned(name, weight, taken, "chosen"))
        elif name in selection.whole:
            planned.append(Planned(name, weight, weight.documents, "all"))
        else:
            planned.append(Planned(name, weight, None, "what is referred to"))
    return Plan(name_of_database, tuple(planned), inferred)


def _count(reading: Reading, root: Root, weight: Weight) -> int | None:
    most = [each for each in (root.limit, root.sample) if each is not None]
    if root.query is None:
        there = weight.documents
    else:
        definition = reading.state.collections[root.collection].definition
        there = count(reading, definition, root.query or framed(b""))
    if there is not None:
        most.append(there)
    return min(most, default=None)
