"""The database file: make, open, lock, migrate and check it."""
