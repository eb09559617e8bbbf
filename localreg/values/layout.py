"""The names of the files and folders of a registry, and of what is unfinished, in one place.

A registry is a directory::

    registry.db        the database (SQLite); its logs are beside it while it is open
    registry.db-reserve  takes up space, so that `gc` and `rm` can work on a full disk
    search.db          the index of `search` (SQLite); made again when it is missing
    blobs/sha256/      weights, artifacts and reported files, each named by its digest
    files/DIGEST/      local copies under the names that users gave, linked to the blobs
    trees/DIGEST/      the folders of packages: links to blobs where that is possible
    reports/           HTML pages
    tmp/               files that are being written, and partial downloads
    locks/             lock files
    quarantine/        damaged files that `repair` moved away, and changed folders of packages

What is unfinished has one of these names. A kill leaves it, and `gc` deletes it:

    =====================  ============================  =======================================
    where                  name                          what
    =====================  ============================  =======================================
    tmp/                   KIND-ID.OWNER                 bytes to keep, archives, new lock files
    tmp/                   tree-ID.OWNER                 a folder with the files of a package
    tmp/                   get-URL-ID.OWNER              a folder with a download and its note;
                                                         OWNER is "free" after a failure
    tmp/                   .ID-registry.db.OWNER         a database as it was at some time
    tmp/                   outside-ID.OWNER              names a folder of the user, see below
    .                      .ID-registry.db.OWNER         a database that is made, or backed up
    .                      .ID-search.db.OWNER           an empty index of `search`
    .                      .ID-checkpoint.OWNER          a folder with the checkpoint of a clone
    .                      .ID-NAME.OWNER                a folder of a shared registry
    files/DIGEST/          .ID-NAME.OWNER                a local copy
    trees/                 .ID-DIGEST.OWNER              the folder of a package
    reports/, and below    .ID-NAME.OWNER                pages, and the files that they share
    a folder of the user   .ID-NAME.OWNER                private copies, pages, images, bundles
    an upload's folder     .ID-NAME.OWNER                ID and OWNER are in the table ``upload``
    an object store        as uploaded                   the same; ID is in the object's metadata
    =====================  ============================  =======================================

ID is 32 hex digits, OWNER the mark of a process (`localreg.filesystem.temporary_owners`). SQLite
adds an ending to the names of databases, for their logs. The user's folder for local copies of
registries that cannot be written to has ``files/`` and ``trees/`` too, and such databases.
"""

from __future__ import annotations

from localreg.values.ids import new_id

HIDDEN = ".localreg"  # a registry in a project's directory; found from the folders below it
DATABASE = "registry.db"
SEARCH = "search.db"  # and its journal beside it
BLOBS = ("blobs", "sha256")
FILES = "files"
TREES = "trees"
REPORTS = "reports"
TEMPORARY = "tmp"
LOCKS = "locks"
QUARANTINE = "quarantine"
UNFINISHED_BACKUP = "unfinished-backup"  # holds the id of the registry; a first backup was killed

UNFINISHED_IN = {"": 0, FILES: 1, TREES: 0, REPORTS: 1}  # and in folders so many levels below
UNFINISHED_DOWNLOAD = "get-"
OUTSIDE_NOTE = "outside"
_UNFINISHED = r"(?s)\.([0-9a-f]{32})-.*(\.[0-9a-f]{12}-[0-9]{1,10})(?:-wal|-shm|-journal)?"


def unfinished_name(name: str, owner: str, unique: str | None = None) -> str:
    """Return the name of a file or folder, beside its final place, as long as it is unfinished.

    Args:
        name: the final name.
        owner: the mark of the process that makes it.
        unique: its id; None for a new one.

    >>> unfinished_name("net.pt", ".0123456789ab-77", "f" * 32)
    '.ffffffffffffffffffffffffffffffff-net.pt.0123456789ab-77'
    """
    return f".{unique or new_id()}-{name}{owner}"


def quarantined_name(digest: str) -> str:
    """Return a new name in quarantine for a damaged file or folder of a digest."""
    return f"{digest}.{new_id()[:8]}"


def owner_of_unfinished(name: str) -> str | None:
    """Return the owner in the name of something unfinished; None for any other name.

    >>> owner_of_unfinished(".ffffffffffffffffffffffffffffffff-registry.db.0123456789ab-77-wal")
    '.0123456789ab-77'
    >>> owner_of_unfinished(".gitignore")
    """
    import re  # most programs need only the names, and it takes long to import

    match = re.fullmatch(_UNFINISHED, name)
    return None if match is None else match[2]
