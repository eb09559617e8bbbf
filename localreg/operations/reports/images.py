"""Exporting what was reported as image files."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from localreg.errors import InvalidValueError
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.reports.charts import Named, named_figures
from localreg.plots.images import FORMATS, Size, draw_images
from localreg.plots.options import check_number
from localreg.registry import OpenRegistry
from localreg.values.checks import check_text, shown
from localreg.values.ids import new_id
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.pages.page_values import Figure

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
    """Write every chart and plot as image files; return them.

    Args:
        folder: where they go; it is made.
        formats: of "png", "svg", "pdf", "jpg" and "webp".
        width, height, scale: of each image, in pixels.

    Raises:
        InvalidValueError: an argument cannot be used.
        BrowserNotFoundError: there is no Chrome or Chromium.
        ExportError: a figure cannot be drawn.
        StorageError: a file cannot be written.
    """
    kinds = _check_formats(formats)
    size = Size(_check_pixels("width", width), _check_pixels("height", height), _check_scale(scale))
    if not isinstance(folder, (str, os.PathLike)):
        raise InvalidValueError(
            f"folder must be a str or os.PathLike, not {type(folder).__name__}", argument="folder"
        )
    place = Path(check_text("folder", os.fspath(folder), nul=False, empty=False)).absolute()
    figures = named_figures(registry, owner, every=True)
    with disk_errors("writing images", place):
        place.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []

    def keep(name: str, data: bytes) -> None:
        with disk_errors("writing images", place):
            aside = place / f".{new_id()}.part"
            aside.write_bytes(data)
            aside.replace(place / name)
        written.append(place / name)

    names = image_names(figures)
    jobs = [
        (f"{name}.{kind}", _without_links(each.figure), kind)
        for name, each in zip(names, figures, strict=True)
        for kind in kinds
    ]
    if jobs:
        draw_images(jobs, size, keep)
    return written


def _without_links(figure: Figure) -> Figure:
    """Return a figure without pictures from elsewhere, which the browser would fetch."""
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
            f"formats must be some of {', '.join(FORMATS)}, not {shown(formats)}",
            argument="formats",
        )
    return list(dict.fromkeys(given))


def _check_pixels(argument: str, value: object) -> int:
    number = check_number(argument, value)
    if not 10 <= number <= _LARGEST:
        raise InvalidValueError(
            f"{argument} must be from 10 to {_LARGEST:,} pixels, and is {number:g}",
            argument=argument,
        )
    return int(number)


def _check_scale(value: object) -> float:
    number = check_number("scale", value)
    if not 0.1 <= number <= 10:
        raise InvalidValueError(
            f"scale must be from 0.1 to 10, and is {number:g}", argument="scale"
        )
    return number


def image_names(figures: Sequence[Named]) -> list[str]:
    """Return a file name, without an ending, for each figure; no two are the same anywhere.

    >>> image_names([Named("loss/train: π", "a", 3, {}), Named("..", "", None, {})])
    ['loss_train_π-a-3', 'figure']
    """
    taken: set[str] = set()
    names = []
    for each in figures:
        parts = [each.title, each.series, "" if each.iteration is None else str(each.iteration)]
        plain = "-".join(_plain(part) for part in parts if _plain(part)) or "figure"
        name, number = plain, 2
        while name.casefold() in taken:  # file systems may not tell case apart
            name, number = f"{plain}-{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def _plain(text: str) -> str:
    """Return the letters and digits of a text, other characters as one "_", at most 60 bytes."""
    kept = re.sub(r"[^\w-]+", "_", text).strip("_")
    return kept.encode()[:60].decode(errors="ignore")
