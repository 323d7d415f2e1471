"""`mongoshot`: the group of commands, and what an error looks like on a terminal."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from mongoshot.cli.databases import adopt, capture, diff, disown, restore
from mongoshot.cli.demo import demo
from mongoshot.cli.server import server
from mongoshot.cli.snapshots import convert, list_snapshots, show, verify
from mongoshot.errors import MongoshotError

_ERROR = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="mongoshot")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Record a MongoDB dataset once, stage it before every test, see what a test did to it.

    Begin with `mongoshot demo`: it plays the whole job on a server of its own. Then capture a
    scenario from your dev database, mark a test with it, and run pytest.

    Exit status: 0 done, or no difference; 1 a difference or a failed verification; 2 an error.
    """


for command in (
    demo,
    capture,
    restore,
    diff,
    list_snapshots,
    show,
    verify,
    convert,
    adopt,
    disown,
    server,
):
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line and exit: 0 done, 1 a difference, 2 an error in one line on stderr."""
    debug = "--debug" in sys.argv
    try:
        status = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter shall not try to flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo(
            "mongoshot: interrupted; a snapshot being written is as it was before, and a database"
            " being restored is marked incomplete: type the same command again",
            err=True,
        )
        sys.exit(_ERROR)
    except Exception as error:
        if debug:
            raise
        click.echo(f"mongoshot: {_one_line(error)}", err=True)
        sys.exit(_ERROR)
    sys.exit(status if isinstance(status, int) else 0)


def _one_line(error: Exception) -> str:
    if isinstance(error, MongoshotError):
        return " ".join(str(error).splitlines())
    kind = f"{type(error).__name__}: {error}"
    return f"{' '.join(kind.split())} (not foreseen: mongoshot --debug … shows where)"
