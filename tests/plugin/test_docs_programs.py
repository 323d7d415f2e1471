"""The samples of the guides to coroutines, frameworks and containers are projects, and pass."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., pytest.RunResult]

ROOT = Path(__file__).parents[2]


def samples(page: str, language: str = "python") -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def write_files(project: Path, page: str) -> None:
    """Write the samples of a page into the files that their first lines name."""
    for sample in samples(page):
        path = project / sample.split("\n", 1)[0].removeprefix("# ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(sample, encoding="utf-8")


@pytest.fixture
def with_the_shop(pytester: pytest.Pytester) -> None:
    shutil.copytree(ROOT / "snapshots", pytester.path / "snapshots")


@pytest.mark.usefixtures("with_the_shop")
def test_the_page_of_coroutines(pytester: pytest.Pytester, run: Run) -> None:
    write_files(pytester.path, "async.md")
    plugins = ("-p", "asyncio", "-p", "anyio", "-o", "asyncio_default_fixture_loop_scope=function")

    run("-W", "error", *plugins, "--snapshot-update").assert_outcomes(passed=8)
    run("-W", "error", *plugins, "-n", "2").assert_outcomes(passed=8)


@pytest.mark.usefixtures("with_the_shop")
def test_the_page_of_frameworks(
    pytester: pytest.Pytester, server_url: str, inner_database: str
) -> None:
    for sample in samples("frameworks.md")[:2]:
        name = sample.split("\n", 1)[0].removeprefix("# ")
        (pytester.path / name).write_text(sample, encoding="utf-8")
    environment = {**os.environ, "DB_URL": server_url, "DB_NAME": inner_database}

    def python(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-W", "error", *arguments],
            cwd=pytester.path,
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        ).stdout

    assert python("-m", "unittest").endswith("OK\n")
    said = next(block for block in samples("frameworks.md", "console") if "check.py" in block)
    assert python("check.py") == said.split("\n", 1)[1]


#: What testcontainers offers of a container, where no container engine runs: the server is real.
STAND_IN = """
import types
from mongoshot.server.embedded.binary import find_mongod
from mongoshot.server.embedded.mongod import start_mongod

class MongoDbContainer:
    def __init__(self, image):
        assert image.startswith("mongo:")

    def with_command(self, command):
        self.command = command

    def start(self):
        self._configure()
        assert "--replSet rs0" in self.command
        self.server = start_mongod(find_mongod())
        return self

    def exec(self, command):
        assert command[0] == "mongosh"  # it is a primary already
        return types.SimpleNamespace(exit_code=0, output=b"")

    def get_container_host_ip(self):
        return "localhost"

    def get_exposed_port(self, port):
        assert port == 27017
        return self.server.port

    def stop(self):
        self.server.stop()
        print("the container was stopped")

    def __enter__(self):
        return self.start()

    def __exit__(self, *error):
        self.stop()
"""

TESTS = """
import asyncio
import pytest

@pytest.mark.scenario("shop", readonly=True)
def test_it_is_the_container(db, db_url, record_property):
    assert db_url.startswith("mongodb://localhost:") and db_url.endswith("directConnection=true")
    assert db.client.server_info()["ok"] == 1
    assert db.orders.count_documents({{}}) > 100

@pytest.mark.scenario("shop")
@pytest.mark.parametrize("time", [1, 2])
def test_it_is_put_right(db, async_db, db_changes, time):
    async def insert():
        await async_db.audit.insert_one({{"_id": time}})
    asyncio.run(insert())
    assert db_changes.inserted == {{"audit": [{{"_id": time}}]}}

def test_it_has_transactions(db):
    with db.client.start_session() as session, session.start_transaction():
        db.orders.insert_one({{}}, session=session)

def test_which(db_url, db_name):
    print("server", db_url, db_name)
"""


@pytest.fixture(params=["a stand-in", "a container"])
def containers(request: pytest.FixtureRequest, pytester: pytest.Pytester) -> None:
    if request.param == "a container":
        if not os.environ.get("MONGOSHOT_CONTAINERS"):
            pytest.skip("MONGOSHOT_CONTAINERS is not set: it says that a container engine runs")
    else:
        package = pytester.path / "testcontainers" / "community"
        package.mkdir(parents=True)
        (package.parent / "__init__.py").touch()
        (package / "__init__.py").touch()
        (package / "mongodb.py").write_text(STAND_IN, encoding="utf-8")


@pytest.mark.usefixtures("containers", "with_the_shop")
def test_the_samples_of_containers(pytester: pytest.Pytester) -> None:
    in_a_fixture, for_all_workers = samples("frameworks.md")[2:]
    pytester.makepyfile(test_one=TESTS.format(), test_two=TESTS.format())
    pytester.makeconftest(in_a_fixture)

    result = pytester.runpytest_subprocess("-s", "--mongoshot-verify")
    result.assert_outcomes(passed=10)
    assert len(set(re.findall(r"server (\S+) test_db", result.stdout.str()))) == 1
    pure = pytester.makepyfile(test_pure="def test_pure(): ...")
    result = pytester.runpytest_subprocess("-s", str(pure))
    result.stdout.no_fnmatch_line("*was stopped*")

    pytester.makeconftest(in_a_fixture.split("@pytest.fixture")[0] + for_all_workers)
    result = pytester.runpytest_subprocess("-n", "2", "-rP")
    result.assert_outcomes(passed=11)
    shared = set(re.findall(r"server (\S+) test_db_gw", result.stdout.str()))
    assert len(shared) == 1
