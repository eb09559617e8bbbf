"""Notice that a registry was copied, and goes on in two places: its new events get a new origin.

An origin is a name for people, and numbers events. Merging is right without it: two copies with one
origin only have to send each other more. So this is one comparison in each process, before its
first write, and it errs on the side of no copy:

- The inode of the database differs in a copy. It does not count on file systems that give a file
  other numbers at each mount: FAT, exFAT, FUSE.
- The machine differs if the disk, or an image of it, came to another one. It does not count on file
  systems that several machines use.
"""

from __future__ import annotations

import os
import sqlite3

from localreg.filesystem.kinds import MOUNTS, is_network, keeps_inodes
from localreg.filesystem.machine import machine_mark, short_host_name
from localreg.store.rows import origin_rows, setting_rows

MACHINE, INODE, NAME = "machine", "inode", "origin.name"


def record_place(
    connection: sqlite3.Connection,
    database: str | os.PathLike[str],
    mounts: str | os.PathLike[str] = MOUNTS,
) -> None:
    """Record where a registry is, in a write transaction.

    Args:
        connection: to the database.
        database: its file.
        mounts: as for `localreg.filesystem.kinds.is_network`.
    """
    mark = machine_mark(by_name=not keeps_inodes(os.path.dirname(database), mounts))
    for name, value in _place(database, mark).items():
        setting_rows.put(connection, name, value)


def notice_copy(
    connection: sqlite3.Connection,
    database: str | os.PathLike[str],
    mounts: str | os.PathLike[str] = MOUNTS,
) -> None:
    """Give a registry a new origin if it was copied since the last write, in a transaction.

    Args:
        connection, database, mounts: as for `record_place`.
    """
    known = setting_rows.some(connection, (MACHINE, INODE))
    here = _place(database, machine_mark())
    if known == here:  # nearly always: the table of mounts is not read
        return
    folder = os.path.dirname(database)
    if not keeps_inodes(folder, mounts):
        here = {**_place(database, machine_mark(by_name=True)), INODE: known.get(INODE, "")}
    moved = _differs(known, here, MACHINE) and not is_network(folder, mounts)
    if moved or _differs(known, here, INODE):
        if moved:  # the name was that of the other machine
            setting_rows.drop(connection, NAME)
        chosen = setting_rows.some(connection, (NAME,))
        origin_rows.mint(connection, chosen.get(NAME) or short_host_name())
    record_place(connection, database, mounts)


def _place(database: str | os.PathLike[str], machine: str | None) -> dict[str, str]:
    inode = {INODE: str(os.stat(database).st_ino)}
    return inode if machine is None else {**inode, MACHINE: machine}


def _differs(known: dict[str, str], here: dict[str, str], name: str) -> bool:
    return name in known and name in here and known[name] != here[name]
