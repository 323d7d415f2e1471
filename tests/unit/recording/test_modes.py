"""Which of flag, ini key, environment and marker counts, here and in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from mongoshot.config import RecordMode, Settings, resolve
from mongoshot.recording.modes import Place, decide

HERE, TYPED_IN_CI, IN_CI = Place(), Place("CI", typed=True), Place("BUILD_NUMBER")


def settings(mode: str | None, tmp_path: Path) -> Settings:
    return resolve({}, root=tmp_path, environment={}, ini={"scenario-record": mode})


@pytest.mark.parametrize(
    ("place", "option", "marker", "expected"),
    [
        (HERE, None, None, "none"),
        (HERE, "once", None, "once"),
        (HERE, "once", "rewrite", "rewrite"),
        (HERE, "rewrite", "none", "none"),
        (IN_CI, None, None, "none"),
        (IN_CI, "once", None, "none"),
        (IN_CI, None, "rewrite", "none"),
        (TYPED_IN_CI, "once", None, "once"),
        (TYPED_IN_CI, "once", "rewrite", "once"),
        (TYPED_IN_CI, "once", "none", "none"),
    ],
)
def test_the_mode(
    tmp_path: Path,
    place: Place,
    option: str | None,
    marker: RecordMode | None,
    expected: RecordMode,
) -> None:
    assert decide(settings(option, tmp_path), place, record=marker).mode == expected


@pytest.mark.parametrize(
    ("place", "option", "marker", "said"),
    [
        (HERE, "once", "rewrite", ""),
        (IN_CI, None, None, ""),
        (IN_CI, None, "none", ""),
        (IN_CI, "once", "none", ""),
        (IN_CI, "once", None, "the ini key scenario-record says once, which"),
        (IN_CI, "once", "rewrite", "the marker says rewrite, which"),
        (TYPED_IN_CI, "once", None, ""),
    ],
)
def test_what_does_not_count_is_said(
    tmp_path: Path, place: Place, option: str | None, marker: RecordMode | None, said: str
) -> None:
    ignored = decide(settings(option, tmp_path), place, record=marker).ignored
    assert ignored.startswith(said)
    assert bool(ignored) == bool(said)
    if said:
        assert "(BUILD_NUMBER is set): there, only --scenario-record on the command" in ignored


def test_a_marker_may_name_the_source(tmp_path: Path) -> None:
    told = resolve(
        {"scenario-source-url": "mongodb://dev"},
        root=tmp_path,
        environment={"SCENARIO_SOURCE_NAME": "shop"},
    )
    wish = decide(told, HERE)
    assert (wish.url, wish.name) == ("mongodb://dev", "shop")
    wish = decide(told, HERE, name="other")
    assert (wish.url, wish.name) == ("mongodb://dev", "other")
    wish = decide(told, HERE, url="mongodb://far")
    assert (wish.url, wish.name) == ("mongodb://far", "shop")
