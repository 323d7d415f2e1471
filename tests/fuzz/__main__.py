"""Fuzz the parsers, led by coverage, one after the other: each in a process of its own.

    python -m tests.fuzz --seconds 60 [TARGET…]     that long each; all of them without names
    python -m tests.fuzz --rows DIRECTORY           write what all runs so far have shown as rows

What leads further is kept in `.cache/fuzz`, and so are inputs that broke a law: one of those ends
its process, and the exit status is 1. Each becomes a test, mostly in
tests/unit/snapshot/test_hostile.py. The counts of all runs are added up in record.json.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.fuzz import files, texts
from tests.fuzz.model import Target
from tests.reliability import ROOT, Row, keep

from mongoshot.files import write_whole

TARGETS = {target.name: target for target in (*files.TARGETS, *texts.TARGETS)}
KEPT = ROOT / ".cache" / "fuzz"
#: The counts of all runs on all machines, and how many faults found were `mended`, by hand.
RECORD = Path(__file__).with_name("record.json")

#: Seconds that one input may take, and bytes that it may have.
_SLOWEST, _LONGEST = 10, 16_384

_TEST = "test_a_parser_keeps_its_laws"
_COUNTS = ("executions", "seconds")
_EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_RATE = re.compile(r"stat::average_exec_per_sec:\s*(\d+)")
_FUZZED = re.compile(r"Done \d+ runs in (\d+) second")
_COVERED = re.compile(r"cov: (\d+)")


def fuzz(target: Target, seconds: int) -> tuple[dict[str, Any], str]:
    """Feed one target; return its counts, and the input that broke a law, "" where none did."""
    corpus, findings = KEPT / "corpus" / target.name, KEPT / "findings"
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(exist_ok=True)
    for seed in target.seeds():
        (corpus / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    prefix = findings / f"{target.name}-"
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={_SLOWEST}",
        f"-max_len={_LONGEST}",
        f"-artifact_prefix={prefix}",
        "-rss_limit_mb=2500",
        "-print_final_stats=1",
    ]
    command = [sys.executable, "-m", "tests.fuzz.child", target.name, str(corpus), *options]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True)
    said = (done.stderr + done.stdout).decode("utf-8", "replace")
    counts = {
        "seconds": _seconds(said),
        "executions": sum(map(int, _EXECUTED.findall(said)[-1:])),
        "coverage": max(map(int, _COVERED.findall(said)), default=0),
    }
    if done.returncode == 0:
        return counts, ""
    log = Path(f"{prefix}{time.time_ns()}.log")
    log.write_text(said[-20_000:], encoding="utf-8")
    return counts, str(log)


def _seconds(said: str) -> int:
    """Read for how long there were inputs; one that broke a law ends that without a word of it."""
    if found := _FUZZED.findall(said):
        return int(found[-1])
    executed, rate = (sum(map(int, each.findall(said)[-1:])) for each in (_EXECUTED, _RATE))
    return executed // rate if rate else 0


def add(target: str, counts: dict[str, Any]) -> dict[str, Any]:
    """Add the counts of a run to those of all before it."""
    totals: dict[str, Any] = json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else {}
    total = totals.setdefault(target, {"seconds": 0, "executions": 0, "coverage": 0, "mended": 0})
    total["seconds"] += counts["seconds"]
    total["executions"] += counts["executions"]
    total["coverage"] = max(total["coverage"], counts["coverage"])
    write_whole(RECORD, json.dumps(totals, indent=1, sort_keys=True) + "\n")
    return dict(total)


def write_rows(directory: Path) -> None:
    """Write a row for each target, and one for all, of the counts of all runs."""
    totals = json.loads(RECORD.read_text("utf-8"))
    test = "tests/fuzz/test_targets.py"
    inputs, seconds = (sum(each[key] for each in totals.values()) for key in _COUNTS)
    together = f"{inputs:,} inputs in {seconds:,} s"
    seen = "coverage-guided, memory held below 3 GiB, 10 s for an input"
    keep(Row("fuzzing", f"all {len(totals)} parsers", together, seen, test), directory)
    for name, total in sorted(totals.items()):
        seen = f"{total['coverage']:,} edges reached; "
        mended = total["mended"]
        seen += f"{mended} found, mended, kept as tests" if mended else "each law held"
        times = f"{total['executions']:,} inputs in {total['seconds']:,} s"
        keep(
            Row("fuzzing", f"parser fuzzed: {name}", times, seen, f"{test}::{_TEST}[{name}]"),
            directory,
        )


def main() -> int:
    """Fuzz what is named, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], metavar="TARGET")
    given = parser.parse_args()
    if given.rows:
        write_rows(given.rows)
        return 0
    if importlib.util.find_spec("atheris") is None:
        sys.exit("fuzzing takes atheris: pip install -e '.[fuzz]' (Linux, CPython 3.11 or newer)")
    os.environ.setdefault("PYTHONPATH", str(ROOT / "src"))
    status = 0
    for name in given.targets or TARGETS:
        counts, found = fuzz(TARGETS[name], given.seconds)
        total = add(name, counts)
        print(  # noqa: T201
            f"{name}: {counts['executions']:,} inputs in {counts['seconds']} s,"
            f" {counts['coverage']} edges; in all {total['executions']:,} in {total['seconds']} s",
            flush=True,
        )
        if found:
            status = 1
            print(f"{name}: A LAW WAS BROKEN: {found}", flush=True)  # noqa: T201
    return status


if __name__ == "__main__":
    sys.exit(main())
