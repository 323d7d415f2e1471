"""Where the notes are kept."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    mongodb_url: str
    mongodb_database: str

    @classmethod
    def from_environment(cls) -> Settings:
        return cls(os.environ["MONGODB_URL"], os.environ["MONGODB_DATABASE"])
