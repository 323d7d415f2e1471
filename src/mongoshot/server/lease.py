"""Leases: a database is written by one run at a time, on one machine or two.

The ledger's entry of a database says who has it, and until when. A lease is taken, renewed and
given back by one atomic update each, by the server's clock, so that the clocks of the machines do
not matter. A holder that has died is known by its process on its own machine, at once, and anywhere
else by its lease, which then runs out.

No lease can stop a process that stood still until its lease was another's, goes on, and sends the
write that it was about to send. But its next test fails instead of writing, and what it enters in
the ledger (`ledger.write_baseline`) is refused, so that nobody believes what it has left.

Tests may drop every database that they find, and the ledger with them. Whoever has a lease knows
that the database is mongoshot's, and enters it again.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mongoshot.errors import DatabaseInUseError, MongoshotError
from mongoshot.server.connection import Database, describe
from mongoshot.server.ledger import (
    end_leases,
    find_ledger,
    read_entry,
    record_ownership,
    renew_leases,
    take_lease,
)

if TYPE_CHECKING:
    from typing import Self

    from mongoshot.server.ledger_entry import Ownership

#: Seconds after which a lease that was not renewed is over.
DURATION = 60.0

_RENEWALS = 3  # in that time

#: Those of this process that hold, or may hold, a lease: one whose end never reached the server is
#: known by not being here.
_LIVING: weakref.WeakValueDictionary[str, Leases] = weakref.WeakValueDictionary()
_ATTEMPTS = 5  # at a lease that changes hands while it is looked at


@dataclass(frozen=True, slots=True)
class _Held:
    """Hold what was entered of a database, to be entered again."""

    database: Database
    ownership: Ownership
    for_a_run: bool


class Leases:
    """Hold the leases of one run, and renew them until `release`, the end of the block.

    A thread renews all with one command, for as long as this object lives, and its process.
    """

    def __init__(self, what: str, *, shares: bool = False, duration: float | None = None) -> None:
        """Hold none yet; `what` tells others what runs here, `duration` is in seconds.

        With `shares`, a database that something else in this process has is nobody else's.
        """
        self._holder = secrets.token_hex(8)
        self._what = what
        self._shares = shares
        self._duration = DURATION if duration is None else duration
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._ledger: bytes | None = None
        self._renewed = 0.0
        self._lost: str | None = None
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        """Begin the block in which they are held."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give them back."""
        self.release()

    def take(self, database: Database, *, for_a_run: bool = False) -> None:
        """Take the lease of a database that is in the ledger; one that is held is renewed.

        `for_a_run` enters, too, that tests use it from now on. Raises DatabaseInUseError with who
        has it, ServerError.
        """
        gone: list[str] = []
        _LIVING[self._holder] = self
        for _ in range(_ATTEMPTS):
            asked = _now()
            took = self._enter(database, gone, for_a_run=for_a_run)
            entry = read_entry(database)
            if took:
                ownership = entry.ownership if entry else "created"
                self._keep(_Held(database, ownership, for_a_run), asked)
                return
            lease = entry.lease if entry else None
            if lease is None or not lease.is_held:
                continue
            if self._shares and lease.is_of_this_process:
                return
            left = lease.is_of_this_process and lease.holder not in _LIVING
            if not left and not lease.process.is_gone:
                raise DatabaseInUseError(in_use(database, str(lease)))
            gone.append(lease.holder)
        raise DatabaseInUseError(in_use(database, "one run after another"))

    def check(self) -> None:
        """Raise DatabaseInUseError where a lease was lost; ask the server only where time is up.

        It is where this process stood still, or had no connection. Raises ServerError.
        """
        if self._held and _now() - self._renewed >= self._duration:
            self.renew()
        if self._lost is not None:
            raise DatabaseInUseError(self._lost)

    def renew(self) -> None:
        """Renew all at once; one that is another's by now was lost. Raises ServerError."""
        if self._is_a_fork():
            return
        with self._lock:
            if not self._held or self._lost is not None:
                return
            asked = _now()
            if self._renew() or (self._enter_again() and self._renew()):
                self._renewed = asked
            else:
                self._lost = self._say_lost()

    def forget(self, database: Database) -> None:
        """Renew the lease of a database no longer, which goes in a moment."""
        with self._lock:
            self._held.pop(database.name, None)

    def release(self) -> None:
        """Give back all, so that the next run may begin at once."""
        if self._is_a_fork():
            return
        self._stop.set()
        _LIVING.pop(self._holder, None)
        with self._lock:
            held, self._held = self._held, {}
        if held:
            with contextlib.suppress(MongoshotError):  # the server may be gone
                end_leases([each.database for each in held.values()], self._holder)

    def _is_a_fork(self) -> bool:
        """Tell whether this is a fork, whose parent has the leases, and maybe the lock."""
        return self._pid != os.getpid()

    def _enter(self, database: Database, gone: list[str], *, for_a_run: bool) -> bool:
        return take_lease(
            database, self._holder, self._what, self._duration, gone=gone, for_a_run=for_a_run
        )

    def _renew(self) -> bool:
        databases = [each.database for each in self._held.values()]
        return renew_leases(databases, self._holder, self._duration) == len(databases)

    def _enter_again(self) -> bool:
        """Enter all in a new ledger where theirs was dropped; return whether it was."""
        client = next(iter(self._held.values())).database.client
        if find_ledger(client) == self._ledger:
            return False
        for each in self._held.values():
            record_ownership(each.database, each.ownership, only_if_new=True)
            self._enter(each.database, [], for_a_run=each.for_a_run)
        self._ledger = find_ledger(client)
        return True

    def _keep(self, held: _Held, asked: float) -> None:
        with self._lock:
            first = not self._held
            if first:
                self._ledger = find_ledger(held.database.client)
            self._renewed = asked if first else min(self._renewed, asked)
            self._held[held.database.name] = held
        if first:
            self._stop.set()
            self._stop = threading.Event()
            threading.Thread(
                target=_keep_renewing,
                args=(weakref.ref(self), self._stop, self._duration / _RENEWALS),
                name="mongoshot-leases",
                daemon=True,
            ).start()

    def _say_lost(self) -> str:
        for database in (each.database for each in self._held.values()):
            entry = read_entry(database)
            if entry is None:
                return (
                    f"{describe(database)} is not this run's any more, and is not written to:"
                    " somebody took it out of the ledger, by mongoshot disown"
                )
            if entry.lease is None or entry.lease.holder != self._holder:
                return (
                    f"{describe(database)} is not this run's any more, and is not written to: this"
                    f" process stood still, or had no connection, for over {self._duration:g} s,"
                    f" and {entry.lease or 'another'} has taken it; start this run again"
                )
        return "a database of this run's changed hands, and none is written to; start the run again"


def in_use(database: Database, by: str) -> str:
    """Say who has a database, and what to do."""
    return (
        f"{describe(database)} is in use by {by}; wait until that has ended, or take another"
        " database: --db-name NAME"
    )


def _keep_renewing(reference: weakref.ref[Leases], stop: threading.Event, seconds: float) -> None:
    pause = seconds
    while not stop.wait(pause):
        if (leases := reference()) is None:
            return
        try:
            leases.renew()
            pause = seconds
        except MongoshotError:  # the connection is lost, for a while maybe
            pause = seconds / 4
        del leases  # or it would live as long as this thread


def _now() -> float:
    """Return seconds that go on while a machine sleeps, and that no test freezes."""
    clock = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
    return time.monotonic() if clock is None else time.clock_gettime(clock)
