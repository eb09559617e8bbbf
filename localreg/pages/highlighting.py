"""Configuration text as markup: JSON, TOML, INI and YAML in colours, all else as it is."""

from __future__ import annotations

import json
import re
from html import escape

from localreg.pages.markup import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from markupsafe import Markup

HIGHLIGHT_LIMIT = 200_000  # characters; longer texts are shown in one colour
_SECTION = re.compile(r"^\s*\[[^\[\]\n]+\]\s*(?:[#;].*)?$", re.MULTILINE)
_TOML_VALUE = re.compile(
    r"^\s*[\w.\"'-]+\s*=\s*(?:[\"'\[{]|true\b|false\b|[+-]?\d[\d_.eE:+-]*\s*(?:#.*)?$)",
    re.MULTILINE,
)
_INI_VALUE = re.compile(r"^\s*[^\s=#;\[][^=\n]*=", re.MULTILINE)
_YAML_KEY = re.compile(r"^\s*(?:- )?[^\s:#\[{][^:\n]*:(?:\s|$)", re.MULTILINE)


def language_of(text: str) -> str | None:
    r"""Return what a configuration seems to be written in: json, toml, ini, yaml or None.

    >>> language_of('{"a": 1}'), language_of("a: 1"), language_of("[net]\nwidth = wide")
    ('json', 'yaml', 'ini')
    """
    if text.lstrip()[:1] in ("{", "["):
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            pass  # a table's heading of TOML starts with a bracket too
        else:
            return "json"
    if _SECTION.search(text) or _INI_VALUE.match(text):
        return "toml" if _TOML_VALUE.search(text) else "ini"
    return "yaml" if _YAML_KEY.search(text) else None


def highlighted(text: str) -> Markup:
    """Return a configuration as markup, to stand in a ``pre`` element."""
    from markupsafe import Markup

    text = clean(text)
    language = language_of(text) if len(text) <= HIGHLIGHT_LIMIT else None
    if language is None:
        return Markup(escape(text))
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name

    lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    marked = highlight(text, lexer, HtmlFormatter(nowrap=True))
    # The formatter ends each line, also the last of a text that does not.
    return Markup(marked if text.endswith(("\n", "\r")) else marked.removesuffix("\n"))
