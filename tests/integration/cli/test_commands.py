"""Each command as a user types it: what it does, what it says, its exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pymongo
import pytest

from mongoshot import Snapshot, compare
from mongoshot.errors import DatabaseInUseError
from mongoshot.server.collections import hash_collections, live_state
from mongoshot.server.connection import Client, Database
from mongoshot.server.lease import Leases
from mongoshot.server.ownership import claim

from .conftest import Run

MakeDatabase = Callable[[], Database]
COMMANDS = (
    "demo capture restore diff list show verify convert import export"  # noqa: SIM905
    " pending review accept reject adopt disown server".split()
)


def processes_with(text: str) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(text in word for word in process.info["cmdline"] or ())
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_helps(command: str, run: Run) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: python -m mongoshot {command}")
    assert done.stderr == ""


def test_the_group_helps_and_tells_its_version(run: Run) -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(f"\n  {command} " in done.stdout for command in COMMANDS)
    assert "Exit status: 0 done" in done.stdout

    bare = run()
    assert (bare.returncode, bare.stdout) == (2, "")
    assert bare.stderr == done.stdout

    version = run("--version")
    assert (version.returncode, version.stderr) == (0, "")
    assert version.stdout.startswith("python -m mongoshot, version ")


def test_the_demo_tells_the_story_and_leaves_nothing(run: Run, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    done = run("demo", variables={"TMPDIR": str(temporary)})

    assert (done.returncode, done.stderr) == (0, "")
    told = [
        "A MongoDB for this demo   $ mongoshot server",
        "Record the live dev database once   $ mongoshot capture checkout --db-name shop",
        "captured at one point in time, verified",
        "Stage it for the tests   $ mongoshot restore checkout --db-name shop_test",
        "proved: equal dbHash, by collection",
        '~ _id "order-1001"',
        'status   "open" → "paid"',
        "Reset: put back what the test touched",
        "proved: no change since the restore",
        "the server and its data are gone",
    ]
    at = [done.stdout.find(part) for part in told]
    assert -1 not in at
    assert at == sorted(at)
    assert list(temporary.iterdir()) == []
    assert processes_with(str(temporary)) == []


def test_the_demo_uses_no_server_but_its_own(
    run: Run, refused: Callable[..., str], server_url: str, tmp_path: Path
) -> None:
    nothing = {"MONGOSHOT_MONGOD": str(tmp_path / "nothing"), "DB_URL": server_url}
    for command in ("demo", "server"):
        done = run(command, variables=nothing)
        refused(done, "no mongod at the configured path", stdout=done.stdout)
        assert "mongodb://" not in done.stdout


def test_capture_restore_diff(
    run: Run,
    where: list[str],
    orders: Database,
    make_database: MakeDatabase,
    server_url: str,
    tmp_path: Path,
) -> None:
    captured = run("capture", "orders", *where)
    assert (captured.returncode, captured.stderr) == (0, "")
    assert captured.stdout.startswith(f"captured snapshots/orders from {orders.name}: ")
    assert "3 collections, 6 documents" in captured.stdout
    again = run("capture", "orders", *where)
    assert again.returncode == 2
    assert "add --yes" in again.stderr
    same = run("capture", "orders", *where, "--replace")
    assert same.stdout == "snapshots/orders: nothing has changed since revision 1\n"

    target = make_database()
    to = ["--db-url", server_url, "--db-name", target.name]
    dry = run("restore", "orders", *to, "--dry-run")
    assert dry.returncode == 0
    assert dry.stdout.startswith(f"would restore snapshots/orders into {target.name} on ")
    assert target.list_collection_names() == []
    assert target.client["mongoshot"]["databases"].find_one({"_id": target.name}) is None
    done = run("restore", "orders", *to)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"restored snapshots/orders into {target.name} on ")
    assert hash_collections(target) == hash_collections(orders)

    equal = run("diff", "orders", f"{server_url}/{target.name}")
    assert (equal.returncode, equal.stderr) == (0, "")
    assert equal.stdout.endswith(" are equal\n")

    target["orders"].update_one({"_id": 3}, {"$set": {"total": 7.0, "note": "é → …"}})
    target["payments"].delete_one({"_id": "one"})
    sides = {
        "scenario": "orders",
        "directory": "./snapshots/orders",
        "absolute": str(tmp_path / "snapshots" / "orders"),
        "source": f"{server_url}/{orders.name}",
    }
    for side in sides.values():
        differs = run("diff", side, f"{server_url}/{target.name}")
        assert (differs.returncode, differs.stderr) == (1, "")
        assert "2 collections differ" in differs.stdout
        assert "total  4.5 → 7.0" in differs.stdout
        assert '- _id "one"' in differs.stdout
        assert run("diff", side, "orders").returncode == 0


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252"])
def test_a_difference_as_json(
    encoding: str, run: Run, captured: Path, orders: Database, server_url: str
) -> None:
    live = f"{server_url}/{orders.name}"
    variables = {"PYTHONIOENCODING": encoding}
    equal = run("diff", "orders", live, "--json", variables=variables)
    assert equal.returncode == 0
    assert json.loads(equal.stdout)["collections"] == {}

    odd = "é → \x1b[31m \x7f\x9b \u202e 日本語 \U0001f600"
    orders["orders"].update_one({"_id": 3}, {"$set": {"text": odd}})
    orders[odd].insert_one({"_id": odd})
    differs = run("diff", "orders", live, "--json", variables=variables)
    assert (differs.returncode, differs.stderr) == (1, "")
    found = json.loads(differs.stdout)["collections"]
    assert set(found) == {"orders", odd}
    assert found[odd]["inserted"] == [{"_id": odd}]
    assert odd in json.dumps(found["orders"], ensure_ascii=False).encode().decode().replace(
        "\\u001b", "\x1b"
    )


def test_options_from_the_environment(
    run: Run, orders: Database, make_database: MakeDatabase, server_url: str, tmp_path: Path
) -> None:
    variables = {
        "SCENARIO_SOURCE_URL": server_url,
        "SCENARIO_SOURCE_NAME": orders.name,
        "DB_URL": server_url,
        "DB_NAME": make_database().name,
        "SNAPSHOTS_PATH": "elsewhere",
    }
    assert run("capture", "orders", variables=variables).returncode == 0
    assert (tmp_path / "elsewhere" / "orders" / "manifest.json").is_file()
    assert run("restore", "orders", variables=variables).returncode == 0
    assert "orders" in run("list", variables=variables).stdout


def test_list_and_show(run: Run, where: list[str], captured: Path, tmp_path: Path) -> None:
    assert run("capture", "a-second", *where, "--collection", "payments").returncode == 0
    (tmp_path / "snapshots" / "unfinished").mkdir()
    damaged = tmp_path / "snapshots" / "damaged"
    damaged.mkdir()
    (damaged / "manifest.json").write_text("{")

    listed = run("list")
    assert listed.returncode == 0
    head, *rows = listed.stdout.splitlines()
    assert head.split() == ["scenario", "revision", "documents", "size", "captured"]
    assert [row.split()[0:3] for row in rows] == [["a-second", "1", "1"], ["orders", "1", "6"]]
    assert listed.stderr.startswith("warning: snapshots/damaged/manifest.json is not JSON")
    assert len(listed.stderr.splitlines()) == 1

    shown = run("show", "orders")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "at one point in time" in shown.stdout
    table = [line.split() for line in shown.stdout.splitlines()[4:]]
    assert table[0] == ["collection", "type", "documents", "size", "encoding", "indexes"]
    assert table[1] == ["large_orders", "view", "0"]
    assert table[2][:3] == ["orders", "collection", "5"]
    assert table[2][-3:] == ["json", "_id_,", "total_1"]

    nothing = run("list", "--snapshots-path", "nowhere")
    assert nothing.returncode == 0
    assert nothing.stdout.startswith("no scenario in nowhere; to record one, type: mongoshot")


def test_convert_there_and_back(run: Run, where: list[str], tmp_path: Path) -> None:
    assert run("capture", "orders", *where, "--format", "bson").returncode == 0
    path = tmp_path / "snapshots" / "orders"
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    digest = Snapshot.load(path).digest

    there = run("convert", "orders", "--format", "json")
    assert (there.returncode, there.stderr) == (0, "")
    assert there.stdout.startswith("snapshots/orders is json now, ")
    converted = Snapshot.load(path)
    assert (converted.digest, converted.manifest.revision) == (digest, 1)
    assert sorted(f.name for f in path.iterdir() if f.suffix == ".bson") == []
    assert run("verify", "orders").returncode == 0

    back = run("convert", "orders", "--format", "bson")
    assert back.stdout.startswith("snapshots/orders is bson now, ")
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before


def test_what_json_cannot_hold_keeps_its_encoding(
    run: Run,
    refused: Callable[..., str],
    make_database: MakeDatabase,
    server_url: str,
    tmp_path: Path,
) -> None:
    source = make_database()
    source["plain"].insert_one({"_id": 1})
    source["queries"].insert_one({"_id": 7, "query": {"$oid": "no ObjectId"}})
    url = f"{server_url}/{source.name}"
    assert run("capture", "odd", "--db-url", url, "--format", "bson").returncode == 0
    path = tmp_path / "snapshots" / "odd"
    before = {file.name: file.read_bytes() for file in path.iterdir()}

    done = run("convert", "odd", "--format", "json")

    refused(done, "snapshots/odd keeps its encoding", "queries, _id 7", "--format bson")
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    assert [entry.name for entry in path.parent.iterdir()] == ["odd"]


def test_adopt_and_disown(
    run: Run, refused: Callable[..., str], where: list[str], captured: Path, orders: Database
) -> None:
    at = where[:2]
    refused(run("restore", "orders", *where), "orders (5)", f"mongoshot adopt {orders.name}")
    refused(run("adopt", orders.name, *at), "orders (5), payments (1)", "add --yes")
    refused(run("restore", "orders", *where))
    refused(run("adopt", "admin", *at), "the server's own database")  # and does not ask first

    adopted = run("adopt", orders.name, *at, "--yes")
    assert (adopted.returncode, adopted.stderr) == (0, "")
    assert f"mongoshot disown {orders.name}" in adopted.stdout
    assert run("restore", "orders", *where).returncode == 0

    disowned = run("disown", orders.name, *at)
    assert (disowned.returncode, disowned.stderr) == (0, "")
    refused(run("disown", orders.name, *at), "was not mongoshot's")
    refused(run("restore", "orders", *where), "was not made by mongoshot")
    assert not compare(Snapshot.load(captured), live_state(orders))


def test_what_somebody_wrote_to_a_restored_database_is_asked_about(
    run: Run,
    refused: Callable[..., str],
    terminal: Callable[..., tuple[int, str]],
    captured: Path,
    make_database: MakeDatabase,
    where: list[str],
) -> None:
    database = make_database()
    to = [*where[:2], "--db-name", database.name, "--snapshots-path", str(captured.parent)]
    restore = ("restore", "orders", *to)
    assert run(*restore).returncode == 0
    assert run(*restore).returncode == 0  # nobody wrote to it
    database["orders"].insert_one({"_id": "by hand"})

    said = refused(run(*restore), "wrote to orders (1 write) since mongoshot has left it", "--yes")
    assert "orders (6)" in said
    assert f"mongoshot adopt {database.name}" in said
    code, shown = terminal(*restore, answer=b"n\n")
    assert code == 2
    assert "Overwrite it? [y/N]" in shown
    assert database["orders"].count_documents({}) == 6

    code, shown = terminal(*restore, answer=b"y\n")
    assert code == 0
    assert database["orders"].count_documents({}) == 5
    database["orders"].insert_one({"_id": "by hand"})
    assert run(*restore, "--yes").returncode == 0
    assert database["orders"].count_documents({}) == 5


def test_a_database_that_a_run_has_is_not_restored_into(
    run: Run,
    refused: Callable[..., str],
    captured: Path,
    make_database: MakeDatabase,
    where: list[str],
) -> None:
    database = make_database()
    to = [*where[:2], "--db-name", database.name]
    with Leases("pytest in shop") as leases:
        claim(database, frozenset(), for_a_run=True, leases=leases)
        database["orders"].insert_one({})
        for arguments in ([], ["--dry-run"]):
            said = refused(run("restore", "orders", *to, *arguments), "is in use by pytest in shop")
            assert f"(process {os.getpid()} on " in said
        assert database["orders"].count_documents({}) == 1

        disowned = run("disown", database.name, *where[:2])
        assert disowned.returncode == 0
        leases.renew()
        with pytest.raises(DatabaseInUseError, match="by mongoshot disown"):
            leases.check()


def test_a_database_of_views_alone_is_somebodys_too(
    run: Run,
    refused: Callable[..., str],
    captured: Path,
    make_database: MakeDatabase,
    where: list[str],
) -> None:
    theirs = make_database()
    theirs.create_collection("totals", viewOn="not_yet", pipeline=[])

    refused(run("restore", "orders", *where[:2], "--db-name", theirs.name), "totals")

    assert "totals" in theirs.list_collection_names()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_runs_until_it_is_stopped(
    number: signal.Signals, tmp_path: Path, environment: dict[str, str]
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "mongoshot", "server"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=environment | {"TMPDIR": str(temporary)},
    ) as server:
        assert server.stdout is not None
        client: Client = pymongo.MongoClient(server.stdout.readline().strip())
        with client:
            client["shop"]["orders"].insert_one({})
            assert client.admin.command("hello")["isWritablePrimary"]
        assert list(temporary.iterdir()) != []
        server.send_signal(number)
        out, err = server.communicate(timeout=30)

    assert (server.returncode, out) == (0, "")
    assert err == "until Ctrl-C; its data goes with it\nstopped\n"
    assert list(temporary.iterdir()) == []
    assert processes_with(str(temporary)) == []


def test_a_server_whose_mongod_ends(tmp_path: Path, environment: dict[str, str]) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "mongoshot", "server"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=environment | {"TMPDIR": str(temporary)},
    ) as server:
        assert server.stdout is not None
        client: Client = pymongo.MongoClient(server.stdout.readline().strip())
        with client:
            mongod = client.admin.command("serverStatus")["pid"]
        os.kill(mongod, signal.SIGKILL)
        _out, err = server.communicate(timeout=30)

    assert server.returncode == 2
    assert err.splitlines()[1:] == [
        "mongoshot: mongod has ended, and its data with it: ended by SIGKILL; start it again"
    ]
    assert list(temporary.iterdir()) == []


#: Sends itself Ctrl-C when the command line is about to be loaded, or its first module is run.
_INTERRUPTED_EARLY = """
import os, runpy, signal, sys

def hook(event, arguments):
    if event == "import" and arguments[0] == sys.argv[1]:
        sys.argv[1] = ""
        os.kill(os.getpid(), signal.SIGINT)

sys.addaudithook(hook)
runpy.run_module("mongoshot", run_name="__main__")
"""


@pytest.mark.parametrize("module", ["mongoshot.cli", "click", "mongoshot.cli.review"])
def test_ctrl_c_while_the_command_line_is_loaded(
    module: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_EARLY, module],
        check=False,
        capture_output=True,
        encoding="utf-8",
        cwd=tmp_path,
        env=environment,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "mongoshot: interrupted\n"
