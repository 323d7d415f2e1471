"""What is left for review is there as it was left, until its test or a person ends it."""

from __future__ import annotations

import datetime
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from mongoshot.errors import ProposalError
from mongoshot.review.proposal import LARGEST
from mongoshot.review.store import Store, find_store

from .conftest import EXPECTATION, Propose


def files(store: Store) -> list[Path]:
    return sorted((store.root / ".mongoshot" / "pending").rglob("*.json"))


def test_what_is_left_is_read_again(store: Store, propose: Propose) -> None:
    assert store.read() == ([], [])
    assert store.count() == 0

    new = propose()
    changed = propose("test_shop.py::test_two[\x1b é \ud800]", expected="before\n", name="two")

    assert store.read() == ([new, changed], [])
    assert store.count() == 2
    assert (new.kind, changed.kind) == ("new", "changed")
    assert (store.root / ".mongoshot" / ".gitignore").read_text().splitlines()[-1] == "*"
    assert all(path.read_bytes().isascii() for path in files(store))


def test_assertions_stand_in_their_order(store: Store, propose: Propose) -> None:
    test = "test_shop.py::test_many"
    made = [
        replace(propose(test), index=index, file=f"__expectations__/test_shop/t{index}.json")
        for index in ("10", "a name", "2", "")
    ]
    store.replace(test, made)
    names = [proposal.name for proposal in store.read()[0]]
    assert names == [test, f"{test}#2", f"{test}#10", f"{test}#a name"]


def test_a_run_replaces_what_its_test_proposed_and_no_other(store: Store, propose: Propose) -> None:
    other = propose("test_shop.py::test_one[a]")
    first = propose()
    second = replace(first, file="__expectations__/test_shop/second.json", index="1")
    store.replace(first.test, [first, second])
    assert store.read()[0] == [first, second, other]

    store.replace(first.test, [second])
    assert store.read()[0] == [second, other]

    store.replace(first.test, [])
    assert store.read()[0] == [other]
    store.replace("test_shop.py::test_never_failed", [])
    assert len(list((store.root / ".mongoshot" / "pending").iterdir())) == 1


@pytest.mark.parametrize("before", [None, EXPECTATION % 1, "no expectation"])
def test_accepting_writes_the_file_and_ends_the_proposal(
    store: Store, propose: Propose, before: str | None
) -> None:
    path = store.root / "__expectations__" / "test_shop" / "test_one.json"
    if before is not None:
        path.parent.mkdir(parents=True)
        path.write_text(before)
    proposal = propose(expected=before, actual=EXPECTATION % 2)

    assert store.staleness(proposal) is None
    store.accept(proposal)

    assert path.read_text() == EXPECTATION % 2
    assert [entry.name for entry in path.parent.iterdir()] == ["test_one.json"]
    assert store.read() == ([], [])
    store.accept(proposal)  # as a command that was interrupted does when it is typed again


def test_rejecting_ends_the_proposal_alone(store: Store, propose: Propose) -> None:
    kept = propose("test_shop.py::test_kept")
    store.reject(propose())
    assert store.read()[0] == [kept]
    assert not (store.root / "__expectations__").exists()


@pytest.mark.parametrize("stored", ["changed since\n", None])
def test_a_file_that_is_another_by_now_is_not_overwritten(
    store: Store, propose: Propose, stored: str | None
) -> None:
    proposal = propose(expected="before\n")
    path = store.root / proposal.file
    path.parent.mkdir(parents=True)
    if stored is not None:
        path.write_text(stored)

    assert store.staleness(proposal) == "its file is no longer what the test was compared with"
    with pytest.raises(
        ProposalError, match=r"is not accepted: its file is no longer .* run pytest"
    ):
        store.accept(proposal)
    assert (path.read_text() if path.exists() else None) == stored
    assert store.count() == 1


def test_a_new_file_that_somebody_else_has_written_is_not_overwritten(
    store: Store, propose: Propose
) -> None:
    proposal = propose()
    path = store.root / proposal.file
    path.parent.mkdir(parents=True)
    path.write_text("")
    with pytest.raises(ProposalError, match="no longer what"):
        store.accept(proposal)
    path.write_bytes(b"\xff")
    assert store.staleness(proposal) == "its file cannot be read"


def test_line_ends_do_not_make_a_file_another(store: Store, propose: Propose) -> None:
    proposal = propose(expected="a\nb\n")
    path = store.root / proposal.file
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a\r\nb\r\n")
    assert store.staleness(proposal) is None


def test_a_module_that_is_gone_makes_its_proposals_stale(store: Store, propose: Propose) -> None:
    proposal = propose()
    (store.root / "test_shop.py").unlink()
    assert store.staleness(proposal) == "its test module is gone"
    with pytest.raises(ProposalError, match="its test module is gone"):
        store.accept(proposal)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"format_version": 99}',
        "[" * 100_000,
        EXPECTATION.replace("1", "7", 1) % 1,
        EXPECTATION % 1 + "\ud800",
        (EXPECTATION % 1).replace('{"_id": 1}', '{"a": ' * 5000 + "1" + "}" * 5000),
    ],
)
def test_only_an_expectation_is_written(store: Store, propose: Propose, text: str) -> None:
    proposal = propose(actual=text)
    with pytest.raises(ProposalError, match="what it proposes is no expectation; reject it"):
        store.accept(proposal)
    assert not (store.root / proposal.file).exists()


@pytest.mark.parametrize(
    "file",
    [
        "/etc/__expectations__/x/y.json",
        "../__expectations__/x/y.json",
        "__expectations__/../../__expectations__/x/y.json",
        "sub/../__expectations__/x/y.json",
        "__expectations__/y.json",
        "__expectations__/x/y/z.json",
        "__expectations__/x/y.py",
        "__expectations__/x/.json",
        "__expectations__/x/.hidden.json",
        "__expectations__/x/..",
        "__snapshots__/x/y.json",
        "link/__expectations__/x/y.json",
        "inside/x/y.json",
        "loop/__expectations__/x/y.json",
        "",
        "\0",
        "\ud800",
        "x" * 5000,
    ],
)
def test_no_proposal_leaves_the_place_of_expectations(
    store: Store, propose: Propose, file: str, tmp_path: Path
) -> None:
    (tmp_path / "outside" / "__expectations__" / "x").mkdir(parents=True)
    (tmp_path / "outside" / "x.py").touch()
    (store.root / "link").symlink_to(tmp_path / "outside")
    (store.root / "loop").symlink_to(store.root / "loop")
    (store.root / "__expectations__").mkdir()
    (store.root / "inside").symlink_to(store.root / "sub")
    everything = set(tmp_path.rglob("*.json"))

    hostile = replace(propose(), file=file)
    store.replace(hostile.test, [hostile])

    with pytest.raises(ProposalError, match="is refused: expectations are JSON files"):
        store.accept(hostile)
    with pytest.raises(ProposalError, match="is refused"):
        store.staleness(hostile)
    found, [error] = store.read()
    assert found == []
    assert len(str(error).splitlines()) == 1
    [left] = files(store)
    assert str(error).endswith(f"; delete {left}")
    assert set(tmp_path.rglob("*.json")) - everything == set(files(store))


def test_a_full_path_is_refused_also_within_the_project(store: Store, propose: Propose) -> None:
    proposal = propose()
    with pytest.raises(ProposalError, match="is refused"):
        store.accept(replace(proposal, file=str(store.root / proposal.file)))


def test_a_link_within_the_project_is_followed(store: Store, propose: Propose) -> None:
    (store.root / "real").mkdir()
    (store.root / "real" / "test_shop.py").touch()
    (store.root / "tests").symlink_to("real")
    proposal = replace(propose(), file="tests/__expectations__/test_shop/one.json")
    store.accept(proposal)
    assert (store.root / "real" / "__expectations__" / "test_shop" / "one.json").is_file()


DAMAGED = {
    "empty": "",
    "cut": '{"format_version": 1, "test"',
    "a list": "[]",
    "deep": "[" * 100_000,
    "long number": '{"format_version": ' + "9" * 5000 + "}",
    "no version": "{}",
    "newer": '{"format_version": 2}',
    "no text": '{"format_version": 1, "test": 7}',
    "no digest": '{"format_version": 1, "compared_with": []}',
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_told_and_stops_no_other(
    store: Store, propose: Propose, text: str
) -> None:
    kept = propose("test_shop.py::test_kept")
    propose("test_shop.py::test_damaged")
    [path] = [path for path in files(store) if "test_damaged" in path.read_text()]
    path.write_text(text)

    found, [error] = store.read()

    assert found == [kept]
    assert str(path) in str(error)
    assert "delete it" in str(error)
    assert len(str(error)) < 500


def test_each_field_is_needed(store: Store, propose: Propose) -> None:
    propose(expected="")
    [path] = files(store)
    whole = json.loads(path.read_text())
    for key in whole:
        path.write_text(json.dumps({name: whole[name] for name in whole if name != key}))
        found, errors = store.read()
        # Without a digest it was compared with nothing, as one that is new.
        assert (len(found), len(errors)) == ((1, 0) if key == "compared_with" else (0, 1)), key


def test_a_file_in_another_place_is_no_proposal(store: Store, propose: Propose) -> None:
    proposal = propose()
    [path] = files(store)
    path.rename(path.with_name("0.json"))
    assert [str(error) for error in store.read()[1]] == [
        f"{path.with_name('0.json')} is not where its test would leave it; delete it"
    ]
    store.replace(proposal.test, [])
    assert files(store) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_what_is_no_file_is_not_waited_for(store: Store, propose: Propose) -> None:
    propose()
    [path] = files(store)
    path.unlink()
    os.mkfifo(path)
    [error] = store.read()[1]
    assert str(error) == f"{path} is no file; delete it"


def test_what_is_too_large_is_neither_left_nor_read(store: Store, propose: Propose) -> None:
    with pytest.raises(ProposalError, match=r"too large for a review: .* --snapshot-update"):
        propose(actual="x" * LARGEST)
    assert files(store) == []
    propose()
    [path] = files(store)
    os.truncate(path, LARGEST + 1)
    [error] = store.read()[1]
    assert str(error) == f"{path} is too large to be a proposal; delete it"


def test_a_path_outside_of_the_project_is_not_proposed(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ProposalError, match="is not below pytest's rootdir"):
        store.propose(
            "t", "", tmp_path / "x.json", expected=None, actual="", scenario="", report=""
        )


def test_a_project_that_cannot_be_written_is_one_line(store: Store, propose: Propose) -> None:
    (store.root / ".mongoshot").touch()
    with pytest.raises(ProposalError, match=r"cannot be left for review: .*; record it"):
        propose()
    assert store.read() == ([], [])


def test_the_time_is_that_of_the_file(store: Store, propose: Propose) -> None:
    proposal = propose()
    [path] = files(store)
    os.utime(path, (100, 100))
    assert store.left_at(proposal) == datetime.datetime(1970, 1, 1, 0, 1, 40, tzinfo=datetime.UTC)


def test_the_nearest_store_is_found_from_below(store: Store, propose: Propose) -> None:
    propose()
    below = store.root / "a" / "b"
    below.mkdir(parents=True)
    assert find_store(below).root == store.root
    assert find_store(below.parents[2]).read() == ([], [])
    (below / ".mongoshot").mkdir()
    assert find_store(below).root == below
