"""Tables of facts for notebooks: HTML, with all text escaped."""

from __future__ import annotations

from html import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SHOWN = 100
_LEFT = "text-align:left"


def facts_html(facts: Iterable[tuple[str, str]]) -> str:
    """Return a table of (name, value), a row for each; those without a value are left out."""
    shown = [(name, value) for name, value in facts if value]
    return f"<table><tbody>{_rows_html(shown)}</tbody></table>"


def table_html(head: Sequence[str], rows: Iterable[Sequence[str]], *, more: int) -> str:
    """Return a table under a head, and how many more rows there are."""
    cells = "".join(f"<th style='{_LEFT}'>{name}</th>" for name in head)
    rest = f"<p>and {more:,} more</p>" if more > 0 else ""
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{_rows_html(rows)}</tbody></table>{rest}"


def _rows_html(rows: Iterable[Sequence[str]]) -> str:
    return "".join(
        "<tr>" + "".join(f"<td style='{_LEFT}'>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
