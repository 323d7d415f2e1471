r"""One proposal: the expectation that would have let a test pass, and the file that it is kept in.

Format version 1:

    {"format_version": 1, "test": "tests/test_payment.py::test_paying[card]", "index": "1",
     "file": "tests/__expectations__/test_payment/test_paying[card].1.json",
     "compared_with": "<SHA-256 of the stored expectation's text>", "scenario": "shop",
     "report": "changes not as expected in orders\n…", "proposed": "{\n  \"format_version\": 1, …"}

`compared_with` is null where nothing was stored. Whoever accepts a proposal writes a file that it
names: it is read as if a stranger had left it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any, Literal

from mongoshot.config import EXPECTATIONS
from mongoshot.errors import ProposalError
from mongoshot.snapshot.encoding.style import has_too_many_values

FORMAT_VERSION = 1
#: Bytes of a proposal's file. What is larger is not for a person to review.
LARGEST = 64 * 1024 * 1024

_REMEDY = "delete it, and run pytest again"


@dataclass(frozen=True, slots=True)
class Proposal:
    """Hold what a test proposes for one of its assertions.

    `test` is its node id; `index` tells its assertions apart: "" for the first, "1", "2", …, or the
    name that one was given. `file` is the expectation's, below the project, with slashes.
    `compared_with` is the digest of the stored text, None where there was none; `report` says in
    plain lines what is not as expected; `proposed` is the text of the expectation.
    """

    test: str
    index: str
    file: str
    compared_with: str | None
    scenario: str
    report: str
    proposed: str

    @property
    def name(self) -> str:
        """Name the assertion: the test, and `#` and its index where it is not the first."""
        return f"{self.test}#{self.index}" if self.index else self.test

    @property
    def kind(self) -> Literal["new", "changed"]:
        """Tell an expectation that was not there from one that says something else."""
        return "new" if self.compared_with is None else "changed"

    def to_json(self) -> str:
        """Write the proposal as the text of its file, which is ASCII."""
        return json.dumps({"format_version": FORMAT_VERSION} | asdict(self), indent=1) + "\n"


def parse_proposal(text: str, where: str) -> Proposal:
    """Read a proposal from the text of its file; `where` names the file in errors.

    Raises ProposalError for anything else, and for the format version of a newer mongoshot.
    """
    if has_too_many_values(text):
        raise ProposalError(f"{where} has more values than a proposal needs; {_REMEDY}")
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise ProposalError(f"{where} is not JSON; {_REMEDY}") from None
    if not isinstance(value, dict):
        raise ProposalError(f"{where} holds no proposal; {_REMEDY}")
    if (version := value.get("format_version")) != FORMAT_VERSION:
        raise ProposalError(
            f"{where} has format version {str(version)[:20]}, and this mongoshot reads version"
            f" {FORMAT_VERSION}; pip install -U mongoshot, or {_REMEDY}"
        )
    fields: dict[str, Any] = {key: value.get(key) for key in Proposal.__dataclass_fields__}
    for key, field in fields.items():
        if not (isinstance(field, str) or (key == "compared_with" and field is None)):
            raise ProposalError(f"{where}: {key!r} should be text; {_REMEDY}")
    return Proposal(**fields)


def text_digest(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8, in hexadecimal.

    Line ends and a byte order mark do not count, as they do not where expectations are read.
    """
    content = text.removeprefix("\ufeff").replace("\r\n", "\n")
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def expectation_path(root: Path, file: str) -> Path:
    """Return where the expectation lies that a proposal calls `file`, with links resolved.

    Raises ProposalError for whatever is no JSON file in `__expectations__/MODULE/` below `root`.
    """
    given = PurePath(file)
    try:
        path = (root / given.parent).resolve() / given.name
        inside = path.is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):  # no path at all, or links that lead in a circle
        path, inside = root / "?", False
    plain = not given.anchor and ".." not in given.parts and not given.name.startswith(".")
    if not (inside and plain) or path.suffix != ".json" or path.parent.parent.name != EXPECTATIONS:
        raise ProposalError(
            f"a proposal for {file[:200]!r} is refused: expectations are JSON files in"
            f" {EXPECTATIONS}/MODULE/ below {root}, wherever links lead"
        )
    return path
