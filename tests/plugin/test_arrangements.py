"""Tests start from their scenario in whatever order, process and number of times they run."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]

pytestmark = pytest.mark.usefixtures("shop")

#: A module of tests that spoil what they find.
SUITE = """
import pytest

pytestmark = [pytest.mark.scenario("shop"), pytest.mark.xdist_group("NAME")]

@pytest.fixture(scope="module", autouse=True)
def of_the_module(db):
    db.orders.insert_one({"_id": "of the module"})

@pytest.fixture(scope="class")
def of_the_class(db):
    db.orders.delete_many({})

@pytest.fixture
def order(db):
    return db.orders.insert_one({"_id": 9}).inserted_id

def spoil(db):
    assert sorted(order["_id"] for order in db.orders.find()) == [1, 2]
    assert list(db.orders.index_information()) == ["_id_", "status_1"]
    db.orders.delete_one({"_id": 1})
    db.orders.update_many({}, {"$set": {"status": "spoilt"}})

@pytest.mark.parametrize("number", range(3))
def test_spoils(db, number):
    spoil(db)

class TestInAClass:
    def test_arranged(self, of_the_class, order, db, db_changes):
        assert not db_changes
        db.orders.delete_one({"_id": order})
        assert db_changes

    def test_after(self, of_the_class, db):
        spoil(db)

@pytest.mark.parametrize(
    "total",
    [
        pytest.param(5, marks=pytest.mark.scenario("shop")),
        pytest.param(6, marks=pytest.mark.scenario("shop", "extras")),
        pytest.param(None, marks=pytest.mark.scenario("extras")),
    ],
)
def test_parameters_have_scenarios(db, total):
    assert total in (db.orders.find_one({"_id": 1})["total"], None)
    db.orders.drop_index("status_1")

@pytest.fixture
def marked(request):
    return request.param

@pytest.mark.parametrize("marked", [1, 2], indirect=True)
def test_indirect(marked, db):
    spoil(db)
"""
TESTS = 3 * 10  # in three modules


@pytest.fixture
def suite(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        **{f"test_{name}": SUITE.replace("NAME", name) for name in ("one", "two", "three")}
    )


def loads(result: pytest.RunResult) -> int:
    """Tell how many times a run has loaded a scenario in full."""
    said = re.search(r"(\d+) loads? in", result.stdout.str())
    return int(said[1]) if said else 0


@pytest.mark.long
@pytest.mark.usefixtures("suite")
@pytest.mark.parametrize(
    "dist", ["load", "loadscope", "loadfile", "loadgroup", "worksteal", "each"]
)
def test_every_distribution(run: Run, dist: str) -> None:
    for _ in range(2):
        result = run("-n", "2", "--dist", dist, "--mongoshot-verify")
        result.assert_outcomes(passed=TESTS * (2 if dist == "each" else 1))
        assert loads(result) <= 2 * 3  # a worker has three scenarios


@pytest.mark.usefixtures("suite")
def test_workers_load_a_scenario_once(run: Run) -> None:
    first, second = run("-n", "2"), run("-n", "2", "--maxprocesses", "1")
    first.assert_outcomes(passed=TESTS)
    second.assert_outcomes(passed=TESTS)
    assert loads(first) <= 2 * 3
    assert loads(second) == 0  # what the first has left is put right, and no more


@pytest.mark.usefixtures("suite")
@pytest.mark.parametrize(
    "arguments",
    [
        ("-p", "randomly", "-p", "repeat", "--count", "2"),
        *(
            pytest.param(each, marks=pytest.mark.long)
            for each in (
                ("-n", "0"),
                ("-p", "no:cacheprovider"),
                ("-p", "repeat", "--count", "3"),
                ("-p", "repeat", "--count", "2", "--repeat-scope", "session"),
                ("--setup-show",),
            )
        ),
    ],
    ids=" ".join,
)
def test_other_arrangements(run: Run, arguments: tuple[str, ...]) -> None:
    times = int(arguments[arguments.index("--count") + 1]) if "--count" in arguments else 1
    run(*arguments).assert_outcomes(passed=TESTS * times)


@pytest.mark.usefixtures("suite")
@pytest.mark.parametrize(
    "seeds", [range(2), pytest.param(range(2, 20), marks=pytest.mark.long)], ids=["two", "twenty"]
)
def test_in_any_order(run: Run, seeds: range) -> None:
    for seed in seeds:
        result = run("-p", "randomly", f"--randomly-seed={seed}", "--mongoshot-verify")
        result.assert_outcomes(passed=TESTS)


CRASHING = """
import os, pathlib, pytest, signal

pytestmark = pytest.mark.scenario("shop")

def note(db):
    with open("used.txt", "a") as file:
        file.write(f"{os.environ['PYTEST_XDIST_WORKER']} {db.name}\\n")

@pytest.mark.parametrize("number", range(8))
def test_counts(db, number):
    note(db)
    assert db.orders.count_documents({}) == 2
    db.orders.delete_many({})

@pytest.mark.parametrize("how", ["exit", "kill"])
def test_crashes(db, how):
    note(db)
    db.orders.delete_many({})
    db.drop_collection("orders")
    if os.environ.get("CRASH"):
        os._exit(3) if how == "exit" else os.kill(os.getpid(), signal.SIGKILL)

@pytest.mark.parametrize("number", range(8))
def test_counts_again(db, number):
    note(db)
    assert db.orders.count_documents({}) == 2
    db.orders.insert_one({})
"""


def test_a_worker_that_crashes_is_replaced_and_spoils_nothing(
    pytester: pytest.Pytester, run: Run, inner_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(CRASHING)
    monkeypatch.setenv("CRASH", "1")

    result = run("-n", "1", "--mongoshot-verify")

    result.assert_outcomes(passed=16, failed=2)
    result.stdout.fnmatch_lines(["*worker 'gw*' crashed while running *test_crashes*"])
    used = dict(line.split() for line in (pytester.path / "used.txt").read_text().splitlines())
    assert list(used) == ["gw0", "gw1", "gw2"]
    assert all(name == f"{inner_database}_{worker}" for worker, name in used.items())
    monkeypatch.delenv("CRASH")
    run("-n", "1", "--mongoshot-verify").assert_outcomes(passed=18)  # on what they have left


def test_a_rerun_is_staged_anew(
    pytester: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(
        """
        import pathlib, pytest

        pytestmark = pytest.mark.scenario("shop")

        def tries():
            with open("tries.txt", "a") as file:
                file.write(".")
            return len(pathlib.Path("tries.txt").read_text())

        @pytest.fixture
        def arranged(db):
            db.orders.insert_one({"_id": "arranged"})

        def test_flaky(arranged, db, db_changes, db_snapshot):
            assert sorted(str(o["_id"]) for o in db.orders.find()) == ["1", "2", "arranged"]
            assert not db_changes
            db.orders.update_one({"_id": 1}, {"$set": {"status": "paid"}})
            if tries() < 3:
                db.orders.insert_one({"_id": "of a try that fails"})
            assert db_changes == db_snapshot

        def test_after(db):
            assert db.orders.count_documents({}) == 2
        """
    )
    pytester.path.joinpath("tries.txt").write_text("...")
    run("-k", "flaky", "--snapshot-update").assert_outcomes(passed=1, deselected=1)
    pytester.path.joinpath("tries.txt").unlink()

    result = run("-p", "rerunfailures", "--reruns", "4")

    outcomes = result.parseoutcomes()
    assert (outcomes["passed"], outcomes["rerun"], outcomes.get("failed")) == (2, 2, None)
    pending = pytester.path / ".mongoshot" / "pending"
    assert not [path for path in pending.rglob("*") if path.is_file()]
    pytester.path.joinpath("tries.txt").unlink()
    run("-k", "flaky").assert_outcomes(failed=1, deselected=1)
    assert [path for path in pending.rglob("*") if path.is_file()]  # as of one try alone


@pytest.mark.parametrize(
    "arguments",
    [
        ("--lf",),
        *(
            pytest.param(each, marks=pytest.mark.long)
            for each in (("--ff",), ("--sw",), ("-x",), ("-x", "-n", "2"))
        ),
    ],
    ids=" ".join,
)
def test_some_of_the_tests(
    pytester: pytest.Pytester,
    server_url: str,
    inner_database: str,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
) -> None:
    pytester.makepyfile(
        """
        import os, pytest

        pytestmark = pytest.mark.scenario("shop")

        @pytest.mark.parametrize("number", range(6))
        def test_counts(db, number):
            assert db.orders.count_documents({}) == 2
            db.orders.delete_many({})
            assert number != 3 or not os.environ.get("FAIL")
        """
    )

    def run(*more: str) -> dict[str, int]:
        where = ("--db-url", server_url, "--db-name", inner_database)
        return pytester.runpytest_subprocess(*where, *more).parseoutcomes()

    monkeypatch.setenv("FAIL", "1")
    assert run(*arguments)["failed"] == 1
    monkeypatch.delenv("FAIL")
    assert run(*arguments)["passed"] >= 1
    assert run()["passed"] == 6


@pytest.mark.usefixtures("suite")
@pytest.mark.parametrize("arguments", [("--collect-only",), ("--setup-plan",)], ids=" ".join)
def test_no_server_is_touched_where_no_test_runs(
    pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    result = pytester.runpytest_subprocess("--db-url", "mongodb://127.0.0.1:1", *arguments)
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*cannot connect*")


@pytest.mark.long
@pytest.mark.usefixtures("suite")
def test_setup_alone(run: Run) -> None:
    assert run("--setup-only").ret == 0
    run().assert_outcomes(passed=TESTS)


def test_doctests_are_left_alone_or_staged_where_they_ask(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile(
        one='''
        def plain():
            """
            >>> import sys
            >>> "pymongo" in sys.modules
            False
            """
        '''
    )
    nowhere = ("--db-url", "mongodb://127.0.0.1:1", "--doctest-modules", "-p", "no:cacheprovider")
    pytester.runpytest_subprocess(*nowhere).assert_outcomes(passed=1)
    asking = '''
        def NAME():
            """
            >>> db = getfixture("db")
            >>> db.list_collection_names()
            []
            >>> _ = db.orders.insert_one({})
            """
        '''
    text = "\n".join(asking.replace("NAME", name) for name in ("first", "second"))
    pytester.makepyfile(two=text)
    run("--doctest-modules", "two.py").assert_outcomes(passed=2)


def test_what_is_asked_for_in_the_body_is_staged_then(pytester: pytest.Pytester, run: Run) -> None:
    templates = pytester.path / "tests" / "templates"
    templates.mkdir(parents=True)
    (templates / "users.py").write_text('TEMPLATE = {"name": "Somebody"}\n')
    pytester.makepyfile(
        """
        import pymongo, pytest

        @pytest.mark.parametrize("time", [1, 2])
        def test_in_the_body(request, time):
            db = request.getfixturevalue("db")
            assert db.list_collection_names() == []
            db.orders.insert_one({})
            assert request.getfixturevalue("db").orders.count_documents({}) == 1

        @pytest.fixture(params=["mongo_client", "db"])
        def asked(request):
            return request.getfixturevalue(request.param)

        @pytest.mark.parametrize("time", [1, 2])
        def test_in_a_fixture(asked, db_name_of, time):
            client = asked if isinstance(asked, pymongo.MongoClient) else asked.client
            database = client[db_name_of]
            assert database.list_collection_names() == []
            database.orders.insert_one({})

        @pytest.fixture(scope="session")
        def db_name_of(request):
            return request.getfixturevalue("db").name

        @pytest.mark.parametrize("time", [1, 2])
        def test_templates(request, time):
            builder = request.getfixturevalue("scenario_builder")
            db = request.getfixturevalue("db")
            assert db.list_collection_names() == ["users"]
            builder.create({"users": [{}, {}]})
            assert db.users.count_documents({}) == 2

        def test_changes(request):
            changes = request.getfixturevalue("db_changes")
            assert not changes
            request.getfixturevalue("db").orders.insert_one({})
            assert changes

        @pytest.mark.scenario("shop")
        def test_marked(request):
            db = request.getfixturevalue("db")
            db.orders.delete_one({"_id": 1})
            assert request.getfixturevalue("db").orders.count_documents({}) == 1
        """
    )
    run().assert_outcomes(passed=10)
    run("-p", "randomly").assert_outcomes(passed=10)


def test_a_client_that_a_directory_overrides_is_that_of_the_run_or_one_line(
    pytester: pytest.Pytester, run: Run, server_url: str
) -> None:
    override = f"""
        import pymongo, pytest

        @pytest.fixture(scope="session")
        def mongo_client():
            with pymongo.MongoClient({server_url!r}) as client:
                yield client
        """
    test = """
        def test_it(db, mongo_client):
            assert db.client is mongo_client
            assert db.list_collection_names() == []
        """
    for directory in ("first", "last"):
        pytester.mkpydir(directory)
    (pytester.path / "first" / "test_first.py").write_text(textwrap.dedent(test))
    (pytester.path / "last" / "test_last.py").write_text(textwrap.dedent(test))
    (pytester.path / "conftest.py").write_text(textwrap.dedent(override))
    run().assert_outcomes(passed=2)

    (pytester.path / "conftest.py").rename(pytester.path / "first" / "conftest.py")
    result = run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*this test has another mongo_client than the run began with*"])


def test_a_builder_that_a_directory_overrides_is_that_of_its_tests(
    pytester: pytest.Pytester, run: Run
) -> None:
    for directory, collection in (("one", "users"), ("two", "carts")):
        pytester.mkpydir(directory)
        (pytester.path / directory / "conftest.py").write_text(
            textwrap.dedent(
                f"""
                import pytest
                from mongoshot import ScenarioBuilder

                @pytest.fixture(scope="session")
                def scenario_builder(db):
                    return ScenarioBuilder(db, {{{collection!r}: {{"a": 1}}}})
                """
            )
        )
        (pytester.path / directory / f"test_{directory}.py").write_text(
            textwrap.dedent(
                f"""
                def test_it(scenario_builder, db):
                    assert db.list_collection_names() == [{collection!r}]
                    scenario_builder.create({{{collection!r}: [{{}}]}})

                def test_again(scenario_builder, db):
                    assert db[{collection!r}].count_documents({{}}) == 0

                def test_without(db):
                    assert db.list_collection_names() == []
                """
            )
        )
    run("-p", "randomly", "--randomly-seed=1").assert_outcomes(passed=6)


def test_templates_that_a_directory_overrides_are_one_line_unless_its_builder_is_too(
    pytester: pytest.Pytester, run: Run
) -> None:
    for directory in ("one", "two"):
        templates = pytester.mkpydir(directory) / "templates"
        templates.mkdir()
        (templates / f"{directory}.py").write_text("TEMPLATE = {}\n")
        (templates.parent / f"test_{directory}.py").write_text("def test_it(scenario_builder): ...")
        (templates.parent / "conftest.py").write_text(
            "import pytest\n\n"
            "@pytest.fixture(scope='session')\n"
            f"def templates_path():\n    return {str(templates)!r}\n"
        )

    result = run()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["this test has another templates_path than scenario_builder was *"]
    )


def test_a_run_within_a_run_has_a_database_of_its_own(
    pytester: pytest.Pytester, server_url: str
) -> None:
    pytester.makeconftest("pytest_plugins = ['pytester']")
    (pytester.path / "inner.txt").write_text(
        textwrap.dedent(
            """
            def test_inner(db):
                assert db.name != "OUTER"
                assert db.list_collection_names() == []
                db.orders.insert_one({})
            """
        )
    )
    pytester.makepyfile(
        f"""
        import pathlib

        INNER = pathlib.Path(__file__).with_name("inner.txt").read_text()

        def test_outer(pytester, db):
            db.orders.insert_one({{"_id": "outer"}})
            pytester.makepyfile(INNER.replace("OUTER", db.name))
            pytester.runpytest_inprocess("--db-url", {server_url!r}).assert_outcomes(passed=1)
            assert [order["_id"] for order in db.orders.find()] == ["outer"]

        def test_after(db):
            assert db.list_collection_names() == []
        """
    )
    url = ("--db-url", server_url, "-p", "no:cacheprovider")
    pytester.runpytest_subprocess(*url).assert_outcomes(passed=2)
