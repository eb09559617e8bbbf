"""Have the Python processes that this one starts import localreg as `clearml`, or not."""

from __future__ import annotations

import os

_PATH = "PYTHONPATH"
_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
_FOLDER = os.path.join(_HERE, "children")


def share() -> None:
    """Have the processes that are started from now on import localreg as `clearml`."""
    os.environ[_PATH] = os.pathsep.join([_FOLDER, *_others()])


def unshare() -> None:
    """Undo `share`, also for this process if it was started by one that had called it."""
    import sys

    others = _others()
    if others:
        os.environ[_PATH] = os.pathsep.join(others)
    else:
        os.environ.pop(_PATH, None)
    for each in [each for each in sys.meta_path if hasattr(each, "NEEDED")]:
        sys.meta_path.remove(each)


def _others() -> list[str]:
    """Return the other folders of ``PYTHONPATH``."""
    value = os.environ.get(_PATH)
    return [] if not value else [each for each in value.split(os.pathsep) if each != _FOLDER]
