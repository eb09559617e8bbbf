"""Bringing a database that an older localreg made to the format of this one.

A released migration is never edited. Format 1 is the first, so there is none yet; the one that
makes format 2 goes here as ``@MIGRATIONS() def format_2(db): ...``, and schema.sql changes with
it.
"""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

from sqlite_utils import Database, Migrations

from localreg.store.database import opening
from localreg.values.ids import new_id

MIGRATIONS = Migrations("localreg")


def migrate(
    path: Path, migrations: Migrations = MIGRATIONS, target: int = opening.FORMAT_VERSION
) -> None:
    """Upgrade a database in one transaction, after a backup beside it.

    Args:
        path: the database; another process may upgrade it at the same time.
        migrations: what to apply, each once.
        target: the format version that they lead to.
    """
    connection = opening.connect(path, durability="full")
    try:
        # IMMEDIATE: two that upgrade at once take turns, and the second finds nothing to do.
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
    aside = path.with_name(f"{path.name}.{new_id()}.new")
    source = opening.connect(path, durability="full")
    target = sqlite3.connect(aside)
    try:
        source.backup(target)
    finally:
        target.close()
        source.close()
    aside.chmod(stat.S_IMODE(path.stat().st_mode))  # no one may read it who may not read that
    # Whole, or not there under this name; a link that was there is replaced, not followed.
    aside.replace(path.with_name(f"{path.name}.format-{version}.backup"))
