"""P25: one damaged row is named; all that does not need it goes on."""

from __future__ import annotations

import shutil

import pytest
from support.command_line import run_cli
from support.strange_database import blobs, changed_cells
from support.used_registry import make_used_registry

from localreg import Registry
from localreg.errors import DamagedRowError

NET = "model = (SELECT pk FROM model WHERE name = 'net' AND version = 2)"
# Table, column, value, rows; then what of the second version of net needs it.
CASES = {
    "labels that are no JSON": (("design", "labels", "'nope'", NET), lambda net: net.labels),
    "labels without numbers": (("design", "labels", "'{\"a\": []}'", NET), lambda net: net.labels),
    "configuration that is not UTF-8": (
        ("design", "config", "CAST(x'c328' AS TEXT)", NET),
        lambda net: net.config_text,
    ),
    "a digest that is a path": (
        ("blob", "digest", "'../../victim'", "pk = (SELECT blob FROM weights WHERE current = 1 "
         f"AND {NET})"),
        lambda net: net.get_weights(raise_on_error=True),
    ),
    "a file name with NUL": (
        ("weights", "filename", "'a' || char(0) || '.pt'", NET),
        lambda net: net.get_local_copy(raise_on_error=True),
    ),
    "the year 300000": (
        ("weights", "at", "9404109849600000000", NET),
        lambda net: net.revisions(),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return make_used_registry(tmp_path_factory.mktemp("template"))


@pytest.fixture(params=CASES)
def damaged(request, template, tmp_path):
    """A registry with one damaged row: its directory, the cell, and the call that needs it."""
    root = shutil.copytree(template, tmp_path / "registry")
    cell, call = CASES[request.param]
    assert changed_cells(root, *cell)
    return root, cell, call


def test_the_call_that_needs_the_row_names_it(damaged):
    """The error has table and column, and begins with the path of the database."""
    root, (table, column, *_), call = damaged
    with Registry(root) as registry, pytest.raises(DamagedRowError) as caught:
        call(registry.model("vision/net:2"))
    # A digest is read with the weights that have it.
    assert caught.value.table in (table, "weights")
    assert caught.value.column == column
    assert str(caught.value).startswith(str(root / "registry.db"))


def test_lists_go_on_without_it(damaged):
    """`ls`, `site`, `du`, `doctor` and the history work for all other models."""
    root, _, _ = damaged
    for words in (["site"], ["du"], ["doctor"], ["history", "zoo/remote 1"], ["task", "ls"]):
        code, out, err = run_cli("-R", root, *words)
        assert code in (0, 1), (words, out, err)  # 1: doctor found something
    code, out, _ = run_cli("-R", root, "ls", "-a", "-l", "0")
    assert code == 0
    assert out.count("zoo/") >= 12


def test_verify_names_it_and_gc_deletes_no_weights(damaged):
    """`verify` exits with 4; `gc` without grace deletes no blob that is used."""
    root, (table, column, *_), _ = damaged
    code, out, err = run_cli("-R", root, "verify")
    assert code == 4
    assert table in out + err
    assert column in out + err
    before = blobs(root)
    run_cli("-R", root, "gc", "--delete", "--grace", "0s")
    assert blobs(root) == before


def test_pages_of_a_damaged_stamp_are_not_those_of_a_removed_task(template, tmp_path):
    """`site` and `doctor` ask if the task of a page exists; they do not need its stamp."""
    root = shutil.copytree(template, tmp_path / "registry")
    assert run_cli("-R", root, "site")[0] == 0
    pages = sorted((root / "reports" / "tasks").iterdir())
    assert pages
    assert changed_cells(root, "task", "stamp", "'../../../victim'", "1")
    for words in (["site"], ["doctor"], ["gc", "--grace", "0"]):
        code, out, err = run_cli("-R", root, *words)
        assert code in (0, 1), (words, out, err)  # 1: doctor found something
    assert sorted((root / "reports" / "tasks").iterdir()) == pages
