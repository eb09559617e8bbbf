"""Pages as text: what they contain, and that no text of a value can become markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import page_samples as samples

from localreg.pages import pages
from localreg.pages.assets import asset_names, asset_path, write_assets
from localreg.pages.index_data import index_data, packed
from localreg.pages.lineage_drawing import lineage_svg, shortened
from localreg.pages.markup import (
    HIGHLIGHT_LIMIT,
    highlighted,
    language_of,
    number_text,
    safe_href,
    script_json,
)
from localreg.pages.page_values import IndexColumn, Lineage, Link, Node, Reported
from localreg.values.frozen import replace

PLACE = pages.PagePlace(root="../", home="../index.html", generated="2026-01-01 00:00")


# The elements and attributes that Markdown may add to a page, in boxes of the class "prose".
PROSE = {
    **{tag: set() for tag in "br ul ol li blockquote code em strong s hr".split()},
    **{tag: {"id"} for tag in ("h2", "h3", "h4", "h5", "h6")},
    **{tag: {"style"} for tag in ("th", "td")},
    **{tag: set() for tag in ("table", "thead", "tbody", "tr")},
    "a": {"href", "title", "rel"},
    "div": {"class"},
    "ol": {"start"},
    "p": {"class"},
    "pre": {"class", "tabindex"},
    "span": {"class"},
}


class Outline(HTMLParser):
    """Collects the elements of a page, and the texts of its scripts.

    Those that Markdown made are in `prose`: they are in a box of the class "prose".
    """

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.scripts, self.text, self.data = [], [], [], []
        self.prose, self._depth = [], 0
        self._script = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        if self._depth:
            self.prose.append((tag, dict(attributes)))
            self._depth += tag == "div"
            return
        self._depth = int(dict(attributes).get("class") == "prose")
        self.elements.append((tag, dict(attributes)))
        if tag == "script":
            self._script = self.data if dict(attributes).get("type") else self.scripts

    def handle_endtag(self, tag):
        self._depth -= bool(self._depth) and tag == "div"
        if tag == "script":
            self._script = None

    def handle_data(self, text):
        (self.text if self._script is None else self._script).append(text)


def all_pages(text, href="other.html"):
    return {
        "model": pages.model_page(samples.model(text, href), PLACE),
        "data set": pages.model_page(samples.dataset(text, href), PLACE),
        "task": pages.task_page(samples.task(text, href), PLACE),
        "compare": pages.compare_page(samples.compare(text, href), PLACE),
        "index": samples.index_html(samples.index(5, text), PLACE),
    }


def shape(outline):
    """Return the tags and attribute names of a page, without texts and values.

    Spans are left out too, because their number depends on the highlighted text. Of the lines of
    sketches it has the number, because the order of charts depends on their titles.
    """
    lines = [is_line_of_a_sketch(tag, found) for tag, found in outline.elements]
    return sum(lines), [
        (tag, sorted(found))
        for (tag, found), is_line in zip(outline.elements, lines, strict=True)
        if tag != "span" and not is_line
    ]


def attributes_of_spans(outline):
    return {tuple(sorted(found)) for tag, found in outline.elements if tag == "span"}


def is_line_of_a_sketch(tag, found):
    return bool(
        tag == "path"
        and found.keys() - {"stroke-dasharray"} == {"class", "style", "d"}
        and re.fullmatch(r"[\d ]+", found.get("stroke-dasharray", "0"))
        and found["class"] in ("lines", "dots")
        and re.fullmatch(r"stroke:var\(--series-\d+\)", found["style"])
        and re.fullmatch(r"[Mhl\d -]+", found["d"])
    )


PLAIN = {name: Outline(html) for name, html in all_pages("plain").items()}


def check_prose(elements, text):
    """Check what Markdown has made: its links lead to other sites, or to headings of its own.

    Browsers ignore blanks and control characters in a URL, so this does too.
    """
    ids = {attributes["id"] for _, attributes in elements if "id" in attributes}
    assert all(each.startswith("in-") for each in ids)
    for tag, attributes in elements:
        assert set(attributes) <= PROSE[tag], ascii(text)
        assert attributes.get("class", "box") in ("box", "code", "picture", "note")
        assert re.fullmatch(
            "text-align:(left|right|center)", attributes.get("style", "text-align:left")
        )
        if "href" in attributes:
            bare = re.sub(r"[\x00-\x20]", "", attributes["href"]).lower()
            own = bare == "#" or attributes["href"][1:] in ids
            assert own or bare.startswith(("http://", "https://", "mailto:")), ascii(text)
            assert own or attributes["rel"] == "noopener noreferrer"


def test_no_text_adds_an_element_or_an_attribute():
    """A page of hostile texts has the elements and attributes of one of plain texts.

    Where Markdown is shown, it has those that Markdown makes, and no other ones.
    """
    for text in samples.HOSTILE:
        for name, html in all_pages(text).items():
            outline = Outline(html)
            assert shape(outline) == shape(PLAIN[name]), ascii(text)
            assert attributes_of_spans(outline) <= attributes_of_spans(PLAIN[name]), ascii(text)
            check_prose(outline.prose, text)
            assert "\0" not in html
            html.encode()
            for data in outline.data:
                json.loads(data)


def test_links_have_only_safe_targets():
    """Every link is relative, or its scheme is http, https or file."""
    for href in samples.HOSTILE:
        for html in all_pages("plain", href).values():
            for tag, attributes in Outline(html).elements:
                bare = re.sub(r"[\x00-\x20]", "", attributes.get("href", "")).lower()
                scheme = re.match(r"([a-z][\w+.-]*):", bare)
                if tag == "a" and scheme:
                    assert scheme[1] in ("http", "https", "file"), ascii(href)
                assert not bare.startswith(("//", "\\\\")), ascii(href)


def test_safe_href_accepts_relative_http_and_file_links_only():
    """Relative links and http, https and file come back; anything else becomes None."""
    for good in ("a.html", "../b/c.html#x", "https://example.org/", "FILE:///a", "#here", ""):
        assert safe_href(good) == good
    for bad in (
        None,
        "javascript:x",
        "data:text/html,x",
        "//host/x",
        "\\/host",
        "ja\nva:x",
        "\1a:b",
    ):
        assert safe_href(bad) is None
    assert safe_href("data:image/png;base64,AA", data=True) == "data:image/png;base64,AA"


def test_data_in_scripts_holds_no_markup():
    """NaN is refused, characters of HTML are escaped, and NULs are removed."""
    value = {"a": "</script>&\u2028\u2029<!--", "b": "x\0y", "c": "\\u0000 \\\0"}
    text = str(script_json(value))
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"a": value["a"], "b": "xy", "c": "\\u0000 \\"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json([float("nan")])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (1.0, "1"), (0.5, "0.5"), (-0.12345678, "-0.12346"),
        (1234.5678, "1,234.6"), (99_999.96, "100,000"), (1e9, "1e9"), (1e-9, "1e-9"),
        (0.0001, "0.0001"), (123_456.789, "123,457"), (None, "–"), (float("inf"), "–"),
        (1.7976931348623157e308, "1.7977e308"), (5e-324, "4.9407e-324"),
    ],
)  # fmt: skip
def test_numbers_are_shown_with_five_digits(value, text):
    """A number is short, and shows no more digits than it has."""
    assert number_text(value) == text


def test_a_page_links_its_assets_relative_to_the_root():
    """Scripts and styles come from the assets folder; no script is inline."""
    html = pages.model_page(samples.model(), PLACE)
    outline = Outline(html)
    sources = [a["src"] for tag, a in outline.elements if tag == "script" and "src" in a]
    later = [a["data-source"] for _, a in outline.elements if a.get("id") == "plotly"]
    assert later == [f"../assets/{asset_names()['plotly']}"]
    assert all(each.startswith("../assets/") for each in sources)
    assert outline.scripts == []
    policy = next(a["content"] for tag, a in outline.elements if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; script-src 'self' 'unsafe-eval'; style-src")


def test_a_page_without_figures_does_not_load_plotly():
    """Plotly has five megabytes; a page loads them only if it has figures."""
    html = pages.model_page(samples.model(reported=Reported()), PLACE)
    assert "plotly" not in html
    assert "no scalars, values or plots" in html


def test_a_standalone_page_holds_everything():
    """Its policy lists the hash of each script, and it links no file."""
    html = pages.model_page(samples.model(), pages.PagePlace(standalone=True))
    outline = Outline(html)
    assert not any("src" in a for tag, a in outline.elements if tag == "script")
    assert not any(a.get("rel") == "stylesheet" for _, a in outline.elements)
    policy = next(a["content"] for tag, a in outline.elements if "http-equiv" in a)
    plotly = html.partition('<script type="text/plain" id="plotly">')[2].partition("</script>")[0]
    assert plotly == asset_path("plotly").read_text("utf-8")
    texts = [*outline.scripts, plotly]
    assert len(texts) == 9
    digests = [hashlib.sha256(text.encode()).digest() for text in texts]
    hashes = [f"sha256-{base64.b64encode(digest).decode()}" for digest in digests]
    assert sorted(re.findall("'(sha256-[^']+)'", policy)) == sorted(hashes)


def test_sections_without_content_are_left_out():
    """An empty model has facts, and a short line for weights and lineage."""
    empty = samples.model(
        reported=Reported(), metadata=(), labels=(), config="", versions=(), weights=(),
        inside=(), files=(), more_files=0, history=(), lineage=Lineage((), ()), aliases=(),
        tags=(), comment=None, project=None,
    )  # fmt: skip
    html = pages.model_page(empty, PLACE)
    ids = {a["id"] for _, a in Outline(html).elements if "id" in a}
    assert (
        ids & {"files", "metadata", "labels", "config", "versions", "history", "lineage"} == set()
    )
    assert "no weights yet" in html
    assert "no lineage" in html


def test_thinned_lines_say_so():
    """A note says how many points there are and how many are drawn."""
    assert "loss: 1,000,000 points, 40 drawn" in pages.model_page(
        samples.model(reported=samples.reported()), PLACE
    )


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ('{"a": [1]}', "json"), ("[1, 2]", "json"), ('[a]\nb = "c"', "toml"), ("lr = 0.1", "toml"),
        ("[net]\nwidth=wide open", "ini"), ("a:\n  - b\n", "yaml"), ("", None), ("hello", None),
        ("{broken", None), ("[" * 100_000, None),
    ],
)  # fmt: skip
def test_the_language_of_a_configuration_is_guessed_from_its_text(text, language):
    """JSON must parse; the others are recognized by their syntax."""
    assert language_of(text) == language


def test_highlighting_keeps_the_text():
    """No character is lost or added, and long texts are not highlighted."""
    for text in ('\n\n{"a": 1}', "a: 1\n\n", '[a]\nb = "c"  ', "<b>", "x" * (HIGHLIGHT_LIMIT + 1)):
        shown = "".join(Outline(str(highlighted(text))).text)
        assert shown == text
    assert "<span" in highlighted("a: 1")
    assert "<span" not in highlighted("a: 1\n" * HIGHLIGHT_LIMIT)


def test_a_lineage_of_any_shape_is_drawn():
    """Cycles, loops, unknown ends, single nodes and empty columns are allowed."""
    nodes = tuple(
        Node(key=f"{i}", kind="model", link=Link(f"model {i}", "x.html"), column=i % 7 * 2)
        for i in range(60)
    )
    edges = tuple((f"{i}", f"{(i * 7 + 3) % 62}", "made") for i in range(60))
    drawn = str(lineage_svg(Lineage(nodes, (*edges, *edges, ("1", "1", "loop")))))
    assert drawn.count("<a class") == 60
    assert drawn.count('class="edge"') == len(
        {e[:2] for e in edges if int(e[1]) < 60 and e[0] != e[1]}
    )
    assert "nan" not in drawn
    assert "<svg" in lineage_svg(Lineage((), ()))


def test_wide_letters_count_as_two():
    """Names are cut to the width of a node."""
    assert shortened("学生モデル", 6) == "学生…"
    assert shortened("abc\n def", 20) == "abc def"


def test_assets_are_written_whole_and_once(tmp_path):
    """Names contain a digest or version; existing files are kept, no temporary remains."""
    write_assets(tmp_path / "assets")
    files = {each.name: each.stat().st_mtime_ns for each in (tmp_path / "assets").iterdir()}
    assert set(files) == set(asset_names().values())
    assert re.search(r"plotly-\d+\.\d+\.\d+\.min\.js", " ".join(files))
    for name, file_name in asset_names().items():
        assert (tmp_path / "assets" / file_name).read_bytes() == asset_path(name).read_bytes()
    write_assets(tmp_path / "assets")
    assert {e.name: e.stat().st_mtime_ns for e in (tmp_path / "assets").iterdir()} == files


def test_pages_are_written_without_plotly():
    """Neither plotly nor numpy is imported to write a page, nor jinja2 to import the module."""
    code = (
        "import sys; from localreg.pages import pages, page_values as v;"
        "assert 'jinja2' not in sys.modules and 'pygments' not in sys.modules;"
        "from localreg.pages.index_data import index_data;"
        "none = v.IndexTable(rows={'id': []});"
        "empty = v.IndexPage(name='x', models=none, tasks=none, datasets=none);"
        "assert [*pages.index_page(index_data(empty), pages.PagePlace())];"
        "assert 'plotly' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nan_and_infinite_metrics_become_null():
    """JSON has no NaN and no infinities."""
    column = IndexColumn(
        kind="metrics", key="m", at=[0, 1, 2], values=[float("nan"), float("inf"), 1.0]
    )
    values = samples.index(3)
    models = replace(values.models, columns=(column,))
    html = samples.index_html(replace(values, models=models), PLACE)
    assert '{"d":[null,null,1.0]}' in Outline(html).data[0]


@given(
    st.lists(st.one_of(st.none(), st.sampled_from(["a", "b"]), st.text(), st.floats())),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_packed_columns_hold_what_was_packed(values, random, numbers):
    """Dense or sparse, with repeated values or not; numbers that JSON lacks are missing."""
    wanted = [None if isinstance(v, float) and not isfinite(v) else v for v in values]
    assert (
        samples.unpacked(json.loads(packed(values, None, len(values), numbers=numbers))) == wanted
    )
    count = len(values) * random.choice([1, 3])
    at = random.sample(range(count), len(values))
    sparse = [None] * count
    for place, value in zip(at, wanted, strict=True):
        sparse[place] = value
    text = packed(values, at, count, numbers=numbers)
    assert samples.unpacked(json.loads(text), count) == sparse
    assert text.isascii()


def test_columns_that_the_page_has_no_room_for_go_into_scripts():
    """Each script hands over JSON that is quoted for JavaScript; each column is in one place."""
    text = "it's \\ \u2028 </script>"
    values = samples.index(9, text)
    data = index_data(values, in_page=0)
    page = json.loads(data.page)
    there = {number for number, _ in page["packs"]}
    for name, numbers in page["files"]:
        assert re.fullmatch(r"columns-[0-9a-f]{20}\.js", name)
        script = re.fullmatch(
            rf"localreg\.arrived\('{name}','(.*)'\);", data.files[name], re.DOTALL
        )
        body = script[1]
        assert not re.search(r"(?<!\\)(?:\\\\)*'", body)
        packs = json.loads(re.sub(r"\\(.)", r"\1", body))
        assert [number for number, _ in packs] == numbers
        assert there.isdisjoint(numbers)
        there.update(numbers)
    assert there == set(range(len(there)))
    assert index_data(values).files == {}
