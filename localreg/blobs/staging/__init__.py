"""Staging: copy bytes into ``tmp/`` and hash them, before they become a blob.

Errors of the operating system stay OSErrors here; callers translate them.
"""
