"""Which proposals somebody means who types a name."""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from mongoshot.errors import UsageError
from mongoshot.review.proposal import Proposal


def select(names: Iterable[str], proposals: Sequence[Proposal], root: Path) -> list[Proposal]:
    """Return the proposals that are meant, in the order of `proposals`.

    A name is that of a proposal or of its expectation's file, below `root` or in full; or an end of
    one of these that no other has, from a `/` or `::` on; or a pattern, in which `*` stands for any
    text and `?` for any character. Brackets are themselves, as node ids have them. Raises
    UsageError where a name means nothing, with the nearest, and where it may mean several.
    """
    chosen: set[Proposal] = set()
    for name in names:
        chosen.update(_meant(name, proposals, root))
    return [proposal for proposal in proposals if proposal in chosen]


def _meant(name: str, proposals: Sequence[Proposal], root: Path) -> list[Proposal]:
    with contextlib.suppress(ValueError):  # unless an editor has copied the path of a file
        name = Path(name).relative_to(root).as_posix()
    if exact := [found for found in proposals if name in (found.name, found.file)]:
        return exact
    ends = re.compile(rf"(^|/|::){re.escape(name)}$") if name else re.compile("(?!)")
    if by_end := _matching(ends, proposals):
        if len(by_end) > 1:
            several = ", ".join(proposal.name for proposal in by_end[:3])
            more = f" and {len(by_end) - 3} more" if len(by_end) > 3 else ""
            raise UsageError(
                f"{name!r} is the end of {len(by_end)} names: {several}{more}; write more of it,"
                f" or *{name} for all of them"
            )
        return by_end
    if "*" in name or "?" in name:
        pattern = re.escape(name).replace(r"\*", ".*").replace(r"\?", ".")
        if matching := _matching(re.compile(f"^{pattern}$", re.DOTALL), proposals):
            return matching
    raise _unknown(name, proposals)


def _matching(pattern: re.Pattern[str], proposals: Sequence[Proposal]) -> list[Proposal]:
    return [
        found for found in proposals if pattern.search(found.name) or pattern.search(found.file)
    ]


def _unknown(name: str, proposals: Sequence[Proposal]) -> UsageError:
    if not proposals:
        return UsageError(
            f"{name!r}: there is nothing to review; a failing run of pytest leaves it"
        )
    called = {
        spelling: proposal.name
        for proposal in proposals
        for spelling in (
            proposal.name,
            proposal.name.rpartition("::")[2],
            proposal.file,
            proposal.file.rpartition("/")[2],
        )
    }
    near = dict.fromkeys(
        called[spelling] for spelling in difflib.get_close_matches(name, called, n=5, cutoff=0.5)
    )
    hint = f"; did you mean {' or '.join(list(near)[:3])}?" if near else ""
    return UsageError(
        f"no proposal is called {name!r}{hint} (mongoshot pending lists all {len(proposals)})"
    )
