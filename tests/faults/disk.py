"""What a disk may hold after the system has failed: made from the trace of what a process did.

A file system keeps order within its journal, and promises no more: data that no fsync waited for
may be missing, and a name that no fsync of its directory waited for may be the old one. Of all the
states that this allows, these are made, after each event of the trace:

- nothing but what was waited for (`strict`);
- all names, and of data only what was waited for: files are empty (`empty`), half there (`half`),
  or have zeros in place of it (`zeros`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Event = tuple[str, ...]
STATES = ("strict", "empty", "half", "zeros")


@dataclass(eq=False)
class Node:
    """Be a file, or a directory with names in it: as they are, and as they are on the disk."""

    is_directory: bool = False
    data: bytes = b""
    kept: bytes = b""
    names: dict[str, Node] = field(default_factory=dict)
    kept_names: dict[str, Node] = field(default_factory=dict)


class Disk:
    """Follow a trace below one directory; `begun` is a copy of it as it was before."""

    def __init__(self, root: Path, begun: Path) -> None:
        self._root = root
        self._top = _read(begun)

    def do(self, event: Event) -> None:
        """Do what a point of the trace says; what is outside of the root does not count."""
        what, *names = event
        paths = [self._parts(name) for name in names if name.startswith("/")]
        if what in ("command", "reply") or not paths or paths[0] is None:
            return
        if names[0].endswith(("(deleted)", "(unnamed)")):  # which nobody finds after a crash
            return
        directory, name = self._find(paths[0][:-1]), paths[0][-1] if paths[0] else ""
        if what in ("create", "mkdir"):
            directory.names[name] = Node(is_directory=what == "mkdir")
        elif what == "empty":
            node = directory.names.get(name, directory)
            if not node.is_directory:
                node.data = b""
        elif what == "write":
            node = directory.names[name]
            offset, data = int(names[1]), bytes.fromhex(names[2])
            node.data = (
                node.data[:offset].ljust(offset, b"\0") + data + node.data[offset + len(data) :]
            )
        elif what == "fsync":
            node = directory.names[name] if name else self._top
            node.kept = node.data
            node.kept_names = dict(node.names)
        elif what in ("unlink", "rmdir"):
            del directory.names[name]
        elif what in ("rename", "link"):
            assert paths[1] is not None
            to = self._find(paths[1][:-1])
            node = directory.names[name]
            if what == "rename":
                del directory.names[name]
            to.names[paths[1][-1]] = node
        elif what not in ("utime", "chmod", "reopen"):
            raise AssertionError(f"not followed: {event}")

    def write(self, state: str, to: Path) -> None:
        """Write one of the states that the disk may be in."""
        _write(self._top, state, to)

    def _parts(self, name: str) -> tuple[str, ...] | None:
        path = Path(name)
        return path.relative_to(self._root).parts if path.is_relative_to(self._root) else None

    def _find(self, parts: Sequence[str]) -> Node:
        node = self._top
        for part in parts:
            node = node.names[part]
        return node


def _read(path: Path) -> Node:
    if not path.is_dir():
        data = path.read_bytes()
        return Node(data=data, kept=data)
    names = {entry.name: _read(entry) for entry in path.iterdir()}
    return Node(True, names=names, kept_names=dict(names))


def _write(node: Node, state: str, to: Path) -> None:
    if node.is_directory:
        to.mkdir()
        for name, each in (node.kept_names if state == "strict" else node.names).items():
            _write(each, state, to / name)
        return
    data = node.kept
    if state == "half" and node.data != node.kept:
        data = node.data[: len(node.data) // 2]
    elif state == "zeros" and node.data != node.kept:
        data = bytes(len(node.data))
    to.write_bytes(data)


def crashes(
    root: Path, begun: Path, trace: Sequence[Event], to: Path
) -> Iterator[tuple[Path, str, Event]]:
    """Give the states that a crash after each event of a trace may leave, one after the other.

    `begun` is a copy of the directory `root` as it was before the trace. Each state is a directory,
    `to`, which goes when the next one comes; with it come its name and the event before it.
    """
    disk = Disk(root, begun)
    for event in trace:
        disk.do(event)
        if event[0] in ("command", "reply"):
            continue
        for state in STATES:
            disk.write(state, to)
            yield to, state, event
            shutil.rmtree(to)
