"""The filters that commands about many models or tasks share: PATTERN, -p, -n, -t, -m."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

import click

from localreg.cli.typed_values import comparison_pairs
from localreg.values.checks import kept_name
from localreg.values.comparisons import kind_of
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
    help="Only with this metadata: KEY=VALUE, or compared, 'KEY>0.9', also with >= < <= != ==. "
    "metric:TITLE/SERIES and param:NAME compare metrics and parameters: 'metric:val/acc>0.9'.",
)
_SPECIAL = frozenset("*?[")


def model_conditions(meta: Iterable[str]) -> dict[str, object]:
    """Return ``-m`` as filters of a query: metadata, and what ``metric:`` and ``param:`` begin."""
    found = _conditions(meta)
    return {kind: comparison_pairs("--meta", texts) for kind, texts in found.items()}


def task_conditions(meta: Iterable[str]) -> dict[str, object]:
    """Return ``-m`` as filters of a search for tasks, which have parameters and no metadata."""
    found = _conditions(meta)
    parameters = [*found["metadata"], *found["parameters"]]
    return {
        "metrics": comparison_pairs("--meta", found["metrics"]),
        "parameters": comparison_pairs("--meta", parameters),
    }


def _conditions(meta: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"metadata": [], "metrics": [], "parameters": []}
    for each in meta:
        kind, comparison = kind_of(each)
        found[kind].append(comparison)
    return found


class Named(Frozen):
    """The names that are wanted: exact ones, which have an index, and patterns.

    Attributes:
        slashed: True if project and name are the parts of a PATTERN with a slash.
    """

    project: str | None
    name: str | None
    patterns: tuple[str, ...]
    slashed: bool = False

    def match(self, project: str | None, name: str) -> bool:
        """Return True if a name matches, for what no query of the database can look for.

        Args:
            project: the name of its project, or None. It is the wanted one.
            name: its name.
        """
        line = f"{project}/{name}" if project else name
        texts = [(line if "/" in each else name, each) for each in self.patterns]
        return self.name in (None, name) and all(
            text == each or fnmatchcase(text, each) for text, each in texts
        )

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
    pattern, name = pattern and kept_name(pattern), name and kept_name(name)
    if name and _SPECIAL.intersection(name):
        patterns.append(name)
        name = None
    if pattern and (_SPECIAL.intersection(pattern) or name or ("/" in pattern and project)):
        patterns.append(pattern)
    elif pattern:
        first, slash, name = pattern.rpartition("/")
        return Named(first if slash else project, name or None, tuple(patterns), bool(slash))
    return Named(project, name or None, tuple(patterns))
