"""What an export in the format of another program will write, and what it wrote."""

from __future__ import annotations

from collections.abc import Mapping

from localreg.operations.carry.export import ExportedModel, Missing
from localreg.operations.exporters.contents import Contents
from localreg.operations.exporters.given_files import GivenFiles
from localreg.values.frozen import Frozen

SECRETS = "values, whose secrets are hidden"
POINT = 100  # bytes of a point on a disk, about


class Plan(Frozen, kw_only=True):
    """What will be written; attributes that are not here are those of `Written`.

    Attributes:
        contents: where it is read.
        weights: the files of each model, by its id.
    """

    contents: Contents
    weights: Mapping[str, GivenFiles] = {}
    models: tuple[ExportedModel, ...]
    tasks: int = 0
    points: int = 0
    files: int = 0
    size: int = 0
    missing: tuple[Missing, ...] = ()


class Written(Frozen):
    """A folder that was written, or would be.

    Attributes:
        format: "mlflow", "hf" or "parquet".
        paths: the folder.
        models: what is in it.
        tasks: how many are in it.
        points: how many points of scalars are in it.
        files: how many files of weights, artifacts and reports are in it.
        size: the number of bytes of these files.
        left: what does not go into this format, counted by what it is.
        changed: what is in it in another form, counted.
        missing: bytes that belong to it, and are not here.
        dry_run: True if nothing was written.
    """

    format: str
    paths: tuple[str, ...]
    models: tuple[ExportedModel, ...]
    tasks: int
    points: int
    files: int
    size: int
    left: Mapping[str, int]
    changed: Mapping[str, int]
    missing: tuple[Missing, ...]
    dry_run: bool

    @property
    def path(self) -> str:
        """The folder."""
        return self.paths[0]
