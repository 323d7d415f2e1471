"""What a database holds never commands the terminal of whoever runs its tests."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]

pytestmark = pytest.mark.usefixtures("shop")

MODULE = r"""
    import os
    import pytest

    ODD = "\x1b]0;mine\x07\x9b2J\u202e\u2028\r"
    pytestmark = pytest.mark.scenario("shop")

    def write(db):
        db["odd" + ODD].insert_one({"_id": ODD, ODD: {ODD: [ODD, os.environ["RUN"]]}})
        db.orders.create_index([("x" + ODD, 1)], name="by" + ODD + os.environ["RUN"])
        db.orders.update_one({"_id": 1}, {"$set": {"x" + ODD: ODD + os.environ["RUN"]}})

    def test_stored(db, db_changes, db_snapshot):
        write(db)
        assert db_changes == db_snapshot

    def test_whole(db, db_state, db_snapshot):
        write(db)
        assert db_state == db_snapshot

    def test_one(db, db_state, db_snapshot):
        write(db)
        assert db_state["odd" + ODD] == db_snapshot

    def test_missing(db, db_state, db_snapshot):
        write(db)
        assert db_state["other" + ODD] == db_snapshot

    def test_inline(db, db_changes):
        write(db)
        assert db_changes.inserted == {"other" + ODD: [{"_id": ODD}]}

    def test_nothing(db, db_changes):
        write(db)
        assert not db_changes

    @pytest.mark.scenario("shop", readonly=True)
    def test_looking(db):
        write(db)
"""
COMMANDS = re.compile("[\x07\x1b\x9b\u202e\u2028]")


def test_nothing_of_it_reaches_the_terminal_as_it_is(
    pytester: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(MODULE)
    for flag in ("-q", "-vv"):  # nothing is recorded in the first run, and something else is then
        monkeypatch.setenv("RUN", flag)
        failed = run(flag)
        failed.assert_outcomes(failed=7)
        failed.stdout.fnmatch_lines(["*mine*"])
        assert [line for line in failed.outlines if COMMANDS.search(line)] == []
        run("--snapshot-update")
