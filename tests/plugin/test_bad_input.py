"""Bad input is an error at the test that it belongs to, and the next test starts clean."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

from mongoshot import capture
from mongoshot.server.connection import Client

Run = Callable[..., pytest.RunResult]

NEXT = """

@pytest.mark.scenario("shop")
def test_next(db):
    assert sorted(order["_id"] for order in db.orders.find()) == [1, 2]
    assert db.list_collection_names() == ["orders"]
    db.orders.delete_many({})

def test_next_without(db):
    assert db.list_collection_names() == []
"""


def bad(pytester: pytest.Pytester, run: Run, body: str) -> pytest.RunResult:
    """Run tests that are bad, between others that are not."""
    pytester.makepyfile(
        "import pytest\n"
        + NEXT.replace("test_", "test_before_")
        + "\n"
        + textwrap.dedent(body)
        + NEXT
    )
    result = run()
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*/src/mongoshot/*")
    return result


@pytest.mark.usefixtures("shop")
def test_markers(pytester: pytest.Pytester, run: Run) -> None:
    takes = "the marker scenario takes one or more names of scenarios, each a string, and *"
    markers = {
        'scenario("shpo")': "no scenario 'shpo' in *snapshots: did you mean 'shop'?*",
        'scenario("Shop")': "no scenario 'Shop' in *snapshots: did you mean 'shop'?*",
        'scenario("shop", "extra")': "no scenario 'extra' in *: did you mean 'extras'?*",
        'scenario("different")': "no scenario 'different' in *extras*shop*",
        'scenario("../snapshots/shop")': "*'../snapshots/shop'*",
        'scenario("")': "*''*",
        "scenario": takes,
        "scenario()": takes,
        "scenario(1)": takes,
        'scenario(["shop"])': takes,
        'scenario("shop", readnly=True)': takes,
    }
    tests = [
        f"@pytest.mark.{marker}\ndef test_bad_{number}(db): ...\n"
        + NEXT.replace("(db)", f"_{number}(db)")
        for number, marker in enumerate(markers)
    ]

    result = bad(pytester, run, "\n".join(tests))

    result.assert_outcomes(passed=2 * (len(markers) + 2), errors=len(markers))
    for number, line in enumerate(markers.values()):
        result.stdout.fnmatch_lines([f"*ERROR at setup of test_bad_{number} *", line])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("indexes", "the indexes"),
        pytest.param("options", "the options", marks=pytest.mark.long),
        pytest.param("type", "the type", marks=pytest.mark.long),
    ],
)
def test_scenarios_that_cannot_be_laid_over_each_other(
    pytester: pytest.Pytester,
    run: Run,
    shop: None,
    mongo_client: Client,
    inner_database: str,
    change: str,
    what: str,
) -> None:
    source = mongo_client[f"{inner_database}_other"]
    if change == "indexes":
        source["orders"].create_index("status", unique=True)
    elif change == "options":
        source.create_collection("orders", validator={"total": {"$gt": 0}})
    else:
        source.create_collection("orders", viewOn="others", pipeline=[])
    capture(source, pytester.path / "snapshots" / "other")

    result = bad(pytester, run, '@pytest.mark.scenario("shop", "other")\ndef test_bad(db): ...\n')

    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(
        [
            f"cannot lay shop + other over each other: they differ in {what} of 'orders'; *",
            "ERROR *::test_bad*",
        ]
    )


@pytest.mark.usefixtures("shop")
def test_a_scenario_whose_files_are_damaged(pytester: pytest.Pytester, run: Run) -> None:
    file = pytester.path / "snapshots" / "extras" / "orders.json"
    file.write_text(file.read_text().replace("open", "nope"))

    result = bad(pytester, run, '@pytest.mark.scenario("extras")\ndef test_bad(db): ...\n')

    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(["*orders.json*", "ERROR *::test_bad*"])


@pytest.mark.long
@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("users.py", "\nTEMPLATE = {'name' 1}\n", "*users.py, line 2: SyntaxError: *"),
        ("users.py", "\n\nTEMPLATE = {'name': nme}\n", "*users.py, line 3: NameError: *nme*"),
        ("users.py", "TEMPLATE = ['name']\n", "*users*"),
        ("users.json", '{"name": 1', "*users.json: *"),
        ("users.json", "[1, 2]", "*users.json: *"),
        ("users.json", '{"name": 1, "name": 2}', "*users.json: the key 'name' is there twice*"),
        ("users.yaml", "name: 1\n  b: 2\n", "*users.yaml, line 2: this is not YAML: *"),
        ("users.yaml", "- name\n", "*users*"),
        ("users.yaml", "name: 1\nname: 2\n", "*users.yaml, line 2: the key 'name' is there twice*"),
    ],
)
def test_a_template(pytester: pytest.Pytester, run: Run, file: str, text: str, line: str) -> None:
    templates = pytester.path / "tests" / "templates"
    templates.mkdir(parents=True)
    (templates / file).write_text(text)

    result = bad(pytester, run, "def test_bad(scenario_builder): ...\n")

    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines([line, "ERROR *::test_bad*"])


@pytest.mark.usefixtures("shop")
def test_what_is_created(pytester: pytest.Pytester, run: Run) -> None:
    (pytester.path / "tests" / "templates").mkdir(parents=True)
    (pytester.path / "tests" / "templates" / "users.py").write_text('TEMPLATE = {"a": 1}\n')
    result = bad(
        pytester,
        run,
        """
        @pytest.mark.scenario("shop")
        @pytest.mark.parametrize(
            "documents",
            [[], 5, [5], [None], "users", [{"_id": 1}, {"_id": 1}], [{"a": object()}], {"a": 1}],
            ids=["none", "5", "five", "null", "text", "twice", "object", "mapping"],
        )
        def test_bad(scenario_builder, documents):
            scenario_builder.create({"orders": [{"_id": 7}], "users": documents})
        """,
    )

    result.assert_outcomes(passed=4, failed=8)
    for line in (
        "E *NotDocumentsError: users: there are no documents to create; *",
        "E *NotDocumentsError: users[[]0] should be a document, *, not 5",
        "E *NotDocumentsError: users[[]0] should be a document, *, not None",
        "E *CommandError: *.users: the server did not take document 2 of 2, _id 1 (E11000 *",
        "E *TemplateError: users[[]0].a cannot be stored: *",
    ):
        result.stdout.fnmatch_lines([line])
