"""The files that pages share: plotly.min.js and our own scripts and styles.

Their names carry a version or a digest, so that an old page beside a newer one keeps what it was
written for. plotly is found without being imported.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from localreg.filesystem.group_modes import share
from localreg.values.ids import new_id

STATIC = Path(__file__).parent / "static"
OWN = (
    "theme.js",
    "page.js",
    "drawing.js",
    "charts.js",
    "compare.js",
    "virtual_table.js",
    "filter_menu.js",
    "index.js",
    "page.css",
)


@cache
def asset_names() -> dict[str, str]:
    """Return the file name of each asset by what it is: "plotly", "page.css", "charts.js", …."""
    from importlib.metadata import version

    names = {"plotly": f"plotly-{version('plotly')}.min.js"}
    for name in OWN:
        stem, _, ending = name.partition(".")
        digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
        names[name] = f"{stem}-{digest}.{ending}"
    return names


def asset_path(name: str) -> Path:
    """Return where an asset of this installation lies.

    Raises:
        FileNotFoundError: plotly, which brings one of them, is not installed.
    """
    if name != "plotly":
        return STATIC / name
    from importlib.util import find_spec

    found = find_spec("plotly")
    if found is None or found.origin is None:
        raise FileNotFoundError("plotly is not installed, and pages need its plotly.min.js")
    return Path(found.origin).parent / "package_data" / "plotly.min.js"


def write_assets(folder: Path, group: int | None = None) -> None:
    """Put the assets that `folder` lacks into it; each appears whole or not at all.

    Args:
        folder: made when it is not there; pages look for it as ``assets`` in their root.
        group: the group that shares it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, file_name in asset_names().items():
        if not (folder / file_name).exists():
            _write(folder / file_name, asset_path(name).read_bytes(), group)


def _write(target: Path, content: bytes, group: int | None) -> None:
    temporary = target.with_name(f".asset-{new_id()}")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            share(file.fileno(), group)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
