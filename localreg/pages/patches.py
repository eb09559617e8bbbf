"""Takes a patch of git apart, to show it file by file."""

from __future__ import annotations

import re
from collections.abc import Sequence

from localreg.values.frozen import Frozen

LINES = 3_000  # of all files that a page shows
_START = re.compile(r"diff --git (?:\"?a/.*?) (\"?b/.*)")
_KINDS = {"+": "added", "-": "removed", "@": "position"}


class PatchFile(Frozen, kw_only=True):
    """What a patch changes in one file.

    Attributes:
        name: its path, as git writes it; "" for lines before the first file.
        added, removed: numbers of lines.
        lines: kind and text of each line to show. Kinds are "added", "removed", "position", "head"
            and "" for lines that stay.
        more: lines that are not among them.
    """

    name: str
    added: int
    removed: int
    lines: Sequence[tuple[str, str]]
    more: int


def patch_files(patch: str, most: int = LINES) -> list[PatchFile]:
    r"""Return what a patch changes, by file; bytes of binary files are left out.

    >>> [file] = patch_files("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n")
    >>> file.name, file.added, file.removed, len(file.lines)
    ('x', 1, 1, 5)
    """
    found: list[list[tuple[str, str]]] = []
    names: list[str] = []
    inside = binary = False
    # Only \n ends a line of a patch: its files may contain all other ends of lines.
    for line in patch.removesuffix("\n").split("\n"):
        if line.startswith("diff --git ") or not found:
            start = _START.match(line)
            names.append(start[1].replace("b/", "", 1).strip('"') if start else "")
            found.append([])
            inside = binary = False
            if start:
                continue
        if line.startswith("@@"):
            inside = True
        if line == "GIT binary patch":
            binary = True
            found[-1].append(("head", "The content is binary."))
        if not binary:
            kind = _KINDS.get(line[:1], "") if inside else "head"
            found[-1].append((kind, line))
    shown = 0
    files = []
    for name, lines in zip(names, found, strict=True):
        kept = lines[: max(0, most - shown)]
        shown += len(kept)
        kinds = [kind for kind, _ in lines]
        files.append(
            PatchFile(
                name=name,
                added=kinds.count("added"),
                removed=kinds.count("removed"),
                lines=kept,
                more=len(lines) - len(kept),
            )
        )
    return [file for file in files if file.name or file.lines != [("head", "")]]
