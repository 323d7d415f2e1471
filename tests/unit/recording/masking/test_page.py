"""What the guide says of masks is what they do."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import json_util

from mongoshot.config import read_project
from mongoshot.recording.masking import masks
from mongoshot.recording.masking.key import VARIABLE, load_key
from mongoshot.recording.masking.policy import make_policy
from mongoshot.recording.masking.words import faker_version
from mongoshot.snapshot.model import Collection

PAGE = (Path(__file__).parents[4] / "docs" / "masking.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([a-zA-Z:._-]+)` \|.*? \|(?: `(.+?)`)? \|(?: `(.+?)`)? \|$", PAGE, re.M)

MaskAll = Callable[..., Any]
MakeCollection = Callable[..., Collection]


def test_the_table_has_every_mask() -> None:
    assert {mask.partition(":")[0] for mask, _, _ in ROWS} == set(masks.NAMES)


@pytest.mark.parametrize(
    ("mask", "before", "after"), [row for row in ROWS if row[1]], ids=lambda each: each[:20]
)
def test_a_row_of_the_table(
    mask_all: MaskAll, make_collection: MakeCollection, mask: str, before: str, after: str
) -> None:
    key = load_key(Path(), {VARIABLE: "the key of this page"})
    document = {"_id": 1, "f": json_util.loads(before)}
    done = mask_all(make_collection("c", [document]), f"c.f={mask}", key=key)
    done.masker.check()
    expected = bson.decode(bson.encode({"_id": 1, "f": json_util.loads(after)}))
    if masks.make_mask(mask).words and f"Faker {faker_version()}:" not in PAGE:
        assert done["c"] != [document]
    else:
        assert done["c"] == [expected]


def test_the_samples(
    tmp_path: Path,
    mask_all: MaskAll,
    make_collection: MakeCollection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (toml,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.M | re.S)
    (tmp_path / "pyproject.toml").write_text(toml, encoding="utf-8")
    policy = make_policy(read_project(tmp_path, {}).masking)
    assert len(policy.rules) == 7
    (sample,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
    (tmp_path / "sample_of_the_page.py").write_text(sample, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    people = make_collection("c", [{"_id": 1, "name": "Ada Lindqvist"}])
    done = mask_all(people, "c.name=python:sample_of_the_page:initials")
    assert done["c"] == [{"_id": 1, "name": "A.L."}]
