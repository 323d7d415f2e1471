"""What writers of a snapshot keep beside it, and leave there when they are killed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal


def left_over(path: Path, kind: Literal["partial", "replaced"]) -> list[tuple[Path, int]]:
    """Find what writers of the snapshot at `path` keep beside it, each with its process id.

    "partial" is a snapshot that is being written, "replaced" the one before it, for the moment
    between two renames.
    """
    # The names of scenarios may have dots: `.shop.eu.7.partial` is none of `shop`'s.
    pattern = re.compile(rf"\.{re.escape(path.name)}\.([0-9]{{1,9}})\.{kind}")
    if not path.parent.is_dir():
        return []
    found = ((left, pattern.fullmatch(left.name)) for left in sorted(path.parent.iterdir()))
    # No writer leaves a link: it may come from a stranger, and lead anywhere.
    return [(left, int(match[1])) for left, match in found if match and not left.is_symlink()]


def recover_replaced(path: Path) -> None:
    """Put a snapshot back whose replacement was killed between its two renames.

    Raises OSError where that cannot be done.
    """
    if path.exists():
        return
    for previous, _ in left_over(path, "replaced"):
        try:
            previous.rename(path)
        except OSError:
            # Somebody else who loads it was faster: the workers of a test run start together.
            if not path.exists():
                raise
        return
