"""Bring a database of an older localreg to the current format.

A released migration is never edited. Format 1 is the first, so there is no migration yet. It is
frozen: tests/guarantees/test_kept_formats.py has a registry of it. The migration that makes format
2 goes here as ``@MIGRATIONS() def format_2(db): ...``, together with the change of schema.sql.
"""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

from sqlite_utils import Database, Migrations

from localreg.filesystem.temporary_owners import unfinished
from localreg.store.database import opening

MIGRATIONS = Migrations("localreg")


def migrate(
    path: Path, migrations: Migrations = MIGRATIONS, target: int = opening.FORMAT_VERSION
) -> None:
    """Upgrade a database in one transaction, after a backup into the same folder.

    Args:
        path: the database; another process may upgrade it at the same time.
        migrations: the migrations to apply, each once.
        target: the format version after them.
    """
    connection = opening.connect(path, durability="full")
    try:
        # IMMEDIATE: two processes that upgrade take turns, and the second has nothing to do.
        connection.execute("BEGIN IMMEDIATE")
        version = opening.check_header(connection, path)
        if version < target:
            _back_up(path, version)
            migrations.apply(Database(connection))
            connection.execute(f"PRAGMA user_version = {target}")
        connection.execute("COMMIT")
    finally:
        connection.close()


def _back_up(path: Path, version: int) -> None:
    temporary = unfinished(path)
    source = opening.connect(path, durability="full")
    target = sqlite3.connect(temporary)
    try:
        source.backup(target)
    finally:
        target.close()
        source.close()
    temporary.chmod(stat.S_IMODE(path.stat().st_mode))  # readable for the same users
    # The backup is complete or absent; a link with its name is replaced, not followed.
    temporary.replace(path.with_name(f"{path.name}.format-{version}.backup"))
