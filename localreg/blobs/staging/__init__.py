"""Staging: copy bytes into ``tmp/`` and hash them, before they become a blob."""
