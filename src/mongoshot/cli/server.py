"""The command `server`: an embedded mongod in the foreground."""

from __future__ import annotations

import signal
from types import FrameType

import click

from mongoshot.cli.options import project


@click.command()
def server() -> None:
    """Run an embedded mongod until Ctrl-C, and print its URL.

    A one-node replica set on this machine alone; its data goes with it.
    """
    from mongoshot.server.embedded.binary import find_mongod
    from mongoshot.server.embedded.mongod import start_mongod

    signal.signal(signal.SIGTERM, _interrupt)
    with start_mongod(find_mongod(project().mongod)) as running:
        click.echo(running.url)
        click.echo("until Ctrl-C; its data goes with it", err=True)
        try:
            while True:
                signal.pause() if hasattr(signal, "pause") else input()
        except (KeyboardInterrupt, EOFError):
            click.echo("stopped", err=True)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
