"""Parts of a bundle, ``b.tar.001`` and so on: their names, and the parts of one that are there."""

from __future__ import annotations

import re
from pathlib import Path

from localreg.errors import InvalidValueError, PathExistsError
from localreg.values.paths import printable_path

MOST_PARTS = 999
SMALLEST = 4_096  # bytes
_PART = re.compile(r"(.+)\.(\d{3})", re.DOTALL)


def part_path(path: Path, number: int) -> Path:
    """Return the path of a part of a bundle.

    >>> part_path(Path("b.tar"), 1).name
    'b.tar.001'
    """
    return path.with_name(f"{path.name}.{number:03}")


def part_paths(path: Path, total: int, split: int) -> list[Path]:
    """Return the paths of the parts of a bundle that is to be written.

    Args:
        path: of the bundle.
        total: its number of bytes.
        split: the number of bytes of each part but the last.

    Raises:
        InvalidValueError: the parts would be too small or too many.
        PathExistsError: after the last one there is a part of another bundle.
    """
    if split < SMALLEST:
        raise InvalidValueError(
            f"split must be at least {SMALLEST:,} bytes, not {split:,}", argument="split"
        )
    count = -(-total // split)
    if count > MOST_PARTS:
        raise InvalidValueError(
            f"a bundle has at most {MOST_PARTS} parts, and {total:,} bytes would be {count:,} "
            f"parts of {split:,} bytes; choose larger ones",
            argument="split",
        )
    after = part_path(path, count + 1)
    if after.exists() or after.is_symlink():
        raise PathExistsError(
            f"{printable_path(after)} would follow the last part, and is one of another bundle; "
            "delete it, or choose another name",
            path=str(after),
        )
    return [part_path(path, number) for number in range(1, count + 1)]


def found_parts(first: Path) -> list[Path]:
    """Return the paths of all parts that are there in a row; just the path if it is no first part.

    Raises:
        InvalidValueError: it is a part, but not the first one.
    """
    match = _PART.fullmatch(first.name)
    if match is None:
        return [first]
    whole = first.with_name(match[1])
    if int(match[2]) != 1:
        raise InvalidValueError(
            f"{printable_path(first)} is part {int(match[2])} of a bundle; give the first one, "
            f"{printable_path(part_path(whole, 1))}",
            argument="source",
        )
    parts = [first]
    while len(parts) < MOST_PARTS and (found := part_path(whole, len(parts) + 1)).exists():
        parts.append(found)
    return parts
