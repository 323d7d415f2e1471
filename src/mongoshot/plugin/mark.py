"""The marker `scenario`: what a test starts from."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

NAME = "scenario"

HELP = (
    "scenario(*names, readonly=False): stage the database from these scenarios before the test,"
    " laid over each other in order; the nearest of function, class and module counts; with"
    " readonly=True a test that changes anything fails"
)


@dataclass(frozen=True, slots=True)
class ScenarioMark:
    """Say what a test starts from: `names` laid over each other; none is an empty database.

    `readonly` says that the test must not change anything.
    """

    names: tuple[str, ...] = ()
    readonly: bool = False


def read_mark(item: pytest.Item) -> ScenarioMark:
    """Read the nearest marker of a test; fail the test where it says what no marker may say."""
    marker = item.get_closest_marker(NAME)
    if marker is None:
        return ScenarioMark()
    named = bool(marker.args) and all(isinstance(name, str) for name in marker.args)
    if not named or marker.kwargs.keys() - {"readonly"}:
        pytest.fail(
            "the marker scenario takes one or more names of scenarios, each a string, and"
            ' readonly: @pytest.mark.scenario("shop", readonly=True)',
            pytrace=False,
        )
    return ScenarioMark(marker.args, bool(marker.kwargs.get("readonly")))


def is_readonly(item: pytest.Item) -> bool:
    """Tell whether a test is marked as one that changes nothing."""
    marker = item.get_closest_marker(NAME)
    return bool(marker and marker.kwargs.get("readonly"))
