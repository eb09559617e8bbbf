"""Packages whose rows and blobs are written one by one, as no folder of a user can be."""

from __future__ import annotations

import hashlib

from localreg.store.rows import blob_rows, tree_rows
from localreg.values.manifest import Manifest, PackageFile


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


def keep_package(registry, tree):
    """Keep a tree of `support.trees` in an open registry, unchecked; return its digest."""
    files = [
        PackageFile(path, keep_blob(registry, file.content), len(file.content), file.executable)
        for path, file in sorted(tree.items())
        if file is not None
    ]
    folders = sorted(path for path, file in tree.items() if file is None)
    manifest = Manifest(tuple(files), tuple(folders))
    digest = keep_blob(registry, manifest.encoded())
    with registry.store.write() as change:
        tree_rows.record(change.connection, digest, manifest)
    return digest
