"""All names of what is unfinished are made by one module, so that `gc` knows each of them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import localreg
from localreg.values.layout import owner_of_unfinished, unfinished_name

SOURCE = Path(localreg.__file__).parent
SUSPECTS = (".part", ".new", ".tmp", ".partial", ".temp")
MAKERS = {  # modules that make names with ids, and which
    "values/layout.py": "the names of what is unfinished, or in quarantine/",
    "blobs/folders.py": "all in tmp/",
    "blobs/transfer/url_lock.py": "downloads, in tmp/",
    "blobs/remote_store/folder_objects.py": "in a remote; `remote compact` deletes old ones",
    "blobs/remote_store/cloud_objects.py": "in a remote: empty, to read its clock",
    "blobs/remote_store/store.py": "in a remote: tries what it can do",
    "operations/remotes/collecting.py": "in a remote: empty, to read its clock",
}
USERS_OF_TEMPFILE = {
    "cli/commands/import_.py",  # a registry for a dry run where there is none
    "blobs/local_files/readonly_registry.py",  # the user's folder, which gc looks into too
    "blobs/local_files/private_copy.py",  # a new folder for the user
    "api/tasks/parameters.py",  # a configuration for the user's script
    "api/storage_manager.py",  # a folder for what the user downloads
    "cli/commands/demo.py",
    "operations/carry/export.py",  # without a name, where the registry is read-only
    "blobs/remote_store/event_log.py",  # what is read of a remote; the next read deletes leftovers
    "cli/output.py",  # what goes to stdout
    "filesystem/disk_errors.py",  # looks where temporary files go
}


def makers(tree):
    """Yield what in a module makes a name that only a temporary file has."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            called = {
                each.func.id
                for each in ast.walk(node)
                if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)
            }
            if "new_id" in called:
                yield "an id in a name"
            for each in node.values:
                if isinstance(each, ast.Constant) and str(each.value).endswith(SUSPECTS):
                    yield str(each.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value in SUSPECTS:
                yield node.value
        elif (
            isinstance(node, ast.Import) and any(each.name == "tempfile" for each in node.names)
        ) or (isinstance(node, ast.ImportFrom) and node.module == "tempfile"):
            yield "tempfile"


def test_no_other_module_makes_names_of_what_is_unfinished():
    """P30: a module that makes such a name itself would leave files that gc does not know."""
    found, users = {}, set()
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        for what in makers(ast.parse(path.read_text(encoding="utf-8"))):
            if what == "tempfile":
                users.add(name)
            elif name not in MAKERS:
                found.setdefault(name, []).append(what)
    assert found == {}
    assert users == USERS_OF_TEMPFILE


@pytest.mark.parametrize("name", ["net.pt", "", "a-b.c", "registry.db", "é" * 20, "x\ny"])
@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-journal"])
def test_the_owner_is_read_from_each_name(name, ending):
    made = unfinished_name(name, ".0123456789ab-4711")
    assert owner_of_unfinished(made + ending) == ".0123456789ab-4711"


@pytest.mark.parametrize(
    "name",
    [".gitignore", "registry.db", "registry.db-wal", ".part", f"{'0' * 32}-a.0123456789ab-1",
     f".{'0' * 32}-a", f".{'0' * 31}-a.0123456789ab-1", f".{'0' * 32}-a.0123456789ab-1.bak"],
)  # fmt: skip
def test_other_names_are_not_ours(name):
    """A file of the user beside ours is never taken for one of ours."""
    assert owner_of_unfinished(name) is None
