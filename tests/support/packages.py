"""Packages made of given files, and models of them, without a folder to add."""

from __future__ import annotations

import hashlib
from pathlib import Path

from localreg import InputModel
from localreg.store.rows import blob_rows, tree_rows
from localreg.values.ids import new_id
from localreg.values.manifest import PackageFile, make_manifest
from localreg.values.records import ModelRecord, WeightsRecord

FILES = {
    "config.json": b"{}",
    "model.bin": b"weights",
    "run.sh": b"#!/bin/sh\necho run\n",
    "tokenizer/vocab.txt": b"a b c",
    "tokenizer/copy of model.bin": b"weights",
}
PROGRAMS = ("run.sh",)
FOLDERS = ("logs/old",)


def keep_blob(registry, data):
    """Keep some bytes in an open registry and record them; return their digest."""
    digest = hashlib.sha256(data).hexdigest()
    path = registry.root / "blobs" / "sha256" / digest[:2] / digest[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(data)
        path.chmod(0o444)
    with registry.store.write() as change:
        ctime = path.stat().st_ctime_ns
        blob_rows.record(change.connection, digest, len(data), ctime, None, None)
    return digest


def keep_package(registry, files=FILES, programs=PROGRAMS, folders=FOLDERS):
    """Keep a package in an open registry; return the digest of its manifest.

    Args:
        registry: an `OpenRegistry`.
        files: the bytes of each file by its path.
        programs: the paths of those that are executable.
        folders: the paths of empty folders.
    """
    listed = [
        PackageFile(path, keep_blob(registry, data), len(data), path in programs)
        for path, data in files.items()
    ]
    manifest = make_manifest(listed, [*folders])
    digest = keep_blob(registry, manifest.encoded())
    with registry.store.write() as change:
        tree_rows.record(change.connection, digest, manifest)
    return digest


def package_model(registry, *, name="bert", url=None, archive=None, **package):
    """Keep a package in a `Registry`, and return a model of it.

    Args:
        registry: a `Registry`.
        name: of the model, and of the folder that the package was.
        url, archive: where its archive came from, and the sha256 of that.
        package: as for `keep_package`.
    """
    first = registry._chain.first
    digest = keep_package(first, **package)
    with first.store.read() as connection:
        row = blob_rows.blob(connection, digest)
    weights = WeightsRecord(
        url=url, filename=name, digest=digest, size=row.size, tree=True, total=row.total,
        archive=archive, kept=url is None,
    )  # fmt: skip
    record = ModelRecord(
        id=new_id(), name=name, package=True, labels={}, metadata={}, weights=(weights,)
    )
    with first.store.write() as change:
        change.record("model.created", record.id, record.payload())
    return InputModel(record.id)


def content(folder):
    """Return what a folder holds: bytes of files, None for folders, by path; and the programs."""
    found, programs = {}, set()
    for each in sorted(Path(folder).rglob("*")):
        name = each.relative_to(folder).as_posix()
        assert not each.is_symlink()
        found[name] = None if each.is_dir() else each.read_bytes()
        if each.is_file() and each.stat().st_mode & 0o100:
            programs.add(name)
    return found, programs
