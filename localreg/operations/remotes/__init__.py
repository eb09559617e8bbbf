"""Remotes: push, pull and clone, and the upkeep of what is there.

All registries of a remote agree on one order of events: that in which they came there. So the first
remote of a registry gives places to its events; other remotes are mirrors, which do not.
"""
