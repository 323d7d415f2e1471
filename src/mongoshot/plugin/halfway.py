"""Tests that ask for the database halfway, by `request.getfixturevalue`, as pytest-bdd's steps do.

What they ask for is not known when they are collected: they are staged when they do.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any

import pytest

from mongoshot.plugin import fixtures


def watch(session: pytest.Session) -> None:
    """Stage a test when one of our fixtures is asked for, and the test is not staged already."""
    # pytest has no public way: its hook does not tell of a fixture that an earlier test has made.
    # Where its own ways change, tests that are known when they are collected are staged all the
    # same.
    with contextlib.suppress(AttributeError):
        find: Any = session._fixturemanager.getfixturedefs  # noqa: SLF001
        for name in fixtures.STAGED_FIXTURES - {"staged"}:
            for definition in find(name, session) or ():
                if definition.func.__module__ == fixtures.__name__:
                    definition.execute = partial(_stage_and_execute, definition.execute)


def _stage_and_execute(execute: Any, request: Any) -> Any:
    item = request._pyfuncitem  # noqa: SLF001 - see above
    names = getattr(item, "fixturenames", None)
    if names is None:
        return execute(request)
    if {"staged", "_mongoshot_stage"}.isdisjoint(names):
        # First of all, as to stage asks for fixtures, too. A test that runs again begins with it.
        item.fixturenames = ["staged", *names, request.fixturename]
        item.funcargs["staged"] = item._request.getfixturevalue("staged")  # noqa: SLF001 - as above
    value = execute(request)
    if request.scope == "function" and request.fixturename not in names:
        item.funcargs[request.fixturename] = value  # where what is said of a test looks for it
    return value
