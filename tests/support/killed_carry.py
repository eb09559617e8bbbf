"""The calls that carry models, which are killed at many places; each is prepared, and returned."""

from __future__ import annotations

import io
from pathlib import Path

from support.found_sources import brought, file_weights, net, package_weights, run
from support.sessions import CLOSED, folder_of, zip_of
from support.signed_models import record_gate, record_signature

from localreg import OutputModel, Registry, Task


def prepare(folder):
    """Make a registry "there" with models, a task and reports, bundles of it, and one "here"."""
    (folder / "pkg" / "deep").mkdir(parents=True)
    for name in ("a", "b", "deep/c"):
        (folder / "pkg" / name).write_bytes(name.encode() * 1_000)
    (folder / "net.pt").write_bytes(b"trained" * 1_000)
    with Registry(folder / "there", durability="fast") as there:
        for number in range(3):
            model = there.add(
                io.BytesIO(b"%d" % number * 1_000), "resnet", "vision", filename="w.pt"
            )
            model.report_scalar("loss", "train", 0.5, iteration=number)
            record_signature(there._chain.first, model.id, b"signature %d" % number)
        there.set_alias(model, "prod")
        record_gate(there._chain.first, ("vision", "resnet"), "prod", ["signed"])
        there.add(folder / "pkg", "packed", "p")
        task = Task.create(project_name="lab", task_name="train")
        task.upload_artifact("table", {"rows": 3})
        OutputModel(task=task, name="net").update_weights(str(folder / "net.pt"))
        there.export(everything=True, path=folder / "all.tar")
        there.export(everything=True, path=folder / "all")
        there.export("vision/resnet:1", path=folder / "one.tar")
    with Registry(folder / "here", durability="fast") as here:
        here.add(io.BytesIO(b"own"), "resnet", "vision", filename="w.pt")
        here.import_bundle(folder / "one.tar")
    zip_of(folder_of(CLOSED, folder)).rename(folder / "session.zip")


def opened(name="here"):
    return Registry(name, durability="full")


def imported(source):
    """Return a call that imports a bundle."""

    def prepared():
        registry = opened()
        return lambda: registry.import_bundle(source)

    return prepared


def streamed():
    registry = opened()
    with open("all.tar", "rb") as file:
        stream = io.BytesIO(file.read())
    return lambda: registry.import_bundle(stream)


def copied():
    registry = opened()
    return lambda: registry.import_bundle("all.tar", project="copies", aliases=True)


def session():
    registry = opened()
    return lambda: Task.import_offline_session("session.zip", registry=registry)


def found():
    """Return a call that brings runs and models of another program, with bytes and reports."""
    registry = opened()
    weights = file_weights(Path("net.pt").absolute())
    package = package_weights(Path("pkg").absolute())
    models = [net(1, weights=(weights,), aliases=("prod",)), net(2, weights=(package,))]
    return lambda: brought(registry, tasks=[run(), run("b", parent=run().key)], models=models)


def merged():
    registry = opened()
    return lambda: registry.merge("there", renumber=True)


def exported(target):
    """Return a call that exports the whole registry."""

    def prepared():
        registry = opened("there")
        return lambda: registry.export(everything=True, path=target)

    return prepared


ARRIVING = {
    "import a file": imported("all.tar"),
    "import a folder": imported("all"),
    "import a stream": streamed,
    "import copies": copied,
    "merge": merged,
    "import a session": session,
    "import another program": found,
}
LEAVING = {"export a file": exported("new.tar"), "export a folder": exported("new")}
CALLS = ARRIVING | LEAVING
