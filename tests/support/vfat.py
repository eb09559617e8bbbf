"""A real FAT file system for tests, also where this machine's kernel has none.

Then a Linux kernel that runs as a program (User Mode Linux) mounts it: it sees the files of this
machine, and runs one function of a test on the FAT.
"""

from __future__ import annotations

import ctypes
import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

GUEST = "linux.uml"
MODULES = Path("/usr/lib/uml/modules")
MEMORY = "512M"
HANGS_AFTER = 240  # seconds; only a test that fails waits for so long

_FUNCTION = """
import json, sys
source, name, arguments = json.loads(sys.argv[1])
exec(source)
result = globals()[name](*arguments)
with open(sys.argv[2], "w") as file:
    json.dump(result, file)
"""


class Vfat:
    """A FAT file system in a file. It is mounted while a function runs, and then unmounted.

    Attributes:
        image: the file; it takes no space for what was never written to.
        place: where it is mounted, for the function.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        if shutil.which("mkfs.vfat") is None:
            pytest.skip("mkfs.vfat is missing; it comes with dosfstools")
        self._kernel = "vfat" in Path("/proc/filesystems").read_text().split()
        if not self._kernel and shutil.which(GUEST) is None:
            pytest.skip("no vfat in this kernel, and no User Mode Linux (user-mode-linux) instead")
        self.image, self.place = folder / "vfat.img", folder / "stick"
        self.place.mkdir()
        with open(self.image, "wb") as image:
            image.truncate(megabytes * 1_000_000)
        subprocess.run(["mkfs.vfat", "-F", "32", self.image], check=True, capture_output=True)

    def run(self, function, *arguments):
        """Return what a function of a test returned in a process of its own.

        It is sent as source: it imports what it needs, sees no name of its module, and takes and
        returns what JSON can hold.
        """
        source = textwrap.dedent(inspect.getsource(function))
        order = json.dumps([source, function.__name__, arguments], default=str)
        result = self.image.with_name("result.json")
        command = [sys.executable, "-W", "error", "-c", _FUNCTION, order, str(result)]
        said = (self._mounted if self._kernel else self._in_guest)(command)
        assert result.exists(), said
        found = json.loads(result.read_text())
        result.unlink()
        return found

    def _mounted(self, command):
        mount = ["mount", "-t", "vfat", "-o", "loop,utf8", self.image, self.place]
        done = subprocess.run(mount, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"vfat cannot be mounted here: {done.stderr.strip()}")
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=HANGS_AFTER)
        finally:
            subprocess.run(["umount", self.place], check=True)

    def _in_guest(self, command):
        order = self.image.with_name("order.json")
        order.write_text(json.dumps([command, str(self.place), str(Path.cwd()), dict(os.environ)]))
        guest = subprocess.Popen(
            [GUEST, f"mem={MEMORY}", f"ubd0={self.image}", "rootfstype=hostfs", "rw", "quiet",
             "con=null", "con0=null,fd:1", f"init={sys.executable}", "--", __file__, order],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        try:
            return guest.communicate(timeout=HANGS_AFTER)[0]
        except subprocess.TimeoutExpired:
            os.killpg(guest.pid, signal.SIGKILL)
            pytest.fail(f"it hangs; until then it said: {guest.communicate()[0]}")


def _be_the_first_process(order: Path) -> None:
    """Mount what is needed in a kernel that has just started, and run the command there."""
    command, place, folder, environment = json.loads(order.read_text())
    libc = ctypes.CDLL(None, use_errno=True)

    def checked(answer):
        if answer != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def mount(what, where, kind, options=""):
        checked(libc.mount(*(text.encode() for text in (what, where, kind)), 0, options.encode()))

    try:
        mount("proc", "/proc", "proc")
        Path("/dev/shm").mkdir(exist_ok=True)
        mount("shm", "/dev/shm", "tmpfs")
        for name in ("fat", "nls_cp437", "nls_iso8859-1", "nls_utf8", "vfat"):
            (module,) = (MODULES / os.uname().release).rglob(f"{name}.ko")
            with open(module, "rb") as file:
                checked(libc.syscall(313, file.fileno(), b"", 0))  # finit_module, on x86-64
        mount("/dev/ubda", place, "vfat", "iocharset=utf8")
        subprocess.run(command, env=environment, cwd=folder)
        checked(libc.umount(place.encode()))
    finally:
        sys.stdout.flush()
        os.sync()
        libc.reboot(0x4321FEDC)  # power off


if __name__ == "__main__":
    _be_the_first_process(Path(sys.argv[1]))
