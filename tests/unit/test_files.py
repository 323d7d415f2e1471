"""A text file is whole or as it was, and what killed writers have left goes."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

import pytest

from mongoshot.errors import SnapshotError
from mongoshot.files import make_directory, write_whole
from mongoshot.snapshot.spool import Scratch

GONE = 999_999_999


def test_what_killed_writers_have_left_goes(tmp_path: Path) -> None:
    kept = [f".{os.getpid()}.{'0' * 16}.partial", f".{GONE}.partial", ".notes.partial"]
    for name in (*kept, f".{GONE}.{'0' * 16}.partial"):
        (tmp_path / name).touch()

    write_whole(tmp_path / "a.json", "{}")

    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([*kept, "a.json"])


def test_a_new_directory_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))

    make_directory(tmp_path / "a" / "b")

    assert synced == [tmp_path.stat().st_ino, (tmp_path / "a").stat().st_ino]


def test_a_file_system_that_syncs_no_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(tmp_path / "a.json", "{}")
    assert (tmp_path / "a.json").read_text() == "{}"


def test_a_full_temporary_directory_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "write", fail)
    full = pytest.raises(SnapshotError, match=r"No space left on device; make room .* TMPDIR")
    with Scratch(10) as scratch, full:
        scratch.write(b"x" * 20)
