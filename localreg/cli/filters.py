"""The filters that commands about many models or tasks share: PATTERN, -p, -n, -t, -m."""

from __future__ import annotations

import click

from localreg.values.frozen import Frozen

TAG = click.option(
    "-t",
    "--tag",
    "tags",
    multiple=True,
    metavar="TAG",
    help="Only with one of these tags; with -TAG, only without it. Operators are those of "
    "query_models: -t '__$all' -t a -t b.",
)
META = click.option(
    "-m",
    "--meta",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only with this metadata: KEY=VALUE, or compared, 'KEY>0.9', also with >= < <= != ==.",
)
_SPECIAL = frozenset("*?[")


class Named(Frozen):
    """The names that are wanted: exact ones, which have an index, and patterns.

    Attributes:
        slashed: True if project and name are the parts of a PATTERN with a slash.
    """

    project: str | None
    name: str | None
    patterns: tuple[str, ...]
    slashed: bool = False

    @property
    def otherwise(self) -> Named | None:
        """What the same PATTERN asks for if the slash is a part of the name; None without one."""
        pattern = f"{self.project}/{self.name}"
        return Named(None, None, (*self.patterns, pattern)) if self.slashed else None


def named(pattern: str | None, project: str | None, name: str | None) -> Named:
    """Return what PATTERN, ``-p`` and ``-n`` ask for.

    >>> named("vision/resnet", None, None).name, named("vision/res*", None, None).patterns
    ('resnet', ('vision/res*',))
    """
    patterns = []
    if name and _SPECIAL.intersection(name):
        patterns.append(name)
        name = None
    if pattern and (_SPECIAL.intersection(pattern) or name or ("/" in pattern and project)):
        patterns.append(pattern)
    elif pattern:
        first, slash, name = pattern.rpartition("/")
        return Named(first if slash else project, name or None, tuple(patterns), bool(slash))
    return Named(project, name or None, tuple(patterns))
