"""`mongoshot capture` of a part, again as before, masked; and `mongoshot check`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mongoshot import Snapshot
from mongoshot.recording.selection.model import LEVELS_UP, MOST_CHILDREN
from mongoshot.server.connection import Database

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Refused = Callable[..., str]
Terminal = Callable[..., tuple[int, str]]

FOLLOW = ("--follow", "orders.customer=customers._id")


@pytest.fixture
def shop(orders: Database) -> Database:
    """Give a database in which payments refer to orders, and orders to customers."""
    orders["customers"].insert_many(
        {"_id": f"c{n}", "email": f"kim{n}@example.org", "born": None} for n in range(5)
    )
    for number in range(5):
        orders["orders"].update_one({"_id": number}, {"$set": {"customer": f"c{number}"}})
    orders["payments"].update_many({}, {"$rename": {"order": "order_id"}})
    return orders


def documents(snapshot: Path) -> dict[str, int]:
    found = Snapshot.load(snapshot)
    return {name: len(list(each.documents())) for name, each in found.collections.items()}


def test_some_documents_and_what_they_need(
    run: Run, where: list[str], shop: Database, tmp_path: Path
) -> None:
    done = run(
        *("capture", "few", *where, "--query", 'orders={"_id": 1}', "--no-infer"),
        *("--follow", "orders.customer=customers._id", "--follow", "payments.order_id=orders._id"),
    )
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    assert "customers.email (e-mail addresses)" in done.stderr
    assert "collection  there  size" in done.stdout
    few = tmp_path / "snapshots" / "few"
    assert documents(few) == {"customers": 1, "large_orders": 0, "orders": 1, "payments": 1}

    dry = run("capture", "other", *where, "--limit", "orders=2", "--dry-run")
    assert dry.returncode == 0
    rows = {line.split()[0]: line.split() for line in dry.stdout.splitlines() if line}
    assert (rows["orders"][1], rows["orders"][4], rows["orders"][-1]) == ("5", "2", "chosen")
    assert rows["payments"][-3:] == ["is", "referred", "to"]
    assert not (tmp_path / "snapshots" / "other").exists()


def test_again_without_options_it_captures_the_same(
    run: Run, refused: Refused, where: list[str], shop: Database, terminal: Terminal, tmp_path: Path
) -> None:
    url = where[:2]
    few = tmp_path / "snapshots" / "few"
    first = run(
        *("capture", "few", *where, "--query", 'orders={"total": {"$lt": 4}}'),
        *("--exclude", "payments", "--mask", "customers.email=email"),
    )
    assert first.returncode == 0, first.stderr
    recipe = Snapshot.load(few).manifest.origin.recipe
    before = {file.name: file.read_bytes() for file in few.iterdir()}
    assert b"kim" not in b"".join(before.values())

    shop["payments"].insert_one({"_id": "more"})
    shop["orders"].insert_one({"_id": 9, "total": 90.5, "customer": "c1"})
    same = run("capture", "few", *url, "--yes")
    assert same.stdout == "snapshots/few: nothing has changed since revision 1\n", same
    assert {file.name: file.read_bytes() for file in few.iterdir()} == before

    shop["orders"].insert_one({"_id": 10, "total": 1.5, "customer": "c1"})
    refused(run("capture", "few", *url), "already there", "add --yes")
    refused(
        run("capture", "few", *url, "--replace"), "changed since revision 1: orders: 1 inserted"
    )
    status, screen = terminal("capture", "few", *url, answer=b"n\n")
    assert (status, "orders: 1 inserted" in screen) == (2, True)
    assert {file.name: file.read_bytes() for file in few.iterdir()} == before
    status, screen = terminal("capture", "few", *url, answer=b"y\n")
    assert (status, "revision 2" in screen) == (0, True), screen
    assert documents(few)["orders"] == 4
    assert Snapshot.load(few).manifest.origin.recipe == recipe

    whole = run("capture", "few", *where, "--collection", "orders", "--replace", "--yes")
    assert whole.returncode == 0
    assert "customers: dropped, 3 deleted" in whole.stdout
    assert documents(few) == {"orders": 7}


def test_secrets_stop_a_capture_until_a_rule_names_them(
    run: Run, refused: Refused, where: list[str], shop: Database, tmp_path: Path
) -> None:
    secret = "$2b$12$" + "x9Kq" * 13 + "A"
    shop["customers"].update_one({"_id": "c3"}, {"$set": {"password": secret}})
    said = refused(run("capture", "all", *where), "customers.password", "password hash")
    assert secret not in said
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    done = run("capture", "all", *where, "--mask", "customers.password=redact")
    assert done.returncode == 0
    files = (tmp_path / "snapshots" / "all").iterdir()
    assert secret.encode() not in b"".join(file.read_bytes() for file in files)


def test_masks_hold_at_both_ends_of_a_reference_and_in_a_repetition(
    run: Run, refused: Refused, where: list[str], shop: Database, tmp_path: Path
) -> None:
    table = tmp_path / "pyproject.toml"
    table.write_text('[tool.mongoshot.masking.rules]\n"**.email" = "email"\n')
    words = ("capture", "part", *where, "--limit", "orders=9", "--exclude", "payments")
    said = refused(
        run(*words, "--no-infer", "--mask", "customers._id=text", *FOLLOW),
        "orders.customer stays as it is, but customers._id is masked by text",
        "--mask orders.customer=text",
    )
    assert "c1" not in said
    both = ("--mask", "customers._id=text", "--mask", "orders.customer=text")
    refused(run(*words, *both, "--query", 'customers={"_id": "c4"}'), "customers._id", "is masked")
    assert not (tmp_path / "snapshots").exists()
    done = run(*words, *both, "--no-infer", *FOLLOW)
    assert done.returncode == 0, done.stderr
    files = {path.name: path.read_bytes() for path in (tmp_path / "snapshots/part").iterdir()}
    assert b"kim" not in b"".join(files.values())

    table.unlink()
    shop["payments"].drop()
    same = run("capture", "part", *where[:2], "--yes")
    assert "nothing has changed since revision 1" in same.stdout, same
    new = {"MONGOSHOT_MASKING_KEY": "another one of some length"}
    refused(run("capture", "part", *where[:2], "--yes", variables=new), "with another key")
    less = run(*words[:-2], "--replace", *both, "--no-infer", *FOLLOW)
    refused(less, "no longer masked: **.email", "add --yes")


def test_help_says_the_bounds_and_keeps_its_examples(run: Run) -> None:
    text = run("capture", "--help").stdout
    for bound in (LEVELS_UP, MOST_CHILDREN):
        assert f"default: {bound}." in " ".join(text.split())
    assert "\n  mongoshot capture checkout --db-url mongodb://dev.internal --db-name shop\n" in text
    assert "\\b" not in text


def test_a_database_that_drifts(run: Run, where: list[str], shop: Database, tmp_path: Path) -> None:
    assert run("capture", "shop", *where).returncode == 0
    same = run("check", "shop", *where[:2])
    assert (same.returncode, same.stderr) == (0, "")
    assert same.stdout.startswith(f"{shop.name} on ")
    assert "still looks like shop, captured 20" in same.stdout
    shop["orders"].insert_one({"_id": 99, "total": 1.5, "customer": "c1"})  # more of the same
    assert run("check", "shop", *where[:2]).returncode == 0

    shop["orders"].update_one({"_id": 1}, {"$set": {"coupon": {"code": "x", "n": 1}, "total": "5"}})
    shop["customers"].update_many({}, {"$unset": {"born": ""}})
    shop["orders"].drop_index("total_1")
    shop["customers"].create_index("email", unique=True)
    shop.command("collMod", "payments", validator={"order_id": {"$type": "int"}})
    shop["large_orders"].drop()
    shop["refunds"].insert_one({})
    found = run("check", "shop", *where[:2], "--json")
    assert found.returncode == 1
    told = [
        tuple(each.values())
        for each in json.loads(found.stdout)["findings"]
        if each["what"] not in ("index", "option")
    ]
    assert told == [
        ("customers", "field", "born", "vanished", "null", ""),
        ("large_orders", "collection", "", "vanished", "", ""),
        ("orders", "field", "coupon", "new", "", "document (in 1 of 6 documents)"),
        ("orders", "field", "total", "changed", "double", "double, string"),
        ("refunds", "collection", "", "new", "", ""),
    ]
    lines = run("check", "shop", *where[:2]).stdout.splitlines()
    assert any(line.startswith('  + index email_1  {"v": 2, "key": {"email": 1}') for line in lines)
    assert any(line.startswith("  - index total_1  {") for line in lines)
    assert any(line.startswith('  + option validator  {"order_id"') for line in lines)
    assert "  ~ field total  double → double, string" in lines
    assert lines[-1] == "to capture it anew, type: mongoshot capture shop"


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--query", "oders={}"], ["no collection 'oders'", "did you mean orders?"]),
        (["--query", "orders={"], ["--query orders", "Extended JSON"]),
        (["--limit", "orders=many"], ["a number of documents is wanted"]),
        (["--follow", "orders.customer=customers._id"], ["--follow is about what comes with"]),
        (["--limit", "orders=1", "--follow", "orders.customer"], ["is no reference"]),
        (["--mask", "customers.email=mail"], ["email"]),
        (["--mask", "customer.email=email"], ["did you mean customers?"]),
        (["--limit", "large_orders=1"], ["is a view"]),
        (["--limit", "orders=1", "--exclude", "orders"], ["a root and excluded"]),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_what_cannot_be_asked_for(
    words: list[str], parts: list[str], run: Run, refused: Refused, where: list[str], shop: Database
) -> None:
    refused(run("capture", "few", *where, *words), *parts)
    if "--mask" not in words:
        refused(run("capture", "few", *where, *words, "--dry-run"), *parts)


def test_check_needs_to_know_what_was_there(
    run: Run, refused: Refused, where: list[str], shop: Database, tmp_path: Path
) -> None:
    assert run("capture", "shop", *where).returncode == 0
    manifest = tmp_path / "snapshots" / "shop" / "manifest.json"
    text = json.loads(manifest.read_bytes())
    del text["profile"]
    manifest.write_text(json.dumps(text))
    refused(run("check", "shop", *where), "does not say what its database looked like")
    refused(run("check", "shop", *where[:2], "--db-name", "nowhere"), "does not say")
