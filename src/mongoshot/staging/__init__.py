"""Snapshot → database: the full load, and a staged database that resets."""
