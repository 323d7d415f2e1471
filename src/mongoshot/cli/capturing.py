"""Commands that read a live database: capture, check."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mongoshot.cli.options import (
    count_text,
    database_options,
    describe_snapshot,
    format_option,
    open_database,
    project,
    size_text,
    snapshots_path,
    table,
)
from mongoshot.cli.progress import progress_bar
from mongoshot.cli.terminal import echo, echo_json
from mongoshot.comparison.printable import printable

if TYPE_CHECKING:
    from mongoshot.recording.capture import Conduct, Recorded
    from mongoshot.recording.plan import Plan
    from mongoshot.recording.request import Request
    from mongoshot.snapshot.directory import Snapshot

#: Bytes of one file that repositories warn of, and that hosts of repositories refuse.
_WARNED, _REFUSED = 50 * 10**6, 100 * 10**6
_MOST_ROWS = 30

_source = database_options("SCENARIO_SOURCE_URL", "SCENARIO_SOURCE_NAME")


def _several(name: str, parameter: str, metavar: str, help: str) -> Callable[[Any], Any]:
    return click.option(name, parameter, multiple=True, metavar=metavar, help=help)


def _what_to_capture(command: Any) -> Any:
    """Add the options that say what a capture is to hold."""
    options = (
        _several("--collection", "collections", "C", "Only these; beside --query, these in whole."),
        _several("--exclude", "exclude", "C", "All but these."),
        _several("--query", "queries", "C=JSON", "Begin with these documents of C."),
        _several("--sort", "sorts", "C=JSON", "Their order, for --limit."),
        _several("--limit", "limits", "C=N", "Begin with N documents of C, at most."),
        _several("--sample", "samples", "C=N", "Begin with N documents from all over C."),
        _several("--follow", "follow", "A.x=B.y", "Where A.x holds B.y: take those along."),
        click.option("--no-infer", "infer", flag_value=False, default=True, help="Follow no other."),
        click.option("--levels-up", type=click.IntRange(0), metavar="N", help="Of what refers to C."),
        click.option("--most-children", type=click.IntRange(0), metavar="N", help="Of one parent."),
        _several("--mask", "masks", "C.x=RULE", "Mask a field: email, name, redact, keep, …"),
        format_option,
        click.option("--gzip", is_flag=True, help="Keep the documents compressed."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("name")
@_source
@snapshots_path
@_what_to_capture
@click.option("--replace", is_flag=True, help="Capture an existing scenario anew.")
@click.option("--yes", is_flag=True, help="Do not ask before it is replaced.")
@click.option("--large", is_flag=True, help="Allow files above 100 MB.")
@click.option("--batch-size", type=click.IntRange(1), metavar="N", help="Documents read at a time.")
@click.option("--pause", type=click.FloatRange(0), default=0.0, metavar="S", help="Seconds between.")
@click.option("--dry-run", is_flag=True, help="Say what would be captured; read no documents.")
def capture(
    name: str,
    db_url: str,
    db_name: str | None,
    snapshots_path: Path,
    replace: bool,
    yes: bool,
    large: bool,
    batch_size: int | None,
    pause: float,
    dry_run: bool,
    **asked: Any,
) -> None:
    r"""Capture a live database as the scenario NAME. Only reads from the server.

    Once more without options, it captures what it did before, and asks before it replaces that.

    \b
    mongoshot capture checkout --db-url mongodb://dev.internal --db-name shop
    mongoshot capture few --db-name shop --limit orders=20 --mask '**.email=email'
    """
    from mongoshot.recording.capture import Conduct, record
    from mongoshot.server.reading import Pace
    from mongoshot.snapshot.directory import check_name
    from mongoshot.snapshot.writer import check_target

    check_name(name)
    path = snapshots_path / name
    request, is_again = _request(path, asked)
    may_replace = replace or (is_again and (yes or sys.stdin.isatty()))
    existing = check_target(path, replace=may_replace or dry_run)
    earlier = existing.manifest.origin.recipe.get("database") if existing else None
    with open_database(db_url, db_name, earlier) as database:
        if dry_run:
            from mongoshot.recording.plan import make_plan

            _show_plan(make_plan(database, request))
            return
        with progress_bar("reading") as progress:
            conduct = Conduct(
                pace=Pace(batch_size, pause),
                largest_file=None if large else _REFUSED,
                before_commit=partial(_ask, is_sure=yes),
                show=_show_early,
                progress=progress,
            )
            recorded = record(database, path, request, conduct, replace=may_replace)
        source = database.name
    if existing is not None and existing.manifest == recorded.snapshot.manifest:
        echo(f"{path}: nothing has changed since revision {recorded.snapshot.manifest.revision}")
        return
    echo(f"captured {path} from {source}: {describe_snapshot(recorded.snapshot)}")
    _show_recorded(recorded, request)


def _request(path: Path, asked: dict[str, Any]) -> tuple[Request, bool]:
    """Return what is asked for, and whether that is what an existing scenario was captured with."""
    from mongoshot.recording.request import Request
    from mongoshot.snapshot.directory import Snapshot, SnapshotNotFoundError

    given = {key: value for key, value in asked.items() if value not in ((), None)}
    request = Request(**given)
    if replace(request, format=None, gzip=False) != Request():
        return request, False
    try:
        origin = Snapshot.load(path).manifest.origin
    except SnapshotError:
        return request, False  # whoever writes there will say what is wrong
    return request.again(Request.from_recipe(origin.recipe)), True


def _ask(existing: Snapshot | None, new: Snapshot, *, is_sure: bool) -> None:
    """Show what takes the place of a snapshot, and ask whether it may."""
    from mongoshot.comparison.difference import compare
    from mongoshot.comparison.text import summarize
    from mongoshot.errors import UsageError

    if existing is None:
        return
    changed = summarize(compare(existing, new).collections)
    what = f"{existing.path} would change: {changed}"
    if is_sure:
        echo(what.replace(" would change", " changes", 1))
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{what}. Add --yes to replace it")
    echo(what, err=True)
    if not click.confirm(printable("Replace it?"), err=True):
        raise UsageError(f"{existing.path} stays as it is: you did not say yes")


def _show_early(lines: Iterable[str]) -> None:
    for line in lines:
        echo(line, err=True)


def _show_recorded(recorded: Recorded, request: Request) -> None:
    snapshot = recorded.snapshot
    files = [entry for entry in snapshot.manifest.files if entry.holds_documents]
    if request.chooses_documents or request.masks or request.gzip:
        rows = [
            (
                entry.collection,
                *_weight(recorded.weights.get(entry.collection)),
                entry.documents or 0,
                size_text(entry.bytes),
            )
            for entry in files
        ]
        echo("")
        echo(table(("collection", "there", "size", "captured", "as a file"), rows[:_MOST_ROWS]))
        if len(rows) > _MOST_ROWS:
            echo(f"… and {count_text(len(rows) - _MOST_ROWS, 'more collection')}")
    for line in recorded.notes:
        echo(line)
    for entry in files:
        if entry.bytes > _WARNED:
            echo(
                f"warning: {snapshot.path / entry.name} has {size_text(entry.bytes)}, much for a"
                f" repository; {smaller(entry.collection)}",
                err=True,
            )
    origin = snapshot.manifest.origin
    if origin.consistency == "none":
        echo(
            "warning: a standalone server cannot show all collections at one point in time, and"
            f" somebody wrote meanwhile to {', '.join(origin.outside_consistency)}: documents may"
            " not fit each other; capture when nobody writes, or from a replica set",
            err=True,
        )
    elif origin.outside_consistency:
        echo(
            "warning: capped collections cannot be read at the same point in time as the others:"
            f" {', '.join(origin.outside_consistency)}",
            err=True,
        )
