"""Errors of ours, as what a test fails with."""

from __future__ import annotations

import contextlib
import types
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_NOT_THE_TEST = frozenset(
    {"_pytest", "anyio", "asyncio", "contextlib", "mongoshot", "pluggy", "pymongo", "unittest"}
)


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Let an error of ours fail the test with its one line, which says all, and no traceback."""
    from mongoshot.errors import MongoshotError

    try:
        yield
    except MongoshotError as error:
        from mongoshot.comparison.printable import printable

        raise pytest.fail.Exception(printable(str(error)), pytrace=False) from None


def stages_itself(item: pytest.Item) -> bool:
    """Tell whether a test is one of `mongoshot.unittest`, and only wants the stage of the run."""
    return getattr(getattr(item, "cls", None), "_mongoshot_stages_itself", False) is True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show of an error that says all the lines of the test, and none of the way to it.

    That is a coroutine on the wrong event loop, and whatever a test case that stages itself meets.
    """
    from mongoshot.errors import EventLoopError, MongoshotError, ServerError, UsageError

    if call.excinfo is not None and isinstance(call.excinfo.value, ServerError | UsageError):
        _leave_out_the_way(call, call.excinfo.value)
    report = yield
    shortened = MongoshotError if stages_itself(item) else EventLoopError
    if call.excinfo is not None and isinstance(call.excinfo.value, shortened):
        from mongoshot.comparison.printable import printable

        call.excinfo.traceback = call.excinfo.traceback.filter(
            lambda entry: _is_of_the_test(entry.frame.raw)
        )
        if call.excinfo.traceback:
            report.longrepr = call.excinfo.getrepr(style="short", chain=False)
        else:
            report.longrepr = printable(str(call.excinfo.value))
    return report


def _leave_out_the_way(call: pytest.CallInfo[None], error: BaseException) -> None:
    """Show none of what lies between a test and the server: with --showlocals, URLs stand there."""
    met, way = [], error.__traceback__
    while way is not None:
        if _is_of_the_test(way.tb_frame):
            met.append(way)
        way = way.tb_next
    for each in reversed(met):
        way = types.TracebackType(way, each.tb_frame, each.tb_lasti, each.tb_lineno)
    if way is not None:
        # pytest goes back to what it was raised with, so that it has to be raised with less.
        error.__cause__, error.__suppress_context__ = None, True
        call.excinfo = pytest.ExceptionInfo.from_exception(error.with_traceback(way))


def _is_of_the_test(frame: types.FrameType) -> bool:
    name: str = frame.f_globals.get("__name__", "")
    return name.partition(".")[0] not in _NOT_THE_TEST
