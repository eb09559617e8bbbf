"""Overview, models, tasks and comparisons in Firefox; `.ci/long firefox` installs what it needs.

The other tests use Chromium. Here each page is opened, everything on it is drawn, and Firefox has
nothing to complain about.
"""

from __future__ import annotations

import shutil
import time

import pytest
from support import page_samples as samples
from support.skips import NO_FIREFOX

from localreg.pages import pages
from localreg.pages.assets import write_assets

PLACE = pages.PagePlace(root="../", home="../index.html")
DRAWN = """
    for (const each of document.querySelectorAll('.figure')) {
        if (each.classList.contains('waiting')) {
            each.scrollIntoView({ behavior: 'instant' });
            return false;
        }
    }
    return true;
"""
COMPLAINTS = """
    return Services.console.getMessageArray()
        .filter(each => each instanceof Ci.nsIScriptError && each.sourceName.startsWith('file:'))
        .map(each => String(each));
"""


@pytest.fixture(scope="module")
def firefox(tmp_path_factory):
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None or pytest.importorskip("marionette_driver", reason=NO_FIREFOX) is None:
        pytest.skip(NO_FIREFOX)
    from marionette_driver.marionette import Marionette

    log = tmp_path_factory.mktemp("firefox") / "log"
    started = Marionette(bin=program, headless=True, port=0, gecko_log=str(log))
    started.start_session()
    try:
        yield started
    finally:
        started.quit()
        started.cleanup()


@pytest.mark.parametrize("kind", ["index", "model", "task", "comparison"])
@pytest.mark.filterwarnings("ignore")  # those of the library that drives Firefox
def test_a_page_is_drawn_without_complaints(kind, firefox, tmp_path):
    write_assets(tmp_path / "assets")
    (tmp_path / "models").mkdir()
    place = tmp_path / "models" / "page.html"
    text = {
        "index": lambda: samples.index_html(samples.index(40), PLACE),
        "model": lambda: pages.model_page(samples.model(reported=samples.reported()), PLACE),
        "task": lambda: pages.task_page(samples.task(), PLACE),
        "comparison": lambda: pages.compare_page(samples.compare(), PLACE),
    }[kind]()
    place.write_text(text, "utf-8")
    with firefox.using_context("chrome"):
        firefox.execute_script("Services.console.reset()")
    firefox.navigate(place.as_uri())
    end = time.monotonic() + 60
    while not firefox.execute_script(DRAWN):
        assert time.monotonic() < end, "a figure is not drawn"
        time.sleep(0.05)
    counted = "return document.querySelectorAll('.figure').length"
    assert bool(firefox.execute_script(counted)) == (kind != "index")
    if kind == "index":
        assert firefox.execute_script(
            "return document.querySelectorAll('[role=row], tr').length > 5"
        )
    wide = "return document.documentElement.scrollWidth <= innerWidth"
    assert firefox.execute_script(wide)
    with firefox.using_context("chrome"):
        assert firefox.execute_script(COMPLAINTS) == []
