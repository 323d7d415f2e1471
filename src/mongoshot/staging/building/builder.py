"""The scenario builder: documents made from templates, and what a test says of them, inserted."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Collection, Iterable, Iterator, KeysView, Mapping
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.objectid import ObjectId

from mongoshot.errors import MongoshotError, NotDocumentsError, TemplateError
from mongoshot.server.catalog import list_definitions
from mongoshot.server.collections import create
from mongoshot.server.connection import Database
from mongoshot.server.current import CurrentDatabase, Use, use_of
from mongoshot.server.documents import empty_collection, insert_documents
from mongoshot.server.ledger import forgive, read_baseline
from mongoshot.server.ownership import claim
from mongoshot.snapshot.model import Definition
from mongoshot.staging.building.computing import Computing, Path, constant_fields, show
from mongoshot.staging.building.drafts import Draft, Drafts
from mongoshot.staging.building.models import is_model, model_document

_ADVICE: tuple[tuple[type, str], ...] = (
    (datetime.date, "a datetime.datetime"),
    (decimal.Decimal, "a bson.Decimal128"),
    (set, "a list"),
    (frozenset, "a list"),
)


class ScenarioBuilder:
    """Create documents in a database, each from the template of its collection.

    In a test run the database is put right before each test, and sequences, fakes and names begin
    again with it. Elsewhere they do with `cleanup_collections`.
    """

    def __init__(
        self,
        db: Database,
        templates: Mapping[str, Any],
        *,
        seed: int = 0,
        allowed_hosts: Collection[str] = frozenset(),
    ) -> None:
        """Create in `db` from `templates`, by collection, whose collections are made.

        A template is a mapping, a callable that gives one, a Pydantic model or a factory of
        factory_boy. What is random depends on `seed`. `allowed_hosts` are hosts besides loopback
        that may be written to, by exact name.

        Raises TemplateError for any other template, OwnershipError for a database that is not
        mongoshot's to write to.
        """
        for name, template in templates.items():
            check_template(template, f"the template of {name!r}")
        self._db = db
        self._templates = dict(templates)
        self._constant = {name: constant_fields(each) for name, each in templates.items()}
        self._computing = Computing(seed)
        self._named: dict[tuple[str, str], Draft] = {}
        self._use: Use | None = use_of(db)
        if not isinstance(db, CurrentDatabase):
            # Without an end that could be told, unlike a run's: what is in it stays its own.
            claim(db, allowed_hosts, for_a_run=read_baseline(db) is None)
            forgive(db)  # whoever writes to it next
        elif self._use is None:
            return  # what is in it now goes before the first test, which gets the collections
        there = list_definitions(db)
        for name in self._templates.keys() - there.keys():
            create(db, Definition(name))

    @property
    def collections(self) -> KeysView[str]:
        """Return the names of the collections that have a template."""
        return self._templates.keys()

    def create(
        self,
        scenario: Mapping[str, Iterable[Any] | Mapping[str, Any]],
        add_scenario_id: bool = False,
        *,
        deep: bool = False,
    ) -> dict[str, list[Any]]:
        """Insert documents, each laid over the template of its collection; return their ids.

        `scenario` has collections with documents, or with names and documents, by which `ref` finds
        them; a collection needs no template. Given fields take the place of the template's;
        with `deep`, documents within documents are laid over each other, too.
        `add_scenario_id` gives all of them the same new `scenario_id`. Returns the ids by
        collection, in the order of the documents, which are all in memory until then. In a test,
        changes count from here.

        Raises NotDocumentsError and TemplateError before the first write, CommandError where the
        server refuses a document.
        """
        __tracebackhide__ = True  # pytest shows the line of the test
        try:
            return self._create(scenario, add_scenario_id=add_scenario_id, deep=deep)
        except RecursionError:
            raise TemplateError(
                "a value to create contains itself, or is too deep; leave that out"
            ) from None
        except MongoshotError as error:
            raise error.with_traceback(None) from error.__cause__

    def cleanup_collections(self) -> None:
        """Empty the collections that have a template; sequences, fakes and names begin again."""
        for name in self.collections:
            empty_collection(self._db, name)
        self._rewind()

    def _rewind(self) -> None:
        self._computing.rewind()
        self._named.clear()

    def _create(
        self, scenario: Mapping[str, Any], *, add_scenario_id: bool, deep: bool
    ) -> dict[str, list[Any]]:
        if (use := use_of(self._db)) is not self._use:
            self._use = use
            self._rewind()
        scenario_id = ObjectId()
        added = {"scenario_id": scenario_id} if add_scenario_id else {}
        drafts = self._draft(scenario, added, deep=deep)
        named = {
            (draft.collection, draft.label): draft
            for each in drafts.values()
            for draft in each
            if isinstance(draft.label, str)
        }
        Drafts(drafts, self._named | named, self._computing).complete()
        encoded = {
            name: [_encode(draft, self._db.codec_options) for draft in each]
            for name, each in drafts.items()
        }
        for name, documents in encoded.items():
            insert_documents(self._db, name, documents, comment=f"ScenarioBuilder {scenario_id}")
        self._named |= named
        if use is not None and use.arranged is not None:
            use.arranged()
        return {name: [draft.document["_id"] for draft in each] for name, each in drafts.items()}

    def _draft(
        self, scenario: Mapping[str, Any], added: dict[str, Any], *, deep: bool
    ) -> dict[str, list[Draft]]:
        if not isinstance(scenario, Mapping):
            raise NotDocumentsError(
                "create takes collections with documents, like"
                f' {{"orders": [{{"total": 5}}]}}, not {type(scenario).__name__}'
            )
        drafts: dict[str, list[Draft]] = {}
        for name, documents in scenario.items():
            if not isinstance(name, str):
                raise NotDocumentsError(f"the name of a collection is a string, not {name!r}")
            drafts[name] = [
                self._begin(name, label, given, added, deep=deep)
                for label, given in _labelled(name, documents)
            ]
            if not drafts[name]:
                raise NotDocumentsError(
                    f"{name}: there are no documents to create; give it one, {{}} for the template"
                    " as it is, or leave the collection out"
                )
        return drafts

    def _begin(
        self, name: str, label: str | int, given: Any, added: dict[str, Any], *, deep: bool
    ) -> Draft:
        path: Path = (name, label)
        if not isinstance(given, Mapping):
            if isinstance(given, type) or not is_model(given):
                raise NotDocumentsError(
                    f"{show(path)} should be a document, a mapping of fields to values, not"
                    f" {given!r}"
                )
            given = model_document(given, {})
        template = self._templates.get(name, {})
        known = given
        if not isinstance(template, Mapping) and not is_model(template):
            # A factory computes some fields from others, and shall do so from those that are given.
            # What is to be laid over what it makes, it must not see.
            under = {k for k, v in given.items() if deep and isinstance(v, Mapping)}
            known = self._computing.value({k: given[k] for k in given if k not in under}, path)
            given = {**given, **known}
        base = self._computing.document(template, known, path)
        merged = {**_merged(base, given, deep=deep), **added}
        constant = self._constant.get(name, {})
        return Draft.of(name, label, *self._computing.fields(merged, constant, path))


def check_template(template: object, what: str) -> None:
    """Raise TemplateError, naming `what`, for what can be no template."""
    if isinstance(template, Mapping) or callable(template) or is_model(template):
        return
    raise TemplateError(
        f"{what} should be a mapping of fields to values, a callable that gives one, a Pydantic"
        f" model or a factory, not {type(template).__name__}"
    )


def _labelled(name: str, documents: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(documents, Mapping):
        for label, document in documents.items():
            if not isinstance(label, str) or not (
                isinstance(document, Mapping) or is_model(document)
            ):
                raise NotDocumentsError(
                    f"{name}: a mapping has names with documents in it, like"
                    f' {{"first": {{…}}}}, and a list has documents without: [{{…}}]; here is'
                    f" {label!r}: {document!r}"
                )
            yield label, document
        return
    if isinstance(documents, str | bytes) or not isinstance(documents, Iterable):
        raise NotDocumentsError(f"{name} should have a list of documents, not {documents!r}")
    yield from enumerate(documents)


def _merged(base: Mapping[str, Any], given: Mapping[str, Any], *, deep: bool) -> dict[str, Any]:
    merged = {**base, **given}
    if deep:
        for key, value in given.items():
            under = base.get(key)
            if isinstance(value, Mapping) and isinstance(under, Mapping):
                merged[key] = _merged(under, value, deep=True)
    return merged


def _encode(draft: Draft, options: CodecOptions[Any]) -> bytes:
    try:
        return bson.encode(draft.document, codec_options=options)
    except RecursionError:
        raise
    except Exception as error:  # noqa: BLE001 - the encoder raises what it meets
        raise _unencodable(draft.document, draft.path, options, error) from None


def _unencodable(
    value: Any, path: Path, options: CodecOptions[Any], error: Exception
) -> TemplateError:
    """Name the first value within another that is not BSON."""
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, each in inner:
        if isinstance(value, Mapping) and not isinstance(key, str):
            return TemplateError(f"{show(path)}: the name of a field is a string, not {key!r}")
        try:
            bson.encode({"" if isinstance(key, int) else key: each}, codec_options=options)
        except Exception as found:  # noqa: BLE001 - as above
            return _unencodable(each, (*path, key), options, found)
    advice = next((text for kind, text in _ADVICE if isinstance(value, kind)), None)
    hint = f"; give {advice}" if advice else ""
    reason = " ".join(str(error).split("for document")[0].split())[:200].rstrip(" :")
    return TemplateError(f"{show(path)} cannot be stored: {reason}{hint}")
