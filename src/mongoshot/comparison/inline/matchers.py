"""What a test says where "exactly the same" is too much to ask, inline and by path.

assert db_changes.inserted["orders"] == [{"_id": ANY, "tags": unordered(["new", "paid"])}]
assert db_changes == db_snapshot(match={"orders.tags": unordered, "orders.total": within(0.01)})
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mongoshot.comparison.documents import Value
from mongoshot.comparison.inline.expected import ByValue, Unordered
from mongoshot.comparison.sameness import (
    Rule,
    SameType,
    Tolerance,
    Within,
    same_by_value,
    same_unordered,
)

__all__ = ["Rule", "by_value", "same_type", "unordered", "within"]


class _UnorderedRule(Rule):
    """Let the elements of an array be in any order, one to one.

    `unordered([…])` stands for such an array in an inline expectation; `unordered` itself is a rule
    for a path of a stored one.
    """

    def __call__(self, items: Iterable[object]) -> Unordered:
        """Expect these elements; raises UsageError for what is no list or the like."""
        return Unordered(items)

    def same(self, expected: Value, actual: Value) -> bool:
        """Tell whether two arrays have the same elements; other values have to be the same."""
        return same_unordered(expected, actual)

    def __repr__(self) -> str:
        return "unordered"


class _ByValueRule(Rule):
    """Let numbers be of another type and fields in another order, at all depths.

    5 equals Int64(5), 5.0 and Decimal128("5"), and not True. `by_value(…)` stands for such a value
    in an inline expectation; `by_value` itself is a rule for a path of a stored one.
    """

    def __call__(self, expected: object) -> ByValue:
        """Expect what is equal to this."""
        return ByValue(expected)

    def same(self, expected: Value, actual: Value) -> bool:
        """Tell whether two values are equal; NaN equals NaN."""
        return same_by_value(expected, actual)

    def __repr__(self) -> str:
        return "by_value"


unordered: Final = _UnorderedRule()
by_value: Final = _ByValueRule()
same_type: Final = SameType()


def within(tolerance: Tolerance) -> Within:
    """Let numbers of one type, or dates, be off by a tolerance: a number, or a timedelta.

    A rule for a path of a stored expectation; inline there is pytest.approx. Raises UsageError for
    a tolerance that is negative, not finite, or neither.
    """
    return Within(tolerance)
