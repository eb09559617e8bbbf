"""Exports reports as image files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from localreg.errors import InvalidValueError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.given_paths import output_path
from localreg.filesystem.plain_files import replacing_plain
from localreg.operations.reports.charts import NamedFigure, named_figures
from localreg.plots.images import FORMATS, Size, draw_images
from localreg.plots.options import check_number
from localreg.registry import OpenRegistry
from localreg.values.checks import shown
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.plots.figures import Figure

_LARGEST = 10_000  # pixels


def export_images(
    registry: OpenRegistry,
    owner: Owner,
    folder: object,
    formats: object,
    *,
    width: object,
    height: object,
    scale: object,
) -> list[Path]:
    """Write every chart and plot as image files, and return the files.

    Args:
        folder: where to write them; it is created.
        formats: any of "png", "svg", "pdf", "jpg" and "webp".
        width, height: size of a figure, in pixels.
        scale: factor for the pixels of png, jpg and webp.

    Raises:
        BrowserNotFoundError: Chrome or Chromium is not installed.
        ExportError: a figure cannot be drawn.
    """
    kinds = _check_formats(formats)
    size = Size(_check_pixels("width", width), _check_pixels("height", height), _check_scale(scale))
    place = output_path("folder", folder)
    figures = named_figures(registry, owner, every=True, inherited=True)
    with disk_errors("writing images", place):
        place.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []

    def keep(name: str, data: bytes) -> None:
        file = place / name
        with disk_errors("writing images", file), replacing_plain(file, "folder") as temporary:
            temporary.write_bytes(data)
        written.append(place / name)

    names = image_names(figures)
    jobs = [
        (f"{name}.{kind}", _without_links(each.figure), kind)
        for name, each in zip(names, figures, strict=True)
        for kind in kinds
    ]
    if jobs:
        with registry.blobs.writing_outside(place):
            draw_images(jobs, size, keep)
    return written


def _without_links(figure: Figure) -> Figure:
    """Return a figure without images from URLs, which the browser would download."""
    images = figure["layout"].get("images")
    if not isinstance(images, list):
        return figure
    kept = [
        each
        for each in images
        if isinstance(each, dict) and str(each.get("source", "")).startswith("data:")
    ]
    return figure | {"layout": figure["layout"] | {"images": kept}}


def _check_formats(formats: object) -> list[str]:
    given = [formats] if isinstance(formats, str) else formats
    if not isinstance(given, Sequence) or not given or not all(each in FORMATS for each in given):
        raise InvalidValueError(
            f"formats must be one or more of {', '.join(FORMATS)}, not {shown(formats)}",
            argument="formats",
        )
    return list(dict.fromkeys(given))


def _check_pixels(argument: str, value: object) -> int:
    number = check_number(argument, value)
    if not 10 <= number <= _LARGEST:
        raise InvalidValueError(
            f"{argument} must be from 10 to {_LARGEST:,} pixels, not {number:g}",
            argument=argument,
        )
    return int(number)


def _check_scale(value: object) -> float:
    number = check_number("scale", value)
    if not 0.1 <= number <= 10:
        raise InvalidValueError(f"scale must be from 0.1 to 10, not {number:g}", argument="scale")
    return number


def image_names(figures: Sequence[NamedFigure]) -> list[str]:
    """Return a file name without ending for each figure; they differ on every file system.

    >>> image_names([NamedFigure("loss/train: π", "a", 3, {}), NamedFigure("..", "", None, {})])
    ['loss_train_π-a-3', 'figure']
    """
    taken: set[str] = set()
    names = []
    for each in figures:
        parts = [each.title, each.series, "" if each.iteration is None else str(each.iteration)]
        plain = "-".join(_plain(part) for part in parts if _plain(part)) or "figure"
        name, number = plain, 2
        while name.casefold() in taken:  # some file systems ignore case
            name, number = f"{plain}-{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def _plain(text: str) -> str:
    """Return the letters and digits of a text, other characters as one "_", at most 60 bytes."""
    kept = re.sub(r"[^\w-]+", "_", text).strip("_")
    return kept.encode()[:60].decode(errors="ignore")
