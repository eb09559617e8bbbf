"""Pages in a browser, opened from disk: what is drawn, how controls work, and what never runs."""

from __future__ import annotations

import base64
import shutil

import pytest
from plotly.graph_objects import Figure
from support import page_samples as samples
from support.browser import Visit, chromium, violations

from localreg.api.reports.figures import Figures
from localreg.pages import pages
from localreg.pages.assets import write_assets
from localreg.pages.page_values import (
    Card,
    Change,
    Chart,
    Fact,
    Line,
    Link,
    Picture,
    Plot,
    Reported,
    Step,
    Version,
)
from localreg.plots.figures import scalar_figure
from localreg.values.frozen import replace

PLACE = pages.PagePlace(root="../", home="../index.html")


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder of pages: index.html, models/….html and the assets they share."""
    folder = tmp_path_factory.mktemp("reports")
    write_assets(folder / "assets")
    (folder / "models").mkdir()
    for name, html in {
        "index.html": samples.index_html(samples.index(), pages.PagePlace()),
        "empty.html": samples.index_html(samples.index(0), pages.PagePlace()),
        "models/1.html": pages.model_page(samples.model(reported=samples.reported()), PLACE),
        "models/long.html": pages.model_page(samples.model("long words " * 60), PLACE),
        "models/dataset.html": pages.model_page(samples.dataset(), PLACE),
        "models/task.html": pages.task_page(samples.task(), PLACE),
        "models/compare.html": pages.compare_page(samples.compare(), PLACE),
    }.items():
        (folder / name).write_text(html, encoding="utf-8")
    return folder


@pytest.fixture
def visit(browser, site):
    """Open a page of the site or of another folder; the test fails if the page has complaints."""
    opened = []

    def go(name, folder=site, **options):
        opened.append(Visit(browser, folder / name, **options))
        return opened[-1]

    yield go
    assert [wrong for each in opened for wrong in each.close()] == []


PAGES = [
    "index.html", "empty.html", "models/1.html", "models/long.html", "models/dataset.html",
    "models/task.html", "models/compare.html",
]  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_a_page_requests_only_its_own_files_fits_a_phone_and_has_no_barrier(visit, site, name):
    """Requests are for the page or its assets; at 400 px nothing overflows; axe finds no fault."""
    shown = visit(name, viewport={"width": 400, "height": 800})
    shown.draw_all()
    own = {(site / name).as_uri()} | {each.as_uri() for each in (site / "assets").iterdir()}
    assert set(shown.requests) <= own
    assert shown.page.locator("h1").count() == 1
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 400
    shown.page.set_viewport_size({"width": 1280, "height": 900})
    assert violations(shown.page) == []


def test_figures_are_drawn_when_scrolled_into_view(visit):
    """Figures far below wait, with their space reserved; then each shows all its traces."""
    shown = visit("models/1.html", viewport={"width": 1280, "height": 400})
    shown.page.wait_for_timeout(100)
    assert shown.page.locator(".plot.waiting").count() > 0
    height = shown.page.evaluate("document.documentElement.scrollHeight")
    shown.draw_all()
    assert shown.traces(".chart") == [2, 1]
    assert shown.traces(".plot") == [0, 3, 2, 0]  # pictures come first
    assert abs(shown.page.evaluate("document.documentElement.scrollHeight") - height) < 120
    assert "1,000,000 points, 40 drawn" in shown.page.inner_text("#scalars")
    assert shown.page.locator("#pictures img").get_attribute("loading") == "lazy"


def test_printing_draws_everything_in_light_colours(visit):
    """Print also draws figures that were never in view."""
    shown = visit("models/task.html", viewport={"width": 1280, "height": 300}, color_scheme="dark")
    shown.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert shown.page.locator(".figure.waiting").count() == 0
    assert shown.page.evaluate("document.documentElement.dataset.theme") == "light"


@pytest.mark.parametrize("standalone", [False, True])
def test_a_page_that_is_printed_at_once_has_no_empty_figures(browser, site, tmp_path, standalone):
    """A page with files has loaded Plotly by then; one without starts it now."""
    alone = pages.model_page(samples.model(), pages.PagePlace(standalone=True))
    (tmp_path / "alone.html").write_text(alone, encoding="utf-8")
    path = tmp_path / "alone.html" if standalone else site / "models/1.html"
    printed = """
        addEventListener('%s', () => {
            dispatchEvent(new Event('beforeprint'));
            const figures = [...document.querySelectorAll('.figure')];
            const shown = figures.filter((each) => each.checkVisibility());
            window.found = [shown.length, shown.filter((each) => each.matches('.waiting')).length];
        });"""
    event = "DOMContentLoaded" if standalone else "load"  # a browser prints after the second
    shown = Visit(browser, path, script=printed % event)
    figures, waiting = shown.page.evaluate("window.found")
    assert figures > 4
    assert waiting == 0
    assert shown.close() == []


@pytest.fixture(scope="module")
def opened(browser, site):
    """The page of a model with all figures drawn; the tests that use it change different parts."""
    shown = Visit(browser, site / "models/1.html")
    shown.draw_all()
    yield shown
    assert shown.close() == []


def test_a_long_card_is_folded_until_it_is_wanted(visit, site):
    """A button, a link to a part of it and the focus inside unfold it; print shows all of it."""
    text = "\n\n".join(["[end](#the-end)", *["words " * 40] * 30, "## The end", "<b>last</b>"])
    values = samples.model(card=Card("license: mit\n", text, "x"), comment="short")
    (site / "models" / "card.html").write_text(pages.model_page(values, PLACE), encoding="utf-8")
    shown = visit("models/card.html")
    shown.page.emulate_media(reduced_motion="reduce")  # nothing moves under the pointer
    card, button = shown.page.locator("#card-text"), shown.page.locator("[data-unfold=card-text]")

    def height():
        return card.bounding_box()["height"]

    folded = height()
    assert (button.inner_text(), folded < 400) == ("Show more", True)
    assert shown.page.locator("[data-unfold=comment-text]").is_hidden()
    button.click()
    whole = height()
    assert (button.inner_text(), whole > 1_000) == ("Show less", True)
    assert button.get_attribute("aria-expanded") == "true"
    assert violations(shown.page) == []
    button.click()
    assert height() == folded
    card.get_by_text("end", exact=True).click()
    assert height() == whole
    shown.page.wait_for_function("location.hash === '#in-card-the-end'")
    assert shown.page.get_by_text("<b>last</b>").is_visible()
    shown.page.reload()
    assert height() == whole, "the address names a part of the card"
    button.click()
    shown.page.emulate_media(media="print")
    assert height() > 1_000


def test_a_figure_that_cannot_be_drawn_says_so(visit, site):
    """A figure that makes plotly raise does not affect the others."""
    bad = {
        "data": [{"type": "scatter", "x": {"dtype": "zz", "bdata": ""}, "y": [1]}],
        "layout": {},
    }
    plots = tuple(
        Plot(title, "", (Step(iteration=0, shown=shown),))
        for title, shown in (("bad", bad), ("good", samples.figure()))
    )
    html = pages.model_page(samples.model(reported=Reported(plots=plots)), PLACE)
    (site / "models" / "bad.html").write_text(html, encoding="utf-8")
    shown = visit("models/bad.html")
    shown.draw_all()
    assert shown.traces(".plot") == [0, 1]
    assert "cannot be drawn" in shown.page.locator(".plot").first.inner_text()


def test_the_slider_changes_the_iteration(opened):
    """The last iteration is shown first; the slider and the buttons select others."""
    shown = opened
    card = shown.page.locator("#plots .plot-card").first
    assert "iteration 20" in card.inner_text()
    card.locator("input[type=range]").fill("0")
    assert "iteration 0" in card.inner_text()
    assert shown.traces("#plots .plot")[0] == 1
    assert card.locator(".plot-note").inner_text() == "loss 0"
    card.get_by_label("Next iteration").click()
    assert "iteration 10" in card.inner_text()
    assert shown.traces("#plots .plot")[0] == 2


def test_scalars_are_smoothed_put_on_a_log_axis_and_over_time(opened):
    """Each control of the toolbar redraws every chart; raw values stay visible below."""
    shown = opened
    chart = "document.querySelector('.chart')"
    shown.page.locator("#smoothing").fill("0.9")
    shown.page.wait_for_function(f"{chart}.data.length === 4")
    raw, smooth = shown.page.evaluate(f"[{chart}.data[0].y, {chart}.data[1].y]")
    assert smooth[0] == pytest.approx(raw[0])  # without the bias towards zero
    assert raw[1] < smooth[1] < raw[0]
    assert raw[20] is None
    assert smooth[20] is None
    shown.page.locator("#log-y").check()
    shown.page.wait_for_function(f"{chart}.layout.yaxis.type === 'log'")
    shown.page.locator("#x-axis").select_option("wall")
    shown.page.wait_for_function(f"{chart}.layout.xaxis.type === 'date'")
    shown.page.locator("#x-axis").select_option("relative")
    shown.page.wait_for_function(f"{chart}.data[0].x[1] === 1")  # minutes
    shown.page.locator(".legend button").first.click()
    shown.page.wait_for_function(f"{chart}.data.length === 2")


def test_dark_and_light_are_chosen_by_the_system_and_by_a_button(visit, site):
    """Figures change with the page, and the next page keeps the choice."""
    shown = visit("models/1.html", color_scheme="dark")
    shown.draw_all()
    look = "[getComputedStyle(document.body.parentElement).backgroundColor,"
    look += " document.querySelector('.chart').data[0].line.color,"
    look += " document.querySelector('#plots .plot').layout.template.layout.font.color]"
    dark = shown.page.evaluate(look)
    shown.page.locator("#theme").click()
    light = shown.page.evaluate(look)
    assert all(one != other for one, other in zip(dark, light, strict=True))
    shown.page.goto((site / "empty.html").as_uri())
    assert shown.page.evaluate("document.documentElement.dataset.theme") == "light"


def test_two_compared_runs_share_rows_charts_and_a_slider(visit):
    """Rows that differ come first, the best is marked, one slider moves all plots of a row."""
    shown = visit("models/compare.html")
    shown.draw_all()
    assert shown.traces(".chart") == [4, 2]
    assert shown.page.locator("td.best").count() == 3
    rows = shown.page.locator("#facts-table tbody tr:visible")
    before = rows.count()
    shown.page.locator("#only-differences").uncheck()
    assert (before, rows.count()) == (1, 3)
    assert shown.page.locator("#parallel").count() == 0
    assert "-lr = 0" in shown.page.locator(".diff .removed").inner_text()
    shown.page.locator(".joint-stepper input").first.fill("1")
    assert shown.traces(".plot")[:2] == [2, 2]


def test_a_sweep_is_explored_by_clicking(visit, site):
    """What is chosen hides runs everywhere, is in the address, and is there after a reload."""
    html = pages.compare_page(samples.compare(count=9), PLACE)
    (site / "models" / "sweep.html").write_text(html, encoding="utf-8")
    shown = visit("models/sweep.html")
    page = shown.page
    page.locator(".chart").first.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('.chart').data?.length === 9")
    colours = page.eval_on_selector(".chart", "chart => chart.data.map(line => line.line.color)")
    assert len(set(colours)) == 9

    def heads(table="facts"):
        return page.locator(f"#{table}-table thead th[data-run]:visible").count()

    def charts_have(lines):
        page.locator(".chart").first.scroll_into_view_if_needed()
        page.wait_for_function(f"document.querySelector('.chart').data.length === {lines}")

    page.locator("#facts-table .hide-run").nth(2).click()  # a run is hidden by its head
    charts_have(8)
    assert (heads("values"), heads("config"), heads()) == (8, 8, 8)
    assert page.locator("#parallel .line").count() == 8
    assert page.locator("#scatter circle").count() == 8
    assert page.locator(".joint-plots").first.locator("> :visible").count() == 8
    page.locator("#baseline").select_option("2")
    assert page.locator("#values-table .delta:visible").first.inner_text().endswith("%")

    page.locator("#parallel").scroll_into_view_if_needed()  # a filter is drawn on an axis
    strip = page.locator("#parallel .strip").first.bounding_box()
    x, y = strip["x"] + strip["width"] / 2, strip["y"]
    page.mouse.move(x, y + 20)
    page.mouse.down()
    page.mouse.move(x, y + 90)
    page.mouse.move(x, y + 150)
    page.mouse.up()
    count = page.locator("#parallel output")
    passing = int(count.inner_text().split()[0])
    assert 1 < passing < 8
    assert page.locator("#parallel .faded").count() == 8 - passing
    least = page.get_by_role("slider").first  # and moved by keys
    before = float(least.get_attribute("aria-valuenow"))
    least.press("PageDown")
    assert float(least.get_attribute("aria-valuenow")) == before - 10
    page.locator("#parallel .axis-name").nth(1).press("ArrowLeft")
    page.locator("#parallel .menu-button").click()
    page.locator("#parallel .menu-row", has_text="latency").locator("input").uncheck()
    page.keyboard.press("Escape")
    page.locator("#parallel select").select_option(label="mresnet")
    page.locator("#scatter select").nth(1).select_option(label="latency")
    page.locator("#scatter").get_by_label("Log y").check()
    assert violations(page) == []
    passing = int(count.inner_text().split()[0])
    page.locator("#only-selected").click()
    charts_have(passing)
    assert heads() == passing

    def state():
        return [
            heads(),
            page.locator("#parallel .axis-name").all_inner_texts(),
            page.locator("#parallel .line").first.evaluate("line => getComputedStyle(line).stroke"),
            count.inner_text(),
            page.locator("#scatter .names text").all_inner_texts(),
            page.locator("#scatter").get_by_label("Log y").is_checked(),
            page.locator("#baseline").input_value(),
        ]

    kept = state()
    page.get_by_role("link", name="Scalars").click()
    page.reload()
    page.wait_for_selector("#parallel .line")
    page.wait_for_selector("#scatter circle")
    assert state() == kept
    assert "#scalars&" in page.url
    page.locator("#show-all").click()
    assert heads() == 9
    with page.expect_event("load"):  # another address is read, whatever it says
        page.evaluate("location.hash = 'parallel=[1]&scatter={&hide=99,x&baseline=-1'")
    page.wait_for_selector("#parallel .line")
    assert heads() == 9


def test_a_standalone_page_works_alone(visit, tmp_path):
    """Copied anywhere, it requests no other file and draws the same."""
    html = pages.model_page(samples.model(), pages.PagePlace(standalone=True))
    (tmp_path / "made.html").write_text(html, encoding="utf-8")
    (tmp_path / "mail").mkdir()
    shutil.move(tmp_path / "made.html", tmp_path / "mail" / "münchen #1.html")
    shown = visit("münchen #1.html", folder=tmp_path / "mail")
    shown.draw_all()
    assert len(shown.requests) == 1
    assert shown.traces(".chart") == [2, 1]
    shown.page.locator("#theme").click()


def test_pictures_in_a_neighbouring_folder_are_shown(visit, site):
    """The policy of the page allows them."""
    (site / "files").mkdir()
    png = base64.b64decode(samples.PIXEL.partition(",")[2])
    (site / "files" / "a b.png").write_bytes(png)
    step = Step(iteration=0, shown=Picture("../files/a%20b.png", "image", "a b.png"))
    values = samples.model(reported=Reported(plots=(Plot("seen", "", (step,)),)))
    (site / "models" / "seen.html").write_text(pages.model_page(values, PLACE), encoding="utf-8")
    shown = visit("models/seen.html")
    shown.draw_all()
    shown.page.wait_for_function("document.querySelector('#pictures img')?.naturalWidth === 1")


WHAT_RAN = """() => {
    const wrong = window.pwned === undefined ? [] : ['a text ran'];
    for (const each of document.querySelectorAll('*')) {
        for (const { name } of each.attributes) if (name.startsWith('on')) wrong.push(name);
        if (/^(iframe|object|embed|base|form|frame|applet)$/i.test(each.tagName))
            wrong.push(each.tagName);
        if (each.localName !== 'a' || !each.hasAttribute('href') || each.download) continue;
        const link = new URL(each.getAttribute('href'), location);
        if (!/^(https?|file):$/.test(link.protocol)) wrong.push(link.href);
    }
    return wrong;
}"""


def quiet(text):
    """Return reports with hostile texts, without anything that plotly would draw."""
    whole = samples.reported(text)
    return replace(whole, charts=(), plots=whole.plots[2:])


def test_no_hostile_text_runs_on_any_page(visit, site):
    """All of them, in every text field and link of every page: nothing runs.

    A field has twenty of them at once, because a page for each would take minutes; test_pages.py
    checks each alone. The next test is about plotly.
    """
    place = pages.PagePlace(root="", home="index.html")
    shown = visit("empty.html")
    for first in range(0, len(samples.HOSTILE), 20):
        text = " ".join(samples.HOSTILE[first : first + 20])
        compared = samples.compare(text, text, 3)
        compared = replace(
            compared, runs=tuple(replace(run, reported=quiet(text)) for run in compared.runs)
        )
        for html in (
            pages.model_page(replace(samples.model(text, text), reported=quiet(text)), place),
            pages.model_page(replace(samples.dataset(text, text), reported=quiet(text)), place),
            pages.task_page(replace(samples.task(text, text), reported=quiet(text)), place),
            pages.compare_page(compared, place),
            samples.index_html(samples.index(4, text), place),
        ):
            (site / "hostile.html").write_text(html, encoding="utf-8")
            shown.page.goto((site / "hostile.html").as_uri())
            assert shown.page.evaluate(WHAT_RAN) == [], ascii(text)
            assert shown.page.evaluate("window.violations") == [], ascii(text)
            assert shown.page.locator("#theme").count() == 1


def test_charts_with_hostile_titles_are_drawn_and_run_nothing(visit, site):
    """All of them at once as titles, series, notes, tags and links, drawn by plotly."""
    texts = samples.HOSTILE
    links = tuple(Link(text, text) for text in texts)
    plots = tuple(
        Plot(t, t, (Step(iteration=1, shown=samples.figure(), note=t),)) for t in texts[::8]
    )
    charts = tuple(
        Chart(
            texts[first],
            tuple(
                Line(name=name, iterations=[1, 2], values=[1.0, 2.0], seconds=[1.0, 2.0], points=9)
                for name in texts[first : first + 8]
            ),
        )
        for first in range(0, len(texts), 8)
    )
    values = samples.model(
        "all",
        tags=tuple(texts),
        facts=tuple(Fact(text, text, text) for text in texts),
        versions=tuple(
            Version(link=link, aliases=(link.text,), created="x", here=False) for link in links
        ),
        history=tuple(Change(text, text, text) for text in texts),
        reported=Reported(charts=charts, singles=tuple((t, 1.0) for t in texts), plots=plots),
    )
    (site / "models" / "all.html").write_text(pages.model_page(values, PLACE), encoding="utf-8")
    shown = visit("models/all.html")
    shown.draw_all()
    lines = [len(chart.lines) for chart in charts]
    assert shown.traces(".chart") == lines
    assert shown.traces(".plot") == [1] * len(plots)
    shown.page.evaluate(
        "Plotly.Fx.hover(document.querySelector('.chart'), [{ curveNumber: 0, pointNumber: 0 }])"
    )
    shown.page.wait_for_selector(".hoverlayer .legend, .hoverlayer .hovertext")
    assert shown.page.evaluate(WHAT_RAN) == []
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_figures_in_a_notebook_are_drawn_in_a_frame_of_their_own(browser, tmp_path):
    """Without a request; hostile titles run nothing, and the frame cannot reach the notebook."""
    texts = [each for each in samples.HOSTILE if "\ud800" not in each][::12]
    made = [Figure(scalar_figure(text, [(text, [1, 2], [0.5, 0.25])])) for text in texts]
    place = tmp_path / "notebook.html"
    place.write_text(f"<!doctype html><meta charset=utf-8>{Figures(made)._repr_html_()}", "utf-8")
    shown = Visit(browser, place)
    frame = shown.page.frame_locator("iframe")
    frame.locator(".js-plotly-plot .scatterlayer .trace").nth(len(texts) - 1).wait_for()
    assert frame.locator(".js-plotly-plot").count() == len(texts)
    inside = shown.page.frames[1]
    assert inside.evaluate("[window.pwned, origin]") == [None, "null"]
    assert shown.page.evaluate("window.pwned") is None
    assert shown.requests == [place.as_uri()]
    assert shown.close() == []
