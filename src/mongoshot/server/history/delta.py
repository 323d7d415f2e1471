"""An update as the oplog has it, applied to the document that it was made to.

Since MongoDB 5.0 an update's entry holds how the new document differs from the old one:

    {"$v": 2, "diff": {"d": {field: false}, "u": {field: value}, "i": {field: value},
                       "s" + field: a diff of the document or array in that field}}

`d` are deleted, `u` take another value in their place, `i` come last in their order. The diff of
an array has `"a": true`, its new length as `l`, and elements by position: `u3`, or a diff of one,
`s3`.

Source: `src/mongo/db/update/document_diff_serialization.h` of the server, which carries it out so
on each secondary: the document comes out byte for byte.
"""

from __future__ import annotations

from mongoshot.errors import CommandError, InvalidBSONError
from mongoshot.snapshot.bounds import LARGEST_DOCUMENT, LONGEST_ARRAY
from mongoshot.snapshot.elements import ARRAY, BOOLEAN, DOCUMENT, NULL, framed, iterate_elements

#: A field: its type and value, as bytes.
_Value = tuple[int, bytes]

_SECTIONS = (b"d", b"u", b"i")


def apply_update(document: bytes, update: bytes) -> bytes:
    """Return what an update makes of a document, both as BSON; `update` is the `o` of its entry.

    An `o` that is no diff is the new document, of which the server stores the `_id` first. Raises
    CommandError for a form of diff that is not known, or one that is not this document's.
    """
    elements = [
        (key, kind, update[start:end]) for kind, key, start, end in iterate_elements(update)
    ]
    fields = {key: value for key, _, value in elements}
    if b"$v" not in fields:
        elements.sort(key=lambda element: element[0] != b"_id")
        return framed(b"".join(_element(*element) for element in elements))
    if b"diff" not in fields:
        raise CommandError("an update in the oplog is none of MongoDB 5.0 or newer")
    try:
        return _apply(document, fields[b"diff"])
    except (InvalidBSONError, IndexError, ValueError) as error:
        raise CommandError(f"an update in the oplog cannot be understood: {error}") from None


def _apply(document: bytes, diff: bytes) -> bytes:
    deleted: set[bytes] = set()
    replaced: dict[bytes, _Value] = {}
    inserted: dict[bytes, _Value] = {}
    within: dict[bytes, bytes] = {}
    for kind, key, start, end in iterate_elements(diff):
        value = diff[start:end]
        if key in _SECTIONS and kind == DOCUMENT:
            members = {k: (t, value[a:z]) for t, k, a, z in iterate_elements(value)}
            if key == b"d":
                deleted = set(members)
            else:
                (replaced if key == b"u" else inserted).update(members)
        elif key[:1] == b"s" and kind == DOCUMENT:
            within[key[1:]] = value
        else:
            raise ValueError(f"no section {key!r:.40} is known")
    made, met = [], set[bytes]()
    touched = deleted | replaced.keys() | inserted.keys() | within.keys()
    for kind, key, start, end in iterate_elements(document):
        if key in touched and key in met:
            raise ValueError("it is about a field that the document has twice")
        met.add(key)
        if key in deleted or key in inserted:
            continue
        if key in replaced:
            made.append(_element(key, *replaced.pop(key)))
        elif key in within:
            made.append(
                _element(key, kind, _apply_within(kind, document[start:end], within.pop(key)))
            )
        else:
            made.append(_element(key, kind, document[start:end]))
    if replaced or within:
        raise ValueError("it is about fields that the document does not have")
    made += [_element(key, *value) for key, value in inserted.items()]
    return framed(b"".join(made))


def _apply_within(kind: int, value: bytes, diff: bytes) -> bytes:
    is_array = any(key == b"a" and t == BOOLEAN for t, key, _, _ in iterate_elements(diff))
    if kind != (ARRAY if is_array else DOCUMENT):
        raise ValueError("it is about a value of another type")
    return _apply_to_array(value, diff) if is_array else _apply(value, diff)


def _apply_to_array(array: bytes, diff: bytes) -> bytes:
    values: list[_Value] = [
        (kind, array[start:end]) for kind, _, start, end in iterate_elements(array)
    ]
    changes: list[tuple[bytes, int, _Value]] = []
    for kind, key, start, end in iterate_elements(diff):
        value = diff[start:end]
        if key == b"a":
            continue
        if key == b"l":
            length = _position(int.from_bytes(value, "little"))
            values = values[:length]
            values += [(NULL, b"")] * (length - len(values))
        elif key[:1] in (b"u", b"s"):
            changes.append((key[:1], _position(int(key[1:])), (kind, value)))
        else:
            raise ValueError(f"no section {key!r:.40} of an array is known")
    for section, position, (kind, value) in changes:
        values += [(NULL, b"")] * (position + 1 - len(values))
        if section == b"u":
            values[position] = kind, value
        else:
            there = values[position][0]
            values[position] = there, _apply_within(there, values[position][1], value)
    members = b"".join(_element(b"%d" % at, *each) for at, each in enumerate(values))
    if len(members) > LARGEST_DOCUMENT:
        raise ValueError("it makes an array larger than documents are")
    return framed(members)


def _position(number: int) -> int:
    if not 0 <= number <= LONGEST_ARRAY:
        raise ValueError(f"no array has an element {number}")
    return number


def _element(key: bytes, kind: int, value: bytes) -> bytes:
    return bytes((kind,)) + key + b"\0" + value
