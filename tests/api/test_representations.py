"""What Python prints of the objects of localreg."""

from __future__ import annotations

import pytest

import localreg
from localreg import Dataset, InputModel, Logger, Model, OutputModel, Registry, Task
from localreg.errors import InvalidValueError, ModelNotFoundError, TaskNotFoundError


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
