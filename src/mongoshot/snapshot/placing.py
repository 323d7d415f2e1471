"""Putting a snapshot in its place: one step at the end, and what was there until then stays."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil

from mongoshot.errors import (
    FormatVersionError,
    SnapshotDamagedError,
    SnapshotError,
    SnapshotExistsError,
    SnapshotNotFoundError,
)
from mongoshot.files import make_directory, sync, sync_directory
from mongoshot.snapshot.directory import Snapshot
from mongoshot.snapshot.left_over import left_over
from mongoshot.snapshot.manifest import (
    MANIFEST_NAME,
    FileEntry,
    Manifest,
    Origin,
    is_snapshot_manifest,
)
from mongoshot.snapshot.packing import encoding_of
from mongoshot.snapshot.scenario_names import check_name


def check_target(path: Path, *, replace: bool) -> Snapshot | None:
    """Raise unless a snapshot may be written at `path`; return the one that it would replace.

    Raises SnapshotExistsError where one is there and not to be replaced, and SnapshotError where
    something else is there.
    """
    check_name(path.name)
    if os.path.islink(path):  # noqa: PTH114 - says no of what cannot be looked at
        raise SnapshotExistsError(
            f"{path} is a link, which a snapshot cannot take the place of: remove it, or choose"
            " another name"
        )
    try:
        existing = Snapshot.load(path)
    except SnapshotNotFoundError as error:
        if path.exists() and any(path.iterdir() if path.is_dir() else [path]):
            raise _not_replaceable(path, error) from None
        return None
    except (SnapshotDamagedError, FormatVersionError) as error:
        if not _was_snapshot(path):
            raise _not_replaceable(path, error) from None
        if not replace:
            raise SnapshotExistsError(
                f"the snapshot {path} is already there, but cannot be read ({error});"
                " add --replace to capture it anew, and the options that it was captured with: they"
                " cannot be read either"
            ) from None
        return None
    if not replace:
        raise SnapshotExistsError(
            f"the snapshot {path} is already there (revision {existing.manifest.revision},"
            f" captured {existing.manifest.origin.captured_at}); add --replace to capture it anew"
        )
    return existing


def _was_snapshot(path: Path) -> bool:
    # Other programs have a manifest.json too, and a directory of theirs is nobody's to replace.
    try:
        return is_snapshot_manifest(path / MANIFEST_NAME)
    except OSError:
        return False


def _not_replaceable(path: Path, error: SnapshotError) -> SnapshotExistsError:
    return SnapshotExistsError(
        f"{path} is there and cannot be replaced as a snapshot ({error}):"
        " choose another name, or remove it"
    )


@contextlib.contextmanager
def aside_of(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Make a directory beside `path` for the files of a snapshot, and remove it in the end.

    Nobody may read it who may not read what is at `path`; where nothing is, its owner alone, where
    it is to be `private`. Removes what killed writers of this name have left.
    """
    make_directory(path.parent)
    _remove_left_over(path)
    aside = path.parent / f".{path.name}.{os.getpid()}.partial"
    aside.mkdir(mode=_mode_aside(path, private))
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _mode_aside(path: Path, private: bool) -> int:
    """Give the mode of what is at `path`: nobody else reads what is to take its place, either."""
    try:
        return path.stat().st_mode & 0o777 | 0o700
    except OSError:
        return 0o700 if private else 0o777


def is_private(path: Path, otherwise: bool = False) -> bool:
    """Tell whether its owner alone may read a directory; `otherwise` where there is none.

    Windows has no such modes: there a directory has the permissions of the one that it is in.
    """
    try:
        return os.name != "nt" and not path.stat().st_mode & 0o077
    except OSError:
        return otherwise


def number_revision(
    name: str, existing: Snapshot | None, origin: Origin, files: tuple[FileEntry, ...]
) -> Manifest:
    """Count the revision up where the snapshot holds something else than the one before."""
    if existing is None:
        return Manifest(name, 1, origin, files)
    same = Manifest(name, existing.manifest.revision, origin, files)
    if same.digest == existing.digest:
        return same
    return Manifest(name, same.revision + 1, origin, files)


def commit(snapshot: Snapshot, path: Path, existing: Snapshot | None) -> None:
    """Write the manifest of a snapshot whose files lie aside, and put all of it at `path`.

    Who may read it stays as it is for what is there; for a new one, `aside_of` has said it.
    """
    aside = snapshot.path
    write_synced(aside / MANIFEST_NAME, snapshot.manifest.to_json().encode())
    if path.is_dir():
        aside.chmod(stat.S_IMODE(path.stat().st_mode))
    if is_private(aside):
        for file in aside.iterdir():
            file.chmod(0o600)
    sync_directory(aside)
    Snapshot.load(aside)
    _put_in_place(aside, path, existing)


def _put_in_place(aside: Path, path: Path, existing: Snapshot | None) -> None:
    """Swap the new directory in; the next load heals a swap that was killed half-way."""
    if not path.exists() or not any(path.iterdir()):
        aside.replace(path)
        with _or_back(path, aside):
            sync_directory(path.parent)
        return
    for entry in path.iterdir():
        # A README or notes that somebody keeps there are not ours to drop.
        if not _is_ours(entry, existing) and not (aside / entry.name).exists():
            _copy(entry, aside / entry.name)
    sync_directory(aside)
    replaced = path.parent / f".{path.name}.{os.getpid()}.replaced"
    path.rename(replaced)
    with _or_back(replaced, path):
        aside.rename(path)
        with _or_back(path, aside):
            sync_directory(path.parent)
    # Half removed it must not be healed back, so that it loses its name before its files. Where
    # that cannot be, it lies there until the next writer of this name.
    with contextlib.suppress(OSError):
        replaced.rename(aside)


@contextlib.contextmanager
def _or_back(now: Path, before: Path) -> Iterator[None]:
    """Give a directory the name back that it had, where what comes next goes wrong."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            now.rename(before)
        raise


def _copy(entry: Path, to: Path) -> None:
    """Copy a file or a directory that somebody keeps in a snapshot's; it is on the disk then."""
    if entry.is_symlink() or not entry.is_dir():
        copy_synced(entry, to)
        return
    shutil.copytree(entry, to, symlinks=True, copy_function=copy_synced)
    for directory in (to, *(each for each in to.rglob("*") if each.is_dir())):
        if not directory.is_symlink():
            sync_directory(directory)


def copy_synced(entry: str | Path, to: str | Path) -> None:
    """Copy a file, or a link as one, with its times and mode; it is on the disk on return."""
    shutil.copy2(entry, to, follow_symlinks=False)
    if not Path(to).is_symlink() and os.name != "nt":  # which syncs only what was opened to write
        with Path(to).open("rb") as file:
            os.fsync(file.fileno())


def _is_ours(entry: Path, existing: Snapshot | None) -> bool:
    if existing is None:  # its manifest is damaged, and does not tell
        return encoding_of(entry.name) in {".json", ".bson"} and entry.is_file()
    named = {file.name for file in existing.manifest.files} | {MANIFEST_NAME}
    if existing.manifest.recording is not None:
        named.add(existing.manifest.recording.name)
    return entry.name in named


def _remove_left_over(path: Path) -> None:
    """Remove what killed writers of this name left beside it; a living one's is not touched."""
    for left, pid in [*left_over(path, "partial"), *left_over(path, "replaced")]:
        if pid == os.getpid() or not psutil.pid_exists(pid):
            shutil.rmtree(left, ignore_errors=True)


def write_synced(path: Path, data: bytes) -> None:
    """Write a file that is on the disk on return."""
    with path.open("wb") as file:
        file.write(data)
        sync(file)


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Translate what goes wrong when the snapshot at `path` is written to SnapshotError."""
    try:
        yield
    except OSError as error:
        raise SnapshotError(
            f"cannot write the snapshot {path}: {error.strerror or error}; what was there before is"
            " as it was; make room, or name another place with --snapshots-path"
        ) from error
