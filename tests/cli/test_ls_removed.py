"""`localreg ls --removed`, and the names and columns that lists are asked for."""

from __future__ import annotations

import json

import pytest
from support.command_line import run_cli
from support.terminal import run_on_terminal

from localreg import OutputModel, Task
from localreg.cli.columns import Wanted, check_sort


@pytest.fixture
def run(registry, tmp_path, monkeypatch):
    """Run a command in the test's registry; return the lines of stdout as lists of cells."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.pt").write_bytes(name.encode() * 5)

    def lines(*arguments):
        code, out, err = run_cli(*arguments)
        assert code == 0, err
        return [line.split("\t") for line in out.splitlines()]

    return lines


class TestRemoved:
    def test_what_restore_brings_back_and_if_weights_are_there(self, run, registry, tmp_path):
        kept = registry.add("a.pt", "net", project="vision")
        deleted = registry.add("b.pt", "net", project="vision")
        run("alias", kept.id, "prod")
        run("alias", kept.id, "best")
        run("rm", kept.id)
        run("alias", deleted.id, "prod")
        run("add", "c.pt", "-n", "vision/net")
        run("alias", "vision/net:3", "prod")
        run("rm", deleted.id, "--delete-weights")
        rows = run("ls", "--removed")
        assert [row[:4] for row in rows] == [
            ["vision/net:2", "deleted", "5", ""],
            ["vision/net:1", "here", "5", "best (prod)"],
        ]
        assert rows[1][6] == kept.id[:8]
        shown = json.loads(run_cli("ls", "--removed", "--json")[1])
        assert shown[1]["aliases"] == ["best"]
        assert shown[1]["aliases_elsewhere"] == ["prod"]
        run("restore", "vision/net:1")
        assert [row[0] for row in run("alias", "vision/net:1")] == ["best"]
        assert [row[0] for row in run("ls", "--removed")] == ["vision/net:2"]

    def test_rm_promises_no_more_than_restore_does(self, run, registry):
        """Of weights that were deleted before, it says so."""
        registry.add("a.pt", "a")
        assert "are deleted" not in run_cli("rm", "a")[2]
        run("restore", "a")
        said = run_cli("rm", "a", "--delete-weights")[2]
        assert "brings it back without its weights: 5 B were deleted for good" in said
        run("restore", "a")
        said = run_cli("rm", "a")[2]
        assert "brings it back without its weights, which were deleted before" in said

    def test_names_and_limits(self, run, registry):
        for name in ("a", "b"):
            registry.add(f"{name}.pt", name, project="p")
            run("rm", f"p/{name}")
        assert [row[0] for row in run("ls", "--removed", "p/*")] == ["p/b:1", "p/a:1"]
        assert [row[0] for row in run("ls", "--removed", "p/a")] == ["p/a:1"]
        assert [row[0] for row in run("ls", "--removed", "-l", "1")] == ["p/b:1"]
        assert "These are the last 1" in run_cli("ls", "--removed", "-l", "1")[2]
        assert "No removed models match" in run_cli("ls", "--removed", "x*")[2]
        assert run_cli("ls", "--removed", "-t", "x")[0] == 2

    def test_a_model_that_is_removed_here_only(self, run, registry):
        registry.add("a.pt", "a")
        run("rm", "--local", "a")
        ((ref, weights, size, _, at, by, _),) = run("ls", "--removed")
        assert (ref, weights, size, at, by) == ("a:1", "here", "5", "", "this registry only")


class TestNames:
    def test_a_pattern_is_of_the_name_or_of_project_and_name(self, run, registry):
        for project, name in (
            ("vision", "resnet"),
            ("vision", "unet"),
            ("text", "resnet"),
            (None, "vision/x[1]"),
        ):
            registry.add("a.pt", name, project=project)

        def refs(*arguments):
            return sorted(row[0] for row in run("ls", *arguments))

        assert refs("res*") == ["text/resnet:1", "vision/resnet:1"]
        assert refs("vision/*") == ["vision/resnet:1", "vision/unet:1", "vision/x[1]:1"]
        assert refs("*net", "-p", "vision") == ["vision/resnet:1", "vision/unet:1"]
        assert refs("vision/resnet") == ["vision/resnet:1"]
        assert refs("vision/x[1]") == ["vision/x[1]:1"]
        assert refs("[!r]*", "-n", "u?et") == ["vision/unet:1"]
        assert refs("-n", "resnet", "-p", "text") == ["text/resnet:1"]
        assert refs("RES*") == []


class TestColumns:
    def test_values_of_the_model_and_of_the_task_that_made_it(self, run, registry, tmp_path):
        task = Task.create("vision", "train")
        task.set_parameters({"Args/lr": "0.1", "General/lr2": "x"})
        model = OutputModel(task, name="net")
        model.update_weights(tmp_path / "a.pt")
        task.get_logger().report_scalar("val", "acc", 0.5, 1)
        task.get_logger().report_scalar("val", "acc", 0.25, 2)
        model.set_metadata("stage", "final")
        registry._chain.first.store.flush()
        shown = "model,metric:val/acc,max:val/acc,param:lr,param:Args/*,meta:stage,metric:none"
        code, out, _ = run_cli("ls", "--header", "--columns", shown)
        assert (code, out.splitlines()) == (0, [
            "MODEL\tval/acc\tmax val/acc\tlr\tArgs/lr\tstage\tnone",
            "vision/net:1\t0.25\t0.5\t0.1\t0.1\tfinal\t",
        ])  # fmt: skip
        assert run("ls", "-m", "metric:val/acc<0.3", "-m", "param:lr=0.1", "-m", "stage=final")
        assert not run("ls", "-m", "metric:val/acc>0.3")
        for key, cell in (("metric:val/acc", "0.25"), ("param:lr", "0.1"), ("meta:stage", "final")):
            assert run("ls", "--sort", key)[0][1] == cell
        added = run("ls", "--columns", "+metrics,+params")[0]
        assert (added[0], added[1:4], len(added)) == ("vision/net:1", ["0.25", "0.1", "x"], 12)
        values = json.loads(run_cli("ls", "--json")[1])[0]
        assert values["metrics"]["val/acc"] == {"last": 0.25, "min": 0.25, "max": 0.5, "points": 2}
        assert values["parameters"]["Args/lr"] == "0.1"

    def test_values_say_of_what_they_are(self, run, registry):
        """Unless the name or the id is chosen, both are added."""
        model = registry.add("a.pt", "a", metadata={"x": 0.0018196429686726777})
        shown = run("ls", "--columns", "meta:x")
        assert shown == [["a:1", "0.0018196429686726777", model.id[:8]]]
        assert run("ls", "--columns", "id,meta:x") == [[model.id[:8], "0.0018196429686726777"]]

    def test_a_long_number_has_six_digits_on_a_terminal(self, run, registry, monkeypatch):
        task = Task.create("p", "t")
        task.set_parameters({"Args/lr": "0.0018196429686726777"})
        out = run_on_terminal(monkeypatch, 80, "task", "ls", "--columns", "param:lr")[1]
        assert out.split() == ["TASK", "lr", "ID", "t", "0.00181964", task.id[:8]]

    def test_a_column_that_does_not_exist(self, run):
        code, _, err = run_cli("ls", "--columns", "modle")
        assert code == 2
        assert "Did you mean 'model'?" in err

    def test_sort_is_spelled_as_in_python_too(self):
        kinds = ("metric", "param", "meta")
        assert check_sort("-metric:a/b", kinds) == ("-metrics.a/b", Wanted("metric", "a/b"))
        assert check_sort("parameters.Args/lr", kinds)[1] == Wanted("param", "Args/lr")
        assert check_sort("+meta:x", kinds)[0] == "+metadata.x"
        assert check_sort("name", kinds) == ("name", None)
