"""A notebook behind HTTP."""

from notes_api.app import create_app
from notes_api.settings import Settings

__all__ = ["Settings", "create_app"]
