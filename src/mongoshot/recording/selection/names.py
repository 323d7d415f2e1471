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
_IRREGULAR = {"people": "person", "children": "child"}
_WORD = re.compile(r"[A-Z]+s?(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_a-zA-Z]+")


def words(name: str) -> tuple[str, ...]:
    """Cut a name in snake_case, camelCase or kebab-case into its words, in lower case."""
    return tuple(word.lower() for word in _WORD.findall(name))


def same_word(one: str, other: str) -> bool:
    """Tell whether two words may be the same but for the ending of an English plural."""
    return not forms(one).isdisjoint(forms(other))


def forms(word: str) -> set[str]:
    """Return a word, and what it may be the plural of as far as spelling tells."""
    forms = {word, _IRREGULAR.get(word, word)}
    if word.endswith("ies"):
        forms.add(word[:-3] + "y")
    if word.endswith(("ses", "xes", "zes", "hes")):
        forms.add(word[:-2])
    if word.endswith("s") and not word.endswith("ss"):
        forms.add(word[:-1])
    return forms


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
            return found
    return ()


def says_identifier(path: Path) -> bool:
    """Tell whether a field's own name ends like that of an identifier, as `customer_id` does."""
    return bool(found := words(_leaf(path))) and found[-1] in _IDENTIFIERS


def names_collection(path: Path, collection: str) -> bool:
    """Tell whether a field's name speaks for a collection: `billing_customer_id`, `customers`.

    Either name may have words before the other.
    """
    pairs = list(zip(reversed(subject(path)), reversed(words(collection)), strict=False))
    return bool(pairs) and same_word(*pairs[0]) and all(one == other for one, other in pairs[1:])


def names_itself(path: Path, collection: str) -> bool:
    """Tell whether a field is a collection's own key by its name: `account_id` of `accounts`."""
    if len([step for step in path if step is not None]) > 1:
        return False
    return not subject(path) or names_collection(path, collection)


def names_relative(path: Path) -> bool:
    """Tell whether a field's name speaks for a document of the same collection: `parent_id`."""
    return bool(found := subject(path)) and (found[-1] in _RELATIVES or found[0] in _RELATIVES)


def leaf_words(path: Path) -> tuple[str, ...]:
    """Return the words of a field's own name."""
    return words(_leaf(path))


def looks_like_count(path: Path) -> bool:
    """Tell whether a single number of that name may well count things: `customers`, `children`."""
    found = words(_leaf(path))
    return path[-1] is not None and bool(found) and forms(found[-1]) != {found[-1]}


def _leaf(path: Path) -> str:
    return next((step for step in reversed(path) if step is not None), "")
