"""A message gives a remedy that helps with what was found."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.command_line import run_cli


@pytest.fixture
def run(registry, tmp_path):
    """Run a command in the test's registry, with a model "a"."""
    (tmp_path / "a.pt").write_bytes(b"weights")
    registry.add(tmp_path / "a.pt", "a")
    return run_cli


def damage(directory: Path, table: str, column: str, value: object) -> None:
    with closing(sqlite3.connect(directory / "registry.db")) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = 1")
        connection.execute(f"UPDATE {table} SET {column} = ?", (value,))


def test_repair_sends_to_a_backup_for_the_database(run, registry):
    """`localreg add` brings weights back, not rows."""
    damage(registry.path, "model", "created", "abc")
    code, _, err = run("repair")
    assert code == 4
    assert "restore the registry from a backup" in err
    assert "localreg add" not in err


def test_repair_says_how_lost_weights_come_back(run, registry, tmp_path):
    (tmp_path / "a.pt").unlink()
    for folder in ("blobs", "files"):
        for kept in [each for each in (registry.path / folder).rglob("*") if each.is_file()]:
            kept.unlink()
    code, _, err = run("repair")
    assert code == 4
    assert "localreg add" in err
    assert "backup" not in err


def test_gc_says_once_what_is_wrong_with_the_database(run, registry):
    damage(registry.path, "blob", "size", -5)
    code, _, err = run("gc", "--delete")
    assert code == 4
    assert err.count("is damaged") == 1
    assert "Restore the registry from a backup" in err


def test_an_alias_that_is_missing_is_said_not_to_exist(run):
    code, _, err = run("alias", "a", "prod", "--expect", "a:1")
    assert code == 5
    assert "was expected at a:1, and does not exist;" in err
