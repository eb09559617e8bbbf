"""Safe pieces of text and markup: JSON, links, numbers and highlighted configurations."""

from __future__ import annotations

import json
import math
import re
from html import escape
from unicodedata import bidirectional

TYPE_CHECKING = False
if TYPE_CHECKING:
    from markupsafe import Markup

# Characters that a reader does not see, or that change the order of those around them.
_INVISIBLE = re.compile(
    "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_SIGNS = re.compile(r"([/:@])")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_IN_SCRIPT = {each: f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_IGNORED_IN_URLS = re.compile(r"[\x00-\x20\x7f-\x9f]")
LINK_SCHEMES = frozenset({"http", "https", "file"})
HIGHLIGHT_LIMIT = 200_000  # characters; longer texts are not highlighted
_SECTION = re.compile(r"^\s*\[[^\[\]\n]+\]\s*(?:[#;].*)?$", re.MULTILINE)
_TOML_VALUE = re.compile(
    r"^\s*[\w.\"'-]+\s*=\s*(?:[\"'\[{]|true\b|false\b|[+-]?\d[\d_.eE:+-]*\s*(?:#.*)?$)",
    re.MULTILINE,
)
_INI_VALUE = re.compile(r"^\s*[^\s=#;\[][^=\n]*=", re.MULTILINE)
_YAML_KEY = re.compile(r"^\s*(?:- )?[^\s:#\[{][^:\n]*:(?:\s|$)", re.MULTILINE)


def clean(text: str) -> str:
    """Return text or markup without NULs and lone surrogates, which HTML cannot contain."""
    if text.isascii() and "\0" not in text:  # fast for the data of a page, which is long
        return text
    return type(text)(_UNSTORABLE.sub("", text))


def visible(text: str) -> str:
    r"""Return text with escapes for control characters, and for those that turn around its order.

    Line breaks and tabs stay.

    >>> visible("a\x1b[1m"), visible("exe.\u202egpj"), visible("two\nlines")
    ('a\\x1b[1m', 'exe.\\u202egpj', 'two\nlines')
    """
    if text.isascii() and text.isprintable():  # fast for most texts
        return text
    return _INVISIBLE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )


def is_mixed(text: str) -> bool:
    """Return True if a text has letters that are read from right to left."""
    return not text.isascii() and any(bidirectional(each) in ("R", "AL", "AN") for each in text)


def isolated(text: str) -> Markup | str:
    """Return a name such as ``project/name:3``, each part of which keeps its own direction.

    Without it the version of a name in Hebrew or Arabic would stand in the middle of the name.
    """
    if not is_mixed(text):
        return text
    from markupsafe import Markup

    return Markup(
        "".join(f"<bdi>{escape(each)}</bdi>" if name else each for each, name in _parts(text))
    )


def directed(text: str) -> str:
    """Return what `isolated` does, for places that take no elements: by characters of Unicode."""
    if not is_mixed(text):
        return visible(text)
    parts = (f"\u2068{each}\u2069" if name else each for each, name in _parts(text))
    return f"\u2066{''.join(parts)}\u2069"


def _parts(text: str) -> list[tuple[str, bool]]:
    """Return the parts of a name, and the signs between them, which are False."""
    return [(each, i % 2 == 0) for i, each in enumerate(_SIGNS.split(visible(text)))]


def script_json(value: object) -> Markup:
    """Return `value` as JSON that is safe inside a script element.

    Raises:
        ValueError: it contains NaN or an infinity, which JSON does not have.
    """
    return in_script(json.dumps(value, allow_nan=False, separators=(",", ":")))


def in_script(text: str) -> Markup:
    """Return JSON that is safe inside a script element."""
    from markupsafe import Markup

    if "\\u0000" in text:
        text = _ESCAPED_NUL.sub(r"\1", text)
    for each, escaped in _IN_SCRIPT.items():  # twenty times as fast as `translate`
        text = text.replace(each, escaped)
    return Markup(text)


def safe_href(href: str | None, *, data: bool = False) -> str | None:
    r"""Return a link if it is relative, http, https or file; else None.

    Args:
        href: the link. Browsers ignore blanks and control characters in it, so the check does too.
        data: allow a ``data:`` URL too, for the source of a picture.

    >>> safe_href("../models/a.html"), safe_href("java\tscript:alert(1)")
    ('../models/a.html', None)
    """
    if href is None:
        return None
    bare = _IGNORED_IN_URLS.sub("", href)
    scheme = _SCHEME.match(bare)
    if scheme is None:
        # Two slashes, of either kind, are followed by the name of another host.
        return None if bare[:1] in ("/", "\\") and bare[1:2] in ("/", "\\") else clean(href)
    name = scheme[1].lower()
    return clean(href) if name in LINK_SCHEMES or (data and name == "data") else None


def number_text(value: float | None) -> str:
    """Return a number with five significant digits for people; an en dash if there is none.

    >>> number_text(0.913456), number_text(1234567.0), number_text(1.5e-07), number_text(None)
    ('0.91346', '1,234,567', '1.5e-7', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if float(value).is_integer() and abs(value) < 1e9:
        return f"{int(value):,}"
    if 1e-4 <= abs(value) < 1e6:
        digits = max(0, 4 - math.floor(math.log10(abs(value))))
        return f"{value:,.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:,.0f}"
    mantissa, _, exponent = f"{value:.4e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def bits(text: str) -> Markup:
    """Return a name as markup whose lines break after its slashes, points and underscores.

    >>> bits("loss/val")
    Markup('<span class="bit">loss/</span><span class="bit">val</span>')
    """
    from markupsafe import Markup

    parts = re.split(r"(?<=[/._])(?=[^/._])", visible(clean(text)))
    return Markup("".join(f'<span class="bit">{escape(part)}</span>' for part in parts))


def language_of(text: str) -> str | None:
    r"""Return the likely language of a configuration: json, toml, ini, yaml or None.

    >>> language_of('{"a": 1}'), language_of("a: 1"), language_of("[net]\nwidth = wide")
    ('json', 'yaml', 'ini')
    """
    if text.lstrip()[:1] in ("{", "["):
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            pass  # TOML and INI may start with a bracket too
        else:
            return "json"
    if _SECTION.search(text) or _INI_VALUE.match(text):
        return "toml" if _TOML_VALUE.search(text) else "ini"
    return "yaml" if _YAML_KEY.search(text) else None


def highlighted(text: str) -> Markup:
    """Return a configuration as highlighted markup, for the inside of a ``pre`` element."""
    from markupsafe import Markup

    text = visible(text)
    language = language_of(text) if len(text) <= HIGHLIGHT_LIMIT else None
    if language is None:
        return Markup(escape(text))
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name

    lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    marked = highlight(text, lexer, HtmlFormatter(nowrap=True))
    # The formatter adds a line break at the end even if the text has none.
    return Markup(marked if text.endswith(("\n", "\r")) else marked.removesuffix("\n"))
