"""Scenarios that a run of tests captures: those that are missing, and those made anew."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock

from mongoshot.comparison.difference import compare
from mongoshot.comparison.text import summarize
from mongoshot.config import Settings
from mongoshot.errors import (
    CaptureError,
    CommandError,
    MongoshotError,
    SnapshotDamagedError,
    SnapshotError,
    SnapshotNotFoundError,
    SnapshotTooLargeError,
    UnmaskedError,
    UsageError,
)
from mongoshot.files import write_whole
from mongoshot.recording.capture import Conduct, Recorded, record
from mongoshot.recording.modes import FLAG, Wish
from mongoshot.recording.request import Request
from mongoshot.server.connection import (
    Client,
    Database,
    connect,
    default_database,
    describe,
    named_database,
)
from mongoshot.server.identity import is_same_deployment
from mongoshot.server.ledger import read_entry
from mongoshot.server.urls import redact
from mongoshot.snapshot.directory import Snapshot, load_scenario
from mongoshot.snapshot.placing import check_target, is_private
from mongoshot.snapshot.scenario_names import check_name
from mongoshot.snapshot.writer import write_snapshot

#: The directory of a project whose files are nobody else's; locks, and what is kept aside, too.
HOME = ".mongoshot"

#: Bytes of one file that most hosts of repositories refuse.
_TOO_MUCH = 100 * 10**6
_MOST_HINTS = 5
_IGNORE = "# What mongoshot keeps between two runs of tests. Nothing of it belongs in git.\n*\n"


@dataclass(frozen=True, slots=True)
class Captured:
    """Say what was captured during a run, and how long that took, in seconds.

    `path` is where it belongs, `source` names the database, `before` is the digest of what it would
    replace, None for nothing. `notes` are lines about what a person should look at.
    """

    path: str
    source: str
    documents: int
    seconds: float
    before: str | None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say where it is from, and how much: `shop on 127.0.0.1:27017: 2 documents in 0.1 s`."""
        plural = "" if self.documents == 1 else "s"
        return f"{self.source}: {self.documents:,} document{plural} in {self.seconds:.1f} s"

    @property
    def scenario(self) -> str:
        """Return the scenario's name."""
        return Path(self.path).name


@dataclass(frozen=True, slots=True)
class Target:
    """Say where the tests of a run write to: a client, and the settings of the run."""

    client: Client
    settings: Settings


def record_missing(name: str, wish: Wish, target: Target, locks: Path) -> Captured | None:
    """Capture the scenario `name` unless it is there; None where it is, by whomever.

    All processes that meet it missing wait for the first of them: `locks` is a directory that they
    share. Raises SnapshotDamagedError for one that is there and damaged, and whatever a capture
    raises.
    """
    check_name(name)
    directory = target.settings.snapshots_path
    _prepare(locks)
    with FileLock(locks / f".{name}.lock"):
        try:
            load_scenario(name, directory)
        except SnapshotNotFoundError:
            return _capture(directory / name, None, wish, target)
    return None


def why_not_anew(name: str, target: Target) -> str:
    """Say why a scenario cannot be captured anew; "" where it can, or is not there.

    Raises SnapshotDamagedError where nobody knows how it was captured.
    """
    try:
        manifest = load_scenario(name, target.settings.snapshots_path).manifest
    except SnapshotNotFoundError:
        return ""
    if "import" in manifest.origin.recipe:
        return "it was imported"
    # Beside a recording of `mongoshot record`, the state is what its steps began with.
    return "it was recorded" if manifest.recording is not None else ""


def record_anew(name: str, wish: Wish, target: Target, aside: Path) -> Captured | None:
    """Capture the scenario `name` as it was before, into the directory `aside` of the run.

    Returns None where another process of the run has. One that is not there yet is captured whole.
    Raises SnapshotDamagedError where nobody knows how it was captured, and whatever a capture
    raises.
    """
    check_name(name)
    sweep(aside.parent)
    _prepare(aside)
    with FileLock(aside / f".{name}.lock"):
        try:
            load_scenario(name, aside)
        except SnapshotNotFoundError:
            existing = None
            with contextlib.suppress(SnapshotNotFoundError):
                existing = load_scenario(name, target.settings.snapshots_path)
            return _capture(aside / name, existing, wish, target)
    return None


def keep(captured: Captured, aside: Path) -> str:
    """Put a scenario that was captured anew in the place of the old one; say what has changed.

    Raises SnapshotError where somebody else has changed that meanwhile, or it cannot be written;
    it is then as it was.
    """
    new, path = load_scenario(captured.scenario, aside), Path(captured.path)
    with FileLock(aside.parent / f".{captured.scenario}.lock"):
        existing = check_target(path, replace=True)
        if (existing.digest if existing else None) != captured.before:
            raise SnapshotError(f"{path} was changed by somebody else during the run")
        request = Request.from_recipe(new.manifest.origin.recipe)
        changes: list[str] = []

        def explain(old: Snapshot | None, new: Snapshot) -> None:
            if old is not None:
                with contextlib.suppress(SnapshotDamagedError):  # nobody could use it as it was
                    changes.append(summarize(compare(old, new).collections))

        kept = write_snapshot(
            new,
            path,
            origin=new.manifest.origin,
            format=request.format,
            gzip=request.gzip,
            replace=True,
            private=is_private(new.path),
            before_commit=explain,
        )
    if existing is None:
        return "it was not there before"
    if kept.digest == existing.digest:
        return f"nothing has changed since revision {existing.manifest.revision}"
    return f"changed since revision {existing.manifest.revision}: {''.join(changes) or 'damaged'}"


def discard(aside: Path) -> None:
    """Remove what a run has captured aside."""
    shutil.rmtree(aside, ignore_errors=True)


def sweep(directory: Path) -> None:
    """Remove what runs that were killed have left aside in a project.

    The directory of a run begins with the id of the process that leads it.
    """
    for left in directory.glob("*-*"):
        pid = left.name.partition("-")[0]
        if left.is_dir() and pid.isdigit() and not psutil.pid_exists(int(pid)):
            discard(left)


def _prepare(directory: Path) -> None:
    """Make a directory below `.mongoshot`, which git is to ignore."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        [root] = [each for each in (directory, *directory.parents) if each.name == HOME][:1]
        if not (ignore := root / ".gitignore").exists():
            write_whole(ignore, _IGNORE, durable=False)
    except OSError as error:
        raise SnapshotError(
            f"nothing can be recorded: {directory}: {error.strerror}; make it writable, or leave"
            " --scenario-record out"
        ) from None


def _capture(path: Path, existing: Snapshot | None, wish: Wish, target: Target) -> Captured:
    name = path.name
    request = Request.from_recipe(existing.manifest.origin.recipe) if existing else Request()
    earlier = existing.manifest.origin.database if existing else None
    large = existing is not None and any(e.bytes > _TOO_MUCH for e in existing.manifest.files)
    started = time.perf_counter()
    with _open_source(name, wish, target, earlier) as source:
        conduct = Conduct(
            largest_file=None if large else _TOO_MUCH, project=target.settings.project
        )
        try:
            recorded = record(source, path, request, conduct, replace=False)
        except MongoshotError as error:
            raise _explained(error, name, source, again=existing is not None) from error
        where = describe(source)
    return Captured(
        str(target.settings.snapshots_path / name),
        where,
        sum(entry.documents or 0 for entry in recorded.snapshot.manifest.files),
        time.perf_counter() - started,
        existing.digest if existing else None,
        tuple(_notes(name, recorded)),
    )


@contextlib.contextmanager
def _open_source(
    scenario: str, wish: Wish, target: Target, otherwise: str | None
) -> Iterator[Database]:
    """Open the database to capture from; raise where tests write to it."""
    if wish.url is None:
        raise UsageError(
            f"the scenario {scenario!r} is to be captured ({FLAG} {wish.mode}), and nothing says"
            " from where: name the source with --scenario-source-url URL and"
            " --scenario-source-name DB, with SCENARIO_SOURCE_URL and SCENARIO_SOURCE_NAME, with"
            " ini keys of the flags' names, or with source_url and source_name in the marker"
        )
    with connect(wish.url, option="--scenario-source-url or SCENARIO_SOURCE_URL") as client:
        source = default_database(client) if wish.name is None else None
        if name := wish.name or (None if source is not None else otherwise):
            source = named_database(client, name)
        if source is None:
            raise UsageError(
                f"the scenario {scenario!r} is to be captured ({FLAG} {wish.mode}), and"
                f" {redact(wish.url)} names no database: write mongodb://HOST/NAME, or give the"
                " name with --scenario-source-name (SCENARIO_SOURCE_NAME, or the marker's"
                " source_name)"
            )
        _check_not_written_to(source, target)
        yield source


def _check_not_written_to(source: Database, target: Target) -> None:
    """Raise UsageError for a database that tests write to: what it holds is what they leave."""
    same = is_same_deployment(source.client, target.client)
    base = re.escape(target.settings.db_name)
    why = ""
    if same and re.fullmatch(rf"{base}(_[0-9]+)?(_gw[0-9]+)?(__.*)?", source.name, re.DOTALL):
        why = "the tests of this run write to it (--db-name)"
    elif _is_in_ledger(target.client[source.name] if same else source):
        why = "it is one that mongoshot overwrites, as its ledger there says"
    if why:
        raise UsageError(
            f"nothing was captured: the source {describe(source)} is no source, as {why}; name the"
            " database that the application uses with --scenario-source-url and"
            " --scenario-source-name"
        )


def _is_in_ledger(database: Database) -> bool:
    try:
        return read_entry(database) is not None
    except CommandError:
        return False  # who may read the source need not be allowed to read the ledger


def _explained(
    error: MongoshotError, name: str, source: Database, *, again: bool
) -> MongoshotError:
    """Say what was to be captured, and what to type where a choice is needed."""
    said = f"cannot record the scenario {name!r} from {describe(source)}: {error}"
    if isinstance(error, CaptureError | SnapshotTooLargeError | UsageError):
        said += (
            f"; with options, it takes: mongoshot capture {name} {'--replace ' if again else ''}"
            f"--db-url URL --db-name {source.name}"
        )
        if isinstance(error, UnmaskedError):
            said += " --mask PATH=MASK"
    return type(error)(said)


def _notes(name: str, recorded: Recorded) -> Iterator[str]:
    """Say what is not as somebody would expect of a scenario."""
    yield from (f"{name}: {warning}" for warning in recorded.warnings)
    if hints := [f"{hint.path} ({hint.looks_like})" for hint in recorded.hints]:
        more = f" and {len(hints) - _MOST_HINTS} more" if len(hints) > _MOST_HINTS else ""
        yield (
            f"{name}: not masked, and looks like data of people: {', '.join(hints[:_MOST_HINTS])}"
            f"{more}; to mask one: mongoshot capture {name} --replace --mask"
            f" {recorded.hints[0].path}=RULE"
        )
    origin = recorded.snapshot.manifest.origin
    if origin.consistency == "none":
        yield (
            f"{name}: somebody wrote to {', '.join(origin.outside_consistency)} while it was"
            " captured from a standalone server: documents may not fit each other"
        )
