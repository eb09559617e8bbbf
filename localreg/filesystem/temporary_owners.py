"""Whose a temporary file is: told by its name, so that what a dead process left can be cleared.

A name ends in its mark, ``.<machine>-<pid>``. The machine is a digest of its name, of this boot,
and of the process namespace, in which alone a process number means something: two containers, or
a machine before and after its restart, differ. No lock is needed, which some file systems
only pretend to have.
"""

from __future__ import annotations

import os
import re

_MARK = re.compile(r"\.([0-9a-f]{12})-([0-9]{1,10})$")


def owner_mark() -> str:
    """Return what the name of a temporary file of this process ends in."""
    return f".{_machine()}-{os.getpid()}"


def is_alive(name: str) -> bool | None:
    """Return whether the process whose mark ends `name` still runs.

    Returns:
        None when that cannot be told from here: it ran elsewhere, or there is no mark.
    """
    match = _MARK.search(name)
    if match is None or match[1] != _machine() or os.name == "nt":  # kill() ends it there
        return None
    if int(match[2]) == os.getpid():
        return True
    try:
        os.kill(int(match[2]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs, as somebody else
        return True
    return True


def is_marked(name: str) -> bool:
    """Return whether a name ends in the mark of a process, of whatever machine."""
    return _MARK.search(name) is not None


def free_mark() -> str:
    """Return what the name of something ends in that any process of this boot may take over."""
    return f".{_machine()}-free"


def process_id(name: str) -> int | None:
    """Return the process number of the mark that ends `name`."""
    match = _MARK.search(name)
    return None if match is None else int(match[2])


def _machine() -> str:
    import hashlib
    import platform

    facts = [platform.node()]
    for path, read in (("/proc/sys/kernel/random/boot_id", _text), ("/proc/self/ns/pid", _link)):
        try:
            facts.append(read(path))
        except OSError:  # no Linux, or no /proc: the machine's name has to do
            facts.append("")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]


def _text(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()


def _link(path: str) -> str:
    return os.readlink(path)  # noqa: PTH115  (a Path would not save anything)
