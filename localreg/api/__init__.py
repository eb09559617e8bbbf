"""The public face: ClearML's names over the operations.

A handle is a registry and an id, and caches nothing: every property reads the row, so a change by
another process is seen at the next read. Only ambient.py has state: the current registry and
task.
"""
