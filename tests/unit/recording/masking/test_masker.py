from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import Binary, Int64, ObjectId
from bson.raw_bson import RawBSONDocument

from mongoshot.errors import InvalidBSONError, UnmaskedError, UsageError
from mongoshot.recording.masking import masker
from mongoshot.snapshot.elements import framed
from mongoshot.snapshot.model import Collection
from mongoshot.snapshot.spool import Scratch

MaskAll = Callable[..., Any]
MakeCollection = Callable[..., Collection]

ADA = "ada.lindqvist@mail.example.org"
UNIQUE_EMAIL = [
    {"v": 2, "key": {"_id": 1}, "name": "_id_"},
    {"v": 2, "key": {"shop": 1, "email": 1}, "name": "email_1", "unique": True},
]


def test_one_value_has_one_mask_everywhere(
    mask_all: MaskAll, make_collection: MakeCollection
) -> None:
    customers = make_collection("customers", [{"_id": 1, "email": ADA}], indexes=UNIQUE_EMAIL)
    orders = make_collection("orders", [{"_id": 1, "buyer": {"email": ADA, "all": [ADA, "x@y"]}}])
    first = mask_all([customers, orders], "**.email=email", "orders.buyer.all=email")
    email = first["customers"][0]["email"]
    assert email.endswith("@example.com")
    assert first["orders"][0]["buyer"]["email"] == email
    assert first["orders"][0]["buyer"]["all"][0] == email
    assert ADA.encode() not in first.bytes
    again = mask_all(
        [customers, orders], table=[("**.email", "email"), ("orders.buyer.**", "email")]
    )
    assert again.raw == first.raw
    other = mask_all([customers, orders], "**.email=email", key=b"another key".ljust(32))
    assert other["customers"][0]["email"] != email
    assert other.masker.recipe["key"] != first.masker.recipe["key"]
    assert first.masker.recipe["rules"] == {"**.email": "email", "orders.buyer.all": "email"}


def test_what_no_rule_names_stays_byte_for_byte(
    mask_all: MaskAll, make_collection: MakeCollection
) -> None:
    # Duplicate keys, invalid UTF-8, a deprecated type, an array whose keys are no indexes.
    odd = framed(
        b"\x10_id\0\x01\0\0\0" + b"\x02a\0\x03\0\0\0\xff\xfe\0" + b"\x02a\0\x02\0\0\0x\0"
        b"\x06u\0" + b"\x04l\0" + framed(b"\x0279\0\x02\0\0\0y\0") + b"\x02e\0\x04\0\0\0a@b\0"
        b"\x12n\0\x01\0\0\0\0\0\0\0"
    )
    done = mask_all(make_collection("c", [odd]), "c.e=redact")
    head, tail = odd.index(b"\x02e\0"), odd.index(b"\x12n\0")
    (made,) = done.raw["c"]
    assert made[4:head] == odd[4:head]
    assert made.endswith(odd[tail:])
    both = mask_all(make_collection("c", [odd]), "c.a=hash").raw["c"][0]
    assert b"\xff\xfe" not in both
    assert b"x\0\x06" not in both
    with pytest.raises(UnmaskedError, match=r"text is given a string that is not UTF-8"):
        mask_all(make_collection("c", [odd]), "c.a=text").masker.check()


def test_the_rule_that_counts(mask_all: MaskAll, make_collection: MakeCollection) -> None:
    document = {"_id": ObjectId(), "a": {"b": "secret one", "c": "secret two"}, "d": "kept as is"}
    collection = make_collection("c", [document])

    def of(*flags: str, table: list[tuple[str, str]] | None = None) -> Any:
        done = mask_all(collection, *flags, table=table or [])
        done.masker.check()
        return done["c"][0]

    nearest = of("c.a=hash", "c.a.b=keep")
    assert nearest["a"]["b"] == "secret one"
    assert nearest["a"]["c"] != "secret two"
    # What was typed counts before the table, also for what lies below.
    assert of("c.a=redact", table=[("c.a.b", "keep")])["a"] == {}
    assert of("c.a=keep", table=[("c.a.b", "redact")])["a"] == document["a"]
    # Of two that mean one path, the one that names it, in any order.
    assert of("c.*=keep", "c.d=redact", "**.b=hash")["d"] == "redacted"
    assert of("c.*=keep", "**.b=hash")["a"]["b"] != "secret one"
    # Nothing comes back from below what is dropped.
    assert "a" not in of(table=[("**.b", "keep"), ("c.a", "drop")])
    assert of(table=[("c.a", "null")])["a"] is None
    # All fields, but not the one that tells documents apart.
    assert of(table=[("c.**", "text")])["_id"] == document["_id"]
    assert mask_all(collection, "c=drop").raw["c"] == []


def test_arrays_of_what_is_dropped_are_counted_anew(
    mask_all: MaskAll, make_collection: MakeCollection
) -> None:
    collection = make_collection("c", [{"_id": 1, "l": ["a", "b", "c"], "m": [{"x": 1, "y": 2}]}])
    done = mask_all(collection, "c.l[1]=drop", "c.m[].x=drop")
    assert done.raw["c"] == [bson.encode({"_id": 1, "l": ["a", "c"], "m": [{"y": 2}]})]


def test_a_type_that_a_mask_does_not_take_stops(
    mask_all: MaskAll, make_collection: MakeCollection
) -> None:
    documents: list[Any] = [{"_id": 1, "a": 4711}, {"_id": 2, "a": None}, {"_id": 3}]
    done = mask_all(make_collection("c", documents), "c.a=email")
    assert done["c"] == documents[1:]
    with pytest.raises(UnmaskedError) as caught:
        done.masker.check()
    assert "c.a (1 times email is given type int, where it takes strings): --mask c.a=number" in (
        str(caught.value)
    )
    assert "4711" not in str(caught.value)


def test_deny_lists_each_field_with_the_shape_of_a_value(
    mask_all: MaskAll, make_collection: MakeCollection
) -> None:
    documents = [
        {"_id": ObjectId(), "sku": "Mugg-042", "n": 5, "l": [], "named": [], "sub": {"z": "Zoë"}},
        {"_id": ObjectId(), "sku": "X", "named": [{"a": 1}]},
    ]
    done = mask_all(make_collection("c", documents), policy="deny", table=[("c.named[].a", "keep")])
    assert done.raw["c"] == []
    with pytest.raises(UnmaskedError) as caught:
        done.masker.check()
    said = str(caught.value)
    assert "c.l (1 times array); c.n (1 times int); c.sku (2 times string, like Aaaa-999)" in said
    assert "c.sub.z (1 times string, like Aaa)" in said
    assert "c._id" not in said  # an ObjectId says nothing of anybody
    assert "Mugg" not in said
    assert "c.named" not in said
    named = [("c.*", "keep"), ("c.sub", "redact")]
    done = mask_all(make_collection("c", documents), policy="deny", table=named)
    done.masker.check()
    assert done["c"][0]["sub"] == {}
    by_name = make_collection("c", [{"_id": ADA}])
    with pytest.raises(UnmaskedError, match=r"c\._id \(1 times string, like aaa\.aaaaaaaaa@aaaa\."):
        mask_all(by_name, policy="deny").masker.check()


def test_ids_that_are_masked_are_sorted_again(
    mask_all: MaskAll, make_collection: MakeCollection
) -> None:
    documents = [{"_id": f"ada{index:05d}@x.org", "n": index} for index in range(3000)]
    done = mask_all(make_collection("c", documents), "c._id=email", "c.n=keep")
    done.masker.check()
    ids = [document["_id"] for document in done["c"]]
    assert ids == sorted(ids)
    assert len(set(ids)) == 3000
    assert sorted(document["n"] for document in done["c"]) == list(range(3000))
    # A rule for all fields does not tell ids apart, and leaves none of them as it is.
    with pytest.raises(UnmaskedError, match=r"c\._id .* only a rule that names _id"):
        mask_all(make_collection("c", documents), "c.**=text").masker.check()
    with pytest.raises(UsageError, match=r"_id of c is the _id; write --mask c\._id=hash"):
        mask_all(make_collection("c", documents), "c._id=redact")


@pytest.mark.parametrize(
    ("mask", "advice"),
    [
        ("redact", "c.email=hash"),
        ("null", "c.email=hash"),
        ("drop", "c.email=hash"),
        ("name", "c.email=name:unique"),
        ("city:de_DE", "c.email=city:de_DE:unique"),
        ("shift-date", "c.email=keep"),
    ],
)
def test_what_makes_values_the_same_is_refused_in_a_unique_index(
    mask_all: MaskAll, make_collection: MakeCollection, mask: str, advice: str
) -> None:
    collection = make_collection("c", [], indexes=UNIQUE_EMAIL)
    with pytest.raises(UsageError, match=f"unique index email_1; write --mask {advice}$"):
        mask_all(collection, f"c.email={mask}")
    with pytest.raises(UsageError, match="unique index email_1"):
        mask_all(collection, f"*.*={mask}")


def test_a_unique_index_within_what_is_redacted(
    mask_all: MaskAll, make_collection: MakeCollection
) -> None:
    indexes = [{"v": 2, "key": {"a.b.c": 1}, "name": "abc", "unique": True}]
    collection = make_collection("c", [{"_id": 1, "a": [{"b": {"c": "x1"}}]}], indexes=indexes)
    with pytest.raises(UsageError, match=r"give c\.a another mask than redact"):
        mask_all(collection, "c.a=redact")
    with pytest.raises(UsageError, match=r"a\.b\.c of c is in the unique index abc"):
        mask_all(collection, "c.a[].b=name")
    with pytest.raises(UnmaskedError, match="fewer than 20 bytes in a unique index"):
        mask_all(collection, "c.a=hash").masker.check()
    whole = make_collection(
        "c",
        [{"_id": {"mail": "x"}, "a": {"b": [{"c": 1}]}}],
        indexes=[{"v": 2, "key": {"a": 1}, "name": "a", "unique": True}],
    )
    with pytest.raises(UsageError, match=r"a of c is in the unique index a; give c\.a\.b\[\]\.c "):
        mask_all(whole, "c.a.b[].c=redact")
    with pytest.raises(UsageError, match=r"_id of c is the _id; give c\._id\.mail another mask"):
        mask_all(whole, "c._id.mail=null")


@pytest.mark.parametrize(
    ("mask", "make"),
    [
        ("email", "u{}@mail.example.org"),
        ("email:keep-domain", "u{}@mail.example.org"),
        ("name:unique", "Ada {}"),
        ("text", "Kunde-{}"),
        ("digits", "{:07d}"),
        ("phone", "+31 20 {:07d}"),
        ("hash", "a token that is long enough {}"),
    ],
)
def test_a_hundred_thousand_values_have_as_many_masks(
    mask_all: MaskAll, make_collection: MakeCollection, mask: str, make: str
) -> None:
    count = 100_000 if mask == "email" else 3_000
    documents = [bson.encode({"_id": index, "f": make.format(index)}) for index in range(count)]
    chunk = b"".join(documents)
    collection = make_collection("c", [chunk])
    masked = [document["f"] for document in mask_all(collection, f"c.f={mask}")["c"]]
    assert len(set(masked)) == count
    # Numbers become other numbers, of which many are somebody else's here.
    assert mask in ("digits", "phone") or not set(masked) & {
        make.format(index) for index in range(count)
    }


def test_nothing_of_what_is_masked_is_left(
    mask_all: MaskAll, make_collection: MakeCollection, capfd: pytest.CaptureFixture[str]
) -> None:
    people = [
        {
            "_id": f"{first.lower()}@{last.lower()}.example",
            "name": f"{first} {last}",
            "contacts": {"mail": [f"{first}@{last}.example"], "deep": [[{"first": first}]]},
            "born": datetime(1980 + index, 5, 4, tzinfo=UTC),
        }
        for index, (first, last) in enumerate(
            [("Wilhelmina", "Oxenstierna"), ("Thaddaeus", "Quillfeather"), ("Zbigniew", "Brzezin")]
        )
    ]
    flags = ["c._id=email", "c.name=name", "c.contacts=text", "c.born=shift-date:400d"]
    done = mask_all(make_collection("c", people), *flags)
    done.masker.check()
    for person in people:
        for word in str(person["name"]).split():
            assert word.lower().encode() not in done.bytes.lower()
    born = {document["born"] for document in done["c"]}
    assert not born & {person["born"].replace(tzinfo=None) for person in people}  # type: ignore[attr-defined]
    assert all(1978 <= each.year <= 1984 and each.hour == 0 for each in born)
    said = repr(done.masker) + repr(done.masker.recipe) + str(done.masker.hints)
    assert "Wilhelm" not in said + "".join(capfd.readouterr())


def test_dates_of_a_document_are_shifted_alike(
    mask_all: MaskAll, make_collection: MakeCollection
) -> None:
    placed, paid = datetime(2024, 3, 1, 12, 30), datetime(2024, 3, 4, 9)
    orders = make_collection("orders", [{"_id": i, "placed": placed, "paid": paid} for i in "abc"])
    events = make_collection("events", [{"_id": "b", "at": "2024-03-01T12:30:00Z", "no": None}])
    flags = ["orders.placed=shift-date", "orders.paid=shift-date", "events.at=shift-date"]
    done = mask_all([orders, events], *flags)
    done.masker.check()
    assert all(each["paid"] - each["placed"] == paid - placed for each in done["orders"])
    shifts = {each["_id"]: each["placed"] - placed for each in done["orders"]}
    assert all(1 <= abs(each.days) <= 30 and not each.seconds for each in shifts.values())
    assert done["events"][0]["at"] == (placed + shifts["b"]).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_time_series_is_refused_where_a_rule_may_mean_it(
    mask_all: MaskAll, make_collection: MakeCollection
) -> None:
    series = make_collection(
        "weather",
        [{"_id": ObjectId(), "data": {"x": {"0": 1}}}],
        type="timeseries",
        options={"timeseries": {"timeField": "t"}},
    )
    for flags, policy in ((["**.x=text"], "allow"), ([], "deny"), (["weather.x=text"], "allow")):
        with pytest.raises(UsageError, match=r"weather is a time series, .*--exclude weather"):
            mask_all(series, *flags, policy=policy)
    kept = mask_all(series, "weather=keep", policy="deny")
    kept.masker.check()
    assert len(kept.raw["weather"]) == 1


def test_a_typed_rule_that_names_nothing_stops(
    mask_all: MaskAll, make_collection: MakeCollection
) -> None:
    orders = make_collection("orders", [{"_id": 1, "items": [{"name": "Mug"}]}])
    with pytest.raises(UnmaskedError) as caught:
        mask_all(orders, "orders.items.name=text").masker.check()
    assert "orders.items.name=text (did you mean orders.items[].name" in str(caught.value)
    with pytest.raises(UsageError, match=r"no collection 'order' is captured: did you mean orders"):
        mask_all(orders, "order.items=text")
    done = mask_all(orders, table=[("people.name", "name"), ("orders.nam", "text")])
    done.masker.check()
    assert [str(rule) for rule in done.masker.unused] == ["people.name=name", "orders.nam=text"]
    mask_all(make_collection("orders", []), "orders.x=text").masker.check()
    mask_all(make_collection("orders", [{"_id": 1, "x": []}]), "orders.x=text").masker.check()
    mask_all(orders, "**.ssn=redact", "orders.items=text").masker.check()


def test_a_callable_of_ones_own(
    mask_all: MaskAll,
    make_collection: MakeCollection,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    (tmp_path / "own_masks.py").write_text(
        "def mask(value):\n"
        "    if value == 'Ada': raise ValueError(value)\n"
        "    return value.upper() if isinstance(value, str) else 7\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    documents: list[Any] = [
        {"_id": 1, "a": "x", "b": Int64(3), "c": ["y"]},
        {"_id": 2, "a": "Ada"},
        {"_id": 3, "a": ObjectId()},
    ]
    done = mask_all(make_collection("c", documents), "c.*=python:own_masks:mask", "c._id=keep")
    assert done.raw["c"] == [bson.encode({"_id": 1, "a": "X", "b": Int64(7), "c": ["Y"]})]
    with pytest.raises(UnmaskedError) as caught:
        done.masker.check()
    assert "the callable raised ValueError" in str(caught.value)
    assert "type objectId, for which the callable returned int" in str(caught.value)
    assert "Ada" not in str(caught.value)
    assert caught.value.__context__ is None


def test_what_is_redacted_says_nothing_of_any_type(
    mask_all: MaskAll, make_collection: MakeCollection
) -> None:
    document = {
        "_id": 1, "s": "Ada", "n": 5, "d": 1.5, "l": Int64(9), "b": True, "o": ObjectId(b"1" * 12),
        "a": ["Ada"], "m": {"Ada": 1}, "at": datetime(2024, 1, 1), "bin": Binary(b"Ada"),
        "u": Binary(b"1" * 16, 4), "code": bson.Code("Ada"), "scope": bson.Code("f", {"Ada": 1}),
        "re": bson.Regex("Ada", "i"), "dec": bson.Decimal128("1.5"), "ts": bson.Timestamp(5, 5),
        "ref": bson.DBRef("Ada", 1), "null": None, "min": bson.MinKey(), "old": Binary(b"Ada", 2),
    }  # fmt: skip
    rules = [f"c.{name}=redact" for name in document if name != "_id"]
    done = mask_all(make_collection("c", [document]), *rules)
    done.masker.check()
    (made,) = done["c"]
    assert b"Ada" not in done.raw["c"][0].replace(b"\x03Ada", b"")
    assert list(made) == list(document)
    kinds = [
        [kind for kind, *_ in RawBSONDocument(raw).items()]
        for raw in (done.raw["c"][0], bson.encode(document))
    ]
    assert kinds[0] == kinds[1]
    assert made == {
        "_id": 1, "s": "redacted", "n": 0, "d": 0.0, "l": 0, "b": False, "o": ObjectId(bytes(12)),
        "a": [], "m": {}, "at": datetime(1970, 1, 1), "bin": b"", "u": Binary(bytes(16), 4),
        "code": bson.Code(""), "scope": bson.Code("", {}), "re": bson.Regex("", 0),
        "dec": bson.Decimal128("0"), "ts": bson.Timestamp(1, 1), "ref": {}, "null": None,
        "min": bson.MinKey(), "old": Binary(b"", 2),
    }  # fmt: skip


def test_only_masked_documents_reach_a_temporary_file(
    mask_all: MaskAll, make_collection: MakeCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []

    class Watched(Scratch):
        def write(self, data: Any, /) -> int:
            written.append(bytes(data))
            return super().write(data)

    monkeypatch.setattr(masker, "Scratch", Watched)
    documents = [{"_id": f"ada{index}@x.org", "token": "0123456789abcdef"} for index in range(9)]
    mask_all(make_collection("c", documents), "c._id=email")
    mask_all(make_collection("c", documents), "c._id=email", "c.token=text")
    assert written
    assert b"ada" not in b"".join(written)
    assert b"0123456789abcdef" not in b"".join(written)


def test_deep_and_broken_documents(mask_all: MaskAll, make_collection: MakeCollection) -> None:
    deep: Any = "0123456789abcdef"
    for _ in range(90):
        deep = {"token": deep}
    done = mask_all(make_collection("c", [{"_id": 1, "x": [deep]}]), "c.x=hash")
    done.masker.check()
    assert b"0123456789abcdef" not in done.bytes
    with pytest.raises(UnmaskedError):
        mask_all(make_collection("c", [{"_id": 1, "x": [deep]}])).masker.check()
    whole = bson.encode({"_id": 1, "a": "Ada Lindqvist", "b": [1, "x"]})
    said = []
    for index in range(4, len(whole)):
        broken = whole[:index] + b"\x7e" + whole[index + 1 :]
        try:
            mask_all(make_collection("c", [broken]), "c.**=text", "c._id=keep")
        except InvalidBSONError as error:
            said.append(str(error))
    assert len(said) > 10
    assert "Lindqvist" not in "".join(said)
