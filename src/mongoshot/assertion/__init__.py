"""Assertions in pytest: what a test sees of its database, compared with what is expected."""
