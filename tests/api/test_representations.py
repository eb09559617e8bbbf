"""What Python prints of the objects of localreg."""

from __future__ import annotations

import json
import re
from html import unescape

import numpy as np
import pytest

import localreg
from localreg import Dataset, InputModel, Logger, Model, OutputModel, Registry, Task
from localreg.errors import InvalidValueError, ModelNotFoundError, TaskNotFoundError

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\" ' </td> \x1b[2J \u202e &lt;"


def half_made(call):
    """Return what a debugger or pytest finds as `self` in a constructor that raised an error."""
    with pytest.raises((InvalidValueError, ModelNotFoundError)) as caught:
        call()
    frames = [each.frame.f_locals for each in caught.traceback]
    return next(frame["self"] for frame in frames if "self" in frame and "call" not in frame)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: InputModel(name="none"), "InputModel(not found)"),
        (lambda: InputModel("0" * 32), "InputModel(not found)"),
        (lambda: Model("0" * 32), "Model(not found)"),
        (lambda: OutputModel(5), "OutputModel(not found)"),
        (lambda: Task(), "Task(not found)"),
        (lambda: Dataset(), "Dataset(not found)"),
        (lambda: Logger(5), "Logger('no task')"),
        (lambda: Registry("x", upstream="y"), "Registry(not open)"),
    ],
)
def test_an_object_whose_constructor_raised_can_be_printed(registry, call, text):
    """Pytest prints the local variables of a test that failed, `self` among them."""
    assert repr(half_made(call)) == text


def test_what_cannot_be_found_is_an_error_that_names_the_registry(registry, tmp_path):
    with Registry(tmp_path / "second", durability="fast"):
        place = f"in {tmp_path / 'second'}"
        for call, kind in (
            (lambda: InputModel(name="none", project="p"), ModelNotFoundError),
            (lambda: InputModel("f" * 32), ModelNotFoundError),
            (lambda: localreg.current_registry().model("p/none"), ModelNotFoundError),
            (lambda: localreg.current_registry().restore("p/none"), ModelNotFoundError),
            (lambda: Task.get_task(task_id="f" * 32), TaskNotFoundError),
        ):
            with pytest.raises(kind, match=place):
                call()


def test_the_error_names_upstream_registries_too(registry, tmp_path):
    Registry(tmp_path / "shared").close()
    with Registry(tmp_path / "mine", upstream=[tmp_path / "shared"]) as mine:
        place = f"in {mine.path} and its upstream registries"
        with pytest.raises(ModelNotFoundError, match=place):
            mine.model("none")
        with pytest.raises(ModelNotFoundError, match=place):
            InputModel(name="none")
        with pytest.raises(ModelNotFoundError, match=place):
            InputModel("f" * 32)


# Notebooks ----------------------------------------------------------------------------------


@pytest.fixture
def hostile(registry):
    """A task and a model with a hostile text wherever they take one."""
    task = Task.init(HOSTILE, HOSTILE, tags=[HOSTILE])
    task.connect({HOSTILE[:20]: HOSTILE, "api_key": "hunter2"})
    task.set_comment(HOSTILE)
    task.get_logger().report_scalar(HOSTILE, HOSTILE, 0.25, 1)
    task.get_logger().report_scalar(":monitor:machine", "cpu", 11.5, 1)
    model = OutputModel(task, name=HOSTILE, tags=[HOSTILE], comment=HOSTILE, framework=HOSTILE)
    model.update_weights(__file__, async_enable=False)
    model.set_metadata(HOSTILE, HOSTILE)
    model.set_metadata("password", "hunter2")
    model.report_single_value(HOSTILE, 0.5)
    task.close()
    return task, model


def cells(html):
    """Return the texts of the cells of a table; fail if there is anything else than a table."""
    elements = set(re.findall(r"<\s*/?\s*([^\s>]+)", html))
    assert elements <= {"table", "thead", "tbody", "tr", "th", "td", "p", "em"}
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", html)
    return [unescape(each) for each in re.findall(r"<td[^>]*>([^<]*)</td>", html)]


def test_a_notebook_shows_tables_in_which_no_text_is_markup(registry, hostile):
    task, model = hostile
    dataset = Dataset.create(HOSTILE, HOSTILE, dataset_tags=[HOSTILE], description=HOSTILE)
    alert = HOSTILE.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")
    for shown in (
        registry, registry.models(), registry.tasks(), Model.query_models(), model, task, dataset,
        registry.history(), model.history(), InputModel(model.id),
    ):  # fmt: skip
        texts = cells(shown._repr_html_())
        assert any(alert in each for each in texts), type(shown)
        assert "hunter2" not in " ".join(texts)


def test_a_model_and_lists_of_models_show_the_metrics_of_the_task_that_made_it(registry, hostile):
    for shown in (hostile[1], registry.models(), hostile[0], registry.tasks(), registry):
        html = shown._repr_html_()
        assert "0.25" in cells(html)
        assert "11.5" not in html, "what the machine did is not of the model"


def test_a_registry_shows_how_much_it_has_and_its_newest_models(registry):
    for number in range(12):
        InputModel.import_model(f"s3://bucket/{number}.pt", name=f"m{number}", project="p")
    Task.create("p", "t")
    texts = cells(registry._repr_html_())
    assert texts[:8] == [
        "registry", str(registry.path), "models", "12", "tasks", "1", "projects", "1",
    ]  # fmt: skip
    assert "p/m11:1" in texts
    assert "p/m1:1" not in texts
    assert repr(registry) == f"Registry('{registry.path}')"


def test_long_lists_are_cut_and_say_so(registry):
    for number in range(103):
        InputModel.import_model(f"s3://bucket/{number}.pt", name=f"m{number}")
    assert registry.models()._repr_html_().endswith("<p>and 3 more</p>")
    assert registry.history()._repr_html_().endswith("<p>and 3 more</p>")
    assert registry.models(limit=2)._repr_html_().count("<tr>") == 3
    assert registry.models(name="none")._repr_html_() == "<em>no models</em>"
    assert registry.tasks()._repr_html_() == "<em>no tasks</em>"


def test_what_cannot_be_read_any_more_is_a_sentence(registry, tmp_path, monkeypatch):
    model = InputModel.import_model("s3://bucket/a.pt", name="a")
    found = registry.models()
    InputModel.remove(model)
    assert "there is no model with id" in model._repr_html_()
    assert found._repr_html_() == "<em>no models</em>"
    assert InputModel.empty()._repr_html_() == "<em>an empty model, in no registry</em>"
    with Registry(tmp_path / "closed") as other:
        task = Task.create("p", "t", registry=other)
    for shown in (other, task):
        assert "closed" in shown._repr_html_()
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "none"))
    assert cells(Registry()._repr_html_())[-1] == "not made yet"
    assert not (tmp_path / "none").exists()


def test_figures_are_printed_as_one_line_and_shown_as_figures(registry):
    model = InputModel.import_model("s3://bucket/a.pt", name="a")
    model.report_scalar(HOSTILE, HOSTILE, 1.0, 1)
    one = model.figures()
    model.report_matrix("confusion", "test", np.eye(2))
    model.report_scalar("b", "c", 1.0, 1)
    several = model.figures()
    assert repr(several).startswith("<3 figures: ")
    assert repr(several).isascii()
    assert repr(model.figures()[:0]) == "[]"
    assert list(several) == several
    assert type(several[0]).__name__ == "Figure"
    bundle = one._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "application/vnd.plotly.v1+json"}
    assert set(bundle["application/vnd.plotly.v1+json"]) == {"data", "layout"}
    assert set(several._repr_mimebundle_()) == {"text/plain", "text/html"}
    html = several._repr_html_()
    json.dumps(bundle)
    assert re.findall(r"<\s*/?\s*([^\s>]+)", html) == ["iframe", "iframe"]
    assert "allow-same-origin" not in html
    several[0].update_layout(title_text=f"</script>{HOSTILE}")  # a user may set any text
    html = several._repr_html_()
    document = unescape(re.search('srcdoc="([^"]*)"', html)[1])
    assert "<img" not in document.partition("application/json")[2]
