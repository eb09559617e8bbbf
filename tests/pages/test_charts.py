"""Charts of model and task pages: their order and groups, and what the reader can do with them."""

from __future__ import annotations

import csv
import io
import json
import math
from urllib.parse import unquote

import pytest
from support import page_samples as samples
from support.browser import Visit, chromium, violations

from localreg.pages import pages
from localreg.pages.assets import asset_path, write_assets
from localreg.pages.chart_groups import chart_groups
from localreg.pages.page_values import Chart, Line, Picture, Plot, Reported, Step
from localreg.pages.patches import patch_files
from localreg.values.frozen import replace

LAYERS = [f"layer{i}" for i in range(60)]


def test_important_charts_come_first_and_numbers_in_their_order():
    """A loss is before sixty layers, which are one folded group; layer10 is after layer9."""
    titles = sorted([*LAYERS, "loss", "lr", "val/f1", "val/auc", "weights/a", "weights/b"])
    groups = chart_groups(titles)
    shown = {group.name: [titles[place] for place in group.places] for group in groups}
    assert list(shown) == ["", "val", "layer0 … layer59", "weights"]
    assert shown[""] == ["loss", "lr"]
    assert shown["layer0 … layer59"] == LAYERS
    assert [group.name for group in groups if group.folded] == ["layer0 … layer59", "weights"]


@pytest.mark.parametrize(
    ("titles", "names"),
    [
        ([], []),
        (["train/loss", "val/loss"], [""]),  # a group of one is none
        (["a/b", "a/c", "/x", "y/", "/"], ["", "a"]),
        (["l1", "l2", "l3"], [""]),
        ([f"{'9' * 5_000}{i}" for i in range(4)], [f"{'9' * 5_000}0 … {'9' * 5_000}3"]),
    ],
)
def test_each_chart_is_in_one_group(titles, names):
    """Whatever the titles are, every chart is shown once."""
    groups = chart_groups(titles)
    assert [group.name for group in groups] == names
    assert sorted(place for group in groups for place in group.places) == list(range(len(titles)))


def test_few_charts_are_not_folded():
    assert not any(group.folded for group in chart_groups(["a/x", "a/y", "b/x", "b/y"]))


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def pure(browser):
    """Call a function of series.js, which needs no page."""
    page = browser.new_page()
    page.evaluate(asset_path("series.js").read_text("utf-8"))

    def call(name, *arguments):
        return page.evaluate(
            "([name, values]) => globalThis.localreg[name](...values)", [name, list(arguments)]
        )

    yield call
    page.close()


def curve(count):
    """Return `count` points of one curve, from 0 to 1,000."""
    x = [1_000 * i / (count - 1) for i in range(count)]
    return x, [2 * math.exp(-each / 150) + math.sin(each / 90) / 10 for each in x]


def test_a_curve_is_smoothed_alike_with_few_and_with_many_points(pure):
    """Fifty points and four thousand of one curve agree; by number of points they would not."""
    few, many = curve(51), curve(4_001)
    for weight in (0.5, 0.9, 0.99):
        one = pure("smoothed", *few, weight, 1_000)
        other = pure("smoothed", *many, weight, 1_000)
        assert max(abs(a - other[80 * i]) for i, a in enumerate(one)) < 0.012
    assert other[0] == many[1][0]  # not pulled to zero
    assert abs(other[-1] - many[1][-1]) > 0.05  # it is smoothed


def test_smoothing_keeps_constants_and_gaps(pure):
    """A line of one value stays; a gap stays a gap, and equal x are no division by zero."""
    x = [0, 1, 1, 5, 6, 7]
    assert pure("smoothed", x, [3, 3, 3, None, 3, 3], 0.9, 7) == pytest.approx(
        [3, 3, 3, None, 3, 3], nan_ok=True
    )
    assert pure("smoothed", [4, 4], [1, 2], 0.9, 0) == [1, 2]
    assert pure("smoothed", x, [1, 2, 3, 4, 5, 6], 0, 7) == [1, 2, 3, 4, 5, 6]
    dense = [i / 1e7 for i in range(1_000)]  # steps that are tiny beside the reach
    assert pure("smoothed", dense, [2] * 1_000, 0.99, 1_000) == pytest.approx([2] * 1_000)


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.15, 2.5, "0.2 0.5 1 2"),
        (0.61, 0.72, "0.62 0.64 0.66 0.68 0.7 0.72"),
        (1e-9, 1e5, "1e-9 1e-6 0.001 1 1000"),
        (30, 700, "50 100 200 500"),
        (2e6, 8e6, "2e6 3e6 4e6 5e6 6e6 7e6 8e6"),
    ],
)
def test_log_axes_have_few_whole_numbers(pure, low, high, texts):
    """There is "0.5", not the "5" of a decade; from two to seven numbers."""
    ticks = pure("logTicks", low, high)
    assert " ".join(pure("tickText", each) for each in ticks) == texts


def test_a_regular_expression_that_is_none_says_why(pure):
    assert "Invalid regular expression" in pure("pattern", "layer(")


def test_a_csv_file_keeps_texts_and_starts_no_formula(pure):
    rows = [["a,b", 'say "x"', "line\nbreak", None, 0.1], ["=1+1", "@x", "-5", -5, 1e-7]]
    read = list(csv.reader(io.StringIO(pure("csv", rows), newline="")))
    assert read == [
        ["a,b", 'say "x"', "line\nbreak", "", "0.1"],
        ["'=1+1", "'@x", "'-5", "-5", "1e-7"],
    ]


PATCH = """diff --git a/net.py b/net.py
index 1..2 100644
--- a/net.py
+++ b/net.py
@@ -1,2 +1,2 @@
 import os
-lr = "</pre><script>window.pwned = 1</script>"
+lr = 0.1
--- this was "-- this"
diff --git "a/b c.bin" "b/b c.bin"
GIT binary patch
literal 5
MlotofBytes
"""


def test_a_patch_is_shown_by_file_without_the_bytes_of_binary_ones():
    """Lines that begin like the head of a file are lines of the patch inside of it."""
    one, other = patch_files(PATCH)
    assert (one.name, one.added, one.removed, one.more) == ("net.py", 1, 2, 0)
    assert one.lines[-1] == ("removed", '--- this was "-- this"')
    assert other.name == "b c.bin"
    assert other.lines == [("head", "The content is binary.")]
    cut, gone = patch_files(PATCH, 3)
    assert (len(cut.lines), cut.more, cut.removed) == (3, 5, 2)
    assert (gone.lines, gone.more) == ([], 1)
    assert patch_files("") == []
    assert patch_files("\udcff no patch")[0].name == ""


def line(name, count, points=None):
    return Line(
        name=name,
        iterations=list(range(count)),
        values=[None if i == 1 else 1 / (i + 1) for i in range(count)],
        seconds=[1.7e9 + i for i in range(count)],
        points=points or count,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The page of a task with 66 scalars and six series of pictures."""
    folder = tmp_path_factory.mktemp("reports")
    write_assets(folder / "assets")
    (folder / "tasks").mkdir()
    charts = [Chart("loss", (line("train", 40, 1_000), line("val", 10)))]
    charts += [Chart(title, (line("norm", 30),)) for title in LAYERS]
    charts += [Chart(f"val/{each}", (line("m", 5),)) for each in ("f1", "auc")]
    charts += [Chart("evil <b>" + "x" * 90, (line("<img src=x>", 5),))]
    charts += [Chart(":monitor:machine", (line("cpu", 9),))]
    step = [Step(iteration=i, shown=Picture(samples.PIXEL, "image", "a.png")) for i in (0, 10, 30)]
    figure = Step(iteration=0, shown=samples.figure())
    plots = [Plot("seen", f"sample {i}", tuple(step[: i + 1])) for i in range(3)]
    plots += [Plot("seen", "masks", (step[0],)), Plot("curve", "roc", (figure,))]
    for title, eye in (("landscape", 1), ("from afar", 3)):
        scene = {"camera": {"eye": {"x": eye, "y": eye, "z": eye}}}
        surface = {"data": [{"type": "surface", "z": [[0, 1], [2, 3]]}], "layout": {"scene": scene}}
        plots += [Plot(title, "", (Step(iteration=0, shown=surface),))]
    reported = Reported(charts=tuple(charts), plots=tuple(plots))
    levels = {0: "DEBUG", 7: "WARNING", 999: "ERROR"}
    task = replace(
        samples.task(),
        reported=reported,
        id="5e" * 16,
        parameters=tuple(
            (section, f"{section.lower()}_learning_rate_{i}", str(i))
            for section in ("General", "Net")
            for i in range(9)
        ),
        diff=PATCH,
    )
    log = tuple(("12:00", levels.get(i % 1_000, "INFO"), f"step {i}") for i in range(5_000))
    console = replace(task, reported=Reported(), log=log)
    place = pages.PagePlace(root="../")
    for name, values in {"task": task, "console": console}.items():
        html = pages.task_page(values, place)
        (folder / "tasks" / f"{name}.html").write_text(html, encoding="utf-8")
    return folder


def download(page, click):
    with page.expect_download() as waiting:
        click()
    return waiting.value


def test_a_reader_finds_pins_smooths_enlarges_and_saves_charts(browser, site):
    """In one visit: what the address keeps, what a reload shows, and what files contain."""
    shown = Visit(browser, site / "tasks" / "task.html")
    page = shown.page
    card = page.locator('.chart-card:has(h3:text-is("loss"))')
    visible = page.locator("#scalars .chart-card:visible")

    # The first charts are the important ones; sixty layers and the machine are folded.
    assert visible.locator("h3").all_inner_texts()[:1] == ["loss"]
    assert visible.count() == 4
    assert page.locator("#machine .chart-card:visible").count() == 0
    page.locator("summary", has_text="layer0").click()
    assert visible.count() == 64
    assert '"layer0 … layer59"' in unquote(page.url.replace("+", " "))

    # A filter by a regular expression; one that is none hides nothing and says why.
    page.locator("#chart-filter").fill("^layer1.$|/train$")
    assert page.locator("#chart-count").inner_text() == "11 of 65"
    assert visible.locator("h3").all_inner_texts()[:3] == ["loss", "layer10", "layer11"]
    page.locator("#chart-filter").fill("layer(")
    assert "Invalid regular expression" in page.locator("#chart-filter-wrong").inner_text()
    assert visible.count() == 11
    page.locator("#chart-filter").fill("nothing is named so")
    assert page.locator("#no-charts").is_visible()
    page.locator("#chart-filter").fill("^layer1.$|loss")

    # Pins come first, and a reload keeps all choices.
    page.get_by_label("Pin layer12").click()
    page.locator("#smoothing").fill("0.9")
    page.locator("#log-y").check()
    page.locator("#x-axis").select_option("relative")
    for _ in range(2):
        assert page.locator("#pinned h3").all_inner_texts() == ["Pinned", "layer12"]
        assert page.locator("#chart-count").inner_text() == "11 of 65"
        assert page.locator("#smoothing-value").inner_text() == "0.90"
        shown.draw_all()
        page.wait_for_function("document.querySelector('.chart').data.length === 2")
        eyes = page.evaluate(
            "[...document.querySelectorAll('.figure')].filter(each => each._fullLayout?.scene)"
            ".map(each => each._fullLayout.scene.camera.eye.x)"
        )
        assert eyes == pytest.approx([math.sqrt(2.45**2 / 3), 3])  # a near camera moves back
        axis = page.evaluate("document.getElementById('chart-13').layout.yaxis")
        assert axis["ticktext"] == ["0.05", "0.1", "0.2", "0.5", "1"]
        assert page.locator("#x-axis").input_value() == "relative"
        page.reload()
    assert violations(page) == []
    page.get_by_label("Pin layer12").click()
    assert page.locator("#pinned").is_hidden()
    assert visible.locator("h3").all_inner_texts()[3] == "layer12"

    # Downloads have what is drawn, and say in their names that points are missing.
    saved = download(page, lambda: card.get_by_text("CSV").click())
    assert saved.suggested_filename == "loss-thinned.csv"
    rows = list(csv.reader(io.StringIO(saved.path().read_text())))
    assert rows[0] == ["title", "series", "iteration", "time", "value"]
    assert rows[1] == ["loss", "train", "0", "2023-11-14T22:13:20.000Z", "1"]
    assert rows[2][4] == ""
    assert len(rows) == 1 + 40 + 10
    assert "localreg scalars 5e5e5e5e --csv" in page.inner_text("#scalars")
    assert "train: 1,000 points, 40 drawn" in card.inner_text()
    saved = download(page, lambda: card.get_by_text("PNG").click())
    assert saved.suggested_filename == "loss.png"
    assert saved.path().read_bytes().startswith(b"\x89PNG")

    # One chart fills the window; the keyboard goes on to others and back.
    small = card.locator(".figure").bounding_box()["height"]
    card.get_by_label("Enlarge").click()
    dialog = page.locator("dialog")
    assert dialog.locator("h3").inner_text() == "loss"
    assert dialog.locator(".figure").bounding_box()["height"] > small + 200
    assert violations(page) == []
    page.keyboard.press("PageDown")
    assert dialog.locator("h3").inner_text() == "layer10"
    page.keyboard.press("Escape")
    assert visible.locator("h3").all_inner_texts()[:2] == ["loss", "layer10"]
    assert card.locator(".figure").bounding_box()["height"] == small

    # Pictures: one slider for all; each shows the last one up to the iteration.
    gallery = page.locator("#pictures")
    gallery.locator(".joint-stepper input").fill("1")
    labels = gallery.locator(".plot-card .stepper output").all_inner_texts()
    assert labels == ["iteration 10", "iteration 10"]
    gallery.locator("img").nth(2).click()
    assert dialog.locator("h3").inner_text() == "sample 2"
    page.keyboard.press("ArrowRight")
    assert dialog.locator(".stepper output").inner_text() == "iteration 30"
    page.keyboard.press("Escape")

    own = {(site / "tasks" / "task.html").as_uri()}
    own |= {each.as_uri() for each in (site / "assets").iterdir()}
    assert {url.partition("#")[0] for url in shown.requests} <= own
    assert shown.close() == []


def test_a_reader_finds_lines_of_the_console_parameters_and_changes(browser, site):
    """Levels and patterns choose lines, and a reload keeps them; the patch is coloured text."""
    shown = Visit(browser, site / "tasks" / "console.html")
    page = shown.page
    lines = page.locator(".log .line:visible")
    assert page.evaluate("document.querySelector('.log').scrollTop") > 90_000  # the end is shown
    page.locator("#log-level").select_option("warning")
    page.locator("#log-filter").fill("step .*7$|999")
    for _ in range(2):
        assert page.locator("#log-count").inner_text() == "10 of 5,000 lines"
        assert lines.first.text_content() == "12:00WARNINGstep 7"
        page.reload()
    page.locator("#log-filter").fill("(")
    assert "Invalid regular expression" in page.locator("#log-filter-wrong").inner_text()

    page.get_by_label("Filter parameters").fill("NET rate_4")
    rows = page.locator("#parameters-table tbody tr:visible")
    assert rows.all_inner_texts() == ["Net", "net_learning_rate_4\t4"]

    page.locator("#diff summary").first.click()
    assert page.locator("#diff .removed").first.inner_text().startswith('-lr = "</pre><script>')
    assert page.locator("#diff small").nth(1).inner_text() == "+1 −2"
    assert page.evaluate("window.pwned") is None
    assert violations(page) == []
    assert shown.close() == []


def test_paper_has_whole_tables_and_figures_that_fit(browser, site, tmp_path):
    """Nothing is cut off, buttons are left out, and folded groups stay folded."""
    shown = Visit(browser, site / "tasks" / "task.html", viewport={"width": 688, "height": 900})
    page = shown.page
    shown.draw_all()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    cut = page.evaluate(
        """() => [...document.querySelectorAll('.box, .card, .figure, .chart-card h3, td, th')]
            .filter(each => each.checkVisibility() && !each.closest('.graph') && !each.style.zoom
                && (each.scrollWidth > each.clientWidth + 1 && each.clientWidth
                    || each.scrollHeight > each.clientHeight + 2 && each.clientHeight))
            .map(each => each.className + each.textContent.slice(0, 40))"""
    )
    assert cut == []
    assert page.locator(".card-button:visible, .tools:visible, .copy:visible").count() == 0
    assert page.locator("#scalars .chart-card:visible").count() == 4
    assert page.locator("#scalars .chart:visible .main-svg").count() > 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert shown.close() == []


HEBREW = "\u05de\u05d5\u05d3\u05dc"  # a word that is read from right to left


def test_names_keep_their_direction_and_hidden_characters_are_seen(browser, site):
    """A version stays behind a name in Hebrew; what turns text around is written as an escape."""
    text = f"vision/{HEBREW}:12"
    evil = "safe\u202egpj.exe\x1b[31m"
    chart = Chart(evil, (line(evil, 3),))
    plots = (Plot(evil, evil, (Step(iteration=0, shown=samples.figure()),)),)
    values = samples.model(
        evil, ref=text, name=HEBREW, reported=Reported(charts=(chart,), plots=plots)
    )
    page = pages.model_page(values, pages.PagePlace(root="../"))
    (site / "tasks" / "turned.html").write_text(page, encoding="utf-8")
    shown = Visit(browser, site / "tasks" / "turned.html")
    page = shown.page
    shown.draw_all()
    box = "each => { const box = each.getBoundingClientRect(); return [box.left, box.right]; }"
    places = page.locator("h1 bdi").evaluate_all(f"all => all.map({box})")
    assert [left for left, _ in places] == sorted(left for left, _ in places)
    assert page.locator("h1").inner_text() == text
    assert (
        page.title()
        == f"\u2066\u2068vision\u2069/\u2068{HEBREW}\u2069:\u206812\u2069\u2069 · localreg"
    )
    read = """() => [...document.querySelectorAll('body *')].flatMap(each => [
        ...[...each.childNodes].filter(({ nodeType }) => nodeType === 3).map(({ data }) => data),
        each.title, each.ariaLabel, each.alt]).filter(Boolean)"""
    texts = [each for each in page.evaluate(read) if "gpj" in each and not each.startswith("{")]
    assert len(texts) > 20
    assert [each for each in texts if "\u202e" in each or "\x1b" in each] == []
    assert page.locator(".legend span").inner_text() == "safe\\u202egpj.exe\\x1b[31m"
    assert page.locator("[data-copy*='\u202e']").count() > 0  # what is copied is the name itself
    assert shown.close() == []


def test_the_state_of_an_address_that_a_stranger_made_is_harmless(browser, site):
    """Values that the page did not write there change nothing, and run nothing."""
    evil = "#scalars&smoothing=x&pin=[1,{}]&groups=7&x=evil&charts=<img src=x onerror=pwned=1>"
    shown = Visit(browser, site / "tasks" / "task.html")
    shown.page.goto((site / "tasks" / "task.html").as_uri() + evil)
    shown.page.reload()
    assert shown.page.evaluate("typeof pwned") == "undefined"
    assert shown.page.locator("#smoothing-value").inner_text() == "off"
    assert shown.page.locator("#x-axis").input_value() == "iteration"
    assert json.loads(shown.page.evaluate("JSON.stringify(location.hash.length > 0)"))
    assert shown.close() == []
