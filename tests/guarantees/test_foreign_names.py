"""Names of files that are not UTF-8: kept under another name, or an error that says what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.command_line import run_cli

from localreg import InputModel, OutputModel, Task
from localreg.errors import InvalidValueError

NAME = b"\xc4\xe3\xba\xc3.pt"  # Chinese in GBK
SHOWN = r"\xc4\xe3\xba\xc3.pt"


@pytest.fixture
def file(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/mine/" + NAME))
    path.parent.mkdir()
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def folder(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/folder-\xc4\xe3"))
    path.mkdir()
    (path / "w.pt").write_bytes(b"weights")
    return path


def content(model):
    return Path(model.get_local_copy(raise_on_error=True)).read_bytes()


@pytest.mark.parametrize("mode", ["copy", "move", "link"])
@pytest.mark.parametrize("as_path", [str, Path])
def test_a_file_is_added_under_another_name(registry, file, mode, as_path):
    model = registry.add(as_path(file), filename="net.pt", mode=mode)
    assert (model.ref, content(model)) == ("net:1", b"weights")
    assert Path(model.get_local_copy()).name == "net.pt"
    assert file.exists() == (mode != "move")
    registry.render()
    for text in registry.db.conn.iterdump():
        text.encode()


def test_a_file_is_added_under_another_name_on_the_command_line(registry, file):
    code, out, err = run_cli("add", file, "--filename", "net.pt", "-R", registry.path)
    assert (code, out.split()[0]) == (0, "net:1")
    err.encode()
    code, _, err = run_cli("add", file, "-R", registry.path)
    assert code == 1
    assert SHOWN in err
    assert "--filename" in err


def test_a_folder_is_packed_under_another_name(registry, folder):
    model = registry.add(folder, filename="net.zip")
    assert (Path(model.get_local_copy()) / "w.pt").read_bytes() == b"weights"


def test_weights_are_updated_under_another_name(registry, file, folder):
    model = OutputModel(Task.init("p", "t"))
    model.update_weights(file, target_filename="net.pt")
    assert content(model) == b"weights"
    model.update_weights(folder, target_filename="net.zip")
    assert (Path(model.get_local_copy()) / "w.pt").read_bytes() == b"weights"
    with pytest.raises(InvalidValueError, match=r"weights_filename .*\\xc4.*target_filename"):
        model.update_weights(file)


def test_the_text_of_a_file_is_read_whatever_its_name(registry, file):
    file.write_text("a,b\n1,2\n")
    task = Task.init("p", "t")
    task.connect_configuration(file, name="c")
    task.get_logger().report_table("t", "s", csv=file, iteration=0)
    assert task.get_configuration_object("c") == "a,b\n1,2\n"


def test_other_calls_show_the_bytes_and_say_what_to_do(registry, file):
    task = Task.init("p", "t")
    model = OutputModel(task)
    calls = [
        lambda: registry.add(file),
        lambda: registry.add(file, filename="net.pt", mode="reference"),
        lambda: InputModel.import_model(file),
        lambda: InputModel.import_model(str(file), copy=True),
        lambda: InputModel.load_model(file),
        lambda: model.update_weights(file),
        lambda: model.update_weights_package([file]),
        lambda: task.upload_artifact("a", file),
        lambda: task.upload_artifact("a", str(file)),
        lambda: task.get_logger().report_media("t", "s", local_path=file, iteration=0),
    ]
    for call in calls:
        with pytest.raises(InvalidValueError) as caught:
            call()
        assert SHOWN in str(caught.value)
        assert "rename it" in str(caught.value)
    assert registry.models() == [model]


def test_a_name_in_a_folder_is_shown_with_its_bytes(registry, file):
    with pytest.raises(InvalidValueError, match="not UTF-8") as caught:
        registry.add(file.parent, "m")
    assert SHOWN in str(caught.value)
    assert "rename it" in str(caught.value)


def test_an_open_file_gives_its_name_without_the_bytes(registry, file):
    with file.open("rb") as stream:
        model = registry.add(stream, "m")
    assert (content(model), Path(model.get_local_copy()).name) == (b"weights", "____.pt")
