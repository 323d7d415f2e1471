"""What becomes of a scenario that a test needs: which of what was said counts."""

from __future__ import annotations

from dataclasses import dataclass

from mongoshot.config import RecordMode, Settings

#: What has to be typed for anything to be recorded in CI.
FLAG = "--scenario-record"


@dataclass(frozen=True, slots=True)
class Place:
    """Say where a run takes place: `ci` names the variable that says it is CI, None for a person.

    `typed` says that the mode was typed on the command line, and does not stand in a file or a
    variable that CI has, too.
    """

    ci: str | None = None
    typed: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """Say what is to become of the scenarios of a test, and where they are captured from.

    `ignored` says what was said besides and does not count, "" where all counts.
    """

    mode: RecordMode = "none"
    url: str | None = None
    name: str | None = None
    ignored: str = ""


def decide(
    settings: Settings,
    place: Place,
    *,
    record: RecordMode | None = None,
    url: str | None = None,
    name: str | None = None,
) -> Wish:
    """Decide the mode of a test: its marker, given by keyword, before the options.

    In CI nothing is recorded but what was typed there; that nothing is, a marker may say anywhere.
    """
    url, name = url or settings.scenario_source_url, name or settings.scenario_source_name
    if place.ci is None:
        return Wish(record or settings.scenario_record, url, name)
    mode: RecordMode = settings.scenario_record if place.typed and record != "none" else "none"
    said = ""
    if record is not None:
        said = f"the marker says {record}" if record != "none" else ""
    elif settings.scenario_record != "none" and not place.typed:
        said = f"{settings.scenario_record_said} says {settings.scenario_record}"
    if said:
        said += (
            f", which does not count in CI ({place.ci} is set): there, only {FLAG} on the command"
            " line does"
        )
    return Wish(mode, url, name, said)
