"""The commands report, site and compare, and the methods behind them."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from support.command_line import run_cli

from localreg import InputModel, OutputModel, Registry, Task
from localreg.errors import (
    BrowserNotFoundError,
    ReadOnlyRegistryError,
)
from localreg.operations.reports import charts

BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="Chrome or Chromium is not installed")


@pytest.fixture
def model(registry):
    first = InputModel.import_model("s3://bucket/a.pt", name="a", project="p", tags=["x<y"])
    second = InputModel.import_model("s3://bucket/b.pt", name="a", project="p")
    for each in (first, second):
        each.report_scalar("loss", "train", 1.0, 0)
        each.report_scalar("loss", "train", 0.5, 1)
        each.report_single_value("accuracy", 0.9)
        each.report_matrix("a / matrix: ünï", "s/..", np.eye(3), iteration=7)
        each.flush()  # the commands open the registry again
    return second


def run(*arguments):
    """Return what a command prints on stdout."""
    code, out, err = run_cli(*arguments)
    assert (code, err) == (0, "")
    return out


def test_report_writes_the_page_of_a_model_and_prints_where_it_is(model, registry):
    printed = run("report", "p/a").strip()
    assert Path(printed) == registry.path / "reports" / "models" / f"{model.id}.html"
    text = Path(printed).read_text(encoding="utf-8")
    assert "p/a:2" in text
    assert "accuracy" in text
    assert model.report() == Path(printed)


def test_report_writes_the_page_of_a_task(registry):
    task = Task.create("p", "train")
    task.report_single_value("v", 1)
    printed = run("report", task.id[:10]).strip()
    assert Path(printed) == registry.path / "reports" / "tasks" / f"{task.id}.html"


def test_the_page_of_a_task_shows_what_it_ran_and_kept(registry):
    task = Task.init("p", "train")
    task.connect_configuration({"layers": 3}, name="net")
    artifact = task.upload_artifact("predictions", {"a": 1}) and task.artifacts["predictions"]
    text = task.report(standalone=True).read_text(encoding="utf-8").partition("<main")[2]
    for shown in ("Configuration net", "layers", "predictions", artifact.hash, "json", "python"):
        assert shown in text
    assert str(registry.path) not in text, "a page shows no path of this machine"
    task.close()


def test_a_page_to_mail_is_one_file(model, registry, tmp_path):
    place = tmp_path / "mail" / "page.html"
    assert run("report", "p/a", "-o", str(place)).strip() == str(place)
    text = place.read_text(encoding="utf-8")
    assert "src=" not in text.partition("<body")[0]
    assert str(registry.path) not in text
    folder = tmp_path / "folder"
    folder.mkdir()
    assert model.report(path=folder).parent == folder
    inside = model.report(standalone=True)
    assert inside.parent == registry.path / "reports" / "standalone"


def test_only_a_page_is_replaced_by_a_page(model, registry, tmp_path):
    weights = tmp_path / "net.pt"
    weights.write_bytes(b"weights")
    other = registry.add(weights, "other")
    for command in (("report", model.id), ("compare", model.id, other.id)):
        code, out, err = run_cli(*command, "-o", weights)
        assert (code, out) == (5, ""), err
        assert "is no page" in err
    assert weights.read_bytes() == b"weights"
    page = tmp_path / "page.html"
    page.touch()
    for _ in range(2):
        assert run_cli("report", model.id, "-o", page)[0] == 0


def test_site_writes_everything_and_only_what_changed_again(model, registry):
    overview = registry.render()
    assert overview == registry.path / "reports" / "index.html"
    pages = sorted((registry.path / "reports" / "models").glob("*.html"))
    assert len(pages) == 2
    assert run("site").strip() == str(overview)
    inodes = {page: page.stat().st_ino for page in pages}
    model.report_scalar("loss", "train", 0.1, 2)
    registry.render()
    changed = {page.stem for page in pages if page.stat().st_ino != inodes[page]}
    assert changed == {model.id}


def test_pages_lead_only_to_pages_that_are_there(model, registry):
    alone = model.report().read_text(encoding="utf-8")
    other = next(each for each in registry.models() if each != model)
    assert f"{other.id}.html" not in alone
    registry.render()
    assert f"../models/{other.id}.html" in model.report().read_text(encoding="utf-8")


def test_the_registry_can_be_moved_with_its_pages(model, registry, tmp_path):
    task = Task.init("p", "train")
    task.get_logger().report_image("i", "s", image=np.zeros((2, 2)))
    registry.render()
    for page in (registry.path / "reports").rglob("*.html"):
        assert str(registry.path) not in page.read_text(encoding="utf-8")
    text = task.report().read_text(encoding="utf-8")
    (picture,) = (registry.path / "files").rglob("image.png")
    link = os.path.relpath(picture, registry.path / "reports" / "tasks")
    assert link in text


def test_compare_shows_models_side_by_side(model, registry, tmp_path):
    printed = run("compare", "p/a:1", "p/a:2").strip()
    assert Path(printed).parent == registry.path / "reports" / "compare"
    text = Path(printed).read_text(encoding="utf-8")
    assert "p/a:1" in text
    assert "p/a:2" in text
    place = tmp_path / "compared.html"
    assert run("compare", "p/a:1", model.id, "-o", str(place)).strip() == str(place)
    assert registry.compare("p/a:1", model) == Path(printed)
    code, _, err = run_cli("compare", "p/a:1", "p/a:1")
    assert (code, "2 to 50 different runs" in err) == (1, True)


@pytest.fixture
def sweep(registry):
    """Three tasks that make a model each; all they report, they report as tasks."""
    for number, lr in enumerate((0.1, 0.01, 0.001)):
        task = Task.init("vision", f"try {number}", tags=["sweep"], reuse_last_task_id=False)
        task.connect({"lr": lr, "api_token": "hunter2"})
        task.connect_configuration({"net": {"depth": number}}, name="net")
        log = task.get_logger()
        for iteration in range(3):
            log.report_scalar("loss", "val", 1 / (1 + iteration + number), iteration)
        log.report_confusion_matrix("confusion", "val", iteration=1, matrix=np.eye(2) * number)
        model = OutputModel(task=task, name="net", tags=["sweep"])
        model.set_metadata("accuracy", 0.9 + number / 100, "float")
        model.flush()
        task.close()
    return registry


def test_a_model_is_compared_with_what_the_task_that_made_it_has(sweep):
    """Values, curves, plots and configuration; a task stands beside models; secrets are hidden."""
    task = Task.get_task(project_name="vision", task_name="try 0").id
    found = json.loads(run("compare", "vision/net:2", "vision/net:3", task, "--json"))
    assert found["path"] is None
    assert [each["name"] for each in found["runs"]] == [
        "vision/net:2",
        "vision/net:3",
        "vision/try 0",
    ]
    assert [each["kind"] for each in found["runs"]] == ["model", "model", "task"]
    assert [each["parameters"]["General/lr"] for each in found["runs"]] == ["0.01", "0.001", "0.1"]
    losses = [each["metrics"]["loss/val"] for each in found["runs"]]
    assert [each["min"] for each in losses] == pytest.approx([1 / 4, 1 / 5, 1 / 3])
    assert [each["metadata"] for each in found["runs"]] == [
        {"accuracy": 0.91},
        {"accuracy": 0.92},
        {},
    ]
    place = sweep.compare("vision/net:2", "vision/net:3", Task.get_task(task))
    text = place.read_text(encoding="utf-8")
    assert "Compare 3 models and tasks" in text
    assert "hunter2" not in text
    for shown in ("General/lr", "net.net.depth", "confusion · val"):
        assert shown in text
    (chart,) = re.findall(r'id="chart-data-0">(.*?)</script>', text)
    assert [(line["run"], line["x"]) for line in json.loads(chart)["lines"]] == [
        (number, [0, 1, 2]) for number in range(3)
    ]
    models = Path(run("compare", "vision/net:2", "vision/net:3").strip()).read_text("utf-8")
    assert "net.<" in models  # a key of the configuration, in parts
    assert "General/" in models
    assert "confusion · val" in models


def test_what_is_compared_is_chosen_as_lists_choose(sweep):
    """Models by the filters of ls, or tasks if no model matches; -l takes the best."""

    def names(*arguments):
        return [each["name"] for each in json.loads(run("compare", *arguments, "--json"))["runs"]]

    best = names("-p", "vision", "-t", "sweep", "--sort", "metric:loss/val", "-l", "2")
    assert best == ["vision/net:3", "vision/net:2"]
    assert names("-n", "n*", "-m", "accuracy>0.9")[::-1] == ["vision/net:2", "vision/net:3"]
    assert names("-n", "try*", "--sort", "param:General/lr") == [
        f"vision/try {number}" for number in range(3)
    ]
    assert len(names("--tasks", "-p", "vision", "-m", "metric:loss/val<0.3")) == 2
    assert len(names("vision/net:1", "-n", "try 2")) == 2
    for wrong, code, said in (
        (("-p", "nowhere"), 3, "no models or tasks match"),
        ((), 2, "Give models or tasks"),
        (("vision/net:1", "-l", "2"), 2, "--sort and -l"),
        (("-n", "net", "-l", "1"), 1, "2 to 50 different runs"),
        (("vision/net:1", "vision/none"), 3, "no task has this id or name"),
    ):
        found, _, err = run_cli("compare", *wrong)
        assert (found, said in err) == (code, True), err
    for _ in range(2):
        Task.create("vision", "same")
    code, _, err = run_cli("compare", "vision/net", "vision/same")
    assert (code, "the name of 2 tasks" in err) == (1, True), err
    for number in range(48):
        Task.create("vision", f"more {number}")
    code, _, err = run_cli("compare", "-p", "vision", "--tasks")
    assert (code, "at most 50" in err, "-l 50" in err) == (1, True, True)


def test_a_read_only_registry_writes_pages_only_to_a_given_path(model, registry, tmp_path):
    model.flush()
    with Registry(registry.path, readonly=True) as reading:
        mine = InputModel(model.id, registry=reading)
        for call in (mine.report, reading.render, lambda: reading.compare("p/a:1", "p/a:2")):
            with pytest.raises(ReadOnlyRegistryError):
                call()
        place = tmp_path / "page.html"
        assert mine.report(path=place) == place
        assert reading.compare("p/a:1", "p/a:2", path=tmp_path / "c.html").exists()


@needs_browser
def test_exported_images_are_named_after_their_titles(model, tmp_path):
    printed = run("report", "p/a", "--images", "png,svg", "-o", str(tmp_path / "out"))
    names = sorted(Path(line).name for line in printed.splitlines())
    assert names == ["a_matrix_ünï-s-7.png", "a_matrix_ünï-s-7.svg", "loss.png", "loss.svg"]
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == names
    assert (tmp_path / "out" / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "out" / "loss.svg").read_bytes()


def test_without_a_browser_the_error_says_how_to_get_one(model, tmp_path, monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "none"))
    with pytest.raises(BrowserNotFoundError, match=r"apt-get install chromium.*BROWSER_PATH"):
        model.export_images(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_nothing_reported_is_no_image(registry, tmp_path):
    model = InputModel.import_model("s3://bucket/a.pt", name="a")
    assert model.export_images(tmp_path / "out") == []


def test_notebooks_show_tables_in_which_no_text_is_markup(model, registry):
    task = Task.create("p", "<script>alert(1)</script>")
    model.comment = "<img src=x onerror=alert(1)>"
    for shown in (model, registry.models(), InputModel.query_models(), task, InputModel.empty()):
        html = shown._repr_html_()
        assert "<script" not in html
        assert "<img" not in html
    assert "x&lt;y" in registry.models()._repr_html_()
    assert "p/a:2" in model._repr_html_()


def test_one_damaged_picture_stops_no_page(model, registry, caplog):
    task = Task.init("p", "train")
    for number in range(2):
        task.get_logger().report_image(f"i{number}", "s", image=np.full((2, 2), number))
    blob = next(path for path in (registry.path / "blobs").rglob("*") if path.is_file())
    for copy in registry.path.glob(f"files/{blob.parent.name}{blob.name}/*"):
        copy.unlink()  # or it would take the blob's place
    blob.unlink()
    assert registry.render().exists()
    text = task.report().read_text(encoding="utf-8")
    assert "damaged or missing" in text
    assert text.count("image.png") > 1
    assert "cannot show the file reported" in caplog.text


def test_pages_of_removed_models_are_deleted(model, registry):
    registry.render()
    page = registry.path / "reports" / "models" / f"{model.id}.html"
    assert page.exists()
    InputModel.remove(model)
    registry.render()
    assert not page.exists()


def test_points_and_pictures_of_one_title_are_both_shown(registry):
    task = Task.init("p", "train")
    for series in ("a", "b"):
        task.report_scatter2d("mixed", series, [(0, 1)])
    task.get_logger().report_image("mixed", "", image=np.zeros((2, 2)))
    task.report_table("mixed too", "", table_plot=[["a"]])
    _, its_registry, owner = task._owned()
    plots = charts.reported_values(its_registry, owner, lambda *_: "x").plots
    assert sorted(plot.title for plot in plots) == ["mixed", "mixed", "mixed too"]


def test_the_pages_of_what_was_reported_are_written_when_the_registry_is_closed(tmp_path):
    with Registry(tmp_path / "r", durability="fast") as registry:
        model = InputModel.import_model("s3://bucket/a.pt", name="a")
        model.report_scalar("t", "s", 1, 0)
        page = registry.path / "reports" / "models" / f"{model.id}.html"
    assert page.exists()


@needs_browser
def test_images_fetch_nothing_from_elsewhere(registry, tmp_path):
    """P24: a figure in a registry of somebody else may name pictures on any server."""
    asked = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        task = Task.init("p", "train")
        picture = {"source": f"http://127.0.0.1:{server.server_port}/x.png", "x": 0, "y": 1}
        figure = {"data": [{"type": "bar", "y": [1]}], "layout": {"images": [picture]}}
        task.get_logger().report_plotly("a", "b", figure)
        assert len(task.export_images(tmp_path)) == 1
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert asked == []
