"""A failing run leaves what it proposed; accepting it makes the next run pass."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., pytest.RunResult]

pytestmark = pytest.mark.usefixtures("shop")

PAY = """
    import pytest

    @pytest.mark.scenario("shop")
    def test_paying(db, db_changes, db_snapshot):
        db.orders.update_one({"_id": 1}, {"$set": {"status": "paid"}})
        assert db_changes == db_snapshot
"""


def mongoshot(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    result = pytester.run(sys.executable, "-m", "mongoshot", *words)
    assert result.ret == 0
    return result


def pending(pytester: pytest.Pytester) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(mongoshot(pytester, "pending", "--json").stdout.str())
    return listed


def names(pytester: pytest.Pytester) -> list[str]:
    return [proposal["name"] for proposal in pending(pytester)]


def test_the_life_of_a_proposal(pytester: pytest.Pytester, run: Run) -> None:
    module = pytester.makepyfile(test_shop=PAY)

    missing = run()
    missing.assert_outcomes(failed=1)
    missing.stdout.fnmatch_lines(["mongoshot: 1 expectation to review: mongoshot review"])
    [new] = pending(pytester)
    assert new["name"] == new["test"] == "test_shop.py::test_paying"
    assert new["file"] == "__expectations__/test_shop/test_paying.json"
    assert (new["kind"], new["stale"], new["scenario"]) == ("new", None, "shop")
    assert 'status  "open" → "paid"' in new["report"]
    assert not (pytester.path / new["file"]).exists()

    mongoshot(pytester, "accept", "test_paying").stdout.fnmatch_lines(
        ["accepted test_shop.py::test_paying"]
    )
    accepted = (pytester.path / new["file"]).read_bytes()
    passed = run()
    passed.assert_outcomes(passed=1)
    passed.stdout.no_fnmatch_line("*to review*")
    run("--snapshot-update").assert_outcomes(passed=1)
    assert (pytester.path / new["file"]).read_bytes() == accepted

    right = module.read_text()
    module.write_text(right.replace('"paid"', '"payed"'))
    run().assert_outcomes(failed=1)
    [changed] = pending(pytester)
    assert changed["kind"] == "changed"
    assert '"payed"' in changed["report"]
    mongoshot(pytester, "reject", "--all")
    assert pending(pytester) == []
    assert (pytester.path / new["file"]).read_bytes() == accepted

    run("-q").stdout.fnmatch_lines(["mongoshot: 1 expectation to review: mongoshot review"])
    module.write_text(right)
    run().assert_outcomes(passed=1)
    assert pending(pytester) == []


def test_an_update_ends_the_proposal(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(test_shop=PAY)
    run()
    assert names(pytester) == ["test_shop.py::test_paying"]
    run("--snapshot-update").assert_outcomes(passed=1)
    assert names(pytester) == []


def test_workers_leave_their_own(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        test_shop="""
        import pytest

        VALUES = ["a/b", "ab", "a:b", "a b", "../../x", "é", ".", "", "x" * 300, "x" * 301, "[]#1"]

        @pytest.mark.scenario("shop")
        @pytest.mark.parametrize("value", VALUES, ids=VALUES)
        def test_values(db, db_changes, db_snapshot, value):
            db.orders.update_one({"_id": 1}, {"$set": {"status": value}})
            assert db_changes == db_snapshot
        """
    )
    result = run("-n", "2")
    result.assert_outcomes(failed=11)
    result.stdout.fnmatch_lines(["mongoshot: 11 expectations to review: mongoshot review"])
    proposals = pending(pytester)
    assert len({proposal["name"] for proposal in proposals}) == 11
    assert len({proposal["file"].lower() for proposal in proposals}) == 11
    places = [proposal["file"].rpartition("/")[0] for proposal in proposals]
    assert set(places) == {"__expectations__/test_shop"}

    for proposal in proposals:
        mongoshot(pytester, "accept", proposal["name"])
    run("-n", "2").assert_outcomes(passed=11)


def test_what_a_test_proposes_and_what_not(pytester: pytest.Pytester, run: Run) -> None:
    module = pytester.makepyfile(
        test_shop="""
        import pytest
        from syrupy.extensions.json import JSONSnapshotExtension

        pytestmark = pytest.mark.scenario("shop")
        SKIP = False

        @pytest.fixture
        def pay(db):
            db.orders.update_one({"_id": 1}, {"$set": {"status": "paid"}})

        def test_several(db, db_changes, db_state, db_snapshot, pay):
            first = db_changes == db_snapshot
            second = db_state["orders"] == db_snapshot
            named = db_changes == db_snapshot(name="a/name")
            assert first and second and named

        def test_with_defaults(db_changes, db_snapshot, pay):
            assert db_changes == db_snapshot.with_defaults()

        def test_the_first_alone(db_changes, db_snapshot, pay):
            assert db_changes == db_snapshot
            assert db_changes == db_snapshot

        @pytest.mark.xfail(strict=False)
        def test_expected(db_changes, db_snapshot, pay):
            assert db_changes == db_snapshot

        def test_passes(db_changes, db_snapshot, pay):
            assert db_changes != db_snapshot

        def test_fails_elsewhere(db_changes, db_snapshot, pay):
            assert 0

        def test_fails_behind(db_changes, db_snapshot, pay):
            assert db_changes == db_snapshot
            assert 0

        def test_of_another_kind(db_snapshot):
            assert {"a": 1} == db_snapshot

        def test_syrupys_own(snapshot, db_snapshot):
            like = {"kind": "changes", "scenario": "", "digest": "", "collections": {}}
            like["format_version"] = 1
            assert like == snapshot(extension_class=JSONSnapshotExtension)

        @pytest.fixture
        def broken(db_snapshot):
            yield
            assert 0

        def test_breaks_behind(broken, db_changes, db_snapshot, pay):
            assert db_changes != db_snapshot

        def test_waits(db, db_changes, db_snapshot):
            assert db_changes != db_snapshot(name="until")
            db.orders.delete_one({"_id": 2})
            arrived = db_changes == db_snapshot(name="until")
            assert 0

        def test_skipped(db_changes, db_snapshot, pay):
            if SKIP:
                pytest.skip()
            assert db_changes == db_snapshot

        class TestOther:
            @pytest.fixture
            def db_snapshot(self):
                return "of the user's own"

            def test_fixture(self, db_snapshot):
                assert 0
        """
    )
    result = run()
    result.assert_outcomes(failed=10, passed=2, xfailed=1, errors=1)
    result.stdout.fnmatch_lines(["mongoshot: 8 expectations to review: mongoshot review"])
    assert names(pytester) == [
        "test_shop.py::test_fails_behind",
        "test_shop.py::test_several",
        "test_shop.py::test_several#1",
        "test_shop.py::test_several#a%2Fname",
        "test_shop.py::test_skipped",
        "test_shop.py::test_the_first_alone",
        "test_shop.py::test_waits#until",
        "test_shop.py::test_with_defaults",
    ]

    mongoshot(pytester, "accept", "--all")
    module.write_text(module.read_text().replace("SKIP = False", "SKIP = True"))
    result = run("-k", "several or defaults or alone or behind or skipped or waits")
    result.assert_outcomes(passed=3, failed=3, skipped=1, errors=1, deselected=6)
    assert names(pytester) == ["test_shop.py::test_the_first_alone#1"]


def test_what_a_matcher_alone_refuses_cannot_be_accepted(
    pytester: pytest.Pytester, run: Run
) -> None:
    module = pytester.makepyfile(
        test_shop="""
        import pytest

        WANTED = "paid"

        @pytest.mark.scenario("shop")
        def test_paying(db, db_changes, db_snapshot):
            db.orders.update_one({"_id": 1}, {"$set": {"status": "paid"}})
            assert db_changes == db_snapshot(match={"orders.status": WANTED})
        """
    )
    run("--snapshot-update").assert_outcomes(passed=1)
    module.write_text(module.read_text().replace('"paid"', '"sent"', 1))
    failed = run()
    failed.assert_outcomes(failed=1)
    failed.stdout.fnmatch_lines(["E * status  expected 'sent', is \"paid\""])
    failed.stdout.no_fnmatch_line("*--snapshot-update*")
    assert names(pytester) == []


def test_a_skipped_test_keeps_its_proposal(pytester: pytest.Pytester, run: Run) -> None:
    module = pytester.makepyfile(test_shop=PAY)
    run().assert_outcomes(failed=1)
    text = module.read_text()
    module.write_text(text.replace("assert", "pytest.skip()\n    assert"))
    run().assert_outcomes(skipped=1)
    assert names(pytester) == ["test_shop.py::test_paying"]

    module.write_text(text.replace("@pytest", "@pytest.mark.xfail\n@pytest", 1))
    run().assert_outcomes(xfailed=1)
    assert names(pytester) == []


@pytest.mark.parametrize("variable", ["CI", "BUILD_NUMBER"])
def test_continuous_integration_leaves_nothing(
    pytester: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    pytester.makepyfile(test_shop=PAY)
    monkeypatch.setenv(variable, "true")
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*to review*")
    assert not (pytester.path / ".mongoshot").exists()


def test_it_counts_where_the_run_is_and_not_what_a_test_makes_of_that(
    pytester: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "")
    pytester.makepyfile(
        test_shop=PAY.replace(
            "def test_paying(", "def test_paying(monkeypatch, tmp_path, "
        ).replace(
            "    db.orders",
            '    monkeypatch.setenv("CI", "1"); monkeypatch.chdir(tmp_path)\n        db.orders',
        )
    )
    run().assert_outcomes(failed=1)
    assert names(pytester) == ["test_shop.py::test_paying"]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_a_project_that_cannot_be_written_is_one_line(
    pytester: pytest.Pytester, run: Run, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_shop=PAY, test_other=PAY)
    (pytester.path / ".mongoshot").touch()
    result = run(*workers)
    result.assert_outcomes(failed=2)
    told = [line for line in result.outlines if "for review" in line]
    assert len(told) == 1
    assert told[0].startswith("mongoshot: what test_")
    assert told[0].endswith("record it with pytest --snapshot-update")


def test_the_root_is_pytests(pytester: pytest.Pytester, run: Run) -> None:
    below = pytester.mkdir("tests")
    pytester.makeini("[pytest]\nsnapshots-path = snapshots\n")
    pytester.makepyfile(**{"tests/test_shop": PAY})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(below)
        run().assert_outcomes(failed=1)
        assert names(pytester) == ["tests/test_shop.py::test_paying"]
        mongoshot(pytester, "accept", "__expectations__/test_shop/test_paying.json")
    assert [path.name for path in below.glob("__expectations__/test_shop/*")] == [
        "test_paying.json"
    ]
    assert not (below / ".mongoshot").exists()
