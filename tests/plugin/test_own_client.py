"""Programs that make their own client get the database's URL and name."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]

#: A program that makes its client once, and writes as it is told.
APPLICATION = """
import pytest
from pymongo import MongoClient

@pytest.fixture(scope="session")
def application(db_url, db_name):
    with MongoClient(db_url) as client:
        yield client[db_name]
"""

TESTS = """
import pytest

@pytest.mark.scenario("shop")
def test_shop(application, db, db_changes):
    assert application.name == db.name
    application.orders.insert_one({"_id": 3})
    assert db_changes.inserted == {"orders": [{"_id": 3}]}

@pytest.mark.scenario("extras")
def test_extras(application, db_changes):
    assert application.coupons.count_documents({}) == 1
    application.coupons.delete_many({})
    assert db_changes.deleted == {"coupons": [{"_id": "summer"}]}

def test_empty(application, db):
    assert application.list_collection_names() == [] == db.list_collection_names()
"""


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_scenarios_share_the_database_whose_name_is_given(
    pytester: pytest.Pytester, run: Run, inner_database: str, workers: tuple[str, ...]
) -> None:
    pytester.makeconftest(APPLICATION)
    pytester.makepyfile(test_one=TESTS, test_two=TESTS)

    result = run("--mongoshot-verify", *workers)

    result.assert_outcomes(passed=6)
    said = "mongoshot: tests ask for db_name, so all scenarios share {}, and each change of*loads"
    result.stdout.fnmatch_lines([said.format(inner_database + ("_gw0" if workers else ""))])


@pytest.mark.usefixtures("shop")
def test_a_name_that_is_asked_for_halfway_is_that_of_the_test(
    pytester: pytest.Pytester, run: Run, inner_database: str
) -> None:
    pytester.makeconftest(APPLICATION)
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scenario("shop")
        def test_main(db): ...

        @pytest.mark.scenario("shop")
        def test_main_again(db): ...

        @pytest.mark.scenario("extras")
        def test_beside(db, request, db_changes):
            assert db.name.endswith("__extras")
            db.orders.insert_one({"_id": 8})
            application = request.getfixturevalue("application")
            application.orders.insert_one({"_id": 9})
            assert application.name == db.name
            assert db_changes.inserted == {"orders": [{"_id": 8}, {"_id": 9}]}

        @pytest.mark.scenario("shop")
        def test_main_later(db, request, db_changes):
            application = request.getfixturevalue("application")
            assert application.orders.count_documents({}) == 2
            application.orders.insert_one({"_id": 9})
            assert db_changes.inserted == {"orders": [{"_id": 9}]}

        @pytest.mark.scenario("extras")
        def test_beside_later(db, request):
            assert db.name == request.getfixturevalue("application").name
            assert db.orders.count_documents({}) == 2 and db.coupons.count_documents({}) == 1
        """
    )
    run("--mongoshot-verify").assert_outcomes(passed=5)
    run("--mongoshot-verify", "-k", "later").assert_outcomes(passed=2, deselected=3)


@pytest.mark.usefixtures("shop")
def test_a_name_that_is_asked_for_between_tests_is_the_main_one(
    pytester: pytest.Pytester, run: Run, inner_database: str
) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="module")
        def name(request):
            return request.getfixturevalue("db_name")
        """
    )
    tests = """
        import pytest

        @pytest.mark.scenario("{}")
        def test_one(db): ...

        @pytest.mark.scenario("{}")
        def test_two(db): ...
        """
    pytester.makepyfile(test_a=tests.format("shop", "extras"))
    pytester.makepyfile(
        test_b=tests.format("shop", "shop")
        .replace("one(db)", "one(name, db)")
        .replace("...", "assert db.orders.count_documents({}) == 2", 1)
        + f"\n        def test_name(name): assert name == {inner_database!r}\n"
    )
    run("--mongoshot-verify").assert_outcomes(passed=5)


@pytest.mark.usefixtures("shop")
def test_the_url_is_given_as_the_user_gave_it(
    pytester: pytest.Pytester, run: Run, server_url: str
) -> None:
    url = f"{server_url}/?directConnection=true&uuidRepresentation=standard"
    pytester.makepyfile(
        f"""
        import uuid

        def test_url(db_url, mongo_client, async_db):
            assert db_url == {url!r}
            assert mongo_client.codec_options.uuid_representation == 4
            assert async_db.codec_options == mongo_client.codec_options
            assert async_db.client.options.timeout == mongo_client.options.timeout
            assert async_db.client.options.server_selection_timeout == 3
        """
    )
    run("--db-url", url).assert_outcomes(passed=1)


def test_the_url_of_an_embedded_server(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from pymongo import MongoClient

        def test_url(db_url, db_name, db_changes):
            assert db_url.endswith("/?replicaSet=mongoshot")
            with MongoClient(db_url) as client:
                client[db_name].orders.insert_one({"_id": 1})
            assert db_changes.inserted == {"orders": [{"_id": 1}]}
        """
    )
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=1)


#: A stand-in for the object that stands for a container: real is all that it gives, the server.
CONTAINER = """
import pytest
from mongoshot.server.provision import serve

class Container:
    def __enter__(self):
        self.served = serve(None)
        self.url = self.served.__enter__()
        return self
    def __exit__(self, *error):
        self.served.__exit__(*error)
    def get_connection_url(self):
        return self.url.replace("replicaSet=mongoshot", "directConnection=true")

@pytest.fixture(scope="session")
def db_url():
    with Container() as container:
        yield container.get_connection_url()
"""


@pytest.mark.usefixtures("shop")
def test_a_server_that_a_fixture_of_the_users_starts(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONTAINER + APPLICATION.replace("import pytest", ""))
    pytester.makepyfile(test_one=TESTS, test_two=TESTS)
    pytester.makepyfile(
        test_async="""
        import asyncio

        def test_async(async_db, db, db_url, mongo_client, db_changes):
            assert "directConnection" in db_url
            assert mongo_client.server_info()["ok"] == 1
            asyncio.run(insert(async_db))
            assert db_changes.inserted == {"orders": [{"_id": 1}]}

        async def insert(database):
            await database.orders.insert_one({"_id": 1})
        """
    )
    elsewhere = ("--db-url", "mongodb://127.0.0.1:1")  # which nothing asks for
    pytester.runpytest_subprocess("-W", "error", *elsewhere).assert_outcomes(passed=7)
    pytester.runpytest_subprocess("-n", "2", *elsewhere).assert_outcomes(passed=7)


def test_the_guard_asks_the_server_that_a_fixture_names(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        CONTAINER.replace(
            "        return self\n",
            "        from pymongo import MongoClient\n"
            "        with MongoClient(self.url) as client:\n"
            '            client.test_db.orders.insert_one({"_id": "precious"})\n'
            "        return self\n",
        )
    )
    pytester.makepyfile("def test_one(db): ...")

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*was not made by mongoshot and holds orders (1)*"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("None", "a URL is a string like mongodb://host:27017, and not None"),
        ("'postgresql://u:s3cret@localhost'", "*postgresql://u:[*][*][*]@localhost*"),
        (
            "'mongodb://u:s3cret@127.0.0.1:1'",
            "cannot connect to mongodb://u:[*][*][*]@127.0.0.1:1:*",
        ),
    ],
)
def test_a_fixture_that_gives_no_url_is_one_line(
    pytester: pytest.Pytester, given: str, said: str
) -> None:
    pytester.makeconftest(
        f"import pytest\n@pytest.fixture(scope='session')\ndef db_url(): return {given}"
    )
    pytester.makepyfile("def test_one(db): ...\ndef test_pure(): ...")

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines([said])
    result.stdout.no_fnmatch_line("*s3cret*")
    result.stdout.no_fnmatch_line("*Traceback*")


def test_fixtures_of_these_names_may_be_for_another_database(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def db_url(): return "postgresql://localhost"

        @pytest.fixture
        def db_name(): return "app"
        """
    )
    pytester.makepyfile(
        """
        import sys

        def test_one(db_url, db_name):
            assert "pymongo" not in sys.modules
        """
    )
    pytester.runpytest_subprocess("--db-url", "mongodb://127.0.0.1:1").assert_outcomes(passed=1)


@pytest.mark.usefixtures("shop")
def test_a_name_of_the_users_own_leaves_each_scenario_its_database(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def db_name(db): return db.name
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scenario("shop")
        def test_shop(db, db_name): assert db.name == db_name

        @pytest.mark.scenario("extras")
        @pytest.mark.parametrize("time", [1, 2])
        def test_extras(db, db_name, time): assert db.name == db_name
        """
    )
    result = run()
    result.assert_outcomes(passed=3)
    assert re.search(r"2 loads", result.stdout.str())


#: What a project may have that made its client itself before there was `db_url`.
OWN = """
import pytest
from pymongo import MongoClient

@pytest.fixture(scope="session")
def mongo_client({asked}):
    with MongoClient({url}) as client:
        yield client
"""


def test_a_client_of_the_users_own_needs_no_url(
    pytester: pytest.Pytester, server_url: str, inner_database: str
) -> None:
    pytester.makeconftest(OWN.format(asked="", url=repr(server_url)))
    pytester.makepyfile("def test_one(db): assert db.list_collection_names() == []")

    options = ("--db-name", inner_database, "--db-url", "mongodb://127.0.0.1:1")
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=1)


def test_a_client_of_the_users_own_goes_where_the_url_says(
    pytester: pytest.Pytester, run: Run, server_url: str
) -> None:
    pytester.makeconftest(OWN.format(asked="db_url", url="db_url, tz_aware=True"))
    pytester.makepyfile(
        """
        import asyncio, datetime

        def test_one(async_db, db, db_changes):
            asyncio.run(insert(async_db))
            assert db_changes

        def test_two(async_db, db, db_url):
            assert asyncio.run(find(async_db)) is None

        async def insert(database):
            await database.days.insert_one({"at": datetime.datetime(2026, 1, 1)})
            assert (await find(database))["at"].tzinfo  # as the client of `db` does it

        async def find(database):
            return await database.days.find_one()
        """
    )
    run().assert_outcomes(passed=2)


def test_a_url_of_another_server_than_the_clients_is_one_line(
    pytester: pytest.Pytester, server_url: str, inner_database: str
) -> None:
    pytester.makeconftest(OWN.format(asked="", url=repr(server_url)))
    pytester.makepyfile(
        "def test_one(db, db_url): ...\ndef test_two(async_db): ...\ndef test_three(db): ..."
    )

    result = pytester.runpytest_subprocess("--db-name", inner_database)  # db_url: an embedded one

    result.assert_outcomes(errors=2, passed=1)
    result.stdout.fnmatch_lines(["the client of the fixture mongo_client is not connected to the*"])
