"""A process that has imported everything and started nothing: each of its forks is a new program.

`python -m tests.faults.nursery` reads one request a line, and answers each with one line, as JSON.
A fork costs some milliseconds where a new interpreter with the driver costs half a second. It has
no thread and no client when it forks.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from tests.faults.points import Fault, Points, install

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Say what became of a child.

    `status` is negative for a signal. `points` are those that it reached, where it could say so;
    `fired` is the one at which the fault happened.
    """

    status: int
    stdout: str
    stderr: str
    points: tuple[tuple[str, ...], ...]
    fired: str
    escaped: tuple[str, ...]

    @property
    def was_killed(self) -> bool:
        return self.status == -signal.SIGKILL


class Nursery:
    """Run functions in processes of their own, each with a fault or without."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-B", "-m", "tests.faults.nursery"],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": "src"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def run(
        self,
        function: str,
        *arguments: Any,
        cwd: Path,
        fault: Fault | None = None,
        counting: bool = True,
        tracing: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Call `module:function` in a fork, and wait for its end."""
        request = {
            "function": function,
            "arguments": arguments,
            "cwd": str(cwd),
            "fault": asdict(fault) if fault else None,
            "counting": counting,
            "tracing": tracing,
            "environment": _passed_on() | dict(environment or {}),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return Outcome(
            answer["status"],
            answer["stdout"],
            answer["stderr"],
            tuple(tuple(point) for point in answer["points"]),
            answer["fired"],
            tuple(answer["escaped"]),
        )

    def mongoshot(self, *words: object, cwd: Path, **options: Any) -> Outcome:
        """Type a command of mongoshot."""
        return self.run("tests.faults.nursery:type_command", *map(str, words), cwd=cwd, **options)


def _passed_on() -> dict[str, str]:
    """Return variables that a test has set since the nursery began."""
    names = ("MONGOSHOT_CACHE", "TMPDIR")
    return {name: os.environ[name] for name in names if name in os.environ}


def type_command(*words: str) -> None:
    """Be the command line."""
    from mongoshot.cli import main

    sys.argv[:] = ["mongoshot", *words]
    main()


def _fork(request: dict[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            _be_child(request, writing)
        os.close(writing)
        said = b""
        while part := os.read(reading, 1 << 20):
            said += part
        os.close(reading)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        out.seek(0)
        err.seek(0)
        answer = json.loads(said) if said else {"points": [], "fired": "", "escaped": []}
        texts = {"stdout": out.read(), "stderr": err.read()}
    return answer | {"status": status} | {k: v.decode(errors="replace") for k, v in texts.items()}


def _be_child(request: dict[str, Any], writing: int) -> NoReturn:
    real_exit, real_write = os._exit, os.write
    fault = request["fault"]
    points = Points(Fault(**fault) if fault else None, tracing=request["tracing"])

    def end(status: int) -> NoReturn:
        sys.stdout.flush()
        sys.stderr.flush()
        answer = {"points": points.reached, "fired": points.fired, "escaped": points.escaped}
        data = json.dumps(answer).encode()
        while data:
            data = data[real_write(writing, data) :]
        real_exit(status)

    os._exit = end
    # The nursery's own input is no terminal of the child's.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.chdir(request["cwd"])
    os.environ.update(request["environment"])
    tempfile.tempdir = os.environ.get("TMPDIR") or tempfile.tempdir
    module, _, name = request["function"].partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
        if request["counting"]:
            install(points)
        function(*request["arguments"])
    except SystemExit as ended:
        end(ended.code if isinstance(ended.code, int) else 1)
    except BaseException:  # noqa: BLE001 - the test is to see it
        traceback.print_exc()
        end(1)
    end(0)


def main() -> None:
    """Answer requests until there are no more."""
    import faker  # noqa: F401 - masks need it, and it is slow to import
    import rich.progress  # noqa: F401

    package = ROOT / "src" / "mongoshot"
    for module in sorted(package.rglob("*.py")):
        name = ".".join(module.relative_to(package.parent).with_suffix("").parts)
        if "__main__" not in name and "supervisor" not in name:
            importlib.import_module(name.removesuffix(".__init__"))
    importlib.import_module("tests.faults.operations")
    gc.freeze()  # no child copies what its collections would touch
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_fork(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
