"""Figures that a script shows or saves become reports, with ClearML's titles."""

from __future__ import annotations

import io
import json
import weakref

import numpy as np
import pytest
from support.frameworks import wanted

from localreg import Logger, Task
from localreg.operations.reports import charts

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    plt.close("all")


@pytest.fixture
def task(registry):
    task = Task.init(project_name="p", task_name="t")
    yield task
    task.close()


def reported(task):
    """Return ``{(title, series, iteration): Plotly figure, or bytes of a picture}``."""
    _, registry, owner = task._owned()
    found = {}
    with registry.store.read() as connection:
        for group in charts.figure_rows(connection, owner):
            (row,) = group.rows
            key = (group.title, row.series, group.iteration)
            if row.kind == "media":
                found[key] = registry.blobs.blob(row.digest).read_bytes()
            else:
                found[key] = charts.drawing_of(connection, row).parts
    return found


def curve(title="", values=(1, 2, 3)):
    figure, axes = plt.subplots()
    axes.plot(values)
    axes.set_title(title)
    return figure


def test_what_is_shown_is_reported_once(task):
    figure = curve("loss")
    plt.show()
    assert list(reported(task)) == [("loss", "plot", 0)]
    (trace,) = reported(task)["loss", "plot", 0]["traces"]
    assert trace["y"] == [1, 2, 3]
    figure.savefig("a.png")
    plt.savefig("a.pdf")
    plt.show()
    plt.show()
    assert len(reported(task)) == 1
    figure.axes[0].plot([3, 2, 1])
    plt.show()
    assert list(reported(task)) == [("loss", "plot", 0), ("loss/1", "plot", 0)]
    assert (figure.axes[0].get_title(), len(figure.axes[0].lines)) == ("loss", 2)  # as it was


def test_open_figures_of_an_ended_task_are_not_those_of_the_next(registry):
    """plt.show shows all open figures, and without a window none is closed."""
    first = Task.init(project_name="p", task_name="first")
    ended, changed = curve("ended"), curve("changed")
    plt.show()
    first.close()
    second = Task.init(project_name="p", task_name="second")
    curve("next")
    changed.axes[0].plot([3, 2, 1])
    plt.show()
    assert sorted(title for title, *_ in reported(second)) == ["changed", "next"]
    ended.savefig("asked_for.png")
    assert sorted(title for title, *_ in reported(second)) == ["changed", "ended", "next"]
    second.close()
    assert sorted(title for title, *_ in reported(first)) == ["changed", "ended"]


def test_what_is_saved_to_a_path_is_reported(task, tmp_path):
    curve("one").savefig(tmp_path / "one.png")
    curve("two").savefig(fname="two.svg")
    curve("three").savefig(io.BytesIO())
    assert [title for title, _, _ in reported(task)] == ["one", "two"]


def test_titles_are_those_of_clearml(task):
    logger = task.get_logger()
    curve().savefig("a.png")
    curve().savefig("a.png")
    both = curve("axes")
    both.suptitle("figure\nof two lines")
    both.savefig("a.png")
    for iteration in (3, 4):
        logger.report_scalar("loss", "train", 1, iteration)
        curve("epoch").savefig("a.png")
        curve("epoch").savefig("a.png")
    assert list(reported(task)) == [
        ("epoch", "plot", 3), ("epoch", "plot", 4), ("epoch/1", "plot", 3), ("epoch/1", "plot", 4),
        ("figure of two lines", "plot", 0), ("untitled 00", "plot", 0), ("untitled 01", "plot", 0),
    ]  # fmt: skip


def test_a_hundred_figures_without_a_title_are_kept(task):
    figure = curve(values=[0, 0])
    for number in range(102):
        figure.axes[0].lines[0].set_ydata([number, 0])
        figure.savefig("a.png", dpi=20)
    found = reported(task)
    assert len(found) == 100
    assert found["untitled 01", "plot", 0]["traces"][0]["y"] == [101, 0]


def test_what_plotly_would_lose_is_a_picture(task):
    figure, axes = plt.subplots()
    axes.imshow(np.zeros((2, 2)))
    axes.set_title("pixels")
    figure.savefig("a.jpg")
    plt.subplots(2)[0].savefig("a.png")
    found = reported(task)
    assert list(found) == [("pixels", "plot image", 0), ("untitled 00", "plot image", 0)]
    assert found["pixels", "plot image", 0].startswith(b"\x89PNG")


def test_pictures_only_if_that_is_chosen(task):
    Logger.matplotlib_force_report_non_interactive(True)
    try:
        curve("loss").savefig("a.png")
        task.get_logger().report_matplotlib_figure("by hand", "s", curve())
    finally:
        Logger.matplotlib_force_report_non_interactive(False)
    assert list(reported(task)) == [("by hand", "s", 0), ("loss", "plot image", 0)]
    assert reported(task)["by hand", "s", 0].startswith(b"\x89PNG")


def test_what_the_script_reports_is_not_reported_again(task):
    figure = curve("loss")
    logger = task.get_logger()
    logger.report_matplotlib_figure("mine", "curve", figure, 5)
    logger.report_matplotlib_figure("mine", "image", figure, 5, report_image=True)
    logger.report_matplotlib_figure("mine", "fixed", plt, 5, report_interactive=False)
    plt.show()
    figure.savefig("a.png")
    found = reported(task)
    assert {series: isinstance(each, bytes) for (_, series, _), each in found.items()} == {
        "curve": False, "fixed": True, "image": True,
    }  # fmt: skip
    assert {title for title, _, _ in found} == {"mine"}


def test_tensorboard_figures_are_reported_once(task):
    board = pytest.importorskip("tensorboardX")
    with board.SummaryWriter("runs/a") as writer:
        writer.add_figure("val/curve", curve("loss"), 3)
    assert list(reported(task)) == [("val", "curve", 3)]


@pytest.mark.parametrize("frameworks", [False, {"matplotlib": False}])
def test_nothing_is_reported_if_it_is_not_wanted(registry, frameworks):
    task = Task.init(auto_connect_frameworks=frameworks)
    curve("loss").savefig("a.png")
    assert reported(task) == {}
    task.close()


def test_nothing_is_patched_before_a_task_starts_and_after_it_ends(registry):
    figure = matplotlib.figure.Figure
    originals = (plt.show, figure.savefig, figure.show)
    assert not any(hasattr(each, "__wrapped__") for each in originals[1:])
    task = Task.init()
    assert plt.show is not originals[0]
    task.close()
    assert (plt.show, figure.savefig, figure.show) == originals
    curve("loss").savefig("a.png")
    assert reported(task) == {}


def test_figures_are_not_kept_alive(task):
    seen = weakref.ref(curve("loss"))
    plt.gcf().savefig("a.svg")
    plt.close("all")
    import gc

    gc.collect()
    assert seen() is None


def test_the_cells_of_a_notebook_report_their_figures(registry, tmp_path, monkeypatch):
    """The backend of notebooks shows all figures at the end of a cell, by its own `show`."""
    (tmp_path / "matplotlib_inline").mkdir()
    (tmp_path / "matplotlib_inline" / "__init__.py").touch()
    (tmp_path / "matplotlib_inline" / "backend_inline.py").write_text(
        "def show(close=None, block=None): pass\ndef flush_figures(): return show(True)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from matplotlib_inline import backend_inline

    task = Task.init()
    curve("loss")
    backend_inline.flush_figures()
    assert list(reported(task)) == [("loss", "plot", 0)]
    task.close()


def test_figures_of_seaborn(task):
    seaborn = wanted("seaborn")
    grid = seaborn.relplot(x=[1, 2, 3], y=[1, 4, 9])
    grid.savefig("a.png")
    axes = seaborn.heatmap(np.eye(3))
    axes.set_title("heat")
    axes.figure.savefig("b.png")
    assert {title for title, _, _ in reported(task)} == {"untitled 00", "heat"}


def test_each_report_can_be_read_by_a_browser(task):
    curve("gap", [1, np.nan, 3]).savefig("a.png")
    assert json.dumps(reported(task)["gap", "plot", 0], allow_nan=False)
