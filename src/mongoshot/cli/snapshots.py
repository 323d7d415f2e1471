"""Commands on snapshot files: list, show, verify, convert."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mongoshot.cli.options import count_text, size_text, snapshots_path, table
from mongoshot.cli.progress import progress_bar
from mongoshot.cli.terminal import echo
from mongoshot.snapshot.packing import GZIP_SUFFIX, encoding_of

if TYPE_CHECKING:
    from mongoshot.snapshot.directory import Snapshot
    from mongoshot.snapshot.manifest import RecordingEntry

_MOST_STEPS = 100  # rows of `show`
_MOST_TOLD = 500  # characters of what a recording says of itself


@click.command("list")
@snapshots_path
def list_snapshots(snapshots_path: Path) -> None:
    """List the scenarios that there are."""
    from mongoshot.errors import SnapshotError
    from mongoshot.snapshot.directory import Snapshot, find_snapshots

    rows: list[tuple[object, ...]] = []
    for name in find_snapshots(snapshots_path):
        try:
            files = (snapshot := Snapshot.load(snapshots_path / name)).manifest.files
        except SnapshotError as error:
            echo(f"warning: {error}", err=True)
            continue
        documents = sum(entry.documents or 0 for entry in files)
        size = size_text(sum(entry.bytes for entry in files))
        manifest = snapshot.manifest
        rows.append((name, manifest.revision, documents, size, manifest.origin.captured_at))
    if rows:
        echo(table(("scenario", "revision", "documents", "size", "captured"), rows))
    else:
        echo(
            f"no scenario in {snapshots_path}; to record one, type:"
            " mongoshot capture NAME --db-url URL --db-name DB"
        )


@click.command()
@click.argument("name")
@snapshots_path
def show(name: str, snapshots_path: Path) -> None:
    """Show what is in the scenario NAME."""
    from mongoshot.comparison.printable import one_line
    from mongoshot.snapshot.directory import load_scenario

    snapshot = load_scenario(name, snapshots_path)
    manifest, origin = snapshot.manifest, snapshot.manifest.origin
    at = "no single point in time" if origin.consistency == "none" else "one point in time"
    echo(f"{snapshot.path}, revision {manifest.revision}")
    said = (
        f"captured {origin.captured_at} from {origin.recipe.get('database', 'a database')},"
        f" MongoDB {origin.server_version}, at {at}"
    )
    echo(one_line(said)[:_MOST_TOLD])
    echo(f"digest {manifest.digest}\n")
    echo(
        table(
            ("collection", "type", "documents", "size", "encoding", "indexes"),
            [_row(snapshot, collection) for collection in snapshot.collections],
        )
    )
    if manifest.recording is not None:
        _show_steps(snapshot, manifest.recording)


def _show_steps(snapshot: Snapshot, recording: RecordingEntry) -> None:
    from collections import Counter
    from itertools import groupby

    from mongoshot.comparison.printable import one_line
    from mongoshot.comparison.text import spell_out
    from mongoshot.snapshot.steps.state import read_writes

    until, untold = one_line(recording.recorded_at), one_line(recording.untold)
    echo(f"\n{count_text(recording.steps, 'step')} recorded until {until[:_MOST_TOLD]}")
    if untold:
        echo(f"all in one: {untold[:_MOST_TOLD]}")
    rows: list[tuple[object, ...]] = []
    for step, writes in groupby(read_writes(snapshot), key=lambda write: write.step):
        if len(rows) == _MOST_STEPS:
            rows.append((f"… and {recording.steps - len(rows)} more", ""))
            break
        counts = Counter((write.collection, write.kind) for write in writes)
        said = [f"{spell_out(name)}: {count} {kind}" for (name, kind), count in counts.items()]
        rows.append((step, "; ".join(said)))
    if rows:
        echo("\n" + table(("step", "writes"), rows))
        echo(f"\nto see one: mongoshot diff {snapshot.name}@0 {snapshot.name}@1")


def _row(snapshot: Snapshot, name: str) -> tuple[object, ...]:
    definition = snapshot.collections[name].definition
    indexes = ", ".join(index["name"] for index in definition.decoded_indexes())
    for entry in snapshot.manifest.files:
        if entry.collection == name and entry.documents is not None:
            packed = ", gzip" if entry.name.endswith(GZIP_SUFFIX) else ""
            encoding = encoding_of(entry.name)[1:] + packed
            size = size_text(entry.bytes)
            return name, definition.type, entry.documents, size, encoding, indexes
    return name, definition.type, 0, "", "", indexes


@click.command()
@click.argument("name")
@snapshots_path
@click.pass_context
def verify(context: click.Context, name: str, snapshots_path: Path) -> None:
    """Verify that every file of the scenario NAME is whole. Exit status 1 where one is not."""
    from mongoshot.errors import SnapshotDamagedError
    from mongoshot.snapshot.directory import load_scenario

    try:
        snapshot = load_scenario(name, snapshots_path)
        with progress_bar("verifying") as progress:
            problems = list(snapshot.problems(progress))
    except SnapshotDamagedError as error:  # the manifest, which nothing else can be held against
        problems = [str(error)]
    for problem in problems:
        echo(problem, err=True)
    if problems:
        context.exit(1)
    files = len(snapshot.manifest.files) + (snapshot.manifest.recording is not None)
    echo(f"{snapshot.path}: {count_text(files, 'file')}, all whole")


@click.command()
@click.argument("name")
@snapshots_path
@click.option("--format", type=click.Choice(["bson", "json"]), help="The other encoding.")
@click.option("--gzip/--no-gzip", default=None, help="Pack the files of documents, or unpack them.")
def convert(name: str, snapshots_path: Path, format: str | None, gzip: bool | None) -> None:
    """Write the scenario NAME in the other encoding; what it holds stays the same."""
    from dataclasses import replace

    from mongoshot.errors import NotRepresentableError
    from mongoshot.snapshot.directory import load_scenario
    from mongoshot.snapshot.writer import check_format, write_snapshot

    if format is None and gzip is None:
        raise click.UsageError(
            "say what to convert it to: --format bson or json, --gzip or --no-gzip"
        )
    snapshot = load_scenario(name, snapshots_path)
    snapshot.verify()
    origin = snapshot.manifest.origin
    is_packed = any(entry.name.endswith(GZIP_SUFFIX) for entry in snapshot.manifest.files)
    packed = is_packed if gzip is None else gzip
    # Who captured it asked for a format, or for none, which takes the one that fits a collection.
    chosen = check_format(origin.recipe.get("format") if format is None else format)
    recipe = {key: value for key, value in origin.recipe.items() if key != "gzip"}
    recipe |= {"format": chosen} | ({"gzip": True} if packed else {})
    try:
        with progress_bar("converting") as progress:
            converted = write_snapshot(
                snapshot,
                snapshot.path,
                origin=replace(origin, recipe=recipe),
                format=chosen,
                gzip=packed,
                replace=True,
                progress=progress,
                recording_of=snapshot,
            )
    except NotRepresentableError as error:
        raise NotRepresentableError(f"{snapshot.path} keeps its encoding: {error}") from None
    size = size_text(sum(entry.bytes for entry in converted.manifest.files))
    said = [] if format is None else [format]
    if gzip is not None:
        said.append("packed" if packed else "unpacked")
    echo(f"{converted.path} is {' and '.join(said)} now, {size}, digest unchanged")
