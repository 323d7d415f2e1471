"""How much a page holds, and who of many gets how much of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from mongoshot.comparison.page.rows import Entry

#: What a page holds at most; beyond that it says what is left out.
MOST_DOCUMENTS: Final = 20_000
MOST_TEXT: Final = 48_000_000
"""Characters of paths and values, of all documents together."""

_Key = TypeVar("_Key")
_Item = TypeVar("_Item")


def share(
    groups: Mapping[_Key, Sequence[_Item]], write: Callable[[_Key, _Item], Entry]
) -> dict[_Key, list[Entry]]:
    """Write as many items of each group as there is room for on a page.

    Small groups come first, and what they leave of their share goes to the larger ones.
    """
    entries: dict[_Key, list[Entry]] = {}
    documents_left, text_left = MOST_DOCUMENTS, MOST_TEXT
    for key in sorted(groups, key=lambda key: len(groups[key])):
        groups_left = len(groups) - len(entries)
        text_share = text_left // groups_left
        shown: list[Entry] = []
        used = 0
        for item in groups[key][: documents_left // groups_left]:
            entry = write(key, item)
            size = _characters(entry)
            if used + size > text_share:
                break
            used += size
            shown.append(entry)
        entries[key] = shown
        documents_left -= len(shown)
        text_left -= used
    return entries


def _characters(part: object) -> int:
    if isinstance(part, str):
        return len(part)
    return sum(map(_characters, part)) if isinstance(part, list | tuple) else 0
