"""Make what is kept of format 1: a registry, a bundle, a remote, and what commands say of them.

A later localreg must read these files, and say the same. They were made once, by the code that
froze format 1. A change that cannot read them needs a migration and the next format; then a script
of its own makes the files of that format, and these stay as they are.

    PYTHONPATH=tests python tests/support/kept/make_format_1.py
"""

from __future__ import annotations

import json
import lzma
import shutil
import tarfile
import tempfile
from pathlib import Path

from support.foreign_signatures import new_key, private_pem, public_pem
from support.kept_formats import KEPT, answers, calls, schemas_of_now
from support.servers.file_site import FileSite
from support.used_registry import make_used_registry

from localreg import InputModel, OutputModel, Registry, Task
from localreg.cli.main import cli


def make_registry(folder: Path, site: FileSite) -> Path:
    """Make a registry below a folder, with every kind of event; return its directory."""
    root = make_used_registry(folder)
    with Registry(root, durability="fast") as registry:
        _change_weights(registry, folder, site)
        _change_tasks(root, folder)
    _change_by_commands(root, folder)
    return root


def _change_weights(registry: Registry, folder: Path, site: FileSite) -> None:
    served = InputModel.import_model(site.url(), name="served", project="zoo")
    served.get_local_copy(raise_on_error=True)  # weights.fetched
    site.files["/net.pt"] = b"other bytes" * 100
    served.get_local_copy(raise_on_error=True, force_download=True)  # model.weights
    pointed = (folder / "package" / "model.bin").as_uri()
    for copy in (False, True):  # model.weights_kept
        InputModel.import_model(pointed, name="pointed", project="zoo", copy=copy)
    task = Task.init(project_name="vision", task_name="train again")
    output = OutputModel(task, name="kept")
    for number in range(3):  # model.weights_dropped, model.weights_uploaded
        output.update_weights(
            folder / f"w{number}.pt", upload_uri=str(folder / "uploads"), keep_last=2
        )
    OutputModel.wait_for_uploads()
    registry.model("vision/kept").restore_weights(2)  # model.weights_chosen
    task.close()


def _change_tasks(root: Path, folder: Path) -> None:
    (folder / "train.py").write_text("from localreg import Task\nTask.init('vision', 'run')\n")
    task = Task.create("vision", "run", script=str(folder / "train.py"))
    run("-R", root, "task", "run", task.id)
    task.move_to_project(new_project_name="zoo")
    Task.create("vision", "removed").delete()


def _change_by_commands(root: Path, folder: Path) -> None:
    def on(*words: object) -> None:
        run("-R", root, *words)

    key = new_key()
    (folder / "key.pem").write_bytes(private_pem(key))
    (folder / "key.pub").write_bytes(public_pem(key))
    (folder / "card.md").write_text("# A card\n")
    on("add", folder / "w0.pt", "-n", "vision/draft")
    on("mv", "vision/draft:1", "zoo/moved")
    on("mv", "vision/draft:1", "--release")
    on("card", "zoo/moved", "--set", folder / "card.md")
    on("add", folder / "w1.pt", "-n", "zoo/back")
    on("rm", "zoo/back")
    on("restore", "zoo/back")
    on("sign", "vision/net:1", "--key", folder / "key.pem")
    on("key", "add", folder / "key.pub", "--name", "release")
    on("protect", "zoo/back@prod", "--require", "rank>=3")
    on("alias", "zoo/back", "prod", "--override", "a test")
    on("meta", "zoo/back", "rank=3", "note=later")
    other = folder / "other"
    run("init", other)
    run("-R", other, "add", folder / "w0.pt", "-n", "zoo/moved")
    on("merge", other, "--renumber")


def run(*words: object) -> None:
    """Run a command line; fails if it fails."""
    cli.main([str(each) for each in words], standalone_mode=False)


def pack(name: str, folder: Path, what: str) -> None:
    """Keep a folder or a file of a folder as NAME.tar.xz."""
    with tarfile.open(KEPT / f"{name}.tar.xz", "w:xz", preset=9 | lzma.PRESET_EXTREME) as archive:
        archive.add(folder / what, arcname=what)


def main() -> None:
    """Make the files."""
    site = FileSite()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = make_registry(folder, site)
        run("-R", root, "export", "--all", "-o", folder / "bundle.tar")
        run("-R", root, "remote", "add", "origin", folder / "remote")
        run("-R", root, "push")
        for made in ("reports/assets", "registry.db-reserve"):  # large, and made again
            path = root / made
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for what in ("registry", "bundle.tar", "remote"):
            pack(f"format-1-{what.removesuffix('.tar')}", folder, what)
        said = answers(root, calls(root))
    text = json.dumps(said, indent=1, sort_keys=True)
    (KEPT / "format-1-answers.json.xz").write_bytes(lzma.compress(text.encode()))
    text = json.dumps(schemas_of_now(), sort_keys=True)
    (KEPT / "format-1-schemas.json.xz").write_bytes(lzma.compress(text.encode()))
    site.server.shutdown()
    site.thread.join()


if __name__ == "__main__":
    main()
