"""A stage for programs without pytest: its server, its options, and its end."""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from mongoshot.config import resolve
from mongoshot.errors import MongoshotError
from mongoshot.server.connection import connect
from mongoshot.server.provision import serve
from mongoshot.staging.stage import Stage, spare_names


@contextlib.contextmanager
def open_stage(
    db_url: str | None = None,
    db_name: str | None = None,
    snapshots_path: str | os.PathLike[str] | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
) -> Iterator[Stage]:
    """Give a stage for the length of a block: `with stage.scenario("shop") as staged:`.

    What is not given is taken from the environment (`DB_URL`, `DB_NAME`, `SNAPSHOTS_PATH`), else it
    is as for pytest: an embedded mongod where one can be found, `test_db`, `snapshots`. A relative
    path counts from `root`, the working directory unless given, and so does the search for
    pyproject.toml with its `[tool.mongoshot]`.

    Raises UsageError, MongodNotFoundError, UnreachableError, AuthenticationError, OwnershipError.
    """
    path = None if snapshots_path is None else os.fspath(snapshots_path)
    settings = resolve(
        {"db-url": db_url, "db-name": db_name, "snapshots-path": path},
        root=Path(root) if root is not None else Path.cwd(),
    )
    with serve(settings.db_url, settings.project.mongod) as url, connect(url) as client:
        stage = Stage(
            client,
            settings.db_name,
            settings,
            url=url,
            spare=spare_names(settings),
            what="a program",
        )
        try:
            yield stage
        finally:
            stage.close()


class _Common:
    """Hold the stage that all parts of a process share, or why there is none."""

    def __init__(self) -> None:
        self.stage: Stage | None = None
        self._error: MongoshotError | None = None

    def open(self) -> Stage:
        if self._error is not None:
            raise self._error
        if self.stage is None:
            opened = open_stage()
            try:
                self.stage = opened.__enter__()
            except MongoshotError as error:
                self._error = error  # else each test would wait as long as the first
                raise
            atexit.register(opened.__exit__, None, None, None)
        return self.stage


_common = _Common()


def common_stage() -> Stage:
    """Return the stage of this process; the first call opens it, and the process's end closes it.

    Takes all options from the environment. Raises what `open_stage` does, each time.
    """
    return _common.open()


def use_stage(given: Stage) -> None:
    """Let `common_stage` return a stage that the caller opens and closes."""
    _common.stage = given
