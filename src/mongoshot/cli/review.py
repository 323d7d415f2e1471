"""Commands on what failing tests propose: pending, review, accept, reject."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from mongoshot.cli.options import age_text, table, working_directory
from mongoshot.cli.terminal import echo, echo_json
from mongoshot.comparison.printable import one_line
from mongoshot.errors import ProposalError, UsageError

if TYPE_CHECKING:
    from mongoshot.review.proposal import Proposal
    from mongoshot.review.store import Store

_NOTHING = "nothing to review"
_names = click.argument("names", metavar="NAME…", nargs=-1)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write the list as JSON, with the reports.")
def pending(as_json: bool) -> None:
    """List the expectations that failing tests proposed."""
    import json

    store, proposals = _open()
    if as_json:
        listed = [_to_json(store, proposal) for proposal in proposals]
        echo_json(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    if not proposals:
        echo(_NOTHING)
        return
    rows = []
    for proposal in proposals:
        age, reason = age_text(store.left_at(proposal)), store.staleness(proposal)
        stale = f"stale: {reason}" if reason else ""
        rows.append((one_line(proposal.name), proposal.kind, age, stale))
    echo(table(("expectation", "is", "proposed", ""), rows))


def _to_json(store: Store, proposal: Proposal) -> dict[str, str | None]:
    return {
        "name": proposal.name,
        "test": proposal.test,
        "file": proposal.file,
        "kind": proposal.kind,
        "stale": store.staleness(proposal),
        "scenario": proposal.scenario,
        "proposed_at": store.left_at(proposal).isoformat(timespec="seconds"),
        "report": proposal.report,
    }


@click.command()
@click.pass_context
def review(context: click.Context) -> None:
    """Show what failing tests proposed, one after the other: accept, reject or skip by a key."""
    from mongoshot.cli.reviewing import Review

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "this is no terminal to review at; type: mongoshot pending, and then mongoshot accept"
            " NAME or mongoshot reject NAME"
        )
    store, proposals = _open()
    if not proposals:
        echo(_NOTHING)
        return
    reviewed = Review(store, proposals)
    try:
        reviewed.run()
    except KeyboardInterrupt:
        context.exit(2)
    finally:
        reviewed.tell()


@click.command()
@_names
@click.option("--all", "everything", is_flag=True, help="Accept everything that is pending.")
@click.pass_context
def accept(context: click.Context, names: tuple[str, ...], everything: bool) -> None:
    r"""Accept expectations: write what is proposed to their files.

    NAME is as `mongoshot pending` lists it, or the expectation's file, or an end of one of these
    that is no other's; * and ? stand for any text and any character.

    \b
    mongoshot accept 'tests/test_payment.py::*'
    """
    from mongoshot.review.store import Store

    _each(context, names, everything, Store.accept, "accepted")


@click.command()
@_names
@click.option("--all", "everything", is_flag=True, help="Reject everything that is pending.")
@click.pass_context
def reject(context: click.Context, names: tuple[str, ...], everything: bool) -> None:
    """Reject what was proposed for expectations: their files stay as they are.

    NAME is as for `mongoshot accept`.
    """
    from mongoshot.review.store import Store

    _each(context, names, everything, Store.reject, "rejected")


def _each(
    context: click.Context,
    names: tuple[str, ...],
    everything: bool,
    act: Callable[[Store, Proposal], None],
    done: str,
) -> None:
    """Do it to each proposal that is named; one that it cannot be done to stops no other."""
    from mongoshot.review.selection import select

    if everything == bool(names):
        raise UsageError(
            f"name what is to be {done}, or all of it with --all (mongoshot pending lists it)"
        )
    store, proposals = _open()
    chosen = proposals if everything else select(names, proposals, store.root)
    if not chosen:
        echo(_NOTHING)
    refused = False
    for proposal in chosen:
        try:
            act(store, proposal)
        except ProposalError as error:
            echo(f"mongoshot: {one_line(str(error))}", err=True)
            refused = True
        else:
            echo(f"{done} {one_line(proposal.name)}")
    if refused:
        context.exit(2)


def _open() -> tuple[Store, list[Proposal]]:
    """Find the proposals of the project that the command is typed in; tell which are damaged."""
    from mongoshot.review.store import find_store

    store = find_store(working_directory())
    proposals, errors = store.read()
    for error in errors:
        echo(f"warning: {one_line(str(error))}", err=True)
    return store, proposals
