"""Fixtures for every test: small values of the house, made in memory."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import bson
import pytest
from tests.reliability import Evidence

from mongoshot.snapshot.manifest import Origin
from mongoshot.snapshot.model import Collection, Definition, MemoryState

pytest_plugins = ["pytester"]

MakeCollection = Callable[..., Collection]
MakeState = Callable[..., MemoryState]


#: What must reach a reader as text and do nothing: as a name, a key, a value, wherever it stands.
HOSTILE = (
    "</script><script>window.hacked = 1</script>",
    "<!--<script>",
    "--><img src=x onerror='window.hacked = 2'>",
    "]]>&lt;b&gt;&amp;&#60;",
    "\"'`><svg/onload=window.hacked=3>",
    "javascript:window.hacked=4",
    "</title></style></noscript><iframe srcdoc='<script>parent.hacked=5</script>'>",
    "{{ data }} {{ script }} ${window.hacked=6} #{7} <%= 8 %> {% 9 %} \\g<0> \\1",
    "__proto__",
    "constructor",
    "line\u2028paragraph\u2029next\x85",
    "\x1b[31mred\x07\x7f\x9b tab\tline\r\nend",
    "\u202egnp.exe\u2066\u200b\ufeff",
    "e\u0301\u0300 \U0001f468\u200d\U0001f469 \U0001f600 日本語 \ufffe",
    "\\u003cscript>\\",
    "#orders/updated/1?%3Cscript%3E%",
    "9" * 400,
    " ",
)


@pytest.fixture(scope="session", autouse=True)
def _cache_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave the user's cache alone, and let processes that tests start share compiled modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONGOSHOT_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("compiled")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_ends_what_tests_start() -> None:
    """Let Ctrl-C reach them, also where a shell put the run into the background without it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def evidence(request: pytest.FixtureRequest) -> Evidence:
    """Take down what this test has shown, for docs/reliability.md; call it last."""
    return Evidence(request.node.nodeid)


@pytest.fixture
def make_collection() -> MakeCollection:
    """Make a collection of documents, given as Python values or as BSON."""

    def make(
        name: str,
        documents: list[dict[str, Any] | bytes] | None = None,
        *,
        options: dict[str, Any] | None = None,
        indexes: list[dict[str, Any]] | None = None,
        type: Any = "collection",
    ) -> Collection:
        chunks = [d if isinstance(d, bytes) else bson.encode(d) for d in documents or []]
        given = indexes if indexes is not None else [{"v": 2, "key": {"_id": 1}, "name": "_id_"}]
        definition = Definition(
            name, type, bson.encode(options or {}), tuple(bson.encode(index) for index in given)
        )
        return Collection(definition, partial(iter, chunks))

    return make


@pytest.fixture
def make_state(make_collection: MakeCollection) -> MakeState:
    """Make a state of collections, given by name as lists of documents."""

    def make(label: str = "memory", **collections: Any) -> MemoryState:
        made = {
            name: value if isinstance(value, Collection) else make_collection(name, value)
            for name, value in collections.items()
        }
        return MemoryState(label, dict(sorted(made.items())))

    return make


@pytest.fixture
def origin() -> Origin:
    """Say that something was captured once, somewhere."""
    return Origin("6.0.5", "2026-01-02T03:04:05Z", "snapshot", (), {"database": "shop"})
