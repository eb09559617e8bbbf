"""P27: what changes while it is read is an error in every mode, and nothing of it is kept."""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager

import pytest
from support.contents import blobs

from localreg import InputModel, OutputModel, Task
from localreg.errors import InvalidValueError
from localreg.operations.models import adding, recording

SIZE = 3_000_000  # so small that it is hashed in the thread that `changing` follows


def append(path):
    with open(path, "ab") as file:
        file.write(b"x" * 100)


def rewrite(path):
    """Write in place, so that the size stays."""
    with open(path, "r+b") as file:
        file.write(b"x" * 100)


def rewrite_and_hide(path):
    """Write in place, and set the time back to what it was."""
    found = path.stat()
    rewrite(path)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


CHANGES = [append, rewrite, rewrite_and_hide]


@contextmanager
def changing(path, change):
    """Change a file after each read of it in the block: Python reports each call of a read."""

    def watch(frame, event, function):
        name = getattr(function, "__name__", "")
        file = getattr(function, "__self__", None)
        if event != "c_return":
            return
        if name in ("copy_file_range", "ioctl") or (
            name in ("read", "readinto")
            and isinstance(file, io.FileIO)
            and os.path.samestat(os.fstat(file.fileno()), path.stat())
        ):
            change(path)

    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(None)


def add(registry, task, path):
    registry.add(path, "m")


def move(registry, task, path):
    registry.add(path, "m", mode="move")


def link(registry, task, path):
    registry.add(path, "m", mode="link")


def hash_in_place(registry, task, path):
    adding.add_model(
        registry._chain, path, recording.describe(name="m"), mode="reference", hashed=True
    )


def import_with_copy(registry, task, path):
    InputModel.import_model(path, name="m", copy=True)


def update_weights(registry, task, path):
    OutputModel(task, name="m").update_weights(path)


def update_and_delete(registry, task, path):
    OutputModel(task, name="m").update_weights(path, auto_delete_file=True)


def upload_to_a_folder(registry, task, path):
    target = registry.path.with_name("uploads")
    OutputModel(task, name="m").update_weights(path, upload_uri=target, async_enable=False)


def pack_several(registry, task, path):
    OutputModel(task, name="m").update_weights_package([path])


def upload_artifact(registry, task, path):
    task.upload_artifact("a", path)


def report_media(registry, task, path):
    task.get_logger().report_media("m", "s", local_path=path, iteration=0)


def report_csv(registry, task, path):
    task.get_logger().report_table("m", "s", csv=path, iteration=0)


def report_csv_at_a_url(registry, task, path):
    task.get_logger().report_table("m", "s", url=path.as_uri(), iteration=0)


def connect_configuration(registry, task, path):
    task.connect_configuration(path, name="c")


FILES = [
    add, move, link, hash_in_place, import_with_copy, update_weights, update_and_delete,
    upload_to_a_folder, pack_several, upload_artifact, report_media, report_csv,
    report_csv_at_a_url, connect_configuration,
]  # fmt: skip
FOLDERS = [add, import_with_copy, update_weights, upload_to_a_folder, upload_artifact]


@pytest.fixture
def task(registry):
    return Task.init("p", "t")


def kept(registry):
    """Return everything that a read could leave: rows, blobs, temporary and uploaded files."""
    names = ("weights", "artifact", "blob", "plot", "known_file", "configuration")
    rows = [registry.db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names]
    uploads = registry.path.with_name("uploads")
    return rows, blobs(registry.path), list((registry.path / "tmp").glob("*")), [
        path for path in uploads.rglob("*") if path.is_file()
    ]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
@pytest.mark.parametrize("read", FILES, ids=lambda each: each.__name__)
def test_a_file_that_changes_while_it_is_read_is_an_error(read, change, registry, task, tmp_path):
    path = tmp_path / "w.csv"
    path.write_bytes(b"1,2,3,4,5\n" * (SIZE // 10))
    before = kept(registry)
    with changing(path, change), pytest.raises(InvalidValueError, match="changed while it was"):
        read(registry, task, path)
    assert kept(registry) == before
    assert path.exists()


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
@pytest.mark.parametrize("read", FOLDERS, ids=lambda each: each.__name__)
def test_a_folder_with_a_file_that_changes_is_an_error(read, change, registry, task, tmp_path):
    """The file that changes is packed early; the others are packed later."""
    folder = tmp_path / "net"
    folder.mkdir()
    for name in "abcd":
        (folder / name).write_bytes(bytes(SIZE))
    before = kept(registry)
    with changing(folder / "a", change), pytest.raises(InvalidValueError, match="changed while"):
        read(registry, task, folder)
    assert kept(registry) == before


def pack_and(registry, folder, change):
    """Pack a folder; change it once, when the first bytes are packed."""
    done = []

    def progress(written, total):
        if not done:
            done.append(change())

    description = recording.describe(name="m")
    adding.add_model(registry._chain, folder, description, progress=progress)


def test_a_file_that_changes_after_it_was_packed_is_an_error(registry, tmp_path):
    """Each file alone was read whole, but the folder never held these files together."""
    folder = filled(tmp_path)
    with pytest.raises(InvalidValueError, match="net/a changed while"):
        pack_and(registry, folder, lambda: (folder / "a").write_bytes(bytes(SIZE)))
    assert kept(registry)[1:] == ([], [], [])


def test_a_file_that_comes_or_goes_while_a_folder_is_packed_is_an_error(registry, tmp_path):
    folder = filled(tmp_path)
    with pytest.raises(InvalidValueError, match="net/new changed while"):
        pack_and(registry, folder, lambda: (folder / "new").write_bytes(b"new"))
    with pytest.raises(InvalidValueError, match="net/a changed while"):
        pack_and(registry, folder, lambda: (folder / "a").unlink())
    assert (registry.models(), kept(registry)[1:]) == ([], ([], [], []))


def filled(tmp_path):
    folder = tmp_path / "net"
    folder.mkdir()
    for name in "ab":
        (folder / name).write_bytes(bytes(SIZE))
    return folder


def test_files_that_change_after_they_were_stored_are_not_deleted(registry, task, tmp_path, caplog):
    """They were to be deleted afterwards; what was written to them since would be lost."""
    folder = filled(tmp_path)
    planned = adding_plan(registry, folder)
    (folder / "a").write_bytes(b"newer")
    delete_planned(planned)
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert "it has changed since" in caplog.text


def adding_plan(registry, folder):
    from localreg.operations.weights.source_files import plan_deletion

    return plan_deletion(registry._chain, (folder,))


def delete_planned(planned):
    from localreg.operations.weights import source_files

    source_files.delete_planned(planned)
