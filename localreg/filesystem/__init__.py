"""Differences between file systems and systems: modes, access rights, syncing, names, errors.

A test of an ability decides, not the name of a system, and the portable way is the fallback. macOS
and Windows were never tried: tests take away what they lack.

Bytes count; a mode, a link or a sync is a safeguard, and is skipped where a file system lacks it.
"""
