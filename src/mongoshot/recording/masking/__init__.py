"""Masks: what a capture writes in place of what nobody agreed to share, and what stops it."""
