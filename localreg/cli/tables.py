"""Tables of the commands: fitted to a terminal, or lines with tabs for a program.

On a terminal ids, numbers and times are never cut. Names are cut in their middle, so that the
version stays, and lists after whole words. If that is not enough, the columns that matter least
are left out, and a remark on stderr names them. Empty columns are not shown.

In a pipe every row is a line, its cells are separated by tabs, sizes are bytes, times have
seconds, and nothing is cut or left out. ``--header`` begins with a line of the titles.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, islice, zip_longest

import click

from localreg.cli.cells import (
    cell_width,
    cut_end,
    cut_middle,
    cut_words,
    filled,
    isolated,
    one_line,
    short_ids,
    steady,
    terminal_width,
    wrapped,
)
from localreg.cli.streams import print_lines, say
from localreg.values.frozen import Frozen
from localreg.values.units import duration_text, is_known, moment, size_text

GAP = 2
_PART = 1_000  # rows of a table on a terminal
_LONG = 10  # digits of a number that are all shown
_RECENT = 300  # days in which a short date needs no year
_META = "localreg.header"

HEADER = click.option(
    "--header",
    is_flag=True,
    expose_value=False,
    callback=lambda ctx, _, given: ctx.find_root().meta.__setitem__(_META, given),
    help="In a pipe, begin with a line of the titles.",
)


class Column(Frozen):
    """A column of a table.

    Attributes:
        title: its head.
        kind: what its cells are. "name" and "path": text that is cut in its middle. "text": cut at
            its end. "words": a tuple of words. "prose": text that is wrapped, for the last column.
            "id": text that is never cut. "size": a number of bytes; "number": an int or a text;
            "metric": a float, or a text of one; "value": a text under a title that may be cut;
            "time": microseconds since 1970; "duration": seconds. A cell may be None.
        rank: the column with the greatest rank is left out first; one with 0 only if not even the
            narrowest ones fit.
    """

    title: str
    kind: str = "text"
    rank: int = 0


# The widths that cells of a kind are cut to: before columns are left out, and after that.
_CUT = {
    "name": (24, 12),
    "path": (24, 12),
    "text": (14, 6),
    "words": (12, 6),
    "value": (14, 6),
    "prose": (32, 16),
}
_RIGHT = ("size", "number", "metric", "duration")


def print_table(columns: Sequence[Column | str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows: a table on a terminal, lines with tabs elsewhere."""
    heads = [each if isinstance(each, Column) else Column(each) for each in columns]
    if not sys.stdout.isatty():
        root = click.get_current_context(silent=True)
        titled = root is not None and root.find_root().meta.get(_META)
        head = ["\t".join(one_line(head.title) for head in heads)] if titled else []
        print_lines(chain(head, (_plain_line(heads, row) for row in rows)))
        return
    left_out: dict[str, None] = {}
    each = iter(rows)
    # Of a long list each part is a table with a head and widths of its own, so none is held whole.
    while table := [list(row) for row in islice(each, _PART)]:
        lines, narrow = table_lines(heads, table, terminal_width())
        click.echo(click.style(lines[0], bold=True))
        print_lines(lines[1:])
        left_out.update(dict.fromkeys(narrow))
    if left_out:
        say(f"This terminal is too narrow to show: {', '.join(left_out)}.")


def _plain_line(heads: Sequence[Column], row: Sequence[object]) -> str:
    return "\t".join(_plain(head, value) for head, value in zip(heads, row, strict=True))


def _plain(head: Column, value: object) -> str:
    """Return a cell as a program reads it."""
    if value is None:
        return ""
    if head.kind == "time" and isinstance(value, int):
        return moment(value) if is_known(value) else ""
    if isinstance(value, float):
        return repr(value)
    return one_line(" ".join(value) if isinstance(value, tuple) else str(value))


def table_lines(
    columns: Sequence[Column], rows: Sequence[Sequence[object]], available: int
) -> tuple[list[str], list[str]]:
    """Return the lines of a table that fits a terminal, and the titles of what it leaves out."""
    texts = [[_shown(head, row[index]) for row in rows] for index, head in enumerate(columns)]
    used = [index for index, cells in enumerate(texts) if any(cells)]
    natural = {
        index: max(_title_width(columns[index]), *map(_cell_width, texts[index])) for index in used
    }
    soft = {
        index: _soft_width(columns[index], texts[index], natural[index], available)
        for index in used
    }
    widths = fitted({index: columns[index] for index in used}, natural, soft, available)
    _use_what_is_free(columns, texts, natural, widths, available)
    shown = [(columns[index], texts[index], width) for index, width in widths.items()]
    lines = [_line((head, _title(head, width), width) for head, _, width in shown)]
    for number in range(len(rows)):
        parts = [_parts(head, some[number], width) for head, some, width in shown]
        for part in zip_longest(*parts, fillvalue=""):
            line = zip(shown, part, strict=True)
            lines.append(_line((head, text, width) for (head, _, width), text in line))
    return lines, [columns[index].title for index in used if index not in widths]


def _line(cells: Iterable[tuple[Column, str, int]]) -> str:
    texts = (
        filled(isolated(text), width, right=head.kind in _RIGHT) for head, text, width in cells
    )
    return (" " * GAP).join(texts).rstrip()


def fitted(
    columns: Mapping[int, Column],
    natural: Mapping[int, int],
    soft: Mapping[int, int],
    available: int,
) -> dict[int, int]:
    """Return the columns that are shown, with their widths.

    Args:
        columns: those that are not empty.
        natural: the widths that show all.
        soft: the widths to which they are cut before one is left out.
        available: the width of the terminal.
    """
    kept = dict(columns)
    while True:
        widths = {index: min(natural[index], available) for index in kept}
        times = [index for index in kept if kept[index].kind == "time"]
        if _narrow(widths, times, soft, available):
            return widths
        last = max(kept, key=lambda index: kept[index].rank)
        if not kept[last].rank:
            hard = {
                index: min(soft[index], _hard_width(kept[index], soft[index])) for index in kept
            }
            if _narrow(widths, times, hard, available) or len(kept) == 1:
                return widths
            last = list(kept)[-1]
        del kept[last]


def _narrow(
    widths: dict[int, int], times: Sequence[int], least: Mapping[int, int], available: int
) -> bool:
    """Narrow times, then the columns that can be cut most; return True if all fit."""
    over = sum(widths.values()) + GAP * (len(widths) - 1) - available
    for index in times if over > 0 else ():
        over -= widths[index] - least[index]
        widths[index] = least[index]
    while over > 0:
        widest = max(widths, key=lambda index: widths[index] - least[index])
        if widths[widest] <= least[widest]:
            return False
        widths[widest] -= 1
        over -= 1
    return True


def _use_what_is_free(
    columns: Sequence[Column],
    texts: Sequence[Sequence[str | tuple[str, ...]]],
    natural: Mapping[int, int],
    widths: dict[int, int],
    available: int,
) -> None:
    """Take from each column what its cut cells do not fill, and give it to those with names."""
    for index in widths:
        head, width = columns[index], widths[index]
        used = max(cell_width(part) for each in texts[index] for part in _parts(head, each, width))
        widths[index] = max(used, min(width, _title_width(head)))
    free = available - sum(widths.values()) - GAP * (len(widths) - 1)
    for index in sorted(widths, key=lambda index: columns[index].kind not in ("name", "path")):
        more = max(min(free, natural[index] - widths[index]), 0)
        if columns[index].kind in _CUT or more == natural[index] - widths[index]:
            widths[index] += more
            free -= more


def _soft_width(
    head: Column, cells: Sequence[str | tuple[str, ...]], natural: int, available: int
) -> int:
    """Return the width to which a column is cut before others are left out."""
    if head.kind == "time":
        short = max(len(_short_time(each)) for each in cells if isinstance(each, str))
        return min(natural, max(cell_width(head.title), short))
    if head.kind not in _CUT:
        return natural
    width = _CUT[head.kind][0]
    if head.kind == "words":  # what is not filled by whole words is for other columns
        width = max(cell_width(part) for each in cells for part in _parts(head, each, width))
    if head.kind in ("name", "path"):
        width = max(width, available * 3 // 10)
    return min(natural, max(width, _title_width(head)))


def _hard_width(head: Column, soft: int) -> int:
    return _CUT[head.kind][1] if head.kind in _CUT else soft


def _shown(head: Column, value: object) -> str | tuple[str, ...]:
    """Return a cell as a person reads it: a text, or words."""
    if value is None or value == "" or value == ():
        return ""
    if head.kind == "words" and isinstance(value, tuple):
        return tuple(steady(one_line(str(each))) for each in value)
    if isinstance(value, int) and not isinstance(value, bool):
        if head.kind == "size":
            return size_text(value)
        if head.kind == "time":
            return moment(value)[:16] if is_known(value) else ""
        if head.kind == "duration":
            return duration_text(value)
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if head.kind == "metric":
        return _rounded(str(value))
    text = steady(one_line(" ".join(value) if isinstance(value, tuple) else str(value)))
    return short_ids(text) if head.kind in ("text", "prose") else text


def _rounded(text: str) -> str:
    """Return the text of a number with at most 6 digits, if it is a long one.

    >>> _rounded("0.0018196429686726777"), _rounded("1e-3"), _rounded("123456789")
    ('0.00181964', '1e-3', '123456789')
    """
    if len(text) <= _LONG or text.lstrip("-").isdigit():
        return text
    try:
        return f"{float(text):.6g}"
    except ValueError:
        return text


def _cell_width(cell: str | tuple[str, ...]) -> int:
    return cell_width(" ".join(cell) if isinstance(cell, tuple) else cell)


def _title_width(head: Column) -> int:
    """Return the width of a head; that of a value may be cut."""
    width = cell_width(steady(one_line(head.title)))
    return min(width, 14) if head.kind in ("metric", "value") else width


def _title(head: Column, width: int) -> str:
    return cut_middle(steady(one_line(head.title)), width)


def _parts(head: Column, cell: str | tuple[str, ...], width: int) -> list[str]:
    """Return a cell in the lines that it takes."""
    if isinstance(cell, tuple):
        return [cut_words(cell, width)]
    if head.kind == "prose":
        return wrapped(cell, width)
    if head.kind in ("name", "path"):
        return [cut_middle(cell, width)]
    if head.kind == "time" and cell_width(cell) > width:
        return [_short_time(cell)]
    return [cut_end(cell, width) if head.kind in _CUT else cell]


def _short_time(text: str) -> str:
    """Return a time without its year; one that is long ago, without the time of the day."""
    if len(text) != len("2026-11-29 14:03"):  # such as "now"
        return text
    at = datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    recent = abs((datetime.now(UTC) - at).days) < _RECENT
    return text[5:] if recent else text[:10]
