from __future__ import annotations

import importlib.machinery
import importlib.util
import platform
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mongoshot.errors import MongodNotFoundError
from mongoshot.server.embedded.binary import find_mongod

if TYPE_CHECKING:
    from pathlib import Path

NAME = "mongod.exe" if sys.platform == "win32" else "mongod"


def make_executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def install_wheel(monkeypatch: pytest.MonkeyPatch, *locations: Path) -> None:
    """Let `fiftyone` be a namespace package in these places; none: not installed."""
    spec = None
    if locations:
        spec = importlib.machinery.ModuleSpec("fiftyone", None, is_package=True)
        spec.submodule_search_locations = [str(location) for location in locations]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    mongod = make_executable(tmp_path / "on path" / NAME)
    monkeypatch.setenv("PATH", str(mongod.parent))
    return mongod


@pytest.fixture
def in_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install_wheel(monkeypatch, tmp_path / "fiftyone")
    return make_executable(tmp_path / "fiftyone" / "db" / "bin" / NAME)


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_wheel(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_the_configured_one_comes_first(tmp_path: Path, in_wheel: Path, on_path: Path) -> None:
    mine = make_executable(tmp_path / "mine" / "mongod-7")
    assert find_mongod(mine) == mine
    assert find_mongod(str(mine)) == mine


def test_the_wheel_comes_before_path(in_wheel: Path, on_path: Path) -> None:
    assert find_mongod() == in_wheel


def test_path_comes_last(on_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_wheel(monkeypatch)
    assert find_mongod() == on_path


def test_a_wheel_without_a_mongod_is_passed_by(
    tmp_path: Path, on_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_wheel(monkeypatch, tmp_path / "fiftyone")
    assert find_mongod() == on_path


def test_a_relative_configured_path_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = make_executable(tmp_path / "mongod-7")
    monkeypatch.chdir(tmp_path)
    assert find_mongod("mongod-7") == mine


def test_a_configured_path_without_a_file_is_an_error_at_once(
    tmp_path: Path, in_wheel: Path, on_path: Path
) -> None:
    with pytest.raises(MongodNotFoundError, match="there is no such file") as caught:
        find_mongod(tmp_path / "misspelled")
    assert str(tmp_path / "misspelled") in str(caught.value)


def test_a_configured_path_that_is_not_executable_is_an_error(tmp_path: Path) -> None:
    mongod = make_executable(tmp_path / NAME)
    mongod.chmod(0o644)
    with pytest.raises(MongodNotFoundError, match="it is not executable"):
        find_mongod(mongod)
    with pytest.raises(MongodNotFoundError, match="it is a directory"):
        find_mongod(tmp_path)


@pytest.mark.usefixtures("nowhere")
def test_none_found_names_every_place_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MongodNotFoundError) as caught:
        find_mongod()
    message = str(caught.value)
    assert "no path is configured" in message
    assert "in the mongod extra: not installed" in message
    assert str(tmp_path / "bin") in message
    assert "--db-url" in message
    assert "\n" not in message


@pytest.mark.usefixtures("nowhere")
def test_a_mongod_in_the_wheel_that_is_not_executable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_wheel(monkeypatch, tmp_path / "fiftyone")
    mongod = make_executable(tmp_path / "fiftyone" / "db" / "bin" / NAME)
    mongod.chmod(0o644)
    with pytest.raises(MongodNotFoundError) as caught:
        find_mongod()
    assert f"{mongod} (it is not executable)" in str(caught.value)


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    ("system", "machine", "advice"),
    [
        ("linux", "x86_64", "pip install 'mongoshot[mongod]'"),
        ("linux", "aarch64", "https://www.mongodb.com/try/download/community"),
        ("darwin", "x86_64", "https://www.mongodb.com/try/download/community"),
    ],
)
def test_the_advice_fits_the_platform(
    system: str, machine: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(MongodNotFoundError) as caught:
        find_mongod()
    assert advice in str(caught.value)


def test_nothing_of_the_wheel_is_imported() -> None:
    program = (
        "import sys, mongoshot.server.embedded.mongod\n"
        "from mongoshot.server.embedded.binary import find_mongod\n"
        "find_mongod(sys.executable)\n"
        "from contextlib import suppress\n"
        "with suppress(Exception): find_mongod()\n"
        "print(sorted({'fiftyone', 'pymongo', 'psutil', 'filelock'} & set(sys.modules)))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
