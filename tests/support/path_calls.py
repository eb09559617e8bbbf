"""Every call that takes a path from the user: how to make it, and where it may succeed.

`outcomes` makes each call at each of some places, and returns what came of it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from pathlib import Path
from typing import NamedTuple

from support.command_line import run_cli
from support.foreign_signatures import new_key, private_pem
from support.odd_files import KINDS, make_odd, seen

import localreg
from localreg import Dataset, InputModel, OutputModel, Registry, StorageManager, Task, use_registry
from localreg.errors import LocalregError

FOLDER = {"folder", "link to folder"}
FOREIGN = {"file of another user", "link to file of another user"}
EVERYWHERE = {*KINDS, *(f"link to {kind}" for kind in KINDS), "link to nothing", *FOREIGN}
SECONDS = 20  # only a call that hangs takes so long


class World:
    """A registry with a file, a model and a task, which the calls use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = use_registry(folder / "registry", durability="fast")
        self.file = folder / "weights.bin"
        self.file.write_bytes(b"weights")
        self.model = self.registry.add(self.file, "net")
        self.second = self.registry.add(self.file, "net")
        self.task = Task.init("p", "t")
        self.task.set_configuration_object("c", config_text="a")

    @property
    def logger(self) -> localreg.Logger:
        return self.task.get_logger()

    def output(self) -> OutputModel:
        return OutputModel(self.task)

    def cli(self, *arguments: object) -> None:
        """Run a command; raise LocalregError if it ends with an error and says why."""
        code, _, err = run_cli(*arguments)
        if code and code < 10 and err.strip() and "Traceback" not in err:
            raise LocalregError(f"exit {code}: {err.strip()}")
        if code:
            raise RuntimeError(f"exit {code}: {err}")

    def here(self) -> tuple[str, Path]:
        return "-R", self.registry.path


def upload(output: OutputModel, world: World) -> None:
    output.update_weights(world.file, async_enable=False)


def with_destination(world: World, place: Path) -> None:
    output = world.output()
    output.set_upload_destination(str(place))
    upload(output, world)


def with_default_destination(world: World, place: Path) -> None:
    try:
        OutputModel.set_default_upload_uri(str(place))
        upload(world.output(), world)
    finally:
        OutputModel.set_default_upload_uri(None)


def with_output_uri(world: World, place: Path) -> None:
    task = Task.create("p", "u")
    task.output_uri = place
    upload(OutputModel(task), world)


def add_in_every_mode(world: World, place: Path) -> None:
    try:
        world.registry.add(place, "n")
    finally:
        for mode in ("link", "move"):  # this one deletes what is there
            with contextlib.suppress(LocalregError):
                world.registry.add(place, "n", mode=mode)


def open_registry(world: World, place: Path) -> None:
    Registry(place, durability="fast").close()


def use(world: World, place: Path) -> None:
    try:
        use_registry(place, durability="fast").close()
    finally:
        use_registry(world.registry.path, durability="fast")


def with_upstream(world: World, place: Path) -> None:
    Registry(world.folder / "other", durability="fast", upstream=[place]).close()


def with_remote(world: World, place: Path) -> None:
    world.registry.add_remote("further", place)
    world.registry.remove_remote("further")


def a_key(world: World) -> Path:
    place = world.folder / "key.pem"
    if not place.exists():
        place.write_bytes(private_pem(new_key()))
    return place


def with_signature(world: World, place: Path) -> None:
    world.registry.sign("net", a_key(world))
    world.cli("get", "net", "--signature", "-f", "-o", place, *world.here())


def dataset(world: World, **given: object) -> Dataset:
    made = Dataset.create("d", "p", **given)  # type: ignore[arg-type]
    made.add_files(world.file, dataset_path="in")
    return made


def final(world: World) -> Dataset:
    made = dataset(world)
    made.finalize(auto_upload=True)
    return made


def rehearse(folder: Path) -> None:
    """Load what another user may not be able to read."""
    world = World(folder)
    Registry.clone(a_remote(world), folder / "cloned").close()
    world.registry.close()


def a_remote(world: World) -> Path:
    place = world.folder / "remote"
    if not place.exists():
        world.cli("remote", "add", "origin", place, *world.here())
    return place


def with_one_file(world: World) -> Path:
    folder = world.folder / "of one file"
    folder.mkdir(exist_ok=True)
    (folder / "a").write_bytes(b"a")
    return folder


# The keys of a table name a parameter, and after a comma how it is given if that differs.
class Call(NamedTuple):
    """How a call is made with a path, and the kinds of places where it succeeds."""

    make: object
    right: set[str] = frozenset()  # type: ignore[assignment]


API = {
    "InputModel.import_model(weights_url)": Call(
        lambda w, p: InputModel.import_model(p, copy=True), FOLDER
    ),
    "InputModel.load_model(weights_url)": Call(lambda w, p: InputModel.load_model(p), EVERYWHERE),
    "WeightsMethods.get_local_copy(target_folder)": Call(
        lambda w, p: w.model.get_local_copy(target_folder=p, mutable=True, raise_on_error=True),
        FOLDER,
    ),
    "ReportedMethods.report(path)": Call(lambda w, p: w.model.report(path=p), FOLDER),
    "ReportedMethods.export_images(folder)": Call(lambda w, p: w.model.export_images(p), FOLDER),
    "ReportMethods.report_table(csv)": Call(
        lambda w, p: w.model.report_table("t", "s", iteration=0, csv=p)
    ),
    "ReportMethods.report_table(url)": Call(
        lambda w, p: w.model.report_table("t", "s", iteration=0, url=p.as_uri())
    ),
    "Logger.report_image(local_path)": Call(
        lambda w, p: w.logger.report_image("t", "s", iteration=0, local_path=p)
    ),
    "Logger.report_image(url)": Call(
        lambda w, p: w.logger.report_image("t", "s", iteration=0, url=p.as_uri())
    ),
    "Logger.report_media(local_path)": Call(
        lambda w, p: w.logger.report_media("t", "s", iteration=0, local_path=p)
    ),
    "Logger.report_media(url)": Call(
        lambda w, p: w.logger.report_media("t", "s", iteration=0, url=p.as_uri())
    ),
    "Logger.set_default_upload_destination(uri)": Call(
        lambda w, p: w.logger.set_default_upload_destination(str(p)), EVERYWHERE
    ),
    "OutputModel.set_default_upload_uri(output_uri)": Call(with_default_destination, FOLDER),
    "OutputModel.set_upload_destination(uri)": Call(with_destination, FOLDER),
    "OutputModel.update_weights(weights_filename)": Call(
        lambda w, p: w.output().update_weights(p), FOLDER
    ),
    "OutputModel.update_weights(upload_uri)": Call(
        lambda w, p: w.output().update_weights(w.file, upload_uri=str(p), async_enable=False),
        FOLDER,
    ),
    "OutputModel.update_weights(register_uri)": Call(
        lambda w, p: w.output().update_weights(register_uri=str(p)), EVERYWHERE
    ),
    "OutputModel.update_weights_package(weights_filenames)": Call(
        lambda w, p: w.output().update_weights_package([w.file, p])
    ),
    "OutputModel.update_weights_package(weights_path)": Call(
        lambda w, p: w.output().update_weights_package(weights_path=p), FOLDER
    ),
    "OutputModel.update_weights_package(upload_uri)": Call(
        lambda w, p: w.output().update_weights_package(
            [w.file], upload_uri=str(p), async_enable=False
        ),
        FOLDER,
    ),
    "Dataset.add_files(path)": Call(lambda w, p: dataset(w).add_files(p), FOLDER),
    "Dataset.add_files(local_base_folder)": Call(
        lambda w, p: dataset(w).add_files(w.file, local_base_folder=p)
    ),
    "Dataset.add_external_files(source_url)": Call(
        lambda w, p: dataset(w).add_external_files(str(p)), FOLDER | FOREIGN
    ),
    "Dataset.sync_folder(local_path)": Call(lambda w, p: dataset(w).sync_folder(p), FOLDER),
    "Dataset.create(output_uri)": Call(lambda w, p: dataset(w, output_uri=str(p)).upload(), FOLDER),
    "Dataset.upload(output_url)": Call(lambda w, p: dataset(w).upload(output_url=str(p)), FOLDER),
    "Dataset.squash(output_url)": Call(
        lambda w, p: Dataset.squash("s", [final(w)], output_url=str(p)), FOLDER
    ),
    "Dataset.get_mutable_local_copy(target_folder)": Call(
        lambda w, p: final(w).get_mutable_local_copy(p)
    ),
    "Dataset.verify_dataset_hash(local_copy_path)": Call(
        lambda w, p: final(w).verify_dataset_hash(p), FOLDER
    ),
    "Registry.__init__(path)": Call(open_registry, FOLDER),
    "Registry.__init__(upstream)": Call(with_upstream, EVERYWHERE),
    "Registry.add(source)": Call(add_in_every_mode, FOLDER),
    "Registry.add(source), one of several": Call(lambda w, p: w.registry.add([w.file, p], "two")),
    "Registry.compare(path)": Call(
        lambda w, p: w.registry.compare(w.model, w.second, path=p), FOLDER
    ),
    "Registry.backup(target)": Call(lambda w, p: w.registry.backup(p)),
    "Registry.export(path)": Call(lambda w, p: w.registry.export("net", path=p)),
    "Registry.export(path), for MLflow": Call(
        lambda w, p: w.registry.export("net", path=p, format="mlflow")
    ),
    "Registry.export(path), for the Hub": Call(
        lambda w, p: w.registry.export("net", path=p, format="hf")
    ),
    "Registry.export(path), tables": Call(
        lambda w, p: w.registry.export("net", path=p, format="parquet")
    ),
    "Registry.export(since)": Call(
        lambda w, p: w.registry.export("net", path=w.folder / "b.tar", since=p)
    ),
    "Registry.import_bundle(source)": Call(lambda w, p: w.registry.import_bundle(p)),
    "Registry.import_from(source)": Call(
        lambda w, p: w.registry.import_from(p, "metrics", task="t")
    ),
    "Registry.merge(directory)": Call(lambda w, p: w.registry.merge(p)),
    "Registry.add_remote(url)": Call(with_remote, FOLDER),
    "Registry.sign(key)": Call(lambda w, p: w.registry.sign("net", p)),
    "Registry.sign(certificate)": Call(
        lambda w, p: w.registry.sign("net", a_key(w), certificate=p)
    ),
    "Registry.sign(certificate_chain)": Call(
        lambda w, p: w.registry.sign("net", a_key(w), certificate=p, certificate_chain=[p])
    ),
    "Registry.attach_signature(signature)": Call(
        lambda w, p: w.registry.attach_signature("net", p)
    ),
    "Registry.verify_signature(key)": Call(lambda w, p: w.registry.verify_signature("net", key=p)),
    "Registry.verify_signature(certificate_chain)": Call(
        lambda w, p: w.registry.verify_signature("net", certificate_chain=[p])
    ),
    "Registry.add_key(key)": Call(lambda w, p: w.registry.add_key(p)),
    "Registry.clone(url)": Call(lambda w, p: Registry.clone(p, w.folder / "cloned")),
    "Registry.clone(directory)": Call(lambda w, p: Registry.clone(a_remote(w), p)),
    "StorageManager.get_local_copy(remote_url)": Call(
        lambda w, p: StorageManager.get_local_copy(p, raise_on_error=True), FOLDER | FOREIGN
    ),
    "StorageManager.upload_file(local_file)": Call(
        lambda w, p: StorageManager.upload_file(p, w.folder / "uploaded")
    ),
    "StorageManager.upload_file(remote_url)": Call(
        lambda w, p: StorageManager.upload_file(w.file, p)
    ),
    "StorageManager.upload_folder(local_folder)": Call(
        lambda w, p: StorageManager.upload_folder(p, w.folder / "uploaded folder"), FOLDER
    ),
    "StorageManager.upload_folder(remote_url)": Call(
        lambda w, p: StorageManager.upload_folder(with_one_file(w), p), FOLDER
    ),
    "StorageManager.download_file(remote_url)": Call(
        lambda w, p: StorageManager.download_file(p, w.folder / "into", raise_on_error=True), FOLDER
    ),
    "StorageManager.download_file(local_folder)": Call(
        lambda w, p: StorageManager.download_file(w.file, p, raise_on_error=True), FOLDER
    ),
    "StorageManager.download_folder(remote_url)": Call(
        lambda w, p: StorageManager.download_folder(p, w.folder / "into"), EVERYWHERE
    ),
    "StorageManager.download_folder(local_folder)": Call(
        lambda w, p: StorageManager.download_folder(with_one_file(w), p, raise_on_error=True),
        FOLDER,
    ),
    "StorageManager.list(remote_url)": Call(lambda w, p: StorageManager.list(p), EVERYWHERE),
    "StorageManager.exists_file(remote_url)": Call(
        lambda w, p: StorageManager.exists_file(p), EVERYWHERE
    ),
    "StorageManager.get_file_size_bytes(remote_url)": Call(
        lambda w, p: StorageManager.get_file_size_bytes(p), EVERYWHERE
    ),
    "StorageManager.get_metadata(remote_url)": Call(
        lambda w, p: StorageManager.get_metadata(p), EVERYWHERE
    ),
    "StorageManager.get_stream(remote_url)": Call(lambda w, p: list(StorageManager.get_stream(p))),
    "Logger.report_table(csv)": Call(
        lambda w, p: w.logger.report_table("t", "s", iteration=0, csv=p)
    ),
    "Logger.report_table(url)": Call(
        lambda w, p: w.logger.report_table("t", "s", iteration=0, url=p.as_uri())
    ),
    "Task.create(requirements_file)": Call(
        lambda w, p: Task.create("p", "c", script="a.py", requirements_file=p)
    ),
    "Logger.report_image_and_upload(path)": Call(
        lambda w, p: w.logger.report_image_and_upload("t", "s", iteration=0, path=p)
    ),
    "ModelMethods.update_output_model(model_path)": Call(
        lambda w, p: w.task.update_output_model(p), FOLDER
    ),
    "OlderMethods.update_model_desc(new_model_desc_file)": Call(
        lambda w, p: w.task.update_model_desc(p)
    ),
    "OlderMethods.save_exec_model_design_file(filename)": Call(
        lambda w, p: w.task.save_exec_model_design_file(p)
    ),
    "ScriptFactMethods.set_script(working_dir)": Call(
        lambda w, p: w.task.set_script(working_dir=p), EVERYWHERE
    ),
    "ScriptFactMethods.set_script(entry_point)": Call(
        lambda w, p: w.task.set_script(entry_point=p), EVERYWHERE
    ),
    "ParameterMethods.connect_configuration(configuration)": Call(
        lambda w, p: w.task.connect_configuration(p, name="c")
    ),
    "SessionMethods.import_offline_session(session_folder_zip)": Call(
        lambda w, p: Task.import_offline_session(p)
    ),
    "Task.create(script)": Call(lambda w, p: Task.create("p", "c", script=p), EVERYWHERE),
    "Task.create(working_directory)": Call(
        lambda w, p: Task.create("p", "c", script="a.py", working_directory=p), EVERYWHERE
    ),
    "Task.init(output_uri)": Call(with_output_uri, FOLDER),
    "NoOpMethods.force_requirements_env_freeze(requirements_file)": Call(
        lambda w, p: Task.force_requirements_env_freeze(requirements_file=p), EVERYWHERE
    ),
    "StateMethods.set_packages(packages)": Call(lambda w, p: w.task.set_packages(p)),
    "ArtifactMethods.upload_artifact(artifact_object)": Call(
        lambda w, p: w.task.upload_artifact("a", p, delete_after_upload=True), FOLDER
    ),
    "use_registry(path)": Call(use, FOLDER),
}
COMMANDS = {
    "-R": Call(lambda w, p: w.cli("add", w.file, "-R", p), FOLDER),
    "init directory": Call(lambda w, p: w.cli("init", p), FOLDER),
    "demo --home": Call(lambda w, p: w.cli("demo", "--home", p)),
    "add files": Call(lambda w, p: w.cli("add", p, *w.here()), FOLDER),
    "add files, one of several": Call(lambda w, p: w.cli("add", w.file, p, "-n", "two", *w.here())),
    "add --config": Call(lambda w, p: w.cli("add", w.file, "--config", p, *w.here())),
    "add --labels": Call(lambda w, p: w.cli("add", w.file, "--labels", p, *w.here())),
    "dataset get --output": Call(
        lambda w, p: w.cli("dataset", "get", final(w).id, "-o", p, *w.here())
    ),
    "get --output": Call(lambda w, p: w.cli("get", "net", "-f", "-o", p, *w.here()), FOLDER),
    "card --output": Call(lambda w, p: w.cli("card", "net", "-f", "-o", p, *w.here()), FOLDER),
    "card --set": Call(lambda w, p: w.cli("card", "net", "--set", p, *w.here())),
    "report --output": Call(lambda w, p: w.cli("report", "net", "-o", p, *w.here()), FOLDER),
    "compare --output": Call(
        lambda w, p: w.cli("compare", "net:1", "net:2", "-o", p, *w.here()), FOLDER
    ),
    "backup target": Call(lambda w, p: w.cli("backup", p, *w.here())),
    "export --output, for MLflow": Call(
        lambda w, p: w.cli("export", "net", "--format", "mlflow", "-o", p, *w.here())
    ),
    "export --output": Call(lambda w, p: w.cli("export", "net", "-o", p, *w.here())),
    "merge source": Call(lambda w, p: w.cli("merge", p, *w.here())),
    "sign --key": Call(lambda w, p: w.cli("sign", "net", "--key", p, *w.here())),
    "sign --certificate": Call(
        lambda w, p: w.cli("sign", "net", "--key", a_key(w), "--certificate", p, *w.here())
    ),
    "sign --certificate-chain": Call(
        lambda w, p: w.cli(
            "sign",
            "net",
            "--key",
            a_key(w),
            "--certificate",
            p,
            "--certificate-chain",
            p,
            *w.here(),
        )
    ),
    "sign --signature": Call(lambda w, p: w.cli("sign", "net", "--signature", p, *w.here())),
    "sign --output": Call(
        lambda w, p: w.cli("sign", "net", "--key", a_key(w), "-f", "-o", p, *w.here()), FOLDER
    ),
    "get --output, a signature": Call(with_signature, FOLDER),
    "key add file": Call(lambda w, p: w.cli("key", "add", p, *w.here())),
    "verify --key": Call(lambda w, p: w.cli("verify", "net", "--key", p, *w.here())),
    "verify --certificate-chain": Call(
        lambda w, p: w.cli("verify", "net", "--certificate-chain", p, *w.here())
    ),
    "clone target": Call(lambda w, p: w.cli("clone", a_remote(w), p)),
    "clone target, its URL": Call(lambda w, p: w.cli("clone", p, w.folder / "cloned")),
    "clone target, the URL of remote add": Call(
        lambda w, p: w.cli("remote", "add", f"at-{p.name}", p, *w.here()), FOLDER
    ),
    "task clone --set-config": Call(
        lambda w, p: w.cli("task", "clone", w.task.id, "--set-config", f"c={p}", *w.here())
    ),
    "task run --python": Call(
        lambda w, p: w.cli("task", "run", w.task.id, "--python", p, *w.here())
    ),
}


def make_places(folder: Path) -> dict[str, Path]:
    """Return a path with each kind of thing, and links to them."""
    there = folder / "there"
    there.mkdir()
    made = {kind: make_odd(kind, folder) for kind in KINDS}
    targets = {kind: make_odd(kind, there) for kind in KINDS}
    for each in (made, targets):
        (each["folder"] / "in it").write_bytes(b"in it")
    return made | linked(targets, folder) | linked({"nothing": there / "nothing"}, folder)


def linked(targets: dict[str, Path], folder: Path) -> dict[str, Path]:
    """Return new links in a folder, by the kind of what they lead to."""
    links = {}
    for kind, target in targets.items():
        links[f"link to {kind}"] = folder / f"link-{target.name}"
        links[f"link to {kind}"].symlink_to(target)
    return links


def outcomes(
    calls: dict[str, Call], world: World, places: object, skipped: set[tuple[str, str]]
) -> dict[str, str]:
    """Make each call at each place; return what is wrong, by call and kind of place.

    Args:
        places: a function that returns the places for one call, by kind.
        skipped: calls and kinds that would do too much.
    """
    wrong = {}
    signal.signal(signal.SIGALRM, _give_up)
    for number, (name, call) in enumerate(calls.items()):
        for kind, place in places(number).items():  # type: ignore[operator]
            if (name, kind) not in skipped:
                found = _outcome(call, world, kind, place)
                if found:
                    wrong[f"{name} at a {kind}"] = found
    return wrong


def _give_up(*_: object) -> None:
    raise TimeoutError("it hangs")


def _outcome(call: Call, world: World, kind: str, place: Path) -> str:
    before = _nodes(place)
    signal.alarm(SECONDS)
    try:
        call.make(world, place)  # type: ignore[operator]
    except LocalregError as error:
        found = f"refused: {error}" if kind in call.right else ""
    except Exception:  # noqa: BLE001  (the test shows it)
        found = traceback.format_exc(limit=-3)
    else:
        found = "" if kind in call.right else "accepted"
    finally:
        signal.alarm(0)
    if kind in call.right and "folder" in kind:
        return found  # something may be in it now
    return found or ("" if _nodes(place) == before else "the node has changed")


def _nodes(place: Path) -> list[object]:
    """Return what is at a place, and where it leads to."""
    real = Path(os.path.realpath(place))
    return [seen(each) for each in (place, real) if os.path.lexists(each)]
