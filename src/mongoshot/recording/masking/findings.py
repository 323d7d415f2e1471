"""What may not be written: counted by path while documents pass, and told in one line."""

from __future__ import annotations

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mongoshot.errors import UnmaskedError
from mongoshot.snapshot.encoding.style import quoted

_SHAPE_LENGTH = 20

#: Fields below one parent from which on they are taken for the keys of a map.
_MAP = 32

Reason = Literal["secret", "refused", "unnamed"]

_NAME = re.compile(r"[^\W\d][\w$-]{0,39}|\$[a-z]\w{0,39}")
_GENERATED = re.compile(r"(?=.*[0-9])[0-9a-fA-F-]{8,}|.*[0-9]{5}.*")
_PLAIN_COLLECTION = re.compile(r"[\w$-]+(?:\.[\w$-]+)*")


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold what is wrong at a path: why, with what (never a value), and the mask to take."""

    path: str
    reason: Reason
    what: str
    advice: str


class Findings:
    """Count findings; one object for each reading of a collection."""

    def __init__(self) -> None:
        self._counts: Counter[Finding] = Counter()
        self._shapes: dict[str, str] = {}

    def add(self, finding: Finding, shape: str = "") -> None:
        """Count a finding; the shape of the first value of a path is kept."""
        self._counts[finding] += 1
        if shape:
            self._shapes.setdefault(finding.path, shape)

    def __bool__(self) -> bool:
        return bool(self._counts)

    def lines(self) -> list[tuple[Finding, int, str]]:
        """Return all findings with their counts, and with the shape of a value, by path.

        Where a document has many fields, they are taken for the keys of a map: `*`.
        """
        siblings: defaultdict[str, set[str]] = defaultdict(set)
        for finding in self._counts:
            parent, _, last = finding.path.rpartition(".")
            siblings[parent].add(last)
        counts: Counter[Finding] = Counter()
        shapes: dict[str, str] = {}
        for finding, count in self._counts.items():
            path = finding.path
            parent, _, last = path.rpartition(".")
            if "." in parent and len(siblings[parent]) > _MAP:
                path = f"{parent}.*" + "[]" * last.count("[]")
            counts[Finding(path, finding.reason, finding.what, finding.advice)] += count
            if finding.path in self._shapes:
                shapes.setdefault(path, self._shapes[finding.path])
        return [
            (finding, counts[finding], shapes.get(finding.path, ""))
            for finding in sorted(counts, key=lambda each: (each.path, each.what))
        ]


def shown_collection(name: str) -> str:
    """Write a collection as the first step of a pattern."""
    return name if _PLAIN_COLLECTION.fullmatch(name) else f"[{quoted(name)}]"


def shown_key(key: bytes) -> str:
    """Write a field as a step of a pattern: `*` where its name may be data itself.

    The keys of a map may be e-mail addresses; an error is no place for them.
    """
    try:
        name = key.decode()
    except UnicodeDecodeError:
        return ".*"
    if not _NAME.fullmatch(name) or _GENERATED.fullmatch(name):
        return ".*"
    return f".{name}"


def shape_of_value(text: str) -> str:
    """Show what a text looks like, `Aaaa-999`, and nothing of what it says."""
    shape = []
    for each in text[:_SHAPE_LENGTH]:
        if each.isdigit():
            shape.append("9")
        elif each.isalpha():
            shape.append("A" if each.isupper() else "a")
        else:
            shape.append(each if each.isascii() and each.isprintable() else "?")
    return "".join(shape)


def raise_unmasked(found: Sequence[tuple[Finding, int, str]], misspelled: Sequence[str]) -> None:
    """Raise UnmaskedError with all findings in one line; return where there are none."""
    reasons: dict[Reason, str] = {
        "secret": "secrets that no rule covers",
        "refused": "values that their mask does not take",
        "unnamed": "fields that no rule names, where the policy is deny",
    }
    parts = []
    for reason, said in reasons.items():
        lines = _merged([line for line in found if line[0].reason == reason])
        if lines:
            parts.append(f"{said}: {'; '.join(lines)}")
    if misspelled:
        parts.append(f"rules that name no field: {'; '.join(misspelled)}")
    if parts:
        raise UnmaskedError(
            f"nothing was captured, as there are {'; and '.join(parts)}."
            " A rule is --mask PATH=MASK, or a line in [tool.mongoshot.masking.rules];"
            " PATH=keep lets a field pass as it is"
        )


def _merged(found: Sequence[tuple[Finding, int, str]]) -> list[str]:
    """Tell of each path what it holds, and one mask to take: that of what is there most."""
    by_path: defaultdict[str, list[tuple[int, Finding, str]]] = defaultdict(list)
    for finding, count, shape in found:
        by_path[finding.path].append((count, finding, shape))
    lines = []
    for path, entries in by_path.items():
        entries.sort(key=lambda entry: -entry[0])
        told = ", ".join(f"{count} times {finding.what}" for count, finding, _ in entries)
        shape = next((shape for _, _, shape in entries if shape), "")
        advice = next((finding.advice for _, finding, _ in entries if finding.advice), "")
        looks = f", like {shape}" if shape else ""
        typed = f": --mask {shlex.quote(f'{path}={advice}')}" if advice else ""
        lines.append(f"{path} ({told}{looks}){typed}")
    return lines
