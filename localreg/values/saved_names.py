"""The names of files that a library saves: what they become when it has finished.

Many write to another name first, and rename the file when it is whole.
"""

from __future__ import annotations

import re

_UNFINISHED = re.compile(
    r"\.(tmp|temp|part|partial|incomplete)([_-]?[0-9][0-9a-z]*)?\Z", re.IGNORECASE
)
_RANDOM = re.compile(r"tmp[a-z0-9_]{8}\b")  # as the module tempfile makes them


def final_name(name: str) -> str:
    """Return the name of a file without what says that it is not whole yet.

    >>> final_name("last.ckpt.part"), final_name(".best.pt.tmp"), final_name("best.pt.tmp-4711")
    ('last.ckpt', 'best.pt', 'best.pt')
    >>> final_name("best.pt"), final_name(".tmp"), final_name("a.tmp.pt"), final_name("a.template")
    ('best.pt', '.tmp', 'a.tmp.pt', 'a.template')
    """
    found = _UNFINISHED.search(name)
    if found is None or not name[: found.start()].strip("."):
        return name
    return name[: found.start()].lstrip(".")


def is_random(name: str) -> bool:
    """Return True for a name that `tempfile` makes: the file will get another one, or be deleted.

    >>> is_random("tmp3x_9k2ab"), is_random("tmp3x_9k2ab.pt"), is_random("tmp.pt")
    (True, True, False)
    """
    return _RANDOM.match(name) is not None
