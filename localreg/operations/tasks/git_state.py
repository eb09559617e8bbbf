"""What git knows of a script: the commit, and a patch of what is not committed.

- The patch is one that `git apply` takes in a clean checkout of the commit, whatever the user or
  the repository configured. Its bytes are kept: those that are no UTF-8 as lone surrogates.
- The script is part of it, even if git does not track it: without it there is nothing to run.
- What is not known is never called unchanged: git may fail, or take too long.
- No program that the repository's configuration names is run to look at it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from localreg.values.frozen import Frozen
from localreg.values.records import Json
from localreg.values.urls import without_secrets

DIFF_LIMIT = 1_000_000  # bytes
READ_LIMIT = 16_000_000  # bytes of a patch that are looked at
GIT_SECONDS = 10.0
FACTS = ("commit", "branch", "repository", "changed", "left_out", "git")
"""The facts of a run that come from git."""

_DIFF = (
    "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--binary", "--no-renames",
    "--src-prefix=a/", "--dst-prefix=b/", "--no-relative", "--unified=3", "--inter-hunk-context=0",
    "--submodule=short", "--ignore-submodules=untracked",
)  # fmt: skip
# No programs are run, and the index is not written: then its hook would run.
_SETTINGS = (
    "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}",
    "-c", "diff.autoRefreshIndex=false", "-c", "core.quotePath=true",
)  # fmt: skip
# Git sets these for its hooks, or they change what it prints; `git rev-parse --local-env-vars`.
_DROPPED = frozenset(
    "GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES "
    "GIT_COMMON_DIR GIT_PREFIX GIT_NAMESPACE GIT_CONFIG GIT_CONFIG_PARAMETERS GIT_QUARANTINE_PATH "
    "GIT_IMPLICIT_WORK_TREE GIT_GRAFT_FILE GIT_NO_REPLACE_OBJECTS GIT_REPLACE_REF_BASE "
    "GIT_SHALLOW_FILE GIT_INTERNAL_SUPER_PREFIX GIT_EXTERNAL_DIFF GIT_DIFF_OPTS GIT_ATTR_SOURCE "
    "GIT_ICASE_PATHSPECS GIT_GLOB_PATHSPECS GIT_NOGLOB_PATHSPECS LANGUAGE".split()
)
_ADDED = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
_OTHER_OWNER = re.compile(
    rb"(?:dubious ownership in repository at|unsafe repository \()\s*'([^']+)'"
)
_NO_REPOSITORY = (b"not a git repository (or any", b"must be run in a work tree")
_INSIDE = re.compile(rb"(?m)^(\+Subproject commit [0-9a-f]+)-dirty$")


class GitState(Frozen):
    """What git knows of a script.

    Attributes:
        facts: those of `FACTS` that are known; {} outside of a repository. "changed" is None if it
            is not known, "left_out" names files whose changes are not in the patch, and "git" says
            why something is not known.
        script: the path of the script in its repository, or None.
        diff: what is not committed; None if that is not known.
        remarks: what the user can do about what is not known.
    """

    facts: Json
    script: str | None = None
    diff: str | None = None
    remarks: tuple[str, ...] = ()


def git_state(script: Path, seconds: float = GIT_SECONDS) -> GitState:
    """Return what git knows of a script.

    Args:
        script: its path.
        seconds: how long each of about six calls of git may take.
    """
    folder = Path(os.path.realpath(script.parent))
    git = _Git(folder, seconds)
    try:
        asked = git.run("rev-parse", "--show-toplevel", "HEAD")
    except subprocess.TimeoutExpired:
        return _unknown(f"git did not answer within {seconds:.0f} s")
    except OSError:  # it is not installed
        return GitState({})
    if not asked.stdout:
        return _not_read(folder, asked.stderr)
    top, _, commit = asked.stdout.removesuffix(b"\n").rpartition(b"\n")
    root = Path(os.path.realpath(os.fsdecode(top)))
    inside = (folder / script.name).relative_to(root) if folder.is_relative_to(root) else None
    facts: Json = {}
    if asked.returncode == 0:
        facts["commit"] = commit.decode()
    facts["branch"] = git.line("branch", "--show-current")
    remote = git.line("remote", "get-url", "origin")
    if remote and (":" in remote) and not remote.startswith("file:"):  # no path of this machine
        facts["repository"] = without_secrets(remote)
    patch = _patch(_Git(root, seconds), facts.get("commit"), inside)
    facts |= {"changed": patch.changed}
    remarks: tuple[str, ...] = ()
    if patch.left_out:
        facts["left_out"] = patch.left_out
        remarks = (f"changes that are not recorded: {_some(patch.left_out)}",)
    if patch.reason:
        facts["git"] = patch.reason
        remarks = (f"uncommitted changes of {root} are not known: {patch.reason}",)
    return GitState(facts, None if inside is None else inside.as_posix(), patch.text, remarks)


def commit_text(run: Mapping[str, object]) -> str:
    """Return the commit of a run, and how its files differ from it; "" if there is no repository.

    >>> commit_text({"commit": "1f", "branch": "main", "changed": True, "left_out": ["a.bin"]})
    '1f on main, with changes; not recorded: a.bin'
    >>> commit_text({"commit": "1f", "changed": None, "git": "git failed"})
    '1f, changes unknown (git failed)'
    """
    left_out, reason = run.get("left_out"), run.get("git")
    if not run.get("commit") and not reason and "changed" not in run:
        return ""
    if "changed" not in run and reason:
        return f"unknown ({reason})"
    branch = f" on {run['branch']}" if run.get("branch") else ""
    changed = ""
    if run.get("changed", False) is None:
        changed = ", changes unknown"
    elif run.get("changed"):
        changed = ", with changes"
    left = f"; not recorded: {_some(left_out)}" if isinstance(left_out, list) and left_out else ""
    why = f" ({reason})" if reason else ""
    return f"{run.get('commit') or 'no commit yet'}{branch}{changed}{left}{why}"


def patch_bytes(diff: str) -> bytes:
    """Return the bytes of a recorded patch."""
    return diff.encode("utf-8", "surrogateescape")


def _some(names: list[str]) -> str:
    return ", ".join(map(str, names[:10])) + (f" and {len(names) - 10} more" * (len(names) > 10))


def _unknown(reason: str, *remarks: str) -> GitState:
    return GitState({"git": reason}, remarks=remarks or (f"the commit is not known: {reason}",))


def _not_read(folder: Path, errors: bytes) -> GitState:
    """Return the state where git does not read a repository, or where there is none."""
    if owned := _OTHER_OWNER.search(errors):
        path = os.fsdecode(owned[1])
        return _unknown(
            "the repository belongs to another user",
            f"git does not read {path}, which belongs to another user: commit and changes are not "
            f"recorded. If you trust it: git config --global --add safe.directory '{path}'",
        )
    if any(text in errors for text in _NO_REPOSITORY):
        return GitState({})
    return _unknown("git cannot read the repository", f"git cannot read the repository of {folder}")


class _Patch(Frozen):
    """The changes of a repository; `changed` and `text` are None if they are not known."""

    changed: bool | None
    text: str | None
    left_out: list[str]
    reason: str | None = None


def _patch(git: _Git, commit: str | None, script: Path | None) -> _Patch:
    try:
        base = commit or git.run("hash-object", "-t", "tree", "--stdin").stdout.decode().strip()
        found, whole = git.read(*_DIFF, base, "--", ".")
        if not whole and len(found) <= READ_LIMIT:
            return _Patch(None, None, [], "git cannot compare the files with the commit")
        sections = _sections(found)
        left_out: list[str] = []
        if not whole:
            del sections[-1:]  # it is not whole
            listed = git.run(*_DIFF, "--name-only", base, "--", ".").stdout.splitlines()
            names = (line.strip(b'"').decode("ascii", "backslashreplace") for line in listed)
            there = {_name(each) for each in sections}
            left_out += [each for each in names if each not in there]
        if script is not None and _is_untracked(git, script):
            new = (*_DIFF, "--no-index", "--", os.devnull, script.as_posix())
            sections += _sections(git.read(*new)[0])
    except (OSError, subprocess.SubprocessError):
        return _Patch(None, None, [], f"git did not finish within {git.seconds:.0f} s")
    kept, size = [], 0
    for section in sections:
        clean = _INSIDE.sub(rb"\1", section)
        if clean != section:
            left_out.append(f"{_name(section)} (changes inside the submodule)")
            if not _moves_submodule(clean):
                continue
        if size + len(clean) > DIFF_LIMIT:
            left_out.append(_name(section))
        else:
            kept.append(clean)
            size += len(clean)
    changed = bool(sections or left_out)
    return _Patch(changed, _text(b"".join(kept)), left_out[:1_000])


def _is_untracked(git: _Git, script: Path) -> bool:
    """Return True if git does not track a script; False for what an installation made."""
    if (git.folder / script).is_relative_to(sys.prefix) or not (git.folder / script).is_file():
        return False
    return bool(git.run("ls-files", "--others", "-z", "--", script.as_posix()).stdout)


def _sections(patch: bytes) -> list[bytes]:
    r"""Return the parts of a patch, one for each file.

    >>> _sections(b"diff --git a/x b/x\n+1\ndiff --git a/y b/y\n+2\n")
    [b'diff --git a/x b/x\n+1\n', b'diff --git a/y b/y\n+2\n']
    """
    # A line of a file begins with a sign, or is in an encoding without blanks.
    starts = [found.start() for found in re.finditer(rb"(?m)^diff --git ", patch)]
    parts = (patch[start:end] for start, end in pairwise([*starts, len(patch)]))
    return [part for part in parts if part.count(b"\n") > 1]  # else only its times changed


def _name(section: bytes) -> str:
    r"""Return the file that a part of a patch changes, as git quotes it.

    >>> _name(b"diff --git a/my file b/my file\nindex 1..2\n")
    'my file'
    """
    both = section.partition(b"\n")[0].removeprefix(b"diff --git ").rstrip(b"\r")
    return both[: (len(both) - 1) // 2].strip(b'"')[2:].decode("ascii", "backslashreplace")


def _moves_submodule(section: bytes) -> bool:
    return len(set(re.findall(rb"(?m)^[-+]Subproject commit ([0-9a-f]+)$", section))) > 1


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


class _Git(Frozen):
    """Calls of git in a folder, each of which may take some seconds."""

    folder: Path
    seconds: float

    def run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self._words(words), capture_output=True, check=False, timeout=self.seconds,
            stdin=subprocess.DEVNULL, env=_environment(),
        )  # fmt: skip

    def line(self, *words: str) -> str | None:
        """Return what git prints; None if that is nothing, or if it fails."""
        try:
            done = self.run(*words)
        except (OSError, subprocess.SubprocessError):
            return None
        text = done.stdout.decode(errors="replace").strip()
        return text if done.returncode == 0 and text else None

    def read(self, *words: str) -> tuple[bytes, bool]:
        """Return the output of git up to a bit over the limit, and True if that is all of it.

        Raises:
            subprocess.TimeoutExpired: it takes too long.
        """
        parts: list[bytes] = []
        child = subprocess.Popen(
            self._words(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=_environment(),
        )  # fmt: skip
        assert child.stdout is not None  # it is a pipe
        output = child.stdout.fileno()

        def read() -> None:
            size = 0
            while size <= READ_LIMIT and (part := os.read(output, 1 << 16)):
                parts.append(part)
                size += len(part)

        # A thread, since programs that git starts could keep the pipe open after its end.
        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        thread.join(self.seconds)
        late = thread.is_alive()
        whole = not late and sum(map(len, parts)) <= READ_LIMIT
        if not whole:
            child.kill()
        code = child.wait()
        thread.join(1)
        if not thread.is_alive():
            child.stdout.close()
        if late:
            raise subprocess.TimeoutExpired(words, self.seconds)
        return b"".join(parts), whole and code in (0, 1)

    def _words(self, words: tuple[str, ...]) -> list[str]:
        return ["git", "--literal-pathspecs", *_SETTINGS, "-C", str(self.folder), *words]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _DROPPED}
    return kept | _ADDED
