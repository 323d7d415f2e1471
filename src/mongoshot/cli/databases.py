"""Commands on databases: restore, diff, adopt, disown."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mongoshot.cli.files import to_new_file
from mongoshot.cli.options import (
    database_options,
    describe_scenario,
    open_database,
    project,
    snapshots_path,
    url_option,
)
from mongoshot.cli.progress import progress_bar
from mongoshot.cli.terminal import echo, echo_json
from mongoshot.comparison.printable import printable

if TYPE_CHECKING:
    from mongoshot.errors import MongoshotError
    from mongoshot.server.connection import Database
    from mongoshot.snapshot.model import State
    from mongoshot.staging.staged import Staged

_target = database_options("DB_URL", "DB_NAME")
_its_server = url_option("DB_URL", required=True, help="Its server.")


@click.command()
@click.argument("name")
@_target
@snapshots_path
@click.option("--at", type=int, metavar="N", help="Of a recording, as it was at its Nth step.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--yes", is_flag=True, help="Overwrite what was written to it since, without asking.")
def restore(
    name: str,
    db_url: str,
    db_name: str | None,
    snapshots_path: Path,
    at: int | None,
    dry_run: bool,
    yes: bool,
) -> None:
    r"""Restore the scenario NAME into a database, which is overwritten.

    Only a database that mongoshot created, or that was given to it with `mongoshot adopt`. Where
    somebody has written to one that it created, or captured from it, it asks. Step 0 of a recording
    is the state before it, -1 the last one; NAME@N means the same as --at N.

    \b
    mongoshot restore checkout --db-url mongodb://127.0.0.1:27017 --db-name shop_test
    """
    from mongoshot.errors import DatabaseChangedError
    from mongoshot.server.connection import describe
    from mongoshot.server.ownership import check_writable
    from mongoshot.snapshot.steps.state import find_scenario
    from mongoshot.staging.staged import restore as run

    scenario = find_scenario(name if at is None else f"{name}@{at}", snapshots_path)
    path = snapshots_path / scenario.label
    allowed = project().allowed_hosts
    with open_database(db_url, db_name) as database:
        if dry_run:
            scenario.verify()
            check_writable(database, allowed)
            where = f"{path} into {describe(database)}"
            echo(f"would restore {where}: {describe_scenario(scenario)}")
            return

        def write() -> Staged:
            with progress_bar("writing") as progress:
                return run(scenario, database, allowed_hosts=allowed, progress=progress)

        try:
            staged = write()
        except DatabaseChangedError as changed:
            _let_go(database, changed, yes=yes)
            staged = write()
        staged.remember()  # who writes to it from now on is somebody else
        echo(f"restored {path} into {describe(database)}: {describe_scenario(scenario)}")


def _let_go(database: Database, changed: MongoshotError, *, yes: bool) -> None:
    """Let what somebody has done to a database of mongoshot's be overwritten, this once."""
    from mongoshot.server.ledger import forgive

    if not yes:
        what, _, otherwise = str(changed).rpartition("; ")
        _confirm(f"{what}. Overwrite it?", f"add --yes for this once, or {otherwise}")
    forgive(database)


def _confirm(question: str, otherwise: str) -> None:
    """Ask at a terminal; raise UsageError where there is none, or the answer is no."""
    from mongoshot.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError(f"{question} This is no terminal to answer at: {otherwise}")
    if not click.confirm(printable(question), err=True):
        raise UsageError("the database stays as it is: you did not say yes")


@click.command()
@click.argument("left")
@click.argument("right")
@snapshots_path
@click.option("--json", "as_json", is_flag=True, help="Write the difference as JSON.")
@click.option(
    "--html",
    "page",
    metavar="FILE",
    callback=to_new_file,
    help="Write it as a page to look at, too: one file, for a browser.",
)
@click.pass_context
def diff(
    context: click.Context,
    left: str,
    right: str,
    snapshots_path: Path,
    as_json: bool,
    page: Path | None,
) -> None:
    r"""Compare two states, each a scenario, a snapshot directory, or mongodb://…/NAME.

    NAME@N is a recording as it was at its Nth step. Exit status 1 where they differ.

    \b
    mongoshot diff checkout mongodb://127.0.0.1:27017/shop_test --html difference.html
    """
    from mongoshot.comparison.difference import compare
    from mongoshot.comparison.expectation.writing import difference_to_text

    with contextlib.ExitStack() as stack:
        sides = [_open_state(stack, side, snapshots_path) for side in (left, right)]
        progress = stack.enter_context(progress_bar("comparing"))
        difference = compare(sides[0], sides[1], progress=progress)
    if page is not None:
        from mongoshot.comparison.page.difference import to_html
        from mongoshot.files import write_file

        write_file(page, to_html(difference))
        echo(f"written: {page}", err=True)
    if as_json:
        echo_json(difference_to_text(difference))
    else:
        echo(str(difference))
    context.exit(1 if difference else 0)


@click.command()
@click.argument("db_name", metavar="DB")
@_its_server
@click.option("--yes", is_flag=True, help="Do not ask.")
def adopt(db_name: str, db_url: str, yes: bool) -> None:
    """Let mongoshot overwrite the database DB, which it did not create."""
    from mongoshot.server.connection import describe
    from mongoshot.server.ownership import adopt as record_adoption
    from mongoshot.server.ownership import check_adoptable

    allowed = project().allowed_hosts
    with open_database(db_url, db_name) as database:
        counts = check_adoptable(database, allowed)
        held = ", ".join(f"{name} ({count})" for name, count in counts.items()) or "nothing"
        question = f"{describe(database)} holds {held}. May mongoshot overwrite it from now on?"
        if not yes:
            _confirm(question, "add --yes")
        record_adoption(database, allowed)
        echo(f"adopted {describe(database)}; take it back with: mongoshot disown {db_name}")


@click.command()
@click.argument("db_name", metavar="DB")
@_its_server
def disown(db_name: str, db_url: str) -> None:
    """Take back from mongoshot that it may overwrite the database DB. What it holds stays."""
    from mongoshot.errors import UsageError
    from mongoshot.server.connection import describe
    from mongoshot.server.ownership import disown as run

    with open_database(db_url, db_name) as database:
        if not run(database):
            raise UsageError(f"{describe(database)} was not mongoshot's to overwrite")
        echo(f"disowned {describe(database)}: mongoshot writes to it no more")


def _open_state(stack: contextlib.ExitStack, side: str, snapshots_path: Path) -> State:
    from mongoshot.server.collections import live_state, require_database
    from mongoshot.snapshot.directory import Snapshot
    from mongoshot.snapshot.steps.state import find_scenario

    if "://" in side:
        database = stack.enter_context(open_database(side, None))
        require_database(database)
        return live_state(database)
    looks_like_path = "/" in side or "\\" in side or side.startswith(".")
    scenario = Snapshot.load(side) if looks_like_path else find_scenario(side, snapshots_path)
    scenario.verify()
    return scenario
