"""Ten bugs, each planted into a shop's checkout: pytest's eight lines of the failure name it."""

from __future__ import annotations

import datetime
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mongoshot import capture
from mongoshot.server.connection import Client

CODE = '''
"""A shop, with a switch for each bug."""

import datetime

from bson import ObjectId

LINES = [{"sku": "apple", "count": 2}, {"sku": "pear", "count": 1}, {"sku": "plum", "count": 5}]


def checkout(db, bug):
    ada, bob = ObjectId(), ObjectId()
    lines = [LINES[1], LINES[0], LINES[2]] if bug == "reordered array" else LINES
    due = datetime.datetime(2026, 3, 2 if bug == "off-by-one date" else 1)
    db.orders.insert_many(
        [
            {"_id": ada, "customer": "ada", "lines": lines, "total": 30, "due": due},
            {"_id": bob, "customer": "bob", "lines": LINES[:1], "total": 12, "due": due},
        ]
    )
    pay(db, bob if bug == "swapped references" else ada, "card-1", 30, bug)
    pay(db, ada if bug == "swapped references" else bob, "card-2", 12, None)
    if bug != "lost update":
        db.customers.update_one({"_id": "ada"}, {"$inc": {"orders": 1}})
    db.customers.update_one({"_id": "bob"}, {"$inc": {"orders": 1}})
    for _ in range(2 if bug == "extra document" else 1):
        db.audit.insert_one({"event": "checkout", "at": datetime.datetime.now(datetime.UTC)})
    if bug == "stray collection":
        db.tmp_orders.insert_one({"_id": 1})
    if bug == "dropped index":
        db.orders.drop_index("due_1")
    if bug == "changed validator":
        db.command("collMod", "customers", validator={"$jsonSchema": {"required": ["mail"]}})


def pay(db, order, card, amount, bug):
    payment = {"order": order, "card": card, "amount": amount, "currency": "EUR"}
    if bug == "wrong type":
        payment["amount"] = float(amount)
    if bug == "missing field":
        del payment["currency"]
    db.payments.insert_one(payment)
'''
TESTS = """
import os

import pytest
import shop

@pytest.mark.scenario("shop")
@pytest.mark.parametrize("bug", os.environ["BUGS"].split(","))
def test_checkout(db, db_changes, db_snapshot, bug):
    shop.checkout(db, bug if "PLANTED" in os.environ else None)
    assert db_changes == db_snapshot
"""
#: What the eight lines must say, in any words: where it is, and what is there and what should be.
BUGS = {
    "wrong type": [
        r"\bpayments\b",
        r"_id.*ObjectId-\d",
        r"\bamount\b",
        r"\b30\.0",
        r"\b30\b(?!\.)",
    ],
    "missing field": [r"\bpayments\b", r"_id.*ObjectId-\d", r"\bcurrency\b", r'"EUR"'],
    "extra document": [r"\baudit\b", r"_id.*ObjectId-\d", r"(?i)\bnot expected\b|unexpected|extra"],
    "swapped references": [
        r"\bpayments\b",
        r"_id.*ObjectId-\d",
        r"\border\b.*ObjectId-\d.*ObjectId-\d",
    ],
    "reordered array": [r"\borders\b", r"_id.*ObjectId-\d", r"\blines\b", r"apple", r"pear"],
    "off-by-one date": [
        r"\borders\b",
        r"_id.*ObjectId-\d",
        r"\bdue\b",
        r"2026-03-01",
        r"2026-03-02",
    ],
    "lost update": [
        r"\bcustomers\b",
        r'_id "ada"',
        r"(?i)\bupdate",
        r"(?i)expected|missing",
        r"\borders\b.*1.*2",
    ],
    "stray collection": [
        r"\btmp_orders\b",
        r"(?i)creat|\bnew\b",
        r"(?i)not expected|unexpected|extra",
    ],
    "dropped index": [r"\borders\b", r"\bindexes\b", r"\bdue_1\b"],
    "changed validator": [r"\bcustomers\b", r"\bvalidator\b", r'"name"', r'"mail"'],
}


@pytest.fixture(scope="module")
def explanations(
    mongo_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, list[str]]]:
    """Record with code that works, run with each bug, and give each failure's first eight lines."""
    project = tmp_path_factory.mktemp("shop")
    name = f"planted_{os.getpid()}"
    source = mongo_client[f"{name}_source"]
    source.create_collection("customers", validator={"$jsonSchema": {"required": ["name"]}})
    source["customers"].insert_many(
        [{"_id": "ada", "name": "Ada", "orders": 1}, {"_id": "bob", "name": "Bob", "orders": 0}]
    )
    source["orders"].insert_one({"_id": 1, "customer": "ada", "due": datetime.datetime(2020, 1, 1)})
    source["orders"].create_index("due")
    for collection in ("payments", "audit"):
        source.create_collection(collection)
    capture(source, project / "snapshots" / "shop")
    (project / "shop.py").write_text(CODE)
    (project / "test_shop.py").write_text(TESTS)

    host, port = next(iter(mongo_client.nodes))
    url = f"mongodb://{host}:{port}"
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PYTEST_", "DB_")) and key not in ("CI", "BUILD_NUMBER")
    }

    def run(*arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "--db-url", url, "--db-name", name, *arguments],
            cwd=project,
            env={**inherited, "BUGS": ",".join(BUGS), **environment},
            stdout=subprocess.PIPE,
            encoding="utf-8",
            check=False,
        )
        return done.stdout

    assert f"{len(BUGS)} passed" in run("--snapshot-update")
    assert f"{len(BUGS)} passed" in run()
    yield eight_lines(run(PLANTED="1"))
    for database in mongo_client.list_database_names():
        if database.startswith(name):
            mongo_client.drop_database(database)
            mongo_client["mongoshot"]["databases"].delete_one({"_id": database})


def eight_lines(output: str) -> dict[str, list[str]]:
    """Return what stands behind the first eight `E` of each failure, by the parameter."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in output.splitlines():
        if heading := re.match(r"_+ test_checkout\[(.*)\] _+$", line):
            lines = found.setdefault(heading[1], [])
        elif line.startswith("E ") and len(lines) < 8:
            lines.append(line[1:].strip())
    return found


@pytest.mark.parametrize("bug", BUGS)
def test_eight_lines_name_the_bug(explanations: dict[str, list[str]], bug: str) -> None:
    said = "\n".join(explanations[bug])
    assert not [expected for expected in BUGS[bug] if not re.search(expected, said)], said


def test_each_bug_is_told_from_the_others(explanations: dict[str, list[str]]) -> None:
    """What names one bug is not in the lines of another, or it would say nothing."""
    for bug, expected in BUGS.items():
        for other, lines in explanations.items():
            if other != bug:
                said = "\n".join(lines)
                assert not all(re.search(part, said) for part in expected), (bug, said)
