"""Tests replace no part of localreg: what a test must steer is an argument.

Libraries may be patched where nothing else makes them fail (the clock, `os.link`).
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
METHODS = {"setattr", "delattr", "setitem", "delitem", "patch", "object", "dict", "multiple"}
FUNCTIONS = {"setattr", "delattr", "unittest.mock.patch"}


def imported_names(nodes):
    """Return what each imported name of a file stands for, as a dotted path."""
    names = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for each in node.names:
                first = each.name.partition(".")[0]
                names[each.asname or first] = each.name if each.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module:
            for each in node.names:
                names[each.asname or each.name] = f"{node.module}.{each.name}"
    return names


def path_of(node, names):
    """Return the dotted path that an expression stands for, its first name resolved."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Attribute):
        return f"{path_of(node.value, names)}.{node.attr}"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def changed(node, names):
    """Return the dotted paths of what a node changes from outside, if it does."""
    if isinstance(node, ast.Call) and node.args:
        called = path_of(node.func, names)
        holder, _, method = called.rpartition(".")
        patcher = "monkeypatch" in holder or "mock" in holder
        if called in FUNCTIONS or (patcher and method in METHODS):
            return [path_of(node.args[0], names)]
    if isinstance(node, ast.Assign | ast.Delete | ast.AugAssign):
        targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
        return [path_of(each.value, names) for each in targets if isinstance(each, ast.Attribute)]
    return []


def patches(source):
    """Return the lines of a test file that change a name of a module or class of localreg."""
    nodes = list(ast.walk(ast.parse(source)))
    names = imported_names(nodes)
    return [
        node.lineno
        for node in nodes
        if any(f"{path}.".startswith("localreg.") for path in changed(node, names))
    ]


def test_no_test_replaces_a_part_of_localreg():
    files = sorted(TESTS.rglob("*.py"))
    found = {path.name: patches(path.read_text(encoding="utf-8")) for path in files}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        'monkeypatch.setattr("localreg.blobs.transfer.uploading.PATIENCE", 1)',
        'monkeypatch.setattr(uploading, "PATIENCE", 1)',
        'monkeypatch.setattr(localreg.registry, "PATIENCE", 1)',
        'monkeypatch.delattr(uploading, "PATIENCE")',
        'monkeypatch.setitem(uploading.TABLE, "a", 1)',
        'setattr(uploading, "PATIENCE", 1)',
        'mock.patch("localreg.blobs.transfer.uploading.PATIENCE", 1)',
        'mock.patch.object(uploading, "PATIENCE", 1)',
        'patch("localreg.blobs.transfer.uploading.PATIENCE", 1)',
        "uploading.PATIENCE = 1",
        "uploading.PATIENCE += 1",
        "del uploading.PATIENCE",
    ],
)
def test_each_way_to_patch_is_found(line):
    imports = (
        "import localreg.registry\nfrom unittest import mock\nfrom unittest.mock import patch\n"
        "from localreg.blobs.transfer import uploading\n"
    )
    assert patches(f"{imports}{line}\n") == [5]


@pytest.mark.parametrize(
    "line",
    ['monkeypatch.setattr(os, "link", None)', 'setattr(model, "name", "x")', "model.name = 'x'"],
)
def test_libraries_and_values_may_be_changed(line):
    assert patches(f"import os\nfrom localreg import InputModel\n{line}\n") == []
