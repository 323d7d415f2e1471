"""`mongoshot diff --html`: the page is whole or absent, and says the same as the exit status."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from mongoshot.errors import UsageError
from mongoshot.files import write_file
from mongoshot.server.connection import Database

from .conftest import Run, without_privileges

Refused = Callable[..., str]


def test_a_difference_as_a_page(
    run: Run, captured: Path, orders: Database, server_url: str, tmp_path: Path
) -> None:
    live = f"{server_url}/{orders.name}"
    page = tmp_path / "out.html"
    equal = run("diff", "orders", live, "--html", "out.html")
    assert (equal.returncode, equal.stderr) == (0, "written: out.html\n")
    assert equal.stdout.endswith(" are equal\n")
    assert "They are equal." in page.read_text(encoding="utf-8")

    orders["orders"].update_one({"_id": 3}, {"$set": {"total": "é </script>"}})
    differs = run("diff", "orders", live, "--html", page)
    assert (differs.returncode, differs.stderr) == (1, f"written: {page}\n")
    assert "1 collection differs" in differs.stdout
    text = page.read_text(encoding="utf-8")
    assert '["~","total","4.5","\\"é \\u003c/script>\\""]' in text

    both = run("diff", "orders", live, "--html", "second.html", "--json")
    assert (both.returncode, both.stderr) == (1, "written: second.html\n")
    assert set(json.loads(both.stdout)["collections"]) == {"orders"}
    assert (tmp_path / "second.html").read_bytes() == page.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("out.html", "second.html", "snapshots")
    ]


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ("", "--html is empty"),
        (".", "is a directory"),
        ("nowhere/out.html", "there is no directory"),
        ("file.txt/out.html", "there is no directory"),
        ("/dev/null", "is no file"),
        ("x" * 300, "File name too long"),
    ],
)
def test_where_no_page_can_be_is_said_before_anything_is_read(
    file: str, part: str, run: Run, refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / "file.txt").touch()
    refused(run("diff", "not", "there", "--html", file), part)


def test_a_directory_that_cannot_be_written_to(run: Run, refused: Refused, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    words = ("diff", "not", "there", "--html", closed / "x.html")
    refused(run(*words, prefix=without_privileges()), "cannot be written to")


def test_a_page_that_does_not_fit_leaves_the_old_one(
    run: Run, refused: Refused, captured: Path, tmp_path: Path
) -> None:
    page = tmp_path / "out.html"
    page.write_text("as it was")
    few = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (4096, 4096))
    done = run("diff", "orders", "orders", "--html", page, preexec_fn=few)
    refused(done, f"{page} cannot be written: File too large")
    assert page.read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.html", "snapshots"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "link.html"
    link.symlink_to("there/page.html")
    write_file(link, "é\n")
    assert link.is_symlink()
    assert (tmp_path / "there" / "page.html").read_bytes() == "é\n".encode()
    with pytest.raises(UsageError, match="cannot be written"):
        write_file(tmp_path / "gone" / "page.html", "")
