"""Be the command line: `python -m mongoshot`, and what the script `mongoshot` calls."""

from __future__ import annotations

import os


def start() -> None:
    """Load the command line and run it; Ctrl-C during either is no failure to be looked into."""
    try:
        from mongoshot.cli import main

        main()
    except KeyboardInterrupt:
        os.write(2, b"mongoshot: interrupted\n")
        os._exit(2)


if __name__ == "__main__":
    start()
