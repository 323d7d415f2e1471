"""The running service, by HTTP: `db_changes` sees what its process writes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

GROCERIES = "65f0c1000000000000000001"
UNKNOWN = "65f0c1ffffffffffffffffff"

pytestmark = pytest.mark.scenario("notebook")


@pytest.mark.scenario("notebook", readonly=True)
def test_notes_are_found_by_tag(http: httpx.Client) -> None:
    (note,) = http.get("/notes", params={"tag": "list"}).raise_for_status().json()

    assert (note["id"], note["title"], note["revision"]) == (GROCERIES, "Groceries", 3)
    assert len(http.get("/notes").json()) == 30


def test_a_new_note(http: httpx.Client, db_changes: Any, db_snapshot: Any) -> None:
    new = {"author": "ben", "title": "Windows", "body": "Clean", "tags": ["home", "spring"]}
    answer = http.post("/notes", json=new)

    assert answer.status_code == 201
    assert db_changes == db_snapshot


@pytest.mark.parametrize(
    "wrong",
    [{"author": "eve"}, {"title": ""}, {"tags": "home"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_note_that_is_refused(http: httpx.Client, db_changes: Any, wrong: dict[str, Any]) -> None:
    new = {"author": "ben", "title": "Windows", "tags": ["home"], **wrong}

    assert http.post("/notes", json=new).status_code == 422
    assert not db_changes


def test_an_edit(http: httpx.Client, db_changes: Any, db_snapshot: Any) -> None:
    answer = http.patch(f"/notes/{GROCERIES}", json={"revision": 3, "body": "Milk, tea"})

    assert answer.json()["revision"] == 4
    assert db_changes == db_snapshot


def test_the_first_of_two_edits_counts(
    http: httpx.Client, db_changes: Any, db_snapshot: Any
) -> None:
    first = http.patch(f"/notes/{GROCERIES}", json={"revision": 3, "body": "Tea"})
    second = http.patch(f"/notes/{GROCERIES}", json={"revision": 3, "body": "Coffee"})

    assert (first.status_code, second.status_code) == (200, 409)
    assert db_changes == db_snapshot


def test_archiving(http: httpx.Client, db_changes: Any, db_snapshot: Any) -> None:
    assert http.post(f"/notes/{GROCERIES}/archive").status_code == 204
    assert http.post(f"/notes/{GROCERIES}/archive").status_code == 404
    assert db_changes == db_snapshot


@pytest.mark.parametrize("note_id", [UNKNOWN, "groceries"])
def test_a_note_that_is_not_there(http: httpx.Client, db_changes: Any, note_id: str) -> None:
    expected = 404 if note_id == UNKNOWN else 422

    assert http.post(f"/notes/{note_id}/archive").status_code == expected
    assert not db_changes


@pytest.mark.scenario("notebook")
class TestArrangedByTheTest:
    @pytest.fixture
    def _urgent(self, db: Any) -> None:
        db.notes.update_one({"title": "Groceries"}, {"$set": {"tags": ["urgent"]}})

    @pytest.mark.usefixtures("_urgent")
    def test_what_a_fixture_writes_is_there_and_no_change(
        self, http: httpx.Client, db_changes: Any
    ) -> None:
        assert http.get("/notes", params={"tag": "list"}).json() == []
        assert not db_changes
