"""Roots and references as they are typed, read; and the recipe of a selection, both ways."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar

from mongoshot.errors import InvalidExtendedJSONError, UsageError
from mongoshot.recording.selection.model import Path, Reference, Root, Selection
from mongoshot.snapshot.encoding import from_extended_json, to_extended_json
from mongoshot.snapshot.model import decode
from mongoshot.snapshot.paths import parse_pattern

Value = TypeVar("Value")

_SIDES = re.compile(r'((?:[^"=]|"(?:[^"\\]|\\.)*")*)=(.*)', re.DOTALL)
_EXAMPLE = "--follow orders.customer_id=customers._id"


def parse_roots(
    names: Collection[str],
    *,
    queries: Iterable[str] = (),
    sorts: Iterable[str] = (),
    limits: Iterable[str] = (),
    samples: Iterable[str] = (),
) -> tuple[Root, ...]:
    """Read `C=JSON` and `C=N` as they are typed behind --query, --sort, --limit and --sample.

    `names` are those of the collections that there are. The JSON is Extended JSON. Returns one root
    for each collection that is named, sorted by name. Raises UsageError.
    """
    query = _by_collection("--query", queries, names, _document)
    sort = _by_collection("--sort", sorts, names, _document)
    limit = _by_collection("--limit", limits, names, _count)
    sample = _by_collection("--sample", samples, names, _count)
    roots = [
        Root(name, query.get(name), sort.get(name), limit.get(name), sample.get(name))
        for name in sorted({*query, *sort, *limit, *sample})
    ]
    for root in roots:
        check_root(root)
    return tuple(roots)


def check_root(root: Root) -> None:
    """Raise UsageError where the choices of a root contradict each other."""
    name = root.collection
    if root.sample is not None and (root.limit is not None or root.sort is not None):
        raise UsageError(
            f"--sample {name}={root.sample} chooses by itself: leave out --sort and --limit of"
            f" {name}, or the sample"
        )
    if root.sort is not None and root.limit is None:
        raise UsageError(
            f"--sort {name}=… alone chooses nothing, files are sorted by _id: add"
            f" --limit {name}=20, or leave it out"
        )
    for key, direction in decode(root.sort).items() if root.sort is not None else ():
        if not isinstance(direction, dict) and (direction is True or direction not in (1, -1)):
            raise UsageError(
                f"--sort {name}: {key!r} is sorted by {direction!r:.50}; write 1 for upwards,"
                " -1 for downwards"
            )
    for option, count in (("--limit", root.limit), ("--sample", root.sample)):
        if count is not None and count < 1:
            raise UsageError(f"{option} {name}={count}: take at least one document")


def parse_reference(text: str, names: Collection[str]) -> Reference:
    """Read a reference as it is typed behind --follow: `orders.customer_id=customers._id`.

    `names` are those of the collections that there are; of names with dots the longest counts. A
    step in quotes and brackets is literal. Raises UsageError, with near names.
    """
    sides = _SIDES.fullmatch(text)
    if sides is None or not sides[1] or not sides[2]:
        raise UsageError(
            f"--follow {text!r:.200} is no reference: write a field and the key that it holds, as"
            f" in {_EXAMPLE}"
        )
    collection, path = _field(sides[1], names)
    target, key = _field(sides[2], names)
    if key[-1] == "$id":
        raise UsageError(f"--follow {text!r:.200}: behind the = stands a key, mostly _id")
    if path[-1] == "$id" and (len(path) == 1 or key != ("_id",)):
        raise UsageError(
            f"--follow {text!r:.200}: a DBRef is a field with an $id, which is an _id, as in"
            " --follow 'orders.customer.$id=customers._id'"
        )
    return Reference(collection, path, target, key)


def check_name(name: str, names: Collection[str], of: str) -> None:
    """Raise UsageError, with near names, unless there is a collection of that name."""
    if name in names:
        return
    near = difflib.get_close_matches(name, names, n=3)
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    else:
        shown = sorted(names)
        hint = f"there is {', '.join(shown[:10])}{', …' if len(shown) > 10 else ''}"
    raise UsageError(f"{of}: no collection {name!r}: {hint}")


def recipe_of(
    selection: Selection, references: Iterable[Reference], names: Collection[str]
) -> dict[str, Any]:
    """Return a selection as JSON, with the references that it used as declared ones."""
    roots: dict[str, Any] = {}
    for root in sorted(selection.roots, key=lambda root: root.collection):
        given: dict[str, Any] = {
            "query": root.query and json.loads(to_extended_json(root.query)),
            "sort": root.sort and json.loads(to_extended_json(root.sort)),
            "limit": root.limit,
            "sample": root.sample,
        }
        roots[root.collection] = {key: value for key, value in given.items() if value is not None}
    return {
        "roots": roots,
        "follow": sorted(reference.text(names) for reference in references),
        "whole": sorted(selection.whole),
        "exclude": sorted(selection.exclude),
        "levels_up": selection.levels_up,
        "most_children": selection.most_children,
    }


def selection_of(recipe: dict[str, Any], names: Collection[str]) -> Selection:
    """Return the selection that a recipe describes; it infers nothing.

    `names` are those of the collections that there are. Raises UsageError where one is gone, or the
    recipe is not one.
    """
    try:
        roots = tuple(
            Root(
                name,
                _bson(given.get("query")),
                _bson(given.get("sort")),
                _number(given.get("limit")),
                _number(given.get("sample")),
            )
            for name, given in recipe["roots"].items()
        )
        follow, whole, exclude = (_names(recipe[key]) for key in ("follow", "whole", "exclude"))
        bounds = int(recipe["levels_up"]), int(recipe["most_children"])
    except (KeyError, TypeError, ValueError, AttributeError, InvalidExtendedJSONError) as error:
        raise UsageError(
            f"the recipe of the selection cannot be read ({type(error).__name__}: {error});"
            " capture again with the options that choose the documents"
        ) from error
    references = tuple(parse_reference(text, names) for text in follow)
    levels, children = bounds
    return Selection(roots, references, False, (), whole, exclude, levels, children)


def _number(value: Any) -> int | None:
    if value is not None and type(value) is not int:
        raise TypeError(f"{value!r:.50} is no number of documents")
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TypeError(f"{value!r:.50} is no list of texts")
    return tuple(value)


def _bson(value: Any) -> bytes | None:
    return None if value is None else from_extended_json(json.dumps(value, ensure_ascii=False))


def _by_collection(
    option: str,
    texts: Iterable[str],
    names: Collection[str],
    read: Callable[[str, str], Value],
) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for text in texts:
        # A name may hold a `=` itself.
        cuts = [at for at, character in enumerate(text) if character == "="]
        cut = next((at for at in cuts if text[:at] in names), cuts[0] if cuts else -1)
        if cut < 1:
            example = '{"status": "open"}' if read is _document else "20"
            raise UsageError(
                f"{option} {text!r:.200} names no collection: write {option} 'orders={example}'"
            )
        name, value = text[:cut], text[cut + 1 :]
        check_name(name, names, option)
        if name in found:
            hint = "; join both with $or" if option == "--query" else ""
            raise UsageError(f"{option} is there twice for {name}: give it once{hint}")
        found[name] = read(f"{option} {name}", value)
    return found


def _document(option: str, text: str) -> bytes:
    try:
        return from_extended_json(text)
    except InvalidExtendedJSONError as error:
        raise UsageError(
            f"{option}: {error}; write Extended JSON in single quotes, as in"
            ' --query \'orders={"status": "open"}\''
        ) from error


def _count(option: str, text: str) -> int:
    if not re.fullmatch(r" *[0-9]{1,9} *", text):
        raise UsageError(f"{option}={text:.50}: a number of documents is wanted, such as 20")
    return int(text)


def _field(text: str, names: Collection[str]) -> tuple[str, Path]:
    """Read a collection and a path in it."""
    steps = parse_pattern(text.strip(), "--follow").steps
    for step in steps:
        if (step.glob is not None and "*" in step.glob) or step.index:
            raise UsageError(
                f"--follow: {text!r:.200} must name one field: write it without *, and [] for the"
                f" elements of an array, as in {_EXAMPLE}"
            )
    if steps[0].glob is None:
        splits = [(str(steps[0].literal), 1)]
    else:
        plain = next((n for n, step in enumerate(steps) if step.glob is None), len(steps))
        dotted = [(".".join(str(s.glob) for s in steps[:n]), n) for n in range(1, plain + 1)]
        splits = [each for each in dotted if each[0] in names] or dotted[:1]
    collection, begin = splits[-1]
    check_name(collection, names, f"--follow {text}")
    path = tuple(step.glob if step.glob is not None else step.literal for step in steps[begin:])
    if not path or path[0] is None:
        raise UsageError(
            f"--follow: {text!r:.200} names a collection and no field of it, as {_EXAMPLE} does"
        )
    for key in path:
        if key is not None and (not key or "." in key or "\0" in key or key.startswith("$")):
            if key == "$id" and key is path[-1]:
                continue
            raise UsageError(
                f"--follow: a server cannot be asked for the field {key!r} of {text!r:.200}; a"
                " name in a reference has no dot in it and no $ before it"
            )
    return collection, path
