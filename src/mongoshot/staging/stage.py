"""The stage of a test run: one database, and whichever scenario the next test asks for."""

from __future__ import annotations

import contextlib
from pathlib import Path

from mongoshot.config import Settings
from mongoshot.errors import MongoshotError
from mongoshot.server.connection import Database
from mongoshot.server.ownership import claim, remember_collections
from mongoshot.snapshot.directory import load_scenario
from mongoshot.snapshot.overlay import overlay
from mongoshot.staging.staged import Staged, restore


class Stage:
    """Keep one database staged, test after test: reset while the scenario stays the same."""

    def __init__(self, database: Database, settings: Settings, *, verify: bool = False) -> None:
        """Use `database` for all tests; `verify` proves each reset before its test begins.

        Claims the database, before a fixture of the user's writes to it. Raises OwnershipError.
        """
        self.database = database
        self._snapshots: Path = settings.snapshots_path
        claim(database, settings.project.allowed_hosts)
        self._verify = verify
        self._names: tuple[str, ...] | None = None
        self._staged: Staged | None = None

    def close(self) -> None:
        """Leave the database; what the last test has put there stays mongoshot's to overwrite."""
        with contextlib.suppress(MongoshotError):  # the server may be gone, and the tests are done
            remember_collections(self.database)

    def prepare(self, names: tuple[str, ...]) -> Staged:
        """Bring the database to the scenarios `names`, laid over each other; none means empty.

        Raises SnapshotNotFoundError and whatever a restore or a reset raises; the next call then
        starts with a full restore.
        """
        staged, self._staged = self._staged, None
        if staged is not None and names == self._names:
            staged.reset()
        else:
            layers = [load_scenario(name, self._snapshots) for name in names]
            staged = restore(
                overlay(layers),
                self.database,
                # From the first test on, whatever is in the database the tests have put there.
                claimed=True,
                verifiable=self._verify,
            )
        if self._verify:
            staged.verify()
        self._names, self._staged = names, staged
        return staged
