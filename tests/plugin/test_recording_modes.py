"""Scenarios that a run captures: missing ones, or anew; kept, or not; never where not wanted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mongoshot import Snapshot, capture
from mongoshot.server.connection import Client, Database

Run = Callable[..., pytest.RunResult]

USES_SHOP = """
    import pytest

    @pytest.mark.scenario("shop")
    def test_orders(db):
        assert db.orders.count_documents({}) == 2
"""


@pytest.fixture
def live(mongo_client: Client, inner_database: str) -> Database:
    """Give a database as an application would have it: nobody's test database."""
    database = mongo_client[f"{inner_database}_live"]
    database["orders"].insert_many([{"_id": 1, "total": 5}, {"_id": 2, "total": 7}])
    database["coupons"].insert_one({"_id": "summer"})
    return database


@pytest.fixture
def source(server_url: str, live: Database) -> tuple[str, ...]:
    """Give the options that name the live database."""
    return ("--scenario-source-url", server_url, "--scenario-source-name", live.name)


@pytest.fixture
def once(run: Run, source: tuple[str, ...]) -> Run:
    return lambda *arguments: run("--scenario-record=once", *source, *arguments)


@pytest.fixture
def rewrite(run: Run, source: tuple[str, ...]) -> Run:
    return lambda *arguments: run("--scenario-record=rewrite", *source, *arguments)


@pytest.fixture
def recorded(pytester: pytest.Pytester, live: Database) -> Path:
    """Give the scenario shop of the live database, which has changed since."""
    shop = capture(live, pytester.path / "snapshots" / "shop").path
    live["orders"].update_one({"_id": 1}, {"$set": {"total": 6}})
    return shop


def files(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def left_aside(pytester: pytest.Pytester) -> list[Path]:
    home = pytester.path / ".mongoshot"
    assert "*" in (home / ".gitignore").read_text().split()
    return [path for path in (home / "recording").iterdir() if path.is_dir()]


def total_of_first(path: Path) -> int:
    first = next(iter(Snapshot.load(path).collections["orders"].documents()))
    return int.from_bytes(first[-5:-1], "little")


# once


def test_a_missing_scenario_is_captured_and_then_left_alone(
    pytester: pytest.Pytester, once: Run, live: Database
) -> None:
    pytester.makepyfile(USES_SHOP)
    shop = pytester.path / "snapshots" / "shop"

    result = once()

    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines(
        [rf"mongoshot: captured snapshots/shop from {live.name} on [\d.:]+: 3 documents in .* s$"]
    )
    before = files(shop)
    live["orders"].delete_one({"_id": 1})
    result = once()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("mongoshot: captured*")
    assert files(shop) == before


def test_workers_that_meet_it_missing_capture_it_once(pytester: pytest.Pytester, once: Run) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scenario("shop", "shop_too")
        @pytest.mark.parametrize("time", range(4))
        def test_orders(db, time):
            assert db.orders.count_documents({}) == 2
        """
    )

    result = once("-n", "2")

    result.assert_outcomes(passed=4)
    said = [line for line in result.outlines if line.startswith("mongoshot: captured")]
    assert len(said) == 2
    assert Snapshot.load(pytester.path / "snapshots" / "shop").manifest.revision == 1


@pytest.mark.usefixtures("recorded")
def test_a_damaged_scenario_is_not_recorded_over(pytester: pytest.Pytester, once: Run) -> None:
    shop = pytester.path / "snapshots" / "shop"
    pytester.makepyfile(USES_SHOP)
    manifest = shop / "manifest.json"
    text = manifest.read_text()
    for damage in (lambda: manifest.write_text(text[:-9]), manifest.unlink):
        damage()
        before = files(shop)
        result = once()
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(["*shop*manifest.json*"])
        assert files(shop) == before


def test_secrets_stop_it_and_say_what_to_type(
    pytester: pytest.Pytester, once: Run, live: Database
) -> None:
    live["users"].insert_one({"_id": 1, "password": "hunter2-hunter2", "email": "me@example.com"})
    pytester.makepyfile(USES_SHOP)

    result = once()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [f"*users.password*mongoshot capture shop --db-url URL --db-name {live.name} --mask PATH*"]
    )
    result.stdout.no_fnmatch_line("*hunter2*")
    result.stdout.no_fnmatch_line("*Traceback*")
    assert not (pytester.path / "snapshots" / "shop").exists()

    pytester.makepyprojecttoml('[tool.mongoshot.masking.rules]\n"users.password" = "redact"\n')
    result = once()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["mongoshot: shop: not masked, * users.email *--mask users.email*"])


# none


@pytest.mark.usefixtures("shop")
def test_a_missing_scenario_names_the_commands(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(USES_SHOP.replace('"shop"', '"shpo"'))
    result = run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*did you mean 'shop'*type: mongoshot capture shpo *, or: pytest --scenario-record=once*"]
    )


def test_a_misspelled_mode_lists_the_valid_ones(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(USES_SHOP)
    result = run("-o", "scenario-record=all")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the ini key scenario-record should be none, once or*'all'*"])


@pytest.mark.usefixtures("shop")
def test_a_marker_that_is_wrong_is_told_at_its_test(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scenario("shop", record="always")
        def test_mode(db): ...

        @pytest.mark.scenario("shop", source_url=1)
        def test_url(db): ...

        @pytest.mark.scenario("shop")
        def test_right(db): ...
        """
    )
    result = run()
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*record in the marker scenario should be none, once or rewrite, not 'always'*",
            "*source_url in the marker scenario should be a string that is not empty*",
        ]
    )


def test_a_marker_counts_before_options(
    pytester: pytest.Pytester, once: Run, server_url: str, inner_database: str, live: Database
) -> None:
    live.client[f"{inner_database}_other"]["orders"].insert_one({"_id": 9})
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.scenario("a", record="none")
        def test_none(db): ...

        @pytest.mark.scenario("b", source_name="{inner_database}_other")
        def test_other(db):
            assert db.orders.find_one() == {{"_id": 9}}

        @pytest.mark.scenario("c")
        def test_options(db):
            assert db.orders.count_documents({{}}) == 2
        """
    )
    result = once()
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*no scenario 'a' *"])


# sources


def test_without_a_source_it_says_how_to_name_one(
    pytester: pytest.Pytester, run: Run, server_url: str
) -> None:
    pytester.makepyfile(
        USES_SHOP
        + f"""
    @pytest.mark.scenario("shop", source_url="{server_url}")
    def test_with_half_of_it(db): ...
        """
    )
    result = run("--scenario-record=once")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            "*'shop' is to be captured*--scenario-source-url URL*",
            "*names no database*--scenario-source-name*",
        ]
    )


@pytest.mark.usefixtures("shop")
def test_a_source_that_does_not_answer_is_one_line_at_the_tests_that_need_it(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile(
        USES_SHOP
        + """
    @pytest.mark.scenario("new")
    @pytest.mark.parametrize("time", range(2))
    def test_new(db, time): ...
        """
    )
    url = "mongodb://me:s3cret@127.0.0.1:1/shop?serverSelectionTimeoutMS=50"
    result = run("--scenario-record=once", "--scenario-source-url", url)
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["*cannot connect to mongodb://me:?*@*--scenario-source-url*"])
    result.stdout.no_fnmatch_line("*s3cret*")
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*name another with --db-url*")


def test_a_target_is_no_source(
    pytester: pytest.Pytester,
    run: Run,
    server_url: str,
    inner_database: str,
    mongo_client: Client,
) -> None:
    adopted = f"{inner_database}_ours"
    mongo_client[adopted]["orders"].insert_one({})
    mongo_client["mongoshot"]["databases"].insert_one({"_id": adopted, "ownership": "adopted"})
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.scenario("a", source_name="{inner_database}")
        def test_main(db): ...

        @pytest.mark.scenario("b", source_name="{inner_database}__b")
        def test_of_a_scenario(db): ...

        @pytest.mark.scenario("c", source_name="{adopted}")
        def test_adopted(db): ...
        """
    )
    # By another name of the same machine.
    url = server_url.replace("127.0.0.1", "localhost")
    result = run("--scenario-record=once", f"--scenario-source-url={url}")
    result.assert_outcomes(errors=3)
    no_source = "*nothing was captured: the source"
    result.stdout.fnmatch_lines(
        [
            f"{no_source} {inner_database} on *write to it (--db-name)*",
            f"{no_source} {inner_database}__b on *write to it (--db-name)*",
            f"{no_source} {adopted} on *its ledger*",
        ]
    )
    assert not (pytester.path / "snapshots").exists()


def test_in_ci_only_what_was_typed_records(
    pytester: pytest.Pytester, run: Run, source: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile(
        test_marked="""
        import pytest

        @pytest.mark.scenario("marked", record="once")
        def test_marked(db): ...
        """,
        test_option=USES_SHOP,
    )
    does_not = "which does not count in CI (CI is set): there, only --scenario-record on the"

    result = run("-o", "scenario-record=once", *source)

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            f"*no scenario 'marked'*; the marker says once, {does_not}*",
            f"*no scenario 'shop'*; the ini key scenario-record says once, {does_not}*",
        ]
    )
    options = f"-p no:hypothesispytest -p no:faker --scenario-record=once {' '.join(source)}"
    monkeypatch.setenv("PYTEST_ADDOPTS", options)
    run("-k", "orders").assert_outcomes(errors=1)
    assert not (pytester.path / "snapshots").exists()
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest -p no:faker")
    run("--scenario-record", "once", *source, "-n", "1").assert_outcomes(passed=2)


# rewrite


def test_captured_anew_and_kept(
    pytester: pytest.Pytester, rewrite: Run, recorded: Path, live: Database
) -> None:
    before = files(recorded)
    (recorded / "README.md").write_text("Notes of somebody's.")
    of_a_run_that_was_killed = pytester.path / ".mongoshot" / "recording" / "99999999-ab" / "shop"
    of_a_run_that_was_killed.mkdir(parents=True)
    pytester.makepyfile(
        f"""
        from pathlib import Path

        import pytest

        pytestmark = pytest.mark.scenario("shop")
        SHOP = Path({str(recorded)!r})

        @pytest.mark.parametrize("time", range(4))
        def test_is_new(db, time):
            assert db.orders.find_one({{"_id": 1}})["total"] == 6
            assert SHOP.joinpath("manifest.json").read_bytes() == {before["manifest.json"]!r}

        @pytest.mark.xfail
        def test_expected(db):
            assert 0

        @pytest.mark.skip
        def test_not_run(db): ...

        def test_another(): ...
        """
    )

    result = rewrite("-n", "2")

    result.assert_outcomes(passed=5, xfailed=1, skipped=1)
    said = [line for line in result.outlines if line.startswith("mongoshot: captured")]
    assert len(said) == 1
    result.stdout.re_match_lines(
        [
            rf"mongoshot: captured snapshots/shop anew from {live.name} on .*: 3 documents in .* s;"
            " kept, changed since revision 1: orders: 1 updated"
        ]
    )
    assert total_of_first(recorded) == 6
    assert Snapshot.load(recorded).manifest.revision == 2
    assert (recorded / "README.md").exists()
    assert left_aside(pytester) == []
    after = files(recorded)
    result = rewrite("-k", "expected")
    result.stdout.re_match_lines([".* kept, nothing has changed since revision 2"])
    assert files(recorded) == after


@pytest.mark.long
@pytest.mark.parametrize(
    ("last", "arguments", "why"),
    [
        ("import os; os._exit(1)", ("-n", "1"), "a worker of the run crashed"),
        ("raise KeyboardInterrupt", (), "the run was stopped before its end"),
        ("pytest.exit('enough', returncode=0)", (), "the run was stopped before its end"),
        ("assert 0", ("-x",), "the run was stopped before its end"),
        (
            "...",
            ("--continue-on-collection-errors", "test_broken.py"),
            "test_broken.py could not be collected",
        ),
    ],
)
def test_nothing_is_kept_of_a_run_that_was_cut(
    pytester: pytest.Pytester,
    rewrite: Run,
    recorded: Path,
    last: str,
    arguments: tuple[str, ...],
    why: str,
) -> None:
    before = files(recorded)
    pytester.makepyfile(
        test_one=f"""
        import pytest

        @pytest.mark.scenario("shop")
        def test_shop(db):
            assert db.orders.find_one({{"_id": 1}})["total"] == 6

        def test_another():
            {last}
        """,
        test_broken="import nothing_of_that_name",
    )

    result = rewrite("test_one.py", *arguments)

    result.stdout.fnmatch_lines([f"mongoshot: captured snapshots/shop anew*; not kept, as {why}"])
    assert files(recorded) == before
    assert left_aside(pytester) == []


def test_what_a_test_that_did_not_pass_has_used_is_not_kept(
    pytester: pytest.Pytester, rewrite: Run, recorded: Path
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scenario("shop")
        def test_shop(db): ...

        @pytest.mark.scenario("fresh")
        def test_fresh(db): ...

        @pytest.mark.scenario("failing", record="rewrite")
        def test_fails(db):
            assert 0

        @pytest.mark.scenario("shop", "skipping")
        def test_another(db): ...

        @pytest.mark.scenario("skipping")
        def test_skips(db):
            pytest.skip()

        @pytest.mark.scenario("ending")
        def test_ends(db, request):
            request.addfinalizer(lambda: 1 / 0)
        """
    )
    result = rewrite()
    result.assert_outcomes(passed=4, failed=1, skipped=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*snapshots/shop anew*; kept, changed since revision 1: orders: 1 updated",
            "*snapshots/fresh anew*; kept, it was not there before",
            "*failing anew*; not kept, as *::test_fails failed",
            "*skipping anew*; not kept, as *::test_skips was skipped",
            "*ending anew*; not kept, as *::test_ends failed",
        ]
    )
    assert total_of_first(recorded) == 6
    assert {path.name for path in recorded.parent.iterdir()} == {"shop", "fresh"}


def test_the_recipe_is_that_of_the_scenario(
    pytester: pytest.Pytester, rewrite: Run, live: Database
) -> None:
    shop = pytester.path / "snapshots" / "shop"
    capture(live, shop, collections=["orders"], format="bson")
    imported = shutil.copytree(shop, shop.with_name("imported"))
    manifest = json.loads((shop / "manifest.json").read_text())
    manifest["recipe"] = {"database": "shop", "import": "archive"}
    (imported / "manifest.json").write_text(json.dumps(manifest))
    live["orders"].delete_one({"_id": 2})
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scenario("shop")
        def test_shop(db):
            assert set(db.list_collection_names()) == {"orders"}

        @pytest.mark.scenario("imported")
        def test_imported(db):
            assert db.orders.count_documents({}) == 2
        """
    )

    result = rewrite()

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "mongoshot: captured snapshots/shop anew*; kept, changed *",
            "mongoshot: imported was not captured anew, as it was imported",
        ]
    )
    kept = Snapshot.load(shop).manifest
    assert kept.origin.recipe["collections"] == ["orders"]
    assert {file.name for file in kept.files} == {"orders.bson", "orders.metadata.json"}


def test_what_somebody_else_has_changed_meanwhile_is_left(
    pytester: pytest.Pytester, rewrite: Run, recorded: Path
) -> None:
    pytester.makepyfile(
        f"""
        import pytest
        from mongoshot import capture

        @pytest.mark.scenario("shop")
        def test_shop(db, mongo_client):
            db.orders.insert_one({{"_id": 3}})
            capture(db, {str(recorded)!r}, replace=True)
        """
    )
    result = rewrite()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*; not kept, as */shop was changed by somebody else during*"])
    assert Snapshot.load(recorded).manifest.revision == 2


@pytest.mark.long
def test_markers_that_name_several_sources_contradict_each_other(
    pytester: pytest.Pytester, run: Run, source: tuple[str, ...], live: Database
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scenario("shop", record="rewrite")
        def test_one(db): ...

        @pytest.mark.scenario("shop", record="rewrite", source_name="other")
        def test_other(db): ...

        @pytest.mark.scenario("shop")
        def test_uses_the_new_one(db):
            assert db.orders.count_documents({}) == 2
        """
    )
    result = run(*source)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*'shop' is captured anew once in a run, and its tests name*"])
