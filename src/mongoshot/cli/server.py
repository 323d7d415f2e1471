"""The command `server`: an embedded mongod in the foreground."""

from __future__ import annotations

import contextlib
import time

import click

from mongoshot.cli.options import project
from mongoshot.cli.terminal import echo


@click.command()
def server() -> None:
    """Run an embedded mongod until Ctrl-C, and print its URL.

    A one-node replica set on this machine alone; its data goes with it. Should it end by itself,
    so does this command, with status 2.
    """
    from mongoshot.server.embedded.binary import find_mongod
    from mongoshot.server.embedded.mongod import start_mongod

    with (
        start_mongod(find_mongod(project().mongod)) as running,
        contextlib.suppress(KeyboardInterrupt),
    ):
        echo(running.url)
        echo("until Ctrl-C; its data goes with it", err=True)
        while True:
            # Not signal.pause(), which sleeps on when the signal came just before it.
            time.sleep(0.5)
            running.check()
    echo("stopped", err=True)
