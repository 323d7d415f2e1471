"""What the name of a field says about what it refers to."""

from __future__ import annotations

import re

from mongoshot.recording.selection.model import Path

#: Words behind a name that say that the field holds what identifies a thing, not the thing.
_IDENTIFIERS = frozenset(
    {"id", "ids", "oid", "uuid", "guid", "key", "keys", "ref", "refs", "sku", "slug"}
    | {"no", "nr", "num", "number", "numbers", "code", "codes"}
)
#: Names of fields that refer to a document of the same collection.
_RELATIVES = frozenset(
    {"parent", "parents", "ancestor", "ancestors", "child", "children", "sibling", "siblings"}
    | {"root", "previous", "prev", "next", "predecessor", "successor"}
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_a-zA-Z]+")


def words(name: str) -> tuple[str, ...]:
    """Cut a name in snake_case, camelCase or kebab-case into its words, in lower case."""
    return tuple(word.lower() for word in _WORD.findall(name))


def singular(word: str) -> str:
    """Return a word without the ending of an English plural, as far as spelling tells."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    for ending in ("sses", "shes", "ches", "xes", "zes"):
        if word.endswith(ending):
            return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2:
        return word[:-1]
    return word


def is_plural(word: str) -> bool:
    """Tell whether a word looks like an English plural."""
    return singular(word) != word


def subject(path: Path) -> tuple[str, ...]:
    """Return the words of what a field identifies: `customer` of `customer_id`.

    Of `customer.id`, that of the outer field; () where the name says nothing but "id".
    """
    keys = [step for step in path if step is not None]
    while keys:
        found = words(keys.pop())
        while found and found[-1] in _IDENTIFIERS:
            found = found[:-1]
        if found:
            return (*found[:-1], singular(found[-1]))
    return ()


def says_identifier(path: Path) -> bool:
    """Tell whether a field's own name ends like that of an identifier, as `customer_id` does."""
    return bool(found := words(_leaf(path))) and found[-1] in _IDENTIFIERS


def names_collection(path: Path, collection: str) -> bool:
    """Tell whether a field's name speaks for a collection: `billing_customer_id`, `customers`.

    Either name may have words before the other.
    """
    field = subject(path)
    found = words(collection)
    thing = (*found[:-1], singular(found[-1])) if found else ()
    shorter = min(len(field), len(thing))
    return shorter > 0 and field[-shorter:] == thing[-shorter:]


def names_itself(path: Path, collection: str) -> bool:
    """Tell whether a field is a collection's own key by its name: `account_id` of `accounts`."""
    if len([step for step in path if step is not None]) > 1:
        return False
    return not subject(path) or names_collection(path, collection)


def names_relative(path: Path) -> bool:
    """Tell whether a field's name speaks for a document of the same collection: `parent_id`."""
    return bool(found := subject(path)) and (found[-1] in _RELATIVES or found[0] in _RELATIVES)


def same_leaf(path: Path, key: Path) -> bool:
    """Tell whether both end in a field of the same name, other than a mere "id"."""
    return words(_leaf(path)) == words(_leaf(key)) and words(_leaf(key)) not in (("id",), ())


def looks_like_count(path: Path) -> bool:
    """Tell whether a single number of that name may well count things: `customers`, `children`."""
    return path[-1] is not None and (is_plural(_leaf(path)) or _leaf(path).endswith("children"))


def _leaf(path: Path) -> str:
    return next((step for step in reversed(path) if step is not None), "")
