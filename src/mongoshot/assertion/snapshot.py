"""The fixture `db_snapshot`: stored expectations, and the rules that they are compared under."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from syrupy.assertion import SnapshotAssertion as SnapshotAssertion

from mongoshot.assertion.extension import ExpectationExtension
from mongoshot.assertion.written import Asserted
from mongoshot.comparison.expectation.rules import Rules, make_rules
from mongoshot.errors import UsageError

_OPTIONS = frozenset({"name"})


class DatabaseSnapshot(SnapshotAssertion):
    """Be the stored expectation of each assertion of a test; `--snapshot-update` records it."""

    #: What each assertion asks for, and what the next one does besides.
    default_rules = Rules()
    _rules = Rules()

    def __call__(
        self, *, exclude: Any = None, match: Any = None, collections: Any = None, **options: Any
    ) -> DatabaseSnapshot:
        """Set what this one assertion asks for, besides the defaults.

        `name` names the expectation; `exclude` are paths that are left out; `match` says for paths
        how values are compared (`within`, `unordered`, `by_value`, `same_type`, or any object that
        defines ==); `collections` says for a collection, or `*`, what is compared: "exact",
        "contains" or "ignore". Raises UsageError for anything else.
        """
        if unknown := options.keys() - _OPTIONS:
            raise UsageError(
                f"db_snapshot takes name, exclude, match and collections, not {min(unknown)}"
            )
        super().__call__(**options)
        self._rules = make_rules(exclude, match, collections)
        return self

    def with_defaults(  # type: ignore[override]  # syrupy's are about other values
        self, *, exclude: Any = None, match: Any = None, collections: Any = None
    ) -> DatabaseSnapshot:
        """Make a fixture of which each assertion asks for this, besides the defaults of this one.

        Its assertions are counted from the first again. Raises UsageError as a call does.
        """
        made = database_snapshot(self)
        made.default_rules = self.default_rules | make_rules(exclude, match, collections)
        return made

    def __eq__(self, other: object) -> bool:
        """Compare what a test sees with the stored expectation."""
        rules, self._rules = self.default_rules | self._rules, Rules()
        return bool(super().__eq__(Asserted(other, rules)))

    __hash__ = None  # type: ignore[assignment]


def database_snapshot(snapshot: SnapshotAssertion) -> DatabaseSnapshot:
    """Turn syrupy's fixture into one that keeps database expectations."""
    given = {each.name: getattr(snapshot, each.name) for each in fields(snapshot) if each.init}
    return DatabaseSnapshot(**given | {"extension_class": ExpectationExtension})
