"""`--mongoshot-report PATH`: what a run found not as expected, as one page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., pytest.RunResult]

pytestmark = pytest.mark.usefixtures("shop")

TESTS = """
    import pytest

    pytestmark = pytest.mark.scenario("shop")

    def test_same(db, db_changes, db_snapshot):
        db.orders.delete_one({"_id": 2})
        assert db_changes == db_snapshot

    def test_paying(db, db_changes, db_snapshot):
        db.orders.update_one({"_id": 1}, {"$set": {"status": "paid"}})
        assert db_changes == db_snapshot
        db.payments.insert_one({"_id": 1, "amount": 5})
        assert db_changes == db_snapshot

    @pytest.mark.parametrize("name", ["<script>window.hacked = 1</script>"])
    def test_hostile(db, db_changes, db_snapshot, name):
        db[name].insert_one({"_id": name})
        assert db_changes == db_snapshot

    def test_other_ways(db, db_changes, db_snapshot):
        db.orders.delete_many({})
        assert db_changes != db_snapshot(name="none")

    @pytest.mark.xfail
    def test_known(db, db_changes, db_snapshot):
        db.orders.delete_many({})
        assert db_changes == db_snapshot
"""


def read(page: Path) -> Any:
    """Return the data of a page."""
    text = page.read_text(encoding="utf-8")
    return json.loads(text.split('id="data">')[1].split("</script>")[0])


@pytest.fixture
def module(pytester: pytest.Pytester, run: Run) -> Path:
    """Give a module of tests whose expectations are recorded."""
    module = pytester.makepyfile(test_shop=TESTS)
    run("--snapshot-update", "-k", "not known and not other").assert_outcomes(
        passed=3, deselected=2
    )
    return module


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_each_failed_assertion_is_on_the_page(
    pytester: pytest.Pytester, run: Run, module: Path, workers: tuple[str, ...]
) -> None:
    module.write_text(
        module.read_text()
        .replace('"paid"', '"payed"')
        .replace('"amount": 5', '"amount": 5.0')
        .replace('insert_one({"_id": name})', 'insert_one({"_id": name, "x": 1})')
    )
    result = run("--mongoshot-report", "build/out.html", *workers)
    result.assert_outcomes(passed=2, failed=2, xfailed=1)
    result.stdout.fnmatch_lines(["mongoshot: 2 of 5 assertions not as expected: build/out.html"])

    page = pytester.path / "build" / "out.html"
    assert [path.name for path in page.parent.iterdir()] == ["out.html"]
    data = read(page)
    assert (data["report"], data["compared"]) == (True, 5)
    hostile, paying = data["comparisons"]
    assert hostile["name"] == "test_shop.py::test_hostile[<script>window.hacked = 1</script>]"
    assert [c["name"] for c in hostile["collections"]] == ["<script>window.hacked = 1</script>"]
    assert page.read_text(encoding="utf-8").count("<script") == 2

    assert paying["name"] == "test_shop.py::test_paying"
    assert paying["file"] == "__expectations__/test_shop/test_paying.json"
    assert (paying["scenario"], paying["kind"], paying["new"]) == ("shop", "changes", False)
    [orders] = paying["collections"]
    assert (orders["name"], orders["counts"]) == ("orders", "1 different")
    [[name, rows, section, near]] = orders["entries"]["otherwise"]
    assert (name, section, near) == ("1", "updated", None)
    assert rows == [["~", "status", ['"open"', '"paid"'], ['"open"', '"payed"']]]


def test_what_is_not_recorded_yet_is_shown(
    pytester: pytest.Pytester, run: Run, module: Path
) -> None:
    for file in module.parent.glob("__expectations__/test_shop/*"):
        if file.name == "test_same.json":
            file.write_text("{}")
        else:
            file.unlink()
    run("--mongoshot-report", "out.html").assert_outcomes(passed=1, failed=3, xfailed=1)
    _, paying, damaged = read(pytester.path / "out.html")["comparisons"]
    assert paying["new"] is True
    assert [c["counts"] for c in paying["collections"]] == ["1 new"]
    assert paying["collections"][0]["entries"]["new"][0][1] == [
        ["+", "status", None, ['"open"', '"paid"']]
    ]
    assert damaged["name"] == "test_shop.py::test_same"
    assert "test_same.json: this is no expectation" in damaged["problem"]


def test_a_run_without_failures_says_so(
    pytester: pytest.Pytester, run: Run, module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = pytester.path / "out.html"
    page.write_text("an earlier run's")
    pytester.makeini("[pytest]\nmongoshot-report = out.html\n")
    result = run("-k", "same or paying")
    result.assert_outcomes(passed=2, deselected=3)
    result.stdout.fnmatch_lines(["mongoshot: 3 assertions compared, all as expected: out.html"])
    assert (read(page)["comparisons"], read(page)["compared"]) == ([], 3)

    page.write_text("an earlier run's")
    monkeypatch.chdir(pytester.mkdir("elsewhere"))
    result = run("--rootdir", str(pytester.path), str(pytester.path), "-k", "same")
    result.stdout.fnmatch_lines([f"mongoshot: 1 assertion compared, all as expected: {page}"])
    assert read(page)["compared"] == 1
    monkeypatch.chdir(pytester.path)

    page.unlink()
    run("--collect-only")
    assert not page.exists()
    run("--mongoshot-report", "other.html", "-k", "nothing")
    assert not page.exists()
    assert read(pytester.path / "other.html")["compared"] == 0


@pytest.mark.parametrize("path", ["test_shop.py", "", "directory.html"])
def test_only_a_page_is_overwritten(
    pytester: pytest.Pytester, run: Run, module: Path, path: str
) -> None:
    pytester.mkdir("directory.html")
    before = module.read_text()
    result = run("--mongoshot-report", path)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*should be the path of a page to write*not {path!r}*"])
    assert module.read_text() == before


def test_a_page_that_cannot_be_written_fails_the_run(
    pytester: pytest.Pytester, run: Run, module: Path
) -> None:
    (pytester.path / "taken").write_text("a file")
    result = run("--mongoshot-report", "taken/out.html", "-k", "same")
    result.assert_outcomes(passed=1, deselected=4)
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.stdout.fnmatch_lines(["mongoshot: *taken/out.html cannot be written: *"])


def test_a_run_that_was_killed_leaves_no_page_of_an_earlier_one(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile("import os\ndef test_kills(): os._exit(9)")
    page = pytester.path / "out.html"
    page.write_text("an earlier run's")
    assert run("--mongoshot-report", "out.html").ret == 9
    assert not page.exists()
