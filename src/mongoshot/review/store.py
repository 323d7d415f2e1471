"""The proposals of a project, in `.mongoshot/pending/` below it: one file an assertion.

A test has a directory, named by the hash of its node id, so that a run of it replaces what the run
before had proposed, without a look at what is not its own.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from mongoshot.errors import ExpectationError, ProposalError
from mongoshot.files import make_directory, write_whole
from mongoshot.review.proposal import (
    LARGEST,
    Proposal,
    expectation_path,
    parse_proposal,
    text_digest,
)

DIRECTORY = ".mongoshot"

_REPORT = ".txt"  # what a proposal's report is called, beside it

_IGNORE = "# What mongoshot keeps between two runs of tests. Nothing of it belongs in git.\n*\n"
_HASHED = 32  # hexadecimal digits of a name
_RUN_AGAIN = "run pytest again"


def find_store(start: Path) -> Store:
    """Return the nearest store at or above a directory; its own, an empty one, where is none."""
    for directory in (start, *start.parents):
        if os.path.isdir(directory / DIRECTORY):  # noqa: PTH112 - says no where it may not look
            return Store(directory)
    return Store(start)


class Store:
    """Keep the proposals of one project."""

    def __init__(self, root: Path) -> None:
        """Take the directory that node ids and expectations are counted from: pytest's rootdir."""
        self.root = root
        self._pending = root / DIRECTORY / "pending"

    def propose(
        self,
        test: str,
        index: str,
        path: Path,
        *,
        expected: str | None,
        actual: str,
        scenario: str,
        report: str,
    ) -> Proposal:
        """Make a proposal of the text that is `actual` where that at `path` was `expected`.

        Raises ProposalError for a path that is not below the project.
        """
        try:
            file = path.relative_to(self.root).as_posix()
        except ValueError:
            raise ProposalError(
                f"what {test} proposes cannot be left for review: {path} is not below pytest's"
                f" rootdir, {self.root}; record it with pytest --snapshot-update"
            ) from None
        compared_with = None if expected is None else text_digest(expected)
        return Proposal(test, index, file, compared_with, scenario, report, actual)

    def replace(self, test: str, proposals: Collection[Proposal]) -> None:
        """Let these be all that a test proposes; it no longer does what it did before.

        Raises ProposalError where that cannot be written.
        """
        directory = self._pending / _hashed(test)
        places = [self._place(proposal) for proposal in proposals]
        kept = {each.name for place in places for each in (place, place.with_suffix(_REPORT))}
        try:
            for entry in _entries(directory):
                if entry.name not in kept:
                    Path(entry).unlink(missing_ok=True)
            if proposals:
                self._prepare()
            for proposal in proposals:
                _write(self._place(proposal), proposal)
            with contextlib.suppress(OSError):  # one that is not empty, or is not there, stays so
                directory.rmdir()
        except OSError as error:
            raise ProposalError(
                f"what {test} proposes cannot be left for review: {self._pending}:"
                f" {error.strerror}; record it with pytest --snapshot-update"
            ) from None

    def report_file(self, proposal: Proposal) -> str:
        """Return where the report of a proposal is as text, from the project's directory."""
        return self._place(proposal).with_suffix(_REPORT).relative_to(self.root).as_posix()

    def read(self) -> tuple[list[Proposal], list[ProposalError]]:
        """Return all proposals by name, and what is wrong with those that cannot be read.

        Raises ProposalError where the directory cannot be.
        """
        found: list[Proposal] = []
        errors: list[ProposalError] = []
        for path in self._files():
            try:
                found.append(self._read_one(path))
            except ProposalError as error:
                errors.append(error)
        # By length first, so that the tenth assertion stands behind the second.
        found.sort(key=lambda proposal: (proposal.test, len(proposal.index), proposal.index))
        return found, errors

    def count(self) -> int:
        """Return how many proposals there are, without a look into them; 0 where none can be."""
        try:
            return sum(1 for _ in self._files())
        except ProposalError:
            return 0

    def left_at(self, proposal: Proposal) -> datetime.datetime:
        """Return when it was left, by the file system: a test may have frozen Python's clock."""
        try:
            seconds = self._place(proposal).stat().st_mtime
        except OSError:
            seconds = 0  # somebody else has just dealt with it
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC)

    def staleness(self, proposal: Proposal) -> str | None:
        """Say why a proposal can no longer be accepted, or None where it can."""
        path = expectation_path(self.root, proposal.file)
        if not path.parents[2].joinpath(f"{path.parent.name}.py").is_file():
            return "its test module is gone"
        try:
            stored = text_digest(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            stored = None
        except (OSError, ValueError):
            return "its file cannot be read"
        # One that was written already, by hand or by a command that was interrupted, is no other.
        if stored in (proposal.compared_with, text_digest(proposal.proposed)):
            return None
        return "its file is no longer what the test was compared with"

    def accept(self, proposal: Proposal) -> None:
        """Write what is proposed to the expectation's file, and remove the proposal.

        Raises ProposalError where it is stale, is no expectation, or cannot be written.
        """
        from mongoshot.comparison.expectation.model import parse_expectation

        path = expectation_path(self.root, proposal.file)
        if reason := self.staleness(proposal):
            raise ProposalError(f"{proposal.name} is not accepted: {reason}; {_RUN_AGAIN}")
        try:
            parse_expectation(proposal.proposed)
            make_directory(path.parent)
            write_whole(path, proposal.proposed)  # on the disk before its proposal is gone
        except (ExpectationError, UnicodeEncodeError):
            raise ProposalError(
                f"{proposal.name} is not accepted: what it proposes is no expectation; reject it,"
                f" and {_RUN_AGAIN}"
            ) from None
        except OSError as error:
            raise ProposalError(
                f"{proposal.name} is not accepted: {path} cannot be written: {error.strerror}; make"
                " room there, or make it writable"
            ) from None
        self.reject(proposal)

    def reject(self, proposal: Proposal) -> None:
        """Remove a proposal; the expectation's file stays as it is.

        Raises ProposalError where that cannot be.
        """
        place = self._place(proposal)
        try:
            place.unlink(missing_ok=True)
            place.with_suffix(_REPORT).unlink(missing_ok=True)
        except OSError as error:
            raise ProposalError(
                f"{place} cannot be removed: {error.strerror}; make its directory writable"
            ) from None
        with contextlib.suppress(OSError):
            place.parent.rmdir()

    def _place(self, proposal: Proposal) -> Path:
        return self._pending / _hashed(proposal.test) / f"{_hashed(proposal.file)}.json"

    def _prepare(self) -> None:
        self._pending.mkdir(parents=True, exist_ok=True)
        ignore = self._pending.with_name(".gitignore")
        if not ignore.exists():
            write_whole(ignore, _IGNORE, durable=False)

    def _files(self) -> Iterator[Path]:
        for directory in _entries(self._pending):
            for entry in _entries(Path(directory)):
                if entry.name.endswith(".json"):
                    yield Path(entry)

    def _read_one(self, path: Path) -> Proposal:
        try:
            if not stat.S_ISREG(path.lstat().st_mode):  # a pipe would be waited for
                raise ProposalError(f"{path} is no file; delete it")
            with path.open("rb") as file:
                content = file.read(LARGEST + 1)
        except OSError as error:
            raise ProposalError(
                f"{path} cannot be read: {error.strerror}; make it readable, or delete it"
            ) from None
        if len(content) > LARGEST:
            raise ProposalError(f"{path} is too large to be a proposal; delete it")
        proposal = parse_proposal(content.decode("utf-8", "replace"), str(path))
        try:
            expectation_path(self.root, proposal.file)
        except ProposalError as error:
            raise ProposalError(f"{error}; delete {path}") from None
        if path != self._place(proposal):
            raise ProposalError(f"{path} is not where its test would leave it; delete it")
        return proposal


def _write(place: Path, proposal: Proposal) -> None:
    text = proposal.to_json()
    if len(text) > LARGEST:
        raise ProposalError(
            f"what {proposal.name} proposes is too large for a review: {len(text):,} bytes; record"
            " it with pytest --snapshot-update"
        )
    try:
        place.parent.mkdir(exist_ok=True)
        _write_both(place, text, proposal.report)
    except FileNotFoundError:  # a command has removed the test's last proposal at this very moment
        place.parent.mkdir(exist_ok=True)
        _write_both(place, text, proposal.report)


def _write_both(place: Path, text: str, report: str) -> None:
    write_whole(place.with_suffix(_REPORT), f"{report}\n", durable=False)
    write_whole(place, text, durable=False)


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    """List a directory, in the order of names; one that is not there is empty."""
    try:
        with os.scandir(directory) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ProposalError(
            f"{directory} cannot be read: {error.strerror}; make it readable, or remove it"
        ) from None


def _hashed(name: str) -> str:
    return text_digest(name)[:_HASHED]
