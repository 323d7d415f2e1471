"""Record a MongoDB dataset once, stage it before every test, assert what the test did to it.

The public names are imported when they are first used: `import mongoshot` loads no driver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mongoshot.comparison.difference import Changes, Difference, compare
    from mongoshot.comparison.inline.matchers import by_value, same_type, unordered, within
    from mongoshot.errors import MongoshotError
    from mongoshot.recording.capture import capture
    from mongoshot.snapshot.directory import Snapshot
    from mongoshot.staging.building.builder import ScenarioBuilder
    from mongoshot.staging.building.values import fake, ref, sequence
    from mongoshot.staging.opening import open_stage
    from mongoshot.staging.stage import Stage
    from mongoshot.staging.staged import ResetReport, Staged, restore
    from mongoshot.staging.templates import load_templates_from_path

_HOMES = {
    "Changes": "mongoshot.comparison.difference",
    "Difference": "mongoshot.comparison.difference",
    "MongoshotError": "mongoshot.errors",
    "ResetReport": "mongoshot.staging.staged",
    "ScenarioBuilder": "mongoshot.staging.building.builder",
    "Snapshot": "mongoshot.snapshot.directory",
    "Stage": "mongoshot.staging.stage",
    "Staged": "mongoshot.staging.staged",
    "by_value": "mongoshot.comparison.inline.matchers",
    "capture": "mongoshot.recording.capture",
    "compare": "mongoshot.comparison.difference",
    "fake": "mongoshot.staging.building.values",
    "load_templates_from_path": "mongoshot.staging.templates",
    "open_stage": "mongoshot.staging.opening",
    "ref": "mongoshot.staging.building.values",
    "restore": "mongoshot.staging.staged",
    "same_type": "mongoshot.comparison.inline.matchers",
    "sequence": "mongoshot.staging.building.values",
    "unordered": "mongoshot.comparison.inline.matchers",
    "within": "mongoshot.comparison.inline.matchers",
}

__all__ = [
    "Changes",
    "Difference",
    "MongoshotError",
    "ResetReport",
    "ScenarioBuilder",
    "Snapshot",
    "Stage",
    "Staged",
    "by_value",
    "capture",
    "compare",
    "fake",
    "load_templates_from_path",
    "open_stage",
    "ref",
    "restore",
    "same_type",
    "sequence",
    "unordered",
    "within",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("mongoshot")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
