"""What a test compares with: the expectations that are stored for it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from syrupy.assertion import AssertionResult
from syrupy.assertion import SnapshotAssertion as SnapshotAssertion
from syrupy.exceptions import TaintedSnapshotError

from mongoshot.assertion.extension import ExpectationExtension
from mongoshot.assertion.files import read_expectation
from mongoshot.errors import ExpectationError, MongoshotError, UsageError


@dataclass(slots=True)
class _Comparisons:
    """Hold how many comparisons a test has made, and with which files."""

    number: int = 0
    locations: set[str] = field(default_factory=set)


class StoredExpectation(SnapshotAssertion):
    """Be `db_snapshot`: equal to what a test sees where this is as it was recorded.

    All that are made from one by `with_defaults` number their comparisons together. Two comparisons
    under one name share a file: what the first has recorded, the second does not overwrite.
    """

    def __post_init__(self) -> None:
        """Begin to count."""
        self._compared = _Comparisons()
        self._is_again = False
        super().__post_init__()

    @property
    def index(self) -> int | str:
        """Return the name of the next comparison, or its number in the test."""
        return self._custom_index or self._compared.number

    def with_defaults(self, **defaults: Any) -> StoredExpectation:
        """Make another one for the same test, with other defaults."""
        made = cast("StoredExpectation", super().with_defaults(**defaults))
        made._compared = self._compared  # noqa: SLF001 - one of these too
        return made

    def __call__(self, *, name: object = None, **options: Any) -> SnapshotAssertion:
        """Set options of the next comparison: its name, which is in that of the file.

        Raises UsageError for those of syrupy's that an expectation cannot have.
        """
        for impossible in sorted(options.keys() & {"diff", "diff_data"}):
            raise UsageError(
                f"db_snapshot does not take {impossible}: db_changes is a difference already"
            )
        return super().__call__(name=None if name is None else str(name), **options)

    def __repr__(self) -> str:
        """Say which file the last comparison was with."""
        return f"<expectation {self._path}>" if self.executions else "<expectation>"

    def get_assert_diff(self, **options: Any) -> list[str]:
        """Say what is not as expected, or in one line why there is no telling."""
        if problem := self._problem():
            return [problem]
        lines = super().get_assert_diff(**options)
        if self._is_again and not self._last.success:
            lines.insert(
                0,
                f"this test has compared with {self._path} before, and seen something else then;"
                " give each comparison a name of its own: db_snapshot(name=…)",
            )
        return lines

    def _assert(self, data: Any) -> bool:
        location = self.extension.get_location(test_location=self.test_location, index=self.index)
        self._is_again = location in self._compared.locations
        self._compared.locations.add(location)
        updates = self.update_snapshots
        self.update_snapshots = updates and not self._is_again
        try:
            with warnings.catch_warnings():
                # It looks for the test's name in the file's, which may be escaped or cut.
                warnings.filterwarnings("ignore", r"\s*Can not relate snapshot name", UserWarning)
                return super()._assert(data)
        finally:
            self.update_snapshots = updates
            self._compared.number += 1

    @property
    def _last(self) -> AssertionResult:
        return self.executions[self.num_executions - 1]

    @property
    def _path(self) -> str:
        """Return where the file of the last comparison is, from pytest's rootdir if it is there."""
        path = Path(self._last.snapshot_location)
        root = self.test_location.item.config.rootpath
        return str(path.relative_to(root) if path.is_relative_to(root) else path)

    def _problem(self) -> str | None:
        """Say what kept the last comparison from being made, if it is not a fault of ours."""
        problem = self._last.exception
        if isinstance(problem, TaintedSnapshotError):
            problem = _damage(Path(self._last.snapshot_location))
        if isinstance(problem, ExpectationError):
            return f"{self._path}: {problem}"
        if isinstance(problem, OSError):
            return (
                f"{self._path}: {problem.strerror or problem}; let there be a file, or nothing,"
                " that can be read, and written with --snapshot-update"
            )
        return str(problem) if isinstance(problem, MongoshotError) else None


def expectations(snapshot: SnapshotAssertion) -> StoredExpectation:
    """Make of syrupy's fixture one that keeps expectations of databases."""
    return StoredExpectation(
        session=snapshot.session,
        extension_class=ExpectationExtension,
        test_location=snapshot.test_location,
        update_snapshots=snapshot.update_snapshots,
        update_new_snapshots_only=snapshot.update_new_snapshots_only,
        include=snapshot.include,
        exclude=snapshot.exclude,
        matcher=snapshot.matcher,
    )


def _damage(path: Path) -> ExpectationError | None:
    try:
        read_expectation(path)
    except ExpectationError as error:
        return error
    return None
