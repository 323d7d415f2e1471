"""What a stranger's file may ask for has bounds; what broke a parser once is kept here."""

from __future__ import annotations

import gzip
import os
import re
import resource
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import bson
import pytest
from tests.reliability import Evidence

from mongoshot.config import read_project
from mongoshot.errors import (
    CommandError,
    DumpError,
    FixturesError,
    InvalidExtendedJSONError,
    NotRepresentableError,
    ProposalError,
    SnapshotDamagedError,
    UsageError,
)
from mongoshot.recording.masking.policy import make_policy
from mongoshot.review.proposal import parse_proposal
from mongoshot.server.history.delta import apply_update
from mongoshot.snapshot import bounds
from mongoshot.snapshot.directory import read_chunks
from mongoshot.snapshot.dump.directories import list_files
from mongoshot.snapshot.encoding import from_extended_json, to_extended_json
from mongoshot.snapshot.fixture_files import read_fixtures
from mongoshot.snapshot.manifest import parse_manifest
from mongoshot.snapshot.metadata import parse_metadata
from mongoshot.snapshot.model import Definition, in_creation_order
from mongoshot.snapshot.paths import parse_pattern
from mongoshot.snapshot.yaml_text import YamlProblem, read_yaml

MIB = 1 << 20

#: Texts that ask for much, made where they are needed: each in a process of its own.
TEXTS: dict[str, Callable[[], bytes]] = {
    "brackets": lambda: b'{"a":' + b"[" * (60 * MIB),
    "a text in 255 documents": lambda: (
        b'{"a":' * 255 + b'"' + b"x" * (15 * MIB) + b'"' + b"}" * 255
    ),
    "a text in 900 arrays": lambda: b'{"a":' + b"[" * 900 + b'"' + b"x" * MIB + b'"' + b"]" * 900,
    "empty documents": lambda: b'{"a":[' + b"{}," * MIB + b"1]}",
    "numbers": lambda: b'{"a":[' + b"1," * (30 * MIB) + b"1]}",
    "keys": lambda: b"{" + b",".join(b'"%x":1' % n for n in range(3 * MIB)) + b"}",
    "quotes": lambda: b'{"a":"' + b'\\"' * (30 * MIB),
    "digits": lambda: b'{"a":' + b"1" * (60 * MIB) + b"}",
    "digits of a fraction": lambda: b'{"a":1.' + b"1" * (60 * MIB) + b"}",
    "digits of a decimal": lambda: b'{"a":{"$numberDecimal":"' + b"1" * (60 * MIB) + b'x"}}',
    "digits of a double": lambda: b'{"a":{"$numberDouble":"' + b"1" * (60 * MIB) + b'x"}}',
    "a date": lambda: b'{"a":{"$date":"' + b"1" * (60 * MIB) + b'x"}}',
    "base64": lambda: b'{"a":{"$binary":{"base64":"' + b"A" * (60 * MIB) + b'","subType":"00"}}}',
    "wide characters": lambda: b'{"a":"' + b"x" * (60 * MIB) + "\U0001f600".encode() + b'"}',
    "a longer line": lambda: b'{"a":"' + b"x" * (80 * MIB) + b'"}',
}
#: What docs/limits.md says of one document as Extended JSON.
MEMORY = 2048 * MIB
SECONDS = 60


def read_in_bounds(name: str) -> None:
    """Read a text as a process that may take no more than is said."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    text = TEXTS[name]()
    begun, said = time.monotonic(), ""
    try:
        from_extended_json(text)
    except InvalidExtendedJSONError as error:
        said = str(error)
    assert len(said) < 300, said
    assert time.monotonic() - begun < SECONDS


@pytest.mark.long
@pytest.mark.reliability
def test_no_text_takes_more_than_is_said(evidence: Evidence) -> None:
    for name in TEXTS:
        command = (
            "from tests.unit.snapshot import test_hostile as t; t.read_in_bounds(t.sys.argv[1])"
        )
        done = subprocess.run(
            [sys.executable, "-c", command, name],
            check=False,
            capture_output=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(["src", "."])},
            cwd=Path(__file__).parents[3],
        )
        assert done.returncode == 0, (name, done.stderr[-2000:])
    evidence(
        "hostile",
        "texts of Extended JSON that ask for memory or time: nesting, lengths, numbers, keys",
        f"{len(TEXTS)} texts of up to 80 MiB",
        f"each read or refused within {MEMORY // MIB} MiB and {SECONDS} s",
    )


def test_a_document_is_no_larger_than_documents_are() -> None:
    text = b'{"a":"' + b"x" * (18 * MIB) + b'"}'
    with pytest.raises(InvalidExtendedJSONError, match="up to 16 MiB, and this is larger"):
        from_extended_json(text)


def test_the_largest_binary_value_is_read() -> None:
    """Its base64 is longer than any document."""
    largest = bson.encode({"a": b"x" * (16 * MIB - 100)})
    assert from_extended_json(to_extended_json(largest)) == largest


def test_what_is_written_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("style", "reader"):
        monkeypatch.setattr(f"mongoshot.snapshot.encoding.{module}.FEW_CHARACTERS", 100)
    monkeypatch.setattr("mongoshot.snapshot.encoding.FEW_CHARACTERS", 100)
    monkeypatch.setattr("mongoshot.snapshot.encoding.style.MOST_VALUES", 200)
    commas = bson.encode({"a": ",{[" * 300})
    assert from_extended_json(to_extended_json(commas)) == commas
    many = bson.encode({"a": [None] * 300})
    with pytest.raises(NotRepresentableError, match="more than is read again"):
        to_extended_json(many)
    with pytest.raises(InvalidExtendedJSONError, match="more values in it than"):
        from_extended_json('{"a":[' + ",".join(["null"] * 300) + "]}")


@pytest.mark.parametrize(
    "text",
    [
        '{"collectionName": "x", "indexes": [{"v": 2}]}',
        '{"collectionName": "x", "indexes": [{"name": 1, "key": {"a": 1}}]}',
        '{"collectionName": "x", "indexes": [{"name": "a", "key": {}}]}',
        '{"collectionName": "x", "indexes": [{"name": "a", "key": 1}]}',
        '{"collectionName": "", "indexes": []}',
        '{"collectionName": "a\\u0000b", "indexes": []}',
        '{"collectionName": "system.users", "indexes": []}',
        '{"collectionName": "\\ud800", "indexes": []}',
        '{"collectionName": "x", "options": {"viewOn": "y"}, "indexes": []}',
        '{"collectionName": "x", "type": "view", "indexes": []}',
    ],
)
def test_metadata_that_no_server_gives(text: str) -> None:
    with pytest.raises(SnapshotDamagedError, match="is not the metadata of a collection"):
        parse_metadata(text.encode(), "file")


def test_views_on_views_on_views() -> None:
    def view(at: int) -> Definition:
        return Definition(f"v{at:05}", "view", bson.encode({"viewOn": f"v{at + 1:05}"}))

    chain = {view(at).name: view(at) for at in range(5_000)}
    ordered = in_creation_order(chain)
    assert [each.name for each in ordered] == sorted(chain, reverse=True)
    # In a circle, which no server has, each is there once.
    circle = {name: chain[name] for name in ("v00000", "v00001")}
    circle["v00001"] = Definition("v00001", "view", bson.encode({"viewOn": "v00000"}))
    assert sorted(each.name for each in in_creation_order(circle)) == sorted(circle)


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAUGHS, "aliases stand for more values"),
        (MERGES, "aliases stand for more values"),
        ("&a [*a]", "holds itself"),
        ("&a {b: {c: *a}}", "holds itself"),
        ("- " + "1:" + ":".join(["30"] * 300_000), "no number has"),
        ("- " + "9" * 5_000, "no number has"),
        ("!!python/object/apply:os.system [ls]", "this is not YAML"),
    ],
    ids=["laughs", "merges", "circle", "deeper circle", "base 60", "digits", "code"],
)
def test_yaml_that_asks_for_much(text: str, said: str) -> None:
    begun = time.process_time()
    with pytest.raises(YamlProblem, match=said):
        read_yaml(text)
    assert time.process_time() - begun < 20, "seconds of one processor"


def test_yaml_with_aliases_is_read() -> None:
    assert read_yaml("a: &a [1]\nb: *a\nc: &c {d: 1}\ne: {<<: *c}") == {
        "a": [1],
        "b": [1],
        "c": {"d": 1},
        "e": {"d": 1},
    }


def test_fixtures_of_an_odd_name_or_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / os.fsdecode(b"\xff\xfe.json")
    odd.write_text("[{}]")
    with pytest.raises(FixturesError, match="cannot be the name of a collection"):
        read_fixtures(tmp_path)
    odd.unlink()
    monkeypatch.setattr("mongoshot.snapshot.fixture_files.LARGEST_FIXTURES", 10)
    (tmp_path / "a.json").write_text("[" + " " * 10 + "]")
    with pytest.raises(FixturesError, match="too much for a file of fixtures"):
        read_fixtures(tmp_path)
    (tmp_path / "a.json").write_text("[" * 100)
    monkeypatch.undo()
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(FixturesError, match="too deep within each other"):
        read_fixtures(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" + "{}," * bounds.MOST_VALUES + "{}]", "values, which is too much for a file"),
        ('[{"a": "' + "x" * bounds.LARGEST_DOCUMENT + '"}]', "a document has up to 16 MiB"),
    ],
    ids=["values", "document"],
)
def test_fixtures_of_more_than_is_held(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(FixturesError, match=said):
        read_fixtures(tmp_path)


def test_a_manifest_and_a_proposal_of_millions_of_values() -> None:
    text = '{"files": [' + "[]," * bounds.MOST_VALUES + "[]]}"
    with pytest.raises(SnapshotDamagedError, match="more values than a manifest needs"):
        parse_manifest(text, "manifest.json")
    with pytest.raises(ProposalError, match="more values than a proposal needs"):
        parse_proposal(text, "proposal.json")


def test_a_dump_of_an_odd_name(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.bson")).write_bytes(b"")
    with pytest.raises(DumpError, match="stands for no collection's"):
        list_files(tmp_path)


@pytest.mark.parametrize(
    "pattern",
    [
        ".".join(["**", "a"] * 24),
        "orders." + "a*" * 60 + "b",
        "*" + "a*" * 60,
        "a" + "*a" * 200 + ".x",
    ],
)
def test_a_pattern_is_met_at_once(pattern: str) -> None:
    parsed = parse_pattern(pattern, "--mask")
    begun = time.process_time()
    for collection in ("orders", "a" * 250):
        for expression in parsed.within(collection):
            for path in (".a" * 200 + ".c", "." + "a" * 3_000, ".a[0]" * 100 + ".b"):
                re.fullmatch(expression, path)
                re.match(rf"(?:{expression})(?=[.\[]|$)", path)
    assert time.process_time() - begun < 10, "seconds of one processor"


def test_patterns_mean_what_they_did() -> None:
    def met(pattern: str, path: str) -> bool:
        found = parse_pattern(f"c.{pattern}", "--mask").within("c")
        return any(re.fullmatch(each, path) for each in found)

    assert met("**.a.**.b", ".x.a.y.z.b")
    assert met("**.a.**.b", ".a.b")
    assert met("**.a.**.a.**.b", ".a.a.b")
    assert not met("**.a.**.a.**.b", ".a.b")
    assert met("**.**.a", ".a")
    assert met("a*b*c", ".abbc")
    assert met("a*b*c", ".aXbYbZc")
    assert not met("a*b*c", ".acb")
    assert met("*a*", ".a")
    assert met("**", "")
    assert met("a.**", ".a.b[3].c")
    assert met("**[].b", ".a[3].b")


def test_half_a_surrogate_pair_is_in_no_pattern() -> None:
    with pytest.raises(UsageError, match="is no path"):
        parse_pattern('a["\\ud800"].b', "--mask")


def _array_diff(section: bytes, value: bytes) -> bytes:
    within = b"\x08a\0\1" + section + value
    diff = b"\x03sl\0" + struct.pack("<i", len(within) + 5) + within + b"\0"
    whole = b"\x10$v\0\2\0\0\0\x03diff\0" + struct.pack("<i", len(diff) + 5) + diff + b"\0"
    return struct.pack("<i", len(whole) + 5) + whole + b"\0"


@pytest.mark.parametrize(
    "update",
    [
        _array_diff(b"\x10l\0", struct.pack("<i", 0x630A_0000)),
        _array_diff(b"\x10l\0", struct.pack("<i", -1)),
        _array_diff(b"\x0au99999999999\0", b""),
        _array_diff(b"\x0au-1\0", b""),
        _array_diff(b"\x10l\0", struct.pack("<i", bounds.LONGEST_ARRAY + 1)),
    ],
)
def test_an_update_makes_no_endless_array(update: bytes) -> None:
    with pytest.raises(CommandError, match="cannot be understood"):
        apply_update(bson.encode({"_id": 1, "l": [1, 2]}), update)


def test_configuration_that_is_too_deep(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("a = " + "[" * 20_000)
    with pytest.raises(UsageError, match="too deep within each other"):
        read_project(tmp_path, {})


def test_a_recipe_whose_masks_are_none() -> None:
    from mongoshot.config import MaskingTable

    with pytest.raises(UsageError, match=r"the mask of orders\.a should be a text"):
        make_policy(MaskingTable(), (), {"rules": {"orders.a": {"email": 1}}})


def test_a_file_of_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(b"\n" * 9_000 + b'{"_id": 1}\n'))
    assert b"".join(read_chunks(path)) == bson.encode({"_id": 1})
    path.write_bytes(gzip.compress(b"\n" * 11_000))
    with pytest.raises(SnapshotDamagedError, match="lines without a document"):
        list(read_chunks(path))
