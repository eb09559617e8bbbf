"""Names of versions elsewhere, such as branches and tags, as aliases."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from localreg.values.checks import NAME_LIMIT, kept_name

# References use the signs; `localreg alias` refuses these names, too.
_REFUSED = re.compile(r"[\s/:@\x00-\x1f\x7f\ud800-\udfff]+")


def alias_names(names: Iterable[str], left: Counter[str]) -> Mapping[str, str]:
    """Return names of versions by the aliases that they become.

    What an alias cannot hold becomes a hyphen. If two names would be the same alias, the one that
    needs no change is it; else the first.

    Args:
        names: what the versions of one model are called; each is one version.
        left: counts the names that become no alias.

    >>> dict(alias_names(["main", "pr/1"], Counter()))
    {'main': 'main', 'pr-1': 'pr/1'}
    """
    made: dict[str, str] = {}
    for name in sorted(names, key=lambda each: (_alias(each) != each, each)):
        alias = _alias(name)
        if not alias or len(alias) > NAME_LIMIT or alias in made:
            left["names of versions that are no aliases here"] += 1
            continue
        made[alias] = name
    return made


def _alias(name: str) -> str:
    return _REFUSED.sub("-", kept_name(name))
