"""The benchmark: one command, one table. `make bench`, or `python -m tests.benchmarks`."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import psutil
import pymongo
from tests.benchmarks.dataset import write_dataset
from tests.benchmarks.measure import Bench, Measure, run_measures
from tests.benchmarks.measures.processes import ROOT, Processes
from tests.benchmarks.measures.reloads import Mongorestore, PlainReload, why_no_mongorestore
from tests.benchmarks.measures.resets import (
    change_stream_resets,
    fingerprint_resets,
    oplog_resets,
)
from tests.benchmarks.measures.states import States
from tests.benchmarks.measures.suites import Suites
from tests.benchmarks.samples import Samples
from tests.benchmarks.table import to_json, to_text

from mongoshot.config import read_project
from mongoshot.server.connection import connect
from mongoshot.server.embedded.binary import find_mongod
from mongoshot.server.embedded.mongod import start_mongod

_RESULTS = ROOT / ".cache" / "benchmarks" / "latest.json"
#: Megabytes: what one measure loads must not push what another one's reset reads out of the oplog.
_OPLOG = 16 * 1024


def measures_of(bench: Bench) -> list[Measure]:
    """Make all measures, in the order of their rows and turns."""
    return [
        oplog_resets(bench),
        Mongorestore(bench),
        PlainReload(bench),
        change_stream_resets(bench),
        fingerprint_resets(bench),
        States(bench),
        Processes(bench),
        Suites(bench),
    ]


@click.command()
@click.option(
    "--sizes",
    default="1000 20000 200000 1000000",
    show_default=True,
    help="documents in all three collections together, one number or several",
)
@click.option("--rounds", default=60, show_default=True, help="turns of what takes milliseconds")
@click.option("--tests", default=1000, show_default=True, help="tests of the suites; 0 for none")
@click.option("--results", type=click.Path(path_type=Path), default=_RESULTS, help="the JSON file")
def bench(sizes: str, rounds: int, tests: int, results: Path) -> None:
    """Measure mongoshot beside other ways, on a MongoDB of its own; print one table."""
    started, load = time.perf_counter(), round(psutil.getloadavg()[0], 1)
    samples = Samples()
    with _opened(_sizes(sizes), rounds, tests) as bench:
        measures = measures_of(bench)
        why_no_mongorestore(samples)
        run_measures(measures, bench.sizes, samples, _say)
        about = _about(bench, time.perf_counter() - started, load)
    rows = [row for measure in measures for row in measure.rows]
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(to_json(rows, samples, bench.sizes, about), encoding="utf-8")
    click.echo(to_text(rows, samples, bench.sizes, about))
    click.echo(f"\nresults: {os.path.relpath(results)}")


@contextlib.contextmanager
def _opened(sizes: list[int], rounds: int, tests: int) -> Iterator[Bench]:
    """Start a server for the length of a block, and write the snapshot of each size."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        os.environ["MONGOSHOT_CACHE"] = str(directory / "cache")
        server = stack.enter_context(start_mongod(find_mongod(read_project(ROOT).mongod)))
        client = stack.enter_context(connect(server.url))
        client.admin.command({"replSetResizeOplog": 1, "size": float(_OPLOG)})
        bench = Bench(client, server.url, directory, sizes, rounds, tests)
        for size in sizes:
            _say(f"writing the snapshot of {size:,} documents")
            write_dataset(size, bench.snapshots_path(size), client.server_info()["version"])
        yield bench


def _sizes(text: str) -> list[int]:
    try:
        sizes = sorted({int(size) for size in text.replace(",", " ").split()})
    except ValueError:
        sizes = []
    if not sizes or sizes[0] < 300:
        raise click.BadParameter(
            f"{text!r}: take numbers from 300 on, as in '1000 20000'", param_hint="--sizes"
        )
    return sizes


def _about(bench: Bench, seconds: float, load: float) -> dict[str, Any]:
    return {
        "MongoDB": bench.client.server_info()["version"],
        "Python": platform.python_version(),
        "pymongo": pymongo.version,
        "processors": os.cpu_count(),
        "load average before": load,
        "rounds": bench.rounds,
        "seconds": round(seconds),
    }


def _say(text: str) -> None:
    """Tell how far it is where somebody is watching."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", nl=False, err=True)


if __name__ == "__main__":
    bench()
