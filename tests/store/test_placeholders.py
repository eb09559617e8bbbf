"""SQL gets its values by ``?`` in order, or by name from a dict, and never by number.

Python 3.12.0 to 3.12.3 take ``?1`` for a name, and warn about it if the values are a sequence. So
users for whom warnings are errors could not use localreg there. `test_statements.py` looks at the
statements that run, also at those that are put together.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import localreg

PACKAGE = Path(localreg.__file__).parent
FOLDERS = (PACKAGE / "store", PACKAGE.parent / "benchmarks")


def numbered_in(source: str) -> Iterator[str]:
    """Yield each text of a module, or part of an f-string, with a numbered placeholder."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.search(r"\?\d", node.value)
        ):
            yield f"line {node.lineno}: {node.value:.60}"


def test_no_statement_has_a_numbered_placeholder():
    found = {
        str(path.relative_to(PACKAGE.parent)): list(numbered_in(path.read_text(encoding="utf-8")))
        for folder in FOLDERS
        for path in folder.rglob("*.py")
    }
    assert len(found) > 100, "the modules with SQL were not found"
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "sql = 'SELECT pk FROM blob WHERE digest = ?1'",
        "sql = f'SELECT {columns} FROM event WHERE pk > ?1 AND pk <= ?12'",
    ],
)
def test_a_numbered_placeholder_is_seen(source):
    assert list(numbered_in(source))


@pytest.mark.parametrize(
    "source",
    [
        "sql = 'SELECT pk FROM event WHERE pk > ? AND pk <= ? + 1000'",
        "sql = f'INSERT INTO words VALUES (?{marks})'",
        "sql = 'SELECT :digest, :size_2'",
    ],
)
def test_other_placeholders_are_not(source):
    assert not list(numbered_in(source))
