"""YAML, read safely; PyYAML is imported where there is some."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from mongoshot.snapshot.bounds import LONGEST_YAML_NUMBER, MOST_NODES


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
        root = yaml.compose(text, yaml.SafeLoader)
        _check_size(yaml, root)
        for node in _nodes(yaml, root):
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


def _check_size(yaml: Any, root: Any) -> None:
    """Raise YamlProblem where aliases make much of little, or a number is longer than any."""
    sizes: dict[int, int] = {}  # by node; 0 while its values are counted
    pending = [(root, False)]
    while pending:
        node, is_counted = pending.pop()
        values = _values(yaml, node)
        if is_counted:
            sizes[id(node)] = 1 + sum(sizes[id(value)] for value in values)
            if sizes[id(node)] > MOST_NODES:
                raise YamlProblem(_line(node), "its aliases stand for more values than are read")
        elif id(node) not in sizes:
            sizes[id(node)] = 0
            pending.append((node, True))
            pending += [(value, False) for value in values]
        elif sizes[id(node)] == 0 and values:
            raise YamlProblem(_line(node), "a value holds itself")
        is_number = str(getattr(node, "tag", "")).endswith((":int", ":float"))
        if is_number and len(node.value) > LONGEST_YAML_NUMBER:
            raise YamlProblem(_line(node), f"no number has {len(node.value)} characters")


def _values(yaml: Any, node: Any) -> list[Any]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _line(node: Any) -> str:
    return f", line {node.start_mark.line + 1}"


def _nodes(yaml: Any, node: Any) -> Iterator[Any]:
    """Walk the mappings of a YAML document, as often as aliases stand for them."""
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from _nodes(yaml, value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _nodes(yaml, value)
