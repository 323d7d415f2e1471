"""The stage of a test run: whichever scenario the next test asks for, each in a database."""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from mongoshot.config import Settings
from mongoshot.errors import (
    CommandError,
    DatabaseInUseError,
    MongoshotError,
    OwnershipError,
)
from mongoshot.server.catalog import list_uuids
from mongoshot.server.connection import Client, Database, named_database
from mongoshot.server.current import CurrentDatabase, Use, switch
from mongoshot.server.lease import Leases
from mongoshot.server.ledger import end_use
from mongoshot.server.left import take_left
from mongoshot.server.ownership import abandon, claim
from mongoshot.server.tracking.window import LateWrites
from mongoshot.snapshot.model import Scenario
from mongoshot.snapshot.overlay import overlay
from mongoshot.snapshot.steps.state import find_scenario
from mongoshot.staging.staged import Staged, restore, resume
from mongoshot.staging.statistics import Statistics, describe_late

#: Names of scenarios that are laid over each other, of a recording as `name@step`; none stand for
#: an empty database.
Names = tuple[str, ...]

_LONGEST_NAME = 63  # bytes of a database's name
_SETTLING = 10.0  # seconds that threads and processes of a run may take to end


class Stage:
    """Keep scenarios staged, test after test: a reset where one is staged already.

    The scenario `main` has the database `name`, each other one of its own, `name__scenario`, up to
    the number that the settings allow. Beyond it, the one that was not used for the longest time
    is dropped for the next.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        settings: Settings,
        *,
        url: str = "",
        main: Names = (),
        verify: bool = False,
        find: Callable[[str], Scenario] | None = None,
        spare: Iterable[str] = (),
        what: str = "pytest",
    ) -> None:
        """Use databases of `client` for all tests; `verify` proves each reset before its test.

        `url` is that of the server, for clients of other kinds; `find` gives the scenario of a
        name, where that is not always in the settings' directory; `what` tells other runs who has
        the databases. Claims the main one, before a fixture of the user's writes to it: where
        another run has it, the first of the names `spare` that is free. Raises OwnershipError.
        """
        self.url = url
        self._main = main
        self._settings = settings
        self._most = settings.scenario_databases
        self._verify = verify
        self._find = find or partial(find_scenario, directory=settings.snapshots_path)
        self._leases = Leases(f"{what} in {settings.project.root.name}")
        self._unused: dict[str, Database] = {}  # claimed, and nothing is staged there
        self.statistics = Statistics()
        try:
            self._main_database = self._claim_main(named_database(client, name), spare)
        except BaseException:
            self._leases.release()  # it may have been taken, and the reply lost
            raise
        self.database = CurrentDatabase(self._main_database)
        self.remarks: list[str] = []
        # The one that was used last comes last.
        self._staged: dict[Names, Staged] = {}
        self._last_test: dict[Names, str] = {}
        self._in_use = False
        self._shared = False

    def prepare(
        self,
        names: Names,
        test: str = "",
        *,
        furniture: Iterable[str] = (),
        counts: bool = False,
    ) -> Staged:
        """Bring a database to the scenarios `names`, laid over each other; none means empty.

        Collections of `furniture` are there, empty, where the scenarios have none of that name.
        With `counts`, changes count from the last time that something was arranged in it.

        `database` is that one from then on; `remarks` say what was found on the way. Raises
        SnapshotNotFoundError and whatever a restore or a reset raises; the next call for the same
        names then believes no more than the ledger. Raises DatabaseInUseError where another run has
        taken one of the databases.
        """
        self.remarks = []
        self._leases.check()
        staged = self._staged.pop(names, None)
        if staged is None:
            staged = self._start(names)
            staged.before_reset = self._leases.check  # a test may reset it, too
        else:
            report = staged.reset()
            self.statistics.add_reset(report, self._last_test.get(names, ""))
            self._note_late(names, report.late)
        if self._verify:
            staged.verify()
        staged.furnish(furniture)
        self._staged[names] = staged
        self._last_test[names] = test
        switch(self.database, staged.database, Use(staged.mark if counts else None))
        self._in_use = True
        return staged

    @contextlib.contextmanager
    def scenario(self, *names: str, test: str = "the last block") -> Iterator[Staged]:
        """Stage the scenarios `names`, laid over each other, for the length of a block.

        Gives the staged database: `database`, `changes()`, `mark()`, `reset()`. It stays as the
        block leaves it until the next one. `test` names the block where something is to be said of
        it. Raises what `prepare` does.
        """
        staged = self.prepare(names, test, counts=True)
        try:
            yield staged
        finally:
            self.finish(names)

    def share(self) -> str:
        """Let all scenarios share one database from now on, and return its name.

        It is the main one; but where a test is under way, that test's, as what the test and its
        fixtures have been given is there. The others are left.
        """
        if not self._shared:
            self._shared = True
            self._most = 1
            if self._in_use:
                self._main_database = next(reversed(self._staged.values())).database
            for names, staged in list(self._staged.items()):
                if staged.database.name != self._main_database.name:
                    self._leave(names, staged)
                    del self._staged[names]
        return self._main_database.name

    def finish(self, names: Names) -> None:
        """Say that the test which `names` were staged for is done, its fixtures included."""
        with contextlib.suppress(MongoshotError):  # without it, late writes have no name
            if names in self._staged:
                self._staged[names].finish()
        self._in_use = False

    def close(self) -> None:
        """Leave the databases; what the last tests have put there is mongoshot's to overwrite.

        The next run, which may wait for that, has them then.
        """
        with contextlib.suppress(MongoshotError):
            self._leases.renew()  # where a test dropped the ledger, they are entered again
        for names, staged in self._staged.items():
            self._leave(names, staged)
        for database in self._unused.values():
            with contextlib.suppress(MongoshotError):
                end_use(database, list_uuids(database), take_left(database, _SETTLING))
        self._leases.release()

    def _leave(self, names: Names, staged: Staged) -> None:
        with contextlib.suppress(MongoshotError):  # the server may be gone
            # No test will meet what was written here meanwhile, by a program that takes this
            # for the database of its test. The current one is cleaned up by fixtures.
            if staged.database.name != self.database.name:
                self._note_late(names, staged.late())
            staged.remember(_SETTLING)

    def _claim_main(self, wanted: Database, spare: Iterable[str]) -> Database:
        try:
            self._claim(wanted)
        except DatabaseInUseError as in_use:
            for name in spare:
                database = named_database(wanted.client, name)
                with contextlib.suppress(OwnershipError):  # another run's, too, or somebody else's
                    self._claim(database)
                    note = f"{in_use.args[0].partition(';')[0]}: this run took {name}"
                    self.statistics.notes.append(note)
                    return database
            raise
        return wanted

    def _claim(self, database: Database) -> None:
        allowed = self._settings.project.allowed_hosts
        claim(database, allowed, for_a_run=True, leases=self._leases)
        self._unused[database.name] = database

    def _note_late(self, names: Names, late: tuple[LateWrites, ...]) -> None:
        found = [describe_late(writes, self._last_test[names]) for writes in late]
        self.remarks += found
        self.statistics.late += found

    def _start(self, names: Names) -> Staged:
        started = time.perf_counter()
        scenario = self._load(names)
        database = self._place(names)
        self._unused.pop(database.name, None)
        warm = None
        if not self._verify:  # which proves more where all has been loaded in this very run
            warm = resume(scenario, database, natural_order=self._settings.natural_order)
        if warm is not None:
            self.statistics.add_warm_start(warm[1], time.perf_counter() - started)
            return warm[0]
        staged = restore(
            scenario,
            database,
            # From the first test on, whatever is in the database the tests have put there.
            claimed=True,
            verifiable=self._verify,
            natural_order=self._settings.natural_order,
        )
        self.statistics.loads.append(time.perf_counter() - started)
        return staged

    def _load(self, names: Names) -> Scenario:
        return overlay([self._find(name) for name in names])

    def _place(self, names: Names) -> Database:
        """Choose and claim the database for a scenario, and forget what was staged there."""
        database = self._main_database
        if names != self._main and self._most > 1:
            try:
                database = self._own_place(names)
            except (OwnershipError, CommandError) as error:
                self._most = 1
                self.statistics.notes.append(
                    f"all scenarios share {database.name}, and each change of scenario loads:"
                    f" {error}"
                )
        kept = {
            other: staged
            for other, staged in self._staged.items()
            if staged.database.name != database.name
        }
        if self._shared and len(kept) < len(self._staged):
            self.statistics.notes.append(
                f"tests ask for db_name, so all scenarios share {database.name}, and each change of"
                " scenario loads"
            )
        self._staged = kept
        return database

    def _own_place(self, names: Names) -> Database:
        base = self._main_database
        own = named_database(base.client, database_name(base.name, names))
        self._claim(own)
        others = [staged for other, staged in self._staged.items() if other != self._main]
        if len(others) >= self._most - 1:
            self._leases.forget(others[0].database)
            abandon(others[0].database)
            self._staged = {n: s for n, s in self._staged.items() if s is not others[0]}
            self.statistics.notes.append(
                f"more scenarios than scenario-databases ({self._most}): the one that was not used"
                " for the longest time made room, and is loaded again when it is"
            )
        return own


def spare_names(settings: Settings, worker: str = "") -> Iterator[str]:
    """Name databases to take where another run has the first: none where that was asked for.

    `worker` is added to each. An application may have a name that was asked for in its settings.
    """
    if not settings.db_name_is_given:
        for number in range(2, 100):
            yield f"{settings.db_name}_{number}{worker}"


def database_name(base: str, names: Names) -> str:
    """Name the database of a scenario for a person: `test_db__shop`, `test_db__empty`."""
    wanted = "+".join(names) or "empty"
    plain = re.sub(r"[^a-z0-9_+-]+", "-", wanted.lower())
    name = f"{base}__{plain}"
    # No two scenarios share a name: `a+b` may be one, and `empty` too.
    plainly = plain == wanted and "+" not in "".join(names) and names != ("empty",)
    if plainly and len(name.encode()) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(f"{base} {wanted}".encode()).hexdigest()[:8]
    return f"{name.encode()[: _LONGEST_NAME - 9].decode(errors='ignore')}-{digest}"
