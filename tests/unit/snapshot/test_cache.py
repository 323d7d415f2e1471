"""The cache keeps entries whole or not at all, and nothing depends on it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import pytest

from mongoshot.snapshot.cache import Cache, Stamp

if TYPE_CHECKING:
    from tests.unit.snapshot.conftest import Later

NAME = "0" * 64 + ".bson"
OTHER = "1" * 64 + ".bson"
ASIDE = f".{NAME}.4711.abcdefgh.partial"
DAY = 24 * 60 * 60

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")


def read(name: str = NAME) -> bytes | None:
    file = Cache().open(name)
    if file is None:
        return None
    with file:
        return file.read()


def age(path: Path, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(path, (then, then))


def days_since_use(path: Path) -> float:
    return (time.time() - path.stat().st_mtime) / DAY


# Entries


def test_an_entry_is_what_was_written(cache_directory: Path) -> None:
    Cache().write(NAME, [b"one ", memoryview(b"two")])
    assert read() == b"one two"
    assert [path.name for path in cache_directory.iterdir()] == [NAME]


def test_what_was_not_written_is_not_there() -> None:
    assert read() is None
    Cache().write(OTHER, [b"x"])
    assert read() is None


def test_an_entry_is_replaced() -> None:
    Cache().write(NAME, [b"a longer one"])
    Cache().write(NAME, [b"new"])
    assert read() == b"new"


@pytest.mark.parametrize("name", [f"../{NAME}", f"/{NAME}", "None.index", "x.bson", "", NAME[1:]])
def test_a_name_without_a_digest_is_none_of_an_entry(cache_directory: Path, name: str) -> None:
    Cache().write(OTHER, [b"x"])
    Cache().write(name, [b"x"])
    assert [path.name for path in cache_directory.iterdir()] == [OTHER]
    assert list(cache_directory.parent.iterdir()) == [cache_directory]
    (cache_directory / "x.bson").write_bytes(b"x")
    (cache_directory.parent / NAME).write_bytes(b"x")
    assert read(name) is None


@posix
def test_entries_are_the_users_alone(cache_directory: Path) -> None:
    Cache().write(NAME, [b"x"])
    assert cache_directory.stat().st_mode & 0o777 == 0o700
    assert (cache_directory / NAME).stat().st_mode & 0o777 == 0o600


def test_an_entry_that_is_given_up_leaves_the_one_before_and_nothing_beside_it(
    cache_directory: Path,
) -> None:
    def parts() -> Iterator[bytes]:
        yield b"half"
        raise RuntimeError

    Cache().write(NAME, [b"whole"])
    with pytest.raises(RuntimeError):
        Cache().write(NAME, parts())
    assert read() == b"whole"
    assert [path.name for path in cache_directory.iterdir()] == [NAME]


def test_an_entry_is_not_there_before_it_is_whole(cache_directory: Path) -> None:
    seen = []

    def parts() -> Iterator[bytes]:
        seen.append(read())
        yield b"x" * 100_000
        seen.append(read())
        [aside] = cache_directory.iterdir()
        assert f".{os.getpid()}." in aside.name

    Cache().write(NAME, parts())
    assert seen == [None, None]
    assert read() == b"x" * 100_000


WRITER = f"""
import sys
from mongoshot.snapshot.cache import Cache
part = sys.argv[1].encode() * 10_000
for _ in range(200):
    Cache().write({NAME!r}, [part] * 10)
"""


def test_of_two_that_write_at_once_each_reader_sees_one(cache_directory: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, letter]) for letter in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        seen.add(read())
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen | {read()} <= {None, b"a" * 100_000, b"b" * 100_000}
    assert read() is not None
    assert [path.name for path in cache_directory.iterdir()] == [NAME]


# A cache that cannot be


@pytest.mark.parametrize("inside", [False, True])
def test_a_file_in_its_place_is_done_without(cache_directory: Path, inside: bool) -> None:
    blocked = cache_directory.parent if inside else cache_directory
    if inside:
        blocked.rmdir()
    blocked.write_bytes(b"in the way")
    Cache().write(NAME, [b"x"])
    assert read() is None
    assert blocked.read_bytes() == b"in the way"


def test_a_directory_in_the_place_of_an_entry_is_done_without(cache_directory: Path) -> None:
    (cache_directory / NAME).mkdir(parents=True)
    cache_directory.chmod(0o700)
    Cache().write(NAME, [b"x"])
    assert read() is None
    assert [path.name for path in cache_directory.iterdir()] == [NAME]


@pytest.mark.parametrize("path", ["/dev/null", "a\0b", "x" * 5000])
def test_a_path_that_cannot_be_is_done_without(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    # The environment itself holds no NUL, what reads it may.
    monkeypatch.setattr(os, "environ", {"MONGOSHOT_CACHE": path})
    Cache().write(NAME, [b"x"])
    assert read() is None


@posix
@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_where_others_may_write_nothing_is_believed(cache_directory: Path, mode: int) -> None:
    Cache().write(NAME, [b"x"])
    assert read() == b"x"
    cache_directory.chmod(mode)
    Cache().write(OTHER, [b"x"])
    assert read() is None
    assert [path.name for path in cache_directory.iterdir()] == [NAME]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root gives files away")
def test_what_somebody_else_owns_is_not_believed(cache_directory: Path) -> None:
    Cache().write(NAME, [b"x"])
    os.chown(cache_directory, 12345, 12345)
    assert read() is None


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root writes everywhere")
@pytest.mark.parametrize(("mode", "left"), [(0o500, b"x"), (0o000, None), (0o300, b"x")])
def test_what_may_not_be_read_or_written_is_done_without(
    cache_directory: Path, mode: int, left: bytes | None
) -> None:
    Cache().write(NAME, [b"x"])
    cache_directory.chmod(mode)
    try:
        Cache().write(OTHER, [b"x"])
        assert (read(), read(OTHER)) == (left, None)
    finally:
        cache_directory.chmod(0o700)


FULL = f"""
import resource
from mongoshot.snapshot.cache import Cache
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
Cache().write({NAME!r}, [b"x" * 500] * 4)
"""


@posix
def test_a_full_disk_leaves_nothing(cache_directory: Path) -> None:
    subprocess.run([sys.executable, "-c", FULL], check=True)
    assert list(cache_directory.iterdir()) == []


# Its place


@pytest.mark.parametrize("named", [None, ""])
def test_it_lies_where_the_system_keeps_caches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str | None
) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / "own" / name)
    if named is None:
        monkeypatch.delenv("MONGOSHOT_CACHE")
    else:
        monkeypatch.setenv("MONGOSHOT_CACHE", named)
    Cache().write(NAME, [b"x"])
    assert (tmp_path / "own" / "mongoshot" / NAME).read_bytes() == b"x"


@posix
def test_the_home_of_the_user_may_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MONGOSHOT_CACHE", "~/kept")
    Cache().write(NAME, [b"x"])
    assert (tmp_path / "kept" / NAME).read_bytes() == b"x"


@posix
@pytest.mark.parametrize("named", [None, "~/kept"])
def test_a_user_without_a_home_does_without(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str | None
) -> None:
    import pwd

    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for name in ("HOME", "XDG_CACHE_HOME", "MONGOSHOT_CACHE"):
        monkeypatch.delenv(name, raising=False)
    if named:
        monkeypatch.setenv("MONGOSHOT_CACHE", named)
    monkeypatch.chdir(tmp_path)
    Cache().write(NAME, [b"x"])
    assert read() is None
    assert list(tmp_path.iterdir()) == []


# What is not used goes


@pytest.mark.parametrize(
    ("name", "days", "stays"),
    [
        (NAME, 29, True),
        (NAME, 31, False),
        (ASIDE, 0.9, True),
        (ASIDE, 1.1, False),
        ("notes.bson", 1000, True),
        (NAME + ".old", 1000, True),
        (".hidden.1.x.partial", 1000, True),
    ],
)
def test_what_nobody_has_used_goes_when_an_entry_is_written(
    cache_directory: Path, name: str, days: float, stays: bool
) -> None:
    Cache().write(OTHER, [b"x"])
    (cache_directory / name).write_bytes(b"old")
    age(cache_directory / name, days)
    Cache().write(OTHER, [b"x"])
    assert (cache_directory / name).exists() is stays


def test_a_directory_that_cannot_be_removed_is_left(cache_directory: Path) -> None:
    (cache_directory / NAME).mkdir(parents=True)
    cache_directory.chmod(0o700)
    age(cache_directory / NAME, 100)
    Cache().write(OTHER, [b"x"])
    assert read(OTHER) == b"x"


def test_what_is_read_stays(cache_directory: Path) -> None:
    Cache().write(NAME, [b"x"])
    age(cache_directory / NAME, 31)
    assert read() == b"x"
    Cache().write(OTHER, [b"x"])
    assert read() == b"x"


def test_use_is_noted_once_a_day(cache_directory: Path) -> None:
    Cache().write(NAME, [b"x"])
    age(cache_directory / NAME, 0.5)
    read()
    assert days_since_use(cache_directory / NAME) == pytest.approx(0.5, abs=0.01)
    age(cache_directory / NAME, 1.5)
    read()
    assert days_since_use(cache_directory / NAME) == pytest.approx(0, abs=0.01)


# Files that were verified


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "orders.bson"
    path.write_bytes(b"documents")
    return path


def remember(path: Path) -> None:
    Cache().remember_verified(path, Stamp.of(path), "a", "b")


def is_known(path: Path) -> bool:
    return Cache().was_verified(path, Stamp.of(path), "a", "b")


def test_a_file_that_was_verified_is_known(file: Path, later: Later) -> None:
    later()
    assert not is_known(file)
    remember(file)
    assert is_known(file)


@pytest.mark.parametrize("digests", [("a", "c"), ("c", "b"), ("a",), ("a", None), ("a", "b", "c")])
def test_it_is_not_known_by_other_digests(
    file: Path, later: Later, digests: tuple[str | None, ...]
) -> None:
    later()
    remember(file)
    assert not Cache().was_verified(file, Stamp.of(file), *digests)


def write_anew(path: Path) -> None:
    """Write other bytes of the same length, and set the time back."""
    before = path.stat()
    path.write_bytes(b"DOCUMENTS")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def put_a_copy_in_its_place(path: Path) -> None:
    before = path.stat()
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
    copy.replace(path)


def lengthen(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


@pytest.mark.parametrize("change", [write_anew, put_a_copy_in_its_place, lengthen, Path.touch])
def test_a_file_that_was_written_to_is_not_known(file: Path, later: Later, change: Later) -> None:
    later()
    remember(file)
    time.sleep(0.02)  # the kernel's clock for files ticks each 4 or 10 ms
    change(file)  # type: ignore[call-arg]
    assert not is_known(file)


def test_a_file_that_was_changed_just_before_is_not_remembered(file: Path) -> None:
    remember(file)
    assert not is_known(file)


@posix
def test_a_file_that_was_just_moved_there_with_an_old_date_is_not_remembered(file: Path) -> None:
    age(file, 100)
    remember(file)
    assert not is_known(file)


def test_a_file_from_the_future_is_not_remembered(file: Path, later: Later) -> None:
    later()
    age(file, -1)
    remember(file)
    assert not is_known(file)


def test_a_file_that_was_changed_while_it_was_verified_is_not_remembered(
    file: Path, later: Later, cache_directory: Path
) -> None:
    later()
    stamp = Stamp.of(file)
    time.sleep(0.02)
    write_anew(file)
    Cache().remember_verified(file, stamp, "a", "b")
    assert not cache_directory.exists()


def test_a_file_that_is_gone_is_not_remembered(
    file: Path, later: Later, cache_directory: Path
) -> None:
    later()
    stamp = Stamp.of(file)
    file.unlink()
    Cache().remember_verified(file, stamp, "a", "b")
    assert not cache_directory.exists()


def test_each_file_is_known_by_its_place(file: Path, later: Later, tmp_path: Path) -> None:
    later()
    remember(file)
    (tmp_path / "link").symlink_to(tmp_path)
    assert is_known(tmp_path / "link" / file.name)
    os.link(file, tmp_path / "other.bson")
    assert not is_known(tmp_path / "other.bson")


def test_a_damaged_entry_makes_nothing_known(
    file: Path, later: Later, cache_directory: Path
) -> None:
    later()
    remember(file)
    [entry] = cache_directory.iterdir()
    whole = entry.read_bytes()
    for damaged in (b"", whole[:-2], whole + b"x", b"\xff" * len(whole), b"1" + whole[1:]):
        entry.write_bytes(damaged)
        assert is_known(file) is (damaged == whole)
    entry.write_bytes(whole)
    assert is_known(file)
