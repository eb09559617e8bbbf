"""`localreg ls --sort`: by name, by creation and by a metric."""

from __future__ import annotations

from support.command_line import run_cli

from localreg import InputModel, OutputModel, Task


def test_ls_sorts_by_name_creation_and_metric(registry):
    for name, loss in (("b", 0.1), ("a", 0.9)):
        model = InputModel.import_model(f"s3://bucket/{name}.pt", name=name)
        model.report_scalar("val", "loss", loss, 1)
    ids = {name: InputModel(name=name).id for name in "ab"}

    def listed(*options):
        code, out, err = run_cli("ls", "-q", *options)
        assert code == 0, err
        return [name for each in out.split() for name in ids if ids[name] == each]

    registry._chain.first.store.flush()
    assert listed("--sort", "name") == ["a", "b"]
    assert listed("--sort", "created") == ["a", "b"]
    assert listed("--sort", "metric:val/loss") == ["b", "a"]
    assert listed("--sort", "-metric:val/loss") == ["a", "b"]
    assert listed("--sort", "+created") == ["b", "a"]
    code, _, err = run_cli("ls", "--sort", "size")
    assert (code, "metric:TITLE/SERIES" in err) == (2, True)
    assert "These are the first 1" in run_cli("ls", "--sort", "name", "-l", "1")[2]


def test_ls_names_the_metric_that_no_model_has(registry):
    task = Task.create(task_name="train")
    OutputModel(task)
    task.report_scalar("val", "acc", 0.5, 1)
    registry._chain.first.store.flush()
    code, out, err = run_cli("ls", "--sort", "-metric:val/accuracy")
    assert (code, out) == (0, ""), err
    assert "have the metric 'val/accuracy'" in err
    assert "Similar ones are 'val/acc'" in err


def test_ls_says_that_a_metric_is_nan_rather_than_unknown(registry):
    model = InputModel.import_model("s3://bucket/a.pt", name="a")
    model.report_scalar("val", "acc", float("nan"), 1)
    registry._chain.first.store.flush()
    code, out, err = run_cli("ls", "--sort", "-metric:val/acc")
    assert (code, out) == (0, ""), err
    assert "have the metric 'val/acc', and not as NaN, are listed." in err
    assert "Similar" not in err


def test_ls_sorts_by_what_a_task_reported_by_its_parameters_and_by_metadata(registry):
    ids = {}
    for name, loss in (("b", 0.1), ("a", 0.9)):
        task = Task.create("vision", name)
        task.report_scalar("val", "loss", loss, 1)
        task.set_parameters({"Args/lr": loss * 100})
        model = OutputModel(task=task, name=name)
        ids[model.id] = name
        assert run_cli("meta", model.id, f"rank={loss}")[0] == 0

    def listed(*options):
        code, out, err = run_cli("ls", "-q", *options)
        assert code == 0, err
        return [ids[each] for each in out.split()]

    registry._chain.first.store.flush()
    assert listed("--sort", "metric:val/loss") == ["b", "a"]
    assert listed("--sort", "+param:Args/lr") == listed("--sort", "+param:lr") == ["b", "a"]
    assert listed("--sort", "meta:rank") == ["a", "b"]
    assert listed("--sort", "metadata.rank") == ["a", "b"]
    assert listed("-m", "rank>0.5") == listed("-m", "rank >= 0.9") == ["a"]
    assert listed("-m", "rank>0", "-m", "rank<0.5") == ["b"]
    assert listed("-m", "rank!=0.1", "-m", "rank==0.90") == ["a"]
    code, _, err = run_cli("ls", "--sort", "meta:speed")
    assert (code, "the metadata 'speed'" in err) == (0, True)
    for wrong in ("rank", ">0.5", "=3"):
        assert run_cli("ls", "-m", wrong)[0] == 2


def test_metadata_of_the_command_line_has_the_types_of_json(registry):
    given = [
        "a=0.90",
        "b=3",
        "c=true",
        'd="3"',
        "e=[1]",
        "f=NaN",
        "g=1.2.3",
        "h=a=b",
        "i=" + "9" * 30,
    ]
    model = InputModel.import_model("s3://bucket/a.pt")
    assert run_cli("meta", model.id, *given)[0] == 0
    cast = {key: each["value"] for key, each in model.get_all_metadata_casted().items()}
    assert cast == {
        "a": 0.9, "b": 3, "c": True, "d": "3", "e": "[1]", "f": "NaN", "g": "1.2.3", "h": "a=b",
        "i": int("9" * 30),
    }  # fmt: skip
    assert model.get_metadata("a") == "0.90"  # a version keeps its zero
    for each in given:
        assert run_cli("ls", "-q", "-m", each)[1].split() == [model.id], each
    assert run_cli("ls", "-q", "-m", "a=0.9")[1] == ""
    assert run_cli("meta", model.id, "b=3", "--type", "str")[0] == 0
    assert model.get_metadata_casted("b") == "3"
