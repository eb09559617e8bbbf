"""Which versions of models are kept: rules as people write them, checked."""

from __future__ import annotations

from collections.abc import Mapping

from localreg.errors import InvalidValueError
from localreg.values.checks import check_text, shown
from localreg.values.frozen import Frozen
from localreg.values.metrics import better
from localreg.values.units import parse_size

MOST = 1_000_000  # versions


class Best(Frozen):
    """Keep the best versions by a metric.

    Attributes:
        metric: ``title/series`` of scalars, or the name of a single value.
        count: how many.
        greatest: True if the greatest value is the best.
    """

    metric: str
    count: int
    greatest: bool

    @property
    def text(self) -> str:
        """The rule as the end of a sentence."""
        return (
            f"the best {self.count} by {self.metric} ({'greatest' if self.greatest else 'least'})"
        )


class Rules(Frozen):
    """Which versions of each project and name are kept; without any part all are.

    Attributes:
        keep_last: the newest so many.
        keep_best: those of each of these.
        max_size: remove no more of a project than is needed for so many bytes.
    """

    keep_last: int | None
    keep_best: tuple[Best, ...]
    max_size: int | None

    @property
    def are_none(self) -> bool:
        """True if all versions are kept."""
        return self.keep_last is None and not self.keep_best and self.max_size is None


def check_keep_last(value: object) -> int:
    """Return how many versions are kept, given as an int or as text.

    >>> check_keep_last("3")
    3
    """
    return _count("keep_last", value)


def _count(argument: str, value: object) -> int:
    number = int(value) if isinstance(value, str) and value.strip().isdecimal() else value
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= MOST:
        raise InvalidValueError(
            f"{argument} must be a number of versions, 1 or more, not {shown(value)}",
            argument=argument,
        )
    return number


def check_keep_best(value: object) -> tuple[Best, ...]:
    """Return the metrics by which versions are kept.

    Args:
        value: ``METRIC:COUNT``, several of them with commas between, a list of them, or a dict of
            counts by metric. "-" before a metric says that the greatest value is the best, "+" that
            the least is; without a sign the name decides ("loss": the least), or it is an error.

    >>> [(each.metric, each.count, each.greatest) for each in check_keep_best("loss/val:2, +a:1")]
    [('loss/val', 2, False), ('a', 1, False)]
    """
    if isinstance(value, Mapping):
        return tuple(_best(metric, count) for metric, count in value.items())
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, (list, tuple)):
        raise InvalidValueError(
            "keep_best must be METRIC:COUNT, a list of that, or a dict of counts by metric, not "
            f"{shown(value)}",
            argument="keep_best",
        )
    found = []
    for each in value:
        text = check_text("keep_best", each, nul=False).strip()
        metric, colon, count = text.rpartition(":")
        if not colon:
            raise InvalidValueError(
                f"keep_best must be METRIC:COUNT, such as accuracy/val:3, not {shown(each)}",
                argument="keep_best",
            )
        found.append(_best(metric, count))
    return tuple(found)


def _best(metric: object, count: object) -> Best:
    text = check_text("keep_best", metric, nul=False, limit=2_000).strip()
    name = text[1:] if text[:1] in ("-", "+") else text
    if not name:
        raise InvalidValueError("keep_best needs the name of a metric", argument="keep_best")
    greatest = text[0] == "-" if name != text else better(name) > 0
    if name == text and better(name) == 0:  # the wrong guess would keep the worst
        raise InvalidValueError(
            f"the name {shown(name)} does not say if more or less is better; keep_best takes "
            f"-{name} for the greatest, +{name} for the least",
            argument="keep_best",
        )
    return Best(name, _count("keep_best", count), greatest)


def check_max_size(value: object) -> int:
    """Return a number of bytes, given as an int or as text such as "20GB"."""
    return parse_size(value)
