"""A disk that is really full: one line that says so, what was there as it was, then all well."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faults.nursery import Nursery
from tests.faults.test_files import PROPOSED
from tests.reliability import Evidence

from mongoshot import Snapshot, capture
from mongoshot.server.connection import Database

pytestmark = [pytest.mark.long, pytest.mark.reliability]

#: In a mount namespace of its own: a small disk, filled up but for some kB; then with room again.
_SCRIPT = """
set -e
mount -t tmpfs -o size=4m tmpfs "$DISK"
cp -r "$PROJECT/." "$DISK"
cd "$DISK"
dd if=/dev/zero of=filling bs=1k 2>/dev/null || true
dd if=/dev/null of=filling bs=1k seek=$(( $(stat -c %s filling) / 1024 - $ROOM )) 2>/dev/null
set +e
"$@" > "$SAID/out" 2> "$SAID/err"
echo $? > "$SAID/status"
ls -A snapshots > "$SAID/left"
rm filling
cp -r . "$SAID/after"
"$@" > "$SAID/out2" 2> "$SAID/err2"
echo $? > "$SAID/status2"
cp -r . "$SAID/again"
"""


def can_mount(directory: Path) -> bool:
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(directory)]
    return (
        shutil.which("unshare") is not None
        and subprocess.run(command, check=False, capture_output=True).returncode == 0
    )


_WHERE = ("--db-url", "URL", "--db-name", "DB")
COMMANDS = {
    "capture": ["capture", "new", "--yes", *_WHERE],
    "capture --replace": ["capture", "orders", "--replace", "--yes", *_WHERE],
    "convert": ["convert", "orders", "--format", "json"],
    "export": ["export", "orders", "dump", "--replace"],
    "export --archive": ["export", "orders", "an.archive", "--archive", "--replace"],
    "import": ["import", "the.archive", "orders", "--replace"],
    "accept": ["accept", "--all"],
    "diff --html": ["diff", "orders", "orders", "--html", "page.html"],
}
#: Commands, and how many kB are left for them.
CASES = [(command, 0 if command in ("accept", "diff --html") else 40) for command in COMMANDS]


@pytest.mark.parametrize(("command", "room"), [*CASES, ("capture --replace", 0)])
def test_a_command(
    command: str,
    room: int,
    nursery: Nursery,
    source: Database,
    server_url: str,
    project: Path,
    tmp_path: Path,
    evidence: Evidence,
) -> None:
    """With room for a part of what it writes, or with none."""
    disk, said = tmp_path / "disk", tmp_path / "said"
    disk.mkdir()
    said.mkdir()
    if not can_mount(disk):
        pytest.skip("no file system can be mounted here")
    source["orders"].insert_many([{"text": "x" * 1000} for _ in range(200)])
    before = capture(source, project / "snapshots" / "orders", format="bson").digest
    exported = nursery.mongoshot("export", "orders", "the.archive", "--archive", cwd=project)
    assert exported.status == 0
    (project / "test_it.py").touch()
    test = "test_it.py::test_it"
    propose = ("tests.faults.operations:propose", str(project), test, [PROPOSED])
    assert nursery.run(*propose, cwd=project).status == 0
    source["orders"].insert_one({"_id": "new"})

    words = [{"URL": server_url, "DB": source.name}.get(word, word) for word in COMMANDS[command]]
    subprocess.run(
        ["unshare", "-rm", "sh", "-c", _SCRIPT, "sh", sys.executable, "-m", "mongoshot", *words],
        env=os.environ
        | {"DISK": str(disk), "PROJECT": str(project), "SAID": str(said), "ROOM": str(room)},
        check=True,
        timeout=120,
    )

    def read(name: str) -> str:
        return (said / name).read_text()

    assert read("status").strip() == "2", read("err")
    [line] = [each for each in read("err").splitlines() if each.startswith("mongoshot: ")]
    assert "No space left on device" in line
    assert "make room" in line
    assert read("left").split() == ["orders"]
    found = Snapshot.load(said / "after" / "snapshots" / "orders")
    found.verify()
    assert found.digest == before
    assert list((said / "after").rglob("*.partial")) == []
    assert read("status2").strip() == "0", read("err2")
    for snapshot in (said / "again" / "snapshots").iterdir():
        Snapshot.load(snapshot).verify()
    done = f"`{command}` on a full disk ({room} kB left)"
    evidence("faults", done, 1, "one line; what was there as it was; the next time right")
