"""All that the assertions of a run found not as expected, as a page to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mongoshot.comparison.page import rows
from mongoshot.comparison.page.frame import Words, escape, to_page
from mongoshot.comparison.page.room import share
from mongoshot.comparison.page.rows import Entry


def report_to_html(failures: Sequence[dict[str, Any]], compared: int) -> str:
    """Write the page of a run, of what `mismatch_data` has made of each assertion that failed.

    `compared` is the number of all assertions. What is more than a page holds is left out, of each
    assertion, collection and kind its fair share; the page says how many, and the counts are of
    all. The order in which the failures came does not matter.
    """
    failures = sorted(fit(failures), key=lambda failure: (failure["name"], failure["file"]))
    heading = say_result(len(failures), compared)
    data = {
        "report": True,
        "compared": compared,
        "comparisons": failures,
        "cutValues": sum(failure["cutValues"] for failure in failures),
        "mostOfAValue": rows.MOST_OF_A_VALUE,
    }
    words = Words(
        kind="report",
        title=heading,
        heading=escape(heading),
        counts=list(_count(failures)),
        nothing=f"{heading}.",
        listed="Assertions",
        searched="Search in test, _id, path or value",
    )
    return to_page(words, data)


def say_result(failed: int, compared: int) -> str:
    """Say in a few words how many assertions were compared, and how many were not as expected."""
    if failed:
        return f"{failed:,} of {_assertions(compared)} not as expected"
    return f"{_assertions(compared)} compared, all as expected" if compared else "Nothing compared"


def fit(failures: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out of failures what one page has no room for; what fits stays as it is."""
    failures = list(failures)
    groups = {
        (failure, collection, kind): entries
        for failure, data in enumerate(failures)
        for collection, found in enumerate(data["collections"])
        for kind, entries in found["entries"].items()
    }

    def same(_: object, entry: Entry) -> Entry:
        return entry

    shown = share(groups, same)
    return [
        data
        | {
            "collections": [
                found | {"entries": {kind: shown[at, index, kind] for kind in found["entries"]}}
                for index, found in enumerate(data["collections"])
            ]
        }
        for at, data in enumerate(failures)
    ]


def _assertions(count: int) -> str:
    return f"{count:,} assertion{'' if count == 1 else 's'}"


def _count(failures: Iterable[dict[str, Any]]) -> Iterator[str]:
    for failure in failures:
        counts = [f"{found['name']}: {found['counts']}" for found in failure["collections"]]
        said = [*counts, failure["problem"], *failure["notes"]]
        yield f"{failure['name']}: {'; '.join(filter(None, said))}"
