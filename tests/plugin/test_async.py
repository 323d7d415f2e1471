"""Coroutines get the database of their test, on whichever event loop they run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]

ASYNCIO = ("-p", "asyncio", "-o", "asyncio_default_fixture_loop_scope=function")
ANYIO = ("-p", "anyio")
#: What is not closed says so, at the latest when it is collected.
STRICT = ("-W", "error", "-p", "no:cacheprovider")
LEAKS = """
def test_nothing_is_left_open():
    import gc
    gc.collect()
"""

TESTS = """
import pytest
{before}

@pytest.mark.scenario("shop")
async def test_sees_and_counts_what_both_clients_write(async_db, db, db_changes, db_snapshot):
    assert async_db.name == db.name
    assert (await async_db.orders.find_one({{"_id": 1}}))["total"] == 5
    await async_db.orders.update_one({{"_id": 1}}, {{"$set": {{"total": 6}}}})
    db.orders.insert_one({{"_id": 3}})
    assert db_changes.inserted == {{"orders": [{{"_id": 3}}]}}
    assert db_changes == db_snapshot

@pytest.mark.scenario("shop")
@pytest.mark.parametrize("time", [1, 2])
async def test_starts_from_its_scenario_with_a_client_of_its_loop(async_db, time):
    assert await async_db.orders.count_documents({{}}) == 2
    await async_db.orders.delete_many({{}})
    assert await async_db.orders.find().to_list() == []

@pytest.mark.scenario("shop", readonly=True)
async def test_reads_alone(async_db):
    async with await async_db.orders.aggregate([]) as cursor:
        assert len(await cursor.to_list()) == 2

async def test_without_a_scenario_is_empty(async_db):
    assert await async_db.list_collection_names() == []
"""


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("options", "before"),
    [
        ((*ASYNCIO, "-o", "asyncio_mode=auto"), ""),
        (ASYNCIO, "pytestmark = pytest.mark.asyncio"),
        (ASYNCIO, 'pytestmark = pytest.mark.asyncio(loop_scope="module")'),
        (ASYNCIO, 'pytestmark = pytest.mark.asyncio(loop_scope="session")'),
        (
            ANYIO,
            "pytestmark = pytest.mark.anyio\n"
            '@pytest.fixture(scope="module")\ndef anyio_backend(): return "asyncio"',
        ),
    ],
    ids=["auto", "strict", "module", "session", "anyio"],
)
def test_the_same_in_each_way_to_run_coroutines(
    pytester: pytest.Pytester, run: Run, options: tuple[str, ...], before: str
) -> None:
    pytester.makepyfile(TESTS.format(before=before), test_last=LEAKS)

    run(*options, *STRICT, "--snapshot-update", "--mongoshot-verify").assert_outcomes(passed=6)


def test_under_trio_it_is_one_line(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest
        pytestmark = pytest.mark.anyio

        async def test_both(async_db):
            await async_db.orders.insert_one({"_id": 1})

        async def test_of_the_sync_client(db):
            db.orders.insert_one({"_id": 1})
        """,
        test_last=LEAKS,
    )
    result = run(*ANYIO, *STRICT)

    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_both?trio?*",
            "async_db cannot be used under trio: PyMongo's asynchronous client runs on asyncio"
            ' alone; let the fixture anyio_backend return "asyncio", or take db',
        ]
    )


def test_a_loop_that_is_closed_too_early_is_one_line_at_its_test(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile(
        """
        import asyncio

        def test_one_run(async_db, db):
            asyncio.run(insert(async_db))
            assert db.orders.count_documents({}) == 1

        def test_two_runs(async_db):
            asyncio.run(insert(async_db))
            asyncio.run(insert(async_db))

        def test_closed_without_more_ado(async_db):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(insert(async_db))
            loop.close()
            loop.run_until_complete(async_db.orders.find_one())

        def test_two_loops(async_db):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(insert(async_db))
            try:
                asyncio.run(insert(async_db))
            finally:
                loop.close()

        def test_left_open(async_db):
            global loop
            loop = asyncio.new_event_loop()
            loop.run_until_complete(insert(async_db))

        def test_is_closed_like_any(db):
            loop.close()
            assert not {"close", "shutdown_asyncgens"} & set(vars(loop))

        def test_no_loop(async_db):
            insert(async_db).send(None)

        def test_never_used(async_db, db):
            assert db.orders.count_documents({}) == 0

        async def insert(database):
            await database.orders.insert_one({})
        """,
        test_last=LEAKS,
    )
    # A coroutine that a closed loop refuses is never awaited, which is the test's own doing.
    result = run(*STRICT, "-W", "ignore:coroutine")

    result.assert_outcomes(passed=5, failed=4)
    said = "async_db belongs to the event loop that it was first used on, which is"
    result.stdout.fnmatch_lines(
        [
            "*_ test_two_runs _*",
            "*test_a_loop*.py:9: in test_two_runs",
            "*test_a_loop*.py:41: in insert",
            f"E   mongoshot.errors.EventLoopError: {said} closed by now; let*",
            "*_ test_closed_without_more_ado _*",
            "E *RuntimeError: Event loop is closed",
            "*_ test_two_loops _*",
            f"E   mongoshot.errors.EventLoopError: {said} not this one; *(pytest-asyncio: the*",
            "*_ test_no_loop _*",
            "E   mongoshot.errors.EventLoopError: *no event loop of asyncio runs here*",
        ]
    )
    result.stdout.no_fnmatch_line("*pymongo/*")
    result.stderr.no_fnmatch_line("*Task was destroyed*")


def test_an_asynchronous_fixture_arranges(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest, pytest_asyncio

        @pytest_asyncio.fixture
        async def order(async_db):
            await async_db.orders.insert_one({"_id": 1})
            yield 1
            await async_db.orders.delete_one({"_id": 1})

        @pytest_asyncio.fixture(loop_scope="module")
        async def elsewhere(async_db):
            await async_db.orders.insert_one({"_id": 2})

        @pytest.mark.asyncio
        async def test_same_loop(order, async_db, db_changes):
            assert await async_db.orders.count_documents({}) == 1
            assert not db_changes

        @pytest.mark.asyncio
        async def test_another_loop(elsewhere, async_db):
            await async_db.orders.find_one()
        """,
        test_last=LEAKS,
    )
    result = run(*ASYNCIO, *STRICT)

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["E *EventLoopError: *is not this one;*same loop_scope*"])


def test_a_loop_of_another_thread(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest
        from anyio.from_thread import start_blocking_portal

        @pytest.fixture(scope="module")
        def portal():
            with start_blocking_portal() as portal:
                yield portal

        @pytest.mark.parametrize("time", [1, 2])
        def test_a_service(async_db, portal, db_changes, time):
            portal.call(async_db.orders.insert_one, {"_id": time})
            assert db_changes.inserted == {"orders": [{"_id": time}]}

        def test_a_service_that_ends(async_db, db_changes):
            with start_blocking_portal() as portal:
                portal.call(async_db.orders.insert_one, {"_id": 3})
            assert db_changes.inserted == {"orders": [{"_id": 3}]}
        """,
        test_last=LEAKS,
    )
    run(*STRICT).assert_outcomes(passed=4)


def test_the_test_client_of_an_application(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest
        from fastapi import FastAPI
        from fastapi.testclient import TestClient

        @pytest.fixture
        def app(async_db):
            app = FastAPI()

            @app.post("/orders/{number}")
            async def add(number: int) -> int:
                await async_db.orders.insert_one({"_id": number})
                return await async_db.orders.count_documents({})

            return app

        def test_in_a_block(app, db_changes):
            with TestClient(app) as client:
                assert [client.post(f"/orders/{n}").json() for n in (1, 2)] == [1, 2]
            assert db_changes.inserted == {"orders": [{"_id": 1}, {"_id": 2}]}

        def test_a_loop_for_each_call(app):
            client = TestClient(app)
            assert client.post("/orders/1").json() == 1
            client.post("/orders/2")
        """
    )

    result = run()

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["E *EventLoopError: *closed by now; *TestClient: with TestClient(app) as client)"]
    )
