"""A registry with some of everything, and all that people read of one."""

from __future__ import annotations

import io
import signal
from contextlib import contextmanager

import numpy as np
from support.command_line import run_cli
from support.signed_models import record_gate, record_signature

from localreg import Dataset, InputModel, OutputModel, Registry, Task
from localreg.errors import LocalregError

SECONDS = 5  # a call that takes longer hangs


def make_used_registry(folder):
    """Make a registry below a folder, with some of everything; return its directory."""
    root = folder / "registry"
    weights = folder / "w.npz"
    np.savez(weights, a=np.arange(12.0), b=np.ones((3, 4), "f4"))
    (folder / "package").mkdir()
    for name in ("config.json", "model.bin"):
        (folder / "package" / name).write_text(f'{{"name": "{name}"}}')
    with Registry(root, durability="fast") as registry:
        task = Task.init(project_name="vision", task_name="train", reuse_last_task_id=False)
        task.connect({"lr": 0.1, "layers": [1, 2], "note": "über"})
        task.connect_configuration({"a": {"b": 1}}, name="data")
        task.set_comment("a run")
        task.add_tags(["night"])
        parent = registry.add(
            weights, name="net", project="vision", tags=["a", "b"], metadata={"rank": 3}
        )
        task.set_input_model(parent.id, name="start")
        output = OutputModel(task, name="net", tags=["b"], config_dict={"layers": 3})
        output.labels = {"cat": 0, "dog": 1}
        for number in range(3):
            path = folder / f"w{number}.pt"
            path.write_bytes(b"weights %d" % number * 100)
            output.update_weights(str(path), iteration=number)
        packed = OutputModel(task, name="packed")
        packed.update_weights_package(weights_path=str(folder / "package"))
        for owner in (output, task.get_logger()):
            for step in range(200):
                owner.report_scalar("loss", "train", 1 / (step + 1), iteration=step)
            owner.report_single_value("accuracy", 0.9)
            owner.report_histogram("sizes", "all", [1, 2, 3], iteration=0)
            owner.report_table("rows", "t", table_plot=[["a", "b"], [1, 2]], iteration=0)
            owner.report_scatter2d("points", "p", [[0, 1], [1, 2]], iteration=0)
            owner.report_confusion_matrix("confusion", "c", [[1, 2], [3, 4]], iteration=0)
        task.get_logger().report_text("a line")
        task.get_logger().report_media(
            "media", "m", iteration=0, stream=io.BytesIO(b"text"), file_extension="txt"
        )
        task.upload_artifact("numbers", np.arange(4))
        task.upload_artifact("facts", {"a": 1})
        record_signature(registry._chain.first, parent.id, b"a signature")
        record_gate(registry._chain.first, ("vision", "net"), "next", ["signed", "rank>=3"])
        registry.set_alias(parent, "prod")
        for number in range(12):
            InputModel.import_model(
                f"https://me:secret@example.org/{number}.pt?key=secret",
                name=f"remote {number}",
                project="zoo",
                tags=["remote"],
                comment="from elsewhere",
            )
        pets = Dataset.create("pets", "vision", ["a"], registry=registry)
        pets.add_files(folder / "package")
        pets.add_external_files(str(weights))
        pets.finalize(auto_upload=True)
        child = Dataset.create("pets", "vision", parent_datasets=[pets], registry=registry)
        child.add_files(folder / "w0.pt", dataset_path="more")
        child.remove_files("config.json")
        gone = InputModel.import_model("s3://bucket/gone.pt", name="gone", project="zoo")
        InputModel.remove(gone, force=True)
        registry.model("zoo/remote 1").archive()
        registry.model("zoo/remote 2").publish()
        task.close()
        registry.render()
    return root


class Hang(BaseException):
    """A call took too long."""


@contextmanager
def in_time(seconds=SECONDS):
    """Raise `Hang` in the block after some seconds, also inside a call of the system."""

    def stop(*_):
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def api_uses(registry):
    """Yield name and function of each reading call of the API."""
    yield "models", lambda: registry.models(tags=["b"])
    yield "by name", lambda: registry.models(project="zoo", order_by="name")
    yield "by metric", lambda: registry.models(order_by="metrics.loss/train")
    yield "records", lambda: registry.query_models(order_by="name").records()
    yield "records of tasks", lambda: registry.tasks(order_by="parameters.Args/lr").records()
    yield "by metadata", lambda: registry.models(metadata={"rank": 3})
    yield "history", registry.history
    yield "verify", lambda: registry.verify(full=True)
    yield "du", registry.du
    yield "gc", lambda: registry.gc(dry_run=False)
    yield "render", registry.render
    yield "data sets", lambda: Dataset.list_datasets(only_completed=False, registry=registry)
    for version in ("1.0.0", "1.0.1"):
        yield (
            f"files of data set {version}",
            lambda version=version: _dataset_properties(
                Dataset.get(dataset_name="pets", dataset_version=version, registry=registry)
            ),
        )
    yield "tasks", lambda: Task.get_tasks(project_name="vision")
    yield "compare", lambda: registry.compare("vision/net:1", "vision/net:2")
    for name in (
        "vision/net:1",
        "vision/net:2",
        "vision/packed",
        "zoo/remote 3",
        "vision/net@prod",
    ):
        yield f"every property of {name}", lambda name=name: _properties(registry.model(name))
        yield f"weights of {name}", lambda name=name: _weights(registry.model(name))
        yield f"page of {name}", lambda name=name: registry.model(name).report()
        yield f"figures of {name}", lambda name=name: registry.model(name).figures(full=True)
    yield (
        "every property of the task",
        lambda: _task_properties(Task.get_task(project_name="vision", task_name="train")),
    )


def _properties(model):
    for name in (
        "name project project_name comment tags system_tags config_text config_dict labels "
        "framework task original_task url published archived version ref aliases digest size"
    ).split():
        try:
            getattr(model, name)
        except LocalregError:
            continue
    for call in (
        model.history, model.lineage, model.revisions, model.get_all_metadata_casted,
        model.get_reported_scalars, model.get_last_scalar_metrics,
        model.get_reported_single_values,
    ):  # fmt: skip
        try:
            call()
        except LocalregError:
            continue


def _dataset_properties(dataset):
    for name in ("name", "project", "version", "tags", "file_entries", "link_entries"):
        getattr(dataset, name)
    for call in (dataset.list_files, dataset.list_added_files, dataset.get_dependency_graph,
                 dataset.is_dirty, dataset.get_num_chunks, dataset.get_local_copy):  # fmt: skip
        try:
            call()
        except LocalregError:
            continue


def _weights(model):
    if "://" in (model.url or "") and not (model.url or "").startswith("file:"):
        return
    model.get_weights(raise_on_error=True)
    model.get_local_copy(raise_on_error=True)


def _task_properties(task):
    if task is None:
        return
    for name in (
        "name project task_type parent status status_reason published comment tags output_uri "
        "input_models_id output_models_id models artifacts"
    ).split():
        try:
            getattr(task, name)
        except LocalregError:
            continue
    for call in (
        task.get_parameters, task.get_configuration_object, task.get_script,
        task.get_model_config_dict, task.get_labels_enumeration, task.get_last_iteration,
        task.get_reported_scalars, task.figures, task.report,
        lambda: [(each.metadata, each.preview, each.timestamp, each.get_local_copy(), each.get())
                 for each in task.artifacts.values()],
    ):  # fmt: skip
        try:
            call()
        except (LocalregError, TypeError) as error:
            if isinstance(error, TypeError) and "argument" not in str(error):
                raise


COMMANDS = (
    "ls", "ls -a --json", "show vision/net", "show vision/net --json", "history vision/net",
    "lineage vision/net", "path vision/net:1", "report vision/net", "site", "verify", "gc",
    "gc --delete", "du", "doctor", "task ls", "task ls --json", "compare vision/net:1 vision/net",
    "cache ls", "env", "meta vision/net", "show vision/packed", "path vision/packed",
)  # fmt: skip


def misused(root, *, commands=COMMANDS, api=True):
    """Use a registry in every way; return what hung, and errors that are not localreg's own."""
    found = []

    def use(name, call):
        try:
            with in_time():
                call()
        except LocalregError:
            pass
        except Hang:
            found.append(f"{name} hangs")
        except Exception as error:  # noqa: BLE001  (the test is about which)
            found.append(f"{name}: {_place(error)}{type(error).__name__}: {error}"[:400])

    for command in commands:
        use(command, lambda command=command: run_cli("-R", root, *command.split()))
    if not api:
        return found

    def everything():
        with Registry(root, durability="fast") as registry:
            for name, call in api_uses(registry):
                use(name, call)

    try:
        everything()
    except LocalregError:
        pass
    except Exception as error:  # noqa: BLE001
        found.append(f"open or close: {_place(error)}{type(error).__name__}: {error}")
    return found


def _place(error):
    """Return the lines of localreg that an error passed through, for the message of a test."""
    lines = []
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if "/localreg/" in name:
            lines.append(f"{name.rpartition('/localreg/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " ".join(lines[-3:]) + " "
