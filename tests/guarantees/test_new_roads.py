"""Whoever calls what makes local files of weights is known here: a new road needs the check.

A function that a test finds new is put into the table, after the question whether it gives a path
or bytes of a model to a user. If it does, it calls `operations/weights/trusted.py` before, and has
a row in `tests/support/roads.py`.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import localreg

ROOT = Path(localreg.__file__).parent
# What returns a path of the bytes of a model, or makes a file with them.
LOWEST = frozenset({
    "local_file", "existing_local_file", "file_in", "copy_from", "whole_local_file",
    "local_files_of",
    "package_folder", "package_file", "folder_of_manifest", "existing_folder", "whole_tree",
    "archive_of", "staged_zip", "unpacked", "unpacked_folder", "copy_of_url", "held_bytes",
    "local_copy", "ready_copy", "weights_url", "url_of_given", "private_copy", "copy_to",
})  # fmt: skip
# They have such names, too, and nothing to do with it.
OTHERS = ("blobs/", "store/", "filesystem/", "values/", "pages/", "plots/", "registry.py")
# They carry models to other registries, which check for themselves; or compare, mend and delete.
CARRY = ("operations/carry/", "operations/remotes/", "operations/upkeep/")
# The functions that ask `trusted.py` before they give out anything.
CHECKED = {
    "operations/weights/local_copies.py": {"local_copy", "ready_copy", "weights_url"},
    "operations/models/revisions.py": {"_url"},
    "operations/models/written_card.py": {"written_card"},
    "operations/datasets/copies.py": {"put_together"},
    "operations/exporters/given_files.py": {"files_of_model"},
}
ASKING = {"_trust", "_may_check", "trust_of", "_check_trusted", "_is_given_out", "check"}
# They are called by those, or give what those gave them.
BELOW = {
    "operations/weights/local_copies.py": {
        "_copy_here", "_url_of", "_ready_package", "_package", "_part_of", "plan", "_served",
        "unpacked",
    },
    "operations/models/revisions.py": {"_own_url", "revisions"},
    "operations/datasets/copies.py": {"local_folder", "copy_out"},
    "operations/exporters/given_files.py": {"_package", "_path_of"},
    "api/models/local_copies.py": {
        "_copy", "_ready_copy", "get_local_copy.get", "get_weights", "get_weights_package",
    },
    "api/models/model_handle.py": {"_url"},
    "cli/commands/path.py": {"local_path", "path_command"},
    "cli/commands/get.py": {"get_command"},
}  # fmt: skip
# They give no bytes of a model to anybody, for this reason.
NONE = {
    "what makes, finds or keeps the files": {
        "operations/weights/archives_on_demand.py": {"archive_of", "_keep_zip", "_place"},
        "operations/weights/fetching.py": {
            "_fetched_package", "_sound_blob", "_record_served", "_fetch_upstream_weights",
        },
        "operations/weights/ingest.py": {"_record_known"},
        "operations/weights/locations.py": {
            "check_upstream", "_local_file", "check_local_copy", "whole_local_file", "missing",
        },
        "operations/weights/package_copies.py": {
            "existing_folder", "package_file", "_has_executable_bits", "_own", "_other",
        },
        "operations/weights/remote_packages.py": {"record_manifest"},
        "operations/weights/sources.py": {"keeper", "is_known_damaged"},
        "operations/weights/unpacking.py": {"packages_of", "unpacked_folder"},
        "operations/weights/uploading.py": {"_zip_of", "_upload_file"},
        "operations/weights/signatures.py": {"file"},
    },
    "the caller gave these bytes just now": {
        "operations/weights/local_copies.py": {"url_of_given"},
        "api/models/new_weights.py": {"_url"},
    },
    "an error names the place": {
        "operations/datasets/changes.py": {"_known"},
        "operations/datasets/contents.py": {"_tree"},
        "operations/weights/archives_on_demand.py": {"manifest_of"},
        "operations/weights/arriving_blobs.py": {"record"},
        "operations/weights/package_copies.py": {"__init__"},
        "operations/weights/packages.py": {"staged_manifest"},
    },
    "only what differs is said, or what headers say": {
        "operations/models/diff.py": {"_place"},
        "operations/models/details.py": {"shares_bytes"},
    },
    "a file of a URL that the user names, or of a path": {
        "operations/weights/local_copies.py": {"copy_of_url", "_ready_copy_of_url"},
        "operations/weights/elsewhere.py": {"digest_of", "local_copy", "download", "upload"},
        "api/storage_manager.py": {"get_local_copy", "get_stream"},
        "operations/datasets/copies.py": {"fetch"},
        "operations/reports/media.py": {"_source_at", "table_of"},
    },
    "a report or an artifact of a task": {
        "operations/reports/charts.py": {"_short_text"},
        "operations/reports/pages.py": {"_blob_url.linked", "_blob_url.inlined"},
        "operations/reports/reported.py": {"debug_samples"},
        "operations/tasks/artifacts.py": {"given_url", "local_path"},
        "operations/exporters/given_files.py": {"files_of_artifact"},
    },
}  # fmt: skip


def functions_using(path, names):
    """Return the functions of a module that use a name, or the path of a blob."""
    found = set()

    def visit(node, inside, names):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                given = {each.arg for each in (*child.args.args, *child.args.kwonlyargs)}
                visit(child, f"{inside}.{child.name}" if inside else child.name, names - given)
            elif isinstance(child, ast.ClassDef):
                visit(child, inside, names)
            elif not isinstance(child, ast.Import | ast.ImportFrom):
                if uses(child, names):
                    found.add(inside)
                visit(child, inside, names)

    visit(ast.parse(path.read_text(encoding="utf-8")), "", names)
    return found - {""}


def uses(node, names):
    if isinstance(node, ast.Name):
        return isinstance(node.ctx, ast.Load) and node.id in names
    if not isinstance(node, ast.Attribute):
        return False
    owner = ast.unparse(node.value).rpartition(".")[2]
    return node.attr in names or (node.attr in ("blob", "path") and owner in ("blobs", "_blobs"))


def known():
    """Return the functions of the tables, by module."""
    together = {}
    for table in (CHECKED, BELOW, *NONE.values()):
        for module, names in table.items():
            together.setdefault(module, set()).update(names)
    return together


@cache
def found():
    """Return the functions that use what makes local files, itself or by their module."""
    together = {}
    for path in sorted(ROOT.rglob("*.py")):
        module = path.relative_to(ROOT).as_posix()
        if module.startswith((*OTHERS, *CARRY)):
            continue
        own = {*BELOW.get(module, ()), *CHECKED.get(module, ())}
        here = functions_using(path, LOWEST | own)
        if here:
            together[module] = here
    return together


def test_every_function_that_reaches_the_bytes_of_models_is_known():
    lacking = {}
    for module, names in found().items():
        new = names - known().get(module, set())
        if new:
            lacking[module] = new
    assert lacking == {}


def test_the_table_names_no_function_that_is_gone():
    there = found()
    assert {
        module: gone
        for module, names in known().items()
        if (gone := names - there.get(module, set()))
    } == {}


def test_the_functions_that_check_ask_before():
    for module, names in CHECKED.items():
        asking = functions_using(ROOT / module, ASKING)
        assert names <= asking, module
