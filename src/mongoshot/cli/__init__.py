"""The command line: each command translates its words and delegates."""

from __future__ import annotations

from mongoshot.cli.main import main

__all__ = ["main"]
