"""A run says at its end what staging has cost, and whose writes came late."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]

TESTS = """
    import pytest

    pytestmark = pytest.mark.scenario("shop")

    @pytest.mark.parametrize("time", range(6))
    def test_writes(db, time):
        db.orders.update_many({}, {"$set": {"status": "spoilt"}})
"""


@pytest.mark.usefixtures("shop")
def test_resets_and_loads_are_counted(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(TESTS)

    run().stdout.re_match_lines(
        [r"mongoshot: 5 resets by oplog, median [\d.]+ ms, worst [\d.]+ m?s; 1 load in [\d.]+ m?s"]
    )
    run().stdout.re_match_lines([r"mongoshot: 5 resets .*; 1 warm start in [\d.]+ m?s"])
    run("-q").stdout.no_re_match_line("mongoshot: .*")


@pytest.mark.usefixtures("shop")
def test_workers_are_added_up(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(TESTS)

    result = run("-n", "2")

    result.assert_outcomes(passed=6)
    result.stdout.re_match_lines([r"mongoshot: 4 resets by oplog, .*; 2 loads in [\d.]+ m?s"])


@pytest.mark.usefixtures("shop")
def test_a_suite_without_a_database_says_nothing(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile("def test_pure(): ...")
    run().stdout.no_re_match_line("mongoshot: .*")


@pytest.mark.usefixtures("shop")
def test_late_writes_are_told_at_the_next_test_and_at_the_end(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile(
        """
        import threading

        import pytest

        pytestmark = pytest.mark.scenario("shop")
        go = threading.Event()
        threads = []

        @pytest.fixture(autouse=True, scope="module")
        def later(mongo_client):
            yield
            [thread.join() for thread in threads]

        def test_leaves_a_thread_behind(db):
            orders = db.orders

            def work():
                go.wait()
                orders.insert_one({"_id": "late"})

            threads.append(threading.Thread(target=work))
            threads[0].start()

        @pytest.fixture(scope="module")
        def between():
            go.set()
            threads[0].join()

        def test_next(between, db):
            assert db.orders.count_documents({}) == 2
            assert 0
        """
    )

    result = run()

    result.assert_outcomes(passed=1, failed=1)
    late = r"1 write to inner_\w+\.orders, [\d.]+ ms after \S+::test_leaves_a_thread_behind ended"
    result.stdout.re_match_lines(
        [
            r".* Captured mongoshot setup .*",
            f"before this test: {late}",
            f"mongoshot: {late}",
        ]
    )


@pytest.mark.usefixtures("shop")
def test_scenarios_have_databases_of_their_own(
    pytester: pytest.Pytester, run: Run, inner_database: str
) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.fixture(scope="session")
        def service(db):
            return lambda: db.name

        @pytest.mark.parametrize("time", range(3))
        class TestAlternating:
            @pytest.mark.scenario("shop")
            def test_shop(self, service, db, time):
                assert service() == "{inner_database}"

            @pytest.mark.scenario("extras")
            def test_extras(self, service, db, db_changes, time):
                assert service() == "{inner_database}__extras"
                db.coupons.delete_many({{}})
                assert list(db_changes.deleted) == ["coupons"]

        @pytest.mark.scenario("shop")
        def test_once_more(service, db):
            assert service() == "{inner_database}"
        """
    )

    result = run("--mongoshot-verify")
    result.assert_outcomes(passed=7)
    result.stdout.re_match_lines([r"mongoshot: 5 resets .*; 2 loads .*"])
    result = run("--scenario-databases", "1", "-k", "test_shop or once")
    result.assert_outcomes(passed=4)


@pytest.mark.usefixtures("shop")
def test_impossible_settings_are_one_line(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile("def test_one(db): ...")
    for arguments, message in [
        (("--scenario-databases", "none"), "scenario-databases should be a whole number from 1 on"),
        (("--natural-order", "always"), "natural-order should be small or exact, not 'always'"),
    ]:
        result = run(*arguments)
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines([f"*{message}*"])
        result.stdout.no_fnmatch_line("*Traceback*")
