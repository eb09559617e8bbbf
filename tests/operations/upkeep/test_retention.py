"""Retention in gc: what goes, what stays, and that a removal can be taken back (decision 76)."""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing

import pytest
from support.command_line import run_cli

from localreg import Dataset, InputModel, Model, OutputModel, Registry, Task
from localreg.errors import InvalidValueError, ModelNotFoundError


def add(registry, name="net", project="p", size=1_000, **described):
    """Add a version with bytes of its own; return its handle."""
    number = len(registry.models())
    content = f"{name}{number}".encode().ljust(size, b".")
    return registry.add(io.BytesIO(content), name, project, filename="w.bin", **described)


def gone(registry, **rules):
    """Return what a dry run would remove."""
    return [each.ref for each in registry.gc(**rules).models if each.goes]


def whys(registry, **rules):
    """Return the reason for each model of a dry run."""
    return {each.ref: each.why for each in registry.gc(**rules).models}


def report(model, **values):
    for name, value in values.items():
        model.report_single_value(name.replace("_", "/"), value)


def test_the_last_versions_of_each_model_stay(registry):
    for _ in range(4):
        add(registry)
    add(registry, "other")
    add(registry, "net", "q")
    assert gone(registry, keep_last=2) == ["p/net:2", "p/net:1"]
    assert gone(registry, keep_last=9) == []
    assert registry.gc().models == ()
    assert whys(registry, keep_last=3) == {
        "p/net:4": "one of the last 3", "p/net:3": "one of the last 3",
        "p/net:2": "one of the last 3", "p/net:1": "not one of the last 3",
        "p/other:1": "one of the last 3", "q/net:1": "one of the last 3",
    }  # fmt: skip


def test_the_best_stay_and_the_name_says_what_is_best(registry):
    for loss, accuracy in ((0.1, 0.9), (0.5, 0.1), (0.3, 0.5)):
        report(add(registry), loss=loss, accuracy=accuracy)
    add(registry)  # it has no metric
    add(registry, "other")
    assert gone(registry, keep_best={"loss": 1}) == ["p/net:4", "p/net:3", "p/net:2"]
    assert gone(registry, keep_best="accuracy:2") == ["p/net:4", "p/net:2"]
    assert gone(registry, keep_best="-loss:1") == ["p/net:4", "p/net:3", "p/net:1"]
    assert gone(registry, keep_best="+accuracy:1,loss:1") == ["p/net:4", "p/net:3"]
    assert gone(registry, keep_best="loss:1", keep_last=1) == ["p/net:3", "p/net:2"]
    why = whys(registry, keep_best="loss:1")
    assert why["p/net:1"] == "one of the best 1 by loss (least)"
    assert why["p/net:2"] == "not one of the best 1 by loss (least)"
    assert why["p/other:1"] == "no version of it has loss"
    assert whys(registry, keep_best="accuracy:1")["p/net:2"].endswith("accuracy (greatest)")
    with pytest.raises(InvalidValueError, match="no model has the metric 'los'"):
        registry.gc(keep_best="+los:1", dry_run=False)
    with pytest.raises(InvalidValueError, match=r"more or less is better; .* -gain for the great"):
        registry.gc(keep_best="gain:1", dry_run=False)


def test_infinities_are_never_the_best(registry):
    for value in (float("inf"), 0.5, 0.7, float("-inf"), float("nan")):
        report(add(registry), accuracy=value, loss=value)
    assert gone(registry, keep_best="accuracy:1") == ["p/net:5", "p/net:4", "p/net:2", "p/net:1"]
    assert gone(registry, keep_best="loss:1") == ["p/net:5", "p/net:4", "p/net:3", "p/net:1"]
    assert gone(registry, keep_best="accuracy:4") == ["p/net:5"]


def test_what_the_making_task_reported_counts(registry):
    for value in (0.2, 0.1):
        task = Task.init(project_name="p", task_name="run", reuse_last_task_id=False)
        task.get_logger().report_scalar("loss", "val", value, 0)
        OutputModel(task, name="made").update_weights(register_uri=f"s3://b/{value}")
        task.close()
    assert gone(registry, keep_best="loss/val:1") == ["p/made:1"]


def test_what_is_needed_stays(registry):
    published, aliased, used, plain = (add(registry) for _ in range(4))
    published.publish()
    registry.set_alias(aliased, "prod")
    consumer = Task.create(project_name="p", task_name="consumer")
    consumer.set_input_model(used.id)
    add(registry)
    assert gone(registry, keep_last=1) == [plain.ref]
    why = whys(registry, keep_last=1)
    assert why[published.ref] == "published"
    assert why[aliased.ref] == "the alias @prod points to it"
    assert why[used.ref] == f"an input of task 'consumer' ({consumer.id[:8]})"


def test_parents_of_what_stays_stay_and_those_of_what_goes_go(registry):
    first, second, third = (add(registry, name) for name in ("a", "b", "c"))
    for parent, child in ((first, second), (second, third)):
        with closing(sqlite3.connect(registry.path / "registry.db")) as connection:
            connection.execute("UPDATE model SET parent = ? WHERE id = ?", (parent.id, child.id))
            connection.commit()
    newer = {name: add(registry, name) for name in ("a", "b")}
    assert newer
    assert gone(registry, keep_last=1) == []
    assert whys(registry, keep_last=1)["p/a:1"] == "the parent of p/b:1"
    add(registry, "c")
    assert gone(registry, keep_last=1) == ["p/a:1", "p/b:1", "p/c:1"]


def test_a_running_task_keeps_what_it_made(registry):
    task = Task.init(project_name="p", task_name="run", reuse_last_task_id=False)
    for number in range(3):
        OutputModel(task, name="made").update_weights(register_uri=f"s3://b/{number}")
    assert gone(registry, keep_last=1) == []
    assert "still runs" in whys(registry, keep_last=1)["p/made:1"]
    task.close()
    assert gone(registry, keep_last=1) == ["p/made:2", "p/made:1"]
    task.publish()
    assert gone(registry, keep_last=1) == []


def test_a_size_bound_removes_the_oldest_until_it_fits(registry):
    for _ in range(5):
        add(registry, size=1_000)
    add(registry, "big", "q", size=2_500)
    assert gone(registry, max_size=5_000) == []
    assert gone(registry, max_size="3kB") == ["p/net:2", "p/net:1"]
    assert whys(registry, max_size=3_000)["p/net:1"] == "the oldest; project p has 5.0 kB"
    assert gone(registry, max_size=3_000, keep_last=4) == ["p/net:1"]
    assert gone(registry, max_size=0) == [
        "p/net:5", "p/net:4", "p/net:3", "p/net:2", "p/net:1", "q/big:1"
    ]  # fmt: skip


def test_a_size_bound_removes_nothing_that_has_no_bytes_here(registry):
    elsewhere = InputModel.import_model("s3://b/net.bin", name="far", project="p")
    for _ in range(2):
        add(registry, size=1_000)
    assert gone(registry, max_size=1_000) == ["p/net:1"]
    assert gone(registry, max_size=0) == ["p/net:2", "p/net:1"]
    assert whys(registry, max_size=0)[elsewhere.ref] == "it has no bytes here"
    assert gone(registry, keep_last=1, max_size=0) == ["p/net:1"]


def test_shared_bytes_count_once(registry):
    for _ in range(3):
        registry.add(io.BytesIO(b"x" * 1_000), "same", "p", filename="w.bin")
    assert gone(registry, max_size=1_000) == []
    assert len(gone(registry, max_size=999)) == 3


def test_data_sets_stay(registry, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    for _ in range(3):
        data = Dataset.create(dataset_name="cats", dataset_project="p")
        data.add_files(tmp_path / "a.txt")
        data.finalize(auto_upload=True)
    assert registry.gc(keep_last=1).models == ()


def test_a_removal_is_recorded_and_taken_back_until_the_bytes_are_gone(registry):
    """Nothing is deleted for a day; then restore brings back the record only."""
    old, new = add(registry), add(registry)
    before = registry.gc(keep_last=1)
    assert before.dry_run
    assert registry.model(old.id).ref == "p/net:1"
    done = registry.gc(keep_last=1, dry_run=False)
    assert [each.ref for each in done.models if each.goes] == ["p/net:1"]
    assert (done.freed, done.waiting) == (0, 1_000)
    assert done.next_due is not None
    with pytest.raises(ModelNotFoundError):
        registry.model(old.id)
    assert registry.history(1)[0].kind == "model.removed"
    assert registry.restore(old.id).get_local_copy(raise_on_error=True)
    assert registry.gc(keep_last=1, dry_run=False, grace_seconds=0).freed == 1_000
    assert registry.model(new.id).get_local_copy(raise_on_error=True)


def test_what_was_needed_since_the_decision_stays(registry):
    from localreg.operations.upkeep import retention

    models = [add(registry) for _ in range(5)]
    first = registry._chain.first
    rules = retention.check_rules(first, keep_last=1)
    decided = retention.decide(first, rules)
    models[0].publish()
    registry.set_alias(models[1], "prod")
    Task.create(project_name="p", task_name="t").set_input_model(models[2].id)
    Model.remove(models[3])
    failed = []
    done = retention.remove(first, decided, failed)
    assert [(each.ref, each.goes) for each in done] == [
        ("p/net:5", False), ("p/net:4", True), ("p/net:3", False), ("p/net:2", False),
        ("p/net:1", False),
    ]  # fmt: skip
    assert failed == []
    assert len(registry.models()) == 4


def test_settings_are_the_defaults_and_options_win(registry):
    for loss in (3.0, 1.0, 2.0):
        report(add(registry), loss=loss)
    path = registry.path
    for key, bad in (("keep_last", "0"), ("keep_best", "loss"), ("max_size", "much")):
        code, _, err = run_cli("-R", path, "config", f"retention.{key}", bad)
        assert (code, bad in err) == (1, True)
    assert run_cli("-R", path, "config", "retention.keep_last", "1")[0] == 0
    assert gone(registry) == ["p/net:2", "p/net:1"]
    assert gone(registry, keep_last=2) == ["p/net:1"]
    assert registry.gc(retention=False).models == ()
    assert run_cli("-R", path, "config", "retention.keep_best", "loss:1")[0] == 0
    assert gone(registry) == ["p/net:1"]
    assert json.loads(run_cli("-R", path, "gc", "--no-retention", "--json")[1])["models"] == []
    assert run_cli("-R", path, "gc", "--delete")[0] == 0
    assert len(registry.models()) == 2


def test_a_metric_of_the_settings_that_no_model_has_keeps_all_models_and_deletes_the_rest(registry):
    assert run_cli("-R", registry.path, "config", "retention.keep_best", "acc:1")[0] == 0
    assert run_cli("-R", registry.path, "config", "retention.keep_last", "1")[0] == 0
    for _ in range(3):
        add(registry)
    Model.remove(registry.model("p/net:1"), delete_weights_file=False)
    done = registry.gc(grace_seconds=0, dry_run=False)
    assert (done.models, done.freed, len(registry.models())) == ((), 1_000, 2)
    (why,) = done.failed
    assert "no model has the metric 'acc'" in why
    with pytest.raises(InvalidValueError, match="no model has the metric"):
        registry.gc(keep_best="acc:1")


def test_a_damaged_row_keeps_everything(registry):
    for _ in range(3):
        add(registry)
    registry.close()
    with closing(sqlite3.connect(registry.path / "registry.db")) as connection:
        connection.execute(
            "INSERT INTO alias (project, name, alias, model) "
            "SELECT project, name, x'ff', id FROM model LIMIT 1"
        )
        connection.commit()
    with Registry(registry.path, durability="fast") as again:
        done = again.gc(keep_last=1, dry_run=False)
        assert done.models == ()
        assert "no models are removed" in done.failed[0]
        assert len(again.models()) == 3


def test_the_command_says_why_each_goes_or_stays(registry):
    first, *_ = (add(registry) for _ in range(4))
    registry.set_alias(first, "prod")
    code, out, err = run_cli("-R", registry.path, "gc", "--keep-last", "1")
    assert code == 0
    rows = [line.split("\t") for line in out.splitlines()]
    assert [(row[0], row[2], row[4]) for row in rows] == [
        ("p/net:3", "goes", "not one of the last 1"), ("p/net:2", "goes", "not one of the last 1"),
        ("p/net:1", "stays", "the alias @prod points to it"),
    ]  # fmt: skip
    assert "--delete would remove 2 models with 2.0 kB of weights; 2 models stay." in err
    assert "Nothing to delete" not in err
    assert len(registry.models()) == 4
    err = run_cli("-R", registry.path, "gc", "--keep-last", "1", "--delete")[2]
    assert "Removed 2 models with 2.0 kB of weights; 2 models stay." in err
    assert "2.0 kB wait for the end of the grace period" in err


def test_a_metric_is_named_as_lists_name_it(registry):
    add(registry).report_single_value("acc", 0.5)
    add(registry).report_single_value("acc", 0.9)
    code, out, err = run_cli("-R", registry.path, "gc", "--keep-best", "-metric:acc:1")
    assert code == 0, err
    assert [line.split("\t")[2] for line in out.splitlines()] == ["goes"]
