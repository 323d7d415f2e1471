"""`scenario_builder` in a user's project: what pytest-scenarios does, and does not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mongoshot.server.connection import Client

Run = Callable[..., pytest.RunResult]

ROOT = Path(__file__).parents[2]

ORDERS = """
TEMPLATE = {
    "id": "123456789abcdef01234567",
    "customer_id": "customer_001",
    "items": [
        {"product_id": "product_001", "quantity": 2, "price": 19.99},
        {"product_id": "product_002", "quantity": 1, "price": 9.99},
    ],
    "tax": 0.15,
}
"""
CUSTOMERS = """
TEMPLATE = {"name": "Somebody", "age": 40, "status": "active", "email": "somebody@example.org"}
"""


@pytest.fixture
def templates(pytester: pytest.Pytester) -> Path:
    """Put the templates that pytest-scenarios' documentation tells of into the user's project."""
    directory = pytester.path / "tests" / "templates"
    directory.mkdir(parents=True)
    write(directory, **{"orders.py": ORDERS, "customers.py": CUSTOMERS, "__init__.py": ""})
    return directory


def write(directory: Path, **files: str) -> None:
    for name, text in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


DOCUMENTED = """
from bson import ObjectId
from pymongo.database import Database

from mongoshot import ScenarioBuilder


def test_example(scenario_builder: ScenarioBuilder, db: Database):
    inserted_ids_by_collection = scenario_builder.create(
        {
            "customers": [
                {"name": "Alice", "status": "inactive", "email": "alice@test.com"},
                {"name": "Louis", "age": 25, "email": "louis@test.com"},
            ],
            "orders": [
                {
                    "id": "order_001",
                    "items": [{"price": 19.99, "product_id": "book_123", "quantity": 1}],
                },
                {"id": "order_002", "items": None, "tax": 0.2},
            ],
        }
    )
    for collection_name, inserted_ids in inserted_ids_by_collection.items():
        assert len(inserted_ids) == 2, collection_name
        assert inserted_ids == [each["_id"] for each in db[collection_name].find()]
        assert all(type(each) is ObjectId for each in inserted_ids)
    for each in db.customers.find():
        del each["_id"]
        assert each in (
            {"name": "Alice", "age": 40, "status": "inactive", "email": "alice@test.com"},
            {"name": "Louis", "age": 25, "status": "active", "email": "louis@test.com"},
        )
    first, second = db.orders.find()
    assert list(first) == ["_id", "id", "customer_id", "items", "tax"]
    assert (first["tax"], second["tax"], second["items"]) == (0.15, 0.2, None)


def test_scenario_id(scenario_builder, db):
    scenario = {"customers": [{}, {}], "other": iter([{"a": 1}])}
    scenario_builder.create(scenario, add_scenario_id=True)
    [scenario_id] = db.customers.distinct("scenario_id")
    assert db.other.find_one({}, {"_id": 0}) == {"a": 1, "scenario_id": scenario_id}


def test_begins_empty(scenario_builder, db, templates_path, request):
    assert set(scenario_builder.collections) == {"customers", "orders"}
    assert set(db.list_collection_names()) == {"customers", "orders"}
    assert db.customers.count_documents({}) == 0
    assert templates_path == str(request.config.rootpath / "tests/templates")
    db.customers.insert_one({})
    scenario_builder.cleanup_collections()
    assert db.customers.count_documents({}) == 0


def test_only_the_path(templates_path, db):
    assert set(db.list_collection_names()) == {"customers", "orders"}
    db.orders.insert_one({})


def test_neither(db):
    assert not [each for each in db.list_collections() if each["name"] != "system.views"]
    db.orders.insert_one({})
"""


MANY = """
import time

import pytest
from faker import Faker

faker = Faker()
faker.seed_instance("0 ('users', 'name') 0")
NAME = faker.name()


@pytest.mark.parametrize("time_", range(8))
def test_begins_anew(scenario_builder, db, worker_id, time_):
    assert db.name.endswith("" if worker_id == "master" else f"_{worker_id}")
    scenario_builder.create({"users": [{}], "orders": [{}, {}], "strays": [{}]})
    time.sleep(0.02)
    counts = [db[name].count_documents({}) for name in ("users", "orders", "strays")]
    assert counts == [1, 2, 1]
    assert db.users.find_one({}, {"_id": 0}) == {"no": 1, "name": NAME}
"""


def test_the_documented_examples_in_any_run(
    pytester: pytest.Pytester,
    run: Run,
    templates: Path,
    server_url: str,
    inner_database: str,
) -> None:
    others = pytester.path / "others"
    users = (
        'from mongoshot import fake, sequence\nTEMPLATE = {"no": sequence(), "name": fake("name")}'
    )
    write(pytester.path / "tests", **{"test_example.py": DOCUMENTED})
    run("-W", "error", "--mongoshot-verify").assert_outcomes(passed=5)
    write(templates, **{"users.py": users})
    write(others, **{"test_many.py": MANY})
    two = ("tests/test_example.py::test_example", "tests/test_example.py::test_neither", "others")
    run("-W", "error", "-n", "2", *two).assert_outcomes(passed=10)

    # On what the first has left, with other options, by which the workers would have failed.
    write(pytester.path, **{"mine/things.py": "TEMPLATE = {}"})
    pytester.makeini(
        f"[pytest]\ndb-url = {server_url}\ndb-name = {inner_database}\ntemplates-path = mine\n"
    )
    pytester.makepyfile(
        test_it=f"""
        def test_it(scenario_builder, db):
            assert db.list_collection_names() == ["things"]
            assert (db.name, *scenario_builder.collections) == ("{inner_database}", "things")
        """
    )
    again = pytester.runpytest_subprocess("-p", "no:cacheprovider", "test_it.py")
    again.assert_outcomes(passed=1)


@pytest.mark.usefixtures("templates", "shop")
def test_changes_count_from_the_last_create(pytester: pytest.Pytester, run: Run) -> None:
    write(
        pytester.path / "tests",
        **{
            "test_changes.py": """
import pytest

from mongoshot import ref


@pytest.fixture
def customer(scenario_builder):
    return scenario_builder.create({"customers": {"alice": {"name": "Alice"}}})["customers"][0]


@pytest.mark.scenario("shop")
def test_on_a_scenario(scenario_builder, customer, db, db_changes):
    assert db.orders.count_documents({}) == 2
    assert list(db.orders.index_information()) == ["_id_", "status_1"]
    assert not db_changes
    db.orders.delete_one({"_id": 1})
    order = {"_id": 5, "customer_id": ref("customers", "alice")}
    assert scenario_builder.create({"orders": [order]}) == {"orders": [5]}
    assert not db_changes
    assert db.orders.find_one({"_id": 5})["customer_id"] == customer
    db.orders.update_one({"_id": 5}, {"$set": {"tax": 1}})
    db.customers.delete_one({"_id": customer})
    assert {k: len(v) for k, v in db_changes.updated.items()} == {"orders": 1}
    assert db_changes.deleted.keys() == {"customers"}
    assert not db_changes.inserted


def test_the_same_without(scenario_builder, customer, db, db_changes):
    assert not db_changes
    scenario_builder.create({"orders": [{}]})
    db.orders.update_many({}, {"$set": {"tax": 1}})
    assert db_changes.updated.keys() == {"orders"}


@pytest.mark.scenario("shop", readonly=True)
def test_only_created(scenario_builder):
    scenario_builder.create({"orders": [{}]})


def test_by_staged(scenario_builder, staged, db):
    scenario_builder.create({"orders": [{}]})
    assert not staged.changes()
    db.orders.delete_many({})
    assert staged.changes()
""",
        },
    )
    run("--mongoshot-verify").assert_outcomes(passed=4)


def test_a_bad_template_is_one_line_at_the_tests_that_use_it(
    pytester: pytest.Pytester, run: Run, templates: Path
) -> None:
    write(templates, **{"users.py": "\n\nTEMPLATE = {'name' 1}"})
    write(
        pytester.path / "tests",
        **{
            "test_it.py": """
def test_one(scenario_builder): ...
def test_two(scenario_builder, db): ...
def test_without(db): ...
""",
        },
    )
    result = run()
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines([f"{templates / 'users.py'}, line 3: SyntaxError: *"])
    result.stdout.no_fnmatch_line("*Traceback*")
    assert result.stdout.str().count("SyntaxError") == 2


@pytest.mark.usefixtures("templates")
def test_a_create_that_fails_shows_its_line_and_leaves_nothing(
    pytester: pytest.Pytester, run: Run
) -> None:
    write(
        pytester.path / "tests",
        **{
            "test_it.py": """
import pytest

@pytest.mark.parametrize("documents", [[], [5], [{"_id": 1}, {"_id": 1}], [{"x": {1}}]])
def test_bad(scenario_builder, documents):
    scenario_builder.create({"strays": [{}], "customers": documents})

def test_next(scenario_builder, db):
    assert db.customers.count_documents({}) == db.strays.count_documents({}) == 0
""",
        },
    )
    result = run("-p", "no:randomly")
    result.assert_outcomes(failed=4, passed=1)
    for line in (
        "E *NotDocumentsError: customers: there are no documents to create; *",
        "E *NotDocumentsError: customers[[]0] should be a document, *, not 5",
        "E *CommandError: *.customers: the server did not take document 2 of 2, _id 1 (E11000 *",
        "E *TemplateError: customers[[]0].x cannot be stored: *; give a list",
    ):
        result.stdout.fnmatch_lines([line])
    assert result.stdout.str().count(">       scenario_builder.create({") == 4
    result.stdout.no_fnmatch_line("*builder.py:*")


@pytest.mark.usefixtures("templates")
def test_without_a_server_only_the_tests_that_need_one_fail(pytester: pytest.Pytester) -> None:
    write(
        pytester.path / "tests",
        **{
            "test_it.py": "def test_pure(): ...\ndef test_path(templates_path): ...\n"
            "def test_it(scenario_builder): ..."
        },
    )
    url = "mongodb://me:s3cret@127.0.0.1:1/?serverSelectionTimeoutMS=200"
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-v", "--db-url", url)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*cannot connect to mongodb://me:?*@127.0.0.1:1*"])
    result.stdout.no_fnmatch_line("*s3cret*")


@pytest.mark.usefixtures("templates")
def test_a_database_of_somebody_elses_is_refused(
    pytester: pytest.Pytester, run: Run, mongo_client: Client, inner_database: str
) -> None:
    mongo_client[inner_database]["customers"].insert_one({"_id": "somebody"})
    write(
        pytester.path / "tests",
        **{
            "test_it.py": "def test_it(scenario_builder):\n"
            "    scenario_builder.cleanup_collections()"
        },
    )
    result = run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*was not made by mongoshot and holds customers (1)*"])
    assert mongo_client[inner_database]["customers"].count_documents({}) == 1


@pytest.mark.usefixtures("templates")
def test_a_builder_of_the_users_own_does_the_same(pytester: pytest.Pytester, run: Run) -> None:
    write(
        pytester.path / "tests",
        **{
            "conftest.py": """
import pytest

from mongoshot import ScenarioBuilder, load_templates_from_path, sequence

@pytest.fixture(scope="session")
def own(db, templates_path):
    templates = load_templates_from_path(templates_path)
    return ScenarioBuilder(db, templates | {"users": {"n": sequence()}})

@pytest.fixture
def scenario_builder(scenario_builder):
    scenario_builder.create({"customers": [{"name": "first"}]})
    return scenario_builder
""",
            "test_it.py": """
import pytest

@pytest.mark.parametrize("time", [1, 2])
def test_own(own, db, db_changes, time):
    own.create({"users": [{}, {}], "orders": [{}]})
    assert not db_changes
    assert [each["n"] for each in db.users.find()] == [1, 2]

@pytest.mark.parametrize("time", [1, 2])
def test_overridden(scenario_builder, db, time):
    assert [each["name"] for each in db.customers.find()] == ["first"]
""",
        },
    )
    run().assert_outcomes(passed=4)


def test_the_page_of_templates(pytester: pytest.Pytester, run: Run) -> None:
    page = (ROOT / "docs" / "templates.md").read_text(encoding="utf-8")
    samples = re.findall(r"^```python\n# (\S+)\n(.*?)^```$", page, re.M | re.S)
    assert [name for name, _ in samples] == [
        "tests/templates/customers.py",
        "tests/templates/orders.py",
        "tests/test_orders.py",
    ]
    write(pytester.path, **dict(samples))
    shutil.copytree(ROOT / "snapshots", pytester.path / "snapshots")
    run("-W", "error").assert_outcomes(passed=3)
