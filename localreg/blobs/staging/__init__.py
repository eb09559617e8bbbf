"""Bytes on their way into the store: copied and hashed in ``tmp/``."""
