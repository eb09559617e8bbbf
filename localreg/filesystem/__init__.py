"""Differences between file systems: modes, access rights, syncing, names, errors.

Bytes count; a mode, a link or a sync is a safeguard, and is skipped where a file system lacks it.
"""
