from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Binary, Code, Decimal128, Int64, ObjectId, Regex

from mongoshot import Snapshot
from mongoshot.errors import UnmaskedError
from mongoshot.recording.masking.checks import card_prefix
from mongoshot.recording.masking.cipher import Cipher
from mongoshot.recording.masking.formats import masked_card
from mongoshot.snapshot.model import Collection

ROOT = Path(__file__).parents[4]

MaskAll = Callable[..., Any]
MakeCollection = Callable[..., Collection]

BCRYPT = "$2b$12$" + "UREFwsRUoyF0CRqGNK0LzO0HM/jLhgUCNNIJ9RJAqMUQ74crlJ1Vu"[:53]
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLW9mLWl0"

# Put together here, so that no file has a secret's form.
SECRETS = {
    "AWS access key": "AKIA" + "IOSFODNN7EXAMPL2",
    "GitHub token": "ghp_" + "aB3" * 12,
    "GitLab token": "glpat-" + "aB3dE" * 4,
    "Stripe key": "sk_live_" + "4eC39HqLyjWDarjt",
    "Slack token": "xoxb-" + "1234567890-abcdef",
    "Google key": "AIza" + "SyA" * 11 + "ab",
    "SendGrid key": "SG." + "a1B2" * 5 + "." + "c3D4" * 8,
    "API key": "sk-ant-" + "a1B2" * 8,
    "npm token": "npm_" + "a1B2" * 9,
    "PyPI token": "pypi-AgE" + "a1B2" * 9,
    "JSON Web Token": JWT,
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----",
    "URL with a password": "mongodb+srv://ada:l0velace@db.example.com/shop",
    "card number": "4111 1111 1111 1234".replace("1234", "1152"),
    "IBAN": "GB29 NWBK 6016 1331 9268 19",
    "US social security number": "219-09-9999",
    "Spanish DNI": "12345678Z",
    "Brazilian CPF": "529.982.247-25",
    "Swedish personnummer": "811218-9876",
    "Finnish identity code": "131052-308T",
    "Belgian national number": "85.07.30-033.28",
    "French NIR": "255081416802538",
    "Italian codice fiscale": "RSSMRA85T10A562S",
}
HASHES = [
    BCRYPT,
    "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaQ",
    "$6$rounds=5000$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2",
    "pbkdf2_sha256$260000$salt$aGFzaGhhc2hoYXNo",
    "pbkdf2:sha256:260000$salt$6f1d",
    "scrypt:32768:8:1$salt$6f1d",
    "{SSHA}0c0blFTXXNuAMHECS4uxrj3ZieMoWImr",
]
CARD = 5500005555555559
KEY = bytes(range(32))


@pytest.mark.parametrize(
    ("what", "secret"), [*SECRETS.items(), *(("password hash", each) for each in HASHES)]
)
def test_a_secret_is_found_wherever_it_stands(
    mask_all: MaskAll, make_collection: MakeCollection, what: str, secret: str
) -> None:
    text = secret.encode()
    places: list[Any] = [
        secret,
        f"see {secret}\nand more",
        ["a", {"b": [secret]}],
        Binary(b"\0\1" + text + b"\0", 0),
        Binary(text, 0x80),
        Code(f"use('{secret}')"),
        Code("f()", {"with": secret}),
        Regex(f"^ {secret}"),
        {secret: 1},
    ]
    documents = [{"_id": index, "field": value} for index, value in enumerate(places)]
    clean = {"_id": 99, "field": "nothing"}
    done = mask_all(make_collection("notes", [*documents, clean]))
    assert done["notes"] == [clean]
    with pytest.raises(UnmaskedError) as caught:
        done.masker.check()
    said = str(caught.value)
    assert f"times {what}" in said
    assert secret not in said
    assert "\n" not in said
    assert f"notes.field (7 times {what}, 1 times {what} as a key): --mask notes.field=" in said
    assert f"notes.field[].b[] (1 times {what}): --mask 'notes.field[].b[]=" in said
    kept = mask_all(make_collection("notes", documents), "notes.field=keep")
    kept.masker.check()
    assert kept.raw["notes"] == [bson.encode(each) for each in documents]


@pytest.mark.parametrize("number", [Int64(CARD), float(CARD), Decimal128(str(CARD)), str(CARD)])
def test_a_card_number_is_found_as_any_type(
    mask_all: MaskAll, make_collection: MakeCollection, number: object
) -> None:
    document = {"_id": 18, "n": 18, "a": {"paid_with": number}}
    done = mask_all(make_collection("payments", [document, {"_id": 19, "barcode": number}]))
    with pytest.raises(UnmaskedError, match=r"payments\.a\.paid_with \(1 times card number\)"):
        done.masker.check()
    masked = mask_all(make_collection("payments", [document]), "payments.a.paid_with=card")
    masked.masker.check()
    assert card_prefix(masked_card(Cipher(KEY), str(CARD)))
    made = masked["payments"][0]["a"]["paid_with"]
    assert type(made) is type(number)
    assert str(made).partition(".")[0] == masked_card(Cipher(KEY), str(CARD))


@pytest.mark.parametrize(
    "field",
    [
        {"password": "hunter2"},
        {"userPassword": "hunter2"},
        {"new-password": "y"},
        {"client_secret": "abc"},
        {"apiKey": "d41d8cd98f00"},
        {"API_KEY": "d41d8cd98f00"},
        {"accessToken": "0123456789abcdef"},
        {"refresh_tokens": ["0123456789abcdef"]},
        {"private_key": Binary(b"\x00\x01")},
        {"credentials": {"shop": "abc"}},
        {"ssn": 219099999},
        {"cvv": "123"},
        {"auth": {"password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"}},
        {"connectionString": "Server=db;Password=1;Database=x1"},
    ],
)
def test_a_name_says_that_its_value_is_a_secret(
    mask_all: MaskAll, make_collection: MakeCollection, field: dict[str, Any]
) -> None:
    done = mask_all(make_collection("c", [{"_id": 1, **field}]))
    assert done["c"] == []
    with pytest.raises(UnmaskedError, match=r"secret by its name\): --mask "):
        done.masker.check()


HARMLESS: list[dict[str, Any]] = [
    {"token_count": 5, "tokens": 17, "max_tokens": 4096, "next_page_token": "0123456789abcdef"},
    {"tokens": ["the", "cat"], "token": "ETH", "secret": False, "password": "", "secrets": []},
    {"password": None, "passwordChangedAt": "2024-05-01", "password_policy": "strong-1"},
    {"password": "********", "token": "<redacted>", "api_key": "${API_KEY}", "pwd": "[FILTERED]"},
    {"labels": {"password": "Password", "token": "Token"}, "hint": {"password": "Your password?"}},
    {
        "key": "orders-1",
        "sort_key": "a0123456789",
        "primary_key": "a0123456789",
        "monkey": "k1" * 9,
    },
    {"compass": "a0123456789", "secretary": "a0123456789", "assn": "1", "pass": "gold"},
    {"credentials": {"type": "userpass", "provider": "local"}, "account_key": "acc-000123"},
    {"sha": "da39a3ee5e6b4b0d3255bfef95601890afd80709", "id": str(ObjectId(b"4" * 12))},
    {"uuid": "41111111-1111-4111-8111-411111111111", "amount": "4111111111111111.52"},
    {"order": "240101-1235", "snowflake": Int64(6200000000000000005), "no": "20240101-1235"},
    {"order": "4111111111111112", "ean": "4006381333931", "barcode": Int64(CARD)},
    {"at": "20240101120000", "ms": Int64(1700000000000), "ns": Int64(1700000000000000000)},
    {"phone": "555-12-34567", "date": "2024-01-02", "range": "100-200", "part": "000-12-3456"},
    {"url": "https://example.com:8080/a@b", "dsn": "mongodb://user:<password>@host/db"},
    {
        "text": "$5 and $10 off, mongodb://%s:%s@%s see https://shop.example.com/?q=a:b@c",
        "price": "US$2.50",
    },
    {"iban": "DE00 0000 0000 0000 0000 00", "ref": "AB12CDEF34567890123", "lat": -93.24565},
    {"big": 2.0**60, "vec": [0.1] * 8, "dec": Decimal128("4111111111111111.5")},
    {"base64": "aGVsbG8gd29ybGQgaGVsbG8gd29ybGQgaGVsbG8gd29ybGQ=", "oid": ObjectId()},
]


@pytest.mark.parametrize("document", HARMLESS)
def test_what_is_no_secret_stops_nothing(
    mask_all: MaskAll, make_collection: MakeCollection, document: dict[str, Any]
) -> None:
    done = mask_all(make_collection("c", [{"_id": 1, **document}]))
    done.masker.check()
    assert done.raw["c"] == [bson.encode({"_id": 1, **document})]


def test_the_shop_is_clean_and_hints_at_people(mask_all: MaskAll) -> None:
    shop = Snapshot.load(ROOT / "snapshots" / "shop")
    done = mask_all(list(shop.collections.values()))
    done.masker.check()
    for name, collection in shop.collections.items():
        assert b"".join(done.raw[name]) == b"".join(collection.chunks())
    looks = {hint.path: hint.looks_like for hint in done.masker.hints}
    assert looks["customers.email"] == "e-mail addresses"
    assert looks["customers.name.last"] == "names"
    assert looks["customers.phone"] == "phone numbers"


def test_a_definition_is_searched_too(mask_all: MaskAll, make_collection: MakeCollection) -> None:
    view = make_collection(
        "v", type="view", options={"viewOn": "c", "pipeline": [{"$match": {"card": str(CARD)}}]}
    )
    with pytest.raises(UnmaskedError, match=r"v \(1 times card number in its options or indexes"):
        mask_all(view).masker.check()
    assert str(CARD).encode() not in mask_all(view).masker.mask(view).definition.options
    mask_all(view, "v=keep").masker.check()


def test_a_rule_that_leaves_the_letters_covers_no_token(
    mask_all: MaskAll, make_collection: MakeCollection
) -> None:
    done = mask_all(make_collection("c", [{"_id": 1, "a": JWT}]), "c.a=digits")
    with pytest.raises(UnmaskedError, match="JSON Web Token"):
        done.masker.check()


def test_an_error_has_no_keys_that_are_data(
    mask_all: MaskAll, make_collection: MakeCollection
) -> None:
    people = {f"person{index}@example.org": {"password": "hunter2"} for index in range(3)}
    first_names = {f"{name}e": "hunter2" for name in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"}
    nested = {name: {"login": {"password": "hunter2"}} for name in first_names}
    document = {"_id": 1, "by_mail": people, "x": {"secrets": first_names}, "y": nested}
    done = mask_all(make_collection("c", [document]))
    with pytest.raises(UnmaskedError) as caught:
        done.masker.check()
    said = str(caught.value)
    assert "c.by_mail.*.password (3 times" in said
    assert "c.x.secrets.* (36 times" in said
    assert "c.y.*.login.password (36 times" in said
    assert "example.org" not in said
    assert ".ae" not in said
    assert any(hint.looks_like == "e-mail addresses as keys" for hint in done.masker.hints)
    mask_all(
        make_collection("c", [{"_id": 1, "by_mail": people}]), "c.by_mail.*.password=redact"
    ).masker.check()
