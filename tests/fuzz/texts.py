"""Targets that read text: expectations, pages, URLs, patterns, fixtures, names, configuration."""

from __future__ import annotations

import contextlib
import json
import re
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote_plus

import bson
from tests.fuzz.files import _METADATA
from tests.fuzz.model import CUT, Target, parts, scratch, text_of, write_files

from mongoshot.comparison.difference import compare
from mongoshot.comparison.expectation.contrast import find_mismatch
from mongoshot.comparison.expectation.model import parse_expectation
from mongoshot.comparison.expectation.renumbering import renumber
from mongoshot.comparison.expectation.report import describe, report
from mongoshot.comparison.page.difference import to_html
from mongoshot.comparison.page.mismatch import Failure, mismatch_data
from mongoshot.comparison.page.report import report_to_html
from mongoshot.comparison.printable import one_line, printable
from mongoshot.config import MaskingTable, read_project
from mongoshot.errors import MongoshotError, UsageError
from mongoshot.recording.masking.policy import make_policy
from mongoshot.recording.selection.parsing import parse_reference, parse_roots, selection_of
from mongoshot.review.proposal import expectation_path, parse_proposal
from mongoshot.server.connection import make_client
from mongoshot.server.urls import redact
from mongoshot.snapshot.fixture_files import is_fixture_directory, read_fixtures
from mongoshot.snapshot.manifest import _PLAIN_NAME
from mongoshot.snapshot.model import Collection, Definition, MemoryState
from mongoshot.snapshot.names import file_stems
from mongoshot.snapshot.paths import parse_pattern, path_step
from mongoshot.snapshot.scenario_names import check_name, split_name

_SECRET = "pa55MARKED"


class _Page(HTMLParser):
    """Read a page as a browser does: its elements, and the text of its data."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.data = ""
        self._in_data = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(f"{tag} {sorted(name for name, _ in attrs)}")
        self._in_data = ("id", "data") in attrs

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data
            self._in_data = False


#: What a text could only add to a page by getting out of where it stands.
_NEVER = re.compile(r"img|iframe|object|embed|svg|base|form ")


def _check_page(page: str, style: str) -> dict[str, Any]:
    read = _Page(page)
    scripts = [each for each in read.elements if each.startswith("script")]
    assert len(scripts) == 2, "the data and the script"
    assert not [each for each in read.elements if _NEVER.match(each)], read.elements
    assert style in page
    found: dict[str, Any] = json.loads(read.data)
    return found


def run_expectation(data: bytes) -> None:
    """Read two expectations, compare them, and write what differs as text and as a page."""
    expected, actual = (parse_expectation(text_of(part)) for part in parts(data, 2))
    assert all(printable(line) == line for line in describe(expected))
    renumbered = renumber(expected, actual)
    mismatch = find_mismatch(renumbered, actual)
    assert all(printable(line) == line for line in report(mismatch))
    assert not find_mismatch(expected, expected).collections
    failure = Failure("test_it", "a.json", expected.scenario, mismatch)
    _check_page(report_to_html([mismatch_data(failure)], 1), "require-trusted-types-for")


def run_page(data: bytes) -> None:
    """Write texts as names, keys, values, labels and errors of both pages."""
    text = data.decode("utf-8", "replace")
    key = text.replace("\0", "") or "k"

    def state(label: str, *documents: dict[str, Any]) -> MemoryState:
        collection = Collection(
            Definition(
                text,
                "collection",
                bson.encode({key: label}),
                (bson.encode({"v": 2, "key": {key: 1}, "name": label}),),
            ),
            lambda: iter([bson.encode(each) for each in documents]),
        )
        return MemoryState(label, {text: collection})

    left = state(text, {"_id": text, key: text}, {"_id": 1, key: {key: [text]}})
    right = state(f"{text}2", {"_id": text, key: 1}, {"_id": 2, key: text})
    difference = compare(left, right)
    assert printable(str(difference)) == str(difference)
    _check_page(to_html(difference), "default-src 'none'")
    failure = Failure(text, text, text, problem=text)
    _check_page(report_to_html([mismatch_data(failure)], 1), "default-src 'none'")


def run_url(data: bytes) -> None:
    """Show a URL, and what is wrong with it: the password is in neither."""
    user, before, after, hosts, rest = map(text_of, parts(data, 5))
    if set(user) & set(":/?@"):  # which no name has as they are
        user = "user"
    for scheme in ("mongodb", "mongodb+srv"):
        url = f"{scheme}://{user}:{before}{_SECRET}{after}@{hosts}/{rest}"
        assert _SECRET not in redact(url), redact(url)
        # With an '@' in it, what has no host would have one; with digits and a '/', it would be a
        # port, and the rest the name of a database.
        begin = re.sub("[@/?]", "", before)
        cut = f"{scheme}://{user}:{begin}{_SECRET}{after.replace('@', '')}"
        for refused in (url, cut):
            said = ""
            try:
                make_client(_parse_only, refused)
            except UsageError as error:
                said = str(error)
            assert _SECRET not in said, said
    redact(text_of(data))


def _parse_only(url: str, **options: Any) -> None:
    from pymongo.uri_parser import parse_uri

    if not url.startswith("mongodb+srv"):  # which would ask a name server
        parse_uri(url, warn=False)


def run_selection(data: bytes) -> None:
    """Read what chooses documents as it is typed, and the recipe that a manifest has of it."""
    query, sort, limit, follow, recipe = map(text_of, parts(data, 5))
    names = ("orders", "audit.log", "a=b")
    with contextlib.suppress(UsageError):
        parse_roots(names, queries=[query], sorts=[sort] if sort else [], limits=[limit])
    with contextlib.suppress(UsageError):
        reference = parse_reference(follow, names)
        assert parse_reference(reference.text(names), names) == reference
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(recipe)
        if isinstance(value, dict):
            with contextlib.suppress(UsageError):
                selection_of(value, names)
            with contextlib.suppress(UsageError):
                make_policy(MaskingTable(), (), value)


_PATHS = [".a", ".a.b[0].c", "." + ".".join("ab" * 40), '["a.b"].c', "." + "a" * 200, ""]


def run_patterns(data: bytes) -> None:
    """Read a pattern: what it matches is found at once, however long the path."""
    text = text_of(data)
    pattern = parse_pattern(text, "--mask")
    for collection in ("orders", "audit.log", "a" * 200):
        for expression in pattern.within(collection):
            compiled = re.compile(expression)
            for path in _PATHS:
                compiled.fullmatch(path)
    with contextlib.suppress(UsageError):
        make_policy(MaskingTable(), [f"{text}=email"])


def run_fixtures(data: bytes) -> None:
    """Read a directory of fixtures, JSON and YAML."""
    directory = scratch() / "fixtures"
    assert list(write_files(directory, data)) is not None
    if is_fixture_directory(directory):
        for collection in read_fixtures(directory).state.collections.values():
            for document in collection.documents():
                bson.decode(document)


def run_names(data: bytes) -> None:
    """Give collections files, and scenarios directories: each its own, none elsewhere."""
    names = [part.decode("utf-8", "replace") for part in data.split(b"\0") if part]
    stems = file_stems(dict.fromkeys(names))
    folded = {stem.lower() for stem in stems.values()}
    assert len(folded) == len(set(names))
    for name, stem in stems.items():
        for suffix in (".bson.gz", ".json", ".metadata.json"):
            assert _PLAIN_NAME.fullmatch(stem + suffix), stem
        assert len(stem) > 230 or unquote_plus(stem) == name
    root = Path("/snapshots")
    for text in [*names, text_of(data)]:
        with contextlib.suppress(MongoshotError):
            check_name(text)
            assert (root / text).resolve().parent == root
            assert PurePosixPath(text).name == text
        split_name(text)


def run_proposal(data: bytes) -> None:
    """Read a proposal: the file that it would write is an expectation's, below the project."""
    proposal = parse_proposal(text_of(data), "proposal")
    assert parse_proposal(proposal.to_json(), "again") == proposal
    path = expectation_path(scratch(), proposal.file)
    assert path.is_relative_to(scratch().resolve())
    assert path.suffix == ".json"


def run_project(data: bytes) -> None:
    """Read pyproject.toml."""
    directory = scratch() / "project"
    directory.mkdir(exist_ok=True)
    (directory / "pyproject.toml").write_bytes(data)
    project = read_project(directory, {})
    make_policy(project.masking)


def run_terminal(data: bytes) -> None:
    """Write a text to a terminal: nothing that is left commands it."""
    text = text_of(data)
    shown = printable(text)
    left = {c for c in shown if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"}}
    assert left <= {"\n"}, left
    bidirectional = {c for c in shown if unicodedata.bidirectional(c) in _TURNS}
    assert not bidirectional, bidirectional
    assert printable(shown) == shown
    assert "\n" not in one_line(text)
    printable(path_step(data.replace(b"\0", b""), False))


_TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}

_CHANGES = """\
{"format_version": 1, "kind": "changes", "scenario": "shop", "digest": "sha256:0",
 "collections": {"orders": {
   "updated": [{"_id": "o1", "fields": {"a.b": {"before": 1, "after": {"$oid": "ObjectId-1"}}},
                "reordered": {"": ["b", "a"]}}],
   "inserted": [{"_id": {"$oid": "ObjectId-2"}, "at": {"$date": "now"}}],
   "deleted": [{"_id": 3}],
   "definition": {"before": {"type": "collection"},
                  "after": {"indexes": {"a": {"key": {"a": 1}}}}}},
  "carts": {"created": {}}, "drafts": {"dropped": {}}}}"""
_STATE = """\
{"format_version": 1, "kind": "state", "scenario": "shop", "digest": "sha256:0",
 "collections": {"orders": {"definition": {"type": "view", "options": {"viewOn": "x"}},
   "documents": [{"_id": {"$uuid": "UUID-1"}, "a": [1, {"$oid": "ObjectId-1 as text"}]}]}}}"""


def seeds_of_expectation() -> list[bytes]:
    other = _CHANGES.replace('"o1"', '"o2"').replace("ObjectId-2", "ObjectId-1")
    pairs = [(_CHANGES, other), (_STATE, _STATE.replace("UUID-1", "UUID-2")), (_CHANGES, _STATE)]
    return [CUT.join(text.encode() for text in pair) for pair in pairs]


def seeds_of_page() -> list[bytes]:
    from tests.conftest import HOSTILE

    return [text.encode("utf-8", "replace") for text in HOSTILE]


def seeds_of_url() -> list[bytes]:
    examples = [
        ("user", "", "", "127.0.0.1:27017", "shop?authSource=admin"),
        ("u%40x", "a%40", "@b/c?d#e", "h1,h2:27018", "?tls=true&proxyPassword=x"),
        ("", "a:", ":b", "[::1]:27017", "?authMechanismProperties=AWS_SESSION_TOKEN:x"),
        ("u", "%", "%zz", "/tmp/mongodb.sock", "db?w=0&unknownOption=1"),
    ]
    return [CUT.join(part.encode() for part in each) for each in examples]


def seeds_of_selection() -> list[bytes]:
    recipe = {
        "roots": {"orders": {"query": {"a": 1}, "limit": 3}},
        "follow": ["orders.customer_id=audit.log._id"],
        "whole": [],
        "exclude": [],
        "levels_up": 1,
        "most_children": 100,
        "rules": {"orders.email": "email"},
        "policy": "deny",
    }
    texts = [
        'orders={"a": {"$gt": 1}}',
        'orders={"a": -1}',
        "orders=20",
        "orders.customer.$id=orders._id",
        json.dumps(recipe),
    ]
    return [CUT.join(text.encode() for text in texts)]


def seeds_of_patterns() -> list[bytes]:
    patterns = [
        "orders.items[].updated_at",
        '["audit.log"].at',
        "**.a.**.b.**.c.**.d",
        "*.a*b*c*d*e*f*g*h",
        'a["b\\u0041"][3].c_*',
        "orders",
    ]
    return [pattern.encode() for pattern in patterns]


def seeds_of_fixtures() -> list[bytes]:
    files = [
        b'players.json\0[{"_id": {"$oid": "0123456789abcdef01234567"}, "at": {"$date": 0}}, {}]',
        b"games.yaml\0- _id: 1\n  at: 2026-01-02 00:00:00\n  raw: !!binary aGk=\n"
        b"- {a: &x [1], b: *x}\n",
        b"a.yaml\0a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n",
        b"m.yml\0- &m {a: 1}\n- {<<: *m, b: 2}\n- !!python/object/apply:os.system [ls]\n",
        b"t.json\0" + _METADATA,
    ]
    return [CUT.join(files[:2]), *files]


def seeds_of_names() -> list[bytes]:
    return [
        b"\0".join([b"a/b c", b"Case", b"case", b"manifest", b"x", b"x.metadata", b"con.x"]),
        ("é" * 60).encode() + b"\0" + b"x" * 250 + b"\0..\0.hidden\0%24",
        b"shop@3",
        b"../../etc/passwd",
    ]


def seeds_of_proposal() -> list[bytes]:
    proposal = {
        "format_version": 1,
        "test": "tests/test_a.py::test_b",
        "index": "",
        "file": "tests/__expectations__/test_a/test_b.json",
        "compared_with": None,
        "scenario": "shop",
        "report": "changes",
        "proposed": _CHANGES,
    }
    return [json.dumps(proposal | {"file": file}).encode() for file in (proposal["file"], "../x")]


def seeds_of_project() -> list[bytes]:
    return [
        b'[tool.mongoshot]\nallowed-hosts = ["db:27017"]\nmongod = "bin/mongod"\n'
        b'[tool.mongoshot.masking]\npolicy = "deny"\nrules."customers.email" = "email"\n'
        b'[tool.mongoshot.masking.rules.orders]\nname = "name"\n',
        b"a = " + b"[" * 2000,
    ]


def seeds_of_terminal() -> list[bytes]:
    return [*seeds_of_page(), b"\xff\x1b]0;title\x07", "\u202e\u2066\u200f\u061c".encode()]


def _targets() -> Iterator[Target]:
    yield Target("expectation", run_expectation, seeds_of_expectation)
    yield Target("page", run_page, seeds_of_page)
    yield Target("url", run_url, seeds_of_url)
    yield Target("selection", run_selection, seeds_of_selection)
    yield Target("patterns", run_patterns, seeds_of_patterns)
    yield Target("fixtures", run_fixtures, seeds_of_fixtures)
    yield Target("names", run_names, seeds_of_names)
    yield Target("proposal", run_proposal, seeds_of_proposal)
    yield Target("project", run_project, seeds_of_project)
    yield Target("terminal", run_terminal, seeds_of_terminal)


TARGETS = tuple(_targets())
