"""The marker `scenario`: what a test starts from."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

NAME = "scenario"

HELP = (
    "scenario(*names, readonly=False, at=None): stage the database from these scenarios before the"
    " test, laid over each other in order; the nearest of function, class and module counts; with"
    " readonly=True a test that changes anything fails; at=3 is a recording as it was at its third"
    " step"
)


@dataclass(frozen=True, slots=True)
class ScenarioMark:
    """Say what a test starts from: `names` laid over each other; none is an empty database.

    A step of a recording stands behind its name, `import@3`. `readonly` says that the test must
    not change anything.
    """

    names: tuple[str, ...] = ()
    readonly: bool = False


def read_mark(item: pytest.Item) -> ScenarioMark:
    """Read the nearest marker of a test; fail the test where it says what no marker may say."""
    marker = item.get_closest_marker(NAME)
    if marker is None:
        return ScenarioMark()
    names: tuple[str, ...] = marker.args
    named = bool(names) and all(isinstance(name, str) for name in names)
    if not named or marker.kwargs.keys() - {"readonly", "at"}:
        pytest.fail(
            "the marker scenario takes one or more names of scenarios, each a string, and readonly"
            ' or at: @pytest.mark.scenario("shop", readonly=True)',
            pytrace=False,
        )
    at = marker.kwargs.get("at")
    if at is not None and (type(at) is not int or len(names) != 1):
        pytest.fail(
            "at is a step of one recording, a whole number:"
            ' @pytest.mark.scenario("import", at=3); among several scenarios, write it behind the'
            ' name: @pytest.mark.scenario("import@3", "extras")',
            pytrace=False,
        )
    return ScenarioMark(asked_names(item), bool(marker.kwargs.get("readonly")))


def asked_names(item: pytest.Item) -> tuple[str, ...]:
    """Return what a test starts from, whether or not its marker may say so."""
    marker = item.get_closest_marker(NAME)
    if marker is None:
        return ()
    names, at = tuple(map(str, marker.args)), marker.kwargs.get("at")
    return names if at is None else (*names[:-1], f"{names[-1] if names else ''}@{at}")


def is_readonly(item: pytest.Item) -> bool:
    """Tell whether a test is marked as one that changes nothing."""
    marker = item.get_closest_marker(NAME)
    return bool(marker and marker.kwargs.get("readonly"))
