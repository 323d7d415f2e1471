"""What may not be written: counted by path while documents pass, and told in one line."""

from __future__ import annotations

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mongoshot.errors import UnmaskedError
from mongoshot.snapshot.encoding.style import quoted

_SHAPE_LENGTH = 20

#: Fields of one parent from which on they are taken for the keys of a map; those of a document.
_MAP = 32
_DOCUMENT = 256

#: Findings of a collection from which on fields are no longer told apart.
_MOST = 5000

Reason = Literal["secret", "refused", "unnamed"]

_STEP = re.compile(r"\[\]|\.[^.\[]+")
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

    def __init__(self, root: str) -> None:
        """Take the collection, as the paths of findings have it."""
        self._root = root
        self._counts: Counter[Finding] = Counter()
        self._shapes: dict[str, str] = {}

    def add(self, finding: Finding, shape: str = "") -> None:
        """Count a finding; the shape of the first value of a path is kept."""
        if len(self._counts) >= _MOST and finding not in self._counts:
            field = self._steps(finding.path)[0]
            finding = replace(finding, path=f"{self._root}{field}.**")
        self._counts[finding] += 1
        if shape:
            self._shapes.setdefault(finding.path, shape)

    def __bool__(self) -> bool:
        return bool(self._counts)

    def lines(self) -> list[tuple[Finding, int, str]]:
        """Return all findings with their counts, and with the shape of a value, by path.

        Where a document has many fields, they are taken for the keys of a map: `*`.
        """
        paths = {finding.path for finding in self._counts}
        generic = _generic({path: self._steps(path) for path in paths}, 0)
        counts: Counter[Finding] = Counter()
        shapes: dict[str, str] = {}
        for finding, count in self._counts.items():
            path = self._root + generic[finding.path]
            counts[replace(finding, path=path)] += count
            if finding.path in self._shapes:
                shapes.setdefault(path, self._shapes[finding.path])
        return [
            (finding, counts[finding], shapes.get(finding.path, ""))
            for finding in sorted(counts, key=lambda each: (each.path, each.what))
        ]

    def _steps(self, path: str) -> list[str]:
        return _STEP.findall(path[len(self._root) :]) or [""]


def _generic(paths: dict[str, list[str]], depth: int) -> dict[str, str]:
    """Return paths, given with their steps, with `*` for those steps that are keys of maps."""
    below: defaultdict[str, dict[str, list[str]]] = defaultdict(dict)
    for path, steps in paths.items():
        below[steps[depth] if depth < len(steps) else ""][path] = steps
    if len(below) > (_MAP if depth else _DOCUMENT):
        ended = below.pop("", {})
        below = defaultdict(
            dict, {"": ended, ".*": {p: s for g in below.values() for p, s in g.items()}}
        )
    found: dict[str, str] = {}
    for step, group in below.items():
        if step:
            rest = _generic(group, depth + 1)
            found.update({path: step + rest[path] for path in group})
        else:
            found.update(dict.fromkeys(group, ""))
    return found


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
