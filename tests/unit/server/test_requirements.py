"""What a server is, by its replies; the replies are of the documented form, cut to what counts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pymongo import errors as driver
from tests.conftest import MakeCollection

from mongoshot.errors import CommandError, RestoreError, UnsupportedServerError
from mongoshot.server.connection import translated
from mongoshot.server.requirements import (
    FEATURES,
    KINDS,
    ONE_POINT_IN_TIME,
    RESET_BY_CHANGE_STREAM,
    RESET_BY_FINGERPRINTS,
    RESET_BY_OPLOG,
    WATCH,
    Feature,
    Server,
    Version,
    check_kinds,
    check_server,
    find_kinds,
    name_stranger,
    read_hello,
    require,
    spelled,
)

PAGE = Path(__file__).parents[3] / "docs" / "servers.md"

STANDALONE = {"isWritablePrimary": True, "minWireVersion": 0, "maxWireVersion": 17, "ok": 1.0}
MEMBER = STANDALONE | {"setName": "rs0", "hosts": ["a:27017"], "me": "a:27017", "secondary": False}
MONGOS = STANDALONE | {"msg": "isdbgrid"}


@pytest.mark.parametrize(
    ("told", "server"),
    [
        (STANDALONE, Server("standalone server", (6, 0))),
        (MEMBER, Server("replica set", (6, 0))),
        (MONGOS, Server("sharded cluster", (6, 0))),
        (MEMBER | {"maxWireVersion": 13}, Server("replica set", (5, 0))),
        (MEMBER | {"maxWireVersion": 9}, Server("replica set", (4, 4))),
        (MEMBER | {"maxWireVersion": 21}, Server("replica set", (7, 0))),
        (MEMBER | {"maxWireVersion": 25}, Server("replica set", (8, 0))),
        # One that nobody knew when this was written is at least the newest that was known.
        (MEMBER | {"maxWireVersion": 99}, Server("replica set", (9, 0))),
        ({}, Server("standalone server", (3, 4))),  # no `hello`: before 4.4.2
    ],
)
def test_a_server_is_what_its_hello_says(told: dict[str, Any], server: Server) -> None:
    assert read_hello(told) == server


@pytest.mark.parametrize(
    ("host", "build", "name"),
    [
        ("127.0.0.1", {"version": "8.0.4", "versionArray": [8, 0, 4, 0], "modules": []}, None),
        ("cluster0.abcde.mongodb.net", {}, None),
        ("documents.amazonaws.com.example.org", {}, None),
        ("127.0.0.1", {"version": "7.0.42", "ferretdbVersion": "v1.24.0"}, "FerretDB"),
        ("127.0.0.1", {"version": "7.0.77", "ferretdb": {"version": "v2.0.0"}}, "FerretDB"),
        ("127.0.0.1", {"_t": "BuildInfoResponse", "version": "4.2.0"}, "Azure Cosmos DB"),
        ("shop.mongo.cosmos.azure.com", {}, "Azure Cosmos DB"),
        ("c.cluster-x.eu-west-1.docdb.amazonaws.com", {}, "Amazon DocumentDB"),
        ("c.us-east-1.DocDB-elastic.amazonaws.com.", {}, "Amazon DocumentDB"),
        ("x.nam5.firestore.goog", {}, "Google Firestore"),
    ],
)
def test_what_is_no_mongodb_is_named(host: str, build: dict[str, Any], name: str | None) -> None:
    assert name_stranger([host], build) == name


def test_a_server_that_will_not_do_is_refused_with_what_it_is() -> None:
    check_server(Server("standalone server", (5, 0)), None, "a:27017")
    with pytest.raises(UnsupportedServerError, match=r"^a:27017 runs MongoDB 4\.4, .* 5\.0 or new"):
        check_server(Server("replica set", (4, 4)), None, "a:27017")
    with pytest.raises(UnsupportedServerError, match=r"^a:27017 is FerretDB, which .*--db-url"):
        check_server(Server("replica set", (7, 0)), "FerretDB", "a:27017")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            driver.ConfigurationError(
                "Server at a:27017 reports wire version 8, but this version of PyMongo requires at"
                " least 9 (MongoDB 4.4)."
            ),
            r"^a:27017 runs MongoDB 4\.2, and mongoshot needs 5\.0 or newer; upgrade it",
        ),
        (
            driver.ConfigurationError(
                "Server at a:27017 requires wire version 40, but this version of PyMongo only"
                " supports up to 29."
            ),
            r"^cannot connect: a:27017 is newer than this PyMongo .* pip install --upgrade pymongo",
        ),
    ],
)
def test_what_the_driver_refuses_is_told_in_our_words(said: Exception, expected: str) -> None:
    with pytest.raises(UnsupportedServerError, match=expected), translated("connect"):
        raise said


def test_a_command_that_is_not_there_is_no_fault_of_the_url() -> None:
    missing = driver.OperationFailure("no such command: 'dbHash'", 59, {"code": 59})
    wanted = r"no such command: 'dbHash'; a sharded cluster lacks .*docs/servers\.md"
    with pytest.raises(CommandError, match=wanted), translated("hash shop"):
        raise missing


@pytest.mark.parametrize(
    ("feature", "server", "lacking"),
    [
        (ONE_POINT_IN_TIME, Server("replica set", (5, 0)), None),
        (ONE_POINT_IN_TIME, Server("sharded cluster", (5, 0)), None),
        (
            ONE_POINT_IN_TIME,
            Server("standalone server", (8, 0)),
            "that takes a replica set or a sharded cluster, and this is a standalone server of"
            " MongoDB 8.0",
        ),
        (RESET_BY_OPLOG, Server("replica set", (5, 0)), None),
        (
            RESET_BY_CHANGE_STREAM,
            Server("sharded cluster", (5, 3)),
            "that takes MongoDB 6.0 or newer, and this is a sharded cluster of MongoDB 5.3",
        ),
        (
            RESET_BY_FINGERPRINTS,
            Server("sharded cluster", (8, 0)),
            "that takes a replica set or a standalone server, and this is a sharded cluster of"
            " MongoDB 8.0",
        ),
    ],
)
def test_what_is_missing_for_a_feature_is_said(
    feature: Feature, server: Server, lacking: str | None
) -> None:
    assert feature.lacking(server) == lacking


def test_a_feature_that_cannot_be_had_is_refused_with_what_to_do() -> None:
    require(WATCH, Server("replica set", (5, 0)), "watch shop", "use another")
    with pytest.raises(CommandError, match=r"^cannot watch shop: that takes .*; use another$"):
        require(WATCH, Server("standalone server", (8, 0)), "watch shop", "use another")


@pytest.mark.parametrize(
    ("options", "indexes", "kind", "knowing", "unknowing"),
    [
        (
            {"clusteredIndex": {"v": 2, "key": {"_id": 1}, "name": "_id_", "unique": True}},
            [],
            "a clustered index",
            (5, 3),
            (5, 0),
        ),
        ({"recordPreImages": True}, [], "`recordPreImages`", (5, 0), (6, 0)),
        (
            {"changeStreamPreAndPostImages": {"enabled": True}},
            [],
            "`changeStreamPreAndPostImages`",
            (6, 0),
            (5, 3),
        ),
        (
            {},
            [{"v": 2, "key": {"a": 1}, "name": "a_1", "prepareUnique": True}],
            "an index with `prepareUnique`",
            (6, 0),
            (5, 0),
        ),
        (
            {},
            [{"v": 2, "key": {"a": 1, "b.$**": 1}, "name": "x"}],
            "a compound wildcard index",
            (7, 0),
            (6, 3),
        ),
        ({"encryptedFields": {"fields": []}}, [], "Queryable Encryption", (6, 0), (5, 3)),
    ],
)
def test_what_a_release_cannot_make_is_refused(
    options: dict[str, Any],
    indexes: list[dict[str, Any]],
    kind: str,
    knowing: Version,
    unknowing: Version,
    make_collection: MakeCollection,
) -> None:
    made = make_collection("orders", options=options, indexes=indexes)
    [found] = kinds = find_kinds([made.definition])
    assert found[1].name == kind
    check_kinds(kinds, knowing, "restore")
    wanted = f"cannot restore: it works as MongoDB {spelled(unknowing)}, and orders has"
    with pytest.raises(RestoreError, match=re.escape(wanted)):
        check_kinds(kinds, unknowing, "restore")


def test_a_time_series_is_made_as_long_as_its_buckets_have_a_name(
    make_collection: MakeCollection,
) -> None:
    options = {"timeseries": {"timeField": "at", "bucketMaxSpanSeconds": 3600}}
    kinds = find_kinds([make_collection("log", options=options, type="timeseries").definition])
    check_kinds(kinds, (5, 0), "restore")
    check_kinds(kinds, (8, 3), "restore")
    with pytest.raises(
        RestoreError, match=r"log has a time series, which takes MongoDB 8\.3 or old"
    ):
        check_kinds(kinds, (9, 0), "restore")


def test_usual_collections_are_of_no_such_kind(make_collection: MakeCollection) -> None:
    plain = make_collection("orders", indexes=[{"v": 2, "key": {"$**": 1}, "name": "all"}])
    disabled = make_collection("more", options={"changeStreamPreAndPostImages": {"enabled": False}})
    assert find_kinds([plain.definition, disabled.definition]) == []


def test_the_page_says_what_the_table_does() -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    for feature in FEATURES:
        cells = (
            feature.name,
            spelled(feature.since),
            ", ".join(sorted(feature.topologies)),
            feature.rights,
            feature.without,
        )
        assert f"| {' | '.join(cells)} |" in rows
    for kind in KINDS:
        assert f"| {kind.name} | {kind.needs} |" in rows
