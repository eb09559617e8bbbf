"""Sizes and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(microseconds: int) -> str:
    """Return a time in UTC, to the second.

    Args:
        microseconds: since 1970, as records hold it.


    >>> moment(0)
    '1970-01-01 00:00:00'
    """
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


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
