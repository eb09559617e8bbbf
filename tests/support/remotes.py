"""Registries and a remote: what one has that pulled, without the bytes that were not fetched."""

from __future__ import annotations

import shutil

from localreg.operations.remotes import names
from localreg.store.rows import blob_rows, remote_rows
from localreg.values.remote_format import blob_path


def pushed(registry, place, name="origin"):
    """Make it as after a push to a directory: the remote has all bytes, and orders all events."""
    chain = registry._chain
    first = chain.first
    known = names.add(chain, name, place)
    remote = names.find(chain, name)
    store = names.connect(remote)
    with first.store.read() as connection:
        for digest, _ in blob_rows.referred_blobs(connection):
            if first.blobs.ctime(digest) is not None:
                store.put(blob_path(digest), first.blobs.blob(digest))
    with first.store.write() as change:
        connection = change.connection
        keys = [key for (key,) in connection.execute("SELECT pk FROM event")]
        if known.mirror:
            remote_rows.mark_keys_mirrored(connection, remote.pk, keys)
        else:
            remote_rows.set_places(connection, known.table_id, 1, ((key, key) for key in keys))
    return store


def forget_bytes(registry):
    """Delete all bytes of a registry and all it knows of files of packages, as after a pull."""
    first = registry._chain.first
    for folder in ("blobs", "files", "trees"):
        shutil.rmtree(first.root / folder, ignore_errors=True)
    with first.store.write() as change:
        connection = change.connection
        connection.execute("DELETE FROM tree_file")
        connection.execute("UPDATE blob SET ctime = NULL, verified = NULL")


def object_of(place, digest):
    """Return the path of an object of a remote that is a directory."""
    return place / blob_path(digest)
