"""What is accepted when it is written can be read: strange texts, numbers, names and URLs."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest

from localreg import InputModel, Logger, Model, OutputModel, Registry, Task
from localreg.errors import LocalregError

TEXTS = (
    "", " ", "a\0b", "a\nb", "\x1b[31m", "\ud800", "e\u0301", "\U0001f600", "\u202e", "a" * 5000,
    "%00", "%ff", "#?&", "a/b", "../x", "'", '"', "\x7f", "\x85", "\u2028", "\ufeff", "\U0010ffff",
    "1e400", "nan", "-x", "None", "<script>",
)  # fmt: skip
NUMBERS = (
    0, -1, 2**31, 2**62, 2**63 - 1, 2**63, -(2**63), 2**64, 10**400, 1e308, -0.0, float("nan"),
    float("inf"), 5e-324, True, None,
)  # fmt: skip
URLS = (
    "https://h.example/{}", "https://h.example/a?x={}#{}", "s3://bucket/{}", "file:///tmp/{}",
    "myproto://x{}/y", "HTTP://h:80/{}", "http://[::1]:80/{}", "http://u:p@h:8/{}",
)  # fmt: skip


def write_texts(task, text, path, logger: Logger):
    """Yield calls that take a text."""
    model = OutputModel(task, name="m")
    yield lambda: OutputModel(task, name=f"n{text}", comment=text, label_enumeration={text: 1})
    yield lambda: OutputModel(task, name="c", config_text=text)
    yield lambda: OutputModel(task, name="c", config_dict={text: text})
    yield lambda: setattr(model, "comment", text)
    yield lambda: setattr(model, "tags", [f"t{text}"])
    yield lambda: model.set_metadata(f"k{text}", text, text)
    yield lambda: InputModel.import_model(path, name=f"i{text}", project=f"p{text}", framework=text)
    yield lambda: model.update_weights(path, target_filename=f"{text}.pt")
    for url in URLS:
        yield lambda url=url: InputModel.import_model(url.replace("{}", text), name="u")
    yield lambda: task.set_parameter(f"S/{text}", text)
    yield lambda: task.connect_configuration({text: text}, name=f"c{text}")
    yield lambda: task.upload_artifact(f"a{text}", {text: text}, metadata={text: text})
    yield lambda: task.set_comment(text)
    yield lambda: task.set_tags([f"t{text}"])
    yield lambda: logger.report_text(text, print_console=False)
    yield lambda: logger.report_single_value(f"s{text}", 1)
    yield lambda: logger.report_scalar(f"t{text}", text, 1, 1)
    yield lambda: logger.report_table(f"t{text}", text, 0, table_plot=[[text], [text]])


def write_numbers(task, number, logger: Logger):
    """Yield calls that take a number."""
    model = OutputModel(task, name="m")
    yield lambda: OutputModel(task, name="l", label_enumeration={"a": number})
    yield lambda: OutputModel(task, name="c", config_dict={"a": number})
    yield lambda: model.set_metadata("n", number)
    yield lambda: logger.report_scalar("n", "v", number, 1)
    yield lambda: logger.report_scalar("n", "i", 1, number)
    yield lambda: logger.report_single_value("n", number)
    yield lambda: logger.report_histogram("n", "h", [number, 1], 0)
    yield lambda: logger.report_table("n", "t", number, table_plot=[["a"], [number]])
    yield lambda: task.set_parameter("S/n", number)
    yield lambda: task.connect({"x": number, "l": [number]}, name="C")
    yield lambda: task.upload_artifact("n", {"k": number}, metadata={"k": number})


@pytest.fixture
def task(tmp_path):
    with Registry(tmp_path / "registry", durability="fast"):
        task = Task.init(project_name="p", task_name="t")
        yield task
        task.close()


def check_readable(root):
    """Read every row, by another connection."""
    with Registry(root) as registry:
        assert [each.text for each in registry.verify().problems] == []
        assert registry.gc().failed == ()
        for model in Model.query_models(only_published=False):
            assert isinstance(model.url, str | None)
            assert (model.comment, model.tags, model.get_all_metadata()) is not None
            assert (model.config_text, model.labels) is not None


def test_odd_texts_are_refused_or_can_be_read(task, tmp_path, write_file):
    """Of names, comments, tags, metadata, URLs, parameters, artifacts and reports."""
    accepted = 0
    for text in TEXTS:
        path = write_file("w.pt", text.encode("utf-8", "replace"))
        for call in write_texts(task, text, str(path), task.get_logger()):
            with suppress(LocalregError):
                call()
                accepted += 1
    assert accepted > 400
    check_readable(tmp_path / "registry")


def test_odd_numbers_are_refused_or_can_be_read(task, tmp_path):
    """Of labels, metadata, parameters, artifacts and reports."""
    for number in NUMBERS:
        for call in write_numbers(task, number, task.get_logger()):
            with suppress(LocalregError):
                call()
    check_readable(tmp_path / "registry")


@pytest.mark.parametrize("seconds", [-(10**9), -1, 0, 2**31, 2**33, 10**10])
def test_files_with_odd_times_can_be_kept(task, tmp_path, write_file, seconds):
    """Before 1970, after 2038, and later than SQLite can count nanoseconds (2262)."""
    path = write_file("w.pt", b"12345")
    os.utime(path, (seconds, seconds))
    if path.stat().st_mtime != seconds:
        pytest.skip("this file system does not keep this time")
    OutputModel(task, name="m").update_weights(path)
    InputModel.import_model(str(path), copy=True)
    assert InputModel.import_model(str(path)).url == path.as_uri()
    OutputModel(task, name="m").update_weights(
        path, upload_uri=str(tmp_path / "share"), async_enable=False
    )
    check_readable(tmp_path / "registry")
