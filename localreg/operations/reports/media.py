"""Finds the contents of reported tables, pictures and files, wherever they are given from."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

from localreg.errors import InvalidValueError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.given_paths import absolute, check_path
from localreg.filesystem.plain_files import plain_status
from localreg.operations.weights.sources import Source
from localreg.plots import matplotlib_figures
from localreg.plots.arrays import PIXELS_LIMIT, as_numbers
from localreg.plots.tables import csv_cells, table_cells
from localreg.registry import Chain
from localreg.values.checks import check_text, shown
from localreg.values.paths import check_utf8
from localreg.values.urls import is_remote, safe_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.staging.staging import Mode
    from localreg.plots.arrays import Array
    from localreg.plots.tables import Table

_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # channels to PNG's codes for grey, RGB and RGBA


def link_of(given: Mapping[str, object]) -> str | None:
    """Return the URL of a file elsewhere that is reported as a link, or None.

    Args:
        given: as for `picture_of` and `file_of`.
    """
    url = given[_only(given)]
    return check_text("url", url) if url is given["url"] and is_remote(url) else None


def picture_of(chain: Chain, given: Mapping[str, object], *, move: bool) -> Source:
    """Return the source of a reported picture.

    Args:
        given: "local_path", "url", "image" and "matrix"; exactly one of them is not None.
        move: delete the file at `local_path` afterwards.

    Raises:
        DownloadError: the download failed.
    """
    name = _only(given)
    if name in ("image", "matrix"):
        pixels = _pixels(name, given[name])
        return _bytes_source(png(pixels), "image.png")
    return _source_at(chain, name, given[name], move=move)


def file_of(chain: Chain, given: Mapping[str, object], *, ending: object, move: bool) -> Source:
    """Return the source of a reported file.

    Args:
        given: "local_path", "url" and "stream"; exactly one of them is not None.
        ending: file name ending for a stream; None means ".txt" or ".bin".
        move: delete the file at `local_path` afterwards.

    Raises:
        DownloadError: the download failed.
    """
    name = _only(given)
    stream = given[name]
    if name != "stream":
        return _source_at(chain, name, stream, move=move)
    if not hasattr(stream, "read"):
        raise InvalidValueError(
            f"stream must be an open file, not {type(stream).__name__}", argument="stream"
        )
    is_text = isinstance(stream, io.TextIOBase)
    if is_text:
        stream = io.BytesIO(stream.read().encode())
    wanted = "" if ending is None else check_text("file_extension", ending, limit=20, nul=False)
    plain = wanted.strip().lstrip(".") or ("txt" if is_text else "bin")
    if not plain.isalnum():
        raise InvalidValueError(
            f"file_extension must be letters and digits, such as .html, not {shown(ending)}",
            argument="file_extension",
        )
    return Source(path=None, stream=stream, filename=f"media.{plain}")  # type: ignore[arg-type]  # it has read()


def _only(given: Mapping[str, object]) -> str:
    """Return the name of the one argument that is not None."""
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        *rest, last = given
        raise InvalidValueError(
            f"give exactly one of {', '.join(rest)} and {last}, not "
            f"{' and '.join(named) or 'none'}",
            argument=named[0] if named else next(iter(given)),
        )
    return named[0]


def _source_at(chain: Chain, name: str, value: object, *, move: bool) -> Source:
    """Return the source of the file at a "local_path" or "url"."""
    path = check_path(name, value)
    text = str(path)
    check_utf8(name, text)
    if name == "local_path":
        mode: Mode = "move" if move else "copy"
        return Source(path=_file(name, path), filename=safe_filename(text), mode=mode)
    from localreg.operations.weights.local_copies import check_wish, copy_of_url

    wish = check_wish(name, value, name=None, expected=None, force=False)
    path = _file(name, Path(copy_of_url(chain, wish, extract=False)))
    return Source(path=path, filename=wish.filename)


def _file(name: str, path: Path) -> Path:
    """Return the absolute path of a file; a folder, which would be packed, is an error."""
    with disk_errors("reading a reported file", path):
        plain_status(path, name)
    return absolute(name, path)


def _pixels(name: str, image: object) -> Array:
    """Return the pixels of a picture as bytes of shape (height, width, 1 or 3 or 4)."""
    import numpy as np

    mode = getattr(image, "mode", None)
    if isinstance(mode, str) and mode not in ("L", "RGB", "RGBA") and hasattr(image, "convert"):
        image = image.convert("RGBA")  # PIL: palettes, CMYK and others
    is_mask = str(getattr(image, "dtype", "")).endswith("bool")  # of numpy or torch
    found = as_numbers(name, image, limit=PIXELS_LIMIT)
    if found.ndim == 2:
        found = found[:, :, np.newaxis]
    if found.ndim != 3 or found.shape[2] not in _COLOUR_TYPES or found.size == 0:
        raise InvalidValueError(
            f"{name} must have the shape (height, width), (height, width, 3) or "
            f"(height, width, 4); its shape is {found.shape}",
            argument=name,
        )
    if is_mask:
        return np.where(found, 255, 0).astype(np.uint8)
    if found.dtype.kind == "f":  # floats range from 0 to 1
        found = np.nan_to_num(found) * 255
    return np.clip(np.rint(found), 0, 255).astype(np.uint8)


def png(pixels: Array) -> bytes:
    """Return the bytes of a PNG file.

    Args:
        pixels: bytes of shape (height, width, channels); 1 channel is grey, 3 RGB, 4 RGBA.

    Source: PNG (ISO/IEC 15948), 5.3 and 11.2; every row has filter 0.
    """
    height, width, channels = pixels.shape
    rows = pixels.reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(raw, 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def figure_of(figure: object) -> object:
    """Return a figure of matplotlib: what is given, or the current one of `matplotlib.pyplot`."""
    current = getattr(figure, "gcf", None)  # the module matplotlib.pyplot was given
    if current is not None:
        figure = current()
    if not hasattr(figure, "savefig"):
        raise InvalidValueError(
            f"figure must be a matplotlib figure, not {type(figure).__name__}", argument="figure"
        )
    return figure


def drawn_by_matplotlib(figure: object) -> Source:
    """Return the picture that a figure of matplotlib draws."""
    return _bytes_source(matplotlib_figures.picture(figure), "figure.png")


def _bytes_source(data: bytes, filename: str) -> Source:
    return Source(path=None, stream=io.BytesIO(data), filename=filename)


def table_of(chain: Chain, *, table_plot: object, csv: object, url: object) -> Table:
    """Return header and rows of a reported table; exactly one of the last three arguments is given.

    Args:
        chain: the cache of its first registry keeps what is downloaded.
        table_plot: a DataFrame, or rows of which the first is the header.
        csv: path of a CSV file.
        url: URL of a CSV file.

    Raises:
        SourceNotFoundError: the file does not exist.
        DownloadError: the download failed.
    """
    given = {"table_plot": table_plot, "csv": csv, "url": url}
    name = _only(given)
    if name == "table_plot":
        return table_cells(table_plot)
    if name == "csv":
        return csv_cells(check_path(name, given[name]))
    from localreg.operations.weights.local_copies import check_wish, copy_of_url

    wish = check_wish(name, url, name=None, expected=None, force=True)
    return csv_cells(Path(copy_of_url(chain, wish, extract=False)), argument="url")
