"""The page of a task that runs: its process writes it, and a browser loads it again."""

from __future__ import annotations

import time

import pytest
from support.browser import Visit, chromium
from support.command_line import run_cli

from localreg import Task
from localreg.api.tasks import renewing
from localreg.operations.reports.page_links import page_name, reports_folder
from localreg.values.settings import AUTO_RENDER

OFTEN = 0.01  # seconds
PATIENCE = 60


@pytest.fixture
def task(localreg_registry, monkeypatch):
    monkeypatch.delenv(AUTO_RENDER)
    task = Task.init(project_name="vision", task_name="train", auto_resource_monitoring=False)
    yield task
    task.close()


def page_of(task):
    return reports_folder(task._own_chain().first) / page_name("task", task.id)


def wait_for(happened):
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def has(page, text):
    return page.is_file() and text in page.read_text("utf-8")


def test_the_page_of_a_task_is_written_while_it_runs_and_at_its_end(task):
    page = page_of(task)
    renewal = renewing.Renewal(task._own_chain(), task.id, OFTEN)
    task.get_logger().report_scalar("loss", "train", 1, 0)
    wait_for(lambda: has(page, "loss"))
    assert has(page, "data-renewed")
    task.get_logger().report_text("the second epoch begins", print_console=False)
    wait_for(lambda: has(page, "the second epoch begins"))
    renewal.stop()
    task.close()
    assert has(page, "completed")
    assert not has(page, "data-renewed")


def test_a_setting_says_how_often_and_a_variable_that_no_page_is_written(
    task, localreg_registry, monkeypatch
):
    chain, root = task._own_chain(), localreg_registry.path
    for value, seconds in ((None, 60), ("5m", 300), ("2s", 2), ("off", None)):
        if value:
            assert run_cli("-R", root, "config", "pages.renew", value)[0] == 0
        renewal = renewing.start(chain, task.id)
        assert (renewal and renewal.seconds) == seconds
        if renewal:
            renewal.stop()
    assert run_cli("-R", root, "config", "pages.renew", "--unset")[0] == 0
    monkeypatch.setenv(AUTO_RENDER, "0")
    assert renewing.start(chain, task.id) is None


@pytest.mark.parametrize("value", ["", "soon", "1s", "0s", "nan", "1e5", "9999999999h"])
def test_another_value_is_an_error(value, localreg_registry):
    root = localreg_registry.path
    code, _, err = run_cli("-R", root, "config", "pages.renew", value)
    assert code == 1
    assert "pages.renew must be off, or a time such as 30s" in err
    assert run_cli("-R", root, "config", "pages.renew")[1] == "1m\n"


def test_a_task_that_has_ended_is_not_written_any_more(task):
    renewal = renewing.Renewal(task._own_chain(), task.id, OFTEN)
    task.mark_completed()
    wait_for(lambda: not renewal.is_running)
    renewal.stop()


def test_a_browser_loads_the_page_again_and_says_when_nothing_is_new(task, localreg_registry):
    run_cli("-R", localreg_registry.path, "config", "pages.renew", "2s")
    task.get_logger().report_scalar("loss", "train", 1, 0)
    page = page_of(task)
    localreg_registry.render()
    with chromium() as browser:
        visit = Visit(browser, page)
        shown = visit.page.locator(".renewed")
        assert shown.inner_text() == "The task runs; this page is loaded again every 2 s."
        visit.page.evaluate("location.hash = 'scalars&smoothing=0.5'")
        page.write_text(page.read_text("utf-8").replace(">train<", ">train again<"), "utf-8")
        visit.page.wait_for_function("document.querySelector('h1').textContent == 'train again'")
        assert visit.page.evaluate("location.hash").endswith("smoothing=0.5")
        old = page.read_text("utf-8").replace('data-written="20', 'data-written="19')
        page.write_text(old, "utf-8")
        visit.page.wait_for_selector(".renewed.old")
        assert "days: the task waits, or its process was killed" in shown.inner_text()
        task.close()
        localreg_registry.render()
        visit.page.wait_for_function("!document.querySelector('.renewed')")
        assert visit.close() == []
