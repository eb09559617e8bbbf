"""The owner of a temporary file, in its name, so that files of dead processes can be deleted.

`localreg.values.layout` lists the names.

A name ends in a mark, ``.<machine>-<pid>``. The machine is a digest of the host name, the boot and
the process namespace, because a process number is only valid inside these: two containers, or a
machine before and after a restart, differ. No lock is needed; some file systems only pretend to
have locks.

A task records the same mark, so that others can find out if its process still runs.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

from localreg.filesystem.machine import host_name
from localreg.values.layout import unfinished_name

# Of Windows.
_QUERY, _NO_PROCESS, _DENIED, _STILL_ACTIVE = 0x1000, 87, 5, 259

_MARK = re.compile(r"\.([0-9a-f]{12})-([0-9]{1,10})$")


def owner_mark() -> str:
    """Return the mark at the end of names of this process's temporary files."""
    return f".{_machine()}-{os.getpid()}"


def machine_mark() -> str:
    """Return the mark of this machine, which those of its processes begin with."""
    return f".{_machine()}"


def unfinished(place: Path) -> Path:
    """Return a new path beside `place` for what is written there until it is complete."""
    # Shorter than the name may be, because the id and the mark are added.
    return place.with_name(unfinished_name(place.name[:50], owner_mark()))


def is_alive(name: str, since: str | None = None) -> bool | None:
    """Return True if the process whose mark is in `name` still runs, and False if it has ended.

    Return None if this is unknown: it ran on another machine, or there is no mark.

    Args:
        since: its `start_time`, to notice that another process has its number by now.
    """
    match = _MARK.search(name)
    if match is None or match[1] != _machine():
        return None
    number = int(match[2])
    runs = True if number == os.getpid() else _runs(number)
    if runs and since and start_time(name) not in (None, since):
        return False
    return runs


def _runs(number: int) -> bool | None:
    """Return True if a process of this machine runs, False if not, and None if this is unknown."""
    if not hasattr(os, "getpgid"):
        return _runs_on_windows(number)
    try:
        os.getpgid(number)  # unlike os.kill, it can never end a process
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass  # PermissionError: it runs, as another user
    return True


def _runs_on_windows(number: int) -> bool | None:
    import ctypes

    if not hasattr(ctypes, "WinDLL"):
        return None
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    handle = kernel.OpenProcess(_QUERY, False, number)
    if not handle:
        number = ctypes.get_last_error()  # type: ignore[attr-defined]  # only Windows has it
        return {_NO_PROCESS: False, _DENIED: True}.get(number)
    code = ctypes.c_ulong()
    known = kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return code.value == _STILL_ACTIVE if known else None


def start_time(name: str) -> str | None:
    """Return when the process whose mark is in `name` started, as this machine counts it.

    Two processes that had the same number differ in it. None if it is unknown, as on systems
    without /proc.
    """
    try:
        with open(f"/proc/{process_id(name)}/stat", "rb") as file:
            # The name of the program comes before, in brackets, and may contain anything.
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return None


def is_marked(name: str) -> bool:
    """Return True if a name ends in the mark of a process of any machine."""
    return _MARK.search(name) is not None


def free_mark() -> str:
    """Return the mark of files that any process of this boot may take over."""
    return f".{_machine()}-free"


def machine_key() -> bytes:
    """Return a digest that is the same for every process of this machine, and not known elsewhere.

    It is that of systemd's machine id, or of the boot where there is none.
    """
    import hashlib

    try:
        with open("/etc/machine-id", "rb") as file:
            known = file.read(64)
    except OSError:
        known = b""
    return hashlib.sha256(b"localreg" + (known.strip() or _machine().encode())).digest()


def process_id(name: str) -> int | None:
    """Return the process number in the mark at the end of `name`; None without a mark."""
    match = _MARK.search(name)
    return None if match is None else int(match[2])


@cache
def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read()
    except OSError:  # not Linux, or no /proc: the host name must be enough
        return ""


def _machine() -> str:
    import hashlib

    facts = [host_name(), _boot_id()]
    try:
        facts.append(os.readlink("/proc/self/ns/pid"))  # noqa: PTH115  (text is enough)
    except OSError:
        facts.append("")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]
