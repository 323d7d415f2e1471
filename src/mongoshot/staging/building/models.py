"""Templates that are models: Pydantic's and factory_boy's, known by what they are able to do.

Neither is imported here: whoever has such a model has imported it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from mongoshot.errors import TemplateError


def is_model(value: object) -> bool:
    """Tell whether a value is a Pydantic model, a class or an instance of one."""
    kind = value if isinstance(value, type) else type(value)
    return hasattr(kind, "model_dump") and hasattr(kind, "model_fields")


def is_factory(value: object) -> bool:
    """Tell whether a value is a class of factory_boy's."""
    factory = sys.modules.get("factory")
    return (
        factory is not None
        and isinstance(value, type)
        and issubclass(value, factory.base.BaseFactory)
    )


def model_document(model: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a Pydantic model by their aliases: of a class, those with a default.

    An `_id` of None counts as none. Nothing is validated: test data may be wrong on purpose. Raises
    TemplateError where a field of a class has no default and is not `given`.
    https://docs.pydantic.dev/latest/concepts/serialization/
    """
    if isinstance(model, type):
        for name, described in model.model_fields.items():  # type: ignore[attr-defined]
            key = described.serialization_alias or described.alias or name
            if described.is_required() and key not in given:
                raise TemplateError(
                    f"{model.__name__} has no default for {key!r}; give the document one"
                )
        model = model.model_construct()  # type: ignore[attr-defined]
    document: dict[str, Any] = model.model_dump(by_alias=True, warnings=False)
    if document.get("_id", ...) is None:
        del document["_id"]
    return document


def document_factory(factory: Any) -> Any:
    """Return a factory that makes what another makes, as a dict, and counts for itself.

    So do the factories in its fields.
    https://factoryboy.readthedocs.io/en/stable/reference.html#the-factory-class
    """
    package = sys.modules["factory"]
    parts = {
        name: package.SubFactory(document_factory(each.get_factory()), **each._defaults)  # noqa: SLF001 - what the field was declared with
        for name, each in factory._meta.base_declarations.items()  # noqa: SLF001 - as above
        if isinstance(each, package.SubFactory)
    }
    meta = type("Meta", (), {"model": dict, "abstract": False})
    return type(factory)(factory.__name__, (factory,), {"Meta": meta, **parts})


def build(factory: Any, given: Mapping[str, Any], seed: str) -> dict[str, Any]:
    """Build a document with a factory of `document_factory`; its random values depend on `seed`.

    The random state that factory_boy shares is as before afterwards.
    """
    random = import_module("factory.random")
    state = random.get_random_state()
    random.reseed_random(seed)
    try:
        document: dict[str, Any] = factory.build(**given)
    finally:
        random.set_random_state(state)
    return document
