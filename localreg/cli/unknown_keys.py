"""Say which keys of ``-m`` no model or task has: they are often a typing error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from localreg.cli.streams import say
from localreg.operations.finding import unknown_values
from localreg.registry import Chain

# As the filters of a query name them, and how ``-m`` begins for each.
_KINDS = {
    "metadata": ("metadata", ""),
    "metrics": ("metric", "metric:"),
    "parameters": ("parameter", "param:"),
}


def say_unknown(chain: Chain, subject: str, conditions: Mapping[str, object]) -> None:
    """Say which of the keys nothing has, with what may have been meant.

    Args:
        subject: "model" or "task".
        conditions: those of ``-m``, by the name of the filter.
    """
    for filter_name, given in conditions.items():
        kind, _ = _KINDS[filter_name]
        assert isinstance(given, Mapping)
        for key in given:
            if unknown_values.is_known(chain, subject, kind, key):
                continue
            meant = list(_meant(chain, conditions, kind, key))
            hint = f" Similar ones are {', '.join(meant)}." if meant else ""
            say(f"No {subject} has the {kind} {key!r}.{hint}")


def _meant(chain: Chain, conditions: Mapping[str, object], wanted: str, key: str) -> Iterator[str]:
    """Yield similar keys as ``-m`` takes them: of the same kind, or else of another one."""
    kinds = [_KINDS[each] for each in conditions]
    for kind, begin in sorted(kinds, key=lambda each: each[0] != wanted):
        found = [f"{begin}{each}" for each in unknown_values.similar(chain, kind, key)]
        yield from found
        if found:
            return
