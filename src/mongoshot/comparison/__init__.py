"""Two states → a difference → something to read; pure, needs no server."""
