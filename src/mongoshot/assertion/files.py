"""Expectations as files beside the tests, as syrupy keeps, finds and removes them.

That of an assertion is `__expectations__/<test module>/<test>.json` beside the test module (`names`
tells the test's part), whatever `--snapshot-dirname` says of syrupy's own: its default extension
takes every file below its directory that it does not know for unused, and `--snapshot-update`
removes it.

`--snapshot-update` writes an expectation where there is none or where another one is stored, and
leaves the file of one that holds as it is: with its layout, its line ends, and the digest of the
scenario that it was recorded against. Each failure of it tells, until it is recorded again, that
the scenario has changed since.

Unused are the expectations of

- tests that passed, and have not looked at them;
- tests that are gone from a module whose tests were all collected;
- modules that are gone.

A test that failed, was skipped or deselected, or whose module could not be imported, keeps its own.
syrupy's report then leaves out what the command line did not ask for.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from syrupy.data import SnapshotCollection, SnapshotCollections
from syrupy.exceptions import TaintedSnapshotError
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation

from mongoshot.assertion.names import owners_of, stem_of
from mongoshot.assertion.run import RunRecord
from mongoshot.comparison.expectation.model import FORMAT_VERSION, parse_expectation
from mongoshot.config import EXPECTATIONS
from mongoshot.errors import ExpectationError
from mongoshot.files import write_whole

_CONFLICT = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)


class ExpectationFiles(SingleFileSnapshotExtension):
    """Keep each expectation in a file of its own, with a name that no other one has."""

    _write_mode = WriteMode.TEXT
    file_extension = "json"

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        """Return the directory of a test module's expectations."""
        return str(Path(test_location.filepath).parent / EXPECTATIONS / test_location.basename)

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: int | str = 0) -> str:
        """Return the name of an expectation, which is that of its file without `.json`."""
        return stem_of(_test_of(test_location), index)

    @classmethod
    def matches_test_location(
        cls, *, test_location: PyTestLocation, snapshot_location: str
    ) -> bool:
        """Tell whether a file holds an expectation of this test's module.

        Which of them are unused was decided by `discover_snapshots`.
        """
        return Path(snapshot_location).parent == Path(cls.dirname(test_location=test_location))

    def discover_snapshots(
        self, *, test_location: PyTestLocation, ignore_extensions: list[str] | None = None
    ) -> SnapshotCollections:
        """Return the expectations beside a test's module, and those beside no module at all.

        At the end of the run these are only those that are unused unless the run has used them.
        """
        found = SnapshotCollections()
        run = test_location.item.config.stash.get(RunRecord.KEY, None)
        if run is None or self.file_extension in (ignore_extensions or ()):
            return found
        beside = Path(self.dirname(test_location=test_location)).parent
        for directory in sorted({beside, *run.directories_without_tests()}):
            for path in _unneeded(directory, run) if run.over else _files_in(directory):
                found.add(self.read_snapshot_collection(snapshot_location=str(path)))
        return found

    def delete_snapshots(self, *, snapshot_location: str, **_options: object) -> None:
        """Remove a file, and the directories that it leaves empty."""
        path = Path(snapshot_location)
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something is left in it
            path.parent.rmdir()
            path.parent.parent.rmdir()

    def read_snapshot_data_from_location(
        self, *, snapshot_location: str, **_options: object
    ) -> str | None:
        """Return the text of an expectation, or None where there is none.

        Raises TaintedSnapshotError for a damaged file, so that `--snapshot-update` replaces it.
        """
        try:
            return read_expectation(Path(snapshot_location))
        except FileNotFoundError:
            return None
        except ExpectationError as error:
            raise TaintedSnapshotError(snapshot_data="") from error

    @classmethod
    def write_snapshot_collection(
        cls, *, snapshot_collection: SnapshotCollection, **_options: object
    ) -> None:
        """Write the file aside and rename it, so that it is whole or as it was."""
        [snapshot] = snapshot_collection
        write_whole(Path(snapshot_collection.location), str(snapshot.data))


def read_expectation(path: Path) -> str:
    """Return the text of an expectation's file; line ends and a byte order mark do not count.

    Raises ExpectationError where it is damaged, and OSError where it cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ExpectationError(
            f"this is not UTF-8 ({error.reason}); take the file from version control again, or"
            " record it with pytest --snapshot-update"
        ) from None
    if _CONFLICT.search(text):
        raise ExpectationError(
            "this has the conflict markers of a merge; resolve them, or record the expectation"
            " with pytest --snapshot-update"
        )
    try:
        sound = json.loads(text)["format_version"] == FORMAT_VERSION
    except (ValueError, TypeError, KeyError, RecursionError):
        sound = False
    if not sound:
        parse_expectation(text)  # which says what is wrong, and takes longer
    return text


def _test_of(location: PyTestLocation) -> str:
    """Return a test's name in its module, with its classes and parameters."""
    if location.is_doctest:
        return location.testname
    # syrupy's own, `snapshot_name`, splits the node's id also at a `::` in a parameter.
    name = location.item.name
    classes = location.nodeid.removesuffix(f"::{name}").split("::")[1:]
    return ".".join([*classes, _without_repetition(name, location.item)])


def _without_repetition(name: str, item: pytest.Item) -> str:
    """Return the name that a test has without pytest-repeat: each time it expects the same.

    The plugin's own parameter comes last: `test_name[parameters-1-3]`.
    """
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    step = parameters.get("__pytest_repeat_step_number")
    if step is None:
        return name
    return re.sub(rf"(?:-|(?<=\[)){step + 1}-\d+\]$", "]", name).removesuffix("[]")


def _files_in(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.glob("*/*.json")):
        if not path.name.startswith(".") and path.is_file():
            yield path


def _unneeded(directory: Path, run: RunRecord) -> Iterator[Path]:
    """Find the expectations that are unused unless this run has used them."""
    beside = [path for path in directory.parent.iterdir() if path.is_file()]
    for module, paths in itertools.groupby(_files_in(directory), lambda path: path.parent.name):
        files = [path for path in beside if path.stem == module]
        tests = {
            stem_of(_test_of(PyTestLocation(test))): test
            for file in files
            for test in run.tests_in(file)
            if hasattr(test, "obj")  # a function or a doctest: others cannot ask for fixtures
        }
        all_known = not files or any(run.is_complete(file) for file in files)
        for path in paths:
            owners = [tests[stem] for stem in owners_of(path.stem) if stem in tests]
            unneeded = all(map(run.has_passed, owners)) if owners else all_known
            if unneeded and (owners or _is_ours(path)):
                yield path


def _is_ours(path: Path) -> bool:
    """Tell an expectation from what somebody has put beside it."""
    with path.open("rb") as file:
        return b'"format_version"' in file.read(4096)
