"""The overview in a browser, opened from disk: one visit clicks through each list."""

from __future__ import annotations

import time
from urllib.parse import parse_qs

import pytest
from support import page_samples as samples
from support.browser import Visit, chromium, violations

from localreg.pages import index_data, pages
from localreg.pages.assets import write_assets
from localreg.pages.page_values import IndexColumn
from localreg.values.frozen import replace


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def visit(browser, tmp_path):
    """Open the overview of some values; the test fails if the page has complaints."""
    opened = []

    def go(values, in_page=None, **options):
        folder = tmp_path / "my registry" / "reports"
        write_assets(folder / "assets")
        (folder / index_data.FOLDER).mkdir()
        data = index_data.index_data(values, in_page)
        for name, text in data.files.items():
            (folder / index_data.FOLDER / name).write_text(text, encoding="utf-8")
        html = "".join(pages.index_page(data, pages.PagePlace()))
        (folder / "index.html").write_text(html, encoding="utf-8")
        opened.append(Visit(browser, folder / "index.html", **options))
        return opened[-1]

    yield go
    assert [wrong for each in opened for wrong in each.close()] == []


def names(page):
    """Return the names of the rows in view, from the top."""
    return page.eval_on_selector_all(
        ".vt-row", "rows => rows.map(row => row.querySelector('.name').textContent)"
    )


def titles(page):
    """Return the titles of the columns."""
    return page.eval_on_selector_all(".vt-title", "all => all.map(each => each.textContent)")


def shows(page, text):
    """Wait until the page says how many rows it lists."""
    page.wait_for_function(f"document.getElementById('count').textContent === {text!r}")


def search(page, words):
    page.locator("#search").fill(words)


def column_boxes(page, *columns):
    """Choose columns in the menu."""
    page.locator(".menu-button", has_text="Columns").click()
    for each in columns:
        page.locator(f"[data-column='{each}']").click()
    page.keyboard.press("Escape")


def hash_of(page):
    return parse_qs(page.evaluate("location.hash.slice(1)"), keep_blank_values=True)


def sort_by(page, title):
    page.get_by_role("columnheader", name=title, exact=True).get_by_role("button").click()


def test_runs_are_searched_sorted_chosen_and_compared(visit):
    """Columns of values can be chosen; the address keeps everything, also after a reload."""
    # Nothing fits into the page, so that every column is loaded from its file.
    shown = visit(samples.index(), in_page=0)
    page = shown.page
    page.get_by_role("tab", name="Tasks").click()
    shows(page, "50 of 50 tasks")
    page.wait_for_function("document.querySelectorAll('.vt-title').length === 8")
    assert titles(page) == [
        "Task", "Project", "Status", "loss/train", "lr", "Tags", "Duration", "Updated"
    ]  # fmt: skip

    # Less of a loss is better, so the least comes first, and the best is marked.
    sort_by(page, "loss/train")
    header = page.get_by_role("columnheader", name="loss/train")
    assert header.get_attribute("aria-sort") == "ascending"
    assert names(page)[:2] == ["run 49", "run 48"]
    assert page.locator(".vt-row .best").all_inner_texts() == ["0.02"]

    # A comparison with a parameter, by a part of its name, and one with a metric.
    search(page, "params.lr=0.01 loss<0.5")
    shows(page, "8 of 50 tasks")
    assert "loss: loss/train" in page.locator("#search-note").inner_text()
    search(page, "failed status=failed nonsense=1")
    shows(page, "0 of 50 tasks")
    assert "No column is named nonsense" in page.locator("#search-note").inner_text()
    search(page, "duration>1min 1e-2")  # a word in a parameter
    shows(page, "16 of 50 tasks")
    search(page, "")
    shows(page, "50 of 50 tasks")

    # The least and the greatest value, and another fact; no parameter.
    column_boxes(page, "metrics.loss/train|min", "type", "parameters.General/lr")
    page.wait_for_function("document.querySelectorAll('.vt-title').length === 9")
    assert titles(page)[-2:] == ["loss/train min", "Type"]
    assert "lr" not in titles(page)

    page.locator(".menu-button", has_text="Project").click()
    assert [each.split() for each in page.locator(".menu-row:visible").all_inner_texts()] == [
        ["speech", "25"], ["asr", "25"], ["vision", "25"]
    ]  # fmt: skip
    page.locator(".menu-row:visible", has_text="speech").locator("input").check()
    page.keyboard.press("Escape")
    shows(page, "25 of 50 tasks")

    # Two rows are selected by the keyboard, then a range by the pointer.
    boxes = page.locator(".vt-row input")
    boxes.nth(0).focus()
    for key in ("Space", "ArrowDown", "Space"):
        page.keyboard.press(key)
    assert page.locator("#picked-count").inner_text() == "2 tasks selected"
    assert page.locator("#picked-page").is_hidden()
    command = page.locator("#picked-copy").get_attribute("data-copy")
    ids = [f"{i:08x}".ljust(32, "f") for i in (48, 46)]
    assert command.startswith(f"localreg compare {ids[0]} {ids[1]} -R '/")
    assert command.endswith("/my registry'")
    boxes.nth(3).click(modifiers=["Shift"])
    assert page.locator("#picked-count").inner_text() == "4 tasks selected"
    page.locator("#picked-only").click()
    shows(page, "4 of 50 tasks")

    before = hash_of(page)
    assert before["sort"] == ["metrics.loss/train"]
    assert before["project"] == ["speech"]
    assert len(before["pick"][0].split(".")) == 4
    page.reload()
    shows(page, "4 of 50 tasks")
    page.wait_for_function("document.querySelectorAll('.vt-title').length === 9")
    assert hash_of(page) == before
    assert titles(page)[-2:] == ["loss/train min", "Type"]
    assert page.locator("#picked-count").inner_text() == "4 tasks selected"
    assert names(page) == ["run 48", "run 46", "run 44", "run 42"]

    # The selection stays in the other list, where models can join it.
    page.get_by_role("tab", name="Models").click()
    shows(page, "50 of 50 models")
    page.locator(".vt-row input").nth(0).click()
    assert page.locator("#picked-count").inner_text() == "1 model and 4 tasks selected"
    assert "speech/asr/net0:0" in page.locator("#picked-copy").get_attribute("data-copy")
    page.get_by_role("tab", name="Tasks").click()
    shows(page, "4 of 50 tasks")
    page.locator("#picked-clear").click()
    assert page.locator("#picked").is_hidden()
    shows(page, "25 of 50 tasks")
    own = {each.as_uri() for each in shown.folder.rglob("*") if each.is_file()}
    assert {each.partition("#")[0] for each in shown.requests} <= own


def test_models_have_the_values_of_the_task_that_made_them(visit):
    """Its parameters and metrics count where the model has none; rows without a page say so."""
    page = visit(samples.index()).page
    shows(page, "50 of 50 models")
    column_boxes(page, "task")
    sort_by(page, "accuracy")
    assert (
        page.get_by_role("columnheader", name="accuracy").get_attribute("aria-sort") == "descending"
    )
    assert names(page)[0] == "speech/asr/net6:48"
    sort_by(page, "accuracy")
    assert names(page)[0] == "speech/asr/net0:0"
    search(page, "net1 version=1")
    shows(page, "1 of 50 models")
    assert "0.5" not in page.locator(".vt-row").inner_text()
    row = page.locator(".vt-row").inner_text()
    assert "run 0" in row
    assert "\n1e-0" in row  # lr of run 0
    assert page.locator(".vt-row a.name").count() == 0
    copied = page.locator(".vt-row .copy").get_attribute("data-copy")
    assert copied.startswith("localreg report vision/net1:1 -R '/")
    assert "25 of 50 models have no page yet" in page.locator("#unpaged").inner_text()
    assert (
        page.locator("#unpaged .copy")
        .get_attribute("data-copy")
        .startswith("localreg site --all -R")
    )
    search(page, "careful")  # in a comment
    shows(page, "1 of 50 models")
    search(page, '"run 7"')  # the task that made it
    shows(page, "1 of 50 models")
    search(page, "alias=prod")
    shows(page, "1 of 50 models")
    search(page, "NET3 tag1")
    shows(page, "2 of 50 models")
    assert names(page) == ["speech/asr/net3:10", "vision/net3:31"]
    search(page, "")
    page.locator(".menu-button", has_text="Framework").click()
    page.locator(".menu-row", has_text="ONNX").locator("input").check()
    shows(page, "13 of 50 models")
    page.keyboard.press("Escape")
    for _ in range(2):  # missing values come last in either order
        sort_by(page, "Size")
        page.locator(".vt").evaluate("box => { box.scrollTop = 1e9; }")
        page.wait_for_function("document.querySelector('.vt-row:last-child').ariaRowIndex === '14'")
        assert "kB" not in page.locator(".vt-row").last.inner_text()
    page.locator(".menu-button", has_text="Columns").click()
    assert violations(page) == []


def test_long_numbers_of_parameters_are_shortened_and_not_cut(visit):
    """A cut one would lose its exponent; the hint has all digits."""
    values = samples.index(2)
    exact = ["2.1934712345678901e-06", "0.00043465739396145804"]
    columns = (values.tasks.columns[0], replace(values.tasks.columns[1], values=exact))
    page = visit(replace(values, tasks=replace(values.tasks, columns=columns))).page
    page.get_by_role("tab", name="Tasks").click()
    for shown, whole in zip(("2.193e-6", "0.0004347"), exact, strict=True):
        cell = page.get_by_title(whole, exact=True)
        assert cell.inner_text() == shown
        assert cell.evaluate("e => e.parentElement.scrollWidth <= e.parentElement.clientWidth")


def test_whole_numbers_are_equal_only_in_all_their_digits(visit):
    """JavaScript takes 9007199254740993 for 9007199254740992."""
    values = samples.index(2)
    seeds = ["9007199254740992", "9007199254740993"]
    columns = (values.tasks.columns[0], replace(values.tasks.columns[1], values=seeds))
    page = visit(replace(values, tasks=replace(values.tasks, columns=columns))).page
    page.get_by_role("tab", name="Tasks").click()
    search(page, "lr=9007199254740993")
    shows(page, "1 of 2 tasks")
    search(page, "lr!=9007199254740993")
    shows(page, "1 of 2 tasks")
    search(page, "lr>=9007199254740992")
    shows(page, "2 of 2 tasks")


def test_a_comparison_that_was_written_is_linked(visit):
    """Selecting what a page compares, in any order, shows the link to it."""
    ids = (f"{1:08x}".ljust(32, "0"), "0" * 32)
    values = replace(samples.index(), comparisons=(("abc.html", ids),))
    page = visit(values).page
    for row in (0, 1):
        page.locator(".vt-row input").nth(row).check()
    assert page.locator("#picked-page").get_attribute("href") == "compare/abc.html"
    page.locator(".vt-row input").nth(2).check()
    assert page.locator("#picked-page").is_hidden()


def test_rows_are_drawn_as_lines_and_dots(visit):
    """The charts follow the search; a filter on an axis selects rows; a reload shows them again."""
    values = samples.index()
    rare = IndexColumn(kind="parameters", key="Args/rare", at=[0, 1], values=["1", "2"])
    tasks = replace(values.tasks, columns=(*values.tasks.columns, rare))
    page = visit(replace(values, tasks=tasks), in_page=0).page
    page.get_by_role("tab", name="Projects").click()
    page.get_by_role("link", name="Charts of vision").click()
    page.wait_for_function("document.querySelectorAll('#charts circle').length === 25")
    assert page.locator("#panel").is_hidden()
    assert page.locator("#charts .lines .line").count() == 25
    assert page.locator("#charts .axis-name").all_inner_texts() == ["General/lr", "loss/train"]
    search(page, "params.lr=0.01")
    page.wait_for_function("document.querySelectorAll('#charts circle').length === 8")
    for _ in range(3):
        page.get_by_role("slider", name="Most loss/train").press("PageDown")
    select = page.locator("#charts button", has_text="Select these")
    chosen = int(select.inner_text().split()[-1])
    assert 0 < chosen < 8
    select.click()
    assert page.locator("#picked-count").inner_text() == f"{chosen} tasks selected"
    page.locator("#picked-clear").click()
    page.reload()
    page.wait_for_function("document.querySelectorAll('#charts circle').length === 8")
    assert page.locator("#charts .faded").count() == 8 - chosen
    assert violations(page) == []
    page.locator("#view").click()
    shows(page, "8 of 50 tasks")
    assert page.locator(".vt").is_visible()


@pytest.mark.parametrize("first", range(0, len(samples.HOSTILE), 40))
def test_hostile_texts_stay_texts(visit, first):
    """In names, values, menus, commands and charts, from the page and from files."""
    text = " ".join(samples.HOSTILE[first : first + 40])
    page = visit(samples.index(4, text), in_page=0).page
    for tab in ("Tasks", "Models"):
        page.get_by_role("tab", name=tab).click()
        shows(page, f"4 of 4 {tab.lower()}")
        for menu in ("Project", "Columns"):
            page.locator(".menu-button", has_text=menu).click()
            page.keyboard.press("Escape")
        for row in (0, 1):
            page.locator(".vt-row input").nth(row).click()
        search(page, "pwned=1 x=1")
        page.locator("#search-note").wait_for()
        search(page, "")
        page.locator("#view").click()
        page.locator("#charts").wait_for()
        page.locator("#view").click()
    assert page.evaluate("window.pwned") is None
    assert page.evaluate(
        "[...document.querySelectorAll('a')].every(({ href }) => !href || href.startsWith('file:'))"
    )


def test_the_address_stores_the_choices(visit):
    """Back returns to the previous list; the other lists are where they were."""
    page = visit(samples.index()).page
    search(page, "net0")
    page.wait_for_url("**/index.html#q=net0")
    page.get_by_role("tab", name="Projects").click()
    page.locator(".vt-row a", has_text="vision").click()
    shows(page, "25 of 50 models")
    assert page.url.endswith("#project=vision")
    page.go_back()
    shows(page, "2 of 2 projects")
    page.get_by_role("tab", name="Data sets").click()
    shows(page, "1 of 1 data sets")
    row = page.locator(".vt-row").first.inner_text()
    for text in ("vision/pets:1.0.0", "completed", "good", "12,000", "5.0 GB"):
        assert text in row
    search(page, "cars")
    shows(page, "0 of 1 data sets")
    assert violations(page) == []


def test_an_empty_registry_says_how_to_start(visit):
    """It shows code to copy instead of an empty table, and no list of data sets."""
    page = visit(samples.index(0)).page
    assert "No models yet" in page.locator("#welcome").inner_text()
    assert page.locator("#search").is_hidden()
    assert page.get_by_role("tab", name="Data sets").count() == 0


def test_all_rows_are_printed(visit):
    """Paper has a plain table of all rows, and not only of those in view."""
    page = visit(samples.index(201)).page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator(".printed tbody tr").count() == 201
    assert page.locator(".vt").is_hidden()
    assert page.evaluate("document.documentElement.scrollHeight") > 2000
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(".printed").count() == 0


def test_names_do_not_turn_what_surrounds_them(visit):
    """Names are isolated from version and project; characters that turn text are written out."""
    values = samples.index(1, "\u05d0\u05d1\u202egnp")
    page = visit(values).page
    assert names(page) == ["\u05d0\u05d1\\u202egnp/\u05d0\u05d1\\u202egnp:0"]
    parts = page.locator(".vt-row .name > *")
    assert [each.bounding_box()["x"] for each in parts.all()] == sorted(
        each.bounding_box()["x"] for each in parts.all()
    )
    assert "\u202e" not in page.locator("#panel").inner_text()


def test_a_hundred_thousand_models_do_not_stutter(visit):
    """Only few rows are elements at a time; search and sort take a fraction of a second."""
    page = visit(samples.index(100_000), in_page=1_000_000).page
    shows(page, "100,000 of 100,000 models")
    started = time.perf_counter()
    search(page, "net3 group4 tag2 loss<0.9")
    page.wait_for_function("!document.getElementById('count').textContent.startsWith('100')")
    search(page, "")
    page.wait_for_function("document.getElementById('count').textContent.startsWith('100')")
    page.locator("[data-sort=ref]").click()
    page.locator(".vt").evaluate("box => { box.scrollTop = 1e9; }")
    page.wait_for_function("document.querySelector('.vt-row:last-child').ariaRowIndex === '100001'")
    assert time.perf_counter() - started < 8  # about 1.5 s when nothing else runs
    assert page.locator(".vt-row").count() <= 100
