"""A stage without pytest: a context manager, and unittest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.inner import without_plugins

from mongoshot import capture, open_stage
from mongoshot.errors import (
    DatabaseRefusedError,
    SnapshotNotFoundError,
    UnreachableError,
    UsageError,
)
from mongoshot.server.connection import Client, Database, connect

RunTests = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def name(mongo_client: Client) -> Iterator[str]:
    name = f"opened_{os.getpid()}"
    yield name
    for found in mongo_client.list_database_names():
        if found.startswith(name):
            mongo_client.drop_database(found)
    mongo_client["mongoshot"]["databases"].delete_many({"_id": {"$regex": f"^{name}"}})


@pytest.fixture
def project(make_database: Callable[[], Database], tmp_path: Path) -> Path:
    source = make_database()
    source["orders"].insert_many([{"_id": 1, "total": 5}, {"_id": 2, "total": 7}])
    capture(source, tmp_path / "snapshots" / "shop")
    source["orders"].delete_many({})
    source["coupons"].insert_one({"_id": "summer"})
    capture(source, tmp_path / "snapshots" / "coupons")
    return tmp_path


def test_a_stage_for_a_block(server_url: str, name: str, project: Path) -> None:
    with open_stage(server_url, name, "snapshots", root=project) as stage:
        assert stage.url == server_url
        for _ in range(2):
            with stage.scenario("shop") as staged:
                assert stage.database.name == staged.database.name
                assert staged.database["orders"].count_documents({}) == 2
                staged.database["orders"].delete_one({"_id": 1})
                assert staged.changes().deleted == {"orders": [{"_id": 1, "total": 5}]}
                staged.reset()
                assert not staged.changes()
                staged.database["orders"].delete_many({})
        with stage.scenario("shop", "coupons") as staged:
            assert set(staged.database.list_collection_names()) == {"orders", "coupons"}
        with stage.scenario() as staged:
            assert staged.database.list_collection_names() == []
        assert sum(map(len, stage.statistics.resets.values())) == 1


def test_options_are_decided_as_everywhere(
    server_url: str, name: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_URL", "mongodb://127.0.0.1:1")
    monkeypatch.setenv("DB_NAME", name)
    monkeypatch.chdir(project)
    with open_stage(server_url) as stage, stage.scenario("shop") as staged:
        assert staged.database.name.startswith(name)
    with pytest.raises(UsageError, match="--db-name is empty"), open_stage(server_url, ""):
        pass


def test_what_cannot_be_staged_is_said(
    server_url: str, name: str, project: Path, mongo_client: Client
) -> None:
    with open_stage(server_url, name, project / "snapshots") as stage:
        with pytest.raises(SnapshotNotFoundError, match="shop"), stage.scenario("shpo"):
            pass
        with stage.scenario("shop") as staged:
            assert staged.database["orders"].count_documents({}) == 2
    mongo_client[f"{name}_other"]["precious"].insert_one({})
    with pytest.raises(DatabaseRefusedError), open_stage(server_url, f"{name}_other"):
        pass


TESTS = """
import asyncio
import sys
import unittest

import mongoshot
from mongoshot.unittest import ScenarioMixin, starts_from

assert "pymongo" not in sys.modules


class OrdersTest(ScenarioMixin, unittest.TestCase):
    scenario = "shop"

    def setUp(self):
        assert self.db.orders.count_documents({}) == 2
        self.db.orders.insert_one({"_id": 3})

    def test_what_is_set_up_is_no_change(self):
        self.assertNoChanges()
        self.assertFalse(self.changes())
        self.db.orders.update_one({"_id": 1}, {"$set": {"total": 6}})
        self.db.orders.insert_one({"_id": 4})
        self.db.orders.delete_one({"_id": 3})
        self.assertChanges(
            inserted={"orders": [{"_id": 4}]},
            updated={"orders": [({"_id": 1, "total": 5}, {"_id": 1, "total": 6})]},
            deleted={"orders": [{"_id": 3}]},
        )
        self.assertChanges(
            inserted={"orders": mongoshot.by_value([{"_id": 4.0}])},
            updated={"orders": [({"_id": 1, "total": 5}, {"_id": 1, "total": 6})]},
            deleted={"orders": [{"_id": 3}]},
        )

    @starts_from("shop", "coupons")
    def test_others_for_one_test(self):
        self.assertEqual(set(self.db.list_collection_names()), {"orders", "coupons"})

    @unittest.skip("and not staged")
    def test_skipped(self): ...

    @unittest.expectedFailure
    def test_expected(self):
        self.db.orders.delete_many({})
        self.assertNoChanges()

    def test_for_coroutines(self):
        asyncio.run(insert(self.async_db))
        self.assertChanges(inserted={"orders": [{"_id": 9}]})


class AsyncTest(ScenarioMixin, unittest.IsolatedAsyncioTestCase):
    scenario = ("shop", "coupons")

    async def asyncSetUp(self):
        await self.async_db.coupons.delete_many({})

    async def test_coroutine(self):
        self.assertEqual(await self.async_db.orders.count_documents({}), 2)
        self.assertNoChanges()
        await insert(self.async_db)
        self.assertChanges(inserted={"orders": [{"_id": 9}]})

    async def test_starts_anew(self):
        self.assertEqual(self.async_db.name, self.db.name)
        self.assertEqual(await self.async_db.orders.count_documents({}), 2)


class EmptyTest(ScenarioMixin, unittest.TestCase):
    def test_empty(self):
        self.assertEqual(self.db.list_collection_names(), [])


async def insert(database):
    await database.orders.insert_one({"_id": 9})
"""


@pytest.fixture
def run_tests(project: Path, server_url: str, name: str) -> RunTests:
    def run(tests: str, *program: str, **environment: str) -> subprocess.CompletedProcess[str]:
        (project / "test_it.py").write_text(textwrap.dedent(tests), encoding="utf-8")
        given = {
            "DB_URL": server_url,
            "DB_NAME": name,
            "PYTEST_ADDOPTS": f"-p no:cacheprovider {without_plugins()}",
        }
        command = [sys.executable, "-X", "dev", "-W", "error", "-m", *(program or ("unittest",))]
        return subprocess.run(
            command,
            cwd=project,
            env={**os.environ, **given, **environment},
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )

    return run


def test_under_unittest_without_pytest(run_tests: RunTests) -> None:
    done = run_tests(
        TESTS
        + textwrap.dedent(
            """
            def load_tests(loader, tests, pattern):
                suite = unittest.TestSuite([tests, unittest.FunctionTestCase(no_pytest)])
                return suite

            def no_pytest():
                assert "pymongo" in sys.modules
                assert not {"pytest", "_pytest", "syrupy"} & set(sys.modules)
            """
        )
    )
    assert done.stdout.splitlines()[-1] == "OK (skipped=1, expected failures=1)", done.stdout
    assert "Warning" not in done.stdout


def test_under_pytest_on_the_stage_of_the_run(run_tests: RunTests, server_url: str) -> None:
    nowhere = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50"
    done = run_tests(TESTS, "pytest", "-n", "2", "--db-url", server_url, DB_URL=nowhere)
    assert "6 passed, 1 skipped, 1 xfailed" in done.stdout, done.stdout
    assert "mongoshot: " in done.stdout  # what staging has cost
    done = run_tests(TESTS, "pytest", DB_URL=nowhere)
    assert "\ncannot connect to mongodb://127.0.0.1:1" in done.stdout


def test_a_server_for_all_test_cases_that_ends_with_them(run_tests: RunTests) -> None:
    done = run_tests(
        """
        import os
        import unittest
        from mongoshot.unittest import ScenarioMixin, stage

        del os.environ["DB_URL"]

        class OneTest(ScenarioMixin, unittest.TestCase):
            scenario = "shop"

            def test_url(self):
                print("server", stage().url)
                self.db.orders.delete_many({})

        class OtherTest(OneTest): ...
        """
    )
    first, second = re.findall(r"server (\S+)", done.stdout)
    assert first == second
    with pytest.raises(UnreachableError):
        connect(f"{first}&serverSelectionTimeoutMS=100")


def test_the_second_test_does_not_wait_for_a_server_again(run_tests: RunTests) -> None:
    done = run_tests(
        """
        import unittest
        from mongoshot.unittest import ScenarioMixin

        class OneTest(ScenarioMixin, unittest.TestCase):
            def test_one(self): ...
            def test_two(self): ...
            def test_three(self): ...
        """,
        DB_URL="mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50",
    )
    said = "mongoshot.errors.UnreachableError: cannot connect to mongodb://127.0.0.1:1"
    assert done.stdout.count(said) == 3
    assert "FAILED (errors=3)" in done.stdout


def test_failures_say_what_is_wrong_and_no_more(run_tests: RunTests) -> None:
    done = run_tests(
        """
        import asyncio
        import unittest
        from mongoshot.unittest import ScenarioMixin, starts_from

        class WrongTest(ScenarioMixin, unittest.TestCase):
            scenario = "shop"

            @starts_from("shpo")
            def test_unknown(self): ...

            @starts_from(1)
            def test_no_name(self): ...

            def test_changed(self):
                self.db.orders.insert_one({"_id": 3, "total": 1})
                self.assertChanges(inserted={"orders": [{"_id": 3, "total": 2}]})

            def test_changed_at_all(self):
                self.db.create_collection("stray")
                self.assertNoChanges()

            def test_loop(self):
                asyncio.run(self.find())
                asyncio.run(self.find())

            def test_next_is_clean(self):
                self.assertNoChanges()

            async def find(self):
                await self.async_db.orders.find_one()
        """
    )
    said = done.stdout
    assert "Ran 6 tests" in said
    assert "FAILED (failures=2, errors=3)" in said
    assert "mongoshot.errors.SnapshotNotFoundError: " in said
    assert "should be a name" in said
    assert "orders: 1 inserted, 1 expected: 1 otherwise" in said
    assert "total  expected 2, is 1" in said
    assert "stray" in said
    assert "which is closed by now" in said
    assert "/mongoshot/" not in said  # the way through the library
    assert "pymongo" not in said


def test_one_test_by_its_name(run_tests: RunTests) -> None:
    names = ["test_it.OrdersTest.test_others_for_one_test", "test_it.AsyncTest.test_coroutine"]
    done = run_tests(TESTS, "unittest", *names)
    assert done.stdout.splitlines()[-1] == "OK", done.stdout
    assert "Ran 2 tests" in done.stdout


def test_an_interrupted_process_says_nothing_else(run_tests: RunTests) -> None:
    done = run_tests(
        """
        import os
        import unittest
        from mongoshot.unittest import ScenarioMixin

        del os.environ["DB_URL"]

        class OneTest(ScenarioMixin, unittest.TestCase):
            def test_interrupted(self):
                raise KeyboardInterrupt
        """
    )
    assert done.stdout.rstrip().endswith("KeyboardInterrupt"), done.stdout


def test_a_class_that_is_skipped_needs_no_server_under_pytest(run_tests: RunTests) -> None:
    done = run_tests(
        """
        import unittest
        from mongoshot.unittest import ScenarioMixin

        @unittest.skip("not here")
        class SkippedTest(ScenarioMixin, unittest.TestCase):
            def test_one(self): ...
        """,
        "pytest",
        DB_URL="mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50",
    )
    assert "= 1 skipped in " in done.stdout, done.stdout


def test_what_cannot_be_staged_is_one_line_under_pytest(run_tests: RunTests) -> None:
    done = run_tests(
        """
        import unittest
        from mongoshot.unittest import ScenarioMixin

        class WrongTest(ScenarioMixin, unittest.TestCase):
            scenario = "shpo"

            def test_unknown(self): ...

        class LaterTest(ScenarioMixin, unittest.TestCase):
            scenario = "shop"

            def test_another(self):
                self.db.client.close()
                self.changes()
        """,
        "pytest",
    )
    lines = done.stdout.splitlines()
    at = next(n for n, line in enumerate(lines) if "_ WrongTest.test_unknown _" in line)
    assert lines[at + 1].startswith("no scenario 'shpo' in "), done.stdout
    assert lines[at + 2].startswith("_"), done.stdout
    at = next(n for n, line in enumerate(lines) if "_ LaterTest.test_another _" in line)
    assert lines[at + 1].endswith(": in test_another"), done.stdout
    assert lines[at + 2] == "    self.changes()"
    assert lines[at + 3].startswith("E   mongoshot.errors.ServerError: cannot read the oplog ")


def test_the_mixin_comes_first(run_tests: RunTests) -> None:
    done = run_tests(
        """
        import unittest
        from mongoshot.unittest import ScenarioMixin

        class OneTest(unittest.TestCase, ScenarioMixin):
            def test_one(self): ...
        """
    )
    said = (
        "mongoshot.errors.UsageError: ScenarioMixin comes before the test case in the bases of"
        " OneTest: class OneTest(ScenarioMixin, unittest.TestCase)\n"
    )
    assert said in done.stdout
