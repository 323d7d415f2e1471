"""The first screen of the README is a program, and what it prints is what it prints."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mongoshot import Snapshot, restore
from mongoshot.server.connection import Client

Run = Callable[..., pytest.RunResult]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)
    return found


@pytest.fixture
def dev_database(mongo_client: Client, inner_database: str) -> str:
    """Give a dev database with the shop in it."""
    name = f"{inner_database}_dev"
    restore(Snapshot.load(ROOT / "snapshots" / "shop"), mongo_client[name])
    return name


def test_the_three_steps(
    pytester: pytest.Pytester, run: Run, server_url: str, dev_database: str
) -> None:
    capture, first, wrong = [block for block in blocks("console") if "make" not in block][:3]
    command, output = capture.splitlines()
    assert command.startswith("$ mongoshot capture checkout --db-url")
    where = ("--db-url", server_url, "--db-name", dev_database)
    captured = pytester.run(sys.executable, "-m", "mongoshot", "capture", "checkout", *where)
    assert captured.outlines == [output.replace(" shop:", f" {dev_database}:")]

    shutil.copytree(ROOT / "examples" / "checkout" / "src" / "checkout", pytester.path / "checkout")
    pytester.makepyfile(test_payment=blocks("python")[0])
    missing, recorded, passed = re.split(r"^\$ pytest.*\n", first, flags=re.M)[1:]

    assert_shown(run(), missing)
    assert_shown(run("--snapshot-update"), recorded)
    assert_shown(run(), passed)
    expectation = "__expectations__/test_payment/test_paying_marks_the_order.json"
    assert f"`{expectation}`" in README
    assert blocks("json")[0] in (pytester.path / expectation).read_text(encoding="utf-8")

    service = pytester.path / "checkout" / "service.py"
    code = service.read_text(encoding="utf-8")
    bug = code.replace('"paid", now, session', '"shipped", now, session')
    assert bug != code
    service.write_text(bug, encoding="utf-8")
    assert_shown(run(), wrong.removeprefix("$ pytest\n"))

    [review] = [block for block in blocks("console") if "mongoshot pending" in block]
    for typed in re.split(r"^\$ mongoshot ", review, flags=re.M)[1:]:
        words, shown = typed.split("\n", 1)
        done = pytester.run(sys.executable, "-m", "mongoshot", *words.split())
        assert done.outlines == shown.splitlines()
    run().assert_outcomes(passed=1)


def assert_shown(result: pytest.RunResult, expected: str) -> None:
    lines = [line for line in expected.splitlines() if line != "..."]
    assert lines
    for line in lines:
        assert any(found.rstrip() == line for found in result.outlines), line


def test_the_python_functions(
    mongo_client: Client,
    dev_database: str,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(pytester.path)
    code = blocks("python")[1].replace('"shop"', f'"{dev_database}"')
    code = code.replace('"shop_test"', f'"{dev_database}_test"')
    names: dict[str, Any] = {"client": mongo_client}

    exec(code, names)

    assert "orders  1 deleted" in capsys.readouterr().out
    assert not names["difference"]
