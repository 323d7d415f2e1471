"""YAML, read safely; PyYAML is imported where there is some."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any


class YamlProblem(Exception):  # noqa: N818 - no error of ours yet: whoever owns the file says that
    """Report what is wrong in a text: `where` is ", line 3", or "" where no line is known."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(what)
        self.where = where


class NoYamlProblem(YamlProblem):
    """Report that PyYAML is not installed."""


def read_yaml(text: str) -> Any:
    """Return what a YAML document holds, of plain types alone.

    Raises YamlProblem for what is no YAML, asks for objects of Python, or has a key twice, and
    NoYamlProblem.
    """
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        raise NoYamlProblem("", "YAML takes the package pyyaml: pip install pyyaml") from None
    try:
        for node in _nodes(yaml, yaml.compose(text, yaml.SafeLoader)):
            keys: set[tuple[str, str]] = set()
            for key, _ in node.value:
                if (key.tag, str(key.value)) in keys:
                    where = f", line {key.start_mark.line + 1}"
                    raise YamlProblem(where, f"the key {key.value!r} is there twice; keep one")
                keys.add((key.tag, str(key.value)))
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or " ".join(str(error).split())[:200]
        where = f", line {mark.line + 1}" if mark else ""
        raise YamlProblem(where, f"this is not YAML: {reason}") from None
    except ValueError as error:  # a date that there is not
        raise YamlProblem("", f"this is not YAML: {error}") from None


def _nodes(yaml: Any, node: Any) -> Iterator[Any]:
    """Walk the mappings of a YAML document."""
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from _nodes(yaml, value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _nodes(yaml, value)
