"""The names of the files and folders of a registry, in one place.

A registry is a directory::

    registry.db        the database (SQLite); its logs are beside it while it is open
    registry.db-reserve  takes up space, so that `gc` and `rm` can work on a full disk
    blobs/sha256/      weights, artifacts and reported files, each named by its digest
    files/DIGEST/      local copies under the names that users gave, linked to the blobs
    trees/DIGEST/      unpacked packages and archives
    reports/           HTML pages
    tmp/               files that are being written, and partial downloads
    locks/             lock files
    quarantine/        damaged files that `repair` moved away
"""

from __future__ import annotations

HIDDEN = ".localreg"  # a registry in a project's directory; found from the folders below it
DATABASE = "registry.db"
BLOBS = ("blobs", "sha256")
FILES = "files"
TREES = "trees"
REPORTS = "reports"
TEMPORARY = "tmp"
LOCKS = "locks"
QUARANTINE = "quarantine"
