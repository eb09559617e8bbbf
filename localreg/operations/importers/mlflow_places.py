"""Where the files are that MLflow recorded by an address.

Nothing outside of the store is read. MLflow writes absolute paths, and stores are moved: so a
local address counts by its end, from a part that is an id on, and is looked up below the store.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from urllib.parse import unquote

from localreg.operations.importers.source_files import SourceFolder, damaged
from localreg.values.frozen import Frozen
from localreg.values.paths import printable_path

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?://([^/]*))?(.*)", re.DOTALL)
_ID = re.compile(r"[0-9a-f]{32}|m-[0-9a-f]{32}")
_LOCAL, PROXIED = "file", "mlflow-artifacts"
_MOST_PARTS = 200


class Place(Frozen):
    """Where something is: a folder or file of the store, or an address, or neither.

    Attributes:
        folder: where its files are.
        name: the name of the file in `folder`, if it is a single file.
        url: where else it is.
        missing: why its bytes do not come, if it is not in the store.
    """

    folder: SourceFolder | None = None
    name: str | None = None
    url: str | None = None
    missing: str | None = None


class Address(Frozen):
    """An address in its parts.

    Attributes:
        scheme: in lower case; "file" for paths.
        parts: of its path.
    """

    text: str
    scheme: str
    parts: tuple[str, ...]

    @property
    def is_local(self) -> bool:
        """True if it is a path, or one of MLflow's own server, whose files may be in the store."""
        return self.scheme in (_LOCAL, PROXIED)


def parse_address(text: str) -> Address:
    r"""Return an address in its parts.

    Raises:
        SourceError: it is a path that leads upwards.

    >>> parse_address("file:///data/my%20runs/0").parts, parse_address("C:\\runs\\0").parts
    (('data', 'my runs', '0'), ('C:', 'runs', '0'))
    >>> parse_address("models:/net/3").scheme, parse_address("s3://bucket/0").scheme
    ('models', 's3')
    """
    match = _SCHEME.fullmatch(text)
    scheme, path = _LOCAL, text
    if match is not None:
        scheme, path = match[1].lower(), match[3]
        if scheme == _LOCAL:
            path = unquote(path)
    parts = tuple(each for each in re.split(r"[/\\]", path) if each not in ("", "."))
    if scheme in (_LOCAL, PROXIED, "runs", "models") and ".." in parts:
        raise damaged(printable_path(text[:200]), "leads out of the store")
    return Address(text, scheme, parts)


class Places:
    """Looks up addresses below the folders of a store."""

    def __init__(self, roots: Sequence[SourceFolder], beside: SourceFolder | None = None) -> None:
        """Look below some folders.

        Args:
            roots: of which everything may be read.
            beside: the folder of a database, in which only what has an id in its path may be read.
        """
        self._roots = tuple(roots)
        self._beside = beside

    def find(self, address: Address, *, owner: str = "") -> Place:
        """Return where the files of an address are.

        Args:
            owner: the id of the run or logged model that says that these are its files.

        Raises:
            SourceError: it is a path that has not the id of its owner: MLflow writes no such one;
                or a link leads out of the store.
        """
        if not address.is_local:
            return Place(url=address.text, missing=f"only its address came: {address.text}")
        if owner and owner not in address.parts:
            raise damaged(printable_path(address.text[:200]), f"is no place of {owner}")
        parts = address.parts
        if len(parts) <= _MOST_PARTS:
            known = [number for number, each in enumerate(parts) if each == owner or _is_id(each)]
            beside = () if self._beside is None else (self._beside,)
            for root in (*self._roots, *beside):
                for start in range(known[-1] + 1 if known else 0):
                    found = _look(root, parts[start:])
                    if found is not None:
                        return found
            for root in self._roots:
                found = self._below(root, parts)
                if found is not None:
                    return found
        return Place(missing=f"it is not in the store: {address.text}")

    def has_none(self, address: Address, owner: str) -> bool:
        """Return True if the store has the place in which a run that logs nothing has no folder."""
        parts = address.parts
        if address.scheme == PROXIED:
            return any(os.path.isdir(root.path) for root in self._roots)  # noqa: PTH112
        above = parts[: parts.index(owner)] if owner in parts[:_MOST_PARTS] else ()
        return any(
            root.path.name in above and os.path.isdir(root.path)  # noqa: PTH112
            for root in self._roots
        )

    @staticmethod
    def _below(root: SourceFolder, parts: Sequence[str]) -> Place | None:
        """Return what is there if the address is below a root, where that is now."""
        own = root.path.parts[1:]
        return _look(root, parts[len(own) :]) if parts[: len(own)] == own else None


def _is_id(part: str) -> bool:
    return _ID.fullmatch(part) is not None


def _look(root: SourceFolder, parts: Sequence[str]) -> Place | None:
    if not parts:
        return None
    path = "/".join(parts)
    if not os.path.lexists(root.path / parts[0]):  # most ends of a path are none here
        return None
    folder = root.folder(path)
    if os.path.isdir(folder.path):  # noqa: PTH112  (Path.is_dir raises for a long path)
        return Place(folder)
    if os.path.isfile(folder.path):  # noqa: PTH113
        parent = root if len(parts) == 1 else root.folder("/".join(parts[:-1]))
        return Place(parent, parts[-1])
    return None
