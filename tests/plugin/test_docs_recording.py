"""docs/recording.md: its program, and what is typed and printed there."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mongoshot import Snapshot, restore
from mongoshot.server.connection import Client

Run = Callable[..., pytest.RunResult]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "recording.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)
    return found


def test_the_page(
    pytester: pytest.Pytester,
    run: Run,
    server_url: str,
    mongo_client: Client,
    inner_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database = f"{inner_database}_shop"
    restore(Snapshot.load(ROOT / "snapshots" / "shop"), mongo_client[database])
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    (pytester.path / "deliver.py").write_text(blocks("python")[0], encoding="utf-8")
    printed: list[str] = []
    for typed in re.split(r"^\$ mongoshot ", "".join(blocks("console")[:2]), flags=re.M)[1:]:
        words, shown = typed.split("\n", 1)
        named = words.replace("mongodb://127.0.0.1:27017", server_url)
        named = named.replace("--db-name shop_test", f"--db-name {inner_database}")
        named = named.replace("--db-name shop ", f"--db-name {database} ")
        done = pytester.run(sys.executable, "-m", "mongoshot", *named.split())
        said = (
            "\n".join(done.outlines).replace(database, "shop").replace(inner_database, "shop_test")
        )
        said = said.replace(server_url.removeprefix("mongodb://"), "127.0.0.1:27017")
        for part in shown.split("...\n"):
            assert part.strip("\n") in said
        printed.append(said)

    module = pytester.path / "tests" / "test_deliver.py"
    module.write_text(printed[0][printed[0].index("import os") :], encoding="utf-8")
    run().assert_outcomes(passed=1)
