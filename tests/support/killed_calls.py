"""The calls that are killed at many places; each is prepared first, and returned."""

from __future__ import annotations

from pathlib import Path

from support.trees import DAMAGES, File, plant

from localreg import Dataset, InputModel, Model, OutputModel, Registry, StorageManager, Task
from localreg.operations.reports import pages
from localreg.operations.upkeep import cache

PACKAGE = {
    "a": File(b"a" * 1_000),
    "b": File(b"b" * 1_000),
    "deep/c": File(b"c" * 1_000),
    "same": File(b"a" * 1_000),
    "run.sh": File(b"#!/bin/sh", executable=True),
    "logs": None,
}
OVERLAPPING = PACKAGE | {"b": File(b"B" * 1_000), "deep/new": File(b"new" * 1_000)}
NEW_PACKAGE = OVERLAPPING | {"run.sh": File(b"#!/bin/sh -e", executable=True), "d": File(b"d")}


def prepare(folder, url, zip_url):
    """Make a registry, and files for the calls, in a folder.

    It has a model of each kind: kept, packages that share files, one from an archive, removed,
    referred to and uploaded; a task; a download of `url`; and an upstream registry.
    """
    for name in ("w", "new", "second", "moved", "linked", "up", "above"):
        (folder / f"{name}.pt").write_bytes(name.encode() * 1_000)
    plant(folder / "pkg", PACKAGE)
    plant(folder / "overlapping", OVERLAPPING)
    plant(folder / "new-pkg", NEW_PACKAGE)
    (folder / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 1_000)
    (folder / "url").write_text(url)
    (folder / "zip-url").write_text(zip_url)
    with Registry(folder / "registry", durability="fast") as registry:
        registry.add(folder / "w.pt", "kept", "p", tags=["a"])
        registry.add(folder / "w.pt", "kept", "p")
        registry.add(folder / "pkg", "packed", "p")
        registry.add(folder / "overlapping", "overlapping", "p")
        archived = InputModel.import_model(zip_url, name="from-archive", is_package=True)
        archived.get_local_copy()
        InputModel.import_model(url, name="fetched").get_local_copy()
        InputModel.import_model(f"{url}?2", name="wanted")
        gone = registry.add(folder / "second.pt", "gone")
        Model.remove(gone, delete_weights_file=False)
        task = Task.create("p", "t")
        model = OutputModel(task, name="uploaded")
        model.update_weights(
            str(folder / "up.pt"), upload_uri=str(folder / "share"), async_enable=False
        )
        model.report_scalar("loss", "train", 1.0, 1)
        kept = registry.model("p/kept")
        kept.report_scalar("loss", "train", 1.0, 1)


def opened(upstream=()):
    registry = Registry("registry", durability="full", upstream=list(upstream))
    registry.__enter__()
    return registry


def task():
    opened()
    return Task.get_task(task_name="t")


def output():
    return OutputModel(task(), name="made")


def model(name="p/kept", registry=None):
    return (registry or opened()).model(name)


def closed(registry, call):
    """Return a function that calls, and closes the registry."""

    def both():
        call(registry)
        registry.close()

    return both


def add(name, **options):
    return lambda: closed(opened(), lambda registry: registry.add(name, "new", **options))


def damaged(registry):

    path = next(Path("registry/blobs").rglob(registry.model("p/kept").digest[2:]))
    path.chmod(0o644)
    path.write_bytes(b"x")
    return registry.repair


def damaged_folder():
    registry = opened()
    package = registry.model("p/packed")
    copy = Path(package.get_local_copy())
    DAMAGES["a file removed"](copy, "deep/c")
    DAMAGES["a file added"](copy, "a")
    return package.get_local_copy


def damaged_package():
    registry = opened()
    package = registry.model("p/packed")
    for path in ("deep/c", "run.sh"):
        copy = Path(package.get_local_copy(file=path))
        copy.unlink()
    blobs = [each for each in Path("registry/blobs").rglob("*") if each.is_file()]
    for each in blobs:
        if each.read_bytes() == PACKAGE["b"].content:
            each.chmod(0o644)
            each.write_bytes(b"x")
    return lambda: registry.add("pkg", "new")


def with_garbage():
    registry = opened()
    for name in ("p/kept", "p/packed", "p/overlapping"):
        registry.model(name).get_local_copy()
    Model.remove(registry.model("p/packed"), delete_weights_file=False)
    return lambda: registry.gc(grace_seconds=0, dry_run=False)


def adopting():
    own = Registry("registry", upstream=["other"]).__enter__()
    own.add("above.pt", "upstream")
    own.add("new-pkg", "upstream-package")
    return closed(own, lambda registry: registry.adopt())


def reports():
    logger = task().get_logger()

    def report():
        logger.report_media("media", "image", 1, local_path="image.png")
        logger.report_scalar("a", "b", 1, 1)
        logger.report_text("line", print_console=False)
        logger.report_table("t", "s", 1, table_plot=[["a"], [1]])
        logger.flush()

    return report


def whole_task():
    registry = opened()

    def run():
        begun = Task.init("p", "run", reuse_last_task_id=False)
        begun.connect({"lr": 0.1})
        begun.upload_artifact("numbers", {"a": 1})
        begun.close()
        registry.close()

    return run


def edits():
    registry = opened()
    edited = registry.model("p/kept")

    def edit():
        edited.tags = ["x", "y"]
        edited.set_metadata("k", 1)
        registry.set_alias(edited, "prod")
        edited.publish()
        edited.archive()

    return edit


def uploading(background):
    made = output()

    def upload():
        made.update_weights("new.pt", upload_uri=str(Path("share").absolute()),
                            async_enable=background)  # fmt: skip
        OutputModel.wait_for_uploads()

    return upload


def updated_twice():
    made = output()
    made.update_weights_package(weights_path="pkg", auto_delete_file=False)
    return lambda: made.update_weights_package(
        weights_path="new-pkg", auto_delete_file=False, keep_last=1
    )


def several_files():
    made, files = output(), ["new-pkg/a", "new-pkg/b", "new-pkg/run.sh"]
    return lambda: made.update_weights_package(files, auto_delete_file=False)


def uploading_a_package():
    made = output()
    return lambda: made.update_weights_package(
        weights_path="new-pkg", upload_uri=str(Path("share").absolute()), auto_delete_file=False,
        async_enable=False,
    )  # fmt: skip


def exporting(name, **options):
    registry = opened()
    Path("bundles").mkdir()
    return closed(
        registry, lambda it: it.export("p/kept", "p/packed", path=Path("bundles", name), **options)
    )


def dataset(change):
    """Return a call that changes a data set with the files of `PACKAGE`."""
    registry = opened()
    made = Dataset.create("d", "p", registry=registry)
    made.add_files("pkg")
    return lambda: change(made)


def uploading_a_dataset():
    share = str(Path("share").absolute())
    made = Dataset.create("d", "p", registry=opened())
    made.add_files("pkg/a")
    made.upload(output_url=share)  # it makes the folder
    made.add_files("pkg")
    return lambda: made.upload(output_url=share)


def child():
    registry = opened()
    parent = Dataset.create("d", "p", registry=registry)
    parent.add_files("pkg")
    parent.finalize(auto_upload=True)
    return lambda: Dataset.create("d", "p", parent_datasets=[parent], registry=registry).add_files(
        "new-pkg", dataset_path="more"
    )


def restored():
    registry = opened()
    package = registry.model("p/packed")
    Model.remove(package, delete_weights_file=False)
    return lambda: registry.restore(package.id)


CALLS = {
    "init": lambda: lambda: Registry("registry2").close(),
    "add": add("new.pt"),
    "add a folder": add("new-pkg", project="q"),
    "add a known folder": add("pkg", project="q"),
    "add a folder with damaged blobs": damaged_package,
    "add several files": several_files,
    "update a package": updated_twice,
    "upload a package": uploading_a_package,
    "upload_artifact of a folder": lambda: (
        lambda made: lambda: made.upload_artifact("w", Path("new-pkg"), wait_on_upload=True)
    )(task()),
    "import an archive": lambda: closed(
        opened(),
        lambda _: InputModel.import_model(
            Path("zip-url").read_text() + "?1", name="u", is_package=True, copy=True
        ),
    ),
    "extract an archive": lambda: closed(
        opened(),
        lambda _: StorageManager.get_local_copy(
            Path("zip-url").read_text() + "?2", extract_archive=True
        ),
    ),
    "an archive of a package": lambda: (
        lambda package: lambda: package.get_local_copy(extract_archive=False)
    )(model("p/packed")),
    "a file of a package": lambda: (lambda package: lambda: package.get_local_copy(file="deep/c"))(
        model("p/packed")
    ),
    "a local folder": lambda: model("p/packed").get_local_copy,
    "a local folder again": damaged_folder,
    "a private copy of a package": lambda: (lambda package: lambda: package.get_weights_package())(
        model("p/packed")
    ),
    "move": add("moved.pt", mode="move"),
    "link": add("linked.pt", mode="link"),
    "import with copy": lambda: closed(
        opened(), lambda _: InputModel.import_model("new.pt", name="imported", copy=True)
    ),
    "import with copy of a URL": lambda: closed(
        opened(),
        lambda _: InputModel.import_model(Path("url").read_text() + "?1", name="u", copy=True),
    ),
    "download": lambda: model("wanted").get_local_copy,
    "download again": lambda: (lambda fetched: lambda: fetched.get_local_copy(force_download=True))(
        model("fetched")
    ),
    "data set: make a child": child,
    "data set: add": lambda: dataset(lambda made: made.add_files("new-pkg")),
    "data set: sync": lambda: dataset(lambda made: made.sync_folder("new-pkg")),
    "data set: upload": lambda: dataset(lambda made: made.upload()),
    "data set: upload as a zip": uploading_a_dataset,
    "data set: finalize": lambda: dataset(lambda made: made.finalize(auto_upload=True)),
    "update_weights": lambda: (lambda made: lambda: made.update_weights("new.pt"))(output()),
    "update_weights_package": lambda: (
        lambda made: lambda: made.update_weights_package(weights_path="pkg")
    )(output()),
    "restore a package": restored,
    "upload": lambda: uploading(False),
    "upload in the background": lambda: uploading(True),
    "upload_artifact": lambda: (
        lambda made: lambda: made.upload_artifact("w", "new.pt", wait_on_upload=True)
    )(task()),
    "reports": reports,
    "report": lambda: model().report,
    "site": lambda: closed(opened(), lambda registry: pages.write_site(registry._chain)),
    "edits": edits,
    "restore": lambda: closed(opened(), lambda registry: registry.restore("gone:1")),
    "remove": lambda: (lambda each: lambda: Model.remove(each, delete_weights_file=False))(model()),
    "remove with weights": lambda: (lambda each: lambda: Model.remove(each))(model("p/packed")),
    "remove with an upload": lambda: (lambda each: lambda: Model.remove(each, force=True))(
        model("p/uploaded")
    ),
    "a task": whole_task,
    "export": lambda: exporting("b.tar"),
    "export in parts": lambda: exporting("b.tar", split=8_192),
    "export to a folder": lambda: exporting("b"),
    "export for MLflow": lambda: exporting("b", format="mlflow"),
    "export for the Hub": lambda: exporting("b", format="hf"),
    "export tables": lambda: exporting("b", format="parquet"),
    "prune": lambda: (
        lambda registry: lambda: cache.prune(registry._chain, max_size=0, dry_run=False)
    )(opened()),
    "gc": with_garbage,
    "repair": lambda: damaged(opened()),
    "adopt": adopting,
}
