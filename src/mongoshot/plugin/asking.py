"""Fixtures that a test asks for while it runs, by `request.getfixturevalue` or `getfixture`."""

from __future__ import annotations

from functools import wraps
from typing import Any

import pytest


def stage_when_asked(config: pytest.Config, fixtures: frozenset[str]) -> None:
    """Let a test that asks for one of these on its way have its database staged at that moment.

    What a signature names is seen when the test is collected. Of what is asked for later pytest
    tells nobody, once a fixture of the session's is there; so its method is another while this run
    lasts.
    """
    ask = pytest.FixtureRequest.getfixturevalue

    @wraps(ask)
    def staging(request: pytest.FixtureRequest, argname: str) -> Any:
        if argname in fixtures and request.scope == "function":
            item = request.node
            names: list[str] = getattr(item, "fixturenames", ["staged"])
            if "staged" not in names:
                # A list of its own: that of a function is shared by all its parameters.
                item.fixturenames = [*names, "staged", argname]
                ask(request, "staged")
        return ask(request, argname)

    pytest.FixtureRequest.getfixturevalue = staging  # type: ignore[method-assign, assignment]
    config.add_cleanup(lambda: setattr(pytest.FixtureRequest, "getfixturevalue", ask))
