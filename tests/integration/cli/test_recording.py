"""`mongoshot record` and what is made of a recording, as they are typed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument

from mongoshot import Snapshot
from mongoshot.cli.skeleton import Skeleton
from mongoshot.server.connection import Database

from .conftest import Run

PROGRAM = """
import os
import sys

import pymongo

database = pymongo.MongoClient(os.environ["DB_URL"])[os.environ["DB_NAME"]]
database.orders.update_many({"_id": {"$lt": 2}}, {"$set": {"status": "paid"}})
database.orders.insert_one({"order": "new"})
database.payments.drop()
print("the program is done")
sys.exit(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
"""


@pytest.fixture
def program(tmp_path: Path) -> list[str]:
    """Give a program that writes to the small database, as a command."""
    (tmp_path / "pay.py").write_text(PROGRAM)
    return [sys.executable, "pay.py"]


def test_a_program_becomes_a_scenario_and_a_test(
    run: Run, where: list[str], program: list[str], tmp_path: Path, orders: Database
) -> None:
    done = run("record", "pay-orders", *where, "--", *program)
    assert done.returncode == 0, done
    said = done.stdout.splitlines()
    assert said[0].startswith(f"recording {orders.name}: 3 collections, 6 documents")
    assert said[1] == "the program is done"
    assert said[2] == (
        "recorded snapshots/pay-orders: 3 steps; orders: 1 inserted, 2 updated;"
        " payments: dropped, 1 deleted"
    )
    assert said[3] == ("expectation: tests/__expectations__/test_pay_orders/test_pay_orders.json")
    expectation = json.loads((tmp_path / said[3].removeprefix("expectation: ")).read_text())
    assert expectation["scenario"] == "pay-orders"
    assert expectation["collections"]["orders"]["inserted"] == [
        {"_id": {"$oid": "ObjectId-1"}, "order": "new"}
    ]
    assert expectation["digest"] == Snapshot.load(tmp_path / "snapshots" / "pay-orders").digest
    code = done.stdout[done.stdout.index("import os") :]
    compile(code, "test_pay_orders.py", "exec")
    assert '@pytest.mark.scenario("pay-orders")' in code
    assert f'subprocess.run(["{sys.executable}", "pay.py"], check=True' in code


def test_the_url_and_the_name_in_a_command_become_those_of_the_test(
    run: Run, server_url: str, orders: Database
) -> None:
    where = ["--db-url", server_url, "--db-name", orders.name]
    nothing = [sys.executable, "-c", "pass", f"--to={server_url}", server_url, orders.name, "{x}"]
    code = run("record", "a", *where, "--", *nothing).stdout
    assert '"-c", "pass", f"--to={db_url}", db_url, db_name, "{x}"]' in code


def test_a_url_with_the_name_in_it_is_made_for_the_test_and_no_password_is_printed(
    orders: Database, server_url: str
) -> None:
    skeleton = Skeleton.of("a", None)
    host = server_url.removeprefix("mongodb://")
    theirs = f"mongodb://ann:hid%2Fden@{host}/?authSource=admin"
    ours = f"mongodb://{host}/{orders.name}?retryWrites=false"
    other = "mongodb://bob:unseen@elsewhere/shop"
    command = ["x", f"--to={ours}", ours, theirs, other, "--password=hid/den", "{y}"]
    code = skeleton.code(command, theirs, orders.name)
    assert "unseen" not in code
    assert "den" not in code.replace("hidden", "")
    made: dict[str, Any] = {"db_url": "mongodb://127.0.0.1:1/?replicaSet=r", "db_name": "t"}
    lines = code.splitlines()
    at = lines.index(next(line for line in lines if "urlsplit(db_url)" in line))
    exec("from urllib.parse import urlsplit\n" + lines[at].strip(), made)
    arguments = lines[at + 1].partition("run(")[2].partition(", check=True")[0]
    assert "from urllib.parse import urlsplit" in lines
    assert eval(arguments, made) == [
        "x",
        "--to=mongodb://127.0.0.1:1/t?replicaSet=r",
        "mongodb://127.0.0.1:1/t?replicaSet=r",
        "mongodb://127.0.0.1:1/?replicaSet=r",
        "mongodb://bob:***@elsewhere/shop",
        "--password=***",
        "{y}",
    ]


def test_a_recording_whose_expectation_cannot_be_written_is_told_all_the_same(
    run: Run, where: list[str], tmp_path: Path
) -> None:
    (tmp_path / "tests").write_text("in the way")
    done = run("record", "a", *where, "--", sys.executable, "-c", "pass")
    assert done.returncode == 2
    assert "recorded snapshots/a: 0 steps" in done.stdout
    assert "cannot be written" in done.stderr


def test_a_name_that_means_a_step_is_none_for_a_scenario(
    run: Run,
    refused: Callable[..., str],
    where: list[str],
    program: list[str],
    tmp_path: Path,
) -> None:
    assert run("record", "pay", *where, "--", *program).returncode == 0
    refused(run("capture", "pay@2", *where), "it means step 2 of 'pay'")
    refused(run("record", "new@2", *where, "--", *program), "it means step 2 of 'new'")
    for command in ("show", "verify", "convert"):
        option = ("--format", "bson") if command == "convert" else ()
        refused(run(command, "pay@2", *option), "is a step of 'pay'")
    # One that is called so, from before there were steps, stays as it was.
    shutil.copytree(tmp_path / "snapshots" / "pay", tmp_path / "snapshots" / "old@2")
    assert run("show", "old@2").returncode == 0
    assert run("capture", "old@2", *where, "--yes").returncode == 0


def test_what_a_recording_says_of_itself_stays_in_its_line(
    run: Run, where: list[str], program: list[str], tmp_path: Path
) -> None:
    assert run("record", "pay", *where, "--", *program).returncode == 0
    file = tmp_path / "snapshots" / "pay" / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["recording"] |= {"untold": "\x1b[2J\n" * 9999, "recorded_at": "now\nthen"}
    manifest["captured_at"] = "captured\nthen"
    file.write_text(json.dumps(manifest))
    shown = run("show", "pay").stdout
    assert len(shown) < 3000
    assert r"now\nthen" in shown
    assert r"captured\nthen" in shown
    assert "\x1b" not in shown
    assert r"captured\nthen" in run("list").stdout


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.parametrize("name", ["recording.jsonl", "orders.json", "manifest.json"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(
    run: Run, where: list[str], program: list[str], tmp_path: Path, name: str
) -> None:
    assert run("record", "pay", *where, "--", *program).returncode == 0
    file = tmp_path / "snapshots" / "pay" / name
    file.unlink()
    os.mkfifo(file)
    done = run("verify", "pay", timeout=30)
    assert done.returncode in (1, 2)
    assert "is a pipe or a device" in done.stdout + done.stderr


def test_steps_are_shown_compared_restored_and_verified(
    run: Run,
    where: list[str],
    server_url: str,
    program: list[str],
    make_database: Callable[[], Database],
    tmp_path: Path,
) -> None:
    assert run("record", "pay", *where, "--", *program).returncode == 0
    shown = run("show", "pay").stdout
    assert "3 steps recorded until 20" in shown
    assert "   1  orders: 2 update" in shown
    assert "   3  payments: 1 drop" in shown
    difference = run("diff", "pay@1", "pay@2")
    assert difference.returncode == 1
    assert difference.stdout.startswith("pay@1 → pay@2: 1 collection differs\n  orders  1 inserted")
    target = make_database()
    there = ["--db-url", server_url, "--db-name", target.name]
    restored = run("restore", "pay", "--at", "2", *there)
    assert restored.stdout.startswith(f"restored snapshots/pay@2 into {target.name} on ")
    assert "step 2 of 3" in restored.stdout
    assert target["orders"].count_documents({"status": "paid"}) == 2
    assert target["orders"].count_documents({}) == 6
    assert target["payments"].count_documents({}) == 1
    assert run("restore", "pay@3", *there).returncode == 0
    assert target["payments"].count_documents({}) == 0
    assert "would restore" in run("restore", "pay", "--at", "-1", "--dry-run", *there).stdout
    assert run("verify", "pay").stdout.endswith("files, all whole\n")
    assert run("convert", "pay", "--format", "bson").returncode == 0
    assert run("diff", "pay@2", f"{server_url}/{target.name}").returncode == 1
    (tmp_path / "snapshots" / "pay" / "recording.jsonl").write_text("{}\n")
    damaged = run("verify", "pay")
    assert damaged.returncode == 1
    assert "recording.jsonl" in damaged.stderr


def test_a_step_that_is_not_there(
    run: Run,
    refused: Callable[..., str],
    where: list[str],
    program: list[str],
    captured: Path,
) -> None:
    assert run("record", "pay", *where, "--", *program).returncode == 0
    refused(run("restore", "pay", "--at", "4", *where), "no step 4: it has steps 0 to 3")
    refused(run("diff", f"{captured.name}@1", "pay"), "has no steps", "mongoshot record orders --")


def test_a_capture_in_its_place_asks_before_it_takes_the_steps_away(
    run: Run, refused: Callable[..., str], where: list[str], tmp_path: Path
) -> None:
    nothing = [sys.executable, "-c", "pass"]
    assert run("record", "pay", *where, "--", *nothing).returncode == 0
    refused(run("capture", "pay", *where), "is no terminal to ask at", "--yes")
    done = run("capture", "pay", "--yes", *where)
    assert "changed since revision 1: no document; 0 recorded steps less" in done.stdout
    assert not (tmp_path / "snapshots" / "pay" / "recording.jsonl").exists()


def test_a_program_that_fails_leaves_nothing(
    run: Run, refused: Callable[..., str], where: list[str], program: list[str], tmp_path: Path
) -> None:
    done = run("record", "pay", *where, "--", *program, "3")
    said = done.stdout
    refused(done, "ended with status 3: nothing was recorded", stdout=said)
    assert not (tmp_path / "snapshots" / "pay").exists()
    assert not (tmp_path / "tests").exists()


def test_bad_input(
    run: Run, refused: Callable[..., str], where: list[str], program: list[str], tmp_path: Path
) -> None:
    refused(
        run("record", "pay", *where), "there is no command to record", "mongoshot record pay --"
    )
    done = run("record", "pay", *where, "--", "no-such-program")
    refused(done, "cannot run 'no-such-program'", stdout=done.stdout)
    refused(run("record", "a/b", *where, "--", *program), "cannot be the name of a scenario")
    refused(run("record", "a", *where, "--test", "x.txt", "--", *program), "--test takes the file")
    assert run("record", "pay", *where, "--", *program).returncode == 0
    refused(run("record", "pay", *where, "--", *program), "already there", "--replace")
    (tmp_path / "snapshots" / "pay").rename(tmp_path / "snapshots" / "other")
    refused(
        run("record", "pay", *where, "--", *program), "test_pay.json is already there", "--replace"
    )
    again = run("record", "pay", *where, "--replace", "--", *program)
    assert again.returncode == 0, again


def test_by_hand_until_enter(
    where: list[str],
    orders: Database,
    tmp_path: Path,
    environment: dict[str, str],
) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "mongoshot", "record", "clicks", *where]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as recording:
        os.close(theirs)
        assert recording.stdout
        while b"Enter ends the recording" not in (line := recording.stdout.readline()):
            assert line, "it ended before it asked"
        orders["orders"].delete_one({"_id": 1})
        os.write(ours, b"\n")
        rest = recording.stdout.read().decode()
    os.close(ours)
    assert recording.returncode == 0, rest
    assert "recorded snapshots/clicks: 1 step; orders: 1 deleted" in rest
    assert "def test_clicks(db, db_changes, db_snapshot):" in rest


@pytest.mark.parametrize("as_json", [False, True])
def test_watching(
    where: list[str], orders: Database, environment: dict[str, str], as_json: bool
) -> None:
    command = [sys.executable, "-m", "mongoshot", "watch", *where, *["--json"] * as_json]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as watching:
        assert watching.stderr
        assert watching.stdout
        assert watching.stderr.readline().startswith(f"watching {orders.name} on ")
        orders["orders"].insert_one({"_id": 9, "na\nme": "x\x1b[31m"})
        orders["orders"].update_one({"_id": 1}, {"$set": {"a.b": 7}, "$unset": {"total": 1}})
        orders["orders"].delete_one({"_id": 9})
        orders["payments"].drop()
        lines = [watching.stdout.readline() for _ in range(4)]
        watching.send_signal(signal.SIGINT)
        assert watching.stderr.read() == "stopped\n"
        assert watching.wait() == 0
    if as_json:
        found = [json.loads(line) for line in lines]
        verbs = [(each["verb"], each["collection"]) for each in found]
        assert found[0]["document"] == {"_id": {"$numberInt": "9"}, "na\nme": "x\x1b[31m"}
        assert found[1]["updated"] == {"a": {"b": {"$numberInt": "7"}}}
        assert found[1]["removed"] == ["total"]
    else:
        verbs = [(words[1], words[2]) for words in map(str.split, lines)]
        assert lines[0].rstrip().endswith('orders  {"_id": 9, "na\\nme": "x\\u001b[31m"}')
        assert lines[1].rstrip().endswith('orders  1  a = {"b": 7}, total removed')
        assert not any("\x1b" in line for line in lines)
    assert verbs == [
        ("insert", "orders"),
        ("update", "orders"),
        ("delete", "orders"),
        ("drop", "payments"),
    ]


def test_watching_some_collections_until_the_database_is_dropped(
    where: list[str], orders: Database, environment: dict[str, str]
) -> None:
    command = [sys.executable, "-m", "mongoshot", "watch", *where, "--collection", "payments"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as watching:
        assert watching.stderr
        assert watching.stdout
        watching.stderr.readline()
        orders["orders"].delete_one({"_id": 1})
        orders["payments"].delete_one({"_id": "one"})
        orders.client.drop_database(orders)
        assert watching.stdout.readline().split()[1:] == ["delete", "payments", '"one"']
        assert watching.stderr.read() == "the database was dropped\n"
        assert watching.wait() == 0


def test_watching_ends_with_its_reader(
    where: list[str], orders: Database, environment: dict[str, str]
) -> None:
    command = [sys.executable, "-m", "mongoshot", "watch", *where]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as watching:
        assert watching.stderr
        assert watching.stdout
        watching.stderr.readline()
        watching.stdout.close()
        try:
            orders["orders"].delete_one({"_id": 1})
            assert watching.wait(timeout=30) == 0
        finally:
            watching.kill()
        assert watching.stderr.read() == ""


def test_watching_goes_on_after_what_json_cannot_hold(
    where: list[str], orders: Database, environment: dict[str, str]
) -> None:
    command = [sys.executable, "-m", "mongoshot", "watch", *where, "--json"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as watching:
        assert watching.stderr
        assert watching.stdout
        watching.stderr.readline()
        raw = bson.encode({"_id": 9, "text": "??"}).replace(b"??", b"\xff\xfe")
        orders["orders"].insert_one(RawBSONDocument(raw))
        orders["orders"].delete_one({"_id": 1})
        first, second = (json.loads(watching.stdout.readline()) for _ in range(2))
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=30) == 0
    assert "not valid UTF-8" in first["document"]
    assert second["document"] == {"_id": {"$numberInt": "1"}}
