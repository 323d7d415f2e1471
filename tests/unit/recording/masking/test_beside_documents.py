"""What of masked values could be written beside documents: in queries, definitions, profiles."""

from __future__ import annotations

from collections.abc import Iterator

import bson
import pytest

from mongoshot.config import MaskingTable
from mongoshot.errors import UnmaskedError
from mongoshot.recording.masking.hiding import hidden, plans_of
from mongoshot.recording.masking.masker import Masker
from mongoshot.recording.masking.policy import make_policy, masked_otherwise
from mongoshot.recording.request import Request
from mongoshot.recording.selection.model import Reference, Root
from mongoshot.snapshot.model import Definition
from mongoshot.snapshot.profile import profile

DEFINITIONS = {name: Definition(name) for name in ("customers", "orders")}


def masker(*rules: str, definitions: dict[str, Definition] | None = None) -> Masker:
    return Masker(make_policy(MaskingTable(), rules), bytes(32), definitions or DEFINITIONS)


@pytest.mark.parametrize(
    "query",
    [
        {"email": "ada@lindqvist.example"},
        {"$or": [{"active": True}, {"email": {"$in": ["ada@lindqvist.example"]}}]},
        {"$nor": [{"email": {"$not": {"$regex": "^ada"}}}]},
        {"address": {"street": "Harbour Road 7"}},
        {"phones.0.number": "+46 40 555 3348"},
        {"phones": {"$elemMatch": {"number": "+46 40 555 3348"}}},
        {"$expr": {"$eq": ["$email", "ada@lindqvist.example"]}},
        {"$where": "this.email == 'ada@lindqvist.example'"},
    ],
)
def test_a_query_with_a_value_of_a_masked_field_is_refused(query: dict[str, object]) -> None:
    rules = ("**.email=email", "customers.address.street=street", "customers.phones[].number=phone")
    root = Root("customers", bson.encode(query))
    with pytest.raises(
        UnmaskedError, match=r"customers(\.email|\.address|\.phones| \(\$where)"
    ) as error:
        masker(*rules).check_queries([root])
    assert "ada" not in str(error.value)
    masker("customers.name=keep").check_queries([root])


@pytest.mark.parametrize(
    "query", [{"active": True, "_id": 5}, {"email": {"$exists": True}}, {"email": None}, {}]
)
def test_a_query_without_one_is_not(query: dict[str, object]) -> None:
    masker("**.email=email").check_queries([Root("customers", bson.encode(query))])


@pytest.mark.parametrize("query", [{"password": "hunter2x"}, {"note": "AKIAIOSFODNN7EXAMPLQ"}])
def test_a_query_with_a_secret_is_refused(query: dict[str, object]) -> None:
    with pytest.raises(UnmaskedError, match="has a secret in it"):
        masker().check_queries([Root("customers", bson.encode(query))])


def test_definitions_with_values_of_masked_fields_are_told() -> None:
    schema = {"properties": {"email": {"enum": ["ada@x.example"]}, "vip": {"enum": ["bo"]}}}
    index = {"name": "ada", "key": {"n": 1}, "partialFilterExpression": {"email": "ada@x.example"}}
    customers = Definition(
        "customers",
        options=bson.encode({"validator": {"$jsonSchema": schema}}),
        indexes=(bson.encode(index),),
    )
    view = Definition(
        "ada",
        "view",
        bson.encode(
            {
                "viewOn": "customers",
                "pipeline": [{"$match": {"email": "a"}}, {"$project": {"a": 1}}],
            }
        ),
    )
    definitions = {"ada": view, "customers": customers}
    told = masker("customers.email=email", definitions=definitions).constants
    places = ("ada", "pipeline"), ("customers", "partial indexes"), ("customers", "validator")
    assert told == [
        f"{name}: values of customers.email, which is masked, stand in its {part}"
        for name, part in places
    ]
    assert masker("customers.name=name", definitions=definitions).constants == []


def test_names_of_fields_below_what_is_dropped_are_not_in_a_profile() -> None:
    document = {
        "_id": 1,
        "friends": {"Ada_Lindqvist": {"since": 1}},
        "lists": [{"by": {"Bo": 1}}],
        "kept": {"Cy": 1},
        "notes": {"to_Di": "x"},
    }
    recipe = {
        "masks": ["customers.friends=drop"],
        "masking": {
            "rules": {
                "customers.friends": "drop",
                "customers.lists[].by": "redact",
                "customers.notes.*": "drop",
                "**.name": "name:de_DE",
            }
        },
    }

    def read() -> Iterator[bytes]:
        yield bson.encode(document)

    plan = plans_of(Request.from_recipe(recipe), DEFINITIONS)["customers"]
    fields = hidden(profile(read()), plan).fields
    assert " ".join(fields) == "_id friends kept kept.Cy lists lists[] lists[].by notes"


REFERENCE = Reference("orders", ("lines", None, "customer"), "customers")


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ((), None),
        (("customers._id=email", "orders.lines[].customer=email"), None),
        (("customers._id=email", "orders.lines=drop"), None),
        (("customers._id=email",), "--mask 'orders.lines[].customer=email'"),
        (("orders.lines[].customer=email",), "customers._id stays as it is"),
        (("customers._id=email", "orders.lines[].customer=text"), "is masked by text, but"),
        (("customers=drop",), "--mask 'orders.lines[].customer=null'"),
    ],
)
def test_both_ends_of_a_reference_have_the_same_mask(
    rules: tuple[str, ...], told: str | None
) -> None:
    found = masker(*rules).unlike_ends([REFERENCE])
    assert (told is None and not found) or (told is not None and told in found[0]), found


def test_masks_that_are_gone_are_told() -> None:
    before = {"policy": "deny", "rules": {"a.b": "email", "a.c": "keep", "a.d": "text"}, "key": "1"}
    now = {"policy": "allow", "rules": {"a.d": "keep"}, "key": "2"}
    assert masked_otherwise(before, now) == [
        "no longer masked: a.b",
        "masked otherwise: a.d=keep",
        "fields that no rule names pass, as the policy is no longer deny",
        "the masking key is another one, so that all masks are",
    ]
    assert masked_otherwise(before, before) == masked_otherwise({}, before) == []


def test_a_capture_that_is_repeated_masks_what_it_did_without_the_table() -> None:
    table = MaskingTable(policy="deny", rules=(("a.b", "email"), ("a.c", "text")))
    recipe = Masker(make_policy(table, ["a.d=redact"]), bytes(32), {"a": Definition("a")}).recipe
    again = make_policy(MaskingTable(), ["a.d=redact"], recipe)
    assert Masker(again, bytes(32), {"a": Definition("a")}).recipe == recipe
    other = make_policy(MaskingTable(rules=(("a.c", "hash"),)), ["a.d=redact"], recipe)
    assert [str(rule) for rule in other.rules] == ["a.d=redact", "a.c=hash", "a.b=email"]
    assert other.unlisted == "deny"
