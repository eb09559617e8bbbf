"""Local copies: decisions 15, 16, 18 and 39 of localreg/guide/decisions.md."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import zipfile
from pathlib import Path

import pytest
from support.command_line import run_cli
from support.contents import path_of
from support.odd_files import KINDS, make_odd
from support.trees import DAMAGES, File, damage_blob, digest_of, look, plant, zipped

from localreg import InputModel, OutputModel, Registry, Task
from localreg.errors import (
    CorruptBlobError,
    InvalidValueError,
    NotAPackageError,
    NotFoundError,
    NoWeightsError,
    PathExistsError,
    StorageFullError,
)
from localreg.values.ids import new_id
from localreg.values.records import ModelRecord

BYTES = b"weights of a model"
DIGEST = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture
def file(write_file):
    return write_file("my model.pt", BYTES)


def model_without_weights(registry):
    """Return a model without a URL, like a new model of a task."""
    record = ModelRecord(id=new_id(), name="bare", version=1, labels={}, metadata={})
    with registry._chain.first.store.write() as change:
        change.record("model.created", record.id, record.payload())
    return InputModel(record.id)


def getters(model):
    return [model.get_weights, model.get_local_copy]


# decision 15: file:// models --------------------------------------------------------------


def test_the_local_copy_of_a_file_url_is_the_file_itself(registry, file):
    model = InputModel.import_model(file)
    for get in getters(model):
        assert get() == str(file)
        assert isinstance(get(), str)
        assert get(force_download=True) == str(file)
    assert not (registry.path / "files").exists()
    assert not (registry.path / "blobs").exists()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pinned", [True, False])
def test_what_replaced_the_file_of_a_model_is_named(registry, file, tmp_path, kind, pinned, caplog):
    """A model without a sha256 may point to a folder; anything else is not its weights."""
    model = InputModel.import_model(file, expected_sha256=DIGEST if pinned else None)
    file.unlink()
    make_odd(kind, tmp_path).rename(file)
    if kind == "folder" and not pinned:
        assert model.get_local_copy() == str(file)
        return
    what = f"is a {kind.rpartition(' ')[2]} now"
    for get in getters(model):
        with pytest.raises(NoWeightsError, match=what):
            get(raise_on_error=True)
        assert get() is None
        assert what in caplog.text
    with pytest.raises(NoWeightsError, match=what):
        model.get_local_copy(mutable=True, raise_on_error=True)
    code, out, err = run_cli("get", model.id, "-o", tmp_path / "out", "-R", registry.path)
    assert (code, out, what in err) == (3, "", True)
    assert not (tmp_path / "out").exists()


def test_a_circle_of_links_in_the_place_of_a_file_is_named(registry, file):
    model = InputModel.import_model(file)
    file.unlink()
    file.symlink_to(file)
    with pytest.raises(NoWeightsError, match="cannot be followed"):
        model.get_local_copy(raise_on_error=True)


def test_a_missing_file_returns_none_with_a_warning_or_raises_a_value_error(registry, file, caplog):
    model = InputModel.import_model(file)
    file.unlink()
    for get in getters(model):
        caplog.clear()
        assert get() is None
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert str(file) in caplog.text
        assert model.id in caplog.text
        with pytest.raises(ValueError, match=model.id) as raised:
            get(raise_on_error=True)
        assert isinstance(raised.value, NoWeightsError)
        assert raised.value.model == model.id


def test_the_file_may_be_created_later(registry, tmp_path):
    late = tmp_path / "late.pt"
    model = InputModel.import_model(late)
    assert model.get_weights() is None
    late.write_bytes(BYTES)
    assert model.get_weights() == str(late)


def test_the_local_copy_of_a_folder_url_is_the_folder_itself(registry, tmp_path):
    folder = tmp_path / "saved_model"
    folder.mkdir()
    assert InputModel.import_model(folder).get_local_copy() == str(folder)


@pytest.mark.parametrize("name", ["a" * 300, "a/" * 3000], ids=["long name", "long path"])
def test_a_path_that_no_file_can_have_is_a_missing_file(name, registry, tmp_path, caplog):
    model = InputModel.import_model(f"{tmp_path}/{name}.pt")
    assert model.get_weights() is None
    assert model.id in caplog.text
    with pytest.raises(NoWeightsError):
        model.get_local_copy(raise_on_error=True)


# decision 16: weights that the registry keeps ---------------------------------------------


def test_a_copy_survives_the_loss_of_the_file(registry, file):
    model = InputModel.import_model(file, copy=True)
    assert model.url == file.as_uri()
    assert (model.digest, model.size) == (DIGEST, len(BYTES))
    file.unlink()
    for get in getters(model):
        path = Path(get(raise_on_error=True))
        assert path.read_bytes() == BYTES
        assert path.name == "my model.pt"
        assert registry.path in path.parents


def test_a_copy_is_served_also_when_the_file_changes(registry, file):
    model = InputModel.import_model(file, copy=True)
    file.write_bytes(b"other bytes")
    assert Path(model.get_weights()).read_bytes() == BYTES


def test_a_local_copy_is_read_only(registry, file):
    path = Path(InputModel.import_model(file, copy=True).get_weights())
    assert stat.S_IMODE(path.stat().st_mode) & 0o222 == 0


def test_an_import_without_copy_keeps_nothing(registry, file):
    model = InputModel.import_model(file)
    assert (model.digest, model.size) == (None, None)
    file.write_bytes(b"other bytes")
    assert Path(model.get_weights()).read_bytes() == b"other bytes"


def test_the_registry_can_be_moved_with_its_weights(tmp_path, file):
    with Registry(tmp_path / "here", durability="fast"):
        model_id = InputModel.import_model(file, copy=True).id
    file.unlink()
    (tmp_path / "here").rename(tmp_path / "there")
    with Registry(tmp_path / "there", durability="fast"):
        path = Path(InputModel(model_id).get_weights())
        assert path.read_bytes() == BYTES
        assert tmp_path / "there" in path.parents


def test_importing_a_local_copy_returns_its_model(registry, file, caplog):
    model = InputModel.import_model(file, copy=True)
    local_copy = model.get_weights()
    assert InputModel.import_model(local_copy) == model
    assert "ignored" in caplog.text
    assert InputModel.load_model(local_copy) == model


def test_the_same_bytes_under_two_names_are_kept_once(registry, file, tmp_path):
    other = tmp_path / "other.pt"
    other.write_bytes(BYTES)
    first = InputModel.import_model(file, copy=True)
    second = InputModel.import_model(other, copy=True)
    assert first.digest == second.digest
    assert Path(second.get_weights()).name == "other.pt"
    assert Path(first.get_weights()).name == "my model.pt"
    blobs = [each for each in (registry.path / "blobs").rglob("*") if each.is_file()]
    assert len(blobs) == 1


def test_damaged_bytes_are_never_returned(registry, file, caplog):
    model = InputModel.import_model(file, copy=True)
    (blob,) = (each for each in (registry.path / "blobs").rglob("*") if each.is_file())
    blob.chmod(0o644)
    with blob.open("ab") as writer:
        writer.write(b"!")
    assert model.get_weights() is None
    assert DIGEST[:12] in caplog.text
    with pytest.raises(CorruptBlobError) as raised:
        model.get_local_copy(raise_on_error=True)
    assert isinstance(raised.value, ValueError)
    assert raised.value.model == model.id


def test_a_foreign_file_in_the_folder_of_local_copies_is_not_returned(registry, file):
    """Not even if it has the same size."""
    model = InputModel.import_model(file, copy=True)
    local_copy = Path(model.get_weights())
    local_copy.unlink()
    local_copy.write_bytes(BYTES[::-1])
    assert Path(model.get_weights()).read_bytes() == BYTES


def test_without_hard_links_the_same_copy_is_returned_again(registry, file, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(errno.EPERM, "no hard links on this file system")

    monkeypatch.setattr(os, "link", refused)
    model = InputModel.import_model(file, copy=True)
    local_copy = Path(model.get_weights())
    inode = local_copy.stat().st_ino
    assert Path(model.get_weights()).stat().st_ino == inode
    assert local_copy.read_bytes() == BYTES
    local_copy.unlink()
    local_copy.write_bytes(BYTES[::-1])
    assert Path(model.get_weights()).read_bytes() == BYTES


def test_always_verifying_finds_a_flipped_bit(registry, file, monkeypatch):
    model = InputModel.import_model(file, copy=True)
    (blob,) = (each for each in (registry.path / "blobs").rglob("*") if each.is_file())
    blob.chmod(0o644)
    with blob.open("r+b") as writer:
        writer.write(bytes([BYTES[0] ^ 1]))
    monkeypatch.setenv("LOCALREG_VERIFY", "always")
    with pytest.raises(CorruptBlobError):
        model.get_weights(raise_on_error=True)


def test_a_mistyped_wish_to_verify_is_an_error(registry, file, monkeypatch):
    model = InputModel.import_model(file, copy=True)
    monkeypatch.setenv("LOCALREG_VERIFY", "yes")
    with pytest.raises(InvalidValueError, match="LOCALREG_VERIFY must be always, or not set"):
        model.get_local_copy(raise_on_error=True)


# decision 18: packages --------------------------------------------------------------------


@pytest.mark.parametrize("raise_on_error", [False, True])
def test_unpacking_other_weights_than_a_package_is_always_a_value_error(
    raise_on_error, registry, file
):
    model = InputModel.import_model(file)
    for each in (model, InputModel.empty()):
        with pytest.raises(ValueError, match="not a package") as raised:
            each.get_weights_package(raise_on_error=raise_on_error)
        assert isinstance(raised.value, NotAPackageError)
        assert raised.value.model == each.id


def test_weights_that_are_not_a_package_are_refused_before_a_download(registry):
    model = InputModel.import_model("https://example.org/a.zip")
    with pytest.raises(NotAPackageError):
        model.get_weights_package()


def test_without_extraction_the_archive_is_the_only_path(registry, tmp_path):
    archive = tmp_path / "files.tar.gz"
    archive.write_bytes(b"packed")
    model = InputModel.import_model(archive, is_package=True)
    assert model.get_weights_package(extract_archive=False) == [archive]
    assert model.get_local_copy(extract_archive=False) == str(archive)


def test_a_missing_package_returns_none_with_a_warning(registry, tmp_path, caplog):
    model = InputModel.import_model(tmp_path / "gone.zip", is_package=True)
    assert model.get_weights_package() is None
    assert "gone.zip" in caplog.text
    with pytest.raises(ValueError, match=r"gone\.zip"):
        model.get_weights_package(raise_on_error=True)


# decision 39: no URL ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [model_without_weights, lambda _: InputModel.empty()], ids=["stored", "empty"]
)
def test_without_a_url_none_is_returned_with_a_warning_or_a_value_error_raised(
    make, registry, caplog
):
    model = make(registry)
    assert model.url is None
    for get in getters(model):
        caplog.clear()
        assert get() is None
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        with pytest.raises(ValueError, match="no") as raised:
            get(raise_on_error=True)
        assert isinstance(raised.value, NoWeightsError)
        assert raised.value.model == model.id


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_copied(registry, tmp_path):
    """Reading it would block forever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ValueError, match="pipe"):
        InputModel.import_model(pipe, copy=True)
    assert InputModel.query_models() == []


# mutable copies ---------------------------------------------------------------------------


def test_a_mutable_copy_is_a_separate_file_that_can_be_written_to(registry, file):
    model = registry.add(file, "m")
    paths = [Path(model.get_local_copy(mutable=True)) for _ in range(2)]
    assert paths[0] != paths[1]
    for path in paths:
        assert path.name == "my model.pt"
        assert path.read_bytes() == BYTES
        assert not path.is_relative_to(registry.path)
        path.write_bytes(b"mine")
        shutil.rmtree(path.parent)
    assert Path(model.get_local_copy()).read_bytes() == BYTES
    assert registry.verify(full=True).ok


def test_a_mutable_copy_of_a_package_is_a_tree_that_can_be_written_to(registry, tmp_path):
    (tmp_path / "bert" / "tokenizer").mkdir(parents=True)
    (tmp_path / "bert" / "tokenizer" / "vocab.txt").write_text("a")
    model = registry.add(tmp_path / "bert", "m")
    tree = Path(model.get_local_copy(mutable=True, target_folder=tmp_path / "mine"))
    assert tree == tmp_path / "mine" / "bert"
    (tree / "tokenizer" / "vocab.txt").write_text("changed")
    (tree / "tokenizer" / "new").write_text("new")
    assert (Path(model.get_local_copy()) / "tokenizer" / "vocab.txt").read_text() == "a"
    assert registry.verify(full=True).ok


def test_a_mutable_copy_replaces_nothing(registry, file, tmp_path, caplog):
    model = registry.add(file, "m")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "my model.pt").write_bytes(b"mine")
    with pytest.raises(PathExistsError, match="exists already"):
        model.get_local_copy(mutable=True, target_folder=tmp_path / "mine", raise_on_error=True)
    assert [each.name for each in (tmp_path / "mine").iterdir()] == ["my model.pt"]
    assert (tmp_path / "mine" / "my model.pt").read_bytes() == b"mine"


def test_a_mutable_copy_that_does_not_fit_creates_nothing(registry, tmp_path, small_disk):
    disk = small_disk("-t", "tmpfs", "-o", "size=1m", "none")
    (tmp_path / "big.bin").write_bytes(os.urandom(3_000_000))
    model = registry.add(tmp_path / "big.bin", "m")
    with pytest.raises(StorageFullError):
        model.get_local_copy(mutable=True, target_folder=disk, raise_on_error=True)
    assert list(disk.iterdir()) == []


def test_a_private_copy_of_a_folder_holds_what_its_links_lead_to(registry, tmp_path):
    """A model may point to a folder; those of the Hugging Face hub consist of links."""
    blobs, folder = tmp_path / "blobs", tmp_path / "net"
    (blobs / "deep").mkdir(parents=True)
    (blobs / "deep" / "w.pt").write_bytes(b"weights")
    folder.mkdir()
    (folder / "linked").symlink_to(blobs)
    (folder / "w.pt").symlink_to(blobs / "deep" / "w.pt")
    model = InputModel.import_model(folder)
    copy = Path(model.get_local_copy(mutable=True, target_folder=tmp_path / "mine"))
    assert (copy / "w.pt").read_bytes() == b"weights"
    assert (copy / "linked" / "deep" / "w.pt").read_bytes() == b"weights"
    assert not any(path.is_symlink() for path in copy.rglob("*"))


@pytest.mark.parametrize("odd", ["circle", "pipe"])
def test_a_private_copy_of_a_folder_is_whole_or_an_error(odd, registry, tmp_path):
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "w.pt").write_bytes(b"weights")
    if odd == "circle":
        (folder / "circle").symlink_to(folder)
    else:
        make_odd("pipe", folder)
    model = InputModel.import_model(folder)
    with pytest.raises(InvalidValueError, match=odd):
        model.get_local_copy(mutable=True, target_folder=tmp_path / "mine", raise_on_error=True)
    assert list((tmp_path / "mine").iterdir()) == []


# single files of packages, and copies of them ---------------------------------------------

TREE = {
    "config.json": File(b"{}"),
    "run.sh": File(b"#!/bin/sh\n", executable=True),
    "tokenizer/vocab.txt": File(b"a b c"),
}


@pytest.fixture
def package(registry, tmp_path):
    """A model whose weights were the folder ``bert``."""
    return registry.add(plant(tmp_path / "bert", TREE), "m")


def test_one_file_of_a_package_is_given_under_its_name(package):
    for file in ("tokenizer/vocab.txt", Path("tokenizer") / "vocab.txt", "./tokenizer/vocab.txt"):
        path = Path(package.get_local_copy(file=file))
        assert (path.name, path.read_bytes()) == ("vocab.txt", b"a b c")


@pytest.mark.parametrize("raise_on_error", [False, True])
def test_a_file_that_the_package_does_not_have_is_always_an_error(package, raise_on_error):
    with pytest.raises(NotFoundError, match=r"did you mean tokenizer/vocab\.txt\?"):
        package.get_local_copy(file="vocab.txt", raise_on_error=raise_on_error)
    with pytest.raises(InvalidValueError, match="tokenizer is a folder of the package"):
        package.get_local_copy(file="tokenizer", raise_on_error=raise_on_error)
    for wrong in ("../x", "", "/etc/passwd", 7, b"x"):
        with pytest.raises(InvalidValueError, match="file must be"):
            package.get_local_copy(file=wrong, raise_on_error=raise_on_error)
    with pytest.raises(InvalidValueError, match="leave out one of them"):
        package.get_local_copy(extract_archive=False, file="config.json")


def test_a_single_file_has_only_itself(registry, file):
    for model in (registry.add(file, "m"), InputModel.import_model(file)):
        with pytest.raises(
            NotAPackageError, match=r"single file, my model\.pt, and has no x"
        ) as it:
            model.get_local_copy(file="x", raise_on_error=True)
        assert it.value.model == model.id
        assert model.get_local_copy(file=file.name) == model.get_local_copy()


def test_a_file_of_a_folder_that_a_url_names(registry, tmp_path):
    model = InputModel.import_model(plant(tmp_path / "bert", TREE))
    path = Path(model.get_local_copy(file="tokenizer/vocab.txt"))
    assert path == tmp_path / "bert" / "tokenizer" / "vocab.txt"
    with pytest.raises(NotFoundError, match=r"did you mean config\.json"):
        model.get_local_copy(file="confg.json")
    with pytest.raises(InvalidValueError, match="must be the path of a file in the package"):
        model.get_local_copy(file="../bert/config.json")


def test_a_private_copy_of_a_package_has_its_name_and_its_programs(package, tmp_path):
    copy = Path(package.get_local_copy(target_folder=tmp_path / "mine"))
    assert copy == tmp_path / "mine" / "bert"
    assert look(copy) == TREE
    assert all(each.stat().st_mode & 0o200 for each in (copy, *copy.rglob("*")))
    for file in ("run.sh", "config.json"):
        one = Path(package.get_local_copy(file=file, target_folder=tmp_path / "files"))
        assert one == tmp_path / "files" / file
        assert File(one.read_bytes(), bool(one.stat().st_mode & 0o100)) == TREE[file]
        assert one.stat().st_mode & 0o200


@pytest.mark.parametrize("name", ["bert.zip", "v1.5", "data.tar.gz"])
def test_a_private_copy_is_named_after_the_folder_or_without_the_ending_of_its_archive(
    name, registry, tmp_path
):
    if name == "v1.5":
        model = registry.add(plant(tmp_path / name, TREE), "m")
    else:
        archive = shutil.make_archive(
            str(tmp_path / name.partition(".")[0]), "zip" if name.endswith("zip") else "gztar",
            plant(tmp_path / "tree", TREE),
        )  # fmt: skip
        model = InputModel.import_model(archive, is_package=True, copy=True)
    copy = Path(model.get_local_copy(target_folder=tmp_path / "mine", raise_on_error=True))
    assert copy.name == {"bert.zip": "bert", "data.tar.gz": "data"}.get(name, name)
    assert set(look(copy)) == set(TREE)


def test_the_entries_of_a_package_are_listed(package):
    folder = Path(package.get_weights_package(return_path=True))
    assert package.get_weights_package() == [
        folder / "config.json", folder / "run.sh", folder / "tokenizer",
    ]  # fmt: skip
    (archive,) = package.get_weights_package(extract_archive=False)
    assert archive.name == "bert.zip"
    with zipfile.ZipFile(archive) as opened:
        assert sorted(opened.namelist()) == sorted(TREE)


def test_the_url_of_a_kept_package_is_that_of_its_folder(registry, package, tmp_path):
    task = Task.create(project_name="p", task_name="t")
    model = OutputModel(task=task, name="out")
    model.update_weights_package(weights_path=str(tmp_path / "bert"), auto_delete_file=False)
    folder = Path(model.get_local_copy())
    assert model.url == folder.as_uri()
    DAMAGES["a file removed"](folder, "config.json")
    assert path_of(model.url) == folder
    assert look(folder) == TREE


def test_importing_what_a_package_holds_finds_what_it_is(registry, package):
    folder = Path(package.get_local_copy())
    assert InputModel.import_model(folder) == package
    one = InputModel.import_model(folder / "tokenizer" / "vocab.txt", name="vocab")
    assert one.digest == hashlib.sha256(b"a b c").hexdigest()
    assert InputModel.import_model(folder / "tokenizer" / "vocab.txt") == one
    other = InputModel.import_model(folder / "tokenizer", name="tokenizer")
    assert other.digest == digest_of({"vocab.txt": TREE["tokenizer/vocab.txt"]})


@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_damaged_bytes_of_a_package_are_fetched_again(registry, site, monkeypatch, damage):
    monkeypatch.setenv("LOCALREG_VERIFY", "always")
    site.files["/bert.zip"] = zipped(TREE)
    model = InputModel.import_model(site.url("/bert.zip"), is_package=True)
    folder = Path(model.get_local_copy(raise_on_error=True))
    digest = hashlib.sha256(b"a b c").hexdigest()
    blob = registry.path / "blobs" / "sha256" / digest[:2] / digest[2:]
    if damage == "changed":
        damage_blob(registry.path, digest)
    else:
        blob.unlink()
        DAMAGES["a file removed"](folder, "tokenizer/vocab.txt")
    if damage == "cut":
        blob.write_bytes(b"a")
    assert model.get_local_copy(raise_on_error=True) == str(folder)
    assert look(folder) == TREE
    assert blob.read_bytes() == b"a b c"
    assert registry.verify(full=True).ok


def test_a_package_that_cannot_be_fetched_again_is_an_error_of_its_model(registry, package):
    digest = hashlib.sha256(b"a b c").hexdigest()
    (registry.path / "blobs" / "sha256" / digest[:2] / digest[2:]).unlink()
    with pytest.raises(CorruptBlobError, match=r"^tokenizer/vocab\.txt of the package") as raised:
        package.get_local_copy(raise_on_error=True)
    assert raised.value.model == package.id
    assert package.get_local_copy() is None
    assert Path(package.get_local_copy(file="config.json")).read_bytes() == b"{}"
