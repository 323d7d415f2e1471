"""Commands that read a live database: capture, check."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace as changed
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mongoshot.cli.options import (
    TOO_MUCH,
    count_text,
    describe_snapshot,
    format_option,
    open_database,
    project,
    several,
    shared_option,
    size_text,
    snapshots_path,
    source_options,
    table,
)
from mongoshot.cli.progress import ProgressBar, progress_bar
from mongoshot.cli.terminal import echo, echo_json
from mongoshot.comparison.printable import printable

if TYPE_CHECKING:
    from mongoshot.recording.capture import Recorded
    from mongoshot.recording.plan import Plan
    from mongoshot.recording.request import Request
    from mongoshot.recording.selection.model import InferredReference, Selected
    from mongoshot.server.weights import Weight
    from mongoshot.snapshot.directory import Snapshot

#: Bytes of one file that are much for a repository.
_MUCH = 50 * 10**6
_MOST_ROWS, _MOST_HINTS = 40, 10

_LEVELS, _CHILDREN = 2, 100  # as `Selection` has them, which takes time to import
_NO_INFER = "Follow these alone, and look for no others."


def _number(name: str, kind: click.ParamType[Any], text: str) -> Callable[[Any], Any]:
    return click.option(name, type=kind, metavar="N", help=text)


def _what_to_capture(command: Any) -> Any:
    """Add the options that say what a capture is to hold."""
    options = (
        several(
            "--collection", "collections", "C", "Only this one; may be repeated, as those below."
        ),
        several("--exclude", "exclude", "C", "Not this one."),
        several("--query", "queries", "C=JSON", "These documents of C, and all that they need."),
        several("--limit", "limits", "C=N", "N documents of C, the first ones by _id or --sort."),
        several("--sort", "sorts", "C=JSON", "Which come first, for --limit."),
        several("--sample", "samples", "C=N", "N documents from all over C, the same each time."),
        several("--whole", "whole", "C", "Beside those, all documents of C."),
        several("--follow", "follow", "A.X=B.Y", "A.X holds B.Y: take that along."),
        click.option("--no-infer", "infer", flag_value=False, default=True, help=_NO_INFER),
        _number(
            "--levels-up",
            click.IntRange(0),
            f"Levels of what refers to the chosen; default: {_LEVELS}.",
        ),
        _number(
            "--most-children",
            click.IntRange(1),
            f"Of those, for one document; default: {_CHILDREN}.",
        ),
        several("--mask", "masks", "C.X=RULE", "Mask a field: email, name, redact, drop, …"),
        format_option,
        click.option("--gzip", is_flag=True, help="Compress the files."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("name")
@source_options
@snapshots_path
@_what_to_capture
@click.option("--replace", is_flag=True, help="Capture an existing scenario anew, as these say.")
@click.option("--yes", is_flag=True, help="Do not ask before it is replaced.")
@click.option("--large", is_flag=True, help="Allow files above 100 MB.")
@shared_option
@_number("--batch-size", click.IntRange(1), "Documents to read at a time.")
@click.option("--pause", type=click.FloatRange(0), default=0.0, help="Seconds between, for others.")
@click.option("--dry-run", is_flag=True, help="Say what would be captured, and do nothing.")
def capture(
    name: str,
    db_url: str,
    db_name: str | None,
    snapshots_path: Path,
    replace: bool,
    yes: bool,
    large: bool,
    shared: bool,
    batch_size: int | None,
    pause: float,
    dry_run: bool,
    **asked: Any,
) -> None:
    r"""Capture a live database as the scenario NAME. Only reads from the server.

    Typed again without options, it captures what it did before; it shows what has changed, and asks
    before it replaces that.

    \b
    mongoshot capture checkout --db-url mongodb://dev.internal --db-name shop
    mongoshot capture few --limit orders=20 --mask '**.email=email' --db-name shop
    """
    from mongoshot.errors import UsageError
    from mongoshot.recording.capture import Conduct, record
    from mongoshot.server.reading import Pace
    from mongoshot.snapshot.placing import check_target, is_private
    from mongoshot.snapshot.scenario_names import check_new_name

    check_new_name(name, snapshots_path)
    path = snapshots_path / name
    request, is_again = _request(path, asked)
    may_replace = replace or (is_again and (yes or sys.stdin.isatty()))
    existing = check_target(path, replace=may_replace or is_again or dry_run)
    if is_again and not (may_replace or dry_run):
        raise UsageError(
            f"{path} is already there, and this is no terminal to ask at whether it may be"
            " replaced: add --yes to capture it as before"
        )
    earlier = existing.manifest.origin.database if existing else None
    with open_database(db_url, db_name, earlier) as database:
        if dry_run:
            from mongoshot.recording.plan import make_plan

            _show_plan(make_plan(database, request, project()))
            return
        weights: dict[str, Weight] = {}
        with progress_bar("reading") as bar:
            asking = _Asking(bar, is_sure=yes)
            conduct = Conduct(
                pace=Pace(batch_size, pause),
                largest_file=None if large else TOO_MUCH,
                project=project(),
                shared=shared,
                weighed=partial(_expect, bar, weights, request),
                inferred=_show_inferred,
                chosen=partial(_expect_chosen, bar, weights),
                before_commit=asking,
                progress=bar,
            )
            recorded = record(database, path, request, conduct, replace=may_replace)
        source = database.name
    snapshot = recorded.snapshot
    if existing is not None and existing.manifest == snapshot.manifest:
        echo(f"{path}: nothing has changed since revision {snapshot.manifest.revision}")
        return
    echo(f"captured {path} from {source}: {describe_snapshot(snapshot)}")
    if existing is None and is_private(path):
        echo("you alone may read it, as its source wants a password; others, too, with --shared")
    if asking.difference:
        echo(asking.difference)
    if request.chooses_documents or request.masks or request.gzip:
        _show_weights(snapshot, weights)
    if recorded.selected is not None:
        _show_selected(recorded.selected)
    warn(recorded)


@click.command()
@click.argument("name")
@source_options
@snapshots_path
@click.option("--json", "as_json", is_flag=True, help="Write what was found as JSON.")
@click.pass_context
def check(
    context: click.Context,
    name: str,
    db_url: str,
    db_name: str | None,
    snapshots_path: Path,
    as_json: bool,
) -> None:
    r"""Check whether the database still looks like the scenario NAME that was captured from it.

    Collections, indexes, validators, fields and their types are compared, and no values: exit
    status 1 where they are not the same. Only reads from the server.

    \b
    mongoshot check checkout --db-url mongodb://dev.internal --db-name shop
    """
    import json

    from mongoshot.recording.drift import find_drift
    from mongoshot.snapshot.directory import load_scenario

    snapshot = load_scenario(name, snapshots_path)
    earlier = snapshot.manifest.origin.database
    with open_database(db_url, db_name, earlier) as database:
        drift = find_drift(snapshot, database)
    if as_json:
        echo_json(json.dumps(drift.to_json(), indent=2, ensure_ascii=False))
    else:
        echo(str(drift))
        if drift:
            echo(f"\nto capture it anew, type: mongoshot capture {name}")
    context.exit(1 if drift else 0)


def _request(path: Path, asked: dict[str, Any]) -> tuple[Request, bool]:
    """Return what is asked for, and whether that is what an existing scenario was captured with."""
    from mongoshot.errors import SnapshotError
    from mongoshot.recording.request import Request
    from mongoshot.snapshot.directory import Snapshot

    request = Request(**{key: value for key, value in asked.items() if value not in ((), None)})
    if changed(request, format=None, gzip=False) != Request():
        return request, False
    try:
        origin = Snapshot.load(path).manifest.origin
    except SnapshotError:
        return request, False  # what is wrong there, says who is to write there
    if "import" in origin.recipe:
        return request, False
    return request.again(Request.from_recipe(origin.recipe)), True


def _expect(
    bar: ProgressBar, known: dict[str, Weight], request: Request, weights: Mapping[str, Weight]
) -> None:
    known.update(weights)
    if not request.chooses_documents:
        bar.expect(sum(each.documents or 0 for each in weights.values()))


def _expect_chosen(bar: ProgressBar, weights: Mapping[str, Weight], selected: Selected) -> None:
    whole = (weights[name].documents or 0 for name in selected.whole if name in weights)
    bar.expect(sum(selected.documents.values()) + sum(whole))


class _Asking:
    """Show what takes the place of a snapshot, and ask whether it may."""

    def __init__(self, bar: ProgressBar, *, is_sure: bool) -> None:
        self._bar, self._is_sure = bar, is_sure
        self.difference = ""

    def __call__(self, existing: Snapshot | None, new: Snapshot) -> None:
        from mongoshot.comparison.difference import compare
        from mongoshot.comparison.text import summarize
        from mongoshot.errors import SnapshotDamagedError, UsageError
        from mongoshot.recording.masking.policy import masked_otherwise

        if existing is None:
            return
        try:
            changes = compare(existing, new).collections
        except SnapshotDamagedError:
            return  # nobody can use it as it is
        before, now = existing.manifest.origin.recipe, new.manifest.origin.recipe
        masks = masked_otherwise(before.get("masking", {}), now.get("masking", {}))
        recording = existing.manifest.recording
        lost = [f"{count_text(recording.steps, 'recorded step')} less"] if recording else []
        if not changes and not masks and not lost:
            return  # it is kept in another way, or what it was chosen from looks otherwise
        difference = "; ".join([summarize(changes) if changes else "no document", *masks, *lost])
        self.difference = f"changed since revision {existing.manifest.revision}: {difference}"
        if self._is_sure:
            return
        self._bar.end()
        what = f"{existing.path} would be replaced, {self.difference}"
        if not sys.stdin.isatty():
            raise UsageError(f"{what}. This is no terminal to answer at: add --yes")
        echo(what, err=True)
        if not click.confirm(printable("Replace it?"), err=True):
            raise UsageError(f"{existing.path} stays as it is: you did not say yes")


def _show_inferred(references: Sequence[InferredReference]) -> None:
    """Say which references will be followed, before they are."""
    if references:
        echo("follows, as it seems (--no-infer to leave that):", err=True)
    for each in references:
        echo(f"  {each}", err=True)


def _show_plan(plan: Plan) -> None:
    rows = [
        (
            each.collection,
            *_weight(each.there),
            "?" if each.documents is None else each.documents,
            "?" if each.bytes is None else size_text(each.bytes),
            each.why,
        )
        for each in plan.collections
    ]
    echo(f"would capture of {plan.database}:\n")
    echo(table(("collection", "there", "size", "taken", "about", "why"), rows))
    if plan.inferred:
        echo("\nfollowing, as it seems:")
    for reference in plan.inferred:
        echo(f"  {reference}")


def _weight(weight: Weight | None) -> tuple[object, object]:
    documents, size = (weight.documents, weight.bytes) if weight else (None, None)
    return (
        "?" if documents is None else documents,
        "?" if size is None else size_text(size),
    )


def _show_weights(snapshot: Snapshot, before: Mapping[str, Weight]) -> None:
    """Say what each collection weighs, there and in its file."""
    files = [entry for entry in snapshot.manifest.files if entry.holds_documents]
    names = {c.definition.data_name: name for name, c in snapshot.collections.items()}
    rows = [
        (name, *_weight(before.get(name)), entry.documents or 0, size_text(entry.bytes))
        for entry in files
        if (name := names.get(entry.collection) or entry.collection)
    ]
    echo("")
    echo(table(("collection", "there", "size", "captured", "as a file"), rows[:_MOST_ROWS]))
    if len(rows) > _MOST_ROWS:
        echo(f"… and {count_text(len(rows) - _MOST_ROWS, 'more collection')}")


def _show_selected(selected: Selected) -> None:
    """Say what was followed, and what leads nowhere."""
    for note in selected.notes:
        echo(f"note: {note}", err=True)
    for found, whose in ((selected.dangling, "already in the database"), (selected.broken, "here")):
        if found:
            echo(f"\nreferences to nothing, {whose}:")
        for each in found:
            echo(f"  {each}")


def warn(recorded: Recorded) -> None:
    """Say what is not as somebody would expect of a scenario."""
    snapshot = recorded.snapshot
    if hints := [f"{hint.path} ({hint.looks_like})" for hint in recorded.hints]:
        more = f" and {len(hints) - _MOST_HINTS} more" if len(hints) > _MOST_HINTS else ""
        echo(
            f"note: not masked, and looks like data of people: {', '.join(hints[:_MOST_HINTS])}"
            f"{more}; to mask one: --mask {recorded.hints[0].path}=RULE",
            err=True,
        )
    for warning in recorded.warnings:
        echo(f"warning: {warning}", err=True)
    for entry in snapshot.manifest.files:
        if entry.bytes > _MUCH:
            echo(
                f"warning: {snapshot.path / entry.name} has {size_text(entry.bytes)}, much for a"
                f" repository; --limit {entry.collection}=1000 takes fewer, --gzip packs them",
                err=True,
            )
    origin = snapshot.manifest.origin
    outside = ", ".join(origin.outside_consistency)
    if origin.consistency == "none":
        echo(
            "warning: a standalone server cannot show all collections at one point in time, and"
            f" somebody wrote to {outside} meanwhile: documents may not fit each other; capture"
            " when nobody writes, or from a replica set",
            err=True,
        )
    elif outside:
        echo(
            "warning: capped collections cannot be read at the same point in time as the others:"
            f" {outside}",
            err=True,
        )
