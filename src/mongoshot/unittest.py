"""Scenarios for `unittest`: a mixin, over the same stage as everywhere; pytest is not needed.

class PayingTest(ScenarioMixin, unittest.TestCase):
    scenario = "shop"

    def test_paying_marks_the_order(self):
        Checkout(self.db).pay("order_1")
        self.assertChanges(inserted={"payments": [{"_id": 1, "order": "order_1"}]})
"""

from __future__ import annotations

import functools
import inspect
import types
import unittest
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from mongoshot.errors import EventLoopError, MongoshotError, UsageError

if TYPE_CHECKING:
    from mongoshot.comparison.difference import Changes
    from mongoshot.server.asynchronous import AsyncDatabase
    from mongoshot.server.connection import Database
    from mongoshot.staging.stage import Stage
    from mongoshot.staging.staged import Staged

    _TestCase = unittest.TestCase
else:
    _TestCase = object

__all__ = ["ScenarioMixin", "stage", "starts_from"]

Result = TypeVar("Result")
Test = TypeVar("Test", bound=Callable[..., Any])

# Tells unittest to leave the lines of this module out of tracebacks.
__unittest = True

_NAMES = "_mongoshot_scenario"


def starts_from(*names: str) -> Callable[[Test], Test]:
    """Let one test start from other scenarios than its class says; none is an empty database."""

    def decorate(test: Test) -> Test:
        setattr(test, _NAMES, names)
        return test

    return decorate


def stage() -> Stage:
    """Return the stage that all test cases of this process share, opened where it was not yet.

    For programs that are started once for many tests: its `url` and, where they take one name for
    all tests, `share()`. Under pytest it is that of the run, within a test. Raises what
    `mongoshot.open_stage` does.
    """
    from mongoshot.staging.opening import common_stage

    return common_stage()


class ScenarioMixin(_TestCase):
    """Stage a scenario before each test of a `unittest.TestCase` that comes after it in the bases.

    `scenario` names one, or is a tuple of several that are laid over each other; the decorator
    `starts_from` names others for one test. The database is staged before `setUp`, whatever the
    last test did; what `setUp` and `asyncSetUp` write does not count as a change.
    """

    scenario: ClassVar[str | tuple[str, ...]] = ()

    # Tells the plugin to open the stage, and to leave the staging to this class.
    _mongoshot_stages_itself = True

    staged: Staged
    """The staged database of this test: `reset()`, `mark()`, `changes()`."""

    def __init_subclass__(cls, **others: Any) -> None:
        """Check the order of the bases: a test case that comes first would stage nothing."""
        super().__init_subclass__(**others)
        if issubclass(cls, unittest.TestCase):
            order = cls.__mro__
            if order.index(unittest.TestCase) < order.index(ScenarioMixin):
                raise UsageError(
                    f"ScenarioMixin comes before the test case in the bases of {cls.__name__}:"
                    f" class {cls.__name__}(ScenarioMixin, unittest.TestCase)"
                )

    def __init__(self, methodName: str = "runTest", **others: Any) -> None:  # noqa: N803 - unittest's
        """Put the staging before `setUp`, whether or not a test case calls that of its bases."""
        super().__init__(methodName, **others)
        self._set_up = self.setUp
        self.setUp = self._stage_and_set_up  # type: ignore[method-assign]
        if (test := getattr(self, methodName, None)) is not None:
            setattr(self, methodName, self._counted(test))

    def _stage_and_set_up(self) -> None:
        names = _brief(self._names)
        opened = _brief(stage)
        self.staged = _brief(lambda: opened.prepare(names, self.id(), counts=True))
        # A block would be left when an interrupted process ends, and its server is gone then.
        self.addCleanup(opened.finish, names)
        self._set_up()

    def _names(self) -> tuple[str, ...]:
        test = getattr(self, self._testMethodName)
        names = getattr(test, _NAMES, self.scenario)
        given = (names,) if isinstance(names, str) else names
        if not isinstance(given, tuple) or not all(isinstance(name, str) for name in given):
            raise UsageError(
                f'scenario of {self.id()} should be a name, "shop", or a tuple of names, and not'
                f" {names!r}"
            )
        return given

    def _counted(self, test: Callable[[], Any]) -> Callable[[], Any]:
        """Let changes count from the beginning of a test: what is set up is arranged.

        Returns a method, as unittest takes a plain function for a test that is no test case's.
        """
        if inspect.iscoroutinefunction(test):

            @functools.wraps(test)
            async def counted_coroutine(_case: ScenarioMixin) -> Any:
                _brief(self.staged.mark)
                try:
                    return await test()
                except EventLoopError as error:
                    raise error.with_traceback(None) from None

            return types.MethodType(counted_coroutine, self)

        @functools.wraps(test)
        def counted(_case: ScenarioMixin) -> Any:
            _brief(self.staged.mark)
            try:
                return test()
            except EventLoopError as error:
                raise error.with_traceback(None) from None

        return types.MethodType(counted, self)

    @property
    def db(self) -> Database:
        """Return the database of this test."""
        return self.staged.database

    @functools.cached_property
    def async_db(self) -> AsyncDatabase:
        """Return it for coroutines: PyMongo's `AsyncDatabase`, on the loop that first uses it."""
        from mongoshot.server.asynchronous import open_async

        if not (url := stage().url):
            raise UsageError(
                "self.async_db needs the URL of the server, which is not known where a fixture"
                " mongo_client of the project makes the client: override db_url in its place, or"
                " make an AsyncMongoClient in the test"
            )
        opened = open_async(self.staged.database, url)
        database = _brief(opened.__enter__)
        self.addCleanup(opened.__exit__, None, None, None)
        return database

    def changes(self) -> Changes:
        """Return what the test has changed so far; falsy where that is nothing."""
        return _brief(self.staged.changes)

    def assertChanges(  # noqa: N802 - unittest's way to write names
        self,
        *,
        inserted: Mapping[str, list[Any]] | None = None,
        updated: Mapping[str, list[Any]] | None = None,
        deleted: Mapping[str, list[Any]] | None = None,
    ) -> None:
        """Fail unless the test has inserted, updated and deleted these documents, and no others.

        Documents by collection, in any order, exactly as they are, types included; of updated ones
        pairs, before and after. `mongoshot.by_value`, and what decides by its own `==`, may stand
        for values.
        """
        from mongoshot.assertion.inline_report import explain_inline

        changes = self.changes()
        expected = {"inserted": inserted, "updated": updated, "deleted": deleted}
        lines: list[str] = []
        for section, wanted in expected.items():
            found = getattr(changes, section)
            if found != (wanted or {}):
                lines += explain_inline("==", found, wanted or {}) or [f"{section}: {found!r}"]
        if lines:
            self.fail("\n".join(["what the test has changed is not as expected:", *lines]))

    def assertNoChanges(self) -> None:  # noqa: N802 - unittest's way to write names
        """Fail if the test has changed anything: a document, a collection, an index, an option."""
        from mongoshot.assertion.changes import show_changes

        if changes := self.changes():
            self.fail(f"the test has changed the database:\n{show_changes(changes)}")


def _brief(call: Callable[[], Result]) -> Result:
    """Call, and let an error of ours say its one line, which says all, without the way to it."""
    try:
        return call()
    except MongoshotError as error:
        raise error.with_traceback(None) from None
