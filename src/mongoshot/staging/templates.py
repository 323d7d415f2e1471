"""Templates from a directory: one file a collection, as Python, Extended JSON or YAML."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
from bson.errors import BSONError

from mongoshot.errors import MongoshotError, TemplateError, TemplatesNotFoundError
from mongoshot.snapshot.elements import ARRAY, DOCUMENT, iterate_elements
from mongoshot.snapshot.encoding import from_extended_json
from mongoshot.snapshot.model import decode
from mongoshot.snapshot.yaml_text import NoYamlProblem, YamlProblem, read_yaml
from mongoshot.staging.building.builder import check_template

#: What a module without a template gives.
_NONE = object()

_NO_LETTER = re.compile(r"\W")


def load_templates_from_path(path: str | Path) -> dict[str, Any]:
    """Load the templates of a directory: file name without suffix, the collection's → template.

    Of each `*.py` but `__init__.py` it is what the module calls `TEMPLATE`; modules without one are
    passed over. Of each `*.json` it is the document, in Extended JSON, of each `*.yaml` and `*.yml`
    the mapping. Hidden files are passed over.

    Raises TemplatesNotFoundError where there is no such directory, TemplateError with the file, and
    the line where there is one, for what cannot be read, or is no template, or is there twice.
    """
    directory = Path(path).absolute()
    if not directory.is_dir():
        raise TemplatesNotFoundError(
            f"no directory of templates {directory}: make it, or name another with --templates-path"
        )
    templates: dict[str, Any] = {}
    files: dict[str, Path] = {}
    for file in sorted(directory.iterdir()):
        read = _READERS.get(file.suffix)
        if read is None or file.name == "__init__.py" or file.name.startswith("."):
            continue
        if not file.is_file() or (template := read(file)) is _NONE:
            continue
        if file.stem in templates:
            raise TemplateError(
                f"{files[file.stem]} and {file.name} are both templates of {file.stem!r}; keep one"
            )
        check_template(template, f"{file}: the template")
        templates[file.stem], files[file.stem] = template, file
    return templates


def _read_module(file: Path) -> Any:
    # Models look their own module up by its name, so that it needs one that nobody else has.
    digest = hashlib.sha256(str(file).encode(errors="surrogatepass")).hexdigest()[:8]
    name = f"_mongoshot_template_{digest}_{_NO_LETTER.sub('_', file.stem)}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise TemplateError(f"{file} cannot be imported; make it a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception | SystemExit):
            raise
        raise TemplateError(_where(file, error)) from None
    return getattr(module, "TEMPLATE", _NONE)


def _where(file: Path, error: BaseException) -> str:
    """Say which line of a module, or of what it imports, raised an error."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file)]
    at = f", line {lines[-1]}" if lines else ""
    reason = " ".join(str(error).split())[:300]
    return f"{file}{at}: {type(error).__name__}: {reason}"


def _read_json(file: Path) -> Any:
    try:
        document = from_extended_json(_read(file))
    except MongoshotError as error:
        raise TemplateError(f"{file}: {error}") from None
    if twice := _key_twice(document):
        raise TemplateError(f"{file}: the key {twice!r} is there twice; keep one")
    return decode(document)


def _key_twice(document: bytes) -> str | None:
    keys: set[bytes] = set()
    for kind, key, start, end in iterate_elements(document):
        if key in keys:
            return key.decode()
        keys.add(key)
        if kind in (DOCUMENT, ARRAY) and (found := _key_twice(document[start:end])):
            return found
    return None


def _read_yaml(file: Path) -> Any:
    try:
        template = read_yaml(_read(file))
    except NoYamlProblem:
        raise TemplateError(
            f"{file}: templates in YAML take the package pyyaml; type: pip install pyyaml"
        ) from None
    except YamlProblem as problem:
        raise TemplateError(f"{file}{problem.where}: {problem}") from None
    try:
        bson.encode({"": template})
    except (BSONError, OverflowError, TypeError) as error:
        raise TemplateError(f"{file}: {' '.join(str(error).split())[:200]}") from None
    return template


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise TemplateError(f"cannot read {file}: {error.strerror}; make it readable") from None
    except UnicodeDecodeError as error:
        raise TemplateError(f"{file}: this is not UTF-8: {error}") from None


_READERS: dict[str, Callable[[Path], Any]] = {
    ".py": _read_module,
    ".json": _read_json,
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
}
