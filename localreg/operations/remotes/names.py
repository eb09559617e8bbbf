"""The remotes of a registry: name, list, find and forget them.

The first remote gives events their order, and so do all remotes that are copies of it; a second one
is a mirror. So is a first one if the events have places in the order of another table already.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from localreg.errors import (
    ConflictError,
    InvalidValueError,
    NotFoundError,
    RemoteChangedError,
    RemoteError,
)
from localreg.filesystem.given_paths import absolute
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import remote_rows
from localreg.store.rows.remote_rows import RemoteRow
from localreg.values.checks import check_text, shown
from localreg.values.frozen import Frozen
from localreg.values.layout import DATABASE, HIDDEN
from localreg.values.remote_format import FORMAT, Identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.remote_store.store import RemoteStore

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ALMOST = re.compile(r"(s3|gs|az|file|https?):", re.IGNORECASE)


class Remote(Frozen):
    """A remote.

    Attributes:
        name: how it is called here.
        url: where it is, without secrets.
        table_id: the id of its table.
        mirror: True if it does not give events their order.
        cursor: the version of its table that was pulled last; -1 if none was.
        waiting: how many events it lacks.
    """

    name: str
    url: str
    table_id: str | None
    mirror: bool
    cursor: int
    waiting: int


class Added(Remote):
    """A remote that was added; `made`: nothing was there before."""

    made: bool


def add(chain: Chain, name: str, url: str | os.PathLike[str]) -> Added:
    """Add a remote to the first registry of a chain; make it where nothing is yet.

    Args:
        name: letters, digits, dots, dashes and underscores.
        url: ``s3://``, ``gs://``, ``az://``, ``file://``, or the path of a shared directory.

    Raises:
        InvalidValueError: the name or the URL cannot be used.
        ConflictError: there is a remote of this name, or at this place.
        RemoteError: what is there cannot be a remote, or is none.
    """
    registry = chain.first
    registry.store.check_writable()
    check_name(name)
    place = check_url(url)
    if is_path(place) and Path(os.path.realpath(place)).is_relative_to(
        os.path.realpath(registry.root)
    ):
        raise InvalidValueError(
            f"{place} is inside the registry {registry.root}; a remote needs a directory of its "
            "own, which others can reach",
            argument="url",
        )
    with registry.store.read() as connection:
        known = remote_rows.remotes(connection)
    _check_new(known, name, place, None)
    store = open_store(place)
    store.probe()
    there = store.identity()
    identity = there or store.create()
    check_format(identity, place)
    with registry.store.write() as change:
        _check_new(remote_rows.remotes(change.connection), name, place, identity.table_id)
        order = remote_rows.ordering_table(change.connection)
        mirror = order is not None and order != identity.table_id
        row = remote_rows.insert(change.connection, name, place, identity.table_id, mirror=mirror)
        remote = _remote(change.connection, row)
    return Added(
        remote.name, remote.url, remote.table_id, remote.mirror, remote.cursor, remote.waiting,
        there is None,
    )  # fmt: skip


def ls(chain: Chain) -> list[Remote]:
    """Return the remotes of the first registry of a chain, the one that gives the order first."""
    with chain.first.store.read() as connection:
        return [_remote(connection, row) for row in remote_rows.remotes(connection)]


def rm(chain: Chain, name: str) -> Remote:
    """Forget a remote. What is there stays, and events keep the places that it gave them.

    Raises:
        NotFoundError: there is no such remote.
    """
    with chain.first.store.write() as change:
        row = _find(chain.first, remote_rows.remotes(change.connection), name)
        removed = _remote(change.connection, row)
        remote_rows.delete(change.connection, row.pk)
    return removed


def find(chain: Chain, name: str | None = None) -> RemoteRow:
    """Return a remote of the first registry of a chain.

    Args:
        name: None for the one that gives the order, else the only one.

    Raises:
        NotFoundError: there is no such remote, or none at all.
        InvalidValueError: there are several, and none gives the order.
    """
    with chain.first.store.read() as connection:
        return _find(chain.first, remote_rows.remotes(connection), name)


def current(chain: Chain, remote: RemoteRow) -> RemoteRow:
    """Return a remote as it is known now.

    Raises:
        NotFoundError: it was removed meanwhile.
    """
    return find(chain, remote.name)


def connect(remote: RemoteRow) -> RemoteStore:
    """Return what is at the place of a remote; nothing is asked of it yet.

    Raises:
        MissingPackageError: the extra ``remote`` is not installed.
    """
    return open_store(remote.url)


def check_identity(remote: RemoteRow, store: RemoteStore) -> None:
    """Raise if another remote is at the place of a remote, or none.

    Raises:
        RemoteChangedError: so it is.
        RemoteError: its directory does not exist.
    """
    identity = store.identity()
    if identity is None:
        store.check_place()
        raise RemoteChangedError(
            f"there is no remote at {remote.url} any more: it has no registry.json. Nothing was "
            f"changed; bring it back, let `localreg remote check {remote.name} --repair` write the "
            f"file if all else is there, or `localreg remote rm {remote.name}` and add it again",
            remote=remote.url,
        )
    check_format(identity, remote.url)
    if identity.table_id != remote.table_id:
        raise changed(remote, f"its table is {identity.table_id}, and was {remote.table_id}")


def changed(remote: RemoteRow, what: str) -> RemoteChangedError:
    """Return the error that a remote is not what it was, and what to do."""
    return RemoteChangedError(
        f"the remote {remote.name} ({remote.url}) was replaced, or restored from an older copy: "
        f"{what}. Nothing was changed. If that is meant to be, `localreg remote check "
        f"{remote.name} --reset` takes what is there now, and the next push sends what it lacks",
        remote=remote.url,
    )


def check_format(identity: Identity, url: str) -> None:
    """Raise RemoteError if a remote has a format that this localreg does not know."""
    if identity.format != FORMAT:
        raise RemoteError(
            f"{url} has format {identity.format}, and this localreg knows format {FORMAT}; use "
            "the localreg that made it",
            remote=url,
        )


def check_name(name: object) -> str:
    """Return a name that a remote can have."""
    text = check_text("name", name, limit=64, empty=False)
    if not _NAME.fullmatch(text):
        raise InvalidValueError(
            f"name must be of letters, digits, dots, dashes and underscores, not {shown(text)}",
            argument="name",
        )
    return text


def check_url(url: object) -> str:
    """Return where a remote is, as it is kept: a URL without secrets, or an absolute path."""
    if not isinstance(url, (str, os.PathLike)):
        raise InvalidValueError(
            f"url must be a str or os.PathLike, not {type(url).__name__}", argument="url"
        )
    text = check_text("url", os.fspath(url), nul=False, empty=False)
    if text.lower().startswith("file://"):
        from localreg.values.urls import local_path, parse_named_url

        path = local_path(parse_named_url("url", text).text)
        if path is None:
            raise InvalidValueError(f"url {shown(text)} names no path", argument="url")
        return _check_directory(path)
    if not _SCHEME.match(text):
        if _ALMOST.match(text):
            raise InvalidValueError(
                f"url {shown(text)} is no path and no URL, which has two slashes: s3://bucket",
                argument="url",
            )
        return _check_directory(absolute("url", Path(text).expanduser()))
    from localreg.values.urls import public_url

    if text.partition("://")[2][:1] in ("", "/"):
        raise InvalidValueError(f"url {shown(text)} names no bucket", argument="url")
    shown_url = public_url(text)
    if shown_url != text and shown_url.lower() == text.lower():
        raise InvalidValueError(
            f"url {shown(text)} must have a scheme in lower case, as in s3://bucket",
            argument="url",
        )
    if shown_url != text or "?" in text or "#" in text:
        raise InvalidValueError(
            f"url {shown_url} must have no credentials, query or fragment: credentials "
            "belong into the environment (`localreg guide clouds`)",
            argument="url",
        )
    return text.rstrip("/")


def is_path(place: str) -> bool:
    """Return True if a place is a directory, not a URL."""
    return _SCHEME.match(place) is None


def _check_directory(path: Path) -> str:
    for place in (path, path / HIDDEN):
        if os.path.lexists(place / DATABASE):
            raise InvalidValueError(
                f"{place} is a registry, not a remote; `localreg merge {place}` takes in what it "
                "has, and a remote needs a directory of its own",
                argument="url",
            )
    return os.path.normpath(path)


def open_store(url: str) -> RemoteStore:
    """Return what is at a place; nothing is asked of it yet.

    Raises:
        MissingPackageError: the extra ``remote`` is not installed.
    """
    from localreg.blobs.remote_store.store import open_remote

    return open_remote(url)


def _check_new(known: list[RemoteRow], name: str, url: str, table_id: str | None) -> None:
    for each in known:
        if each.name == name:
            raise ConflictError(
                f"there is a remote {name} already ({each.url}); choose another name, or "
                f"`localreg remote rm {name}` first"
            )
        if each.url == url or (table_id is not None and each.table_id == table_id):
            raise ConflictError(
                f"{url} is the remote {each.name} already ({each.url}); if it moved, `localreg "
                f"remote rm {each.name}` first"
            )


def _find(registry: OpenRegistry, known: list[RemoteRow], name: str | None) -> RemoteRow:
    listed = ", ".join(each.name for each in known)
    if name is not None:
        check_text("remote", name)
        for each in known:
            if each.name == name:
                return each
        verb = "is only" if len(known) == 1 else "are"
        there = f"there {verb} {listed}" if known else "there are none yet"
        raise NotFoundError(
            f"there is no remote {shown(name)} in {registry.root}; {there}, and `localreg remote "
            "add NAME URL` adds one",
            reference=str(name),
        )
    if not known:
        raise NotFoundError(
            f"{registry.root} has no remote; `localreg remote add NAME URL` adds one",
            reference="",
        )
    if not known[0].mirror or len(known) == 1:
        return known[0]
    raise InvalidValueError(
        f"there are several remotes, and none gives the order: {listed}; name one", argument="name"
    )


def _remote(connection: remote_rows.Connection, row: RemoteRow) -> Remote:
    waiting = remote_rows.count_waiting(connection, row)
    return Remote(row.name, row.url, row.table_id, row.mirror, row.cursor, waiting)
