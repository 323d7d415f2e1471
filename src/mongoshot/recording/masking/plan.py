"""What becomes of each field of a collection, decided once by path.

Of the rules of a field and of what it lies in, those that were typed count before those of the
table, and then the nearest; of several that mean one path, the one that names it more exactly, and
then the first. What is dropped, null or redacted has nothing below it.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from mongoshot.errors import UsageError
from mongoshot.recording.masking import masks
from mongoshot.recording.masking.cipher import Cipher
from mongoshot.recording.masking.findings import shown_collection, shown_key
from mongoshot.recording.masking.policy import Policy, Rule
from mongoshot.recording.masking.values import TEXTS, Apply, Refused
from mongoshot.snapshot.elements import BINARY
from mongoshot.snapshot.model import Definition
from mongoshot.snapshot.paths import Pattern, path_step

PASS, KEEP, DROP, NULL, REDACT, APPLY, STOP = range(7)

_ACTIONS = {masks.KEEP: KEEP, masks.DROP: DROP, masks.NULL: NULL, masks.REDACT: REDACT}

#: How many nodes of a collection are remembered; the keys of a map may be any number.
_REMEMBERED = 20_000

#: Bytes of a value that is hashed to as many hexadecimal digits without fear of two being the same.
_HASHED = 20
_HASHABLE = TEXTS | {BINARY}


class _Compiled:
    """Match a rule against the paths of one collection."""

    __slots__ = ("_above", "_at", "exactness", "indexed", "names_id", "rule")

    def __init__(self, rule: Rule, collection: str) -> None:
        self.rule = rule
        self._at = _compile(rule.pattern.within(collection))
        above: list[str] = []
        for length in range(1, len(rule.pattern.steps)):
            above += Pattern("", rule.pattern.steps[:length]).within(collection)
        self._above = _compile(above)
        steps = rule.pattern.steps
        exact = ["*" not in (step.glob or "") and step.index != "" for step in steps]
        # Whether the field itself is named, and how much of what it lies in.
        self.exactness = (exact[-1], sum(exact))
        self.indexed = any(step.index for step in steps)
        self.names_id = any(step.glob == "_id" or step.literal == "_id" for step in steps)

    def matches(self, path: str) -> bool:
        return self._at is not None and self._at.fullmatch(path) is not None

    def reaches_below(self, path: str) -> bool:
        return self._above is not None and self._above.fullmatch(path) is not None


def _most_exact(rules: list[_Compiled]) -> _Compiled | None:
    return max(rules, key=lambda each: each.exactness, default=None)


def _compile(expressions: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(f"(?:{each})" for each in expressions)) if expressions else None


class Plan:
    """Decide for the fields of one collection."""

    def __init__(self, policy: Policy, definition: Definition, bound: dict[str, Apply]) -> None:
        """Take the masks of the policy by their text, each with the key."""
        self.name = definition.name
        self.deny = policy.unlisted == "deny"
        found = [_Compiled(rule, definition.name) for rule in policy.rules]
        self.rules = [each for each in found if each.rule.pattern.within(definition.name)]
        self.indexed = any(each.indexed for each in self.rules)
        self.bound = bound
        self.unique = unique_paths(definition)
        self.used: set[Rule] = set()
        self.remembered = 0
        self.root = Node(self, None, "", "", shown_collection(definition.name))

    @property
    def idle(self) -> bool:
        """Tell whether documents stay as they are, whatever is in them."""
        kept = all(each.rule.mask.name == masks.KEEP for each in self.rules)
        return kept and (not self.deny or self.root.action == KEEP)

    @property
    def masks_id(self) -> bool:
        """Tell whether ids change, or may."""
        return any(each.names_id and each.rule.mask.name != masks.KEEP for each in self.rules)

    def check_indexes(self) -> None:
        """Raise UsageError where a rule would make two values of a unique index the same."""
        for path, index in self.unique.items():
            for node in self._nodes(path.split(".")):
                rule = node.rule
                if rule is None or rule.mask.different or node.action == STOP:
                    continue
                if rule.mask.name == masks.DROP and index.get("sparse") and len(index["key"]) == 1:
                    continue
                raise self._same(rule, node, path)

    def check_below(self, node: Node) -> None:
        """Raise UsageError where a rule does so within a document that an index compares whole."""
        rule = node.rule
        if rule is None or rule.mask.different or node.action == STOP:
            return
        for path in self.unique:
            if node.dotted.startswith(f"{path}."):
                raise self._same(rule, node, path)

    def _same(self, rule: Rule, node: Node, path: str) -> UsageError:
        index = self.unique[path]
        what = "is the _id" if path == "_id" else f"is in the unique index {index['name']}"
        if node.dotted == path:
            field = f"{self.root.shown}.{path}"
            advice = f"write --mask {shlex.quote(f'{field}={rule.mask.instead}')}"
        else:
            advice = f"give {node.shown} another mask than {rule.mask.name}"
        return UsageError(
            f"{rule} may make different values the same, but {path} of {self.name} {what}; {advice}"
        )

    def most_masked(self, path: Sequence[str | None]) -> Node:
        """Return the node of a path, a None for any element of an array.

        Arrays may be missing in it: where a rule masks the field in these, it is that node.
        """
        if self.root.action in (DROP, NULL, REDACT):
            return self.root
        nodes = self._nodes([key for key in path if key is not None])
        if masked := next((node for node in nodes if node.changes), None):
            return masked
        node = self.root
        for key in path:
            node = node.child(b"0", True) if key is None else node.child(key.encode(), False)
        return node

    def _nodes(self, keys: Sequence[str]) -> list[Node]:
        """Return what a field may be, in arrays or not."""
        steps = keys[:8]
        found = []
        for arrays in itertools.product((False, True), repeat=len(steps)):
            node = self.root
            for step, array in zip(steps, arrays, strict=True):
                node = node.child(step.encode(), False)
                if array:
                    node = node.child(b"0", True)
                if node.action in (DROP, NULL, REDACT):
                    break
            found.append(node)
        return found


class Node:
    """Say what becomes of the field of one path."""

    __slots__ = (
        "_fields",
        "_in_array",
        "_path",
        "_plan",
        "action",
        "alive",
        "apply",
        "dotted",
        "met",
        "reached",
        "rule",
        "shown",
        "top_id",
        "typed",
        "unique",
        "untyped",
    )

    def __init__(self, plan: Plan, parent: Node | None, path: str, dotted: str, shown: str) -> None:
        self._plan = plan
        self._path = path
        self.dotted = dotted
        self.shown = shown
        self._fields: dict[bytes, Node] = {}
        self._in_array: dict[bytes, Node] = {}
        self.top_id = dotted == "_id" or dotted.startswith("_id.")
        own = [each for each in plan.rules if each.matches(path)]
        own_typed = _most_exact([each for each in own if each.rule.flag])
        own_untyped = _most_exact([each for each in own if not each.rule.flag])
        self.typed: _Compiled | None = own_typed or (parent.typed if parent else None)
        self.untyped: _Compiled | None = own_untyped or (parent.untyped if parent else None)
        chosen = self.typed or self.untyped
        self.rule = chosen.rule if chosen else None
        self.reached = any(each.reaches_below(path) for each in plan.rules)
        self.alive = plan.deny or self.reached
        self.unique = any(dotted == each or dotted.startswith(f"{each}.") for each in plan.unique)
        self.met = False
        self.apply: Apply | None = None
        self.action = self._decide(chosen)
        if self.unique:
            plan.check_below(self)

    def _decide(self, chosen: _Compiled | None) -> int:
        if chosen is None:
            return PASS
        name = chosen.rule.mask.name
        if self.top_id and name != masks.KEEP and not chosen.names_id:
            # What is about all fields cannot mean the one that tells documents apart.
            return STOP
        action = _ACTIONS.get(name, APPLY)
        if action == APPLY:
            self.apply = self._plan.bound[chosen.rule.mask.text]
            if name == "hash" and self.unique:
                self.apply = _long_enough(self.apply)
        return action

    @property
    def changes(self) -> bool:
        """Tell whether values do not stay as they are."""
        return self.action in (DROP, NULL, REDACT, APPLY)

    @property
    def is_named(self) -> bool:
        """Tell whether a rule names the field itself, without `*`."""
        chosen = self.typed or self.untyped
        return chosen is not None and chosen.exactness[0]

    def child(self, key: bytes, in_array: bool) -> Node:
        """Return the node of a field, or of an element of an array."""
        known = self._in_array if in_array else self._fields
        index = key if self._plan.indexed or not in_array else b"0"
        found = known.get(index)
        if found is None:
            numbered = in_array and index.isdigit()
            dotted = self.dotted
            if not numbered:
                name = key.decode(errors="replace")
                dotted = f"{dotted}.{name}" if dotted else name
            step = path_step(index, in_array)
            shown = "[]" if numbered else shown_key(key)
            found = Node(self._plan, self, self._path + step, dotted, self.shown + shown)
            if self._plan.remembered < _REMEMBERED:
                self._plan.remembered += 1
                known[index] = found
        return found

    def known(self, in_array: bool) -> Mapping[bytes, Node]:
        """Return the children that were asked for before, by their keys."""
        return self._in_array if in_array else self._fields

    def element(self) -> Node | None:
        """Return what every element of an array is; None where they are not all the same."""
        return None if self._plan.indexed else self.child(b"0", True)

    def mark_used(self) -> None:
        """Note that the rule has met a field."""
        self.met = True
        if self.rule is not None:
            self._plan.used.add(self.rule)


def unique_paths(definition: Definition) -> dict[str, dict[str, Any]]:
    """Return the paths whose values a unique index compares, with the index; `_id` is one."""
    found: dict[str, dict[str, Any]] = {"_id": {"name": "_id_", "key": {"_id": 1}}}
    for index in definition.decoded_indexes():
        if index.get("unique"):
            for path in index["key"]:
                found.setdefault(path, index)
    return found


def bind_masks(policy: Policy, cipher: Cipher) -> dict[str, Apply]:
    """Join the masks of a policy with the key, by their text."""
    texts = {rule.mask.text: rule.mask for rule in policy.rules}
    return {text: _remembering(mask, mask.bind(cipher)) for text, mask in texts.items()}


def _remembering(mask: masks.Mask, apply: Apply) -> Apply:
    """Keep the masks of some values, as values repeat; a date depends on its document."""
    if mask.name in ("shift-date", "python"):
        return apply
    known: dict[tuple[int, bytes], bytes] = {}

    def remembered(kind: int, raw: bytes, document: bytes) -> bytes:
        made = known.get((kind, raw))
        if made is None:
            made = apply(kind, raw, document)
            if len(raw) <= 256:
                if len(known) >= 1 << 14:
                    known.clear()
                known[kind, raw] = made
        return made

    return remembered


def _long_enough(apply: Apply) -> Apply:
    def checked(kind: int, raw: bytes, document: bytes) -> bytes:
        if kind in _HASHABLE and 5 < len(raw) < _HASHED + 5:
            raise Refused(f"a value of fewer than {_HASHED} bytes in a unique index", "text")
        return apply(kind, raw, document)

    return checked
