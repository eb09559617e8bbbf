"""Assets, the files that all pages share: plotly.min.js and our own scripts and styles.

Their names contain a version or a digest, so that an old page keeps the assets that it was written
for. plotly is located without importing it.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from localreg.filesystem.group_modes import share
from localreg.filesystem.plain_files import content_of
from localreg.filesystem.portable_files import replace_file
from localreg.filesystem.temporary_owners import unfinished

STATIC = Path(__file__).parent / "static"
OWN = (
    "theme.js",
    "page.js",
    "drawing.js",
    "series.js",
    "cards.js",
    "charts.js",
    "plots.js",
    "console.js",
    "run_axes.js",
    "parallel.js",
    "scatter.js",
    "compare.js",
    "renewal.js",
    "index_data.js",
    "index_search.js",
    "virtual_table.js",
    "filter_menu.js",
    "column_menu.js",
    "index_columns.js",
    "index_charts.js",
    "index.js",
    "page.css",
)


@cache
def asset_names() -> dict[str, str]:
    """Return the file name of each asset, by "plotly", "page.css", "charts.js", …."""
    from importlib.metadata import version

    names = {"plotly": f"plotly-{version('plotly')}.min.js"}
    for name in OWN:
        stem, _, ending = name.partition(".")
        digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
        names[name] = f"{stem}-{digest}.{ending}"
    return names


def asset_path(name: str) -> Path:
    """Return the path of an asset in this installation.

    Raises:
        FileNotFoundError: plotly, which contains plotly.min.js, is not installed.
    """
    if name != "plotly":
        return STATIC / name
    from importlib.util import find_spec

    found = find_spec("plotly")
    if found is None or found.origin is None:
        raise FileNotFoundError(
            "pages need plotly.min.js, but plotly is not installed; run `pip install plotly`"
        )
    return Path(found.origin).parent / "package_data" / "plotly.min.js"


@cache
def templates_digest() -> str:
    """Return a digest of the templates of all pages."""
    found = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "templates").glob("*.html")):
        found.update(path.read_bytes())
    return found.hexdigest()


def write_assets(folder: Path, group: int | None = None) -> None:
    """Write the assets that are missing in a folder, or not those of this version, atomically.

    They are compared by their bytes: in a registry of a stranger a script may have any content.

    Args:
        folder: the folder ``assets`` of the pages; it is created.
        group: id of the group that shares the registry.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, file_name in asset_names().items():
        content = asset_path(name).read_bytes()
        if content_of(folder / file_name, len(content)) != content:
            _write(folder / file_name, content, group)


def _write(target: Path, content: bytes, group: int | None) -> None:
    temporary = unfinished(target)
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            share(file.fileno(), group)
        replace_file(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
