"""The builder inserts what is said, or says what it cannot; what it leaves is put right."""

from __future__ import annotations

import datetime
import decimal
import importlib
import types
from collections.abc import Callable
from typing import Any

import pytest
from bson import Int64, ObjectId

from mongoshot import MongoshotError, ScenarioBuilder, Snapshot, fake, ref, restore, sequence
from mongoshot.errors import (
    CommandError,
    DatabaseRefusedError,
    NotDocumentsError,
    TemplateError,
)
from mongoshot.server.connection import Database
from mongoshot.server.tracking.fingerprints import take_fingerprint
from mongoshot.server.tracking.window import Tracker
from mongoshot.snapshot.overlay import overlay
from mongoshot.staging import staged as staged_module
from mongoshot.staging.staged import resume

MakeDatabase = Callable[[], Database]

TEMPLATES: dict[str, Any] = {
    "customers": {"name": "nobody", "address": {"city": "Bern", "zip": "3000"}, "tags": ["new"]},
    "orders": {"customer": ref("customers"), "no": sequence("A-{}"), "n": Int64(1)},
    "audit.log": lambda given: {"at": datetime.datetime(2026, 1, 1), "what": given.get("by")},
}


@pytest.fixture
def builder(make_database: MakeDatabase) -> ScenarioBuilder:
    return ScenarioBuilder(make_database(), TEMPLATES)


@pytest.fixture
def db(builder: ScenarioBuilder) -> Database:
    return builder._db


def held(db: Database, name: str) -> list[dict[str, Any]]:
    return [{k: v for k, v in each.items() if k != "_id"} for each in db[name].find()]


def test_documents_are_laid_over_their_template(builder: ScenarioBuilder, db: Database) -> None:
    assert set(builder.collections) == set(db.list_collection_names()) == set(TEMPLATES)

    ids = builder.create(
        {
            "orders": (each for each in [{"n": 2}, {"_id": 7, "customer": None, "x": 1.0}]),
            "customers": {"alice": {"name": "Alice", "address": {"zip": "x"}}},
            "audit.log": [{"by": "me"}],
            "strays": [{"a": 1}],
        }
    )

    assert list(ids) == ["orders", "customers", "audit.log", "strays"]
    assert [type(each) for each in ids["orders"]] == [ObjectId, int]
    assert ids["orders"] == [each["_id"] for each in db["orders"].find()]
    [alice] = ids["customers"]
    assert held(db, "orders") == [
        {"customer": alice, "no": "A-1", "n": 2},
        {"customer": None, "no": "A-2", "n": 1, "x": 1.0},
    ]
    assert held(db, "customers") == [{"name": "Alice", "address": {"zip": "x"}, "tags": ["new"]}]
    assert held(db, "audit.log") == [
        {"at": datetime.datetime(2026, 1, 1), "what": "me", "by": "me"}
    ]
    assert held(db, "strays") == [{"a": 1}]

    # Named documents stay known, sequences go on, until all is emptied.
    builder.create({"orders": [{"customer": ref("customers", "alice", field="name")}]})
    assert held(db, "orders")[-1] == {"customer": "Alice", "no": "A-3", "n": 1}
    builder.cleanup_collections()
    assert not any(held(db, name) for name in TEMPLATES)
    assert held(db, "strays")
    with pytest.raises(TemplateError, match="no document of customers has that name"):
        builder.create({"orders": [{"customer": ref("customers", "alice"), "no": 1}]})
    builder.create({"orders": [{"customer": 1}]})
    assert held(db, "orders")[-1]["no"] == "A-1"


def test_deep_merges_documents_within_documents(builder: ScenarioBuilder, db: Database) -> None:
    given = {"address": {"zip": "x", "at": {"lat": 1}}, "tags": ["old"]}
    builder.create({"customers": [given, {"address": None}]}, deep=True)
    assert held(db, "customers") == [
        {
            "name": "nobody",
            "address": {"city": "Bern", "zip": "x", "at": {"lat": 1}},
            "tags": ["old"],
        },
        {"name": "nobody", "address": None, "tags": ["new"]},
    ]
    assert TEMPLATES["customers"]["address"] == {"city": "Bern", "zip": "3000"}
    assert given == {"address": {"zip": "x", "at": {"lat": 1}}, "tags": ["old"]}


def test_all_of_a_call_share_a_scenario_id_where_asked(
    builder: ScenarioBuilder, db: Database
) -> None:
    builder.create({"customers": [{}, {"scenario_id": 5}], "strays": [{}]}, add_scenario_id=True)
    builder.create({"customers": [{}]}, True)
    *first, second = [each["scenario_id"] for each in held(db, "customers")]
    assert len({*first, second}) == 2
    assert held(db, "strays") == [{"scenario_id": first[0]}]
    assert type(second) is ObjectId


def test_the_server_is_told_who_writes(builder: ScenarioBuilder, db: Database) -> None:
    db.command("profile", 2)
    builder.create({"customers": [{}, {}]}, add_scenario_id=True)
    db.command("profile", 0)
    [entry] = db["system.profile"].find({"op": "insert"})
    assert (
        entry["command"]["comment"] == f"ScenarioBuilder {held(db, 'customers')[0]['scenario_id']}"
    )


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        ({"strays": [{}], "orders": []}, "orders: there are no documents to create"),
        ({"orders": {}}, "orders: there are no documents to create"),
        ({"strays": [{}], "orders": [{}, 5]}, r"orders\[1\] should be a document, .*, not 5"),
        ({"orders": [None]}, r"orders\[0\] should be a document"),
        ({"orders": {"total": 5}}, "orders: a mapping has names with documents in it"),
        ({"orders": "abc"}, "orders should have a list of documents, not 'abc'"),
        ({"orders": 3}, "orders should have a list of documents, not 3"),
        ({5: [{}]}, "the name of a collection is a string, not 5"),
        ([{"orders": []}], "create takes collections with documents"),
    ],
)
def test_what_are_no_documents_is_also_a_type_error(
    builder: ScenarioBuilder, db: Database, scenario: Any, message: str
) -> None:
    with pytest.raises(NotDocumentsError, match=message):
        builder.create(scenario)
    with pytest.raises(TypeError):
        builder.create(scenario)
    assert not held(db, "strays")  # nothing is written before all is known to be right


def contains_itself() -> dict[str, Any]:
    document: dict[str, Any] = {}
    document["a"] = [document]
    return document


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            {"a": {"b": [1, datetime.date(2026, 1, 1)]}},
            r"orders\[0\]\.a\.b\[1\] cannot .* give a dat",
        ),
        ({"a": decimal.Decimal(1)}, r"orders\[0\]\.a cannot be stored: .*; give a bson.Decimal128"),
        ({"a": types.SimpleNamespace()}, r"orders\[0\]\.a cannot be stored: .*SimpleNamespace"),
        ({"a": {5: 1}}, r"orders\[0\]\.a: the name of a field is a string, not 5"),
        ({"a": 2**64}, r"orders\[0\]\.a cannot be stored: MongoDB can only handle up to 8-byte"),
        ({"a\0b": 1}, r"orders\[0\]\.a.b cannot be stored|orders\[0\] cannot be stored"),
        (contains_itself(), "a value to create contains itself"),
    ],
)
def test_what_is_no_bson_names_its_field(
    builder: ScenarioBuilder, db: Database, document: dict[str, Any], message: str
) -> None:
    with pytest.raises(TemplateError, match=message):
        builder.create({"strays": [{}], "orders": [{"customer": 1, **document}]})
    assert not held(db, "strays")


def test_a_document_that_the_server_refuses_is_named(
    builder: ScenarioBuilder, db: Database
) -> None:
    db["customers"].create_index("name", unique=True)
    with pytest.raises(CommandError) as caught:
        builder.create({"customers": [{"_id": 1}, {"_id": "two"}]})
    assert 'customers: the server did not take document 2 of 2, _id "two" (E11000' in str(
        caught.value
    )
    assert "; give each document a value of its own there" in str(caught.value)
    assert "\n" not in str(caught.value)
    db.create_collection("strict", validator={"a": {"$type": "int"}})
    with pytest.raises(CommandError, match=r"document 1 of 1.*the validator of the collection"):
        builder.create({"strict": [{}]})
    with pytest.raises(MongoshotError, match="cannot insert into"):
        builder.create({"a$b..": [{}]})


@pytest.mark.parametrize("template", [None, 5, [{}], "x"])
def test_what_can_be_no_template_is_refused(make_database: MakeDatabase, template: Any) -> None:
    with pytest.raises(TemplateError, match="the template of 'orders' should be a mapping"):
        ScenarioBuilder(make_database(), {"orders": template})


def test_a_template_that_gives_no_document_is_refused(make_database: MakeDatabase) -> None:
    builder = ScenarioBuilder(make_database(), {"orders": lambda: None})
    with pytest.raises(
        TemplateError, match=r"orders\[0\]: the template should give a document, not"
    ):
        builder.create({"orders": [{}]})


def test_a_database_of_somebody_elses_is_refused(make_database: MakeDatabase) -> None:
    database = make_database()
    database["customers"].insert_one({})
    with pytest.raises(DatabaseRefusedError, match="was not made by mongoshot"):
        ScenarioBuilder(database, TEMPLATES)
    assert database.list_collection_names() == ["customers"]


def test_a_second_builder_takes_what_the_first_has_left(
    builder: ScenarioBuilder, db: Database
) -> None:
    builder.create({"customers": [{}]})
    ScenarioBuilder(db, TEMPLATES).create({"customers": [{}]})
    assert len(held(db, "customers")) == 2


def test_pydantic_models_are_templates_and_documents(make_database: MakeDatabase) -> None:
    pydantic = pytest.importorskip("pydantic")
    address = pydantic.create_model("Address", city=(str, "Bern"), zip=(str, "3000"))
    customer = pydantic.create_model(
        "Customer",
        id=(Any, pydantic.Field(default=None, alias="_id")),
        name=(str, ...),
        address=(address, pydantic.Field(default_factory=address)),
        tags=(list[str], []),
    )
    db = make_database()
    builder = ScenarioBuilder(
        db, {"customers": customer, "visits": {"to": address}, "seen": customer(name="X")}
    )

    builder.create({"customers": [{"name": "A", "address": {"zip": "1"}, "more": 1}]}, deep=True)
    builder.create({"customers": [customer(name="B")], "visits": [{}], "seen": [{"tags": None}]})

    assert held(db, "customers") == [
        {"name": "A", "address": {"city": "Bern", "zip": "1"}, "tags": [], "more": 1},
        {"name": "B", "address": {"city": "Bern", "zip": "3000"}, "tags": []},
    ]
    assert held(db, "visits") == [{"to": {"city": "Bern", "zip": "3000"}}]
    assert held(db, "seen")[0] | {"address": 0} == {"name": "X", "address": 0, "tags": None}
    with pytest.raises(TemplateError, match=r"customers\[0\]: Customer has no default for 'name'"):
        builder.create({"customers": [{"tags": ["x"]}]})


def test_factories_are_templates(make_database: MakeDatabase) -> None:
    factory = pytest.importorskip("factory")

    class AddressFactory(factory.Factory):  # type: ignore[misc, name-defined]
        class Meta:
            model = types.SimpleNamespace

        city = factory.Faker("city")

    class CustomerFactory(factory.Factory):  # type: ignore[misc, name-defined]
        class Meta:
            model = types.SimpleNamespace

        name = factory.Sequence(lambda n: f"user-{n}")
        email = factory.LazyAttribute(lambda each: f"{each.name}@example.org")
        city = factory.Faker("city")
        address = factory.SubFactory(AddressFactory)

    db = make_database()
    builder = ScenarioBuilder(db, {"customers": CustomerFactory, "orders": {"to": AddressFactory}})
    random = importlib.import_module("factory.random")
    before = random.get_random_state()
    scenario: dict[str, Any] = {
        "customers": [{}, {"name": sequence("Eve-{}"), "more": 1}, {"address": {"zip": "x"}}],
        "orders": [{}],
    }
    runs = []
    for _ in range(2):  # a test like another
        builder.create(scenario, deep=True)
        made = held(db, "customers")
        assert [each["name"] for each in made] == ["user-0", "Eve-1", "user-2"]
        assert [each["email"] for each in made][:2] == ["user-0@example.org", "Eve-1@example.org"]
        assert len({each["city"] for each in made}) == 3
        assert list(made[2]["address"]) == ["city", "zip"]
        assert made[1]["more"] == 1
        assert held(db, "orders")[0]["to"].keys() == {"city"}
        runs.append([*made, *held(db, "orders")])
        builder.cleanup_collections()
    assert runs[0] == runs[1]
    assert random.get_random_state() == before
    assert CustomerFactory().name == "user-0"


@pytest.fixture
def track(
    monkeypatch: pytest.MonkeyPatch, open_each_tracker: Callable[[Database], Tracker]
) -> None:
    """Let what is staged be tracked in each way."""
    monkeypatch.setattr(staged_module, "open_tracker", open_each_tracker)


@pytest.mark.usefixtures("track")
def test_template_collections_are_part_of_what_is_staged(
    every_kind: Snapshot, make_database: MakeDatabase
) -> None:
    database = make_database()
    staged = restore(every_kind, database, verifiable=True)
    plain = take_fingerprint(database)

    staged.furnish(["orders", "odd", "customers"])  # one of them the scenario has
    furnished = take_fingerprint(database)
    assert furnished.definitions.keys() - plain.definitions.keys() == {"orders", "customers"}
    assert not staged.changes()
    for _ in range(2):
        database["orders"].insert_many([{"_id": 1}, {"_id": 2}])
        database["odd"].update_one({"_id": 1}, {"$set": {"x": 1}})
        database["stray"].insert_one({})
        staged.mark()
        database["orders"].delete_one({"_id": 1})
        changes = staged.changes()
        assert changes.collections.keys() == {"orders"}
        assert len(changes.collections["orders"].deleted) == 1
        report = staged.reset()
        assert set(report.reloads) <= {
            "stray",
            *(every_kind.collections if staged.tier == "fingerprints" else ()),
        }
        staged.verify()
        assert take_fingerprint(database) == furnished
    database["orders"].create_index("no")
    database.drop_collection("customers")
    staged.reset()
    assert take_fingerprint(database) == furnished

    staged.furnish(["customers", "more"])
    assert take_fingerprint(database).definitions.keys() - plain.definitions.keys() == {
        "customers",
        "more",
    }
    database["more"].insert_one({})
    staged.reset()
    staged.furnish(())
    staged.verify()
    assert take_fingerprint(database) == plain
    assert not staged.changes()


def test_a_warm_start_knows_the_template_collections_of_the_run_before(
    make_database: MakeDatabase,
) -> None:
    database = make_database()
    nothing = overlay([])
    staged = restore(nothing, database)
    staged.furnish(["orders"])
    database["orders"].insert_one({})
    staged.remember()

    found = resume(nothing, database)

    assert found is not None
    resumed, report = found
    assert (report.documents, report.reloads) == (0, {})
    assert report.collections == ("orders",)
    assert held(database, "orders") == []
    resumed.furnish(())
    assert not [name for name in database.list_collection_names() if name != "system.views"]
    resumed.furnish(["orders", "customers"])
    assert set(database.list_collection_names()) == {"orders", "customers"}
    assert not resumed.changes()


def test_fakes_depend_on_the_seed_of_the_builder(make_database: MakeDatabase) -> None:
    names = []
    for seed in (1, 1, 2):
        db = make_database()
        ScenarioBuilder(db, {"customers": {"name": fake("name")}}, seed=seed).create(
            {"customers": [{}, {}]}
        )
        names.append([each["name"] for each in held(db, "customers")])
    assert names[0] == names[1] != names[2]
