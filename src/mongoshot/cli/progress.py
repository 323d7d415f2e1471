"""What a long command shows of how far it is, on a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from mongoshot.comparison.printable import printable


class ProgressBar:
    """Count documents that pass by; show nothing.

    Called with a collection's name and how many more of its documents have passed.
    """

    def __call__(self, collection: str, documents: int) -> None:
        """Count documents of a collection."""

    def expect(self, documents: int) -> None:
        """Say how many there will be in all."""

    def end(self) -> None:
        """Leave the terminal to others."""


@contextlib.contextmanager
def progress_bar(title: str) -> Iterator[ProgressBar]:
    """Show how many documents have passed, how fast, and how long the rest takes, on a terminal."""
    if not sys.stderr.isatty():
        yield ProgressBar()
        return
    from rich.console import Console
    from rich.progress import (
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(TextColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f}/s" if task.speed else "")

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        MofNCompleteColumn(),
        TextColumn("documents"),
        Rate(""),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(title, total=None)

        class Shown(ProgressBar):
            def __call__(self, collection: str, documents: int) -> None:
                text = printable(f"{title} {collection}")
                shown.update(task, advance=documents, description=text)

            def expect(self, documents: int) -> None:
                shown.update(task, total=documents)

            def end(self) -> None:
                shown.stop()

        yield Shown()
