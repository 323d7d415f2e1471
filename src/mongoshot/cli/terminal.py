"""The terminal: writing to it whatever it can show, and being interrupted at it."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from types import FrameType
from typing import IO, Any, NoReturn

import click

from mongoshot.comparison.printable import printable, printable_json
from mongoshot.errors import UsageError


class ReaderGoneError(Exception):
    """Say that nobody reads standard output any more."""


def echo(text: str, *, bold: str = "", color: str | None = None, err: bool = False) -> None:
    """Write a line, with a beginning in bold where there is one, the rest in a colour if any.

    There is neither elsewhere than on a terminal, and no colour where NO_COLOR is set.
    A reader that has gone, as `head` does, has seen enough: the command goes on in silence, and
    ends with its own exit status. Raises UsageError where standard output is full.
    """
    _write(_styled(text, bold, color), err=err)


def echo_while_read(text: str, *, bold: str = "") -> None:
    """Write a line of a command that has no end, as `echo` does.

    Raises ReaderGoneError where the reader has gone.
    """
    _write(_styled(text, bold, None), endless=True)


def _styled(text: str, bold: str, color: str | None) -> str:
    beginning, rest = printable(bold), printable(text)
    if bold:
        beginning = click.style(beginning, bold=True)
    if color and not os.environ.get("NO_COLOR"):
        rest = click.style(rest, fg=color)
    return beginning + rest


def echo_json(text: str, *, endless: bool = False) -> None:
    """Write JSON: in UTF-8 to a program, whatever the encoding of terminals is.

    Control characters are escaped, as somebody may look at what the program wrote. Raises
    ReaderGoneError for an `endless` command where the reader has gone.
    """
    shown = printable_json(text)
    _write(shown if sys.stdout.isatty() else shown.encode(), endless=endless)


def clear() -> None:
    """Begin with an empty screen, on a terminal that can."""
    if os.environ.get("TERM", "dumb") != "dumb":
        click.clear()


def read_key() -> str:
    """Wait for a key, without Enter, and return its characters; "" at the end of the input.

    Raises KeyboardInterrupt for Ctrl-C.
    """
    try:
        return click.getchar()
    except (EOFError, OSError):  # Ctrl-D; the window was closed
        return ""


def read_line() -> None:
    """Wait for Enter, or the end of the input. Raises KeyboardInterrupt for Ctrl-C."""
    sys.stdin.readline()


def prepare() -> None:
    """Make standard streams that take every text, and let SIGTERM and SIGHUP interrupt as Ctrl-C.

    So a command that is ended from outside, or by a closed window, puts away what it began.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the shell: `mongoshot list >&-`
            # It lives as long as the process.
            setattr(sys, name, open(os.devnull, "r+", encoding="utf-8"))  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    for number in _signals("SIGTERM", "SIGHUP"):
        if signal.getsignal(number) is signal.SIG_DFL:  # which it is not under nohup
            signal.signal(number, _interrupt)


def finish(status: int) -> NoReturn:
    """End the process at once.

    All is closed by now. At an ordinary end the driver waits half a second for its threads, and a
    Ctrl-C in that time would look like a failure.
    """
    for number in _signals("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(number, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(status)


def _signals(*names: str) -> list[signal.Signals]:
    # Windows has no SIGHUP.
    return [signal.Signals[name] for name in names if name in signal.Signals.__members__]


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _write(line: str | bytes, *, err: bool = False, endless: bool = False) -> None:
    stream = sys.stderr if err else sys.stdout
    try:
        click.echo(line, err=err)
    except OSError as error:
        _silence(stream)
        if endless and isinstance(error, BrokenPipeError):
            raise ReaderGoneError from None
        if not err and not isinstance(error, BrokenPipeError):
            raise UsageError(
                f"cannot write to standard output: {error.strerror}; make room there, or let it go"
                " elsewhere"
            ) from None


def _silence(stream: IO[Any]) -> None:
    # Otherwise the interpreter tries to write the rest at its end, and complains.
    with contextlib.suppress(OSError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
