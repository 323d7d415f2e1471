"""Run a Python module as `python -m` does, and write to a file the most memory that it had.

Called as `measure.py FILE MODULE ARGUMENT…`. The number is the kernel's own, in kB, for this
process alone: https://man7.org/linux/man-pages/man5/proc_pid_status.5.html (VmHWM). What
`getrusage` says would begin with the process that started this one.
"""

from __future__ import annotations

import atexit
import os
import re
import runpy
import sys
from pathlib import Path


def _keep(file: str) -> None:
    status = Path("/proc/self/status").read_text("utf-8")
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None
    Path(file).write_text(peak[1], "utf-8")


def _main(file: str, module: str) -> None:
    leave = os._exit

    def keep_and_leave(status: int) -> None:  # the command line leaves so
        _keep(file)
        leave(status)

    os._exit = keep_and_leave  # type: ignore[assignment]
    atexit.register(_keep, file)
    del sys.argv[1:3]
    sys.path[0] = str(Path.cwd())
    runpy.run_module(module, run_name="__main__", alter_sys=True)


_main(*sys.argv[1:3])
