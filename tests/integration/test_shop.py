"""The scenario in `snapshots/shop` is what its script makes and mongoshot captures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from mongoshot import Snapshot, capture
from mongoshot.server.connection import Database

ROOT = Path(__file__).parents[2]


def test_the_committed_scenario_is_the_one_that_the_script_makes(
    make_database: Callable[[], Database], server_url: str, tmp_path: Path
) -> None:
    committed = Snapshot.load(ROOT / "snapshots" / "shop")
    database = make_database()
    script = ROOT / "examples" / "shop" / "make_shop.py"

    subprocess.run(
        [sys.executable, str(script), "--db-url", server_url, "--db-name", database.name],
        check=True,
        stdout=subprocess.DEVNULL,
    )

    assert capture(database, tmp_path / "shop").digest == committed.digest


def test_it_has_the_types_that_real_data_has() -> None:
    committed = Snapshot.load(ROOT / "snapshots" / "shop")
    committed.verify()

    documents = sum(entry.documents or 0 for entry in committed.manifest.files)
    assert 300 <= documents <= 900
    assert committed.collections["open_orders"].definition.type == "view"
    assert "validator" in committed.collections["orders"].definition.decoded_options()
    text = "".join(
        (committed.path / entry.name).read_text(encoding="utf-8")
        for entry in committed.manifest.files
    )
    for type_or_option in (
        '"$oid"',
        '"$numberDecimal"',
        '"$date"',
        '"$numberLong"',
        '"subType":"04"',
        '"unique": true',
        '"sparse": true',
        '"expireAfterSeconds"',
        '"partialFilterExpression"',
        '"weights"',
    ):
        assert type_or_option in text, type_or_option
