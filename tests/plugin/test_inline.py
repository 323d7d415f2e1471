"""What a test changed is compared with lists and dicts that stand in the test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]

pytestmark = pytest.mark.usefixtures("shop")


def test_inline_expectations_with_matchers_of_all_kinds(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile(
        """
        import datetime
        import uuid
        from decimal import Decimal
        from unittest.mock import ANY

        import pytest
        from bson import Binary, Int64, ObjectId
        from bson.decimal128 import Decimal128
        from dirty_equals import IsDatetime, IsInstance, IsNow, IsPartialDict, IsStr, IsUUID

        from mongoshot import by_value, unordered

        pytestmark = pytest.mark.scenario("shop")

        @pytest.fixture(autouse=True)
        def paid(db):
            token = uuid.uuid4()
            yield db.payments.insert_many(
                [
                    {"order": 1, "amount": Int64(5), "by": "Ann", "tags": ["new", "paid"]},
                    {"order": 2, "amount": 0.1 + 0.2, "rate": Decimal128("1.50")},
                    {"token": Binary.from_uuid(token), "at": datetime.datetime.now(datetime.UTC)},
                ]
            )

        def test_fixtures_arrange(db_changes):
            assert db_changes.inserted == {}
            assert db_changes.inserted["payments"] == []

        def test_matchers(db, db_changes):
            paid = list(db.payments.find({}, {"_id": 0}))
            db.receipts.insert_many(paid)
            assert db_changes.inserted["receipts"] == [
                {"_id": ANY, "token": IsUUID(4), "at": IsNow(delta=60, tz=None) | IsDatetime()},
                {"_id": IsInstance(ObjectId), "order": 2, "amount": pytest.approx(0.3),
                 "rate": pytest.approx(Decimal("1.5"))},
                {"_id": ANY, "order": 1, "amount": by_value(5), "by": IsStr(regex="A.*"),
                 "tags": unordered(["paid", "new"])},
            ]
            assert db_changes.inserted == {"receipts": [ANY, ANY, IsPartialDict(order=1)]}
            assert db_changes.inserted["receipts"] != [ANY, ANY]

        def test_updates_and_deletions(db, db_changes):
            db.orders.update_one({"_id": 1}, {"$set": {"status": "paid"}})
            db.orders.delete_one({"_id": 2})
            before = {"_id": 1, "status": "open", "total": 5}
            assert db_changes.updated == {"orders": [(before, before | {"status": "paid"})]}
            assert db_changes.updated["orders"] != [(before, before | {"total": 5.0})]
            assert db_changes.deleted == {"orders": [{"_id": 2, "status": "paid", "total": 7}]}
            assert db_changes.inserted == {"orders": []}
        """
    )
    run("-vv").assert_outcomes(passed=3)


def test_the_first_lines_of_a_failure_say_what_is_wrong(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from bson import Int64
        from unittest.mock import ANY

        pytestmark = pytest.mark.scenario("shop")

        @pytest.fixture(autouse=True)
        def changed(db, db_changes, staged):
            staged.mark()

        def test_one(db, db_changes):
            db.payments.insert_many([{"_id": i, "amount": Int64(i)} for i in range(3)])
            assert db_changes.inserted["payments"] == [
                {"_id": 2, "amount": Int64(2)}, {"_id": 1, "amount": 1},
            ]

        def test_all(db, db_changes):
            db.payments.insert_one({"_id": 1})
            db.orders.insert_one({"_id": 3})
            assert db_changes.inserted == {"payments": [{"_id": ANY}]}
        """
    )
    result = run()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "E *assert payments: 3 inserted, 2 expected: 1 otherwise, 1 not expected",
            "E *~ _id 1 otherwise than expected",
            'E *amount  expected 1, is {"$numberLong": "1"} (int32 expected, is int64)',
            'E *+ inserted, and not expected: {"_id": 0, *',
            "E *assert orders: 1 inserted, 0 expected: 1 not expected",
            'E *+ inserted, and not expected: {"_id": 3}',
        ],
        consecutive=False,
    )
    result.stdout.no_fnmatch_line("*Full output truncated*")


def test_what_a_failed_test_changed_is_shown_where_it_asked(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.scenario("shop")

        def test_not(db, db_changes):
            db.orders.update_one({"_id": 1}, {"$set": {"status": "first"}})
            assert not db_changes

        def test_passes(db, db_changes):
            db.orders.update_one({"_id": 1}, {"$set": {"status": "second"}})
            assert db_changes

        def test_did_not_ask(db, db_changes):
            db.orders.update_one({"_id": 1}, {"$set": {"status": "third"}})
            assert db_changes.updated == {}

        def test_was_right(db, db_changes):
            assert not db_changes
            db.orders.update_one({"_id": 1}, {"$set": {"status": "fourth"}})
            assert 0

        def test_many(db, db_changes):
            db.logs.insert_many([{"_id": i} for i in range(100)])
            db.more.insert_many([{"_id": i} for i in range(100)])
            assert not db_changes
        """
    )
    result = run()
    result.assert_outcomes(passed=1, failed=4)
    result.stdout.fnmatch_lines(
        [
            "*assert not <Changes: orders: 1 updated>",
            "*- mongoshot: what the test changed -*",
            "shop → *: 1 collection differs",
            '*status  "open" → "first"',
            "*assert orders: 1 updated, 0 expected: 1 not expected*",
            "*assert not <Changes: logs: created, 100 inserted; more: created, 100 inserted>",
            "*- mongoshot: what the test changed -*",
            "… and * more lines",
        ]
    )
    shown = result.stdout.str()
    assert shown.count("mongoshot: what the test changed") == 2
    assert "second" not in shown
    assert shown.count("_id 1\n") <= 4


def test_comparing_with_what_can_never_be_equal_says_how_to(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile(
        """
        def test_dict(db_changes): assert db_changes == {"orders": []}
        def test_not_equal(db_changes): assert db_changes != {}
        def test_list(db_changes): assert [] == db_changes
        def test_none(db_changes): assert db_changes == None
        def test_object(db_changes): assert db_changes == object()
        def test_state(db_changes, db_state): assert db_changes == db_state
        def test_state_first(db_changes, db_state): assert db_state == db_changes
        """
    )
    result = run()
    result.assert_outcomes(failed=7)
    kinds = ("a dict", "a dict", "a list", "a NoneType", "a object", "db_state", "db_state")
    for kind in kinds:
        said = f"E *UsageError: db_changes is compared with db_snapshot, not with {kind}; inline*"
        result.stdout.fnmatch_lines([said])


def test_an_object_with_an_equality_of_its_own_may_look_at_all_changes(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile(
        """
        from unittest.mock import ANY
        from dirty_equals import HasAttributes
        import pytest

        @pytest.mark.scenario("shop")
        def test_it(db, db_changes):
            db.orders.delete_one({"_id": 1})
            assert db_changes == ANY
            assert db_changes == HasAttributes(scenario="shop")
            assert db_changes != HasAttributes(scenario="other")
        """
    )
    run().assert_outcomes(passed=1)


def test_a_suite_that_does_not_use_it_gets_the_messages_of_pytest(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_own():
            assert [1, 2] == [1, 3]

        def test_nothing_of_ours_was_loaded():
            assert "mongoshot.assertion.inline_report" not in sys.modules
            assert "bson" not in sys.modules
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*At index 1 diff: 2 != 3*"])
