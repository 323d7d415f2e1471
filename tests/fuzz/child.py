"""One target, fed by atheris until its time is over: a process of its own.

    python -m tests.fuzz.child TARGET CORPUS [options of libFuzzer]

Source of the options: https://llvm.org/docs/LibFuzzer.html
"""

from __future__ import annotations

import resource
import sys

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

#: Bytes of address space: a parser that takes more for an input of 16 KiB is a finding.
MEMORY = 3 << 30


def main(name: str, corpus: str, *options: str) -> None:
    """Instrument what is imported from here on, and feed the target."""
    with atheris.instrument_imports(include=["mongoshot", "yaml", "tomllib"]):
        from tests.fuzz import files, texts
    targets = {target.name: target for target in (*files.TARGETS, *texts.TARGETS)}
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    atheris.Setup([sys.argv[0], *options, corpus], targets[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
