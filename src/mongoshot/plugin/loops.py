"""What the plugin knows of event loops: which one `async_db` works on, and what to say else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

_NOT_THE_TEST = frozenset({"_pytest", "anyio", "asyncio", "mongoshot", "pluggy", "pymongo"})


def check_backend(request: pytest.FixtureRequest) -> None:
    """Fail a test that anyio runs on another event loop than asyncio's."""
    if "anyio_backend" not in request.fixturenames:
        return
    given = request.getfixturevalue("anyio_backend")
    backend = given if isinstance(given, str) else given[0]
    if backend != "asyncio":
        pytest.fail(
            f"async_db cannot be used under {backend}: PyMongo's asynchronous client runs on"
            ' asyncio alone; let the fixture anyio_backend return "asyncio", or take db',
            pytrace=False,
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show of a coroutine on the wrong event loop the lines of the test, and none of the driver."""
    from mongoshot.errors import EventLoopError

    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, EventLoopError):
        call.excinfo.traceback = call.excinfo.traceback.filter(_is_of_the_test)
        report.longrepr = call.excinfo.getrepr(style="short")
    return report


def _is_of_the_test(entry: Any) -> bool:
    name: str = entry.frame.f_globals.get("__name__", "")
    return name.partition(".")[0] not in _NOT_THE_TEST
