"""What a profile must not tell: the names of fields in what is dropped, null or redacted.

Where names are data, as in a map by e-mail address, these masks are the way to be rid of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from mongoshot.recording.masking import masks
from mongoshot.recording.masking.masks import make_mask
from mongoshot.recording.masking.plan import DROP, NULL, REDACT, Plan
from mongoshot.recording.masking.policy import Policy, Rule
from mongoshot.recording.request import Request
from mongoshot.snapshot.model import Definition
from mongoshot.snapshot.paths import parse_pattern
from mongoshot.snapshot.profile import Profile

#: A step of a path as a profile has it.
_STEP = re.compile(r'\[\]|\["(?:[^"\\]|\\.)*"\]|[^.\[]+')


def hidden(found: Profile, plan: Plan) -> Profile:
    """Return a profile without the fields whose names are not written either."""
    fields = {path: types for path, types in found.fields.items() if not _hides(plan, path)}
    return replace(found, fields=fields)


def plans_of(request: Request, definitions: Mapping[str, Definition]) -> dict[str, Plan]:
    """Return, by collection, what a request says of the fields whose names are not written.

    It is one that was made of a recipe. All other masks count as `keep`: they need no key here.
    """
    typed = {text.rpartition("=")[0] for text in request.masks}
    rules = []
    for path, text in request.masked.get("rules", {}).items():
        mask = text if text in masks.ENDING else masks.KEEP
        rules.append(Rule(parse_pattern(path, "the recipe"), make_mask(mask), path in typed))
    policy = Policy(rules=tuple(rules))
    return {name: Plan(policy, definition, {}) for name, definition in definitions.items()}


def _hides(plan: Plan, path: str) -> bool:
    node = plan.root
    for step in _STEP.findall(path):
        if node.action in (DROP, NULL, REDACT):
            return True
        if step == "[]":
            node = node.child(b"0", True)
        else:
            name = json.loads(step[1:-1]) if step.startswith("[") else step
            node = node.child(name.encode(errors="surrogatepass"), False)
    return node.action == DROP and not node.is_named
