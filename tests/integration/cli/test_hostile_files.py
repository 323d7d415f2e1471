"""Files from a stranger: nothing of them leaves its directory, commands a terminal, or runs."""

from __future__ import annotations

import gzip
import importlib
import itertools
import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import bson
import pytest
from tests.conftest import HOSTILE
from tests.reliability import Evidence

from mongoshot.server.connection import Client, Database
from mongoshot.snapshot.directory import Snapshot
from mongoshot.snapshot.manifest import Manifest, Origin
from mongoshot.snapshot.model import Collection, Definition, MemoryState
from mongoshot.snapshot.profile import Profile
from mongoshot.snapshot.writer import write_snapshot

#: The module, whose name in its package is that of the function in it.
command_line = importlib.import_module("mongoshot.cli.main")

MakeDatabase = Callable[[], Database]
Typed = Callable[..., tuple[int, str]]

#: What turns the direction of a text, as `printable` has it.
TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
TEXTS = [text.replace("\0", "") for text in HOSTILE]


def commands_in(output: str) -> list[str]:
    """Give what would command a terminal."""
    return [
        character
        for character in output
        if character != "\n"
        and (
            unicodedata.category(character) in {"Cc", "Zl", "Zp"}
            or unicodedata.bidirectional(character) in TURNS
        )
    ]


@pytest.fixture
def typed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> Typed:
    """Type a command in this process; returns status and all that came out."""
    monkeypatch.chdir(tmp_path)
    for name in ("DB_URL", "DB_NAME", "SNAPSHOTS_PATH", "SCENARIO_SOURCE_URL"):
        monkeypatch.delenv(name, raising=False)

    def typed(*words: str) -> tuple[int, str]:
        capfdbinary.readouterr()
        monkeypatch.setattr(sys, "argv", ["mongoshot", *words])
        status = command_line._run(debug="--debug" in words)
        output = capfdbinary.readouterr()
        said = (output.out + output.err).decode("utf-8", "surrogateescape")
        assert commands_in(said) == [], (words, said)
        assert "not foreseen" not in said, said
        return status, said

    return typed


@pytest.fixture
def hostile(tmp_path: Path) -> Snapshot:
    """Give a scenario whose every name and text is hostile."""

    def collection(text: str) -> Collection:
        index = {"v": 2, "key": {text or "k": 1}, "name": text}
        options = {"validator": {text: {"$ne": text}}}
        documents: list[dict[str, Any]] = [{"_id": text, text: {text: [text]}}, {"_id": text + "2"}]

        def chunks() -> Iterator[bytes]:
            yield b"".join(bson.encode(each) for each in documents)

        return Collection(
            Definition(text, "collection", bson.encode(options), (bson.encode(index),)), chunks
        )

    evil = "\x1b]0;owned\x07\x9b31m\r\u202e"
    origin = Origin(
        evil,
        evil,
        "none",
        (evil,),
        {"database": evil, "collections": [evil]},
        {text: Profile(1, {text: {text: 1}}) for text in TEXTS},
    )
    state = MemoryState("hostile", {text: collection(text) for text in TEXTS})
    return write_snapshot(state, tmp_path / "snapshots" / "hostile", origin=origin)


@pytest.mark.reliability
def test_names_and_texts_command_no_terminal(
    typed: Typed,
    hostile: Snapshot,
    make_database: MakeDatabase,
    server_url: str,
    tmp_path: Path,
    evidence: Evidence,
) -> None:
    database = make_database()
    to = ["--db-url", server_url, "--db-name", database.name]
    (hostile.path.parent / "\x1b[31mred\r").mkdir()
    (hostile.path.parent / "\x1b[31mred\r" / "manifest.json").write_text("{")
    evil = "\x1b[2J\x9b\u202e"
    (tmp_path / evil).mkdir()
    (tmp_path / evil / f"{evil}.json").write_text("[1]")
    (tmp_path / evil / f"{evil}.yaml").write_text(f"- *{evil}")
    lines = [
        ["list"],
        ["show", "hostile"],
        ["verify", "hostile"],
        ["check", "hostile", *to],
        ["check", "hostile", *to, "--json"],
        ["restore", "hostile", *to, "--dry-run"],
        ["restore", "hostile", *to],
        ["diff", "hostile", f"{server_url}/{database.name}"],
        ["capture", "hostile", *to, "--yes"],
        ["capture", "hostile", *to, "--dry-run"],
        ["export", "hostile", "dumped"],
        ["import", "dumped", "again"],
        ["diff", "hostile", "again"],
        ["diff", "hostile", "again", "--json"],
        ["convert", "hostile", "--format", "bson"],
        ["import", evil, "x"],
        ["import", f"{evil}/{evil}.json", "x"],
        ["show", evil],
        ["show", "hostile", "--snapshots-path", evil],
        ["capture", evil, *to],
        ["restore", "hostile@7", *to],
        [evil],
        ["--debug", "show", evil],
        ["capture", "x", *to, "--mask", evil],
        ["capture", "x", *to, "--query", f"{evil}={evil}"],
        ["accept", evil],
        ["pending"],
    ]
    for words in lines:
        typed(*words)
    evidence(
        "hostile",
        "hostile names of collections, fields, indexes, files, scenarios, databases, in commands",
        f"{len(lines)} commands, {len(TEXTS)} texts each",
        "no character that commands a terminal came out",
    )


def relisted(snapshot: Snapshot, **changed: Any) -> Manifest:
    """Write another entry for the first file of documents, with digests that are right."""
    files = list(snapshot.manifest.files)
    at = next(n for n, entry in enumerate(files) if entry.holds_documents)
    files[at] = replace(files[at], **changed)
    manifest = replace(snapshot.manifest, files=tuple(files))
    (snapshot.path / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    return manifest


@pytest.fixture
def small(tmp_path: Path) -> Snapshot:
    documents = b"".join(bson.encode({"_id": n}) for n in range(3))
    state = MemoryState(
        "small", {"orders": Collection(Definition("orders"), lambda: iter([documents]))}
    )
    origin = Origin("6.0.5", "2026-01-02T03:04:05Z", "snapshot", (), {"database": "shop"})
    return write_snapshot(state, tmp_path / "snapshots" / "small", origin=origin)


PATHS = [
    "../orders.json",
    "..",
    ".",
    "/etc/passwd",
    "sub/orders.json",
    "..\\orders.json",
    "C:orders.json",
    "orders.json:stream",
    "\\\\host\\share",
    "orders.json\0",
    "orders.json\n",
    ".orders.json",
    "manifest.json",
    "MANIFEST.json",
    "x" * 300,
    "",
    " ",
    "~/orders.json",
    "%2e%2e/x",
]


@pytest.mark.reliability
def test_no_path_leaves_the_directory(
    typed: Typed, small: Snapshot, tmp_path: Path, evidence: Evidence
) -> None:
    outside = tmp_path / "outside.json"
    content = (small.path / "orders.json").read_bytes()
    outside.write_bytes(content)
    (tmp_path / "snapshots" / "orders.json").write_bytes(content)
    for name in [*PATHS, str(outside), os.path.relpath(outside, small.path)]:
        relisted(small, name=name)
        for words in (["verify", "small"], ["export", "small", "dumped"], ["show", "small"]):
            status, said = typed(*words)
            assert status in (1, 2), (name, words)
            assert "Traceback" not in said
    assert not (tmp_path / "dumped").exists()
    evidence(
        "hostile",
        "names of files in a manifest that lead elsewhere",
        f"{len(PATHS) + 2} names, 3 commands each",
        "each refused in one line",
    )


@pytest.mark.parametrize("name", ["orders.json", "orders.metadata.json", "manifest.json"])
@pytest.mark.parametrize("kind", ["link out", "link within", "dangling", "circle"])
def test_files_of_a_scenario_are_no_links(
    typed: Typed, small: Snapshot, tmp_path: Path, name: str, kind: str
) -> None:
    file = small.path / name
    moved = (tmp_path if kind == "link out" else small.path) / f"moved-{name}"
    file.rename(moved)
    file.symlink_to({"dangling": "nowhere", "circle": name}.get(kind, moved))
    status, said = typed("verify", "small")
    assert status == 1
    assert f"{name} is a link, and the files of a snapshot are no such" in said
    for words in (["convert", "small", "--format", "bson"], ["export", "small", "dumped"]):
        assert typed(*words)[0] == 2
    assert not (tmp_path / "dumped").exists()


def test_a_scenario_may_be_a_link_to_another_and_to_nothing_elsewhere(
    typed: Typed, small: Snapshot, tmp_path: Path
) -> None:
    within, out = small.path.parent / "within", small.path.parent / "out"
    within.symlink_to("small")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for entry in small.path.iterdir():
        (elsewhere / entry.name).write_bytes(entry.read_bytes())
    out.symlink_to(elsewhere)

    assert typed("show", "within")[0] == 0
    status, said = typed("show", "out")
    assert (status, "is a link that leads out of" in said) == (2, True)
    status, said = typed("convert", "within", "--format", "bson")
    assert (status, "is a link, which a snapshot cannot take the place of" in said) == (2, True)
    # The directory of all scenarios is the user's to place.
    (tmp_path / "linked").symlink_to("snapshots")
    assert typed("show", "small", "--snapshots-path", "linked")[0] == 0


def test_dumps_and_fixtures_are_no_links(typed: Typed, small: Snapshot, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('[{"_id": 1, "secret": true}]')
    for name, said in (("a.json", "is a link"), ("a.bson", "is a link"), ("a.yaml", "is a link")):
        directory = tmp_path / f"of-{name}"
        directory.mkdir()
        (directory / name).symlink_to(secret)
        status, output = typed("import", directory.name, "x")
        assert (status, said in output) == (2, True), output
    dump = tmp_path / "dump"
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.bson").write_bytes(bson.encode({"_id": 1}))
    dump.mkdir()
    (dump / "shop").symlink_to(tmp_path / "real")
    assert "holds no dump" in typed("import", "dump", "x")[1]


def test_what_asks_for_code_is_read_as_nothing(typed: Typed, tmp_path: Path) -> None:
    made = tmp_path / "made"
    directory = tmp_path / "fixtures"
    directory.mkdir()
    for text in (
        f"- !!python/object/apply:os.system ['touch {made}']",
        f"- !!python/object/new:os.mkdir ['{made}']",
        "- !!python/name:os.system",
        "- !!python/module:this",
    ):
        (directory / "a.yaml").write_text(text)
        status, said = typed("import", "fixtures", "x")
        assert (status, "a.yaml, line 1: this is not YAML" in said) == (2, True), said
    assert not made.exists()


def test_sources_know_no_pickle_and_no_eval() -> None:
    import mongoshot

    unsafe = re.compile(r"\b(pickle|marshal|shelve|dill)\b|\byaml\.(load|unsafe)|\b(eval|exec)\(")
    for file in Path(mongoshot.__file__).parent.rglob("*.py"):
        assert not unsafe.search(file.read_text("utf-8")), file


def test_a_packed_file_that_comes_to_too_much(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packing = importlib.import_module("mongoshot.snapshot.packing")
    monkeypatch.setattr(packing, "UNPACKED_FREELY", 1 << 20)
    dump = tmp_path / "dump"
    dump.mkdir()
    document = bson.encode({"_id": 1, "x": "y" * 100_000})
    (dump / "a.bson.gz").write_bytes(gzip.compress(document * 100))
    status, said = typed("import", "dump", "x")
    assert status == 2
    assert "comes to more than 250 times its size" in said
    # Members one behind the other are one file.
    (dump / "a.bson.gz").write_bytes(gzip.compress(document * 5) * 20)
    assert "comes to more than 250 times its size" in typed("import", "dump", "x")[1]


def test_a_manifest_is_no_larger_than_any_is(
    typed: Typed, small: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mongoshot.snapshot.directory.LARGEST_MANIFEST", 500)
    assert "which no manifest needs" in typed("show", "small")[1]


def test_json_in_json_stays_text(typed: Typed, small: Snapshot) -> None:
    for text in ("[" * 100_000, '{"format_version":' * 50_000, '{"a":' + "9" * 10_000 + "}"):
        (small.path / "manifest.json").write_text(text)
        status, said = typed("show", "small")
        assert (status, "is not JSON" in said) == (2, True)
    assert json.loads('"x"') == "x"


#: What somebody else may have written to the ledger in place of any value.
VALUES: list[Any] = ["\x1b]0;x\x07", None, 5, {}, [], {"a": "\x1b[31m"}, -1, 2**40, float("nan")]


@pytest.mark.long
@pytest.mark.reliability
def test_no_entry_of_the_ledger_breaks_a_command(
    typed: Typed,
    small: Snapshot,
    make_database: MakeDatabase,
    mongo_client: Client,
    server_url: str,
    evidence: Evidence,
) -> None:
    name = make_database().name
    where = ["--db-url", server_url]
    assert typed("restore", "small", *where, "--db-name", name)[0] == 0
    ledger, tried = mongo_client["mongoshot"], 0
    for collection in ledger.list_collection_names():
        for good in list(ledger[collection].find({"_id": name})):
            for key, evil in itertools.product(good.keys() - {"_id"}, VALUES):
                for words in (
                    ["restore", "small", *where, "--db-name", name],
                    ["adopt", name, *where, "--yes"],
                    ["disown", name, *where],
                ):
                    ledger[collection].replace_one({"_id": name}, good | {key: evil}, upsert=True)
                    typed(*words)
                    tried += 1
    assert tried
    evidence(
        "hostile",
        "values of other types and with escapes in an entry of the ledger",
        f"{tried} commands",
        "each ended right or in one line, in plain text",
    )
