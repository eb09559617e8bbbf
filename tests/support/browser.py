"""A Chromium that opens pages from disk and records requests, errors and warnings."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from functools import cache
from importlib.resources import files

import pytest

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
# Warnings of Chromium about itself, on machines without a graphics card.
ITS_OWN = ("Canvas2D: Multiple readback", "GPU stall due to ReadPixels", "GL Driver Message")


def chromium_path() -> str:
    """Return the path of an installed Chromium; skip the test if there is none."""
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(CHROMIUMS)} is installed")
    return found


@cache
def _axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


# Without preload: it would fetch style sheets, which the policy of our pages forbids.
_FIND = """async () => {
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    const { violations } = await axe.run({ resultTypes: ['violations'], preload: false });
    return violations.flatMap(({ id, impact, nodes }) => nodes.map(
        node => `${id} (${impact}): ${node.target.join(' ')} ${node.html.slice(0, 160)}`));
}"""


def violations(page):
    """Return what axe-core finds wrong on a page: in light as wide as it is, in dark at 400 px.

    What is closed or hidden is not looked at: open it, then call this (again).

    Args:
        page: Playwright's. Its colours and its size are as before when this returns.
    """
    size = page.viewport_size
    page.evaluate(_axe())  # the policy of our pages forbids another script element
    found = []
    for scheme, width in (("light", size["width"]), ("dark", 400)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": size["height"]})
        found += [f"{scheme}, {width} px: {each}" for each in page.evaluate(_FIND)]
    page.emulate_media(color_scheme="null")
    page.set_viewport_size(size)
    return found


@contextmanager
def chromium():
    """Start a browser; one is enough for a test module."""
    path = chromium_path()
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """An open page, every request it made, and its errors and warnings.

    Attributes:
        page: Playwright's.
        folder: the folder of the page.
        requests: the URLs, without ``data:`` and ``blob:``, which are not sent to anyone.
        complaints: errors, warnings in the console, and dialogs.
    """

    def __init__(self, browser, path, *, script="", **options):
        self.requests, self.complaints = [], []
        self.folder = path.parent
        self.page = browser.new_page(**({"viewport": {"width": 1280, "height": 900}} | options))
        self.page.set_default_timeout(10_000)
        self.page.on("request", self._asked)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("dialog", self._opened)
        self.page.add_init_script(
            "window.violations = []; document.addEventListener('securitypolicyviolation',"
            " event => violations.push(event.violatedDirective + ' ' + event.blockedURI))"
        )
        self.page.add_init_script(script)  # before those of the page
        self.page.goto(path.as_uri(), timeout=60_000)
        # Plotly starts when the page is shown, and nothing can be clicked meanwhile.
        ready = "() => !document.getElementById('plotly')"
        self.page.wait_for_function(ready, timeout=60_000)

    def _asked(self, request):
        if not request.url.startswith(("data:", "blob:")):
            self.requests.append(request.url)

    def _said(self, message):
        its_own = any(each in message.text for each in ITS_OWN)
        if message.type in ("error", "warning") and not its_own:
            self.complaints.append(f"{message.type}: {message.text}")

    def _opened(self, dialog):
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def draw_all(self):
        """Scroll through the page until every figure is drawn that is not folded or hidden."""
        self.page.evaluate(
            """async () => {
                for (const each of document.querySelectorAll('.figure')) {
                    if (!each.checkVisibility()) continue;
                    each.scrollIntoView({ behavior: 'instant' });
                    const end = Date.now() + 5000;
                    while (each.classList.contains('waiting') && Date.now() < end)
                        await new Promise(requestAnimationFrame);
                }
            }"""
        )

    def traces(self, selector):
        """Return the number of traces of each figure that matches."""
        return self.page.eval_on_selector_all(
            selector, "found => found.map(each => each.data ? each.data.length : 0)"
        )

    def close(self):
        """Close the page, and return its complaints and violations of its policy."""
        wrong = self.complaints + self.page.evaluate("window.violations")
        self.page.close()
        return wrong
