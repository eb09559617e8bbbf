"""Adding several files as one package, and folders without some of their files."""

from __future__ import annotations

import io

import pytest

from localreg import InputModel, OutputModel, Task
from localreg.errors import InvalidURLError, InvalidValueError, SourceNotFoundError


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "bert"
    (made / ".git").mkdir(parents=True)
    (made / ".git" / "config").write_bytes(b"git")
    (made / "a.bin").write_bytes(b"a")
    (made / "b.log").write_bytes(b"b")
    return made


def paths(model):
    return [each.path for each in model.files]


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_of_files_is_one_package(localreg_registry, folder, kind):
    model = localreg_registry.add(kind([folder / "b.log", str(folder / "a.bin")]), "two")
    assert paths(model) == ["a.bin", "b.log"]
    assert "package" in model.system_tags


def test_a_list_of_one_file_is_a_package_too(localreg_registry, folder):
    model = localreg_registry.add([folder / "a.bin"], "one")
    assert (paths(model), model.system_tags) == (["a.bin"], ["package"])


def test_files_that_are_moved_are_gone(localreg_registry, folder):
    model = localreg_registry.add([folder / "a.bin", folder / "b.log"], "two", mode="move")
    assert paths(model) == ["a.bin", "b.log"]
    assert not (folder / "a.bin").exists()
    assert (folder / ".git").exists()


@pytest.mark.parametrize(
    ("files", "more", "error", "words"),
    [
        ((), {}, InvalidValueError, "the list is empty"),
        (("a.bin", "b.log"), {"name": None}, InvalidValueError, "needs a name="),
        (("a.bin", "b.log"), {"mode": "reference"}, InvalidValueError, "by reference"),
        (("a.bin", ".git"), {}, InvalidValueError, "is a folder, .* add a folder that holds all"),
        (("a.bin", "missing"), {}, SourceNotFoundError, "there is no file"),
        (("a.bin", "a.bin"), {}, InvalidValueError, "would both be 'a.bin'"),
        (("a.bin",), {"exclude": ["a"]}, InvalidValueError, "needs a folder"),
    ],
)
def test_what_is_not_a_list_of_files_is_refused(
    localreg_registry, folder, files, more, error, words
):
    with pytest.raises(error, match=words):
        localreg_registry.add([folder / each for each in files], **({"name": "x"} | more))
    assert localreg_registry.models() == []


@pytest.mark.parametrize("each", ["https://example.org/a.pt", 1, None, io.BytesIO(b"a")])
def test_only_local_files_can_be_in_a_list(localreg_registry, folder, each):
    with pytest.raises((InvalidURLError, InvalidValueError)):
        localreg_registry.add([folder / "a.bin", each], "x")
    assert localreg_registry.models() == []


def test_patterns_leave_files_out_of_a_folder(localreg_registry, folder):
    assert paths(localreg_registry.add(folder)) == ["a.bin", "b.log"]
    assert paths(localreg_registry.add(folder, exclude=["*.log"])) == ["a.bin"]
    (folder / ".localregignore").write_text("a.*\n")
    assert paths(localreg_registry.add(folder)) == ["b.log"]


@pytest.mark.parametrize("exclude", ["*.log", 1, None, ["!a"], [1]])
def test_exclude_must_be_a_list_of_patterns(localreg_registry, folder, exclude):
    with pytest.raises(InvalidValueError, match="exclude"):
        localreg_registry.add(folder, exclude=exclude)


def test_a_folder_of_which_everything_is_left_out_is_refused(localreg_registry, folder):
    with pytest.raises(InvalidValueError, match="nothing but what is excluded"):
        localreg_registry.add(folder, exclude=["*"])


def test_what_is_left_out_stays_when_a_folder_is_moved(localreg_registry, folder):
    localreg_registry.add(folder, exclude=["*.log"], mode="move")
    assert sorted(each.name for each in folder.iterdir()) == [".git", "b.log"]


def test_only_add_leaves_something_out(localreg_registry, folder):
    (folder / ".localregignore").write_text("a.*\n")
    output = OutputModel(Task.init("p", "t"))
    output.update_weights_package(weights_path=folder)
    assert paths(output) == [".git/config", ".localregignore", "a.bin", "b.log"]


@pytest.fixture
def parts(tmp_path):
    made = [tmp_path / f"m-0000{number}-of-00002.bin" for number in (1, 2)]
    for each in made:
        each.write_bytes(b"part")
    return made


@pytest.mark.parametrize("mode", ["copy", "move", "link"])
def test_a_file_that_needs_another_one_is_kept_with_a_warning(
    localreg_registry, parts, mode, caplog
):
    localreg_registry.add(parts[0], mode=mode)
    (line,) = caplog.messages
    assert line == (
        f"m-00001-of-00002.bin needs m-00002-of-00002.bin: `localreg add {parts[0]} {parts[1]} "
        "-n NAME` keeps them together"
    )


def test_an_import_and_new_weights_of_such_a_file_warn_too(localreg_registry, parts, caplog):
    InputModel.import_model(parts[0].as_uri(), name="m", copy=True)
    OutputModel(Task.init("p", "t"), name="o").update_weights(str(parts[1]))
    needs = [message.partition(":")[0] for message in caplog.messages if " needs " in message]
    assert needs == [
        "m-00001-of-00002.bin needs m-00002-of-00002.bin",
        "m-00002-of-00002.bin needs m-00001-of-00002.bin",
    ]


def test_the_command_in_the_warning_has_the_path_as_it_was_given(
    localreg_registry, parts, monkeypatch, caplog
):
    monkeypatch.chdir(parts[0].parent)
    localreg_registry.add(parts[0].name)
    assert f"`localreg add {parts[0].name} {parts[1].name} -n NAME`" in caplog.text


def test_what_stays_where_it_is_or_is_whole_needs_no_warning(localreg_registry, parts, caplog):
    localreg_registry.add(parts[0], mode="reference")
    localreg_registry.add(parts, "both")
    assert caplog.messages == []


def test_the_history_says_what_an_update_of_a_package_changed(localreg_registry, folder):
    output = OutputModel(Task.init("p", "t"), name="net")

    def updated():
        output.update_weights_package(weights_path=folder)
        return next(each.text for each in output.history() if "weights_added" in each.kind)

    assert "changed" not in updated()
    (folder / "a.bin").write_bytes(b"another")
    assert updated().endswith(": 1 file changed")
    (folder / "a.bin").write_bytes(b"a third")
    (folder / "b.log").unlink()
    (folder / "c").write_bytes(b"c")
    (folder / "d").mkdir()
    assert updated().endswith(": 1 file changed, 1 added, 1 removed")
    assert updated().endswith(": the same files")
