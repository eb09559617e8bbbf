"""Model cards and comments: a safe subset of Markdown as HTML.

Whoever writes a comment or a README is a stranger to the page that shows it. So HTML in the text
is shown as text, links lead only to http, https, mailto or a heading of the same text (other ones
are text), and a picture is only its description: a page loads nothing from elsewhere. The ids of
headings begin with a prefix, so that none can take the place of a part of the page.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

from localreg.pages.markup import clean

LIMIT = 100_000  # characters; the rest of a longer text is left out
_NESTING = 20
_ALLOWED = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


def prose(text: str, *, line_breaks: bool = False, prefix: str = "text-", top: int = 3) -> Markup:
    """Return Markdown as HTML.

    Args:
        text: Markdown, without a YAML head.
        line_breaks: keep every line break, as in a comment.
        prefix: the ids of headings begin with it.
        top: the level of the greatest headings, 2 to 6; no level is skipped below it.
    """
    text = clean(text)
    shown = without_comments(text[:LIMIT])
    parser = _parser(line_breaks)
    tokens = parser.parse(shown)
    anchors = _set_headings(tokens, prefix, top)
    _set_links(tokens, anchors)
    html = parser.renderer.render(tokens, parser.options, {})
    rest = len(text) - LIMIT
    return Markup(html) + (
        Markup('<p class="note">{:,} more characters are not shown.</p>').format(rest)
        if rest > 0
        else ""
    )


def without_comments(text: str) -> str:
    r"""Return Markdown without the HTML comments outside of its fenced code.

    The templates of model cards are full of them.

    >>> without_comments("a <!-- b\n c --> d\n```\n<!-- e -->\n```\n")
    'a  d\n```\n<!-- e -->\n```\n'
    """
    if "<!--" not in text:
        return text
    parts: list[str] = []
    prose_lines: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line)
        if not fence and not (mark and _ended("".join(prose_lines))):
            prose_lines.append(line)
            continue
        parts += [_COMMENT.sub("", "".join(prose_lines)), line]
        prose_lines = []
        if not fence:
            assert mark is not None
            fence = mark[1]
        elif mark and mark[1].startswith(fence) and not line[mark.end() :].strip():
            fence = ""
    return "".join([*parts, _COMMENT.sub("", "".join(prose_lines))])


def _ended(text: str) -> bool:
    """Return True if no comment is open at the end of a text."""
    return text.rfind("<!--") <= text.rfind("-->")


@cache
def _parser(line_breaks: bool) -> MarkdownIt:
    options = {"html": False, "xhtmlOut": False, "breaks": line_breaks, "maxNesting": _NESTING}
    parser = MarkdownIt("commonmark", options, renderer_cls=_Renderer)
    parser.enable(["table", "strikethrough"])
    # `_set_links` decides; a link that is refused here would be shown as the Markdown it is.
    parser.validateLink = lambda url: True  # type: ignore[method-assign]  # as its documentation says
    return parser


class _Renderer(RendererHTML):
    """Each public method writes the tokens of its name."""

    def image(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        """Return the description of a picture, which is not loaded."""
        return f'<span class="picture">[{escape(tokens[idx].content or "picture")}]</span>'

    def fence(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        """Return code, without the name of its language."""
        return f'<pre class="code" tabindex="0"><code>{escape(tokens[idx].content)}</code></pre>\n'

    def code_block(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        """Return code that is indented."""
        return self.fence(tokens, idx)

    def table_open(self, *_: object) -> str:
        """Return the start of a table, in a box that a wide one is scrolled in."""
        return '<div class="box"><table>\n'

    def table_close(self, *_: object) -> str:
        """Return the end of a table."""
        return "</table></div>\n"


def _is_allowed(url: str) -> bool:
    """Return True if a text may lead to a URL; blanks in it are ignored, as by browsers."""
    return bool(_ALLOWED.match(re.sub(r"[\x00-\x20\x7f-\x9f]", "", url)))


def _set_headings(tokens: list[Token], prefix: str, top: int) -> dict[str, str]:
    """Give headings the levels and ids of this page; return the ids by their own anchors."""
    anchors: dict[str, str] = {}
    taken: Counter[str] = Counter()
    levels = [int(each.tag[1]) for each in tokens if each.type == "heading_open"]
    above: list[int] = []  # the levels of the headings that the next one is below
    for level, (opening, inline, closing) in zip(levels, _headings(tokens), strict=True):
        above = [*(each for each in above if each < level), level]
        opening.tag = closing.tag = f"h{min(6, top + len(above) - 1)}"
        slug = _slug(inline.content)
        anchor = f"{slug}-{taken[slug]}" if taken[slug] else slug
        while anchor in anchors:
            taken[slug] += 1
            anchor = f"{slug}-{taken[slug]}"
        taken[slug] += 1
        anchors[anchor] = prefix + anchor
        opening.attrs = {"id": prefix + anchor}
    return anchors


def _headings(tokens: list[Token]) -> Iterable[tuple[Token, Token, Token]]:
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            yield token, tokens[place + 1], tokens[place + 2]


def _slug(text: str) -> str:
    """Return the anchor of a heading, as GitHub makes it.

    >>> _slug("How to *use* it?")
    'how-to-use-it'
    """
    return re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")[:100]


def _set_links(tokens: list[Token], anchors: dict[str, str]) -> None:
    """Lead links to headings to those of this page, and take the target of unsafe ones away.

    Every link of a text comes through here: its tokens are children of those of the blocks.
    """
    for inline in tokens:
        for token in inline.children or ():
            if token.type != "link_open":
                continue
            href = str(token.attrGet("href") or "")
            if href.startswith("#"):
                token.attrs = {"href": f"#{anchors.get(_decoded(href[1:]), '')}"}
            elif _is_allowed(href):
                token.attrSet("rel", "noopener noreferrer")
            else:  # an element that leads nowhere
                token.attrs = {}


def _decoded(text: str) -> str:
    from urllib.parse import unquote

    return unquote(text)
