"""The marker `scenario`: what a test starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from mongoshot.plugin.errors import one_line

if TYPE_CHECKING:
    from mongoshot.config import RecordMode

NAME = "scenario"

HELP = (
    "scenario(*names, readonly=False, at=None, record=MODE, source_url=URL, source_name=DB): stage"
    " the database from these scenarios before the test, laid over each other in order; the nearest"
    " of function, class and module counts; with readonly=True a test that changes anything fails;"
    " at=3 is a recording as it was at its third step; the others count before the options"
)

_SOURCE = ("source_url", "source_name")


@dataclass(frozen=True, slots=True)
class ScenarioMark:
    """Say what a test starts from: `names` laid over each other; none is an empty database.

    A step of a recording stands behind its name, `import@3`. `readonly` says that the test must
    not change anything; the others, where they are not None, count before the options of these
    names.
    """

    names: tuple[str, ...] = ()
    readonly: bool = False
    record: RecordMode | None = None
    source_url: str | None = None
    source_name: str | None = None


def read_mark(item: pytest.Item) -> ScenarioMark:
    """Read the nearest marker of a test; fail the test where it says what no marker may say."""
    marker = item.get_closest_marker(NAME)
    if marker is None:
        return ScenarioMark()
    names: tuple[str, ...] = marker.args
    named = bool(names) and all(isinstance(name, str) for name in names)
    if not named or marker.kwargs.keys() - {"readonly", "at", "record", *_SOURCE}:
        pytest.fail(
            "the marker scenario takes one or more names of scenarios, each a string, and"
            " readonly, at, record, source_url and source_name:"
            ' @pytest.mark.scenario("shop", readonly=True)',
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
    url, database = (_text(marker, key) for key in _SOURCE)
    readonly = bool(marker.kwargs.get("readonly"))
    return ScenarioMark(asked_names(item), readonly, _record(marker), url, database)


def asked_names(item: pytest.Item) -> tuple[str, ...]:
    """Return what a test starts from, whether or not its marker may say so."""
    marker = item.get_closest_marker(NAME)
    if marker is None:
        return ()
    names, at = tuple(map(str, marker.args)), marker.kwargs.get("at")
    return names if at is None else (*names[:-1], f"{names[-1] if names else ''}@{at}")


def _record(marker: pytest.Mark) -> RecordMode | None:
    if (mode := marker.kwargs.get("record")) is None:
        return None
    from mongoshot.config import record_mode

    with one_line():
        return record_mode("record in the marker scenario", mode)


def _text(marker: pytest.Mark, key: str) -> str | None:
    value = marker.kwargs.get(key)
    if value is None or (isinstance(value, str) and value):
        return value
    pytest.fail(f"{key} in the marker scenario should be a string that is not empty", pytrace=False)


def is_readonly(item: pytest.Item) -> bool:
    """Tell whether a test is marked as one that changes nothing."""
    marker = item.get_closest_marker(NAME)
    return bool(marker and marker.kwargs.get("readonly"))
