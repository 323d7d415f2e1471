"""Suites as they are written for other plugins, changed as docs/coming-from.md says, pass."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mongoshot.config import OPTIONS

Run = Callable[..., pytest.RunResult]

ROOT = Path(__file__).parents[2]


def section(name: str) -> str:
    page = (ROOT / "docs" / "coming-from.md").read_text(encoding="utf-8")
    [found] = re.findall(rf"^## {name}\n(.*?)(?=^## |\Z)", page, re.M | re.S)
    return str(found)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def write_files(directory: Path, text: str) -> None:
    """Write the samples that begin with the name of their file."""
    for language in ("python", "yaml", "ini"):
        for block in blocks(text, language):
            path = directory / block.splitlines()[0].removeprefix("# ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block, encoding="utf-8")


def test_pytest_mongodb(pytester: pytest.Pytester, run: Run) -> None:
    text = section("pytest-mongodb")
    write_files(pytester.path, text)
    [fixture] = blocks(text, "json")
    (pytester.path / "tests" / "unit" / "fixtures" / "championships.json").write_text(fixture)
    [console] = blocks(text, "console")
    [(typed, printed)] = re.findall(r"^\$ mongoshot (import .*)\n((?:[^$].*\n)+)", console, re.M)

    imported = pytester.run(sys.executable, "-m", "mongoshot", *typed.split())

    assert [*imported.errlines, *imported.outlines] == printed.splitlines()
    for arguments in ((), ("-n", "2"), ("--mongoshot-verify",)):
        run(*arguments).assert_outcomes(passed=3)


def test_its_tests_may_be_marked_otherwise(pytester: pytest.Pytester, run: Run) -> None:
    conftest = blocks(section("pytest-mongodb"), "python")[0]
    (pytester.path / "conftest.py").write_text(conftest)
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scenario("own")
        class TestOwn:
            def test_own(self, mongodb): ...

        def test_from_fixtures(mongodb): ...

        def test_without(): ...
        """
    )
    result = run()
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["*no scenario 'own' *", "*no scenario 'fixtures' *"])


def test_pytest_mongo(pytester: pytest.Pytester, server_url: str, inner_database: str) -> None:
    text = section("pytest-mongo")
    write_files(pytester.path, text)
    # A name of its own on the server that all tests share.
    for file in (pytester.path / "pytest.ini", pytester.path / "test_users.py"):
        named = file.read_text().replace("= test\n", f"= {inner_database}\n")
        file.write_text(named.replace('["test"]', f'["{inner_database}"]'))
    pytester.makepyfile(
        test_more="""
        import datetime

        def test_workers_take_the_name_from_db(mongodb, db):
            mongodb[db.name]["events"].insert_one({"at": datetime.datetime.now(datetime.UTC)})
            assert db.events.find_one()["at"].tzinfo is not None

        def test_address(mongo_client):
            host, port = mongo_client.address
        """
    )
    # tz_aware, and what else their options say, is in the URL.
    for _ in range(2):
        result = pytester.runpytest_subprocess("--db-url", f"{server_url}/?tz_aware=true")
        result.assert_outcomes(passed=4)


def test_pytest_scenarios(pytester: pytest.Pytester, run: Run) -> None:
    templates = pytester.mkdir("tests") / "templates"
    templates.mkdir()
    (templates / "customers.py").write_text('TEMPLATE = {"name": "Alice", "tags": []}\n')
    (pytester.path / "tests" / "test_customers.py").write_text(
        "from pytest_scenarios import ScenarioBuilder\n"
        "from pytest_scenarios.helpers import load_templates_from_path\n"
        "\n"
        "def test_two(scenario_builder: ScenarioBuilder, db, templates_path):\n"
        "    scenario_builder.create({'customers': [{'name': 'Bob'}, {}]})\n"
        "    assert {c['name'] for c in db.customers.find()} == {'Alice', 'Bob'}\n"
        "    assert list(load_templates_from_path(templates_path)) == ['customers']\n"
    )
    [console] = blocks(section("pytest-scenarios"), "console")
    [command] = re.findall(r"^\$ (grep .*)", console, re.M)
    subprocess.run(["sh", "-c", command], cwd=pytester.path, check=True)
    run().assert_outcomes(passed=1)


def test_the_page_names_options_that_there_are() -> None:
    ours = {option.key for option in OPTIONS}
    page = section("pytest-mongodb") + section("pytest-mongo")
    right = re.findall(r"^\|[^|]*\|([^|]*)\|$", page, re.M)
    named = set(re.findall(r"`(?:--)?([a-z]+-[a-z-]+)`", "".join(right)))
    assert named
    assert named <= ours
