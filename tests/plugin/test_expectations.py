"""What a test changed is compared with a file that `--snapshot-update` records."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., pytest.RunResult]

pytestmark = pytest.mark.usefixtures("shop")

PAY = """
    import pytest

    @pytest.mark.scenario("shop")
    def test_paying(db, db_changes, db_snapshot):
        db.orders.update_one({"_id": 1}, {"$set": {"status": "%s"}})
        db.payments.insert_one({"_id": 1, "order": 1, "amount": %s})
        assert db_changes == db_snapshot
"""


def expectation(pytester: pytest.Pytester, *name: str) -> Path:
    return pytester.path.joinpath("__expectations__", *name)


def test_the_life_of_an_expectation(pytester: pytest.Pytester, run: Run) -> None:
    module = pytester.makepyfile(test_shop=PAY % ("paid", 5))

    missing = run()
    missing.assert_outcomes(failed=1)
    missing.stdout.fnmatch_lines(
        [
            "*there is no expectation yet; to record it, type: pytest --snapshot-update*",
            "*orders*",
            "*open*",
        ]
    )
    assert not expectation(pytester).exists()

    run("--snapshot-update").assert_outcomes(passed=1)
    stored = json.loads(expectation(pytester, "test_shop", "test_paying.json").read_text())
    assert stored["scenario"] == "shop"
    assert stored["collections"]["orders"] == {
        "updated": [{"_id": 1, "fields": {"status": {"before": "open", "after": "paid"}}}]
    }
    assert stored["collections"]["payments"]["inserted"] == [{"_id": 1, "order": 1, "amount": 5}]

    again = run()
    again.assert_outcomes(passed=1)
    again.stdout.fnmatch_lines(["*1 snapshot passed*"])

    module.write_text(module.read_text().replace('"paid"', '"payed"').replace("5})", "5.0})"))
    wrong = run()
    wrong.assert_outcomes(failed=1)
    wrong.stdout.fnmatch_lines(
        [
            "E * changes not as expected in orders: 1 otherwise; payments: 1 otherwise",
            'E * orders ~ _id 1: status  expected "open" → "paid", is "open" → "payed"',
            "E * payments ~ _id 1: amount  expected 5, is 5.0 (int32 expected, is double)",
            "E * if this is how it should be, type: pytest --snapshot-update",
        ]
    )


def test_a_scenario_that_changed_is_named(pytester: pytest.Pytester, run: Run) -> None:
    module = pytester.makepyfile(test_shop=PAY % ("paid", 5))
    run("--snapshot-update").assert_outcomes(passed=1)

    module.write_text(module.read_text().replace('scenario("shop")', 'scenario("shop", "extras")'))
    run().assert_outcomes(passed=1)
    module.write_text(module.read_text().replace("amount", "amounts"))
    failed = run("-vv")
    failed.assert_outcomes(failed=1)
    failed.stdout.fnmatch_lines(["*note: recorded against shop (*it is shop + extras (*"])


def test_changes_are_those_of_the_body(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.scenario("shop")

        @pytest.fixture
        def arranged(db):
            db.orders.update_one({"_id": 2}, {"$set": {"status": "arranged"}})
            yield
            db.orders.delete_many({})

        def test_nothing(arranged, db_changes):
            assert not db_changes
            assert repr(db_changes) == "<Changes: none>"

        def test_nothing_in_any_order(db_changes, arranged):
            assert not db_changes

        def test_something(db, arranged, db_changes):
            db.orders.update_one({"_id": 2}, {"$set": {"status": "done"}})
            db.orders.insert_one({"_id": 3})
            assert db_changes.inserted["orders"] == [{"_id": 3}]
            assert db_changes.inserted["payments"] == []
            [(before, after)] = db_changes.updated["orders"]
            assert (before["status"], after["status"]) == ("arranged", "done")

        def test_staged_can_reset_and_mark(db, staged, db_changes):
            db.orders.insert_one({"_id": 3})
            staged.mark()
            assert not db_changes
            assert staged.reset().collections == ("orders",)
            assert db.orders.count_documents({}) == 2

        def test_fails(db, db_changes):
            db.orders.insert_one({"_id": 3})
            assert not db_changes
        """
    )
    result = run()
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["*assert not <Changes: orders: 1 inserted>*"])


def test_whole_states(pytester: pytest.Pytester, run: Run) -> None:
    module = pytester.makepyfile(
        test_shop="""
        import pytest

        @pytest.mark.scenario("shop")
        def test_state(db, db_state, db_snapshot):
            db.orders.update_one({"_id": 1}, {"$set": {"status": "paid"}})
            assert db_state == db_snapshot
            assert db_state["orders"] == db_snapshot(name="orders only")
        """
    )
    run("--snapshot-update").assert_outcomes(passed=1)
    run().assert_outcomes(passed=1)
    names = {path.name for path in expectation(pytester, "test_shop").iterdir()}
    assert names == {"test_state.json", "test_state[orders only].json"}

    module.write_text(
        module.read_text().replace("assert", "db.orders.drop_index('status_1')\n    assert", 1)
    )
    broken = run("-vv")
    broken.assert_outcomes(failed=1)
    broken.stdout.fnmatch_lines(
        [
            "*state not as expected in orders: 1 otherwise*",
            "*index status_1  expected {*, is (missing)",
        ]
    )

    module.write_text(
        module.read_text().replace('"orders"]', '"oders"]').replace("db.orders.drop", "#")
    )
    run().stdout.fnmatch_lines(["*no collection 'oders' in the database: there are orders*"])


def test_anything_else_is_not_for_this_fixture(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile("def test_it(db_snapshot): assert {'a': 1} == db_snapshot")
    run("--snapshot-update").stdout.fnmatch_lines(["*compared with db_changes or db_state*dict*"])


def test_syrupys_own_snapshots_live_beside(pytester: pytest.Pytester, run: Run) -> None:
    """The default extension removes what it does not know below its own directory, not ours."""
    pytester.makepyfile(
        test_shop=PAY % ("paid", 5)
        + """
    def test_own(snapshot):
        assert 1 == snapshot
"""
    )
    run("--snapshot-update").assert_outcomes(passed=2)
    run("--snapshot-update", "-k", "own").assert_outcomes(passed=1, deselected=1)
    run("--snapshot-update", "-k", "paying").assert_outcomes(passed=1, deselected=1)
    run().assert_outcomes(passed=2)


def test_unused_expectations_are_told_and_removed(pytester: pytest.Pytester, run: Run) -> None:
    kept = pytester.makepyfile(test_kept=PAY % ("paid", 5))
    gone = pytester.makepyfile(test_gone=PAY % ("paid", 5))
    other = pytester.makepyfile(test_other=PAY % ("paid", 5))
    run("--snapshot-update").assert_outcomes(passed=3)
    gone.unlink()
    kept.write_text(kept.read_text().replace("test_paying", "test_renamed"))
    run("--snapshot-update", "-k", "renamed")

    result = run()
    result.stdout.fnmatch_lines(["*2 snapshots unused*"])
    assert result.ret == 1

    run("--snapshot-update", f"--ignore={other}").assert_outcomes(passed=1)
    left = sorted(
        str(p.relative_to(expectation(pytester))) for p in expectation(pytester).rglob("*.json")
    )
    assert left == ["test_kept/test_renamed.json", "test_other/test_paying.json"]


def test_no_two_assertions_share_a_file(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        test_shop="""
        import pytest

        VALUES = ["a/b", "ab", "a:b", "a b", "a%2Fb", "é", ".", "..", "x" * 300, "x" * 301, ""]

        @pytest.mark.scenario("shop")
        @pytest.mark.parametrize("value", VALUES, ids=VALUES)
        def test_values(db, db_changes, db_snapshot, value):
            db.orders.update_one({"_id": 1}, {"$set": {"status": value}})
            assert db_changes == db_snapshot
            db.orders.update_one({"_id": 2}, {"$set": {"status": value}})
            assert db_changes == db_snapshot
        """
    )
    result = run("--snapshot-update", "-W", "error")
    result.assert_outcomes(passed=11)
    assert len(list(expectation(pytester, "test_shop").iterdir())) == 22
    run("-W", "error").assert_outcomes(passed=11)
    run("-n", "2").assert_outcomes(passed=11)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "*this is no expectation*"),
        ('{"format_version": 99}', "*has format version 99*pip install -U*"),
        ("[]", "*this is no expectation*"),
        ('{"format_version": 1}', "E *test_paying.json: this is no expectation*"),
    ],
)
def test_a_damaged_expectation_is_one_line(
    pytester: pytest.Pytester, run: Run, text: str, said: str
) -> None:
    pytester.makepyfile(test_shop=PAY % ("paid", 5))
    run("--snapshot-update").assert_outcomes(passed=1)
    expectation(pytester, "test_shop", "test_paying.json").write_text(text)

    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([said])


def test_a_test_that_failed_keeps_its_expectations(pytester: pytest.Pytester, run: Run) -> None:
    module = pytester.makepyfile(
        test_shop="""
        import pytest

        BROKEN = ()

        @pytest.mark.scenario("shop")
        @pytest.mark.parametrize("name", ["a", "A", "b", "c"])
        def test_each(db, db_changes, db_snapshot, name):
            db.orders.insert_one({"_id": name})
            assert name not in BROKEN
            assert db_changes == db_snapshot
            db.orders.insert_one({"_id": name + name})
            assert db_changes == db_snapshot
        """
    )
    run("--snapshot-update").assert_outcomes(passed=4)
    everything = sorted(expectation(pytester, "test_shop").iterdir())
    assert len({path.name.lower() for path in everything}) == 8

    module.write_text(module.read_text().replace("BROKEN = ()", 'BROKEN = ("a", "b")'))
    run("--snapshot-update").assert_outcomes(passed=2, failed=2)
    run("--snapshot-update", "-x").assert_outcomes(failed=1)
    run("--snapshot-update", "-n", "2").assert_outcomes(passed=2, failed=2)
    assert sorted(expectation(pytester, "test_shop").iterdir()) == everything

    text = module.read_text().replace('("a", "b")', "()")
    module.write_text(text[: text.rindex("    db.orders.insert_one")])
    assert run().ret == 1
    run("--snapshot-update").assert_outcomes(passed=4)
    assert len(list(expectation(pytester, "test_shop").iterdir())) == 4


def test_a_changed_index_is_told_by_its_name(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scenario("shop")
        def test_index(db, db_changes, db_snapshot):
            db.orders.create_index("total")
            assert db_changes == db_snapshot
        """
    )
    run("-vv").stdout.fnmatch_lines(
        ["*the collection: options or indexes changed*", "*index total_1  (missing) → {*"]
    )


@pytest.mark.long
def test_more_than_a_screenful_is_in_a_file(pytester: pytest.Pytester, run: Run) -> None:
    module = pytester.makepyfile(
        test_shop="""
        import pytest

        @pytest.mark.scenario("shop")
        def test_many(db, db_changes, db_snapshot):
            db.items.insert_many([{"_id": n, "n": n, "new": False} for n in range(100)])
            assert db_changes == db_snapshot
        """
    )
    run("--snapshot-update").assert_outcomes(passed=1)
    module.write_text(module.read_text().replace("False", "True"))

    plain = run()
    plain.assert_outcomes(failed=1)
    plain.stdout.fnmatch_lines(
        [
            "E * changes not as expected in items: 100 otherwise",
            "E * items ~ _id 0: new  expected false, is true",
            "E * … and 94 more",
            "-* mongoshot: test_many -*",
            "  ~ _id 28: inserted otherwise than expected",
            "… and 144 more lines: .mongoshot/pending/*.txt",
        ]
    )
    plain.stdout.no_fnmatch_line("*\x1b*")
    [file] = pytester.path.joinpath(".mongoshot", "pending").rglob("*.txt")
    assert "  ~ _id 99: inserted otherwise than expected" in file.read_text().splitlines()

    for arguments in (("--color=yes",), ("--color=yes", "-n", "2")):
        run(*arguments).stdout.fnmatch_lines(
            ["\x1b?33m  ~ _id 28: inserted otherwise than expected\x1b?0m"]
        )
    plain = run("--color=yes", "--junitxml", "out.xml")
    plain.stdout.no_fnmatch_line("\x1b?33m  ~ *")
    everything = run("-vv")
    everything.stdout.fnmatch_lines(["E *  ~ _id 99: inserted otherwise than expected"])
    everything.stdout.no_fnmatch_line("-* mongoshot: test_many -*")


def test_an_assertion_that_pytest_does_not_explain_is_explained_below(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile(
        helpers="def check(found, expected): assert found == expected",
        test_shop="""
            import pytest
            from helpers import check

            pytestmark = pytest.mark.scenario("shop")

            def test_in_a_helper(db, db_changes, db_snapshot):
                db.payments.insert_one({"_id": 1})
                check(db_changes, db_snapshot)

            def test_earlier(db, db_changes, db_snapshot):
                db.payments.insert_one({"_id": 2})
                same = db_changes == db_snapshot
                assert same

            def test_at_once(db, db_changes, db_snapshot):
                db.payments.insert_one({"_id": 3})
                assert db_changes == db_snapshot
        """,
    )
    failed = run()
    failed.assert_outcomes(failed=3)
    failed.stdout.fnmatch_lines(
        [
            "*mongoshot: test_in_a_helper*",
            "there is no expectation yet; *",
            "  _id 1: inserted",
            "*mongoshot: test_earlier*",
            "  _id 2: inserted",
        ]
    )
    failed.stdout.no_fnmatch_line("*mongoshot: test_at_once*")
