"""Takes abilities away from Python before a child process imports localreg: like Windows, or a Mac.

Python runs this file at its start if the folder is in PYTHONPATH, so children of children have the
same limits. The variable OTHER_SYSTEM holds "windows" or "mac". `support.systems` sets both.

It replaces functions of the system, never our own. What it does, is what the documentation of
Python, Win32 and macOS says; it is no proof that localreg runs there:

- Both: names are found in any case. No copy_file_range, no /proc, no renameat2 and syncfs.
- mac: names are found in any form of Unicode, and a folder lists them decomposed (NFD).
- windows: no fcntl, pwd, grp and resource; no owners, groups, modes (a file is read-only or not),
  links or symbolic links that the user may make; a folder cannot be opened; what is open is
  neither renamed, replaced nor deleted, what is read-only is neither replaced nor deleted; only
  what is open for writing is synced; a rename never replaces; a name loses dots and blanks at its
  end, holds none of ``< > : " | ? *``, and is no device; a path has at most 259 characters;
  os.kill ends a process also with signal 0; a call without O_BINARY opens a file as text.

What would be silently wrong on Windows raises `SilentlyWrong`, which no program catches.
"""

from __future__ import annotations

import os

SYSTEM = os.environ.get("OTHER_SYSTEM", "")


class SilentlyWrong(BaseException):
    """Windows would do something else than asked, and report nothing."""


def _take_away(windows):
    import builtins
    import ctypes
    import errno
    import fcntl
    import io
    import shutil
    import signal
    import stat
    import sys
    import tempfile
    import unicodedata
    from contextlib import suppress

    import filelock  # noqa: F401  (its locks of this system stand for those of the other one)

    real = {name: getattr(os, name) for name in dir(os)}

    def error(code, path=None, winerror=None):
        kept = OSError(code, os.strerror(code), path)
        if winerror is not None:
            kept.winerror = winerror
        return kept

    # --- Names and paths ---------------------------------------------------------------------

    def folded(name):
        return unicodedata.normalize("NFC", name).casefold() if not windows else name.casefold()

    def checked(path, makes):
        """Return a path as Windows reads it; raise for one that it refuses."""
        parts = path.split("/")
        for number, part in enumerate(parts):
            if part in ("", ".", ".."):
                continue
            if set(part) & set('<>:"|?*') or min(map(ord, part)) < 32:
                if ":" in part and makes and not set(part) & set('<>"|?*'):
                    raise SilentlyWrong(f"{path!r} makes a stream beside another file")
                raise error(errno.EINVAL, path, 123)
            if part.partition(".")[0].rstrip().upper() in DEVICES:
                if makes:
                    raise SilentlyWrong(f"{path!r} is a device")
                raise error(errno.ENOENT, path, 2)
            parts[number] = part.rstrip(". ")
            if makes and number == len(parts) - 1 and parts[number] != part:
                raise SilentlyWrong(f"{path!r} loses the end of its name")
        if len(real["path"].abspath("/".join(parts))) > 259:
            raise error(errno.ENOENT, path, 206 if makes else 3)
        return "/".join(parts)

    def found(path):
        """Return the path of what exists under this name in any case; else the path itself."""
        try:
            real["lstat"](path)
        except FileNotFoundError:
            above, _, name = path.rstrip("/").rpartition("/")
            if not name or name in (".", "..") or (not above and path.startswith("/")):
                return path
            above = found(above) if above else ("/" if path.startswith("/") else ".")
            try:
                names = real["listdir"](above)
            except OSError:
                return path
            wanted = folded(name)
            name = next((each for each in names if folded(each) == wanted), name)
            return f"{above.rstrip('/')}/{name}"
        except OSError:
            pass
        return path

    def place(path, makes=False):
        if isinstance(path, int):
            return path
        text = os.fspath(path)
        if isinstance(text, bytes):
            text = os.fsdecode(text)
        if not real["path"].abspath(text).startswith(("/proc", "/dev", "/sys")):
            if windows:
                text = checked(text, makes)
            text = found(text)
        elif text.startswith("/proc"):
            raise error(errno.ENOENT, text, 3)
        return text

    # --- What is open, and what is read-only -------------------------------------------------

    def open_paths():
        for number in real["listdir"]("/proc/self/fd"):
            with suppress(OSError):  # the one that listed them
                yield real["readlink"](f"/proc/self/fd/{number}")

    def check_closed(path):
        whole = real["path"].join(os.path.realpath(real["path"].dirname(path) or "."),
                                  real["path"].basename(path))  # fmt: skip
        for each in open_paths():
            if each == whole or each.startswith(f"{whole}/"):
                raise error(errno.EACCES, path, 32)

    def check_deletable(path):
        status = real["lstat"](path)
        if stat.S_ISREG(status.st_mode) and not status.st_mode & 0o200:
            raise error(errno.EACCES, path, 5)
        check_closed(path)

    def windows_status(result):
        kind, mode = stat.S_IFMT(result.st_mode), result.st_mode
        if stat.S_ISDIR(mode):
            mode = kind | 0o777
        elif stat.S_ISREG(mode):
            mode = kind | (0o666 if mode & 0o200 else 0o444)
        # The rest by name. Python 3.13 refuses names of what is in the sequence.
        first = {"st_mode", "st_ino", "st_dev", "st_nlink", "st_uid", "st_gid", "st_size"}
        names = {name for name in dir(result) if name.startswith("st_")} - first
        values = {name: getattr(result, name) for name in names}
        sequence = [mode, *result[1:4], 0, 0, *result[6:]]
        return os.stat_result(sequence, values)

    # --- The functions -----------------------------------------------------------------------

    def one(name, makes=False, before=None, after=None):
        function = real[name]

        def call(path=".", *rest, **options):
            if windows and options.get("follow_symlinks") is False and name != "stat":
                raise NotImplementedError(f"{name}: follow_symlinks unavailable on this platform")
            if windows and any(options.get(key) is not None for key in ("dir_fd", "src_dir_fd")):
                raise NotImplementedError(f"{name}: dir_fd unavailable on this platform")
            path = place(path, makes)
            if before is not None:
                before(path, *rest)
            result = function(path, *rest, **options)
            return result if after is None else after(result)

        setattr(os, name, call)

    def two(name, before=None):
        function = real[name]

        def call(first, second, **options):
            if windows and options.get("follow_symlinks") is False:
                raise NotImplementedError(f"{name}: follow_symlinks unavailable on this platform")
            first, second = place(first), place(second, makes=True)
            if before is not None:
                before(first, second)
            return function(first, second, **options)

        setattr(os, name, call)

    def listed(names):
        return [unicodedata.normalize("NFD", name) for name in names]

    class Entry:
        """An entry of os.scandir with a decomposed name."""

        def __init__(self, entry):
            self._entry = entry
            self.name = unicodedata.normalize("NFD", entry.name)
            self.path = entry.path[: len(entry.path) - len(entry.name)] + self.name

        def __getattr__(self, name):
            return getattr(self._entry, name)

        def __fspath__(self):
            return self.path

    class Entries:
        """What os.scandir returns."""

        def __init__(self, path="."):
            self._entries = real["scandir"](place(path))
            self.close = self._entries.close

        def __iter__(self):
            return map(Entry, self._entries)

        def __next__(self):
            return Entry(next(self._entries))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.close()

    def open_by_path(file, mode="r", *rest, **options):
        if options.get("opener") is not None:  # it opens another path, by os.open
            return real_open(file, mode, *rest, **options)
        writes = any(letter in mode for letter in "wxa+")
        file = place(file, makes=any(letter in mode for letter in "wxa"))
        if windows and not isinstance(file, int) and real["path"].isdir(file):
            raise error(errno.EACCES, file, 5)
        if windows and writes and "x" not in mode and not isinstance(file, int):
            check_writable(file)
        return real_open(file, mode, *rest, **options)

    def check_writable(path):
        try:
            mode = real["stat"](path).st_mode
        except OSError:
            return
        if not mode & 0o200:
            raise error(errno.EACCES, path, 5)

    def open_descriptor(path, flags, mode=0o777, *, dir_fd=None):
        if windows and dir_fd is not None:
            raise NotImplementedError("open: dir_fd unavailable on this platform")
        path = place(path, makes=bool(flags & os.O_CREAT))
        if windows:
            ours = sys._getframe(1).f_globals.get("__name__", "").startswith("localreg")
            if ours and not flags & BINARY and not path.startswith("/dev/"):
                raise SilentlyWrong(f"{path!r} is opened as text")
            if real["path"].isdir(path):
                raise error(errno.EACCES, path, 5)
            if flags & (os.O_WRONLY | os.O_RDWR):
                check_writable(path)
        return real["open"](path, flags & ~BINARY, mode)

    real_open = io.open
    io.open = builtins.open = open_by_path
    os.open = open_descriptor

    if windows:

        def check_unlink(path, *_):
            check_deletable(path)

        def check_rmdir(path, *_):
            check_closed(path)

        def check_rename(first, second):
            check_closed(first)
            if real["path"].lexists(second) and first.casefold() != second.casefold():
                raise error(errno.EEXIST, second, 183)

        def check_replace(first, second):
            check_closed(first)
            if real["path"].lexists(second):
                if real["path"].isdir(second):
                    raise error(errno.EACCES, second, 5)
                check_deletable(second)

        def check_chmod(path, mode, **_):
            return None

        def chmod(path, mode, *, follow_symlinks=True):
            if not follow_symlinks:
                raise NotImplementedError("chmod: follow_symlinks unavailable on this platform")
            path = place(path)
            if isinstance(path, int):
                raise TypeError("chmod: path should be string, bytes or os.PathLike, not int")
            status = real["stat"](path)
            if stat.S_ISREG(status.st_mode):
                real["chmod"](path, 0o666 if mode & 0o200 else 0o444)

        def no_symlink(*_, **__):
            raise error(errno.EPERM, winerror=1314)

        def fsync(descriptor):
            number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
            if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
                raise error(errno.EBADF)
            real["fsync"](number)

        def disk_usage(path):
            found = real["statvfs"](place(path))
            sizes = [count * found.f_frsize for count in (found.f_blocks, found.f_bavail)]
            return shutil._ntuple_diskusage(sizes[0], sizes[0] - sizes[1], sizes[1])

        def lent(name):
            """Give libraries that go by the name of the system what they expect from it."""
            library = sys._getframe(1).f_globals.get("__name__", "").partition(".")[0]
            if library in LIBRARIES and name in WINDOWS_LACKS:
                return real[name]
            raise AttributeError(f"module 'os' has no attribute {name!r}")

        def kill(process, number):
            if number == 0:
                raise SilentlyWrong("os.kill with signal 0 interrupts or ends a process")
            real["kill"](process, number)

        for name in ("unlink", "remove"):
            one(name, before=check_unlink)
        one("rmdir", before=check_rmdir)
        two("rename", check_rename)
        two("replace", check_replace)
        two("link")
        for name in ("stat", "lstat", "fstat"):
            one(name, after=windows_status)
        os.chmod, os.symlink, os.fsync, os.kill = chmod, no_symlink, fsync, kill
        os.O_BINARY = BINARY
        for name in WINDOWS_LACKS:
            if hasattr(os, name):
                delattr(os, name)
        for name in ("SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM"):
            delattr(signal, name)
        for name in ("fcntl", "pwd", "grp", "resource", "termios", "pty", "tty", "syslog"):
            sys.modules[name] = None
        shutil.disk_usage = disk_usage
        tempfile.TemporaryFile = tempfile.NamedTemporaryFile
        shutil._USE_CP_SENDFILE = False
        os.__getattr__ = lent
        shutil._use_fd_functions = False
        os.supports_effective_ids = set()
        os.supports_dir_fd = set()
        os.supports_fd = {os.stat, os.truncate}
        os.supports_follow_symlinks = {os.stat}
    else:
        for name in ("unlink", "remove", "rmdir", "stat", "lstat", "chmod"):
            one(name)
        for name in ("rename", "replace", "link", "symlink"):
            two(name)
        one("listdir", after=listed)
        os.scandir = Entries
        for name in MAC_LACKS:
            if hasattr(os, name):
                delattr(os, name)
        tempfile._O_TMPFILE_WORKS = False
        fcntl.F_FULLFSYNC = FULLFSYNC
        control = fcntl.fcntl

        def full_sync(descriptor, command, *rest):
            if command == FULLFSYNC:
                full_syncs.append(descriptor)
                return real["fsync"](descriptor) or 0
            return control(descriptor, command, *rest)

        full_syncs = []
        fcntl.fcntl = full_sync
        sys.full_syncs = full_syncs
        for each in ("unlink", "rmdir", "open", "stat", "chmod"):
            os.supports_dir_fd.discard(real[each])
        shutil._use_fd_functions = False

    for name in ("readlink", "utime", "access", "truncate"):
        one(name)
    one("mkdir", makes=True)
    if windows:
        for name in ("listdir", "scandir"):
            one(name)

    def clone_of_mac(descriptor, folder, target, flags):
        """Do what macOS' fclonefileat does: a new file with the bytes and mode of an open one."""
        if folder != -2 or flags:
            raise SilentlyWrong(f"fclonefileat with {folder}, {flags}")
        with real_open(target, "xb") as file:
            file.write(os.pread(descriptor, os.fstat(descriptor).st_size, 0))
        real["chmod"](target, stat.S_IMODE(os.fstat(descriptor).st_mode))
        clones.append(os.fsdecode(target))
        return 0

    sys.clones = clones = []

    class Kernel:
        """Windows' library of processes, with those of this system."""

        def OpenProcess(self, access, inherit, number):  # noqa: N802
            return number if str(number) in real["listdir"]("/proc") else 0

        def GetExitCodeProcess(self, handle, code):  # noqa: N802
            code._obj.value = 259
            return 1

        def CloseHandle(self, handle):  # noqa: N802
            return 1

    library = ctypes.CDLL

    class CDLL(library):
        """The C library, without what only Linux has."""

        def __init__(self, name, *rest, **options):
            if windows and name is None:
                raise TypeError("argument of type 'NoneType' is not iterable")
            super().__init__(name, *rest, **options)

        def __getattr__(self, name):
            if name in ("renameat2", "syncfs"):
                raise AttributeError(name)
            if name == "fclonefileat":
                return clone_of_mac
            return super().__getattr__(name)

    ctypes.CDLL = CDLL
    if windows:
        ctypes.WinDLL = lambda name, use_last_error: Kernel()
        ctypes.get_last_error = lambda: 87


BINARY = 1 << 30
LIBRARIES = ("numpy", "platformdirs", "filelock", "_pytest")
FULLFSYNC = 51
DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [f"{name}{number}" for name in ("COM", "LPT") for number in "123456789¹²³"]
)
WINDOWS_LACKS = (
    "fchmod fchown chown lchown fork forkpty vfork getuid geteuid getgid getegid getgroups "
    "setuid setgid statvfs fstatvfs ST_RDONLY ST_NOSUID posix_fallocate posix_fadvise "
    "copy_file_range sendfile splice register_at_fork uname getpgid getpgrp setpgid setsid "
    "getsid killpg mkfifo mknod sync fdatasync lockf O_NOFOLLOW O_DIRECTORY O_CLOEXEC O_NONBLOCK "
    "O_NOCTTY O_PATH O_TMPFILE O_SYNC O_DSYNC sched_getaffinity sched_setaffinity sysconf confstr "
    "getloadavg getxattr setxattr listxattr pread pwrite memfd_create chroot nice WIFEXITED "
    "WIFSIGNALED ttyname ctermid getpriority"
).split()
MAC_LACKS = (
    "copy_file_range splice posix_fallocate posix_fadvise memfd_create O_PATH O_TMPFILE "
    "getxattr setxattr listxattr sched_getaffinity sched_setaffinity fdatasync"
).split()

if SYSTEM:
    _take_away(SYSTEM == "windows")
