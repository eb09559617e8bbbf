"""Lists that are printed while they are read, some hundred models at a time."""

from __future__ import annotations

import json

import pytest
from support.command_line import run_cli

from localreg import InputModel
from localreg.operations.finding import listing


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A registry with a few more models than are read at once; every third has a task's values."""
    from localreg import OutputModel, Registry, Task

    path = tmp_path_factory.mktemp("long") / "registry"
    with Registry(path, durability="fast") as registry:
        task = Task.create("vision", "train")
        task.set_parameters({"Args/lr": 0.1, "Args/seed": 1})
        for number in range(listing.PART + 3):
            InputModel.import_model(
                f"s3://bucket/{number}.pt", name=f"net-{number}", metadata={"number": number}
            )
        OutputModel(task, name="last").update_weights(register_uri="s3://bucket/last.pt")
        assert len(registry.models()) == listing.PART + 4
    return path


def run(home, *words):
    code, out, err = run_cli("-R", home, "ls", "-l", "0", *words)
    assert (code, err) == (0, "")
    return out.splitlines()


def test_a_list_as_json_has_a_line_for_each_entry(home):
    first, *entries, last = run(home, "--json")
    assert (first, last) == ("[", "]")
    alone = [json.loads(each.removesuffix(",")) for each in entries]
    assert alone == json.loads("\n".join([first, *entries, last]))
    assert [each["name"] for each in alone[:2]] == ["last", f"net-{listing.PART + 2}"]
    assert alone[0]["parameters"] == {"Args/lr": "0.1", "Args/seed": "1"}
    assert run_cli("-R", home, "ls", "nothing", "--json")[1] == "[]\n"


def test_each_form_of_a_long_list_has_the_same_models_in_the_same_order(home):
    ids = run(home, "-q")
    assert len(set(ids)) == listing.PART + 4
    assert [each["id"] for each in json.loads("\n".join(run(home, "--json")))] == ids
    assert [each.split("\t")[-1] for each in run(home)] == [each[:8] for each in ids]


def test_columns_of_values_are_found_in_all_parts_of_a_list(home):
    """The parameters differ, since only the newest model, in the first part, has any."""
    rows = [each.split("\t") for each in run(home, "--columns", "model,meta:num*,params")]
    assert rows[0] == ["vision/last:1", "", "0.1", "1"]
    assert rows[1] == [f"net-{listing.PART + 2}:1", str(listing.PART + 2), "", ""]
    assert rows[-1] == ["net-0:1", "0", "", ""]


def test_parameters_that_are_the_same_everywhere_have_no_column(home):
    assert run(home, "vision/*", "--columns", "+params")[0].count("0.1") == 1  # one model: all
    assert run(home, "net-*", "--columns", "model,params")[0] == f"net-{listing.PART + 2}:1"
