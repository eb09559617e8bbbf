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
