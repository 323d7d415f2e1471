"""Errors of ours, as what a test fails with."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Let an error of ours fail the test with its one line, which says all, and no traceback."""
    from mongoshot.errors import MongoshotError

    try:
        yield
    except MongoshotError as error:
        from mongoshot.comparison.printable import printable

        raise pytest.fail.Exception(printable(str(error)), pytrace=False) from None
