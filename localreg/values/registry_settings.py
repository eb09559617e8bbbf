"""What users may set of a registry: the keys, what each does, and which values it takes.

They are in the registry itself, for everybody who uses it. What only one process wants is an
environment variable: see `localreg.values.settings`.
"""

from __future__ import annotations

from collections.abc import Callable

from localreg.errors import InvalidValueError
from localreg.values.checks import check_name, check_text, shown
from localreg.values.frozen import Frozen
from localreg.values.retention import check_keep_best, check_keep_last, check_max_size
from localreg.values.units import parse_span

ORIGIN_NAME = "origin.name"
PAGES_RENEW = "pages.renew"
KEEP_LAST = "retention.keep_last"
KEEP_BEST = "retention.keep_best"
MAX_SIZE = "retention.max_size"
TRUST_MODE = "trust.mode"
TRUST_MODES = ("off", "warn", "enforce")
USUAL_RENEWAL = "1m"
_SOONEST = 2.0  # seconds: to write a page takes a part of one


class Setting(Frozen):
    """A setting.

    Attributes:
        key: its name.
        summary: what it does.
        parse: returns the text to keep, from the text that a user gave; raises InvalidValueError.
    """

    key: str
    summary: str
    parse: Callable[[str], str]


def _origin_name(value: str) -> str:
    name = check_name(ORIGIN_NAME, value)
    if any(sign in name for sign in "/:@~") or name.split() != [name] or len(name) > 64:
        raise InvalidValueError(
            f"{ORIGIN_NAME} must be a word of at most 64 characters, without any of / : @ ~, "
            f"which references use, not {shown(name)}",
            argument=ORIGIN_NAME,
        )
    return name


def _renewal(value: str) -> str:
    text = value.strip()
    try:
        seconds = renewal_seconds(text)
    except InvalidValueError:
        seconds = 0.0
    if seconds is not None and not _SOONEST <= seconds < 1e9:
        raise InvalidValueError(
            f"{PAGES_RENEW} must be off, or a time such as 30s, 5m or 1h, not {shown(value)}",
            argument=PAGES_RENEW,
        )
    return text


def renewal_seconds(text: str) -> float | None:
    """Return how often pages are written, of a value of `pages.renew`; None for never.

    >>> renewal_seconds("5m"), renewal_seconds("off")
    (300.0, None)
    """
    return None if text == "off" else parse_span(text)


def _trust_mode(value: str) -> str:
    text = value.strip()
    if text not in TRUST_MODES:
        raise InvalidValueError(
            f"{TRUST_MODE} must be one of {', '.join(TRUST_MODES)}, not {shown(value)}",
            argument=TRUST_MODE,
        )
    return text


def _retention(check: Callable[[object], object]) -> Callable[[str], str]:
    """Return what checks a text for `gc`, which reads it later, and keeps it as it is."""

    def parse(value: str) -> str:
        check(value)
        return value.strip()

    return parse


SETTINGS: dict[str, Setting] = {
    each.key: each
    for each in (
        Setting(
            ORIGIN_NAME,
            "the name shown for changes that are made here; by default that of the machine",
            _origin_name,
        ),
        Setting(
            PAGES_RENEW,
            "how often a task that runs writes its page, such as 30s or 5m; off for never",
            _renewal,
        ),
        Setting(
            TRUST_MODE,
            "what happens to weights that no trusted key signed: off, warn, or enforce",
            _trust_mode,
        ),
        Setting(
            KEEP_LAST,
            "gc keeps this many of the newest versions of a model, and removes others",
            _retention(check_keep_last),
        ),
        Setting(
            KEEP_BEST,
            "gc keeps the best versions of a model by a metric, such as accuracy/val:3",
            _retention(check_keep_best),
        ),
        Setting(
            MAX_SIZE,
            "gc removes the oldest versions of a project that has more bytes, such as 20GB",
            _retention(check_max_size),
        ),
    )
}


def known_setting(key: object) -> Setting:
    """Return the setting of a key.

    Raises:
        InvalidValueError: there is none; it names keys like it.
    """
    name = check_text("key", key)
    found = SETTINGS.get(name)
    if found is None:
        from difflib import get_close_matches

        close = get_close_matches(name, SETTINGS, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else f"the settings are {_listed()}"
        raise InvalidValueError(f"there is no setting {shown(name)}; {hint}", argument="key")
    return found


def _listed() -> str:
    return ", ".join(SETTINGS)
