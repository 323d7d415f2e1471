"""Live database → snapshot: read-only, at one point in time where the server can do that."""

from __future__ import annotations

import contextlib
import datetime
import os
import shlex
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

from mongoshot.config import Project, read_project
from mongoshot.errors import CaptureError, CommandError, UnmaskedError, UsageError
from mongoshot.recording.masking.hints import Hint
from mongoshot.recording.masking.key import VARIABLE, fingerprint, load_key
from mongoshot.recording.masking.masker import Masker
from mongoshot.recording.masking.policy import make_policy
from mongoshot.recording.request import Request, as_texts, documents_as_texts
from mongoshot.recording.selection.choose import check, select
from mongoshot.recording.selection.inference import infer_references
from mongoshot.recording.selection.model import Dangling, InferredReference, Selected
from mongoshot.recording.selection.parsing import selection_of
from mongoshot.recording.standstill import Standstill
from mongoshot.server.catalog import list_definitions
from mongoshot.server.collections import require_database
from mongoshot.server.connection import Database, describe, has_credentials
from mongoshot.server.finding import GoneError
from mongoshot.server.ledger import note_capture
from mongoshot.server.reading import (
    Pace,
    Reading,
    came_too_late,
    find_unreadable,
    history_window,
    is_refused,
    open_reading,
    took_too_long,
)
from mongoshot.server.sampling import sample_documents
from mongoshot.server.weights import Weight, weigh_collections
from mongoshot.snapshot.directory import Snapshot
from mongoshot.snapshot.manifest import Consistency, Origin
from mongoshot.snapshot.model import Definition, MemoryState, Progress, join_documents, no_progress
from mongoshot.snapshot.placing import check_target
from mongoshot.snapshot.profile import Profile, profile
from mongoshot.snapshot.scenario_names import check_new_name
from mongoshot.snapshot.writer import BeforeCommit, check_format, write_snapshot

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Conduct:
    """Say how to go about a capture, whatever it is to hold.

    A database that is not there is captured as an empty one with `may_be_missing`. No file may get
    larger than `largest_file` bytes. `project` has rules for masking, and the place of their key.
    Files of a source with a password are the user's alone, unless they are to be `shared`.
    `opened` is given the reading, what is asked for of it, and what masks it, before the first
    document is read, again for each attempt; `weighed` is told what the collections weigh before
    they are read, `inferred` which references that nobody has declared will be followed, and
    `chosen` what came of a selection. `before_commit` is given the snapshot that is to be replaced
    and the new one, and may raise.
    """

    pace: Pace = field(default_factory=Pace)
    largest_file: int | None = None
    project: Project | None = None
    may_be_missing: bool = False
    shared: bool = False
    opened: Callable[[Reading, MemoryState, Masker], None] | None = None
    weighed: Callable[[Mapping[str, Weight]], None] | None = None
    inferred: Callable[[Sequence[InferredReference]], None] | None = None
    chosen: Callable[[Selected], None] | None = None
    before_commit: BeforeCommit | None = None
    progress: Progress = no_progress


@dataclass(frozen=True, slots=True)
class Recorded:
    """Hold what came of a capture.

    `selected` says how documents were chosen, where they were; `hints` what looks like data of
    people and was not masked; `warnings` are lines about masked values that stand elsewhere, and
    references that masks may break.
    """

    snapshot: Snapshot
    selected: Selected | None
    hints: tuple[Hint, ...]
    warnings: tuple[str, ...]


def capture(
    database: Database,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    collections: Iterable[str] = (),
    exclude: Iterable[str] = (),
    query: Mapping[str, Mapping[str, Any]] | None = None,
    sort: Mapping[str, Mapping[str, int]] | None = None,
    limit: Mapping[str, int] | None = None,
    sample: Mapping[str, int] | None = None,
    follow: Iterable[str] = (),
    mask: Mapping[str, str] | None = None,
    gzip: bool = False,
    replace: bool = False,
    shared: bool = False,
    progress: Progress = no_progress,
) -> Snapshot:
    """Capture a database, or the `collections` of it that are not in `exclude`, into `path`.

    Only reads from the database. `query`, `sort`, `limit` and `sample` choose documents by
    collection, which then come with all that they need: `follow` has references such as
    "orders.customer_id=customers._id", and others are inferred. `mask` has rules by path, such as
    {"customers.email": "email"}, besides those in `[tool.mongoshot.masking]` of the project that
    the process runs in. `format` is "bson", "json", or None for JSON up to 1 MiB a collection and
    BSON above. Returns the snapshot, its files already verified and safe on disk; an existing one
    is replaced only with `replace`, in one step at the end. The user alone may read the files of a
    new one where the client has a password, unless they are to be `shared`. Warns of masked values
    that stand beside the documents, and of references that masks may break.

    Raises DatabaseNotFoundError, UsageError for what is not there or cannot be asked for,
    SnapshotExistsError, NotRepresentableError, UnmaskedError, CaptureError, and the errors of the
    connection.
    """
    request = Request(
        collections=_listed("collections", collections),
        exclude=_listed("exclude", exclude),
        queries=documents_as_texts("query", query or {}),
        sorts=documents_as_texts("sort", sort or {}),
        limits=as_texts("limit", limit or {}),
        samples=as_texts("sample", sample or {}),
        follow=_listed("follow", follow),
        masks=as_texts("mask", mask or {}),
        format=check_format(format),
        gzip=gzip,
    )
    path = Path(path)
    check_new_name(path.name, path.parent)
    conduct = Conduct(project=read_project(Path.cwd()), shared=shared, progress=progress)
    recorded = record(database, path, request, conduct, replace=replace)
    for warning in recorded.warnings:
        warnings.warn(warning, stacklevel=2)
    return recorded.snapshot


def _listed(option: str, texts: Iterable[str]) -> tuple[str, ...]:
    if isinstance(texts, str):
        raise UsageError(f"{option} takes a list of texts, not one string")
    return tuple(texts)


def record(
    database: Database, path: Path, request: Request, conduct: Conduct, *, replace: bool
) -> Recorded:
    """Capture what is requested, as `capture` does."""
    check_target(path, replace=replace)
    for attempt in range(1, _ATTEMPTS + 1):
        if not conduct.may_be_missing:
            require_database(database)
        with (
            open_reading(database, conduct.pace, request.leaves_out) as reading,
            contextlib.suppress(_ChangedError),
        ):
            recording = _Recording(reading, request, conduct, is_last=attempt == _ATTEMPTS)
            recorded = recording.write(path, replace=replace)
            return _with_note(recorded, database) if note_capture(database) else recorded
    raise CaptureError(
        f"the collections or indexes of {describe(database)} changed during each of {_ATTEMPTS}"
        " captures; capture it when no migration is under way"
    )


def _with_note(recorded: Recorded, database: Database) -> Recorded:
    note = (
        f"{describe(database)} was mongoshot's to overwrite, and is no more, as it was captured"
        f" from: to let it be overwritten again, type: mongoshot adopt {database.name} --db-url URL"
    )
    return replaced(recorded, warnings=(*recorded.warnings, note))


class _Recording:
    """Be one attempt: a reading, what is chosen of it, watched while it is read, and masked."""

    def __init__(
        self, reading: Reading, request: Request, conduct: Conduct, *, is_last: bool
    ) -> None:
        self._reading, self._request, self._conduct = reading, request, conduct
        self._is_last = is_last
        with _explained(request):
            self._asked = request.choose(reading.state)
        self._definitions = {n: c.definition for n, c in self._asked.collections.items()}
        self._masker = make_masker(request, conduct.project, self._definitions)
        self._selected: Selected | None = None
        self._standstill: Standstill | None = None
        self._unlike: list[str] = []

    def write(self, path: Path, *, replace: bool) -> Recorded:
        """Write the snapshot; raises _ChangedError where another attempt is worth it."""
        conduct = self._conduct
        if conduct.opened:
            conduct.opened(self._reading, self._asked, self._masker)
        if conduct.weighed:
            conduct.weighed(weigh_collections(self._reading.database, self._definitions))
        try:
            snapshot = write_snapshot(
                self._state(),
                path,
                origin=self._conclude,
                format=self._request.format,
                gzip=self._request.gzip,
                largest_file=conduct.largest_file,
                replace=replace,
                private=self._is_private(),
                progress=conduct.progress,
                before_commit=conduct.before_commit,
            )
        except GoneError:
            if self._is_last:
                raise
            raise _ChangedError from None
        except CommandError as error:
            if is_refused(error):
                raise unreadable(self._reading, self._asked) from error
            if took_too_long(error):
                raise _outlasted(self._reading) from error
            # A collection that was dropped cannot be read any more at an earlier time.
            self._check_catalog()
            if came_too_late(error):
                raise _ChangedError from error
            raise
        masker = self._masker
        warnings = (*masker.constants, *self._unlike)
        return Recorded(snapshot, self._selected, tuple(masker.hints), warnings)

    def _is_private(self) -> bool:
        project = self._conduct.project
        shared = self._conduct.shared or (project is not None and project.shared)
        return not shared and has_credentials(self._reading.database.client)

    def _state(self) -> MemoryState:
        state = self._asked
        if self._request.chooses_documents:
            state = self._select()
        elif self._masker.masks:
            # They are a guess, and nobody has asked to follow them: no more than a warning.
            left_out = [
                name for name in self._reading.state.collections if name not in state.collections
            ]
            inferred = infer_references(self._reading, exclude=left_out)
            references = [each.reference for each in inferred]
            self._unlike = self._masker.unlike_ends(references)
        if not self._reading.consistent:
            again = self._select_again if self._selected else None
            self._standstill = Standstill(state, again)
            state = self._standstill.state
        masked = {name: self._masker.mask(each) for name, each in state.collections.items()}
        return MemoryState(state.label, masked)

    def _select(self) -> MemoryState:
        masker = self._masker
        with _explained(self._request):
            selection = self._request.selection(self._reading.state.collections)
            check(self._reading, selection)
        masker.check_queries(selection.roots)
        conduct = self._conduct

        def looking(collection: str, _: int) -> None:
            conduct.progress(collection, 0)  # they will pass once more, to be written

        selected = select(self._reading, selection, progress=looking, show=conduct.inferred)
        if conduct.chosen:
            conduct.chosen(selected)
        if unlike := masker.unlike_ends(each.reference for each in selected.references):
            raise UnmaskedError(
                "nothing was captured, as the ends of references are not masked alike:"
                f" {'; '.join(unlike)}"
            )
        # Ids that are masked are not for the terminal either.
        self._selected = replaced(
            selected,
            dangling=tuple(map(self._without_ids, selected.dangling)),
            broken=tuple(map(self._without_ids, selected.broken)),
        )
        return selected.state

    def _select_again(self) -> MemoryState:
        names = self._reading.state.collections
        recipe = self._selected.recipe if self._selected else {}
        return select(self._reading, selection_of(recipe, names)).state

    def _without_ids(self, dangling: Dangling) -> Dangling:
        is_masked = self._masker.changes(dangling.collection, ("_id",))
        return replaced(dangling, examples=()) if is_masked else dangling

    def _conclude(self) -> Origin:
        """Say how all was read, when it has been."""
        self._check_catalog()
        self._masker.check()
        written = self._standstill.written_meanwhile() if self._standstill else ()
        if written and not self._is_last:
            raise _ChangedError
        if self._standstill:
            consistency: Consistency = "none" if written else "unchanged"
        else:
            consistency = "snapshot"
            written = tuple(n for n, each in self._definitions.items() if each.capped)
        now = datetime.datetime.now(datetime.UTC)
        return Origin(
            server_version=self._reading.server_version,
            captured_at=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
            consistency=consistency,
            outside_consistency=written,
            recipe=self._request.recipe(
                self._reading.database.name,
                self._selected.recipe if self._selected else {},
                self._masker.recipe,
            ),
            profile={
                name: self._masker.hidden(name, found)
                for name, found in describe_documents(self._reading, self._asked).items()
            },
        )

    def _check_catalog(self) -> None:
        """Raise unless the definitions are still those that the documents were read under.

        Definitions are not part of the server's snapshot reads, so they are compared around it.
        """
        before = {name: c.definition for name, c in self._reading.state.collections.items()}
        now = list_definitions(self._reading.database, self._request.leaves_out)
        if now != before:
            raise _ChangedError


@contextlib.contextmanager
def _explained(request: Request) -> Iterator[None]:
    """Say of what cannot be asked for that a recipe asks for it, where that is so."""
    try:
        yield
    except UsageError as error:
        if not request.repeats:
            raise
        raise UsageError(
            f"{error}; it was captured so before: capture it with the options that you want now,"
            " and --replace"
        ) from None


def make_masker(
    request: Request, project: Project | None, definitions: Mapping[str, Definition]
) -> Masker:
    """Make what masks a capture; raises UsageError for rules or a key that do not fit it."""
    project = project or Project(Path.cwd())
    policy = make_policy(project.masking, request.masks, request.masked)
    key = load_key(project.root) if policy.needs_key else None
    earlier = request.masked.get("key") if request.repeats else None
    if key is not None and earlier not in (None, fingerprint(key)):
        # Nothing that was captured so before would be the same.
        raise UsageError(
            f"this was masked with another key ({earlier}, not {fingerprint(key)}): set {VARIABLE}"
            " to it, or take .mongoshot/masking.key from whoever captured it; to mask all of it"
            " with this one, capture it with the options that you want, and --replace"
        )
    with _explained(request):
        return Masker(policy, key, definitions)


def describe_documents(reading: Reading, state: MemoryState) -> dict[str, Profile]:
    """Describe what the documents of a database look like, by the first and last of each kind."""
    return {
        name: profile(
            join_documents(
                sample_documents(reading.database, collection.definition, reading.session)
            )
        )
        for name, collection in state.collections.items()
        if collection.definition.type != "view"
    }


class _ChangedError(CaptureError):
    """Report that a database is no longer what it was when its reading began."""


def unreadable(reading: Reading, state: MemoryState) -> CaptureError:
    """Return the error that names what this user may not read, and the options without it."""
    refused = find_unreadable(reading)
    hidden = [name for name in refused if name in state.collections]
    if not hidden:  # one that is left out, and asked about references
        return CaptureError(
            f"this user is not allowed to read {', '.join(refused)} in"
            f" {describe(reading.database)}, and a reference leads to what is left out; name"
            " another user in the URL, or follow none to there: --no-infer, and no --follow"
        )
    series = any(state.collections[name].definition.type == "timeseries" for name in hidden)
    needs = "; the buckets of a time series take the role backup" if series else ""
    return CaptureError(
        f"this user is not allowed to read {', '.join(hidden)} in {describe(reading.database)}"
        f"{needs}; name another user in the URL, or leave it out:"
        f" {' '.join(f'--exclude {shlex.quote(name)}' for name in hidden)}"
    )


def _outlasted(reading: Reading) -> CaptureError:
    window = history_window(reading)
    kept = f"{window} s" if window else "about 300 s"
    return CaptureError(
        f"the capture took longer than {describe(reading.database)} keeps what it was at one point"
        f" in time ({kept}); select less of it (--collection, --query, --limit), read without"
        " --pause, or have the server keep more: db.adminCommand({setParameter: 1,"
        " minSnapshotHistoryWindowInSeconds: 3600})"
    )
