"""Servers that are no replica set, that want a login, and users who may not do everything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus

import pymongo
import pytest

from mongoshot import Snapshot, compare
from mongoshot.server.collections import live_state
from mongoshot.server.connection import Client
from mongoshot.server.ledger import read_baseline

from ..conftest import StartMongod
from .conftest import Run

Refused = Callable[..., str]

#: A password with every character that has a meaning in a URL.
PASSWORD = "s3cret@:/?#%&= x"


@pytest.fixture(scope="session")
def standalone(start_mongod: StartMongod) -> Iterator[Client]:
    """Give a client of a server that is no replica set; it has a database `shop`."""
    client: Client = pymongo.MongoClient(f"mongodb://{start_mongod()}")
    with client:
        shop = client["shop"]
        shop["orders"].insert_many([{"_id": n} for n in range(100)])
        shop["orders"].create_index("total", unique=True, sparse=True)
        shop.create_collection("log", capped=True, size=10_000)
        shop.create_collection("view", viewOn="orders", pipeline=[])
        yield client


def test_a_standalone_server(run: Run, standalone: Client, tmp_path: Path) -> None:
    host, port = next(iter(standalone.nodes))
    url = f"mongodb://{host}:{port}"

    done = run("capture", "shop", "--db-url", f"{url}/shop")
    assert done.returncode == 0
    assert "3 collections, 100 documents" in done.stdout
    assert done.stderr == ""
    manifest = json.loads((tmp_path / "snapshots" / "shop" / "manifest.json").read_bytes())
    assert manifest["consistency"] == "unchanged"  # nobody wrote meanwhile
    assert "at one point in time" in run("show", "shop").stdout

    for _ in range(2):
        restored = run("restore", "shop", "--db-url", url, "--db-name", "shop_test")
        assert (restored.returncode, restored.stderr) == (0, "")
    equal = run("diff", "shop", f"{url}/shop_test")
    assert (equal.returncode, equal.stderr) == (0, "")
    baseline = read_baseline(standalone["shop_test"])
    assert baseline is not None
    assert baseline.complete


@dataclass(frozen=True)
class Guarded:
    """A replica set that wants a login, and whose users have `PASSWORD`."""

    address: str
    client: Client

    def url(self, user: str, database: str, password: str = PASSWORD) -> str:
        source = "admin" if user == "root" else "shop"
        return (
            f"mongodb://{user}:{quote_plus(password)}@{self.address}/{database}?authSource={source}"
        )


@pytest.fixture(scope="session")
def guarded(start_guarded_mongod: StartMongod) -> Iterator[Guarded]:
    address = start_guarded_mongod(PASSWORD)
    client: Client = pymongo.MongoClient(
        f"mongodb://{address}", username="root", password=PASSWORD, directConnection=True
    )
    with client:
        for name in ("shop", "other"):
            client[name]["orders"].insert_many([{"_id": n} for n in range(10)])
        client["shop"].create_collection("view", viewOn="orders", pipeline=[])
        client["series"].create_collection("weather", timeseries={"timeField": "at"})
        for user, roles in (
            ("reader", [{"role": "read", "db": "shop"}, {"role": "read", "db": "series"}]),
            ("writer", [{"role": "readWrite", "db": "shop"}]),
        ):
            client["shop"].command("createUser", user, pwd=PASSWORD, roles=roles)
        may_list = {"resource": {"db": "part", "collection": ""}, "actions": ["listCollections"]}
        privileges = [may_list] + [
            {"resource": {"db": "part", "collection": name}, "actions": ["find", "listIndexes"]}
            for name in ("customers", "orders")
        ]
        client["part"].command("createRole", "some", privileges=privileges, roles=[])
        some = [{"role": "some", "db": "part"}]
        client["shop"].command("createUser", "some", pwd=PASSWORD, roles=some)
        for name in ("customers", "orders", "payrolls"):
            client["part"][name].insert_many(
                {"_id": n, "customer_id": n, "order_id": n, "payroll_id": n} for n in range(3)
            )
        yield Guarded(address, client)


def test_a_login_that_is_missing_or_wrong(
    run: Run, refused: Refused, guarded: Guarded, tmp_path: Path
) -> None:
    nobody = run("capture", "shop", "--db-url", f"mongodb://{guarded.address}/shop")
    refused(nobody, "name a user in the URL: mongodb://USER:PASSWORD@HOST/")
    for user, password in (("reader", "wr0ng@:/?"), ("nobody", PASSWORD)):
        done = run("capture", "shop", "--db-url", guarded.url(user, "shop", password))
        said = refused(
            done, "does not accept the user name and password", "authSource", f"{user}:***"
        )
        assert "wr0ng" not in said
        assert "s3cret" not in said
        assert quote_plus(password) not in said
    assert list(tmp_path.iterdir()) == []


def test_a_user_who_may_read_some_collections_captures_a_part_of_these(
    run: Run, refused: Refused, guarded: Guarded, tmp_path: Path
) -> None:
    words = ("--db-url", guarded.url("some", "part"), "--limit", "orders=1")
    refused(run("capture", "part", *words), "indexes of payrolls in part", "--exclude payrolls")
    done = run("capture", "part", *words, "--exclude", "payrolls")
    assert done.returncode == 0, done.stderr
    assert "payroll" not in done.stderr
    assert "follows, as it seems" in done.stderr
    whole = run(
        *("capture", "all", *words[:2], "--exclude", "payrolls", "--mask", "customers._id=digits")
    )
    assert whole.returncode == 0, whole.stderr
    assert "warning: orders.customer_id stays as it is, but customers._id is masked" in whole.stderr


def test_a_user_who_may_only_read_captures_and_restores_nothing(
    run: Run, refused: Refused, guarded: Guarded, tmp_path: Path
) -> None:
    reader = guarded.url("reader", "shop")
    done = run("capture", "shop", "--db-url", reader)
    assert (done.returncode, done.stderr) == (0, "")
    snapshot = Snapshot.load(tmp_path / "snapshots" / "shop")
    assert snapshot.manifest.origin.consistency == "snapshot"
    assert not compare(snapshot, live_state(guarded.client["shop"]))
    assert PASSWORD not in (snapshot.path / "manifest.json").read_text(encoding="utf-8")
    assert run("diff", "shop", reader).returncode == 0

    for user in ("reader", "writer"):
        url = guarded.url(user, "shop")
        for words in (
            ["restore", "shop", "--db-url", url],
            ["restore", "shop", "--db-url", url, "--dry-run"],
            ["adopt", "shop", "--yes", "--db-url", url],
            ["disown", "shop", "--db-url", url],
        ):
            said = refused(run(*words), "mongoshot's ledger", "not allowed to", "give it a role")
            assert "lsid" not in said
            assert "s3cret" not in said
    assert not compare(snapshot, live_state(guarded.client["shop"]))

    restored = run("restore", "shop", "--db-url", guarded.url("root", "copy"))
    assert (restored.returncode, restored.stderr) == (0, "")
    assert not compare(snapshot, live_state(guarded.client["copy"]))


def test_what_a_reader_may_not_read(
    run: Run, refused: Refused, guarded: Guarded, tmp_path: Path
) -> None:
    other = guarded.url("reader", "other")
    refused(run("capture", "other", "--db-url", other), "no database 'other'", "series, shop")
    series = guarded.url("reader", "series")
    refused(run("capture", "series", "--db-url", series), "time series", "the role backup")
    assert not list(tmp_path.rglob("manifest.json"))
    assert not list(tmp_path.rglob(".*"))
