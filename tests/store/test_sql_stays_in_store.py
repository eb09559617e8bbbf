"""SQL is written in localreg/store and nowhere else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import localreg

PACKAGE = Path(localreg.__file__).parent
STATEMENT = re.compile(
    r"\s*(SELECT\s|WITH\s+\w+\s+AS|INSERT\s+(OR|INTO)|REPLACE\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM"
    r"|(CREATE|DROP|ALTER)\s+(\w+\s+)?(TABLE|INDEX|TRIGGER|VIEW)|PRAGMA\s|BEGIN\b|COMMIT\b|ROLLBACK\b"
    r"|VACUUM\b|ATTACH\s|SAVEPOINT\s)"
)
EXECUTING = {"execute", "executemany", "executescript"}
LIBRARIES = {"sqlite3", "sqlite_utils"}
OTHER_ENGINES = {"blobs/remote_store/event_files.py": ".execute"}  # asks deltalake's own engine


def sql_in(source: str) -> Iterator[str]:
    """Yield each statement, call and import in a module that belongs in localreg/store."""
    tree = ast.parse(source)
    only_for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if STATEMENT.match(node.value):
                yield f"line {node.lineno}: {node.value:.60}"
        elif isinstance(node, ast.Attribute) and node.attr in EXECUTING:
            yield f"line {node.lineno}: .{node.attr}"
        elif isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in only_for_types:
            names = (
                [node.module]
                if isinstance(node, ast.ImportFrom)
                else [each.name for each in node.names]
            )
            for name in names:
                if name and name.partition(".")[0] in LIBRARIES:
                    yield f"line {node.lineno}: import of {name}"


def test_no_module_outside_store_has_sql():
    found = {
        str(path.relative_to(PACKAGE)): list(sql_in(path.read_text(encoding="utf-8")))
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] != "store"
    }
    assert len(found) > 100, "the modules of the package were not found"
    for path, called in OTHER_ENGINES.items():
        (line,) = found.pop(path)
        assert line.endswith(called)
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "connection.execute(sql)",
        "change.connection.executemany(sql, rows)",
        "sql = f'SELECT {columns} FROM model'",
        "sql = 'UPDATE blob SET unreferenced = NULL'",
        "sql = 'DELETE FROM url WHERE blob = ?'",
        "sql = 'PRAGMA journal_mode'",
        "import sqlite3",
        "def f():\n    from sqlite_utils import Database",
    ],
)
def test_the_search_finds_sql(source):
    assert list(sql_in(source))


@pytest.mark.parametrize(
    "source",
    [
        "request = 'DELETE'",
        "text = 'Select a model'",
        "if TYPE_CHECKING:\n    from sqlite_utils import Database",
    ],
)
def test_the_search_ignores_other_text(source):
    assert not list(sql_in(source))
