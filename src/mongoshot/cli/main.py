"""`mongoshot`: the group of commands, and what an error looks like on a terminal."""

from __future__ import annotations

import os
import sys
import traceback
from typing import NoReturn

import click

from mongoshot.cli.capturing import capture, check
from mongoshot.cli.databases import adopt, diff, disown, restore
from mongoshot.cli.demo import demo
from mongoshot.cli.dumps import export_dump, import_dump
from mongoshot.cli.recording import record
from mongoshot.cli.review import accept, pending, reject, review
from mongoshot.cli.server import server
from mongoshot.cli.snapshots import convert, list_snapshots, show, verify
from mongoshot.cli.terminal import echo, finish, prepare
from mongoshot.cli.watching import watch
from mongoshot.errors import MongoshotError

_ERROR = 2
#: Variables of the environment that name servers.
_URL_VARIABLES = ("DB_URL", "SCENARIO_SOURCE_URL")


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.version_option(package_name="mongoshot")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:  # noqa: ARG001 - main() looks for it
    """Record a MongoDB dataset once, stage it before every test, see what a test did to it.

    Begin with `mongoshot demo`: it plays the whole job on a server of its own. Then capture a
    scenario from your dev database, mark a test with it, and run pytest.

    Exit status: 0 done, or no difference; 1 a difference or a failed verification; 2 an error.
    """
    if context.invoked_subcommand is None:
        echo(context.get_help(), err=True)
        context.exit(_ERROR)


for command in (
    demo,
    capture,
    record,
    watch,
    restore,
    diff,
    check,
    list_snapshots,
    show,
    verify,
    convert,
    import_dump,
    export_dump,
    pending,
    review,
    accept,
    reject,
    adopt,
    disown,
    server,
):
    # Where click is to leave lines as they are, it looks for the character, not for `\b`.
    command.help = (command.help or "").replace("\\b\n", "\b\n")
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line and exit: 0 done, 1 a difference, 2 an error in one line on stderr."""
    prepare()
    # Behind -- stands what belongs to another program.
    ours = sys.argv[: sys.argv.index("--")] if "--" in sys.argv else sys.argv
    finish(_run(debug="--debug" in ours))


def _run(*, debug: bool) -> int:
    try:
        status = cli.main(standalone_mode=False)
    except SystemExit:
        # The reader of --help has gone: click ends with 1, which would be a difference. The only
        # other case is a shell that asks for completions.
        return 0
    except click.ClickException as error:
        return _fail(_explain(error))
    except (KeyboardInterrupt, click.Abort):
        return _fail(
            "interrupted; a snapshot being written is as it was before, and a database being"
            " restored is marked incomplete: type the same command again"
        )
    except Exception as error:  # noqa: BLE001 - a traceback is for those who ask for it
        if debug:
            echo(_without_secrets(traceback.format_exc(), also_urls=True), err=True)
            return _ERROR
        return _fail(_one_line(error))
    return status if isinstance(status, int) else 0


def _without_secrets(text: str, *, also_urls: bool) -> str:
    """Take out what is secret in what this process was given: a message may repeat it.

    That of whole URLs is left out of messages by whoever writes them; tracebacks are the driver's,
    too. One without a scheme is taken for a path.
    """
    for given in (*sys.argv[1:], *map(os.environ.get, _URL_VARIABLES)):
        if given and (also_urls if "://" in given else "@" in given):
            from mongoshot.server.urls import without_secrets

            text = without_secrets(text, given)
    return text


def _fail(message: str) -> int:
    echo(f"mongoshot: {_without_secrets(message, also_urls=False)}", err=True)
    return _ERROR


def _explain(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message} (type: {context.command_path} --help)" if context else message


def _one_line(error: Exception) -> str:
    if isinstance(error, MongoshotError):
        return " ".join(str(error).splitlines())
    kind = f"{type(error).__name__}: {error}"
    return f"{' '.join(kind.split())} (not foreseen: mongoshot --debug … shows where)"
