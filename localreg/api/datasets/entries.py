"""`FileEntry` and `LinkEntry`: a file of a data set, as ClearML describes it."""

from __future__ import annotations

from localreg.values.frozen import Frozen


class FileEntry(Frozen, kw_only=True):
    """A file of a data set.

    Attributes:
        relative_path: its path in the data set.
        hash: the sha256 of its bytes.
        parent_dataset_id: the version that added it as it is.
        size: number of bytes.
        artifact_name: as ClearML has it; always "data".
        local_path: as ClearML has it; always None, since the registry has the bytes.
    """

    relative_path: str
    hash: str | None = None
    parent_dataset_id: str | None = None
    size: int | None = None
    artifact_name: str | None = "data"
    local_path: str | None = None

    def as_dict(self) -> dict[str, object]:
        """Return the attributes as a dict; `local_path` only if there is one."""
        found: dict[str, object] = {
            "relative_path": self.relative_path,
            "hash": self.hash,
            "parent_dataset_id": self.parent_dataset_id,
            "size": self.size,
            "artifact_name": self.artifact_name,
        }
        return found | ({"local_path": self.local_path} if self.local_path else {})


class LinkEntry(Frozen, kw_only=True):
    """A file of a data set that is outside the registry.

    Attributes:
        link: its URL.
        relative_path: its path in the data set.
        parent_dataset_id: the version that added it as it is.
        size: number of bytes; None if it is not known.
        hash: the sha256 of its bytes; None if it is not known.
    """

    link: str
    relative_path: str
    parent_dataset_id: str | None = None
    size: int | None = None
    hash: str | None = None

    def as_dict(self) -> dict[str, object]:
        """Return the attributes as a dict."""
        return {
            "link": self.link,
            "relative_path": self.relative_path,
            "parent_dataset_id": self.parent_dataset_id,
            "size": self.size,
            "hash": self.hash,
        }
