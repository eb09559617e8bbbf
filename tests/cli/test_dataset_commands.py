"""`localreg dataset`: lists, shows and copies data sets."""

from __future__ import annotations

import json

import pytest
from support.command_line import run_cli

from localreg import Dataset, Task


@pytest.fixture
def run(localreg_registry, tmp_path, monkeypatch):
    """Return a function that runs a command in an empty folder; it returns code, out and err."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return lambda *arguments: run_cli(*arguments, "-R", localreg_registry.path)


@pytest.fixture
def pets(localreg_registry, tmp_path):
    """Two versions of a data set; the second is used by a task."""
    data = tmp_path / "data"
    (data / "train").mkdir(parents=True)
    (data / "labels.csv").write_bytes(b"cat,dog")
    (data / "train" / "a.jpg").write_bytes(b"a")
    first = Dataset.create("pets", "vision", description="cats and dogs")
    first.add_files(data)
    first.finalize(auto_upload=True)
    second = Dataset.create("pets", "vision", ["good"], [first])
    second.remove_files("*.csv")
    second.add_external_files(str(data / "labels.csv"), dataset_path="outside")
    second.finalize(auto_upload=True)
    task = Task.init(project_name="vision", task_name="train")
    Dataset.get(dataset_id=second.id, alias="data")
    task.close()
    return first, second


def lines(out):
    return [line.split("\t") for line in out.splitlines()]


def test_ls_lists_versions_the_last_changed_first(run, pets):
    first, second = pets
    assert [line[0] for line in lines(run("dataset", "ls")[1])] == [
        "vision/pets:1.0.1", "vision/pets:1.0.0"
    ]  # fmt: skip
    assert lines(run("dataset", "ls")[1])[1][1:4] == ["2", "8", "completed"]
    assert run("dataset", "ls", "-q")[1].split() == [second.id, first.id]
    (found,) = json.loads(run("dataset", "ls", "vision/pets", "-t", "good", "--json")[1])
    assert (found["id"], found["parents"], found["files"]) == (second.id, [first.id], 1)


def test_ls_says_what_there_is_not(run, pets):
    code, out, err = run("dataset", "ls", "cars")
    assert (code, out) == (0, "")
    assert err.startswith("No data sets match in /")
    assert run("dataset", "ls", "-p", "nothing", "--json")[1] == "[]\n"


def test_ls_takes_patterns(run, pets):
    ids = [each.id for each in pets][::-1]
    for arguments in (
        ("vision/*",),
        ("p?ts",),
        ("-n", "pet*"),
        ("vision/pets",),
        ("*", "-p", "vision"),
    ):
        assert run("dataset", "ls", "-q", *arguments)[1].split() == ids, arguments
    assert run("dataset", "ls", "-q", "x/*")[1] == ""


def test_ls_says_how_to_make_the_first(run):
    assert "Dataset.create of Python makes one" in run("dataset", "ls")[2].replace("\n", " ")


def test_models_and_data_sets_are_listed_apart(run, pets):
    assert run("ls")[1] == ""
    assert run("ls", "-p", "vision/.datasets", "-q")[1].split() == [each.id for each in pets][::-1]


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("pets", "1.0.1"),
        ("vision/pets", "1.0.1"),
        ("vision/pets:1.0.0", "1.0.0"),
        ("pets:1.0.0", "1.0.0"),
        ("vision/pets@prod", "1.0.0"),
        ("{id}", "1.0.0"),
        ("{start}", "1.0.0"),
    ],
)
def test_what_names_a_version(run, pets, reference, version):
    run("alias", pets[0].id, "prod")
    given = reference.format(id=pets[0].id, start=pets[0].id[:8])
    code, out, _ = run("dataset", "show", given, "--json")
    assert (code, json.loads(out)["version"]) == (0, version)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("pats", "did you mean pets?"),
        ("pets:3", "'pets' has the versions 1.0.1, 1.0.0"),
        ("cars", "`localreg dataset ls` lists the data sets"),
    ],
)
def test_a_name_that_is_not_there_ends_with_3(run, pets, reference, words):
    for command in ("show", "get"):
        code, _, err = run("dataset", command, reference)
        assert code == 3
        assert words in err.replace("\n", " ")


def test_show_has_files_parents_and_tasks(run, pets):
    first, second = pets
    out = run("dataset", "show", "pets")[1]
    for text in (
        "vision/pets:1.0.1", "completed", "1 file, 1 B, 1 link", "vision/pets:1.0.0",
        "1 added: outside/labels.csv", "1 removed: labels.csv", "train", "as data",
    ):  # fmt: skip
        assert text in out
    assert "cats and dogs" in run("dataset", "show", first.id)[1]
    assert "vision/pets:1.0.1" in run("dataset", "show", first.id)[1]
    found = json.loads(run("dataset", "show", second.id, "--json")[1])
    assert found["changed"] == {
        "added": ["outside/labels.csv"], "modified": [], "removed": ["labels.csv"]
    }  # fmt: skip
    assert [each["path"] for each in found["entries"]] == ["outside/labels.csv", "train/a.jpg"]


def test_a_task_shows_the_version_that_it_used(run, pets):
    """By the name that people know, not by that of its package."""
    _, second = pets
    task = Task.get_task(project_name="vision", task_name="train")
    out = run("task", "show", task.id)[1]
    assert f"Datasets/data: vision/pets:1.0.1 ({second.id[:8]})" in out


def test_show_lists_the_files(run, pets):
    shown = lines(run("dataset", "show", "pets", "--files")[1])
    assert [line[0] for line in shown] == ["outside/labels.csv", "train/a.jpg"]
    assert shown[0][3].startswith("file:///")
    assert shown[1][1:3] == ["1", "ca978112ca1b"]


def test_show_says_what_is_not_uploaded(run, pets, tmp_path):
    child = Dataset.create("pets", "vision", parent_datasets=[pets[0]])
    (tmp_path / "new").write_bytes(b"new")
    child.add_files(tmp_path / "new")
    out = run("dataset", "show", child.id)[1]
    assert "in_progress" in out
    assert "1 added, 0 modified, 0 removed" in out


def test_get_copies_the_files_to_a_new_folder(run, pets, tmp_path):
    assert run("dataset", "get", "pets")[:2] == (0, "pets\n")
    assert (tmp_path / "here" / "pets" / "outside" / "labels.csv").read_bytes() == b"cat,dog"
    (tmp_path / "here" / "pets" / "train" / "a.jpg").write_bytes(b"changed")
    code, _, err = run("dataset", "get", "pets")
    assert code == 5
    assert "exists already" in err
    assert run("dataset", "get", "pets:1.0.0", "-o", tmp_path / "out")[0] == 0
    assert (tmp_path / "out" / "train" / "a.jpg").read_bytes() == b"a"


def test_get_copies_a_part(run, pets, tmp_path):
    for number in range(2):
        run("dataset", "get", "pets:1.0.0", "--part", f"{number}/2", "-o", tmp_path / f"{number}")
    names = [
        {each.name for each in (tmp_path / f"{number}").rglob("*") if each.is_file()}
        for number in range(2)
    ]
    assert names == [{"labels.csv"}, {"a.jpg"}]
    code, _, err = run("dataset", "get", "pets", "--part", "2/2")
    assert (code, "part must be from 0 to 1" in err) == (1, True)
    assert run("dataset", "get", "pets", "--part", "all")[0] == 2


def test_get_refuses_what_is_not_finalized(run, pets):
    child = Dataset.create("open", "vision", parent_datasets=[pets[0]])
    code, _, err = run("dataset", "get", child.id)
    assert code == 5
    assert "is not finalized" in err.replace("\n", " ")
