"""Tests start from their scenario, whatever the last one did."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mongoshot.server.connection import Client

Run = Callable[..., pytest.RunResult]


@pytest.mark.usefixtures("shop")
def test_each_test_starts_from_its_scenario(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.scenario("shop")

        @pytest.mark.parametrize("time", [1, 2, 3])
        def test_spoils_everything(db, time):
            assert db.orders.find_one({"_id": 1}) == {"_id": 1, "status": "open", "total": 5}
            assert list(db.orders.index_information()) == ["_id_", "status_1"]
            assert set(db.list_collection_names()) == {"orders"}
            db.orders.update_many({}, {"$set": {"status": "spoilt"}})
            db.orders.drop_index("status_1")
            db.stray.insert_one({})

        class TestNearestMarker:
            @pytest.mark.scenario("shop", "extras")
            def test_names_are_laid_over_each_other(self, db):
                assert db.orders.find_one({"_id": 1})["total"] == 6
                assert db.coupons.count_documents({}) == 1

            def test_class_and_module(self, db):
                assert db.orders.find_one({"_id": 1})["total"] == 5
                assert "coupons" not in db.list_collection_names()

        def test_marked_and_no_fixture(mongo_client, request):
            name = request.config.getoption("--db-name")
            assert mongo_client[name].orders.count_documents({}) == 2
        """
    )
    run("--mongoshot-verify").assert_outcomes(passed=6)
    run("-p", "no:randomly").assert_outcomes(passed=6)  # on what the first run left


@pytest.mark.usefixtures("shop")
def test_without_a_scenario_the_database_is_empty(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def order(db):
            return db.orders.insert_one({"_id": 9}).inserted_id

        def test_first(db, order):
            assert db.orders.count_documents({}) == 1

        def test_second(order, db_changes):
            assert not db_changes

        @pytest.mark.scenario("shop")
        def test_third(db):
            assert db.orders.count_documents({}) == 2

        def test_fourth(db):
            assert not [c for c in db.list_collections() if c["name"] != "system.views"]
        """
    )
    run().assert_outcomes(passed=4)


def test_a_suite_that_needs_no_server_needs_none(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_pure="""
        import sys
        import unittest

        def test_function():
            assert "pymongo" not in sys.modules

        class TestCase(unittest.TestCase):
            def test_method(self):
                assert "pymongo" not in sys.modules
        """
    )
    pytester.makefile(".txt", test_doc=">>> 1 + 1\n2\n")
    nowhere = ("--db-url", "mongodb://127.0.0.1:1")
    pytester.runpytest_subprocess(*nowhere).assert_outcomes(passed=3)


def test_an_unreachable_server_is_one_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one(db): ...\ndef test_two(db): ...\ndef test_pure(): ...")

    result = pytester.runpytest_subprocess("--db-url", "mongodb://me:s3cret@127.0.0.1:1")

    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["*cannot connect to mongodb://me:?*@127.0.0.1:1: *--db-url*"])
    result.stdout.no_fnmatch_line("*s3cret*")
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.usefixtures("shop")
def test_an_unknown_scenario_is_one_line_at_its_test(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scenario("shpo")
        def test_misspelt(db): ...

        @pytest.mark.scenario(name="shop")
        def test_keyword(db): ...

        @pytest.mark.scenario("shop", read_only=True)
        def test_misspelt_keyword(db): ...

        @pytest.mark.scenario("shop")
        def test_right(db):
            assert db.orders.count_documents({}) == 2
        """
    )
    result = run()
    result.assert_outcomes(passed=1, errors=3)
    result.stdout.fnmatch_lines(
        ["*no scenario 'shpo' in *snapshots: did you mean 'shop'?*mongoshot capture shpo*"]
    )
    result.stdout.fnmatch_lines(
        ['*takes one or more names*@pytest.mark.scenario("shop", readonly=True)*']
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_database_of_somebody_elses_is_refused(
    pytester: pytest.Pytester, run: Run, mongo_client: Client, inner_database: str
) -> None:
    mongo_client[inner_database]["customers"].insert_one({"_id": "somebody"})
    pytester.makepyfile("def test_it(db): ...")

    result = run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*was not made by mongoshot and holds customers (1)*adopt*"])
    assert mongo_client[inner_database]["customers"].count_documents({}) == 1


@pytest.mark.usefixtures("shop")
def test_a_killed_run_does_not_spoil_the_next(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import os, pytest, signal

        pytestmark = pytest.mark.scenario("shop")

        def test_killed(db):
            db.orders.delete_many({})
            if os.environ.get("KILL"):
                os.kill(os.getpid(), signal.SIGKILL)

        def test_after(db):
            assert db.orders.count_documents({}) == 2
        """
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KILL", "1")
        assert run().ret == -9
    run("-k", "after").assert_outcomes(passed=1, deselected=1)


def test_options_come_from_flag_environment_and_ini(
    pytester: pytest.Pytester, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile("def test_name(db): print('NAME', db.name)")
    pytester.makeini(f"[pytest]\ndb-name = inner_from_ini\ndb-url = {server_url}\n")

    def name(*arguments: str) -> str:
        result = pytester.runpytest_subprocess("-s", "--co" if not arguments else "-s", *arguments)
        return next((line for line in result.outlines if "NAME" in line), "").split()[-1]

    assert name("-q") == "inner_from_ini"
    monkeypatch.setenv("DB_NAME", "inner_from_environment")
    assert name("-q") == "inner_from_environment"
    assert name("--db-name", "inner_from_flag") == "inner_from_flag"
    monkeypatch.setenv("DB_NAME", "")
    result = pytester.runpytest_subprocess()
    result.stdout.fnmatch_lines(["*the environment variable DB_NAME is empty*"])


def test_markers_and_fixtures_explain_themselves(pytester: pytest.Pytester) -> None:
    markers = pytester.runpytest_subprocess("--markers")
    markers.stdout.fnmatch_lines(["@pytest.mark.scenario(*names, readonly=False, *): stage the *"])
    fixtures = pytester.runpytest_subprocess("--fixtures")
    for name in ("mongo_client", "db", "staged", "db_changes", "db_state", "db_snapshot"):
        fixtures.stdout.re_match_lines(
            [rf"^{name}( \[session scope\])? -- .*plugin/fixtures\.py:\d+"]
        )
    helped = pytester.runpytest_subprocess("--help")
    helped.stdout.fnmatch_lines(["*--db-url=VALUE*", "*--db-name=VALUE*", "*--snapshots-path=*"])


@pytest.mark.usefixtures("shop")
def test_workers_share_a_server_and_have_a_database_each(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scenario("shop")
        @pytest.mark.parametrize("number", range(20))
        def test_counts(db, number, worker_id):
            assert db.name == f"test_db_{worker_id}"
            assert db.orders.count_documents({}) == 2
            db.orders.insert_one({})
            port = next(iter(db.client.nodes))[1]
            with open(f"server_{port}_{worker_id}", "w"):
                pass
        """
    )
    pytester.runpytest_subprocess("-n", "2").assert_outcomes(passed=20)

    servers = {path.name.split("_")[1] for path in pytester.path.glob("server_*")}
    workers = {path.name.split("_")[2] for path in pytester.path.glob("server_*")}
    assert len(servers) == 1
    assert workers == {"gw0", "gw1"}


@pytest.mark.usefixtures("shop")
def test_wider_fixtures_may_touch_the_database_and_replace_it(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="session")
        def db(db):
            db.seen.insert_one({"_id": "by a fixture of the session's"})
            return db

        @pytest.fixture(scope="module", autouse=True)
        def wide(db):
            db.wide.insert_one({})

        def test_starts_empty(db):
            assert db.list_collection_names() == []
            db.create_collection("view", viewOn="wide", pipeline=[])

        @pytest.mark.scenario("shop")
        def test_starts_from_the_scenario(db):
            assert db.list_collection_names() == ["orders"]
        """
    )
    run().assert_outcomes(passed=2)
    run("--override-ini=mongoshot-verify=true").assert_outcomes(passed=2)


@pytest.mark.usefixtures("shop")
def test_only_the_marked_parameter_is_staged(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize(
            "number", [pytest.param(1, marks=pytest.mark.scenario("shop")), 2]
        )
        def test_numbers(number): ...
        """
    )
    nowhere = ("--db-url", "mongodb://127.0.0.1:1")
    pytester.runpytest_subprocess(*nowhere).assert_outcomes(passed=1, errors=1)


@pytest.mark.usefixtures("shop")
def test_a_test_may_drop_the_database_and_make_it_anew(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scenario("shop")
        def test_drops(db):
            db.client.drop_database(db.name)
            db.other.insert_one({})

        @pytest.mark.scenario("extras")
        def test_after(db):
            assert db.coupons.count_documents({}) == 1
            db.client.drop_database(db.name)
            db.other.insert_one({})
        """
    )
    run().assert_outcomes(passed=2)
    run().assert_outcomes(passed=2)


@pytest.mark.usefixtures("shop")
def test_a_readonly_test_that_writes_fails(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.scenario("shop", readonly=True)

        @pytest.fixture
        def arranged(db):
            db.orders.insert_one({"_id": "arranged"})

        def test_reads(arranged, db):
            assert db.orders.count_documents({}) == 3

        def test_writes_what_was_there(db):
            db.orders.update_one({"_id": 1}, {"$set": {"status": "open"}})

        def test_writes(mongo_client, db):
            db.orders.update_one({"_id": 1}, {"$set": {"status": "paid"}})

        def test_fails_for_its_own_reason(db):
            db.orders.delete_many({})
            assert 0, "its own reason"

        @pytest.mark.scenario("shop")
        def test_may_write(db):
            db.orders.delete_many({})
        """
    )

    result = run()

    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(
        [
            "marked readonly, this test has written: orders: 1 updated",
            "shop → *: 1 collection differs",
            "*orders *1 updated",
            "*~ _id 1",
            '*status  "open" → "paid"',
            "*its own reason",
        ]
    )


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_what_is_asked_for_halfway_is_staged(
    pytester: pytest.Pytester, run: Run, workers: tuple[str, ...]
) -> None:
    pytester.path.joinpath("tests", "templates").mkdir(parents=True)
    pytester.makepyfile(
        """
        import pytest

        times = pytest.mark.parametrize("time", [1, 2, 3])

        @pytest.fixture
        def found(request):
            return request.getfixturevalue("db")

        @pytest.fixture(scope="session")
        def application(mongo_client, db_name):
            return mongo_client[db_name]

        @times
        def test_in_the_body(request, time):
            stray = request.getfixturevalue("db").stray
            assert stray.find_one() is None
            stray.insert_one({})

        @times
        def test_in_a_fixture(found, time):
            assert found.stray.find_one() is None
            found.stray.insert_one({})

        @times
        def test_by_a_fixture_of_a_wider_scope(request, time):
            stray = request.getfixturevalue("application").stray
            assert stray.find_one() is None
            stray.insert_one({})

        @times
        def test_what_is_created_does_not_count(request, time):
            request.getfixturevalue("scenario_builder").create({"stray": [{}]})
            assert not request.getfixturevalue("db_changes")

        def documented():
            '''
            >>> getfixture("db").list_collection_names()
            []
            '''

        def test_asks_for_nothing(request):
            assert "staged" not in request.fixturenames
        """
    )

    result = run("--doctest-modules", *workers)

    result.assert_outcomes(passed=14)


@pytest.mark.usefixtures("shop")
def test_what_is_asked_for_halfway_is_reviewed_and_counts_from_the_body(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def arranged(request):
            request.getfixturevalue("db").coupons.insert_one({})
            return request.getfixturevalue("db_changes")

        @pytest.mark.scenario("shop")
        def test_arranged(arranged):
            assert not arranged

        @pytest.mark.scenario("shop")
        def test_proposed(request):
            request.getfixturevalue("db").orders.delete_one({"_id": 1})
            assert request.getfixturevalue("db_changes") == request.getfixturevalue("db_snapshot")
        """
    )

    result = run()

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["mongoshot: 1 expectation to review: mongoshot review"])
