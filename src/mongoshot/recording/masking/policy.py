"""What is to be masked, and what becomes of fields that no rule names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mongoshot.config import MaskingTable
from mongoshot.errors import UsageError
from mongoshot.recording.masking.masks import Mask, make_mask
from mongoshot.snapshot.paths import Pattern, parse_pattern

#: "allow": fields that no rule names are written as they are; "deny": they stop the capture.
Unlisted = Literal["allow", "deny"]

_POLICIES: tuple[Unlisted, ...] = ("allow", "deny")


@dataclass(frozen=True, slots=True)
class Rule:
    """Give the fields of a pattern a mask; `flag` where it was typed with the command."""

    pattern: Pattern
    mask: Mask
    flag: bool

    def __str__(self) -> str:
        return f"{self.pattern.text}={self.mask.text}"


@dataclass(frozen=True, slots=True)
class Policy:
    """Hold the rules of a capture, those that were typed first."""

    unlisted: Unlisted = "allow"
    rules: tuple[Rule, ...] = ()

    @property
    def needs_key(self) -> bool:
        """Tell whether a mask depends on the key."""
        return any(rule.mask.keyed for rule in self.rules)

    @property
    def needs_words(self) -> bool:
        """Tell whether a mask depends on the lists of Faker."""
        return any(rule.mask.words for rule in self.rules)


def masked_otherwise(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say what of the masks in a recipe another one no longer does, a line each.

    Takes what `Masker.recipe` gives, {} where nothing was masked.
    """
    try:
        old, new = dict(before.get("rules", {})), now.get("rules", {})
    except (AttributeError, TypeError, ValueError):
        return []  # a manifest that somebody changed
    said = []
    if lost := sorted(path for path, mask in old.items() if mask != "keep" and path not in new):
        said.append(f"no longer masked: {', '.join(lost)}")
    if other := sorted(path for path in old if path in new and old[path] != new[path]):
        said.append(f"masked otherwise: {', '.join(f'{path}={new[path]}' for path in other)}")
    if before.get("policy") == "deny" and now.get("policy") != "deny":
        said.append("fields that no rule names pass, as the policy is no longer deny")
    if "key" in before and "key" in now and before["key"] != now["key"]:
        said.append("the masking key is another one, so that all masks are")
    if "faker" in before and "faker" in now and before["faker"] != now["faker"]:
        said.append(f"names are those of Faker {now['faker']}, not {before['faker']}")
    return said


def make_policy(
    table: MaskingTable, flags: Iterable[str] = (), earlier: Mapping[str, Any] | None = None
) -> Policy:
    """Read the rules of `[tool.mongoshot.masking]` and those of `--mask`, "C.path=MASK" each.

    `earlier` is what `Masker.recipe` gave for the capture that is repeated: its rules hold where
    there is none for the path, and so does its policy to deny. The table may be that of another
    directory, and what was masked once is not to be written because of that.

    Raises UsageError for a policy, a path or a mask that is none, with near names, and for a path
    that is given two masks by the table or by the flags.
    """
    where = f"{table.file}: [tool.mongoshot.masking]"
    unlisted = next((each for each in _POLICIES if each == table.policy), None)
    if unlisted is None:
        near = difflib.get_close_matches(str(table.policy), _POLICIES, n=1)
        hint = f"did you mean {near[0]}?" if near else "take allow or deny"
        raise UsageError(f"{where} has no policy {table.policy!r:.40}: {hint}")
    typed = [_from_flag(flag) for flag in flags]
    listed = [_rule(path, mask, where, False) for path, mask in table.rules]
    for rules, source in ((typed, "--mask"), (listed, where)):
        given: dict[str, Rule] = {}
        for rule in rules:
            other = given.setdefault(rule.pattern.text, rule)
            if other.mask.text != rule.mask.text:
                raise UsageError(
                    f"{source} gives {rule.pattern.text} two masks, {other.mask.text} and"
                    f" {rule.mask.text}; take one of them"
                )
    if earlier:
        given_paths = {rule.pattern.text for rule in (*typed, *listed)}
        listed += [
            _rule(path, mask, "the recipe in the manifest", False)
            for path, mask in dict(earlier.get("rules", {})).items()
            if path not in given_paths
        ]
        if earlier.get("policy") == "deny":
            unlisted = "deny"
    return Policy(unlisted, (*typed, *listed))


def _from_flag(flag: str) -> Rule:
    path, equals, mask = flag.rpartition("=")
    if not equals or not path or not mask:
        raise UsageError(
            f"--mask {flag!r:.200} is no rule; write a path and a mask:"
            " --mask customers.email=email"
        )
    return _rule(path, mask, "--mask", True)


def _rule(path: str, mask: str, source: str, flag: bool) -> Rule:
    pattern = parse_pattern(path, source)
    if not isinstance(mask, str):  # a manifest that somebody changed
        raise UsageError(f"{source}: the mask of {path} should be a text, not {mask!r:.50}")
    try:
        return Rule(pattern, make_mask(mask), flag)
    except UsageError as error:
        raise UsageError(f"{source} {path}: {error}") from None
