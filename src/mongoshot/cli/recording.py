"""The command `record`: what a program does to a live database, as a scenario and a test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mongoshot.cli.capturing import warn
from mongoshot.cli.options import (
    TOO_MUCH,
    count_text,
    describe_snapshot,
    format_option,
    open_database,
    project,
    several,
    shared_option,
    snapshots_path,
    source_options,
)
from mongoshot.cli.progress import progress_bar
from mongoshot.cli.terminal import echo, read_line

if TYPE_CHECKING:
    from mongoshot.recording.capture import Recorded
    from mongoshot.recording.program.record import Performance
    from mongoshot.server.connection import Database


@click.command(context_settings={"allow_interspersed_args": True})
@click.argument("name")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND…]")
@source_options
@snapshots_path
@several("--collection", "collections", "C", "Only this one; may be repeated, as those below.")
@several("--exclude", "exclude", "C", "Not this one.")
@several("--mask", "masks", "C.X=RULE", "Mask a field, before and after.")
@format_option
@click.option("--gzip", is_flag=True, help="Compress the files of the state before.")
@click.option("--test", metavar="FILE", help="Test to be.  [default: tests/test_NAME.py]")
@shared_option
@click.option("--replace", is_flag=True, help="Record an existing scenario, and its test, anew.")
def record(
    name: str,
    command: tuple[str, ...],
    db_url: str,
    db_name: str | None,
    snapshots_path: Path,
    test: str | None,
    shared: bool,
    replace: bool,
    **asked: Any,
) -> None:
    r"""Record what a program does to a database: the state before it, and all that it writes.

    The state before becomes the scenario NAME, the changes become the expectation of a test, which
    is printed. COMMAND finds the database in the environment, as DB_URL and DB_NAME; without one,
    use your application until you press Enter. Only reads from the server.

    \b
    mongoshot record import --db-name shop -- python import_orders.py
    mongoshot restore import --at 3 --db-name shop_test     as it was after the third step
    """
    from mongoshot.cli.skeleton import Skeleton
    from mongoshot.errors import UsageError
    from mongoshot.recording.capture import Conduct
    from mongoshot.recording.program.record import record_program
    from mongoshot.recording.request import Request
    from mongoshot.snapshot.placing import check_target
    from mongoshot.snapshot.scenario_names import check_new_name

    check_new_name(name, snapshots_path)
    path = snapshots_path / name
    check_target(path, replace=replace)
    skeleton = Skeleton.of(name, test)
    skeleton.check(replace=replace)
    if not command and not sys.stdin.isatty():
        raise UsageError(
            "there is no command to record, and this is no terminal to wait at: put one behind --,"
            f" as in: mongoshot record {name} -- python program.py"
        )
    request = Request(**{key: value for key, value in asked.items() if value not in ((), None)})
    with open_database(db_url, db_name) as database, progress_bar("reading") as bar:

        def run(before: Recorded) -> None:
            bar.end()
            echo(f"recording {database.name}: {describe_snapshot(before.snapshot)} before")
            _run(command, db_url, database)

        conduct = Conduct(largest_file=TOO_MUCH, project=project(), shared=shared, progress=bar)
        performance = record_program(database, path, request, conduct, run, replace_it=replace)
        source = database.name
    _show(performance)
    file = skeleton.write_expectation(performance.changes)
    echo(f"expectation: {file}")
    echo(f"\nsave this as {skeleton.file}, and pytest plays it again:\n")
    echo(skeleton.code(command, db_url, source))


def _run(command: Sequence[str], db_url: str, database: Database) -> None:
    """Run a program until it ends, or wait until the user says that it has."""
    from mongoshot.errors import CaptureError

    if not command:
        echo("use your application now; Enter ends the recording, Ctrl-C gives it up", err=True)
        read_line()
        return
    environment = {**os.environ, "DB_URL": db_url, "DB_NAME": database.name}
    try:
        status = subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - the user's own command
    except OSError as error:
        raise CaptureError(
            f"cannot run {command[0]!r} ({error.strerror}): nothing was recorded"
        ) from None
    if status:
        how = f"with status {status}" if status > 0 else f"by signal {-status}"
        raise CaptureError(f"{command[0]} ended {how}: nothing was recorded")


def _show(performance: Performance) -> None:
    from mongoshot.comparison.text import summarize

    snapshot, recording = performance.snapshot, performance.snapshot.manifest.recording
    steps = count_text(recording.steps if recording else 0, "step")
    changes = summarize(performance.changes.collections) if performance.changes else "no change"
    echo(f"recorded {snapshot.path}: {steps}; {changes}")
    if performance.untold and performance.changes:
        echo(f"note: all of it is one step: {performance.untold}", err=True)
    warn(performance.before)
