"""Templates from a directory, and what is wrong with one: the file, and the line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from bson import Int64, ObjectId

from mongoshot import load_templates_from_path
from mongoshot.errors import TemplateError, TemplatesNotFoundError

FILES = {
    "orders.py": "TEMPLATE = {'status': 'open'}",
    "audit.log.py": "def TEMPLATE():\n    return {'at': 1}",
    "__init__.py": "raise RuntimeError",
    "helpers.py": "TEMPLATES = 1",
    ".#orders.py": "raise RuntimeError",
    "notes.txt": "",
    "products.json": '{"_id": {"$oid": "65f0000000000000000000aa"}, "n": {"$numberLong": "1"}}',
}


def write(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    return directory


def test_each_file_is_a_template_of_its_collection(tmp_path: Path) -> None:
    write(tmp_path, **FILES)
    (tmp_path / "old.py").mkdir()

    templates = load_templates_from_path(tmp_path)

    assert list(templates) == ["audit.log", "orders", "products"]
    assert templates["orders"] == {"status": "open"}
    assert templates["audit.log"]() == {"at": 1}
    assert templates["products"] == {"_id": ObjectId("65f0000000000000000000aa"), "n": 1}
    assert type(templates["products"]["n"]) is Int64
    assert load_templates_from_path(str(tmp_path)).keys() == templates.keys()


def test_modules_do_not_get_in_the_way_of_others(tmp_path: Path) -> None:
    # A dataclass looks its module up, and "json" is the name of another.
    code = (
        "from __future__ import annotations\nfrom dataclasses import asdict, dataclass, KW_ONLY\n"
        "@dataclass\nclass Order:\n    _: KW_ONLY\n    total: int = 5\nTEMPLATE = asdict(Order())"
    )
    (tmp_path / "here").mkdir()
    before = sys.modules["json"]
    here = load_templates_from_path(write(tmp_path / "here", **{"json.py": code}))
    assert here == {"json": {"total": 5}}
    assert sys.modules["json"] is before


def test_yaml_is_read_where_it_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    write(
        tmp_path,
        **{"orders.yaml": "lines:\n  - {sku: a, n: 2}\n", "log.yml": "at: 2026-01-02 03:04:05"},
    )
    templates = load_templates_from_path(tmp_path)
    assert templates["orders"] == {"lines": [{"sku": "a", "n": 2}]}
    assert templates["log"]["at"].year == 2026


def test_yaml_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(TemplateError, match=r"orders\.yaml: .*; type: pip install pyyaml"):
        load_templates_from_path(write(tmp_path, **{"orders.yaml": "a: 1"}))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.py", "x = 1\nTEMPLATE = {'a' 1}", "a.py, line 2: SyntaxError: "),
        ("a.py", "x = 1\n\n1 / 0", "a.py, line 3: ZeroDivisionError: division by zero"),
        ("a.py", "import nowhere_to_be_found", "a.py, line 1: ModuleNotFoundError: No module"),
        ("a.py", "import sys\nsys.exit(3)", "a.py, line 2: SystemExit: 3"),
        ("a.py", "TEMPLATE = [{}]", "a.py: the template should be a mapping .*, not list"),
        ("a.py", "TEMPLATE = None", "a.py: the template should be a mapping .*, not NoneType"),
        ("a.json", '{\n"a": }', "a.json: this is not JSON: Expecting value: line 2"),
        ("a.json", "[]", "a.json: the outermost value must be a document"),
        ("a.json", '{"b": [{"a": 1, "a": 2}]}', "a.json: the key 'a' is there twice"),
    ],
)
def test_a_bad_template_is_one_line_with_its_file(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    write(tmp_path, **{"a_good_one.py": "TEMPLATE = {}", name: text})
    with pytest.raises(TemplateError, match=message) as caught:
        load_templates_from_path(tmp_path)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [", "line 2: this is not YAML"),
        ("b:\n  - a: 1\n    a: 2", "line 3: the key 'a' is there twice"),
        ("- a", "should be a mapping .*, not list"),
        ("", "should be a mapping .*, not NoneType"),
        ("a: 2026-01-02", "cannot encode object: datetime.date"),
        ("a: !!python/name:os.system", "this is not YAML: could not determine a constructor"),
    ],
)
def test_bad_yaml_is_one_line_with_its_file(tmp_path: Path, text: str, message: str) -> None:
    pytest.importorskip("yaml")
    with pytest.raises(TemplateError, match=message) as caught:
        load_templates_from_path(write(tmp_path, **{"a.yaml": text}))
    assert str(tmp_path / "a.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_collection_has_one_template(tmp_path: Path) -> None:
    write(tmp_path, **{"orders.py": "TEMPLATE = {}", "orders.json": "{}"})
    with pytest.raises(
        TemplateError, match=r"orders\.json and orders\.py are both templates of 'or"
    ):
        load_templates_from_path(tmp_path)


def test_a_directory_that_is_not_there_is_also_pythons_own_error(tmp_path: Path) -> None:
    with pytest.raises(TemplatesNotFoundError, match="or name another with --templates-path"):
        load_templates_from_path(tmp_path / "templates")
    with pytest.raises(FileNotFoundError):
        load_templates_from_path(tmp_path / "templates")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_one_line(tmp_path: Path) -> None:
    write(tmp_path, **{"a.json": "{}"})
    (tmp_path / "a.json").chmod(0)
    with pytest.raises(TemplateError, match=r"cannot read .*a\.json: "):
        load_templates_from_path(tmp_path)
