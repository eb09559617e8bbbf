"""P17, P25, P28: rows, manifests and links that a stranger wrote do no harm outside a registry."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.contents import check_sound
from support.trees import File, digest_of, look, plant, sha256
from support.used_registry import in_time

from localreg import Registry
from localreg.blobs.archives.unpacking import remove_tree
from localreg.errors import LocalregError

TREE = {
    "config.json": File(b"{}"),
    "weights/one.bin": File(b"one" * 1_000),
    "run.sh": File(b"#!/bin/sh", executable=True),
    "logs": None,
}
ROW = "tree = (SELECT pk FROM blob WHERE total IS NOT NULL) AND path = 'config.json'"
PATHS = (
    "'../victim'", "'../../victim'", "'../../../victim'", "'a/../../../victim'", "'{}/victim'",
    "''", "'.'", "'..'", "'a//b'", "'a/'", "'/'", "'a' || char(0) || 'b'", "'a\\..\\b'", "'C:x'",
    "char(10)", "printf('%.*c', 300, 'x')", "printf('%.*c', 40000, 'x')", "CAST(x'c328' AS TEXT)",
    "x'2e2e2f76696374696d'", "7", "replace(printf('%.*c', 3000, 'd'), 'd', 'd/') || 'd'",
)  # fmt: skip
CHANGES = {
    f"the path {path[:40]}": f"UPDATE tree_file SET path = {path} WHERE {ROW}" for path in PATHS
} | {
    "a size below 0": f"UPDATE tree_file SET size = -1 WHERE {ROW}",
    "a huge size": f"UPDATE tree_file SET size = 4611686018427387903 WHERE {ROW}",
    "another size": f"UPDATE tree_file SET size = 7 WHERE {ROW}",
    "a text as the size": f"UPDATE tree_file SET size = 'x' WHERE {ROW}",
    "a strange bit": f"UPDATE tree_file SET executable = 7 WHERE {ROW}",
    "the package in itself": f"UPDATE tree_file SET blob = tree WHERE {ROW}",
    "a blob that is not there": f"UPDATE tree_file SET blob = 9999 WHERE {ROW}",
    "a file that is a folder": f"UPDATE tree_file SET blob = NULL WHERE {ROW}",
    "a file in a file": "INSERT INTO tree_file SELECT tree, 'config.json/../x', blob, size, 0 "
    f"FROM tree_file WHERE {ROW}",
    "a file and a folder": "INSERT INTO tree_file SELECT tree, 'config.json/x', blob, size, 0 "
    f"FROM tree_file WHERE {ROW}",
    "a file in an empty folder": "INSERT INTO tree_file SELECT tree, 'logs/x', blob, size, 0 "
    f"FROM tree_file WHERE {ROW}",
    "one file more": "INSERT INTO tree_file SELECT tree, 'more', blob, size, 0 "
    f"FROM tree_file WHERE {ROW}",
    "one file less": f"DELETE FROM tree_file WHERE {ROW}",
    "no files": "DELETE FROM tree_file",
    "no total": "UPDATE blob SET total = NULL",
    "a total below 0": "UPDATE blob SET total = -5 WHERE total IS NOT NULL",
    "another total": "UPDATE blob SET total = 5 WHERE total IS NOT NULL",
    "a package that is a file": "UPDATE weights SET tree = 0",
    "another digest of a file": "UPDATE blob SET digest = replace(hex(zeroblob(32)), '0', 'a') "
    f"WHERE pk = (SELECT blob FROM tree_file WHERE {ROW})",
    "a digest that is a path": "UPDATE blob SET digest = '../../victim' "
    f"WHERE pk = (SELECT blob FROM tree_file WHERE {ROW})",
    "a manifest of another size": "UPDATE blob SET size = 3 WHERE total IS NOT NULL",
}  # fmt: skip
# What is only shown, and what is no change of a package, verify need not see.
SHOWN = ("a package that is a file", "no total", "another total")


@pytest.fixture(params=[False, True], ids=["without a local folder", "with a local folder"])
def root(request, tmp_path):
    """A registry with one package, three folders below the test's own."""
    root = tmp_path / "a" / "b" / "registry"
    source = plant(tmp_path / "source", TREE)
    with Registry(root, durability="fast") as registry:
        model = registry.add(source, "net")
        if request.param:
            model.get_local_copy(raise_on_error=True)
    remove_tree(source)
    for place in (tmp_path, tmp_path / "a", tmp_path / "a" / "b"):
        (place / "victim").write_text("untouched")
    return root


def change(root, sql):
    """Run a statement that the schema may forbid."""
    with closing(sqlite3.connect(root / "registry.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        assert connection.execute(sql).rowcount > 0


def outside(root, folder):
    """Return what is in a folder, but not in the registry."""
    return {
        str(place.relative_to(folder)): place.read_bytes() if place.is_file() else None
        for place in folder.rglob("*")
        if not place.is_relative_to(root)
    }


def use(root, model="net"):
    """Use a package in every way; return the names of the calls that raised one of our errors."""
    refused = []

    def attempt(name, call):
        try:
            with in_time(20):
                return call()
        except LocalregError:
            refused.append(name)
        return None

    def local(copy):
        if copy is not None:
            assert Path(copy).is_relative_to(root)
            assert not any(each.is_symlink() for each in [Path(copy), *Path(copy).rglob("*")])

    def verified(registry):
        found = registry.verify(full=True)
        if not found.ok:
            refused.append("verify")

    with Registry(root, durability="fast") as registry:
        attempt("verify", lambda: verified(registry))
        net = attempt("model", lambda: registry.model(model))
        if net is not None:
            local(attempt("get", lambda: net.get_local_copy(raise_on_error=True)))
            for path in ("config.json", "../victim", "../../victim", "weights"):
                copy = attempt(
                    f"file {path}", lambda path=path: net.get_local_copy(
                        file=path, raise_on_error=True
                    )
                )  # fmt: skip
                local(copy)
                assert copy is None or "victim" not in copy
            attempt("archive", lambda: net.get_local_copy(extract_archive=False))
            attempt("properties", lambda: (net.size, net.digest, net.url))
        attempt("du", registry.du)
        attempt("repair", registry.repair)
        attempt("gc", lambda: registry.gc(grace_seconds=0, dry_run=False))
    return refused


@pytest.mark.parametrize("name", CHANGES)
def test_rows_of_a_stranger(root, tmp_path, name, monkeypatch):
    """Each call is right or one of our errors, nothing outside changes, and verify sees it."""
    monkeypatch.chdir(tmp_path)
    change(root, CHANGES[name].format(tmp_path))
    before = outside(root, tmp_path)
    refused = use(root)
    assert outside(root, tmp_path) == before
    if name not in SHOWN:
        assert "verify" in refused


@pytest.mark.parametrize("name", ["the path '../../victim'", "one file less", "another size"])
def test_strange_rows_are_repaired_from_the_manifest(root, name):
    change(root, CHANGES[name])
    with Registry(root, durability="fast") as registry:
        registry.repair(full=True)
        assert look(registry.model("net").get_local_copy(raise_on_error=True)) == TREE
        assert registry.verify(full=True).ok
    check_sound(root)


LINKS = {
    "trees": "trees",
    "a local folder": f"trees/{digest_of(TREE)}",
    "quarantine": "quarantine",
    "tmp": "tmp",
    "blobs": "blobs/sha256",
    "a folder of blobs": f"blobs/sha256/{sha256(b'{}')[:2]}",
    "a blob": f"blobs/sha256/{sha256(b'{}')[:2]}/{sha256(b'{}')[2:]}",
    "a file of the local folder": f"trees/{digest_of(TREE)}/config.json",
    "a folder of the local folder": f"trees/{digest_of(TREE)}/weights",
}


@pytest.mark.parametrize("name", LINKS)
def test_links_of_a_stranger(root, tmp_path, name):
    """A link in the store is never followed, whatever is made, mended or deleted there."""
    place = root / LINKS[name]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.parent.chmod(0o755)
    target = tmp_path / "target"
    if place.is_dir():
        place.rename(target)
    elif place.exists():
        target.write_bytes(b"[]")
        place.unlink()
    else:
        target.mkdir()
        (target / "of a user").write_text("untouched")
    place.symlink_to(target)
    before = outside(root, tmp_path)
    use(root)
    assert outside(root, tmp_path) == before
    folder = root / "trees" / digest_of(TREE)
    if folder.exists() and not (root / "trees").is_symlink():  # a damaged one goes to quarantine
        folder.chmod(0o755)
        (folder / "more").write_text("more")
        use(root)
        assert outside(root, tmp_path) == before


def test_a_manifest_of_a_stranger_is_not_followed(root, tmp_path):
    """Whoever writes a registry can give a manifest its digest; its paths are checked."""
    for path in ("../../victim", "/victim", "a/../../../victim", f"{tmp_path}/victim"):
        text = (
            f'{{"files":[{{"executable":false,"path":"{path}","sha256":"{sha256(b"{}")}",'
            '"size":2}],"folders":["../folder"],"v":1}\n'
        )
        digest = sha256(text.encode())
        blob = root / "blobs" / "sha256" / digest[:2] / digest[2:]
        blob.parent.mkdir(exist_ok=True)
        blob.write_text(text)
        change(
            root, f"UPDATE blob SET digest = '{digest}', size = {len(text)} "
            "WHERE pk = (SELECT blob FROM weights)",
        )  # fmt: skip
        for sql in ("", f"UPDATE tree_file SET path = '{path}' WHERE path = 'config.json'",
                    "DELETE FROM tree_file"):  # fmt: skip
            if sql:
                with closing(sqlite3.connect(root / "registry.db")) as connection, connection:
                    connection.execute(sql)
            before = outside(root, tmp_path)
            assert "verify" in use(root), (path, sql)
            assert outside(root, tmp_path) == before
    assert not os.path.exists("/victim")  # noqa: PTH110
