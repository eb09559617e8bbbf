"""Sizes and times as people read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from localreg.errors import InvalidValueError
from localreg.values.checks import shown

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SPANS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)b?", re.IGNORECASE)
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhdw])", re.IGNORECASE)
_FIRST_DAY = 86_400_000_000  # microseconds
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def moment(microseconds: int) -> str:
    """Return a time in UTC, to the second.

    Args:
        microseconds: since 1970, as records hold it.

    >>> moment(0)
    '1970-01-01 00:00:00'
    """
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def is_known(microseconds: int) -> bool:
    """Return True if a time is one; what was imported without times has those of 1 January 1970.

    >>> is_known(1_700_000_000_000_000), is_known(0)
    (True, False)
    """
    return microseconds >= _FIRST_DAY


def when(microseconds: int) -> str:
    """Return a time in UTC for people.

    >>> when(1_700_000_000_000_000), when(0)
    ('2023-11-14 22:13:20 UTC', 'not known')
    """
    return f"{moment(microseconds)} UTC" if is_known(microseconds) else "not known"


def size_text(size: int | None) -> str:
    """Return a number of bytes with its unit, "" for None.

    >>> size_text(1234567)
    '1.2 MB'
    """
    if size is None:
        return ""
    amount, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        del units[0]
    return f"{amount:.0f} {units[0]}" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def amount_text(size: int | None, files: int | None) -> str:
    """Return a number of bytes, and the number of files that have them; None for a single file.

    >>> amount_text(80_000_000, 7), amount_text(12, 1), amount_text(12, None)
    ('7 files, 80.0 MB', '1 file, 12 B', '12 B')
    """
    text = size_text(size)
    return text if files is None else f"{files:,} {'file' if files == 1 else 'files'}, {text}"


def span_text(seconds: float) -> str:
    """Return a number of seconds in its largest two units.

    >>> span_text(86_340), span_text(2 * 86_400 + 5), span_text(59.9)
    ('23 h 59 min', '2 d', '1 min')
    """
    minutes = max(1, round(seconds / 60))
    parts = [(minutes // 1_440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min")]
    while not parts[0][0]:
        del parts[0]
    return " ".join(f"{number} {unit}" for number, unit in parts[:2] if number)


def duration_text(seconds: int) -> str:
    """Return how long something took, in its largest two units.

    >>> duration_text(7), duration_text(200), duration_text(7_500), duration_text(90_000)
    ('7 s', '3 min 20 s', '2 h 5 min', '1 d 1 h')
    """
    for size, unit, below, small in _SPANS:
        if seconds >= size:
            rest = seconds % size // below
            return f"{seconds // size} {unit}" + (f" {rest} {small}" if rest else "")
    return f"{seconds} s"


def parse_size(value: object) -> int:
    """Return a number of bytes, given as a number or as text.

    >>> parse_size("1.5GB"), parse_size(10)
    (1500000000, 10)
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise InvalidValueError(
            f"a size must be a number of bytes, or text such as 500MB or 20GB, not {shown(value)}",
            argument="max_size",
        )
    return int(float(match[1]) * _UNITS[match[2].lower()])


def parse_span(value: object) -> float:
    """Return a time in seconds, given as a number or as text.

    >>> parse_span("2h"), parse_span(5)
    (7200.0, 5.0)
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        return float(value)
    match = _SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise InvalidValueError(
            "a time must be a number of seconds, or text such as 30m, 12h or 7d, "
            f"not {shown(value)}",
            argument="older_than",
        )
    return float(match[1]) * _SECONDS[match[2].lower()]
