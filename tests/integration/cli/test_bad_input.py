"""Bad input ends in one clear line, exit status 2, and leaves everything as it was."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mongoshot.server.connection import Database
from mongoshot.server.ledger import read_baseline

from .conftest import Completed, Run, without_privileges

MakeDatabase = Callable[[], Database]
Refused = Callable[..., str]
Damage = Callable[[Path], None]

REMEDY = ("take", "from version control again", "--replace")


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(directory)): file.read_bytes()
        for file in directory.rglob("*")
        if file.is_file()
    }


def truncate(path: Path) -> None:
    file = path / "orders.json"
    file.write_bytes(file.read_bytes()[:-5])


def flip(path: Path) -> None:
    file = path / "orders.json"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def flip_metadata(path: Path) -> None:
    file = path / "orders.metadata.json"
    file.write_bytes(file.read_bytes().replace(b'"v"', b'"w"', 1))


def lose_documents(path: Path) -> None:
    (path / "orders.json").unlink()


def lose_metadata(path: Path) -> None:
    (path / "orders.metadata.json").unlink()


def put_directory(path: Path) -> None:
    lose_documents(path)
    (path / "orders.json").mkdir()


def change_manifest(change: Callable[[dict[str, Any]], None]) -> Damage:
    def damage(path: Path) -> None:
        file = path / "manifest.json"
        manifest = json.loads(file.read_text(encoding="utf-8"))
        change(manifest)
        file.write_text(json.dumps(manifest), encoding="utf-8")

    return damage


def orders_entry(manifest: dict[str, Any]) -> dict[str, Any]:
    (found,) = [entry for entry in manifest["files"] if entry["name"] == "orders.json"]
    assert isinstance(found, dict)
    return found


def lie_about_count(manifest: dict[str, Any]) -> None:
    orders_entry(manifest)["documents"] += 1


def lie_about_size(manifest: dict[str, Any]) -> None:
    orders_entry(manifest)["bytes"] += 1


def forget_file(manifest: dict[str, Any]) -> None:
    manifest["files"].remove(orders_entry(manifest))


def write_manifest(text: bytes) -> Damage:
    def damage(path: Path) -> None:
        (path / "manifest.json").write_bytes(text)

    return damage


DAMAGES: dict[str, tuple[Damage, str]] = {
    "truncated": (truncate, "orders.json has "),
    "flipped": (flip, "orders.json was changed"),
    "flipped metadata": (flip_metadata, "orders.metadata.json was changed"),
    "missing documents": (lose_documents, "orders.json is missing"),
    "missing metadata": (lose_metadata, "orders.metadata.json is missing"),
    "no file": (put_directory, "orders.json"),
    "count": (change_manifest(lie_about_count), "manifest.json says 6 documents"),
    "size": (change_manifest(lie_about_size), "and the manifest says"),
    "forgotten": (change_manifest(forget_file), "manifest.json"),
    "no JSON": (write_manifest(b"{"), "manifest.json is not JSON"),
    "no UTF-8": (write_manifest(b"\xff"), "manifest.json is not UTF-8"),
    "no object": (write_manifest(b"null"), "manifest.json"),
    "empty": (write_manifest(b""), "manifest.json is not JSON"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_snapshot(kind: str, run: Run, refused: Refused, captured: Path) -> None:
    damage, said = DAMAGES[kind]
    damage(captured)
    before = contents(captured)

    verified = run("verify", "orders")
    assert (verified.returncode, verified.stdout) == (1, "")
    assert said in verified.stderr
    assert "Traceback" not in verified.stderr
    refused(run("convert", "orders", "--format", "bson"), said)
    assert contents(captured) == before
    assert [entry.name for entry in captured.parent.iterdir()] == ["orders"]


def test_a_damaged_snapshot_is_not_restored_and_captured_anew(
    run: Run,
    refused: Refused,
    captured: Path,
    where: list[str],
    make_database: MakeDatabase,
    count_writes: Callable[[Database], int],
) -> None:
    target = make_database()
    to = [*where[:2], "--db-name", target.name]
    assert run("restore", "orders", *to).returncode == 0
    writes, baseline = count_writes(target), read_baseline(target)
    flip(captured)

    refused(run("restore", "orders", *to), "orders.json was changed", *REMEDY)
    refused(run("restore", "orders", *to, "--dry-run"), "orders.json was changed")
    refused(run("diff", "orders", "orders"), "orders.json was changed", *REMEDY)

    assert count_writes(target) == writes
    assert read_baseline(target) == baseline
    assert run("capture", "orders", *where, "--replace").returncode == 0
    assert run("verify", "orders").returncode == 0


def test_a_format_version_of_the_future(run: Run, refused: Refused, captured: Path) -> None:
    change_manifest(lambda manifest: manifest.update(format_version=99))(captured)
    for command in ("show", "verify", "restore"):
        refused(run(command, "orders"), "format version 99", "pip install -U mongoshot")


def test_a_name_that_is_no_scenario(run: Run, refused: Refused, captured: Path) -> None:
    for words in (["restore", "ordesr"], ["show", "ordesr"], ["diff", "orders", "ordesr"]):
        refused(run(*words), "no scenario 'ordesr' in snapshots", "did you mean 'orders'?")
    refused(run("verify", "entirely-else"), "there are orders", "mongoshot capture")
    refused(run("diff", "./snapshots/nope", "orders"), "no scenario 'nope'")
    refused(run("diff", "./snapshots", "orders"), "is no snapshot", "manifest.json")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "a\nb", "\x1b[31m"])
def test_a_name_that_no_scenario_can_have(
    name: str, run: Run, refused: Refused, where: list[str], tmp_path: Path
) -> None:
    said = refused(run("capture", name, *where), "cannot be the name of a scenario")
    assert "\x1b" not in said
    refused(run("restore", name, *where))
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_bytes_that_are_no_text(run: Run, refused: Refused, where: list[str]) -> None:
    refused(run("capture", os.fsdecode(b"x\xff"), *where), r"\udcff")
    refused(run("show", "x" * 300))
    refused(run("capture", "x" * 300, *where))
    refused(run("restore", "x", "--db-name", os.fsdecode(b"x\xff")))


@pytest.mark.parametrize("name", ["a b", "a.b", "a$b", "a/b", "a\\b", 'a"b', "x" * 64, "é" * 32])
def test_a_name_that_no_database_can_have(
    name: str, run: Run, refused: Refused, captured: Path, where: list[str]
) -> None:
    to = [*where[:2], "--db-name", name]
    refused(run("restore", "orders", *to), "cannot be the name of a database", "--db-name")


def test_a_database_that_does_not_exist(
    run: Run, refused: Refused, where: list[str], orders: Database, tmp_path: Path
) -> None:
    *at, name = where
    refused(run("capture", "x", *at, f"{name}x"), f"no database '{name}x'", "did you mean", name)
    refused(run("diff", f"{where[1]}/zzzzzzzz", where[1]), "no database 'zzzzzzzz'", "it has")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_differs_in_case_alone(
    run: Run, refused: Refused, captured: Path, where: list[str], orders: Database
) -> None:
    name = orders.name.upper()
    to = [*where[:2], "--db-name", name]
    refused(run("restore", "orders", *to), f"{orders.name!r}", "differ in case alone")
    assert orders.client["mongoshot"]["databases"].find_one({"_id": name}) is None


def test_no_database_is_named(run: Run, refused: Refused, where: list[str], captured: Path) -> None:
    refused(run("restore", "orders", *where[:2]), "no database is named", "--db-name")
    refused(run("diff", "orders", where[1]), "no database is named", "mongodb://HOST/NAME")
    for empty in ("--db-name=", "--db-url=", "--snapshots-path="):
        refused(run("restore", "orders", *where, empty), f"{empty[:-1]} is empty")


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["capture"],
        ["capture", "x", "--nope"],
        ["capture", "x", "--format", "xml"],
        ["convert", "x"],
        ["diff", "x"],
        ["adopt", "x"],
        ["list", "more"],
    ],
    ids=" ".join,
)
def test_a_command_typed_wrong(words: list[str], run: Run, refused: Refused) -> None:
    refused(run(*words), "--help")


def test_a_collection_that_is_not_there(
    run: Run, refused: Refused, where: list[str], tmp_path: Path
) -> None:
    for option in ("--collection", "--exclude"):
        refused(run("capture", "x", *where, option, "order"), "'order'", "did you mean orders?")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def silent() -> Iterator[str]:
    """Give the address of a server that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def nobody() -> Iterator[str]:
    """Give an address that refuses connections."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{reserved.getsockname()[1]}"


@pytest.mark.parametrize("kind", ["nobody", "silent"])
def test_an_unreachable_server(
    kind: str, request: pytest.FixtureRequest, run: Run, refused: Refused, captured: Path
) -> None:
    address = request.getfixturevalue(kind)
    before = contents(captured)
    url = f"mongodb://someone:s3cret@{address}/shop"
    # Half of what the driver would wait by itself.
    done = run("capture", "orders", "--replace", "--db-url", url, timeout=15)
    said = refused(done, "does not answer", f"someone:***@{address}", "--db-url")
    assert "s3cret" not in said
    assert contents(captured) == before


URLS = {
    "wrong password": "mongodb://u:s3cret@HOST/shop",
    "percent": "mongodb://u:%73%33cret@HOST/shop",
    "at": "mongodb://u:p@s3cret@HOST/shop",
    "colon": "mongodb://u:p:s3cret@HOST/shop",
    "slash": "mongodb://u:p/s3cret@HOST/shop",
    "port and slash": "mongodb://u:1/s3cret x@HOST/shop",
    "question mark": "mongodb://u:p?s3cret@HOST/shop",
    "question mark and equals": "mongodb://u:p?s3cret=x@HOST/shop",
    "hash": "mongodb://u:#s3cret@HOST/shop",
    "bad escape": "mongodb://u:%zzs3cret@HOST/shop",
    "no host": "mongodb://u:s3cret",
    "no scheme": "u:s3cret@HOST",
    "other scheme": "http://u:s3cret@HOST/shop",
    "misspelled scheme": "mongodb:/u:s3cret@HOST/shop",
    "service record": "mongodb+srv://u:s3cret@HOST/shop",
    "bad port": "mongodb://u:s3cret@127.0.0.1:99999/shop",
    "misspelled option": "mongodb://u:s3cret@HOST/shop?replicaSte=x",
    "bad option": "mongodb://u:s3cret@HOST/shop?serverSelectionTimeoutMS=soon",
    "bad file": "mongodb://HOST/?tlsCAFile=/nope&tlsCertificateKeyFilePassword=s3cret",
    "bad database": "mongodb://u:s3cret@HOST/sh op",
}


@pytest.mark.parametrize("kind", URLS)
def test_a_password_is_never_shown(
    kind: str, run: Run, refused: Refused, server_url: str, tmp_path: Path
) -> None:
    url = URLS[kind].replace("HOST", server_url.removeprefix("mongodb://"))
    said = refused(run("capture", "shop", "--db-url", url, "--db-name", "shop"))
    assert "s3cret" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_misspelled_key_of_the_project(
    run: Run, refused: Refused, where: list[str], captured: Path, tmp_path: Path
) -> None:
    file = tmp_path / "pyproject.toml"
    for text, part in (
        (
            "[tool.mongoshot]\nallowed_hosts = []\n",
            "no key 'allowed_hosts'; it takes allowed-hosts",
        ),
        ("[tool.mongoshot]\nallowed-hosts = 'x'\n", "should be a list"),
        ("[tool\n", "is not TOML"),
        ("tool = 1\n", "should be a table"),
    ):
        file.write_text(text)
        refused(run("restore", "orders", *where), str(file), part)
        assert run("list").returncode == 0
    file.write_text('[tool.mongoshot]\nmongod = "nowhere/mongod"\n')
    refused(run("server"), "no mongod at the configured path", "nowhere/mongod")


def test_a_snapshots_path_that_is_a_file(
    run: Run, refused: Refused, where: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("keep")
    for command in (["list"], ["show", "x"], ["capture", "x", *where], ["restore", "x", *where]):
        refused(run(*command, "--snapshots-path", "file"), "file is no directory")
    below = run("capture", "x", *where, "--snapshots-path", "file/below")
    refused(below, "file/below/x", "--snapshots-path")
    assert contents(tmp_path) == {"file": b"keep"}


def test_what_is_not_a_snapshot_is_not_replaced(
    run: Run, refused: Refused, where: list[str], tmp_path: Path
) -> None:
    theirs = tmp_path / "snapshots" / "theirs"
    theirs.mkdir(parents=True)
    (theirs / "thesis.txt").write_text("years of work")
    for replace in ([], ["--replace"]):
        refused(run("capture", "theirs", *where, *replace), "choose another name, or remove it")
    assert contents(theirs) == {"thesis.txt": b"years of work"}


@pytest.fixture
def grown(captured: Path, orders: Database) -> Path:
    """Give the scenario `orders`, while the database has grown by a megabyte since."""
    orders["orders"].insert_many([{"text": "x" * 10_000} for _ in range(100)])
    return captured


def assert_full(
    done: Completed, refused: Refused, path: Path, before: dict[str, bytes], reason: str
) -> None:
    refused(done, "cannot write the snapshot", reason, "what was there before is as it was")
    assert contents(path.parent) == {f"orders/{name}": data for name, data in before.items()}


def test_a_full_disk(run: Run, refused: Refused, where: list[str], grown: Path) -> None:
    """A limit on the size of files, which is met in the middle of one."""
    before = contents(grown)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = run("capture", "orders", "--replace", *where, preexec_fn=limit)
    assert_full(done, refused, grown, before, "File too large")
    refused(run("capture", "new", *where, preexec_fn=limit), "File too large")
    assert sorted(entry.name for entry in grown.parent.iterdir()) == ["orders"]
    assert run("verify", "orders").returncode == 0


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 256 kB."""
    directory = tmp_path / "tiny"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(directory)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a file system cannot be mounted here")
    try:
        yield directory
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def test_a_disk_that_is_really_full(
    run: Run, refused: Refused, where: list[str], grown: Path, tiny: Path
) -> None:
    shutil.copytree(grown, tiny / "orders")
    before = contents(grown)
    at = ["--snapshots-path", str(tiny)]

    done = run("capture", "orders", "--replace", *where, *at)
    assert_full(done, refused, tiny / "orders", before, "No space left on device")
    (tiny / "filling").write_bytes(b"x" * (os.statvfs(tiny).f_bavail * os.statvfs(tiny).f_frsize))
    done = run("convert", "orders", "--format", "bson", *at)
    (tiny / "filling").unlink()
    assert_full(done, refused, tiny / "orders", before, "No space left on device")
    assert run("verify", "orders", *at).returncode == 0


def test_a_directory_that_cannot_be_written(
    run: Run, refused: Refused, where: list[str], grown: Path
) -> None:
    before = contents(grown)
    grown.parent.chmod(0o555)
    grown.chmod(0o555)
    try:
        for command in (
            ["capture", "orders", "--replace", *where],
            ["capture", "new", *where],
            ["convert", "orders", "--format", "bson"],
        ):
            done = run(*command, prefix=without_privileges())
            refused(done, "cannot write the snapshot", "Permission denied", "--snapshots-path")
        assert run("verify", "orders", prefix=without_privileges()).returncode == 0
    finally:
        grown.parent.chmod(0o755)
        grown.chmod(0o755)
    assert contents(grown) == before
    assert [entry.name for entry in grown.parent.iterdir()] == ["orders"]


def test_files_that_cannot_be_read(
    run: Run, refused: Refused, where: list[str], captured: Path
) -> None:
    (captured / "orders.json").chmod(0)
    verified = run("verify", "orders", prefix=without_privileges())
    assert verified.returncode == 1
    assert "Permission denied" in verified.stderr
    refused(run("restore", "orders", *where, prefix=without_privileges()), "Permission denied")
    (captured / "manifest.json").chmod(0)
    refused(run("show", "orders", prefix=without_privileges()), "Permission denied")
    captured.chmod(0)
    try:
        for command in (["show", "orders"], ["capture", "orders", "--replace", *where]):
            refused(run(*command, prefix=without_privileges()), "Permission denied")
    finally:
        captured.chmod(0o755)
    captured.parent.chmod(0)
    try:
        for command in (["list"], ["show", "orders"], ["capture", "new", *where]):
            done = run(*command, prefix=without_privileges())
            refused(done, "snapshots cannot be read", "--snapshots-path")
    finally:
        captured.parent.chmod(0o755)


def test_a_working_directory_that_is_gone(
    run: Run, refused: Refused, where: list[str], captured: Path, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    shell = ["sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh"]
    at = ["--snapshots-path", str(captured.parent)]
    done = run("restore", "orders", *where, *at, prefix=shell, cwd=gone)
    refused(done, "the working directory is gone")
