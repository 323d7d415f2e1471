"""Where expectations are kept: one file each, whole or as it was, removed only when unused."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., pytest.RunResult]

PLAIN = """
    def test_it(db, db_changes, db_snapshot):
        db.orders.insert_one({"_id": 1, "text": "é"})
        assert db_changes == db_snapshot
"""
FILE = "__expectations__/test_shop/test_it.json"


def tree(root: Path) -> dict[str, bytes]:
    """Return what is below directories of expectations and of syrupy's own snapshots."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and {"__expectations__", "__snapshots__"} & set(path.parts)
    }


def restore(root: Path, kept: dict[str, bytes]) -> None:
    """Put the files back that `tree` has read."""
    for directory in {path for path in root.rglob("__*s__") if path.is_dir()}:
        shutil.rmtree(directory)
    for name, content in kept.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def messages(result: pytest.RunResult) -> list[list[str]]:
    """Return the explanation of each failed assertion, line by line."""
    found: list[list[str]] = []
    for line in result.outlines:
        if begins := re.match(r"E +(?:AssertionError: )?assert (.*)", line):
            found.append([begins[1]])
        elif line.startswith("E   ") and found:
            found[-1].append(line[1:].strip())
    return found


NAMES = r'''
    import pytest

    IDS = ["a", "A", "a/b", "a:b", "..", "", "a]", "a][b", "a].1", "b", "1", "p::q", "con", "nul.",
           "é", "e\u0301", "\U0001f600", "\0", "a~b", "100%41", '<>:"|?*', "x" * 300, "x" * 301]

    def see(db, number):
        db.seen.insert_one({"_id": number})

    @pytest.mark.parametrize("id", IDS, ids=IDS)
    def test_ids(db, db_changes, db_snapshot, id):
        see(db, f"{id} 0")
        assert db_changes == db_snapshot
        see(db, f"{id} 1")
        assert db_changes == db_snapshot
        see(db, f"{id} 2")
        assert db_changes == db_snapshot(name="b")

    def test_names(db, db_changes, db_snapshot):
        for name in ["1", 1, 0, "a", "A", "é", "y" * 300, "Y" * 300, "a][b", "/etc/../x"]:
            if name != 1:  # which is "1"
                see(db, name)
            assert db_changes == db_snapshot(name=name)
            assert db_changes == db_snapshot

    def test_other_defaults(db, db_changes, db_snapshot, snapshot):
        assert db_changes == db_snapshot
        see(db, 1)
        assert db_changes == db_snapshot.with_defaults()
        assert snapshot == 5
        see(db, 2)
        assert db_changes == db_snapshot.with_defaults(exclude="**.at")

    class TestOne:
        class TestInner:
            def test_same(self, db, db_changes, db_snapshot):
                see(db, 1)
                assert db_changes == db_snapshot

        def test_same(self, db, db_changes, db_snapshot):
            see(db, 2)
            assert db_changes == db_snapshot

    class TestTwo(TestOne):
        def test_same(self, db, db_changes, db_snapshot):
            see(db, 3)
            assert db_changes == db_snapshot

    def test_case(db, db_changes, db_snapshot):
        see(db, 4)
        assert db_changes == db_snapshot

    def test_CASE(db, db_changes, db_snapshot):
        see(db, 5)
        assert db_changes == db_snapshot

    def test_оплата(db, db_changes, db_snapshot):
        assert db_changes == db_snapshot

    def test_LONG(db, db_changes, db_snapshot):
        assert db_changes == db_snapshot

    globals()["test_LONG" + "ä" * 300] = test_LONG

    def check(changes, stored):
        assert changes == stored

    def test_helper_and_loop(db, db_changes, db_snapshot):
        for number in range(3):
            see(db, number)
            check(db_changes, db_snapshot)

    @pytest.fixture
    def ends(db, db_changes, db_snapshot):
        see(db, 0)
        assert db_changes == db_snapshot
        yield
        see(db, 1)
        assert db_changes == db_snapshot

    def test_fixture(ends, db, db_changes, db_snapshot):
        see(db, 2)
        assert db_changes == db_snapshot

    import unittest

    class Case(unittest.TestCase):
        @pytest.fixture(autouse=True)
        def _given(self, db, db_changes, db_snapshot):
            self.db, self.changes, self.stored = db, db_changes, db_snapshot

        def test_case(self):
            see(self.db, 6)
            assert self.changes == self.stored

    def documented():
        """
        >>> changes, stored = getfixture("db_changes"), getfixture("db_snapshot")
        >>> see(getfixture("db"), 7)
        >>> assert changes == stored
        """
'''


@pytest.mark.long
def test_each_comparison_has_its_own_file_whatever_it_is_called(
    pytester: pytest.Pytester, run: Run
) -> None:
    for directory in ("one", "two"):
        pytester.makepyfile(**{f"{directory}/test_names": NAMES})
    options = ("-W", "error", "--doctest-modules", "--import-mode=importlib")
    recorded = run("--snapshot-update", *options)
    recorded.assert_outcomes(passed=2 * 38)
    recorded.stdout.fnmatch_lines([f"*{2 * (23 * 3 + 19 + 4 + 17)} snapshots generated."])
    stored = tree(pytester.path)
    paths = [Path(name) for name in stored if name.endswith(".json")]
    assert len(paths) == len({str(path).lower() for path in paths}) == 2 * (23 * 3 + 19 + 3 + 17)
    assert all(len(path.name.encode()) <= 255 for path in paths)
    assert not [path for path in paths if re.search(r'[<>:"/\\|?*\x00-\x1f]', path.name)]
    assert not [path for path in paths if not re.match(r"[\w.%]+", path.name)]

    again = run(*options)
    again.assert_outcomes(passed=2 * 38)
    again.stdout.no_fnmatch_line("*unused*")
    restore(pytester.path, {})
    run("--snapshot-update", *options, "-n", "2").assert_outcomes(passed=2 * 38)
    assert tree(pytester.path) == stored, "the same bytes whoever records them"


def test_one_name_for_two_comparisons_is_one_expectation(
    pytester: pytest.Pytester, run: Run
) -> None:
    module = pytester.makepyfile(
        test_shop="""
        def test_it(db, db_changes, db_snapshot):
            assert db_changes == db_snapshot(name="one")
            assert db_changes == db_snapshot(name="one")
            db.orders.insert_one({"_id": 1})
            assert db_changes == db_snapshot(name="one")

        def test_difference(db_changes, db_snapshot):
            assert db_changes == db_snapshot(diff=0)
        """
    )
    path = pytester.path / "__expectations__" / "test_shop" / "test_it[one].json"
    for arguments in [("--snapshot-update",), ("--snapshot-update",), ()]:
        result = run(*arguments)
        result.assert_outcomes(failed=2)
        [message] = messages(result)
        assert re.match(r"this test has compared with .*test_it\[one\].json before", message[0])
        assert "orders" not in path.read_text()
        result.stdout.fnmatch_lines(
            ["*UsageError: db_snapshot takes name, exclude, match and collections, not diff"]
        )
        assert [path.name for path in path.parent.iterdir()] == [path.name]

    module.write_text(module.read_text().replace('"one"', '"other"').replace('"other"', '"one"', 2))
    run("--snapshot-update", "-k", "test_it").assert_outcomes(passed=1, deselected=1)
    run("-k", "test_it").assert_outcomes(passed=1, deselected=1)


BEFORE = """
    import pytest

    @pytest.fixture
    def compare(db_changes, db_snapshot):
        def compare():
            assert db_changes == db_snapshot
        return compare

    def test_used(compare):
        compare()

    def test_gone(compare):
        compare()

    @pytest.mark.parametrize("id", ["a", "b"])
    def test_each(compare, id):
        compare()

    def test_two(compare):
        compare()
        compare()

    def test_without(compare):
        compare()

    def test_skipped(compare):
        compare()

    def test_xfailed(compare):
        compare()

    @pytest.mark.parametrize("id", ["a", "b"])
    def test_failed(compare, id):
        compare()
        compare()

    def test_setup(compare):
        compare()

    def test_teardown(compare):
        compare()

    @pytest.mark.slow
    def test_slow(compare):
        compare()
        compare()
"""
AFTER = """
    import pytest

    @pytest.fixture
    def compare(db_changes, db_snapshot):
        def compare():
            assert db_changes == db_snapshot
        return compare

    @pytest.fixture
    def fails():
        assert False

    @pytest.fixture
    def ends():
        yield
        assert False

    def test_used(compare):
        compare()

    @pytest.mark.parametrize("id", ["a"])
    def test_each(compare, id):
        compare()

    def test_two(compare):
        compare()

    def test_without():
        pass

    @pytest.mark.skip
    def test_skipped(compare):
        compare()

    @pytest.mark.xfail
    def test_xfailed(compare):
        assert False
        compare()

    @pytest.mark.parametrize("id", ["a", "b"])
    def test_failed(compare, id):
        compare()
        assert id == "a"
        compare()

    def test_setup(fails, compare):
        compare()

    def test_teardown(ends):
        pass

    @pytest.mark.slow
    def test_slow(compare):
        compare()
"""
ONE = "__expectations__/test_1/"
TWO = "__expectations__/test_2/"
OTHERS = "__expectations__/test_gone/", "below/deep/__expectations__/test_deep/"
UNUSED = {
    ONE + "test_gone.json",
    *(TWO + f"{name}.json" for name in ("test_gone", "test_each[b]", "test_two.1")),
    TWO + "test_without.json",
    TWO + "test_slow.1.json",
    *(directory + "test_it.json" for directory in OTHERS),
}
#: What somebody keeps there for another purpose, and what a killed run has left.
FOREIGN = (
    "__expectations__/README.md",
    "__expectations__/.gitattributes",
    "__expectations__/more.json",
    ONE + "notes.json",
    TWO + ".DS_Store",
    TWO + ".123.aside",
    "__expectations__/test_gone/.gitkeep",
)


@pytest.fixture
def aged(pytester: pytest.Pytester, run: Run) -> dict[str, bytes]:
    """Make a project whose tests have changed since their expectations were recorded."""
    pytester.makeini("[pytest]\nmarkers = slow")
    pytester.makepyfile(**{"test_gone": PLAIN, "below/deep/test_deep": PLAIN})
    pytester.makepyfile(test_2=BEFORE, test_broken=PLAIN, test_not_here=PLAIN)
    pytester.makepyfile(test_1=PLAIN + "\n" + PLAIN.replace("test_it", "test_gone"))
    run("--snapshot-update").assert_outcomes(passed=13 + 6)
    for name in ("test_gone.py", "below/deep/test_deep.py"):
        (pytester.path / name).unlink()
    pytester.makepyfile(test_1=PLAIN, test_2=AFTER, test_broken="import nothing_like_that")
    pytester.makepyfile(test_not_here="import pytest\npytest.skip(allow_module_level=True)")
    for name in FOREIGN:
        (pytester.path / name).write_text("{}")
    return tree(pytester.path)


@pytest.mark.long
def test_unused_expectations_are_told_and_not_one_more(
    pytester: pytest.Pytester, run: Run, aged: dict[str, bytes]
) -> None:
    always = ("--continue-on-collection-errors", "--snapshot-details")
    for arguments in [(), ("-n", "2"), ("-n", "2", "--dist", "loadfile"), (str(pytester.path),)]:
        result = run(*always, *arguments)
        assert result.ret == 1
        told = re.findall(r"^Unused .* \((.*)\)$", result.stdout.str(), re.MULTILINE)
        assert sorted(told) == sorted(UNUSED), arguments
        result.stdout.fnmatch_lines([f"*{len(UNUSED)} snapshots unused.*"])
        assert tree(pytester.path) == aged

    for arguments in [(), ("-n", "2")]:
        run("--snapshot-update", *always, *arguments)
        assert aged.keys() - tree(pytester.path).keys() == UNUSED, arguments
        assert not (pytester.path / "below" / "deep" / "__expectations__").exists()
        restore(pytester.path, aged)


@pytest.mark.long
def test_what_a_run_leaves_out_is_kept(
    pytester: pytest.Pytester, run: Run, aged: dict[str, bytes]
) -> None:
    """Runs of some tests remove what those do not use any more, at most."""
    pytester.makepyfile(test_broken=PLAIN)
    here = pytester.path
    in_two = {name for name in UNUSED if name.startswith(TWO)}
    of_tests_run = {TWO + f"{name}.json" for name in ("test_each[b]", "test_two.1", "test_without")}
    with_cache = ("-p", "cacheprovider")

    cases: list[tuple[tuple[str, ...], set[str]]] = [
        (("-k", "not slow"), UNUSED - {TWO + "test_slow.1.json"}),
        (("-k", "two or nothing"), {TWO + "test_two.1.json"}),
        (("-m", "not slow", "-n", "2"), of_tests_run),
        (("--deselect", "test_2.py::test_slow"), of_tests_run),
        # syrupy does not relate `test_two.1` to the id of a node
        (("test_2.py::test_two", "test_2.py::test_without"), {TWO + "test_without.json"}),
        (("test_2.py::test_each",), set()),
        (("test_2.py",), in_two),
        (("below",), set()),
        (("--ignore=test_2.py",), UNUSED - in_two),
        (("-x",), UNUSED - {TWO + "test_slow.1.json"}),
        (("--collect-only",), set()),
        (("--snapshot-no-cleanup",), set()),
        (("--snapshot-disable-unused",), set()),
        (("--snapshot-ignore-file-extensions", "json"), set()),
        (("test_1.py", "--rootdir", str(here / "below")), {ONE + "test_gone.json"}),
        ((*with_cache, "--ff"), UNUSED),
        ((*with_cache, "--lf"), set()),  # without test_failed[a], which is there
    ]
    for arguments, removed in cases:
        run("--snapshot-update", *arguments)
        assert aged.keys() - tree(here).keys() == removed, arguments
        restore(here, aged)


@pytest.mark.long
def test_options_do_what_they_say(pytester: pytest.Pytester, run: Run) -> None:
    """Nothing is written without a flag, and each flag writes what it says and nothing else."""
    module = pytester.makepyfile(
        test_shop=PLAIN
        + """
    def test_own(db, db_changes, db_snapshot, snapshot):
        assert 1 == snapshot
        assert db_changes == db_snapshot
"""
    )
    run("--snapshot-update", "-k", "test_it").assert_outcomes(passed=1, deselected=1)
    changed = (pytester.path / FILE).read_bytes().replace(b'"_id": 1', b'"_id": 2')
    (pytester.path / FILE).write_bytes(changed)
    before = tree(pytester.path)

    for arguments in [(), ("-n", "2"), ("--snapshot-diff-mode", "disabled"), ("--collect-only",)]:
        run(*arguments)
        assert tree(pytester.path) == before, arguments

    own = "__snapshots__/test_shop.ambr"
    new = "__expectations__/test_shop/test_own.json"
    run("--snapshot-update-new-only").assert_outcomes(passed=1, failed=1)
    assert tree(pytester.path).keys() == {FILE, own, new}
    assert tree(pytester.path)[FILE] == changed
    run("--snapshot-update", "-n", "2", "--snapshot-dirname", "elsewhere").assert_outcomes(passed=2)
    assert tree(pytester.path).keys() == {FILE, own, new}
    assert (pytester.path / "elsewhere").is_dir()

    module.write_text(module.read_text().replace("test_it", "test_that"))
    warned = run("--snapshot-update-new-only", "--snapshot-warn-unused")
    warned.assert_outcomes(passed=2)
    warned.stdout.fnmatch_lines(["*1 snapshot unused*"])
    assert warned.ret == 0

    refused = run("--snapshot-update", "--snapshot-dirname", "tests/__expectations__")
    refused.stderr.fnmatch_lines(["ERROR: --snapshot-dirname tests/__expectations__: *another*"])
    assert refused.ret == pytest.ExitCode.USAGE_ERROR


def test_other_extensions_keep_theirs_and_leave_ours(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        test_shop=PLAIN
        + """
    def test_amber(snapshot):
        assert 1 == snapshot

    def test_json(snapshot):
        from syrupy.extensions.json import JSONSnapshotExtension
        assert 1 == snapshot.use_extension(JSONSnapshotExtension)

    def test_both(db, db_changes, db_snapshot, snapshot):
        assert 1 == snapshot
        assert db_changes == db_snapshot
        assert 2 == snapshot
        assert db_changes == db_snapshot
"""
    )
    run("--snapshot-update").assert_outcomes(passed=4)
    stored = tree(pytester.path)
    assert len(stored) == 5
    json_extension = "syrupy.extensions.json.JSONSnapshotExtension"
    for arguments in [
        ("-k", "test_amber"),
        ("-k", "test_json"),
        ("-k", "test_it"),
        ("-n", "2"),
        ("--snapshot-default-extension", json_extension, "-k", "test_json"),
    ]:
        run("--snapshot-update", *arguments)
        assert tree(pytester.path) == stored, arguments

    pytester.makepyfile(test_shop=PLAIN.replace("test_it", "test_that"))
    run("--snapshot-update").assert_outcomes(passed=1)
    assert tree(pytester.path).keys() == {"__expectations__/test_shop/test_that.json"}


def test_nothing_is_written_in_continuous_integration(
    pytester: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "1")
    pytester.makepyfile(test_shop=PLAIN)
    run().assert_outcomes(failed=1)
    run("-n", "2").assert_outcomes(failed=1)
    assert not list(pytester.path.rglob("__expectations__"))
    run("--snapshot-update").assert_outcomes(passed=1)
    assert tree(pytester.path).keys() == {FILE}


MANY = """
    import pytest

    @pytest.mark.parametrize("what", %s)
    def test_it(db, db_changes, db_snapshot, what):
        db.orders.insert_one({"_id": 1, "text": "a b"})
        assert db_changes == db_snapshot
"""


def test_what_editors_and_checkouts_do_to_a_file_does_not_count(
    pytester: pytest.Pytester, run: Run
) -> None:
    def compact(content: bytes) -> bytes:
        return json.dumps(json.loads(content)).encode()

    edits: dict[str, Callable[[bytes], bytes]] = {
        "crlf": lambda content: content.replace(b"\n", b"\r\n"),
        "mark": lambda content: b"\xef\xbb\xbf" + content,
        "compact": compact,
        "indented": lambda content: content.replace(b"\n", b"\n   \t") + b"\n\n",
    }
    pytester.makepyfile(test_shop=MANY % list(edits))
    run("--snapshot-update").assert_outcomes(passed=len(edits))
    for what, edit in edits.items():
        path = pytester.path / f"__expectations__/test_shop/test_it[{what}].json"
        path.write_bytes(edit(path.read_bytes()))
    edited = tree(pytester.path)
    run().assert_outcomes(passed=len(edits))
    run("--snapshot-update").assert_outcomes(passed=len(edits))
    assert tree(pytester.path) == edited


def test_a_damaged_file_is_one_line_and_recorded_again_when_asked(
    pytester: pytest.Pytester, run: Run
) -> None:
    damages = {
        "conflict": (b"<<<<<<< ours\n{}\n=======\n{}\n>>>>>>> theirs\n", "conflict markers"),
        "empty": (b"", "this is no expectation"),
        "encoding": (b"\xff\xfe{", "this is not UTF-8"),
        "list": (b"[]", "this is no expectation"),
        "newer": (b'{"format_version": 99}', "pip install -U mongoshot"),
        "deep": (b"[" * 100_000, "this is no expectation"),
    }
    pytester.makepyfile(test_shop=MANY % [*damages, "directory"])
    directory = pytester.path / "__expectations__" / "test_shop"
    run("--snapshot-update").assert_outcomes(passed=7)
    for what, (content, _) in damages.items():
        (directory / f"test_it[{what}].json").write_bytes(content)
    (directory / "test_it[directory].json").unlink()
    (directory / "test_it[directory].json" / "in it").mkdir(parents=True)

    found = messages(run())
    said = [*(line for _, line in damages.values()), "Is a directory"]
    for what, line, message in zip([*damages, "directory"], said, found, strict=True):
        assert len(message) == 1
        assert message[0].startswith(f"__expectations__/test_shop/test_it[{what}].json: ")
        assert line in message[0]

    again = run("--snapshot-update")
    again.assert_outcomes(passed=6, failed=1)
    run().assert_outcomes(passed=6, failed=1)
    shutil.rmtree(directory)
    directory.write_text("in the way")
    [message] = messages(run("--snapshot-update", "-k", "empty"))
    assert message[0].startswith("__expectations__/test_shop/test_it[empty].json: Not a directory")


def test_a_killed_update_leaves_what_was_there(pytester: pytest.Pytester, run: Run) -> None:
    """Killed where the file is about to come into its place."""
    module = pytester.makepyfile(test_shop=PLAIN)
    run("--snapshot-update").assert_outcomes(passed=1)
    before = tree(pytester.path)
    pytester.makeconftest(
        """
        import os, signal, sys

        def kill(event, arguments):
            if event == "os.rename" and str(arguments[1]).endswith("test_it.json"):
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(kill)
        """
    )
    module.write_text(module.read_text().replace('"_id": 1', '"_id": 2'))
    assert run("--snapshot-update").ret == -signal.SIGKILL
    left = tree(pytester.path)
    assert left[FILE] == before[FILE]
    assert len(left) == 2, "the file aside has been written"

    (pytester.path / "conftest.py").unlink()
    run().assert_outcomes(failed=1)
    result = run("--snapshot-update")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["1 snapshot updated."])
    assert tree(pytester.path).keys() == before.keys()  # what the killed one left, too, is gone


@pytest.mark.usefixtures("shop")
def test_an_expectation_that_holds_is_left_alone_when_its_scenario_changes(
    pytester: pytest.Pytester, run: Run
) -> None:
    """It is recorded against what it was made with; recorded again, against what is there then."""
    marked = '    import pytest\n\n    @pytest.mark.scenario("shop")'
    module = pytester.makepyfile(test_shop=marked + PLAIN.replace('"_id": 1', '"_id": 9'))
    run("--snapshot-update").assert_outcomes(passed=1)
    old = (pytester.path / FILE).read_text().splitlines()
    module.write_text(module.read_text().replace('"shop"', '"shop", "extras"'))
    run("--snapshot-update").assert_outcomes(passed=1)
    assert (pytester.path / FILE).read_text().splitlines() == old

    (pytester.path / FILE).write_text("\n".join(old).replace("é", "e"))
    run("-vv").stdout.fnmatch_lines(["*note: recorded against shop (*it is shop + extras (*"])
    run("--snapshot-update").assert_outcomes(passed=1)
    new = (pytester.path / FILE).read_text().splitlines()
    differing = [line.split(":")[0].strip() for line in set(old) ^ set(new)]
    assert sorted(set(differing)) == ['"digest"', '"scenario"']


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    "workers",
    [(), pytest.param(("-n", "2"), marks=pytest.mark.long)],
    ids=["alone", "xdist"],
)
def test_a_repeated_test_expects_the_same_each_time(
    pytester: pytest.Pytester, run: Run, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.scenario("shop")

        def test_one(db, db_changes, db_snapshot):
            db.orders.delete_one({"_id": 1})
            assert db_changes == db_snapshot

        class TestSeveral:
            @pytest.mark.parametrize("which", ["1-2", "2-3"])
            def test_two(self, db, db_changes, db_snapshot, which):
                db.orders.update_one({"_id": 2}, {"$set": {"which": which}})
                assert db_changes == db_snapshot
        """
    )
    run("--snapshot-update").assert_outcomes(passed=3)
    files = sorted(pytester.path.glob("__expectations__/*/*.json"))
    repeated = run("-p", "repeat", "--count", "3", *workers)
    repeated.assert_outcomes(passed=9)
    assert "unused" not in repeated.stdout.str()
    run("-p", "repeat", "--count", "2", "--snapshot-update", *workers).assert_outcomes(passed=6)
    assert sorted(pytester.path.glob("__expectations__/*/*.json")) == files
