"""Make a registry that has all that a remote has."""

from __future__ import annotations

import os
from pathlib import Path

from localreg.errors import NotFoundError, PathExistsError
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.carry.arrival import Arrived
from localreg.operations.remotes import checkpoints, fetching_blobs, names, pulling
from localreg.operations.remotes.held import check_arrived
from localreg.registry import Chain, OpenRegistry, check_directory, open_registry
from localreg.store.rows import event_rows, remote_rows
from localreg.store.rows.remote_rows import RemoteRow
from localreg.values.frozen import Frozen, replace
from localreg.values.layout import DATABASE
from localreg.values.remote_format import Identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.progress import Progress
    from localreg.registry import Durability


class Cloned(Frozen):
    """A registry that was made of a remote.

    Attributes:
        path: its directory.
        remote: the name of the remote in it.
        arrived: what came; the models of a checkpoint are not listed.
        checkpoint: the key of the checkpoint that it began with; None if all came from the log.
        skipped: why newer checkpoints could not be used, a sentence for each.
    """

    path: str
    remote: str
    arrived: Arrived
    checkpoint: str | None
    skipped: tuple[str, ...]


def clone(
    url: str | os.PathLike[str],
    directory: str | os.PathLike[str],
    *,
    name: str = "origin",
    blobs: bool = False,
    durability: Durability = "full",
    progress: Progress | None = None,
) -> Cloned:
    """Make a registry in a directory that has all that a remote has.

    A clone that was interrupted goes on when it is called again.

    Args:
        url: of the remote.
        directory: of the new registry; it must be empty, if it is there.
        name: of the remote in the new registry.
        blobs: download the bytes of all models, too. Else they come when they are needed.
        durability: as for `Registry`.
        progress: called with the bytes taken so far, and with all bytes.

    Raises:
        NotFoundError: there is no remote.
        PathExistsError: something is in the directory.
        RemoteError: the remote cannot be read.
    """
    names.check_name(name)
    root = check_directory("directory", directory)
    place = names.check_url(url)
    is_begun = _check_empty(root, place)
    store = names.open_store(place)
    identity = store.identity()
    if identity is None:
        why = "it has no registry.json"
        if names.is_path(place) and not Path(place).exists():
            why = "this directory does not exist, or its disk is not mounted"
        raise NotFoundError(
            f"there is no remote at {place}: {why}; `localreg remote add NAME URL` in a registry "
            "makes one",
            reference=place,
        )
    names.check_format(identity, place)
    begun = checkpoints.Begun(None, 0, ())
    if not is_begun:
        head = store.head()
        with disk_errors("making a registry", root):
            root.mkdir(parents=True, exist_ok=True)
        begun = checkpoints.begin(
            store, identity, head.version, root, name=name, url=place, durability=durability,
            progress=progress,
        )  # fmt: skip
    registry = open_registry(root, durability=durability)
    try:
        remote = _remote(registry, store, name, place, identity)
        chain = Chain(registry)
        arrived = pulling.bring(chain, remote, store, whole=_is_empty(registry), check=False)
        arrived = check_arrived(chain, remote, arrived, ())
        arrived = replace(arrived, events=arrived.events + begun.events)
        if blobs:
            came = fetching_blobs.fetch_all(chain, remote, store, dry_run=False, progress=progress)
            arrived = replace(arrived, blobs=came.blobs, size=came.size, missing=came.missing)
        else:
            fetching_blobs.bring_lists(chain, remote, again=False)
    finally:
        registry.close()
    used = None if begun.checkpoint is None else begun.checkpoint.key
    return Cloned(str(root), remote.name, arrived, used, begun.skipped)


def _check_empty(root: Path, url: str) -> bool:
    """Return True if a clone of a remote was begun in a directory, False if nothing is there.

    Raises:
        PathExistsError: something else is there.
    """
    if os.path.lexists(root / DATABASE):
        registry = open_registry(root, readonly=True)
        try:
            with registry.store.read() as connection:
                known = remote_rows.remotes(connection)
        finally:
            registry.close()
        if [each.url for each in known] == [url]:
            return True
        raise PathExistsError(
            f"{root} is a registry already; in it, `localreg remote add NAME {url}` and `localreg "
            "pull` take in what the remote has",
            path=str(root),
        )
    with disk_errors("looking into a directory", root):
        is_directory = root.is_dir()
        if os.path.lexists(root) and (not is_directory or any(root.iterdir())):
            what = "is not empty" if is_directory else "is not a directory"
            raise PathExistsError(
                f"{root} {what}; name a new directory for the clone", path=str(root)
            )
    return False


def _remote(
    registry: OpenRegistry, store: RemoteStore, name: str, url: str, identity: Identity
) -> RemoteRow:
    """Return the remote of a clone; add it if it is not there."""
    with registry.store.write() as change:
        known = remote_rows.remotes(change.connection)
        if known:
            return known[0]
        return remote_rows.insert(change.connection, name, url, identity.table_id, mirror=False)


def _is_empty(registry: OpenRegistry) -> bool:
    with registry.store.read() as connection:
        return event_rows.newest_key(connection) == 0
