"""Expectations in syrupy: what a test sees of its database, compared with a file beside the test.

The file of an assertion is `__expectations__/<test module>/<test>.json` beside the test module, a
directory of its own: syrupy's default extension takes every file below `__snapshots__` that it does
not know for unused, and `--snapshot-update` removes it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from syrupy.data import SnapshotCollections
from syrupy.extensions.base import AbstractSyrupyExtension
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation

from mongoshot.assertion.written import Asserted, explain, matches, write
from mongoshot.config import EXPECTATIONS

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion as SnapshotAssertion
    from syrupy.data import SnapshotCollection

_LONGEST = 180  # bytes of a file's stem before the index of the assertion
_UNSAFE = re.compile(r"[^\w\[\](){},;=+@!'^&$#. -]|^\.|[. ]$", re.ASCII)


class ExpectationExtension(SingleFileSnapshotExtension):
    """Keep each expectation in a readable JSON file of its own, exact to the BSON type."""

    _write_mode = WriteMode.TEXT
    file_extension = "json"

    def serialize(self, data: Any, **_options: Any) -> str:
        """Write what a test sees as the text of an expectation."""
        return write(data if isinstance(data, Asserted) else Asserted(data))

    def matches(self, *, serialized_data: Any, snapshot_data: Any) -> bool:
        """Compare what is expected, and not what it was recorded against."""
        return matches(serialized_data, snapshot_data)

    def diff_lines(self, serialized_data: Any, snapshot_data: Any) -> Iterator[str]:
        """Say what differs from the expectation, or how to record it where there is none."""
        yield from explain(serialized_data, is_stored=bool(snapshot_data))

    def discover_snapshots(
        self, *, test_location: PyTestLocation, ignore_extensions: list[str] | None = None
    ) -> SnapshotCollections:
        """Return the expectations that an end of the run may find unused.

        These are of this module's tests that passed, of tests that are gone, and of modules that
        are gone. A test that failed, or was not run, may still need its own.
        """
        session = getattr(test_location.item, "session", None)
        if session is None:  # the controller of xdist, which runs no test: its workers tell
            return SnapshotCollections()
        unknown = [
            PyTestLocation(item)
            for item in session.items
            if isinstance(item, pytest.Function) and not getattr(item, "mongoshot_passed", False)
        ]
        found = super().discover_snapshots(
            test_location=test_location, ignore_extensions=ignore_extensions
        )
        tests = Path(test_location.filepath).parent
        kept = SnapshotCollections()
        for collection in found:
            module = Path(collection.location).parent.name
            if module != test_location.basename and (tests / f"{module}.py").exists():
                continue
            if not any(self._belongs(collection.location, location) for location in unknown):
                kept.add(collection)
        return kept

    @classmethod
    def _belongs(cls, path: str, location: PyTestLocation) -> bool:
        if Path(path).parent != Path(cls.dirname(test_location=location)):
            return False
        base = re.escape(cls.get_snapshot_name(test_location=location))
        return re.match(base + r"($|[.\[])", Path(path).stem) is not None

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: Any = 0) -> str:
        """Name an expectation so that no two assertions share a file, whatever their parameters."""
        name = AbstractSyrupyExtension.get_snapshot_name(test_location=test_location, index=index)
        base = AbstractSyrupyExtension.get_snapshot_name(test_location=test_location)
        index = name[len(base) :]  # ".1", "[a name]", or nothing
        stem: str = _file_stem(base) + index[:1] + _file_stem(index[1:])
        return stem

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        """Return the directory of a test module's expectations."""
        return str(Path(test_location.filepath).parent / EXPECTATIONS / test_location.basename)

    @classmethod
    def matches_test_location(
        cls, *, test_location: PyTestLocation, snapshot_location: str
    ) -> bool:
        """Tell whether a file holds an expectation of this test."""
        if not test_location.is_item_parametrized:
            return Path(snapshot_location).parent == Path(cls.dirname(test_location=test_location))
        return cls._belongs(snapshot_location, test_location)

    @classmethod
    def write_snapshot_collection(
        cls, *, snapshot_collection: SnapshotCollection, **_options: Any
    ) -> None:
        """Write the file aside and rename it, so that it is whole or as it was."""
        path = Path(snapshot_collection.location)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            aside.write_text(str(next(iter(snapshot_collection)).data), encoding="utf-8")
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


def _file_stem(name: str) -> str:
    """Escape what a file system dislikes as `%XX`, and cut what is too long for it.

    Parameters that differ only in case would share a file where case does not count.
    """
    escaped = _UNSAFE.sub(lambda m: "".join(f"%{byte:02X}" for byte in m[0].encode()), name)
    parameters = escaped.partition("[")[2]
    if len(escaped) <= _LONGEST and parameters == parameters.lower():
        return escaped
    return f"{escaped[:_LONGEST]}~{hashlib.sha256(name.encode()).hexdigest()[:12]}"
