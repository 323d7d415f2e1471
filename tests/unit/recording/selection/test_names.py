from __future__ import annotations

import pytest

from mongoshot.recording.selection.model import Path
from mongoshot.recording.selection.names import (
    looks_like_count,
    names_collection,
    names_itself,
    names_relative,
    same_word,
    subject,
    words,
)


@pytest.mark.parametrize(
    ("path", "collection"),
    [
        (("customer_id",), "customers"),
        (("customerId",), "customers"),
        (("customer",), "customers"),
        (("customers", None), "customers"),
        (("customer", "_id"), "customers"),
        (("customer", "id"), "Customer"),
        (("billingCustomerID",), "customers"),
        (("lines", None, "category_code"), "product_categories"),
        (("address_ids", None), "addresses"),
        (("status",), "statuses"),
        (("boxRef",), "boxes"),
        (("ownerIDs", None), "Owner"),
        (("kunde_nr",), "kunde"),
    ],
)
def test_the_name_speaks_for_the_collection(path: Path, collection: str) -> None:
    assert names_collection(path, collection)


@pytest.mark.parametrize(
    ("path", "collection"),
    [
        (("_id",), "customers"),
        (("customer", "name"), "customers"),
        (("customer_name",), "customers"),
        (("preorder_id",), "orders"),
        (("product_id",), "customers"),
        (("custom",), "customers"),
    ],
)
def test_the_name_does_not_speak_for_the_collection(path: Path, collection: str) -> None:
    assert not names_collection(path, collection)


def test_a_key_of_its_own() -> None:
    assert names_itself(("account_id",), "accounts")
    assert names_itself(("uuid",), "accounts")
    assert not names_itself(("customer_id",), "accounts")
    assert not names_itself(("parent", "account_id"), "accounts")


def test_words() -> None:
    assert words("HTTPServerURLs_v2-old") == ("http", "server", "urls", "v", "2", "old")
    assert words("größeÄnderung") != ()
    assert subject(("a", None, "b_ids", None)) == ("b",)
    for plural in ("categories", "boxes", "buses", "statuses", "warehouses", "people", "keys"):
        one = {"categories": "category", "boxes": "box", "buses": "bus", "statuses": "status"}
        one |= {"warehouses": "warehouse", "people": "person", "keys": "key"}
        assert same_word(one[plural], plural)
    assert not same_word("class", "clas")
    assert not same_word("order", "border")
    assert looks_like_count(("customers",))
    assert not looks_like_count(("customer",))
    assert names_relative(("parent_id",))
    assert names_relative(("ancestors", None))
    assert not names_relative(("apparent",))
