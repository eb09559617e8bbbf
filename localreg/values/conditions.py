"""The conditions of a gate: what a model must have before an alias may point to it.

A condition is a word (`WORDS`), or a comparison as in the filter ``-m`` of the command line:
``accuracy>=0.9`` for metadata, ``metric:val/acc>=0.9`` for the last value of a metric, and
``param:lr<0.1`` for a parameter of the task that made the model. What is larger or smaller must be
a number or a date: as texts 0.1 is not less than "0,9", nor than what an empty variable gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from localreg.errors import InvalidValueError
from localreg.values.checks import check_text, shown
from localreg.values.comparisons import comparison_of, kind_of
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.values.comparisons import Comparison

SIGNED, SCANNED, PUBLISHED = "signed", "scanned", "published"
WORDS = {
    SIGNED: "a key that this registry trusts signed its weights",
    SCANNED: "a scanner looked at all its pickles, and flagged none",
    PUBLISHED: "it is published",
}
MOST = 50
LONGEST = 500
_IN_ORDER = ("<", ">", "<=", ">=")
_DATE = re.compile(r"\d{4}-\d\d(-\d\d.*)?", re.DOTALL)
_KINDS = {"metadata": "metadata", "metrics": "metric", "parameters": "parameter"}


class Condition(Frozen):
    """One condition.

    Attributes:
        text: as people write it.
        kind: "signed", "scanned", "published", "metadata", "metric" or "parameter"; "" if this
            localreg does not know such a condition.
        comparison: what a value must be, for the last three kinds.
    """

    text: str
    kind: str
    comparison: Comparison | None = None


def parse_condition(text: str, argument: str = "require") -> Condition:
    """Return the condition that a text is.

    Raises:
        InvalidValueError: it is none.

    >>> parse_condition("signed").kind, parse_condition("metric:val/acc >= 0.9").kind
    ('signed', 'metric')
    """
    given = check_text(argument, text, limit=LONGEST, nul=False, empty=False).strip()
    if given in WORDS:
        return Condition(given, given)
    kind, rest = kind_of(given)
    try:
        comparison = comparison_of(rest, kind)
    except InvalidValueError as error:
        raise InvalidValueError(
            f"{argument}: {shown(given)} cannot be a condition: {error}", argument=argument
        ) from error
    if comparison is None or not comparison.key.strip(" <>=!"):
        raise InvalidValueError(
            f"{argument} must be {', '.join(WORDS)} or a comparison such as accuracy>=0.9 or "
            f"metric:val/acc>=0.9, not {shown(given)}",
            argument=argument,
        )
    problem = _problem(comparison)
    if problem is not None:
        raise InvalidValueError(f"{argument}: {shown(given)} {problem}", argument=argument)
    return Condition(given, _KINDS[kind], comparison)


def _problem(comparison: Comparison) -> str | None:
    """Return why models would pass a comparison that should not; None if it is sound."""
    value = comparison.value
    if value in ("", ("",)):
        return "names no value to compare with"
    if comparison.sign in _IN_ORDER and isinstance(value, str) and _DATE.fullmatch(value) is None:
        return "must compare with a number, such as 0.9, or with a date, such as 2026-11-30"
    return None


def known_condition(text: str) -> Condition:
    """Return the condition of a gate, which may have come from another registry.

    >>> known_condition("blessed by the moon")
    Condition(text='blessed by the moon', kind='', comparison=None)
    """
    try:
        return parse_condition(text)
    except InvalidValueError:
        return Condition(text, "")


def check_conditions(given: object, argument: str = "require") -> tuple[str, ...]:
    """Return the texts of conditions, each once: those that are words first.

    Args:
        given: a list of texts; or one text, in which commas separate them.
        argument: the argument's name, for errors.

    Raises:
        InvalidValueError: there is no condition, or one of them cannot be one.

    >>> check_conditions("accuracy>=0.9,signed, published")
    ('published', 'signed', 'accuracy>=0.9')
    """
    if isinstance(given, str):
        given = [each for each in given.split(",") if each.strip()]
    if not isinstance(given, Iterable) or isinstance(given, bytes | dict):
        raise InvalidValueError(
            f"{argument} must be a list of conditions, not {type(given).__name__}",
            argument=argument,
        )
    found = {each.text: each for each in (parse_condition(one, argument) for one in given)}
    if not found:
        raise InvalidValueError(
            f"{argument} names no condition; give {', '.join(WORDS)} or comparisons such as "
            "accuracy>=0.9",
            argument=argument,
        )
    if len(found) > MOST:
        raise InvalidValueError(
            f"{argument} has {len(found):,} conditions; a gate takes at most {MOST}",
            argument=argument,
        )
    return tuple(sorted(found, key=lambda text: (text not in WORDS, text)))
