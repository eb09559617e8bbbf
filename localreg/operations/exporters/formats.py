"""The formats of an export, and the export in one that is not ours."""

from __future__ import annotations

import os

from localreg.blobs.local_files.new_folder import check_new_folder, new_folder
from localreg.errors import InvalidValueError
from localreg.filesystem.given_paths import output_path
from localreg.operations import exporters
from localreg.operations.carry.selection import Selection
from localreg.operations.exporters.contents import opened
from localreg.operations.exporters.written import POINT, Plan, Written
from localreg.operations.weights.local_copies import check_outside
from localreg.registry import Chain
from localreg.values.checks import shown
from localreg.values.frozen import Frozen
from localreg.values.oci import is_oci

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Protocol

    from localreg.operations.exporters.contents import Contents
    from localreg.progress import Progress

    class Exporter(Protocol):
        """A module that writes one format."""

        def planned(self, contents: Contents) -> Plan:
            """Return what will be written; nothing is written yet."""

        def write(
            self, plan: Plan, folder: Path, place: Path, wrote: Callable[[int], None]
        ) -> None:
            """Write it.

            Args:
                folder: an empty folder, which becomes `place`.
                wrote: called with numbers of bytes.
            """


class Format(Frozen):
    """A format: the module of this package that writes it, and what it is for people."""

    module: str
    title: str


BUNDLE = "bundle"
FORMATS = {
    "mlflow": Format("mlflow_folder", "a folder for MLflow"),
    "hf": Format("hub_folder", "a folder for the Hugging Face Hub"),
    "parquet": Format("parquet_tables", "tables in Parquet"),
}
NAMES = (BUNDLE, *FORMATS)


def check_format(value: object) -> str:
    """Return the name of a format.

    Raises:
        InvalidValueError: it is none.
    """
    if not isinstance(value, str) or value not in NAMES:
        raise InvalidValueError(
            f"format must be one of {', '.join(NAMES)}, not {shown(value)}", argument="format"
        )
    return value


def check_options(name: str, given: Mapping[str, bool]) -> None:
    """Check that what was given can be done in a format.

    Args:
        name: of the format.
        given: True for each argument that only a bundle has, and that was given.

    Raises:
        InvalidValueError: it cannot be done.
    """
    if name == BUNDLE:
        return
    for argument, is_given in given.items():
        if is_given:
            raise InvalidValueError(
                f"{argument} is for bundles only, and {name} is another format; leave it out",
                argument=argument,
            )


def export_as(
    chain: Chain,
    chosen: Selection,
    format: str,  # noqa: A002  (what it is called everywhere)
    path: object,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Written:
    """Write the chosen models, and the tasks that made them, in the format of another program.

    Args:
        format: one of `FORMATS`.
        path: a new folder.
        dry_run: write nothing.
        progress: called with the bytes written so far, and with all bytes, about.

    Raises:
        InvalidValueError: the path cannot be used.
        PathExistsError: something is there.
        TrustError: only signed weights are given out, and no trusted key signed some of them.
        CorruptBlobError: stored bytes are damaged; nothing was written.
        MissingPackageError: a package is needed for the format.
    """
    if not isinstance(path, (str, os.PathLike)) or is_oci(os.fspath(path)) or path == "-":
        raise InvalidValueError(
            f"path must be a new folder for the format {format}, not {shown(path)}",
            argument="path",
        )
    place = output_path("path", path)
    check_outside(chain, "path", place)
    exporter: Exporter = getattr(exporters, FORMATS[format].module)
    if not dry_run:
        check_new_folder(place)
    with opened(chain, chosen) as contents:
        plan = exporter.planned(contents)
        total = plan.size + plan.points * POINT
        done = 0

        def wrote(count: int) -> None:
            nonlocal done
            done += count
            if progress is not None:
                progress(min(done, total), total)

        if not dry_run:
            with (
                chain.first.blobs.writing_outside(place.parent),
                new_folder(place, total, FORMATS[format].title) as folder,
            ):
                exporter.write(plan, folder, place, wrote)
        return Written(
            format,
            (str(place),),
            plan.models,
            plan.tasks,
            plan.points,
            plan.files,
            plan.size,
            _counted(contents.left),
            _counted(contents.changed),
            plan.missing,
            dry_run,
        )


def _counted(found: Counter[str]) -> dict[str, int]:
    return {what: count for what, count in sorted(found.items()) if count}
