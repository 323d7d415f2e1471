"""The report: one table, ratios first, and the same with spreads as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.benchmarks.rows import SCALES, Bar, Ratio, Row
from tests.benchmarks.samples import Samples

#: 1.2345 is shown as 1.23, 12.345 as 12.3, 1234.5 as 1,234.
_SIGNIFICANT = 3


def ratios_first(rows: Sequence[Row | Ratio]) -> list[Row | Ratio]:
    """Sort rows: ratios, which carry over to other machines, before times."""
    return sorted(rows, key=lambda row: isinstance(row, Row))


def to_text(
    rows: Sequence[Row | Ratio], samples: Samples, sizes: Sequence[int], about: Mapping[str, Any]
) -> str:
    """Write the table, in Markdown, with what it was measured with above and notes below."""
    head = ["measure", *map(size_text, sizes), "unit", "bar", ""]
    lines = [_cells(row, row.values(samples, sizes), sizes) for row in ratios_first(rows)]
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    rule = ["-" * width if not at else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
    text = [_line(cells, widths) for cells in (head, rule, *lines)]
    said = [f"{key}: {value}" for key, value in about.items()]
    labels = {row.key: row.label for row in rows}
    notes = [f"{labels.get(key, key)}: {note}" for key, note in samples.notes.items()]
    return "\n".join(["; ".join(said), "", *text, "", *notes])


def to_json(
    rows: Sequence[Row | Ratio], samples: Samples, sizes: Sequence[int], about: Mapping[str, Any]
) -> str:
    """Write the results for a program: what the table has, and how far the samples spread."""
    found = [_result(row, samples, sizes) for row in ratios_first(rows)]
    return json.dumps({"about": dict(about), "rows": found}, indent=2) + "\n"


def size_text(size: int) -> str:
    """Write a number of documents as short as it is known: 1k, 20k, 1M."""
    for unit, letter in ((10**6, "M"), (10**3, "k")):
        if size >= unit and size % unit == 0:
            return f"{size // unit}{letter}"
    return str(size)


def _result(row: Row | Ratio, samples: Samples, sizes: Sequence[int]) -> dict[str, Any]:
    values = row.values(samples, sizes)
    result: dict[str, Any] = {
        "key": row.key,
        "label": row.label,
        "unit": row.unit,
        "values": {str(size): value for size, value in values.items()},
    }
    if isinstance(row, Row):
        spreads = {size: samples.spread(row.key, size, SCALES[row.unit]) for size in values}
        result["spread"] = {str(size): spread for size, spread in spreads.items()}
    if row.bar is not None:
        result["bar"] = {"sense": row.bar.sense, "limit": row.bar.limit, "size": row.bar.size}
        missed = row.bar.missed_at(values)
        result["met"] = None if missed is None else not missed
    if row.key in samples.notes:
        result["note"] = samples.notes[row.key]
    return result


def _cells(row: Row | Ratio, values: dict[int, float], sizes: Sequence[int]) -> list[str]:
    shown = [_number(values[size]) if size in values else "" for size in sizes]
    return [row.label, *shown, row.unit, _bar_text(row.bar), _verdict(row.bar, values)]


def _bar_text(bar: Bar | None) -> str:
    if bar is None:
        return ""
    at = "" if bar.size is None else f" at {size_text(bar.size)}"
    return f"{bar.sense} {bar.limit:g}{at}"


def _verdict(bar: Bar | None, values: dict[int, float]) -> str:
    missed = bar.missed_at(values) if bar else None
    if missed is None:
        return ""
    return f"MISSED at {', '.join(map(size_text, missed))}" if missed else "met"


def _number(value: float) -> str:
    whole = len(str(int(abs(value))))
    return f"{value:,.{max(0, _SIGNIFICANT - whole)}f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.rjust(width) if at else cell.ljust(width)
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "| " + " | ".join([first, *others]) + " |"
