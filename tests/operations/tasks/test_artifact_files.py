"""What `upload_artifact` takes as files: paths, wildcards, lists of paths and URLs."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.contents import below

from localreg import Task
from localreg.errors import InvalidValueError, SourceNotFoundError


@pytest.fixture
def task(registry):
    task = Task.init(project_name="p", task_name="t")
    yield task
    task.close()


@pytest.fixture
def out(tmp_path, monkeypatch):
    """Make the working directory one with a folder "out"."""
    work = tmp_path / "work"
    for name in ("out/a.jpg", "out/b.txt", "out/deep/c.jpg", "out/deep/d.png", "other/e.jpg",
                 "out/none/x.txt"):  # fmt: skip
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(name)
    (work / "out" / "empty").mkdir()
    monkeypatch.chdir(work)
    return work / "out"


def kept(task, value, name="it"):
    """Store an artifact; return its kind, and the names of its files."""
    assert task.upload_artifact(name, value) is True
    artifact = task.artifacts[name]
    place = Path(artifact.get_local_copy(raise_on_error=True))
    if artifact.type == "package":
        for each in below(place):
            original = (place / each).read_text()
            assert original.endswith(each), "a file has the bytes of another one"
    return artifact.type, below(place) if place.is_dir() else place.name


ALL = ["a.jpg", "b.txt", "deep/c.jpg", "deep/d.png", "none/x.txt"]
JPG = ["a.jpg", "deep/c.jpg"]


@pytest.mark.parametrize("value", ["out", "./out", "out/", Path("out"), "other/../out"])
def test_a_folder_is_a_package_however_it_is_named(task, out, value):
    assert kept(task, value) == ("package", ALL)


@pytest.mark.parametrize(
    ("value", "files"),
    [
        ("out/*.jpg", JPG),
        (Path("out/*.jpg"), JPG),
        ("out/*", ALL),
        ("out/?.jpg", JPG),
        ("./out/deep/*.p?g", ["d.png"]),
        ("out/*.TXT", None),
        (Path("out/[ab].*"), ["a.jpg", "b.txt"]),
        ("o*/*.jpg", ["other/e.jpg", "out/a.jpg"]),
        ("out/**/*.jpg", JPG),
        (Path("*.jpg"), ["other/e.jpg", "out/a.jpg", "out/deep/c.jpg"]),
    ],
    ids=str,
)  # fmt: skip
def test_a_wildcard_is_a_package_of_what_it_matches(task, out, value, files):
    """The files below its folder too, as in ClearML, and under their names there."""
    if files is None:
        assert kept(task, value) == ("text", "it.txt")
    else:
        assert kept(task, value) == ("package", files)


def test_a_wildcard_with_an_absolute_path_and_a_name(task, out):
    assert kept(task, f"{out}/*.jpg") == ("package", JPG)
    archive = task.artifacts["it"].get_local_copy(extract_archive=False, raise_on_error=True)
    assert Path(archive).name == "out.zip"


def test_a_file_whose_name_has_a_wildcard_is_that_file(task, out):
    (out / "best*.txt").write_text("best*.txt")
    (out / "best1.txt").write_text("no")
    assert kept(task, "out/best*.txt")[0] == "file"
    assert task.artifacts["it"].get().read_text() == "best*.txt"


def test_the_registry_is_never_part_of_a_wildcard(task, out, registry, tmp_path, monkeypatch):
    monkeypatch.chdir(registry.path.parent)
    for name in ("x.db", "other/x.db"):
        (registry.path.parent / name).parent.mkdir(exist_ok=True)
        (registry.path.parent / name).write_text(name)
    for value, names in (
        ("./*.db", ["other/x.db", "x.db"]),
        (Path("*.db"), ["other/x.db", "x.db"]),
        (Path("*/*.db"), ["other/x.db"]),
        ("./**/*.db", ["other/x.db", "x.db"]),
    ):
        assert kept(task, value) == ("package", names)
    for inside in (registry.path / "*.db", registry.path / "blobs" / "*"):
        with pytest.raises(SourceNotFoundError):
            task.upload_artifact("it", inside)
    for folder in (registry.path.parent, registry.path):
        with pytest.raises(InvalidValueError, match="holds the registry itself"):
            task.upload_artifact("it", folder)


def test_several_paths_are_one_package(task, out, caplog):
    """They are named as they are below the folder that has them all."""
    given = [Path("out/a.jpg"), Path("other/e.jpg"), Path("out/deep")]
    expected = ["other/e.jpg", "out/a.jpg", "out/deep/c.jpg", "out/deep/d.png"]
    assert kept(task, given) == ("package", expected)
    assert kept(task, (Path("out/a.jpg"), Path("out/a.jpg"))) == ("package", ["a.jpg"])
    assert kept(task, [Path("out/../out/a.jpg"), out / "b.txt"]) == ("package", ["a.jpg", "b.txt"])
    assert caplog.text == ""
    assert kept(task, [Path("out/a.jpg"), Path("gone.jpg")]) == ("package", ["a.jpg"])
    assert "gone.jpg; it is left out" in caplog.text
    with pytest.raises(SourceNotFoundError, match=r"no file .*gone.jpg"):
        task.upload_artifact("it", [Path("gone.jpg")])


def test_a_list_of_text_is_a_value(task, out):
    task.upload_artifact("it", ["out/a.jpg", "x"])
    assert task.artifacts["it"].get() == ["out/a.jpg", "x"]
    task.upload_artifact("it", [])
    assert task.artifacts["it"].get() == []


def test_a_file_url_is_the_file(task, out):
    assert kept(task, (out / "a.jpg").as_uri()) == ("file", "a.jpg")
    assert kept(task, out.as_uri()) == ("package", ALL)


@pytest.mark.parametrize(
    "value", ["out/gone", "./gone", "gone.csv", "best model.pt", "gone/*.jpg", "*.jpg", "C:\\a\\b",
              "file:///gone/x"],
)  # fmt: skip
def test_a_text_that_looks_like_a_path_and_names_no_file_is_said(task, out, value, caplog):
    task.upload_artifact("it", value)
    assert task.artifacts["it"].get() == value
    assert "so the text itself is stored" in caplog.text
    assert repr(value) in caplog.text


@pytest.mark.parametrize(
    "value", ["done", "and/or more", "3.5", "v1.2", '{"a":"b/c"}', "a\nb/c", "", "x" * 5000 + "/",
              "why not?", "5 * 3", "*", "1/2 of it", "../" * 2000],
)  # fmt: skip
def test_other_text_is_stored_without_a_warning(task, out, value, caplog):
    task.upload_artifact("it", value)
    assert task.artifacts["it"].get() == value
    assert caplog.text == ""


def test_a_path_that_does_not_exist_is_an_error(task, out):
    for value in (Path("gone"), Path("gone/*.jpg"), Path("out/*.gone")):
        with pytest.raises(SourceNotFoundError):
            task.upload_artifact("it", value)


def test_a_secret_in_a_text_that_looks_like_a_path_is_hidden(task, caplog):
    task.upload_artifact("it", "ftp://me:secret@host/a.csv")
    assert "***" in caplog.text
    assert "secret" not in caplog.text


def test_delete_after_upload_keeps_folders_and_matches(task, out):
    for value in (out, "out/*.jpg"):
        task.upload_artifact("it", value, delete_after_upload=True)
    assert (out / "a.jpg").exists()
    task.upload_artifact("it", "out/a.jpg", delete_after_upload=True)
    assert not (out / "a.jpg").exists()


def test_a_url_is_recorded_and_downloaded_when_it_is_asked_for(task, site):
    site.files["/data.csv"] = b"a,b\n"
    url = site.url("/data.csv")
    task.upload_artifact("it", url)
    artifact = task.artifacts["it"]
    assert (artifact.type, artifact.url, site.gets) == ("url", url, [])
    assert Path(artifact.get_local_copy(raise_on_error=True)).read_bytes() == b"a,b\n"
    assert Path(str(artifact.get())).read_bytes() == b"a,b\n"
    assert artifact.get(deserialization_function=bytes.upper) == b"A,B\n"
    task.upload_artifact("it", "http://me:secret@127.0.0.1:1/x.bin")
    assert "secret" not in str(task.artifacts["it"].preview)
