"""The files that a file cannot be loaded without: parts, external data, indexes.

Names are relative to the folder of the file, with slashes. What needs what follows from the name of
the file and from its facts (`contents.inside`).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from localreg.values.frozen import Frozen

MOST_NAMES = 1_000  # that are looked for
_PART = re.compile(r"(?s)(.+[-.])(\d{5})-of-(\d{5})(\D.*|)\Z")


class Needed(Frozen):
    """A file that another one needs.

    Attributes:
        name: relative to the folder of the other file; with a * it stands for at least one file.
        size: the number of bytes that it must have at least.
    """

    name: str
    size: int = 0


def needed_files(name: str, facts: dict[str, object], first: int | None = None) -> list[Needed]:
    """Return the files that a file needs, without itself.

    Args:
        name: its name, without folders.
        facts: what is inside; {} if that is not known.
        first: the number of the first of its parts; None if only its name says it.
    """
    found: dict[str, Needed] = {}
    for each in _all_needed(name, facts, first):
        found.setdefault(each.name, each)
    found.pop(name, None)
    return list(found.values())[:MOST_NAMES]


def part_of(name: str) -> tuple[str, int, int, str] | None:
    """Return the parts of a name like ``model-00001-of-00003.safetensors``.

    Returns:
        What is before the number, the number, how many there are, and what is after them.

    >>> part_of("model-00001-of-00003.safetensors")
    ('model-', 1, 3, '.safetensors')
    >>> part_of("model.safetensors") is None
    True
    """
    found = _PART.match(name) if "-of-" in name else None  # most names have none
    if found is None:
        return None
    before, number, count, after = found.groups()
    if not 0 <= int(number) <= int(count) or int(count) == 0:
        return None
    return before, int(number), int(count), after


def joined(folder: str, name: str) -> str | None:
    """Return the path of a file in a package; None if it is outside.

    >>> joined("onnx", "../model.data"), joined("", "../model.data")
    ('model.data', None)
    """
    path = posixpath.normpath(posixpath.join(folder, name.replace("\\", "/")))
    return None if path.startswith(("../", "/")) or path in ("..", ".") else path


def _all_needed(name: str, facts: dict[str, object], first: int | None) -> Iterator[Needed]:
    yield from _parts(name, first)
    external = facts.get("external")
    if isinstance(external, dict):
        for each, size in external.items():
            yield Needed(str(each), size if isinstance(size, int) else 0)
    shards = facts.get("shards")
    if isinstance(shards, list):
        yield from (Needed(str(each)) for each in shards)
    count, stem = facts.get("parts"), name.removesuffix(".index")
    if facts.get("format") == "tensorflow checkpoint" and isinstance(count, int):
        yield from (
            Needed(f"{stem}.data-{number:05}-of-{count:05}")
            for number in range(min(count, MOST_NAMES))
        )
    if facts.get("format") == "savedmodel" and facts.get("variables"):
        yield Needed("variables/variables.index")
    if name.endswith(".distcp"):
        yield Needed(".metadata")
    if facts.get("format") == "torch checkpoint index":
        yield Needed("*.distcp")


def _parts(name: str, first: int | None) -> Iterator[Needed]:
    part = part_of(name)
    if part is None:
        return
    before, _, count, after = part
    data = before.endswith(".data-")
    if data:
        yield Needed(f"{before.removesuffix('.data-')}.index")
    if first is None:
        first = 0 if data else 1
    yield from (
        Needed(f"{before}{each:05}-of-{count:05}{after}")
        for each in range(first, first + min(count, MOST_NAMES))
    )
