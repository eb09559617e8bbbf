"""What to say of a source that is nothing known: what may have been meant."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from localreg.values.paths import printable_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_LOOKED_AT = 100  # names in a folder
_MOST_NAMED = 3
_FOLDERS_ABOVE = 2  # a run of MLflow is in an experiment, which is in mlruns
_PACKED = {".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"}
_URLS = {
    ("http", "https"): "Of a server only its files can be read: name the folder or the SQLite file "
    "that it keeps, such as mlruns or mlflow.db. To add weights from a URL: `localreg add URL`",
    ("s3", "gs", "az", "abfss"): "Copy it into a folder first, and import that",
    ("mysql", "postgresql", "mssql", "oracle"): "Of databases only files of SQLite can be read",
}


def hint_for_url(scheme: str) -> str:
    """Return a sentence about a URL that cannot be imported, or ""."""
    name = scheme.lower().partition("+")[0]
    return next((hint for names, hint in _URLS.items() if name in names), "")


def hint_for_path(path: Path, title_of: Callable[[Path], str | None]) -> str:
    """Return a sentence about a file or folder that is nothing known, or "".

    Args:
        path: it exists.
        title_of: returns what a path is, such as "an MLflow store"; None for nothing known.
    """
    inside = sorted(_first(path, _MOST_LOOKED_AT)) if path.is_dir() else []
    if path.is_dir() and not inside:
        return "It is an empty folder"
    near = _named(inside, title_of, _MOST_NAMED) or _named(_above(path), title_of, 1)
    if near:
        return f"But {', and '.join(near)}"
    if path.suffix.lower() in _PACKED:
        return "Unpack it, and import the folder"
    if path.is_file():
        return "To add a file of weights: `localreg add FILE -n PROJECT/NAME`"
    return ""


def _named(paths: list[Path], title_of: Callable[[Path], str | None], most: int) -> list[str]:
    """Return what the first of some paths are that are known."""
    known = (
        f"{printable_path(str(path))} is {title}"
        for path in paths
        if (title := title_of(path)) is not None
    )
    return list(islice(known, most))


def _above(path: Path) -> list[Path]:
    return list(islice(path.parents, _FOLDERS_ABOVE))


def _first(folder: Path, most: int) -> list[Path]:
    try:
        return list(islice(folder.iterdir(), most))
    except OSError:  # it cannot be read
        return []
