"""Proof that a reset has left exactly what the restore did: the server hashes all of it."""

from __future__ import annotations

from mongoshot.comparison.difference import compare
from mongoshot.errors import RestoreError
from mongoshot.server.collections import live_state
from mongoshot.server.connection import Database, describe
from mongoshot.server.tracking.fingerprints import Fingerprint, take_fingerprint
from mongoshot.snapshot.model import MemoryState, Scenario


def check_proof(proof: Fingerprint, scenario: Scenario, database: Database) -> None:
    """Raise RestoreError unless a database has the fingerprint that it had once restored."""
    if wrong := take_fingerprint(database).touched_since(proof):
        raise RestoreError(
            f"{describe(database)} is not what the scenario {scenario.label} says, in"
            f" {', '.join(wrong)}: another program writes to it, or this is a fault of mongoshot;"
            " give the tests a database of their own with --db-name"
            f"\n{_what_differs(wrong, scenario, database)}"
        )


def _what_differs(names: list[str], scenario: Scenario, database: Database) -> str:
    live = live_state(database).collections
    expected, found = (
        MemoryState(label, {name: state[name] for name in names if name in state})
        for label, state in (
            (scenario.label, scenario.collections),
            (describe(database), live),
        )
    )
    difference = compare(expected, found)
    return str(difference) if difference else "its documents agree by now, or their order"
