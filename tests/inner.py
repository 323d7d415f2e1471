"""Runs of pytest that tests start: what they do without."""

from __future__ import annotations

#: Plugins that this project needs, and its users may not have: loading them takes most of a run.
#: An inner run that is about one of them switches it on: `-p randomly`.
NOT_LOADED = (
    "hypothesispytest",
    "faker",
    "asyncio",
    "anyio",
    "randomly",
    "repeat",
    "rerunfailures",
)


def without_plugins(*loaded: str) -> str:
    """Write the options of pytest that block these plugins, but for those that are `loaded`."""
    return " ".join(f"-p no:{name}" for name in NOT_LOADED if name not in loaded)
