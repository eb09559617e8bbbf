"""Markdown of users as HTML: what is shown, and that nothing else can come of it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.page_samples import HOSTILE

from localreg.pages.markdown import LIMIT, prose, without_comments

TAGS = set(
    "p br ul ol li blockquote code em strong s hr h2 h3 h4 h5 h6 th td table thead tbody tr a div "
    "pre span".split()
)
ATTRIBUTES = {"class", "href", "id", "rel", "start", "style", "tabindex", "title"}


class Found(HTMLParser):
    """Collects elements and text; fails at anything but elements, text and references."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.text = [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, text):
        self.text += text

    def handle_comment(self, text):
        raise AssertionError(text)

    handle_decl = handle_pi = unknown_decl = handle_comment


def check(html):
    found = Found(html)
    for tag, attributes in found.elements:
        assert tag in TAGS
        assert set(attributes) <= ATTRIBUTES
        href = attributes.get("href", "#")
        bare = re.sub(r"[\x00-\x20\x7f-\x9f]", "", href).lower()
        assert bare.startswith(("#", "http:", "https:", "mailto:"))
    return found


PIECES = st.sampled_from(
    [
        *HOSTILE[:60], "[", "](", ")", "![", "<", ">", "`", "```", "\n", "\n\n", "# ", "- ", "> ",
        "|", "|--|", "*", "_", "~~", "\\", "&#106;avascript:", "[a]: ", "http://x.y", "<!--", "-->",
        "    ", "\t", "{", "}", "\u202e", "#a",
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map("".join))
def test_no_text_makes_other_elements_attributes_or_targets(text):
    check(prose(text))
    check(prose(text, line_breaks=True, top=2))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a *b* **c** ~~d~~ `e`",
         "<p>a <em>b</em> <strong>c</strong> <s>d</s> <code>e</code></p>\n"),
        ("<b>x</b> &amp;", "<p>&lt;b&gt;x&lt;/b&gt; &amp;</p>\n"),
        ("[a](https://x.org 't')",
         '<p><a href="https://x.org" title="t" rel="noopener noreferrer">a</a></p>\n'),
        ("[a](../b.html) [c](javascript:d)", "<p><a>a</a> <a>c</a></p>\n"),
        ("![a <b>](https://x.org/c.png)", '<p><span class="picture">[a &lt;b&gt;]</span></p>\n'),
        ("~~~py\n<!-- a -->\n~~~",
         '<pre class="code" tabindex="0"><code>&lt;!-- a --&gt;\n</code></pre>\n'),
        ("3. a\n4. b", '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>\n'),
        ("", ""),
    ],
)  # fmt: skip
def test_it_is_shown_as(text, html):
    assert prose(text) == html


def test_line_breaks_are_kept_if_wanted():
    assert prose("a\nb") == "<p>a\nb</p>\n"
    assert prose("a\nb", line_breaks=True) == "<p>a<br>\nb</p>\n"


def test_headings_begin_at_the_wanted_level_and_leave_none_out():
    found = check(prose("### a\n# b\n#### c\n## d\n###### e\n# f", top=3)).elements
    assert [tag for tag, _ in found] == ["h3", "h3", "h4", "h4", "h5", "h3"]


def test_links_to_headings_lead_to_those_of_the_text():
    headings = "# Use it!\n# Use it!\n# Use it-1\n# é\n"
    text = f"{headings}[a](#use-it) [b](#use-it-1) [c](#card) [d](#%C3%A9)"
    found = check(prose(text, prefix="in-card-")).elements
    assert [each.get("id") for tag, each in found if tag == "h3"] == [
        "in-card-use-it", "in-card-use-it-1", "in-card-use-it-1-1", "in-card-é",
    ]  # fmt: skip
    assert [each["href"] for tag, each in found if tag == "a"] == [
        "#in-card-use-it", "#in-card-use-it-1", "#", "#in-card-é",
    ]  # fmt: skip


def test_comments_of_templates_are_left_out_but_not_in_code():
    text = "a <!-- b\n\n```\nc\n``` --> d\n\n````\n```\n<!-- e -->\n````\n<!-- f"
    assert without_comments(text) == "a  d\n\n````\n```\n<!-- e -->\n````\n"


@pytest.mark.parametrize(
    "piece", ["[", "![", "[a](", "*a_ ", "# a\n", "> ", "- ", "`", "<!--", "|", "\\", "&#", "a\n"]
)
def test_a_text_of_any_length_is_shown_in_part(piece):
    """No piece takes a time that grows without bound: the rest of a long text is left out."""
    html = prose(piece * (LIMIT // len(piece) // 10))
    assert "more characters" not in html
    assert '<p class="note">7 more characters are not shown.</p>' in prose("a" * (LIMIT + 7))
