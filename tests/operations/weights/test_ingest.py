"""Adding files, folders and streams to the blob store: by copy, move, link and reference."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tempfile
import time
from pathlib import Path

import pytest
from support.contents import below, blobs

from localreg import InputModel, OutputModel, Task
from localreg.blobs.blobstore import BlobStore
from localreg.errors import (
    CorruptBlobError,
    DigestMismatchError,
    InvalidURLError,
    InvalidValueError,
    NoWeightsError,
    SourceNotFoundError,
    StorageFullError,
)
from localreg.operations.models import adding, recording
from localreg.operations.weights.ingest import taken_in
from localreg.operations.weights.sources import Source

BYTES = bytes(range(256)) * 100
DIGEST = hashlib.sha256(BYTES).hexdigest()
OLD_FILE = Path(os.__file__)  # it was not changed in the last seconds


@pytest.fixture
def file(write_file):
    return write_file("user/my model.pt", BYTES)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "user" / "bert"
    (place / "tokenizer").mkdir(parents=True)
    (place / "model.bin").write_bytes(BYTES)
    (place / "tokenizer" / "vocab.txt").write_text("a\nb\n")
    return place


def no_temporary_files(registry):
    return list((registry.path / "tmp").glob("*")) == []


def mode_of(path):
    return stat.S_IMODE(Path(path).stat().st_mode)


# copies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 255, 1_000_000, 9_000_001])
def test_a_copy_is_kept_under_the_digest_of_its_bytes(size, registry, tmp_path):
    path = tmp_path / "w.bin"
    data = os.urandom(size)
    path.write_bytes(data)
    model = registry.add(path, "m")
    assert (model.digest, model.size) == (hashlib.sha256(data).hexdigest(), size)
    assert Path(model.get_local_copy()).read_bytes() == data
    assert path.read_bytes() == data
    assert no_temporary_files(registry)


def test_every_addition_is_the_next_version_and_the_same_bytes_are_kept_once(registry, file):
    first, second = registry.add(file, "m", "p"), registry.add(file, "m", "p", alias="prod")
    assert [first.ref, second.ref] == ["p/m:1", "p/m:2"]
    assert registry.model("p/m@prod") == second
    assert len(blobs(registry.path)) == 1
    assert blobs(registry.path)[0].stat().st_nlink == 2  # the blob and its one local file


def test_kept_bytes_are_read_only_and_the_source_keeps_its_mode(registry, file):
    file.chmod(0o640)
    model = registry.add(file, "m")
    assert mode_of(blobs(registry.path)[0]) & 0o222 == 0
    assert mode_of(model.get_local_copy()) & 0o222 == 0
    assert mode_of(file) == 0o640


def test_the_digest_is_that_of_the_kept_bytes_if_the_source_grows_meanwhile(registry, tmp_path):
    """The stream changes while it is read; the digest is that of the kept bytes."""

    class Growing(io.RawIOBase):
        reads = 20

        def read(self, size=-1):
            self.reads -= 1
            return os.urandom(100_000) if self.reads > 0 else b""

    model = registry.add(Growing(), "m", filename="w.bin")
    kept = Path(model.get_local_copy()).read_bytes()
    assert hashlib.sha256(kept).hexdigest() == model.digest
    assert len(kept) == model.size == 1_900_000


def test_a_file_whose_length_the_kernel_does_not_know_is_copied_completely(registry):
    source = Path("/proc/self/status")
    if not source.exists():
        pytest.skip("no /proc here")
    model = registry.add(source, "m")
    assert b"Name:" in Path(model.get_local_copy()).read_bytes()


def test_adding_a_symbolic_link_adds_its_file(registry, file, tmp_path):
    link = tmp_path / "link.pt"
    link.symlink_to(file)
    model = registry.add(link, "m")
    assert model.digest == DIGEST
    assert Path(model.get_local_copy()).name == "link.pt"
    assert not Path(model.get_local_copy()).is_symlink()


# files with a recorded status -------------------------------------------------------------


def known_files(registry):
    return list(registry.db.conn.execute("SELECT digest, device, inode FROM known_file"))


def test_a_file_with_an_unchanged_status_is_not_read_again(registry, file):
    """The test records another digest; that it is returned shows that the file was not read."""
    registry.add(OLD_FILE, "old")
    registry.add(file, "m")
    with registry.db.conn as connection:
        connection.execute("UPDATE known_file SET digest = ?", (DIGEST,))
    assert registry.add(OLD_FILE, "old").digest == DIGEST


def test_a_file_that_changed_is_read_again(registry, tmp_path):
    """Its size, its times and its inode are compared."""
    registry.add(OLD_FILE, "old")
    for column in ("size", "modified", "changed", "inode", "device"):
        with registry.db.conn as connection:
            connection.execute("UPDATE known_file SET digest = ?", ("0" * 64,))
            connection.execute(f"UPDATE known_file SET {column} = {column} + 1")
        found = registry.add(OLD_FILE, "old").digest
        assert found == hashlib.sha256(OLD_FILE.read_bytes()).hexdigest(), column


def test_the_status_of_a_file_that_just_changed_is_not_recorded(registry, file):
    """It may change again within the same tick of the file system's clock."""
    registry.add(file, "m")
    assert known_files(registry) == []
    registry.add(OLD_FILE, "old")
    assert len(known_files(registry)) == 1


@pytest.mark.parametrize("mode", ["copy", "reference"])
def test_the_status_of_a_file_that_changes_while_it_is_read_is_not_recorded(
    mode, registry, file, monkeypatch
):
    """The clock is set forward, so that its times are old enough to be recorded."""
    real = time.time
    monkeypatch.setattr("time.time", lambda: real() + 10)

    def change(done, total):
        if not known_files(registry) and file.read_bytes() == BYTES:
            file.write_bytes(BYTES[::-1])

    with pytest.raises(InvalidValueError, match="changed while it was read"):
        add(registry, file, mode, change)
    assert known_files(registry) == []
    add(registry, file, mode, lambda done, total: None)
    assert len(known_files(registry)) == 1


@pytest.mark.parametrize("mode", ["copy", "reference"])
def test_a_file_that_was_young_when_it_was_read_first_is_not_recorded(
    mode, registry, file, monkeypatch
):
    """Reading it takes so long that it is old at the end; its first moments count."""
    real, ahead = time.time, [0]
    monkeypatch.setattr("time.time", lambda: real() + ahead[0])

    def take_long(done, total):
        ahead[0] = 10

    add(registry, file, mode, take_long)
    assert known_files(registry) == []


def add(registry, file, mode, progress):
    description = recording.describe(name="m")
    return adding.add_model(
        registry._chain, file, description, mode=mode, hashed=mode != "copy", progress=progress
    )


def test_the_status_of_a_new_file_is_not_recorded_for_a_reference(registry, file):
    add(registry, file, "reference", None)
    assert known_files(registry) == []


@pytest.mark.parametrize("size", [300_000, 9_000_000])
def test_a_file_that_becomes_shorter_while_it_is_hashed_is_an_error(size, registry, tmp_path):
    file = tmp_path / "w.bin"
    file.write_bytes(bytes(size))
    with pytest.raises(InvalidValueError, match="changed while it was read"):
        add(registry, file, "reference", lambda done, total: os.truncate(file, 100))
    assert registry.models() == []
    assert known_files(registry) == []


def test_a_file_that_is_replaced_while_it_is_compared_is_kept_in_its_new_form(registry, tmp_path):
    """It looked like bytes that are kept already, and was read only to compare them."""
    file, new = tmp_path / "w.bin", bytes(300_000)
    file.write_bytes(new[:150_000] + b"1" + new[150_001:])
    registry.add(file, "m")

    def swap(done, total):
        if (tmp_path / "new").exists():
            (tmp_path / "new").rename(file)

    (tmp_path / "new").write_bytes(new)
    made = add(registry, file, "copy", swap)
    assert registry.model(made).digest == hashlib.sha256(new).hexdigest()


def test_a_file_is_read_again_if_its_blob_is_missing_or_damaged(registry):
    model = registry.add(OLD_FILE, "old")
    (blob,) = blobs(registry.path)
    blob.unlink()
    assert registry.add(OLD_FILE, "old").digest == model.digest
    (blob,) = blobs(registry.path)
    damage(blob)
    registry.add(OLD_FILE, "old")
    assert Path(model.get_local_copy()).read_bytes() == OLD_FILE.read_bytes()


def damage(blob):
    """Flip a bit in a read-only file."""
    blob.chmod(0o644)
    with blob.open("r+b") as writer:
        first = writer.read(1)
        writer.seek(0)
        writer.write(bytes([first[0] ^ 1]))


def test_adding_the_same_bytes_repairs_a_damaged_blob(registry, file):
    model = registry.add(file, "m")
    path = Path(model.get_local_copy())
    damage(blobs(registry.path)[0])
    assert path.read_bytes() != BYTES
    again = registry.add(file, "m")
    assert Path(again.get_local_copy()).read_bytes() == BYTES
    assert Path(model.get_local_copy()).read_bytes() == BYTES
    assert registry.verify(full=True).ok


@pytest.mark.parametrize("size", [0, 100, len(BYTES) + 1])
def test_adding_the_same_bytes_repairs_a_blob_of_another_size(size, registry, file):
    model = registry.add(file, "m")
    (blob,) = blobs(registry.path)
    blob.chmod(0o644)
    os.truncate(blob, size)
    registry.add(file, "m")
    assert Path(model.get_local_copy()).read_bytes() == BYTES
    assert registry.verify(full=True).ok


def test_repairing_a_blob_deletes_damaged_copies_under_other_names(registry, file):
    first = registry.add(file, "m", filename="first.pt")
    second = registry.add(file, "m", filename="second.pt")
    paths = [Path(each.get_local_copy()) for each in (first, second)]
    damage(blobs(registry.path)[0])
    registry.add(file, "m", filename="first.pt")
    assert paths[0].read_bytes() == BYTES
    assert not paths[1].exists()
    assert Path(second.get_local_copy()).read_bytes() == BYTES


def test_a_symbolic_link_is_never_accepted_as_a_blob(registry, file, tmp_path):
    """Not even if the length of the link is the size of the blob."""
    elsewhere = tmp_path / ("x" * 20)
    text = str(elsewhere)
    file.write_text(text)
    elsewhere.write_text(text[::-1])
    model = registry.add(file, "m")
    (blob,) = blobs(registry.path)
    (link,) = (registry.path / "files" / model.digest).iterdir()
    for place in (blob, link):
        place.unlink()
    blob.symlink_to(elsewhere)
    os.link(blob, link, follow_symlinks=False)
    assert link.lstat().st_size == len(text)
    with pytest.raises(CorruptBlobError):
        model.get_local_copy(raise_on_error=True)
    (problem,) = registry.verify().problems
    assert "not a regular file" in problem.text
    registry.add(file, "m")
    assert Path(model.get_local_copy()).read_text() == text
    assert elsewhere.read_text() == text[::-1]


# moves, links, references -----------------------------------------------------------------


def test_a_move_deletes_the_file(registry, file):
    model = registry.add(file, "m", mode="move")
    assert not file.exists()
    assert Path(model.get_local_copy()).read_bytes() == BYTES
    assert model.url.startswith("file://")
    assert registry.path.as_uri() in model.url


def test_a_move_of_bytes_that_are_kept_already_deletes_the_file_too(registry, file, tmp_path):
    registry.add(file, "m")
    model = registry.add(file, "m", mode="move")
    assert not file.exists()
    assert len(blobs(registry.path)) == 1
    assert Path(model.get_local_copy()).read_bytes() == BYTES


def test_moving_a_file_with_a_second_hard_link_copies_it(registry, file, tmp_path):
    """Through its other name the file can still be written to."""
    other = tmp_path / "other.pt"
    os.link(file, other)
    registry.add(file, "m", mode="move")
    assert not file.exists()
    assert not other.samefile(blobs(registry.path)[0])
    assert mode_of(other) & 0o200


def test_moving_a_symbolic_link_copies_the_file_and_deletes_the_link(registry, file, tmp_path):
    """The file itself still belongs to its owner, who may write to it."""
    link = tmp_path / "link.pt"
    link.symlink_to(file)
    model = registry.add(link, "m", mode="move")
    assert not os.path.lexists(link)
    assert not file.samefile(blobs(registry.path)[0])
    assert mode_of(file) & 0o200
    assert Path(model.get_local_copy()).read_bytes() == BYTES


def test_a_move_that_fails_keeps_the_file(registry, file):
    before = mode_of(file)
    with pytest.raises(DigestMismatchError):
        registry.add(file, "m", mode="move", expected_sha256="0" * 64)
    with pytest.raises(InvalidValueError):
        registry.add(file, "m", mode="move", alias="a/b")
    assert file.read_bytes() == BYTES
    assert mode_of(file) == before
    assert registry.models() == []


def test_a_move_does_not_delete_a_file_that_replaced_the_kept_one(registry, file, caplog):
    new = file.with_name("new.pt")
    new.write_bytes(b"another")
    with taken_in(registry._chain, Source(path=file, filename="w.pt", mode="move")) as (_, held):
        new.replace(file)
    assert held.digest == DIGEST
    assert file.read_bytes() == b"another"
    assert "it has changed since" in caplog.text


def test_a_move_does_not_delete_a_file_that_was_written_to_after_it_was_kept(
    registry, file, caplog
):
    file.with_name("same").hardlink_to(file)  # so that it is copied
    with taken_in(registry._chain, Source(path=file, filename="w.pt", mode="move")) as (_, held):
        file.write_bytes(BYTES + b"more")
    assert held.digest == DIGEST
    assert file.read_bytes() == BYTES + b"more"
    assert "it has changed since" in caplog.text


def stage_as_another_user(folder):
    """Move and link a file of root, writable for all, as another user."""
    import hashlib  # noqa: F401  (what is imported later may not be readable then)
    import os
    import queue  # noqa: F401
    from pathlib import Path

    from localreg.blobs.staging import staging
    from localreg.errors import InvalidValueError

    folder = Path(folder)
    source = folder / "w.pt"
    source.write_bytes(b"weights")
    source.chmod(0o666)
    folder.chmod(0o777)
    os.seteuid(65_534)
    shared = staging.stage_file(source, folder / "moved", "move", sync=False, progress=None)
    results = [shared.path.samefile(source)]
    try:
        shared = staging.stage_file(source, folder / "linked", "link", sync=False, progress=None)
        results.append(shared.path.samefile(source))
    except InvalidValueError as error:
        results.append(str(error))
    return results


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_no_hard_link_is_made_to_the_file_of_another_user(children):
    """It cannot be made read-only, and through it its owner could write to the registry."""
    with tempfile.TemporaryDirectory() as folder:  # other users cannot enter those of pytest
        moved, linked = children.run(stage_as_another_user, folder)
    assert moved is False
    # A clone, if the file system can make one, belongs to this user.
    assert linked is False or "another user's file cannot be made read-only" in linked


def test_a_link_shares_the_bytes_with_the_file(registry, file):
    model = registry.add(file, "m", mode="link")
    assert Path(model.get_local_copy()).read_bytes() == BYTES
    assert model.digest == DIGEST
    shared = blobs(registry.path)[0].samefile(file)  # else the file system made a clone
    assert mode_of(file) & 0o222 == 0 or not shared
    file.unlink()
    assert Path(model.get_local_copy()).read_bytes() == BYTES


def test_a_link_to_a_file_that_changes_while_it_is_hashed_is_refused(registry, file):
    def change(done, total):
        file.write_bytes(BYTES + b"more")

    with pytest.raises(InvalidValueError, match="changed while it was read"):
        add(registry, file, "link", change)
    assert (registry.models(), blobs(registry.path)) == ([], [])
    assert mode_of(file) & 0o200
    assert no_temporary_files(registry)


def test_linking_a_symbolic_link_shares_the_bytes_with_its_file(registry, file, tmp_path):
    link = tmp_path / "link.pt"
    link.symlink_to(file)
    model = registry.add(link, "m", mode="link")
    (blob,) = blobs(registry.path)
    assert not blob.is_symlink()
    assert link.is_symlink()
    link.unlink()
    assert Path(model.get_local_copy()).read_bytes() == BYTES


def test_the_error_of_an_impossible_link_recommends_a_copy(registry, file, small_disk):
    disk = small_disk("-t", "tmpfs", "-o", "size=4m", "none")
    there = disk / "w.pt"
    there.write_bytes(BYTES)
    with pytest.raises(InvalidValueError, match="copy it instead"):
        registry.add(there, "m", mode="link")
    assert mode_of(there) & 0o200
    moved = registry.add(there, "m", mode="move")  # a copy, then
    assert moved.digest == DIGEST
    assert not there.exists()


def test_a_reference_records_only_where_the_file_is(registry, file):
    model = registry.add(file, "m", mode="reference")
    assert (model.digest, model.size) == (None, None)
    assert model.get_local_copy() == str(file)
    assert blobs(registry.path) == []
    file.unlink()
    with pytest.raises(NoWeightsError):
        model.get_local_copy(raise_on_error=True)


def test_a_reference_with_a_checksum_notices_that_the_file_changed(registry, file):
    model = registry.add(file, "m", mode="reference", expected_sha256=DIGEST)
    assert model.digest == DIGEST
    assert model.get_local_copy() == str(file)
    file.write_bytes(BYTES[::-1])
    with pytest.raises(DigestMismatchError) as raised:
        model.get_local_copy(raise_on_error=True)
    assert raised.value.model == model.id
    assert blobs(registry.path) == []


def test_a_reference_with_a_recorded_digest_notices_that_the_file_changed(registry, file):
    model = registry.model(add(registry, file, "reference", None))
    assert model.digest == DIGEST
    file.write_bytes(BYTES[::-1])
    with pytest.raises(DigestMismatchError):
        model.get_local_copy(raise_on_error=True)


@pytest.mark.parametrize("mode", ["move", "link", "reference"])
def test_streams_cannot_be_moved_linked_or_referenced(mode, registry):
    with pytest.raises(InvalidValueError, match="only be copied"):
        registry.add(io.BytesIO(BYTES), "m", mode=mode, filename="w.bin")
    assert registry.models() == []


@pytest.mark.parametrize("mode", ["move", "link"])
def test_a_folder_can_be_moved_or_linked(mode, registry, folder):
    before = below(folder)
    model = registry.add(folder, "m", mode=mode)
    assert folder.exists() is (mode == "link")
    assert below(Path(model.get_local_copy())) == before


# streams ----------------------------------------------------------------------------------


def test_a_stream_is_kept_under_the_given_filename(registry):
    model = registry.add(io.BytesIO(BYTES), "m", filename="net.onnx")
    assert (model.digest, model.framework) == (DIGEST, "ONNX")
    assert Path(model.get_local_copy()).name == "net.onnx"


def test_an_open_file_keeps_its_own_name(registry, file):
    with file.open("rb") as stream:
        model = registry.add(stream)
    assert model.name == "my model"
    assert Path(model.get_local_copy()).name == "my model.pt"


def test_a_stream_of_kept_bytes_does_not_change_their_blob(registry):
    registry.add(io.BytesIO(BYTES), "m", filename="a")
    before = blobs(registry.path)[0].stat()
    registry.add(io.BytesIO(BYTES), "m", filename="a")
    assert blobs(registry.path)[0].stat().st_ino == before.st_ino
    assert no_temporary_files(registry)


def test_a_stream_that_fails_records_nothing(registry):
    class Broken(io.RawIOBase):
        def read(self, size=-1):
            raise ConnectionResetError("gone")

    with pytest.raises(OSError, match="gone"):
        registry.add(Broken(), "m", filename="w")
    with pytest.raises(InvalidValueError, match="binary"):
        registry.add(io.StringIO("text"), "m", filename="w")
    assert registry.models() == []
    assert no_temporary_files(registry)
    assert blobs(registry.path) == []


# folders ----------------------------------------------------------------------------------


def test_a_folder_is_kept_as_one_package_and_returned_as_a_tree(registry, folder):
    for model in (registry.add(folder), InputModel.import_model(folder, copy=True)):
        assert model.name in ("bert", model.name)
        assert "package" in model.system_tags
        tree = Path(model.get_local_copy())
        assert (tree / "model.bin").read_bytes() == BYTES
        assert (tree / "tokenizer" / "vocab.txt").read_text() == "a\nb\n"
        assert model.get_weights_package() == [tree / "model.bin", tree / "tokenizer"]
        assert Path(model.get_weights()).name == "bert.zip"
    files, manifest, archive = 2, 1, 1
    assert len(blobs(registry.path)) == files + manifest + archive


def test_the_same_tree_is_the_same_package_wherever_it_is(registry, folder, tmp_path):
    import shutil

    other = tmp_path / "elsewhere" / "copy"
    shutil.copytree(folder, other)
    os.utime(other / "model.bin", (1, 1))
    (other / "model.bin").chmod(0o640)
    assert registry.add(folder).digest == registry.add(other).digest


def test_another_executable_bit_is_another_package(registry, folder):
    first = registry.add(folder).digest
    (folder / "model.bin").chmod(0o755)
    assert registry.add(folder).digest != first


def test_a_folder_that_holds_the_registry_is_refused(registry):
    for place in (registry.path, registry.path.parent, "/"):
        with pytest.raises(InvalidValueError, match="registry itself"):
            registry.add(place, "m")


def test_a_link_cannot_hide_that_a_folder_holds_the_registry(registry, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(registry.path.parent)
    with pytest.raises(InvalidValueError, match="registry itself"):
        registry.add(link, "m")


# expected digests -------------------------------------------------------------------------


def test_bytes_with_another_digest_than_expected_are_not_kept(registry, file):
    for call in (
        lambda: registry.add(file, "m", expected_sha256="0" * 64),
        lambda: registry.add(io.BytesIO(BYTES), "m", filename="w", expected_sha256="0" * 64),
        lambda: InputModel.import_model(file, copy=True, expected_sha256="0" * 64),
        lambda: registry.add(file, "m", mode="reference", expected_sha256="0" * 64),
    ):
        with pytest.raises(DigestMismatchError) as raised:
            call()
        assert (raised.value.wanted, raised.value.found) == ("0" * 64, DIGEST)
    assert registry.models() == []
    assert blobs(registry.path) == []
    assert no_temporary_files(registry)


def test_the_expected_digest_may_have_any_spelling(registry, file):
    assert registry.add(file, "m", expected_sha256=f"SHA256:{DIGEST.upper()}").digest == DIGEST


def test_an_unexpected_digest_of_an_unchanged_file_is_an_error(registry):
    registry.add(OLD_FILE, "old")
    for mode in ("copy", "link", "reference"):
        with pytest.raises(DigestMismatchError):
            registry.add(OLD_FILE, "old", mode=mode, expected_sha256="0" * 64)
    assert len(registry.models()) == 1


def test_an_unexpected_digest_of_kept_bytes_changes_nothing(registry, file, monkeypatch):
    registry.add(io.BytesIO(BYTES), "m", filename="w")
    real = time.time
    monkeypatch.setattr("time.time", lambda: real() + 10)
    with pytest.raises(DigestMismatchError):
        registry.add(file, "m", expected_sha256="0" * 64)
    assert known_files(registry) == []


def test_an_unexpected_digest_of_a_registered_file_is_an_error(registry, file):
    model = InputModel.import_model(file, copy=True)
    assert InputModel.import_model(file, expected_sha256=DIGEST) == model
    with pytest.raises(DigestMismatchError):
        InputModel.import_model(file, expected_sha256="0" * 64)


# errors -----------------------------------------------------------------------------------


def test_a_source_that_cannot_be_added_is_an_error_and_records_nothing(registry, tmp_path):
    for source, error in (
        (tmp_path / "missing.pt", SourceNotFoundError),
        ("https://example.org/m.pt", InvalidURLError),
        ("/dev/null", InvalidValueError),
    ):
        with pytest.raises(error):
            registry.add(source, "m")
    assert registry.models() == []
    assert no_temporary_files(registry)


def test_a_file_that_does_not_fit_is_refused_before_it_is_copied(small_disk, tmp_path):
    from localreg import Registry

    disk = small_disk("-t", "tmpfs", "-o", "size=8m", "none")
    large = tmp_path / "large.bin"
    with large.open("wb") as writer:
        writer.truncate(50_000_000)
    with Registry(disk / "registry", durability="fast") as registry:
        with pytest.raises(StorageFullError, match="50,000,000"):
            registry.add(large, "m")
        assert no_temporary_files(registry)
        assert registry.models() == []


def test_a_folder_that_does_not_fit_is_refused_before_it_is_packed(small_disk, tmp_path):
    from localreg import Registry

    disk = small_disk("-t", "tmpfs", "-o", "size=8m", "none")
    (tmp_path / "pkg").mkdir()
    with (tmp_path / "pkg" / "large.bin").open("wb") as writer:
        writer.truncate(50_000_000)
    with Registry(disk / "registry", durability="fast") as registry:
        with pytest.raises(StorageFullError, match="50,000,000"):
            registry.add(tmp_path / "pkg", "m")
        assert no_temporary_files(registry)
        assert registry.models() == []


@pytest.mark.parametrize("wrong", ["", "a", "A" * 64, "a" * 65, "a" * 64 + "\n", "../" + "a" * 61])
def test_only_a_digest_has_a_path(wrong, tmp_path):
    with pytest.raises(InvalidValueError, match="not a sha256 digest"):
        BlobStore(tmp_path, False).path(wrong)


def test_a_symbolic_link_is_never_returned_as_a_package(registry, folder, tmp_path, caplog):
    model = registry.add(folder, "m")
    tree = Path(model.get_local_copy())
    outside = tmp_path / "outside"
    tree.rename(outside)
    tree.symlink_to(outside)
    assert Path(model.get_local_copy()) == tree
    assert not tree.is_symlink()
    assert below(tree) == below(outside) == below(folder)
    assert "is a link now" in caplog.text


def test_a_local_copy_can_be_imported_and_its_path_is_not_recorded(registry, file, folder):
    """A local copy is recognised by its bytes; no path in the registry is recorded."""
    model, package = registry.add(file, "m"), registry.add(folder, "p")
    tree = Path(package.get_local_copy())
    assert InputModel.import_model(model.get_local_copy()) == model
    assert InputModel.import_model(tree) == package
    part = InputModel.import_model(tree / "tokenizer" / "vocab.txt")
    assert Path(part.get_local_copy()).read_text() == "a\nb\n"
    urls = [row[0] for row in registry.db.conn.execute("SELECT url FROM private_url")]
    assert not [url for url in urls if str(registry.path) in url and "/user/" not in url]


def test_other_files_in_the_directory_of_a_registry_belong_to_the_user(registry):
    beside = registry.path / "mine.pt"
    beside.write_bytes(BYTES)
    model = InputModel.import_model(beside)
    assert model.get_local_copy() == str(beside)
    assert model.digest is None


# remarks, and what cannot be deleted --------------------------------------------------------


def test_empty_weights_are_kept_with_a_warning(registry, tmp_path, caplog):
    empty = tmp_path / "empty.pt"
    empty.touch()
    assert registry.add(empty, "m").size == 0
    OutputModel(Task.init("p", "t")).update_weights(empty)
    assert caplog.text.count("empty.pt is empty: the weights have 0 bytes") == 2


def test_a_temporary_file_that_cannot_be_deleted_does_not_undo_what_is_recorded(registry, caplog):
    """A folder is in its place, which no system unlinks."""
    with registry._chain.first.blobs.temporary() as path:
        path.mkdir()
    assert f"{path} is left over" in caplog.text
