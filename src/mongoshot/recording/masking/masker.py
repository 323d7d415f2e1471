"""A collection as it may be written: masked, without what may not be, and an account of that."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import IO, Any

from mongoshot.errors import InvalidBSONError, UnmaskedError, UsageError
from mongoshot.recording.masking import masks
from mongoshot.recording.masking.cipher import Cipher
from mongoshot.recording.masking.constants import constants_of, masked_constants
from mongoshot.recording.masking.ends import unlike_ends
from mongoshot.recording.masking.findings import Finding, Findings, raise_unmasked, shown_collection
from mongoshot.recording.masking.hiding import hidden
from mongoshot.recording.masking.hints import Hint, Hints
from mongoshot.recording.masking.key import fingerprint
from mongoshot.recording.masking.locating import locate
from mongoshot.recording.masking.plan import KEEP, Plan, bind_masks
from mongoshot.recording.masking.policy import Policy, Rule
from mongoshot.recording.masking.rewriting import Rewriter
from mongoshot.recording.masking.scanning import Hit, hits_within, scan
from mongoshot.recording.masking.words import faker_version
from mongoshot.recording.selection.model import Reference, Root
from mongoshot.snapshot.elements import document_at, document_id, split_documents
from mongoshot.snapshot.model import Collection, Definition, join_documents
from mongoshot.snapshot.order import in_order
from mongoshot.snapshot.profile import Profile
from mongoshot.snapshot.spool import Scratch

#: Documents of each collection that are looked at for hints, and of each chunk behind those.
_LOOKED_AT = 1000
_LOOKED_AT_LATER = 10

#: Bytes of masked documents that are sorted in memory; beyond them they lie in a temporary file.
_SPOOLED = 1 << 22


class Masker:
    """Mask the collections of one capture, and remember what was found in them."""

    def __init__(
        self, policy: Policy, key: bytes | None, definitions: Mapping[str, Definition]
    ) -> None:
        """Take the definitions of all collections that are captured, by name.

        The key, of 32 bytes, may be None where `policy.needs_key` is not.

        Raises UsageError where a rule cannot hold: for a time series, under a unique index, or
        typed for a collection that is not there.
        """
        if key is None and policy.needs_key:
            raise UsageError("masks need a key, and none was given")
        self._policy = policy
        self._key = key
        self._findings: dict[str, Findings] = {}
        self._hints: dict[str, Hints] = {}
        self._bound = bind_masks(policy, Cipher(key or b""))
        _check_names(policy, definitions)
        self._plans: dict[str, Plan] = {}
        self._definitions: dict[str, Definition] = {}
        for definition in definitions.values():
            self.include(definition)

    def __repr__(self) -> str:
        return f"Masker({len(self._policy.rules)} rules)"

    def include(self, definition: Definition) -> None:
        """Take one collection more, or what one is by now: its plan stays as it was.

        Raises UsageError as at the beginning.
        """
        name = definition.name
        if self._definitions.get(name) == definition:
            return
        plan = Plan(self._policy, definition, self._bound)
        self._plans.setdefault(name, plan)
        self._definitions[name] = definition
        if definition.type == "timeseries":
            _check_time_series(plan)
        else:
            plan.check_indexes()
        self._scan_definition(definition, plan)

    def mask(self, collection: Collection) -> Collection:
        """Return a collection whose chunks are masked while they are read, in order of `_id`.

        Documents in which something may not be written are left out; `check` tells. Where ids are
        masked, all documents are read before the first is yielded: their ids are kept in memory,
        they themselves on disk beyond 4 MiB, both masked.
        """
        plan, definition = self._plans[collection.name], collection.definition
        if self._findings.get(f"{collection.name}\0"):
            definition = Definition(definition.name, definition.type)  # not even until `check`
        return Collection(definition, partial(self._chunks, collection, plan))

    def mask_document(self, collection: str, document: bytes) -> bytes:
        """Mask one document more of a collection; b"" where something in it may not be written.

        `check_documents` tells.
        """
        plan, definition = self._plans[collection], self._definitions[collection]
        findings = self._findings.setdefault(collection, Findings(plan.root.shown))
        hints = self._hints.setdefault(collection, Hints(plan.root))
        alone = Collection(definition, lambda: iter((document,)))
        return b"".join(self._masked(alone, plan, findings, hints))

    def check_documents(self) -> None:
        """Raise UnmaskedError where a document holds something that may not be written."""
        raise_unmasked(
            [line for name in sorted(self._findings) for line in self._findings[name].lines()], []
        )

    def check(self) -> None:
        """Raise UnmaskedError where what was read holds something that may not be written.

        It lists all of it, in one line: by path, with what it is, how often, and what to type;
        never a value. A rule that was typed for a collection and met no field is among it.
        """
        raise_unmasked(
            [line for name in sorted(self._findings) for line in self._findings[name].lines()],
            [self._misspelled(rule) for rule in self.unused if rule.flag and self._missed(rule)],
        )

    def check_queries(self, roots: Iterable[Root]) -> None:
        """Raise UnmaskedError where a query has something in it that a manifest must not keep."""
        for root in roots:
            if root.query is not None:
                self._check_query(root.collection, root.query)

    def _check_query(self, collection: str, query: bytes) -> None:
        plan = self._plans.get(collection)
        if plan is None or plan.root.action == KEEP:
            return
        shown = plan.root.shown
        if paths := masked_constants(query, plan):
            raise UnmaskedError(
                f"the query of {shown} has a value of {', '.join(paths)} in it, which is masked,"
                " and the manifest would keep it; choose by other fields, such as _id, or by"
                f" --limit {shlex.quote(f'{shown}=20')}"
            )
        found = sorted({each.what for each in locate(query, scan(query), plan.root)})
        if found:
            raise UnmaskedError(
                f"the query of {shown} has a secret in it ({', '.join(found)}), and the manifest"
                " would keep it; choose by other fields, such as _id"
            )

    def unlike_ends(self, references: Iterable[Reference]) -> list[str]:
        """Return a line for each reference whose ends have not the same mask."""
        return unlike_ends(references, self._plans)

    def rewrites(self, collection: str) -> bool:
        """Tell whether a rule may change documents of a collection."""
        return not self._plans[collection].idle

    def changes(self, collection: str, keys: Sequence[str]) -> bool:
        """Tell whether a field, its path given without arrays, has a mask."""
        plan = self._plans.get(collection)
        return plan is not None and plan.most_masked(keys).changes

    def hidden(self, collection: str, found: Profile) -> Profile:
        """Return a profile without names of fields that are not written."""
        return hidden(found, self._plans[collection])

    @property
    def masks(self) -> bool:
        """Tell whether there are rules that change anything."""
        return any(rule.mask.name != masks.KEEP for rule in self._policy.rules)

    @property
    def constants(self) -> list[str]:
        """Return a line for each masked field of which a definition has a value in it."""
        return [
            f"{shown_collection(name)}: values of {path}, which is masked, stand in its {part}"
            for name, definition in self._definitions.items()
            for part, path in constants_of(definition, self._plans)
        ]

    def _missed(self, rule: Rule) -> bool:
        """Tell whether a rule names a collection, and there were documents in it."""
        if rule.pattern.steps[0].glob in ("*", "**"):
            return False  # to be on the safe side, wherever such a field may be
        return any(
            hints.documents and rule.pattern.within(name) for name, hints in self._hints.items()
        )

    def _misspelled(self, rule: Rule) -> str:
        paths = {path for hints in self._hints.values() for path in hints.paths}
        near = difflib.get_close_matches(rule.pattern.text, paths, n=2)
        return f"{rule}" + (f" (did you mean {' or '.join(near)}?)" if near else "")

    @property
    def hints(self) -> list[Hint]:
        """Return which fields look like data of people, of those that no rule names."""
        return [hint for name in sorted(self._hints) for hint in self._hints[name].found()]

    @property
    def unused(self) -> list[Rule]:
        """Return the rules that have masked no field: misspelled ones, maybe."""
        used = {rule for plan in self._plans.values() for rule in plan.used}
        return [
            rule for rule in self._policy.rules if rule not in used and rule.mask.name != masks.KEEP
        ]

    @property
    def recipe(self) -> dict[str, Any]:
        """Return what a manifest says of the masks: all but the key, and what tells keys apart.

        {} where nothing was asked for.
        """
        policy = self._policy
        if policy == Policy():
            return {}
        recipe: dict[str, Any] = {"policy": policy.unlisted}
        if policy.rules:
            # In the order in which they count, of which the first one of a path does.
            rules: dict[str, str] = {}
            for rule in policy.rules:
                rules.setdefault(rule.pattern.text, rule.mask.text)
            recipe["rules"] = rules
        if policy.needs_key and self._key is not None:
            recipe["key"] = fingerprint(self._key)
        if policy.needs_words:
            recipe["faker"] = faker_version()
        return recipe

    def _scan_definition(self, definition: Definition, plan: Plan) -> None:
        """Look at options and indexes, which are written too: a filter may hold a secret."""
        if plan.root.action == KEEP:
            return
        findings = self._findings.setdefault(f"{definition.name}\0", Findings(plan.root.shown))
        for text in (definition.options, *definition.indexes):
            for hit in scan(text):
                if hit.what and not hit.exact:
                    where = shown_collection(definition.name)
                    what = (
                        f"{hit.what} in its options or indexes; leave it out with --exclude, or"
                        f" search nothing in it with --mask {shlex.quote(f'{where}=keep')}"
                    )
                    findings.add(Finding(where, "secret", what, ""))

    def _chunks(self, collection: Collection, plan: Plan) -> Iterator[bytes]:
        findings = self._findings[collection.name] = Findings(plan.root.shown)
        hints = self._hints[collection.name] = Hints(plan.root)
        chunks = self._masked(collection, plan, findings, hints)
        if plan.masks_id and not collection.definition.capped:
            yield from _sorted_by_id(chunks, plan, findings)
        else:
            yield from chunks

    def _masked(
        self, collection: Collection, plan: Plan, findings: Findings, hints: Hints
    ) -> Iterator[bytes]:
        idle = plan.idle or collection.definition.type == "timeseries"
        rewriter = None if idle else Rewriter(plan, findings)
        looked_at = 0
        for chunk in collection.chunks():
            hits = scan(chunk) if plan.root.action != KEEP else []
            closely = max(_LOOKED_AT - looked_at, _LOOKED_AT_LATER)
            for document in islice(split_documents(chunk), closely):
                hints.look(document)
                looked_at += 1
            if rewriter is not None:
                made = b"".join(_rewritten(chunk, hits, plan, rewriter, findings))
            else:
                made = _without_findings(chunk, hits, plan, findings)
            if made:
                yield made


def _rewritten(
    chunk: bytes, hits: list[Hit], plan: Plan, rewriter: Rewriter, findings: Findings
) -> Iterator[bytes]:
    position = 0
    for document in split_documents(chunk):
        end = position + len(document)
        found = False
        if hits:
            inside = hits_within(hits, position, end)
            found = bool(inside) and _found(document, position, inside, plan, findings)
        made = rewriter.rewrite(document)
        if made is not None and not found:
            yield made
        position = end


def _without_findings(chunk: bytes, hits: list[Hit], plan: Plan, findings: Findings) -> bytes:
    """Return a chunk without the documents that hold what may not be written."""
    if not hits:
        return chunk
    parts, copied, position = [], 0, 0
    index = 0
    while index < len(hits):
        end = document_at(chunk, position)
        if hits[index].start >= end:
            position = end
            continue
        inside = hits_within(hits, position, end)
        index += len(inside)
        if _found(chunk[position:end], position, inside, plan, findings):
            parts.append(chunk[copied:position])
            copied = end
        position = end
    return b"".join((*parts, chunk[copied:])) if copied else chunk


def _found(document: bytes, position: int, hits: list[Hit], plan: Plan, findings: Findings) -> bool:
    shifted = [Hit(hit.start - position, hit.what, hit.exact) for hit in hits]
    found = False
    for finding in locate(document, shifted, plan.root):
        findings.add(finding)
        found = True
    return found


def _sorted_by_id(chunks: Iterator[bytes], plan: Plan, findings: Findings) -> Iterator[bytes]:
    with Scratch(_SPOOLED) as file:
        places: dict[bytes, tuple[int, int]] = {}
        position = 0
        for chunk in chunks:
            for document in split_documents(chunk):
                identity = document_id(document)
                if identity in places:
                    what = "its mask makes two ids the same"
                    shown = f"{plan.root.shown}._id"
                    findings.add(Finding(shown, "refused", what, "text"))
                places[identity] = (position, len(document))
                position += len(document)
            file.write(chunk)
        yield from join_documents(_read(file, *places[identity]) for identity in in_order(places))


def _read(file: IO[bytes], position: int, size: int) -> bytes:
    file.seek(position)
    document = file.read(size)
    if len(document) != size:
        raise InvalidBSONError("a temporary file of masked documents was cut short")
    return document


def _check_names(policy: Policy, definitions: Mapping[str, Definition]) -> None:
    """A typed rule is about this capture; those of the table are about any."""
    for rule in policy.rules:
        if rule.flag and not any(rule.pattern.within(name) for name in definitions):
            named = rule.pattern.steps[0].glob or rule.pattern.steps[0].literal or ""
            near = difflib.get_close_matches(named, definitions, n=3)
            hint = (
                f"did you mean {' or '.join(near)}?"
                if near
                else f"it has {', '.join(sorted(definitions))}"
            )
            raise UsageError(f"--mask {rule}: no collection {named!r:.100} is captured: {hint}")


def _check_time_series(plan: Plan) -> None:
    """What is in buckets cannot be named: columns of values, in part compressed."""
    if plan.root.action == KEEP:
        return
    rules = [each.rule for each in plan.rules if each.rule.mask.name != masks.KEEP]
    if rules or plan.deny:
        why = f"{rules[0]} may mean its fields" if rules else "the policy is deny"
        name = plan.root.shown
        raise UsageError(
            f"{name} is a time series, whose buckets cannot be masked, and {why}; leave it out with"
            f" --exclude {name}, or let it pass as it is with --mask {name}=keep"
        )
