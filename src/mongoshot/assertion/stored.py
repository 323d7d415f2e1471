"""What a test compares with: the expectations that are stored for it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from syrupy.assertion import AssertionResult
from syrupy.assertion import SnapshotAssertion as SnapshotAssertion
from syrupy.exceptions import TaintedSnapshotError

from mongoshot.assertion.extension import ExpectationExtension
from mongoshot.assertion.files import read_expectation
from mongoshot.assertion.written import Asserted, Written
from mongoshot.comparison.expectation.rules import Rules, make_rules
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
        self.default_rules = Rules()
        self._rules = Rules()
        super().__post_init__()

    @property
    def index(self) -> int | str:
        """Return the name of the next comparison, or its number in the test."""
        return self._custom_index or self._compared.number

    def with_defaults(  # type: ignore[override]  # syrupy's are about other values
        self, *, exclude: Any = None, match: Any = None, collections: Any = None
    ) -> StoredExpectation:
        """Make another one for the same test, whose comparisons all ask for this, too.

        Raises UsageError as a call does.
        """
        made = stored_expectations(self)
        made._compared = self._compared  # noqa: SLF001 - one of these too
        made.default_rules = self.default_rules | make_rules(exclude, match, collections)
        return made

    def use_extension(self, extension_class: object = None) -> StoredExpectation:  # noqa: ARG002
        """Refuse to keep expectations of databases in another form."""
        raise UsageError(
            "db_snapshot keeps expectations of databases in files of its own; for other values and"
            " extensions there is syrupy's own fixture, snapshot"
        )

    def __call__(
        self,
        *,
        name: object = None,
        exclude: Any = None,
        match: Any = None,
        collections: Any = None,
        **options: Any,
    ) -> StoredExpectation:
        """Set what the next comparison asks for, besides the defaults.

        `name` is in the name of the file; `exclude` are paths that are left out; `match` says for
        paths how values are compared (`within`, `unordered`, `by_value`, `same_type`, or any object
        that defines ==); `collections` says for a collection, or `*` for all others, what is
        compared: "exact", "contains" or "ignore". Raises UsageError for anything else.
        """
        if options:
            raise UsageError(
                f"db_snapshot takes name, exclude, match and collections, not {min(options)}"
            )
        super().__call__(name=None if name is None else str(name))
        self._rules = make_rules(exclude, match, collections)
        return self

    def __eq__(self, other: object) -> bool:
        """Compare what a test sees with the stored expectation."""
        rules, self._rules = self.default_rules | self._rules, Rules()
        return bool(super().__eq__(Asserted(other, rules)))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Say which file the last comparison was with."""
        return f"<expectation {_shown(self._last)}>" if self.executions else "<expectation>"

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
    def ambiguity(self) -> str | None:
        """Say that the last comparison was with the file of an earlier one, if it was."""
        if not self._is_again:
            return None
        return (
            f"this test has compared with {_shown(self._last)} before, and seen something else"
            " then; give each comparison a name of its own: db_snapshot(name=…)"
        )

    @property
    def problem(self) -> str | None:
        """Say what kept the last comparison from being made, if it is not a fault of ours."""
        return problem_of(self._last)


def problem_of(result: AssertionResult) -> str | None:
    """Say what kept a comparison from being made, if it is not a fault of ours."""
    problem, file = result.exception, Path(result.snapshot_location)
    if isinstance(problem, TaintedSnapshotError):
        problem = _damage(file)
    if isinstance(result.asserted_data, Written) and result.asserted_data.fault:
        problem = ExpectationError(result.asserted_data.fault)
    if isinstance(problem, ExpectationError):
        return f"{_shown(result)}: {problem}"
    if isinstance(problem, OSError):
        return (
            f"{_shown(result)}: {problem.strerror or problem}; let there be a file, or nothing,"
            " that can be read, and written with --snapshot-update"
        )
    return str(problem) if isinstance(problem, MongoshotError) else None


def _shown(result: AssertionResult) -> str:
    """Return where the file of a comparison is, from pytest's rootdir if it is there."""
    path = Path(result.snapshot_location)
    root = result.test_location.item.config.rootpath
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def stored_expectations(snapshot: SnapshotAssertion) -> StoredExpectation:
    """Make of syrupy's fixture one that keeps expectations of databases."""
    given = {each.name: getattr(snapshot, each.name) for each in fields(snapshot) if each.init}
    return StoredExpectation(**given | {"extension_class": ExpectationExtension})


def _damage(path: Path) -> ExpectationError | None:
    try:
        read_expectation(path)
    except ExpectationError as error:
        return error
    return None
