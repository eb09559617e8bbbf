"""The database file: made, opened, locked, migrated, read only."""
