from __future__ import annotations

import inspect
import re
import subprocess
import sys
from importlib import metadata

import pytest

import mongoshot


def loaded_by(module: str, *names: str) -> set[str]:
    """Import a module in a new interpreter, and tell which of these packages came with it."""
    code = f"import sys, {module}; print(*({{*{names!r}}} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, encoding="utf-8"
    )
    return set(done.stdout.split())


def test_the_package_loads_no_driver_and_nothing_heavy() -> None:
    assert loaded_by("mongoshot", "pymongo", "bson", "click", "rich", "pytest", "psutil") == set()


def test_the_plugin_loads_nothing_heavy() -> None:
    heavy = ("pymongo", "bson", "syrupy", "rich", "click", "psutil", "filelock", "platformdirs")
    assert loaded_by("mongoshot.plugin", *heavy) == set()


def test_test_cases_load_no_driver_and_no_pytest() -> None:
    heavy = ("pymongo", "bson", "pytest", "_pytest", "syrupy", "rich", "click", "psutil")
    assert loaded_by("mongoshot.unittest", *heavy) == set()


def test_the_options_load_nothing_heavy() -> None:
    assert loaded_by("mongoshot.config", "pymongo", "bson", "click", "tomllib") == set()


@pytest.mark.parametrize("name", mongoshot.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    assert inspect.getdoc(getattr(mongoshot, name))


def test_the_public_names_are_sorted_and_listed() -> None:
    assert sorted(mongoshot.__all__) == mongoshot.__all__
    assert set(mongoshot.__all__) <= set(dir(mongoshot))


def test_the_version_is_that_of_the_distribution() -> None:
    assert mongoshot.__version__ == metadata.version("mongoshot")
    assert re.match(r"\d+\.\d+", mongoshot.__version__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'captur'"):
        _ = mongoshot.captur
