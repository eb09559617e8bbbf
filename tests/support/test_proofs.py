"""Every long proof is one that `.ci/long` takes."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parents[1]
TAKEN = ("pytest.mark.long", "given(")  # hypothesis marks those of the second kind


def proofs():
    """Yield the tests that take `TIMES` as many examples, with their decorators."""
    for file in sorted(TESTS.rglob("test_*.py")):
        text = file.read_text()
        if "support.proofs import TIMES" not in text:
            continue
        code = ast.parse(text)
        counts = {"TIMES"}
        for each in code.body:
            if isinstance(each, ast.Assign) and "TIMES" in names_in(each.value):
                counts |= names_in(ast.Module(each.targets, []))
        for each in ast.walk(code):
            is_test = isinstance(each, ast.FunctionDef) and each.name.startswith("test_")
            if is_test and counts & names_in(each):
                decorators = " ".join(map(ast.unparse, each.decorator_list))
                yield f"{file.relative_to(TESTS)}::{each.name}", decorators


def names_in(code):
    """Return the names that some code uses."""
    return {each.id for each in ast.walk(code) if isinstance(each, ast.Name)}


def test_what_takes_more_examples_is_marked_as_long():
    found = dict(proofs())
    assert len(found) > 30
    assert [name for name, marks in found.items() if not any(each in marks for each in TAKEN)] == []
