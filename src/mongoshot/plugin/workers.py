"""What the processes of a run tell each other, under pytest-xdist or alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from mongoshot.staging.statistics import Statistics

_OWNER = "mongoshot_owner"
_STATISTICS = "mongoshot_statistics"
_RUN: pytest.StashKey[Statistics] = pytest.StashKey()


class Worker(NamedTuple):
    """Name a worker, the run that it is part of, and the process that leads the run, by its id."""

    name: str
    run: str
    owner: int


def worker_of(config: pytest.Config) -> Worker | None:
    """Say which worker this process is; None for one that runs its tests alone, or leads."""
    told: dict[str, Any] | None = getattr(config, "workerinput", None)
    return Worker(told["workerid"], told["testrunuid"], told[_OWNER]) if told else None


def tell_worker(node: Any) -> None:
    """Tell a worker, before it starts, whose server it shares: that of this process."""
    node.workerinput[_OWNER] = os.getpid()


def statistics(config: pytest.Config) -> Statistics:
    """Give what staging has cost in this process, and in its workers."""
    from mongoshot.staging.statistics import Statistics

    return config.stash.setdefault(_RUN, Statistics())


def summary(config: pytest.Config) -> list[str]:
    """Say what staging has cost, a line each; nothing where nothing was staged."""
    return config.stash[_RUN].lines() if _RUN in config.stash else []


def gather(config: pytest.Config, gathered: Statistics) -> None:
    """Add what a process has gathered to the statistics of the run."""
    statistics(config).merge(gathered.to_dict())
    if worker_of(config):
        config.workeroutput[_STATISTICS] = gathered.to_dict()  # type: ignore[attr-defined]


def hear_worker(node: Any) -> None:
    """Take over what a worker has gathered, once it is done; one that has crashed says nothing."""
    if (gathered := getattr(node, "workeroutput", {}).get(_STATISTICS)) is not None:
        statistics(node.config).merge(gathered)
