"""Weights with upstream registries: their bytes are not kept twice, and can be adopted."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import time
import zipfile
from pathlib import Path

import pytest
from support.contents import blobs

from localreg import InputModel, OutputModel, Registry, StorageManager, Task
from localreg.errors import (
    CorruptBlobError,
    DigestMismatchError,
    InvalidValueError,
    ReadOnlyRegistryError,
)
from localreg.operations.models import removal
from localreg.operations.upkeep import cache, doctor

BYTES = bytes(range(256)) * 40
OTHER = b"other" * 1000
DIGEST = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture
def file(write_file):
    """A file outside the registry, so old that its times can be trusted."""
    path = write_file("user/net.pt", BYTES)
    hour_ago = time.time() - 3_600
    os.utime(path, (hour_ago, hour_ago))
    return path


@pytest.fixture
def shared(tmp_path, file):
    """The directory of a registry that keeps `BYTES`."""
    with Registry(tmp_path / "shared", durability="fast") as registry:
        registry.add(file, "net", metadata={"k": 1})
    return tmp_path / "shared"


@pytest.fixture
def site(site):
    """A server with `BYTES`."""
    site.files["/net.pt"] = BYTES
    return site


@pytest.fixture
def registry(tmp_path, shared):
    """A registry with `shared` upstream."""
    with Registry(tmp_path / "mine", upstream=[shared], durability="fast") as registry:
        yield registry


def blob_of(root, digest=DIGEST):
    return root / "blobs" / "sha256" / digest[:2] / digest[2:]


def damage(path):
    """Change a byte but not the modification time."""
    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as writer:
        writer.write(b"\xff")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


# adding -----------------------------------------------------------------------------------

WAYS = {
    "add": lambda registry, file: registry.add(file, "mine"),
    "add, moved": lambda registry, file: registry.add(file, "mine", mode="move"),
    "add, linked": lambda registry, file: registry.add(file, "mine", mode="link"),
    "add a stream": lambda registry, file: registry.add(
        io.BytesIO(BYTES), "mine", filename="net.pt"
    ),
    "import_model": lambda registry, file: InputModel.import_model(
        shutil.copy(file, file.with_name("copy.pt")), name="mine", copy=True
    ),
    "update_weights": lambda registry, file: updated(file),
}


def updated(file):
    model = OutputModel(Task.create(task_name="t"), name="mine")
    model.update_weights(file)
    return model


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_bytes_kept_upstream_are_recorded_and_not_kept_twice(way, registry, shared, file):
    model = way(registry, file)
    assert (model.digest, model.size) == (DIGEST, len(BYTES))
    assert blobs(registry.path) == []
    assert list((registry.path / "tmp").glob("*")) == []
    path = Path(model.get_local_copy(raise_on_error=True))
    assert path.read_bytes() == BYTES
    assert path.stat().st_mode & 0o222 == 0
    assert model._subject.registry.root == registry.path
    assert registry.verify(full=True).ok
    with registry.db.conn as connection:
        assert connection.execute("SELECT upstream, facts FROM blob").fetchall()[0][0] == str(
            shared
        )


def test_a_file_kept_upstream_is_read_but_not_copied(registry, file):
    """Its first and last bytes match, so it is hashed before anything is staged."""
    registry.add(file, "first")
    other = shutil.copy(file, file.with_name("again.pt"))
    registry.add(other, "again")
    assert not (registry.path / "tmp").exists(), "nothing was ever staged"
    assert blobs(registry.path) == []


def test_bytes_that_no_upstream_has_are_kept_in_the_first_registry(registry, tmp_path):
    model = registry.add(io.BytesIO(OTHER), "mine", filename="o.bin")
    assert len(blobs(registry.path)) == 1
    assert Path(model.get_local_copy()).is_relative_to(registry.path)


def test_without_an_upstream_the_same_bytes_are_kept(shared, tmp_path, file):
    with Registry(tmp_path / "alone", durability="fast") as registry:
        registry.add(file, "mine")
        assert len(blobs(registry.path)) == 1


def test_the_facts_of_a_header_are_shown_without_the_bytes(registry, shared, tmp_path):
    """They are recorded in the first registry and need no other."""
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f4', 'fortran_order': False, "
                     b"'shape': (2, 3), }".ljust(117) + b"\n" + bytes(24))  # fmt: skip
    with Registry(shared, durability="fast") as owner:
        owner.add(path, "array")
    registry.add(path, "mine")
    with registry.db.conn as connection:
        ((facts,),) = connection.execute("SELECT facts FROM blob").fetchall()
    assert "float32" in facts or "<f4" in facts


def test_bytes_damaged_upstream_are_kept_in_the_first_registry(registry, shared, file, caplog):
    damage(blob_of(shared))
    model = registry.add(file, "mine")
    assert len(blobs(registry.path)) == 1
    assert "is damaged" in caplog.text
    assert Path(model.get_local_copy()).read_bytes() == BYTES


def test_a_copied_directory_is_trusted_once_its_bytes_are_hashed(tmp_path, shared, file):
    """The files of a copy have other times than those in its database."""
    copy = shutil.copytree(shared, tmp_path / "stick")
    with Registry(tmp_path / "mine", upstream=[copy], durability="fast") as registry:
        model = registry.add(file, "mine")
        assert blobs(registry.path) == []
        assert Path(model.get_local_copy()).is_relative_to(copy)
    shutil.rmtree(tmp_path / "mine")
    damage(blob_of(copy))
    with Registry(tmp_path / "mine", upstream=[copy], durability="fast") as registry:
        registry.add(file, "mine")
        assert len(blobs(registry.path)) == 1


def test_bytes_may_be_kept_by_any_upstream_registry(tmp_path, shared, file):
    with Registry(tmp_path / "empty", durability="fast"):
        pass
    both = [tmp_path / "empty", shared]
    with Registry(tmp_path / "mine", upstream=both, durability="fast") as registry:
        model = registry.add(file, "mine")
        assert blobs(registry.path) == []
        assert Path(model.get_local_copy()).is_relative_to(shared)


def test_an_unexpected_digest_is_an_error_before_anything_is_recorded(registry, file):
    with pytest.raises(DigestMismatchError):
        registry.add(file, "mine", expected_sha256="0" * 64)
    assert [model.name for model in registry.models()] == ["net"]


# local copies -----------------------------------------------------------------------------


def test_a_local_copy_upstream_is_returned_if_its_name_is_the_same(registry, shared, file):
    model = updated(file)
    path = Path(model.get_local_copy())
    assert path == shared / "files" / DIGEST / "net.pt"
    assert Path(registry.model("net").get_local_copy()) == path
    assert model.url == path.as_uri()
    assert [each.url for each in model.revisions()] == [path.as_uri()]
    assert not (registry.path / "files").exists()


def test_a_local_copy_under_another_name_changes_nothing_upstream(registry, shared, file):
    """A link would change the times by which the upstream registry sees changes."""
    before = blob_of(shared).stat()
    model = registry.add(file, "mine", filename="other.pt")
    path = Path(model.get_local_copy())
    assert path == registry.path / "files" / DIGEST / "other.pt"
    assert path.read_bytes() == BYTES
    assert path.stat().st_mode & 0o222 == 0
    first = path.stat().st_ino
    assert Path(model.get_local_copy()).stat().st_ino == first, "it is made once"
    after = blob_of(shared).stat()
    assert (after.st_nlink, after.st_ctime_ns) == (before.st_nlink, before.st_ctime_ns)


def test_a_local_copy_that_was_changed_is_made_again(registry, file):
    model = registry.add(file, "mine", filename="other.pt")
    path = Path(model.get_local_copy())
    path.chmod(0o644)
    path.write_bytes(b"x" * len(BYTES))
    assert Path(model.get_local_copy()).read_bytes() == BYTES


def test_always_verifying_finds_damage_upstream(registry, shared, file, monkeypatch):
    model = registry.add(file, "mine")
    monkeypatch.setenv("LOCALREG_VERIFY", "always")
    assert model.get_local_copy() is not None
    damage(blob_of(shared))
    with pytest.raises(CorruptBlobError):
        model.get_local_copy(raise_on_error=True)


def test_a_mutable_copy_of_bytes_upstream_can_be_written_to(registry, file, tmp_path):
    model = registry.add(file, "mine")
    path = Path(model.get_local_copy(target_folder=tmp_path / "out"))
    path.write_bytes(b"x")
    assert Path(model.get_local_copy()).read_bytes() == BYTES


@pytest.mark.parametrize("name", ["../../../evil.pt", "/tmp/evil.pt", "..", "a/../../../evil.pt"])
def test_a_filename_recorded_upstream_never_leaves_the_folder(
    name, registry, shared, package, tmp_path
):
    """The owner of an upstream database may be an attacker."""
    with Registry(shared, durability="fast") as owner:
        owner.add(package, "bert")
        with owner.db.conn as connection:
            connection.execute(
                "UPDATE weights SET filename = ? || CASE WHEN filename = 'saved' "
                "THEN '/../b.zip' ELSE '' END", (name,),
            )  # fmt: skip
    shutil.rmtree(shared / "files")
    before = sorted(tmp_path.iterdir())
    path = Path(registry.model("net").get_local_copy())
    assert path.parent == registry.path / "files" / DIGEST
    copy = Path(registry.model("net").get_local_copy(target_folder=tmp_path / "out"))
    assert copy.parent == tmp_path / "out"
    tree = registry.model("bert").get_local_copy(target_folder=tmp_path / "out")
    assert Path(tree) == tmp_path / "out" / "b"
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "out"])


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "a.bin").write_bytes(BYTES)
    return folder


def test_a_package_is_unpacked_in_the_first_registry_and_not_upstream(registry, shared, package):
    with Registry(shared, durability="fast") as owner:
        owner.add(package, "bert")
    theirs, mine = registry.model("bert"), registry.add(package, "mine")
    assert blobs(registry.path) == []
    for model in (theirs, mine):
        folder = Path(model.get_local_copy())
        assert folder.is_relative_to(registry.path / "trees")
        assert (folder / "a.bin").read_bytes() == BYTES
    assert not (shared / "trees").exists()
    target = registry.path.parent / "out"
    assert Path(theirs.get_local_copy(target_folder=target)).name == "saved"


def test_a_package_unpacked_upstream_is_returned_from_there(registry, shared, package):
    with Registry(shared, durability="fast") as owner:
        owner.add(package, "bert").get_local_copy()
    assert Path(registry.model("bert").get_local_copy()).is_relative_to(shared)
    mine = registry.add(package, "mine")
    assert Path(mine.get_local_copy()).is_relative_to(shared)
    assert Path(mine.get_local_copy(target_folder=registry.path.parent / "out")).name == "saved"


def test_a_read_only_first_registry_serves_everything_upstream(registry, shared, file, tmp_path):
    same = registry.add(file, "mine")
    other = registry.add(file, "other", filename="other.pt")
    with Registry(registry.path, upstream=[shared], readonly=True) as reader:
        assert reader.model("mine").get_local_copy() == same.get_local_copy()
        assert reader.model("net").get_local_copy() is not None
        elsewhere = Path(reader.model("other").get_local_copy(raise_on_error=True))
        assert elsewhere.read_bytes() == BYTES
        assert not elsewhere.is_relative_to(tmp_path)
        assert not (registry.path / "files" / other.digest).exists()


def test_a_read_only_first_registry_makes_no_link_to_a_blob(
    registry, shared, file, temporary_folder
):
    """Writing to a link would damage the blob; here both are on one file system."""
    registry.add(file, "mine", filename="other.pt")
    own = registry.add(io.BytesIO(OTHER), "own", filename="own.pt")
    shutil.rmtree(registry.path / "files")
    originals = blob_of(shared), blob_of(registry.path, own.digest)
    before = [path.stat() for path in originals]
    with Registry(registry.path, upstream=[shared], readonly=True) as reader:
        for name in ("mine", "own"):
            copy = Path(reader.model(name).get_local_copy(raise_on_error=True))
            damage(copy)
    after = [path.stat() for path in originals]
    assert [(each.st_nlink, each.st_ctime_ns) for each in after] == [
        (each.st_nlink, each.st_ctime_ns) for each in before
    ]
    assert registry.verify(full=True).ok


# URLs -------------------------------------------------------------------------------------


def test_a_url_downloaded_upstream_is_not_downloaded_again(tmp_path, site):
    with Registry(tmp_path / "shared", durability="fast") as owner:
        StorageManager.get_local_copy(site.url())
    with Registry(tmp_path / "mine", upstream=[owner.path], durability="fast") as registry:
        models = [
            InputModel.import_model(site.url(), name="kept", copy=True),
            registry.add(io.BytesIO(BYTES), "added", filename="net.pt"),
        ]
        for model in models:
            assert Path(model.get_local_copy()).read_bytes() == BYTES
        assert Path(StorageManager.get_local_copy(site.url())).is_relative_to(owner.path)
        assert site.gets == ["/net.pt"]
        assert blobs(registry.path) == []
        registry.adopt()
    with Registry(registry.path):  # it knows what the URL served, too
        assert Path(StorageManager.get_local_copy(site.url())).read_bytes() == BYTES
    assert site.gets == ["/net.pt"]


def test_a_model_upstream_is_downloaded_into_the_first_registry(tmp_path, site):
    with Registry(tmp_path / "shared", durability="fast") as owner:
        InputModel.import_model(site.url(), name="net")
    with Registry(tmp_path / "mine", upstream=[owner.path], durability="fast") as registry:
        model = registry.model("net")
        for _ in range(2):
            path = Path(model.get_local_copy(raise_on_error=True))
            assert path.read_bytes() == BYTES
            assert path.is_relative_to(registry.path)
        assert site.gets == ["/net.pt"]
        assert model.digest is None, "its record is its own registry's"
        assert [each.kind for each in cache.cached(registry._chain)] == ["download"]
        assert blobs(owner.path) == []


def test_a_read_only_first_registry_serves_downloads_of_an_upstream(tmp_path, site):
    """For its own model, for one upstream and for no model; it refuses to download other bytes."""
    with Registry(tmp_path / "shared", durability="fast") as owner:
        StorageManager.get_local_copy(site.url())
        InputModel.import_model(site.url(), name="theirs")
    with Registry(tmp_path / "mine", durability="fast") as registry:
        InputModel.import_model(site.url(), name="mine")
    with Registry(registry.path, upstream=[owner.path], readonly=True) as with_upstream:
        for name in ("mine", "theirs"):
            path = Path(with_upstream.model(name).get_local_copy(raise_on_error=True))
            assert path.read_bytes() == BYTES
        assert Path(StorageManager.get_local_copy(site.url())).read_bytes() == BYTES
        for again in ({"expected_sha256": "0" * 64}, {"force_download": True}):
            with pytest.raises(ReadOnlyRegistryError):
                StorageManager.get_local_copy(site.url(), raise_on_error=True, **again)
    assert site.gets == ["/net.pt"]


def test_changed_bytes_of_a_url_upstream_are_an_error(tmp_path, site):
    with Registry(tmp_path / "shared", durability="fast") as owner:
        InputModel.import_model(site.url(), name="net", expected_sha256="0" * 64)
        InputModel.import_model(site.url("/net.pt?2"), name="fetched").get_local_copy()
    with Registry(tmp_path / "mine", upstream=[owner.path], durability="fast") as registry:
        with pytest.raises(DigestMismatchError, match="checksum"):
            registry.model("net").get_local_copy(raise_on_error=True)
        site.files["/net.pt"] = OTHER
        fetched = registry.model("fetched")
        assert Path(fetched.get_local_copy()).read_bytes() == BYTES
        with pytest.raises(DigestMismatchError, match="its own registry"):
            fetched.get_local_copy(raise_on_error=True, force_download=True)
        assert Path(fetched.get_local_copy()).read_bytes() == BYTES


def test_bytes_damaged_upstream_are_downloaded_again_into_the_first_registry(
    tmp_path, site, monkeypatch
):
    """Their registry has not noticed the damage; they are not kept upstream again."""
    with Registry(tmp_path / "shared", durability="fast") as owner:
        StorageManager.get_local_copy(site.url())
        damage(blob_of(owner.path))
        with owner.db.conn as connection:
            connection.execute(
                "UPDATE blob SET ctime = ?", (blob_of(owner.path).stat().st_ctime_ns,)
            )
    monkeypatch.setenv("LOCALREG_VERIFY", "always")
    with Registry(tmp_path / "mine", upstream=[owner.path], durability="fast") as registry:
        model = InputModel.import_model(site.url(), name="mine", copy=True)
        assert blobs(registry.path) == []
        assert Path(model.get_local_copy(raise_on_error=True)).read_bytes() == BYTES
        assert [path.name for path in blobs(registry.path)] == [DIGEST[2:]]
    assert site.gets == ["/net.pt"] * 2


def test_downloaded_bytes_that_an_upstream_has_are_not_kept(tmp_path, site, shared):
    with Registry(tmp_path / "mine", upstream=[shared], durability="fast") as registry:
        model = InputModel.import_model(site.url(), name="net", copy=True)
        assert blobs(registry.path) == []
        assert list((registry.path / "tmp").glob("*")) == []
        assert Path(model.get_local_copy()).is_relative_to(shared)
        assert Path(StorageManager.get_local_copy(site.url())).read_bytes() == BYTES
        assert site.gets == ["/net.pt"]


# missing bytes, and adopting them ---------------------------------------------------------


def test_the_error_names_the_missing_upstream_registry(registry, shared, file, tmp_path):
    registry.add(file, "mine")
    registry.close()
    shared.rename(tmp_path / "unplugged")
    with Registry(tmp_path / "mine") as alone:
        with pytest.raises(CorruptBlobError, match=f"{shared}, which is not upstream") as raised:
            alone.model("mine").get_local_copy(raise_on_error=True)
        assert raised.value.digest == DIGEST
    with Registry(tmp_path / "mine", upstream=[shared]) as without:
        with pytest.raises(CorruptBlobError, match=f"{shared}, which could not be opened"):
            without.model("mine").get_local_copy(raise_on_error=True)
        assert without.model("mine").get_local_copy() is None
        (problem,) = without.verify().problems
        assert (problem.kind, problem.models, problem.kept) == ("missing", ("mine:1",), True)
        assert str(shared) in problem.text
        states = {each.state for each in doctor._upstream(without._chain)}
        assert states == {"note", "bad"}
    # Under another path it serves the bytes, too.
    with Registry(tmp_path / "mine", upstream=[tmp_path / "unplugged"]) as again:
        assert Path(again.model("mine").get_local_copy()).read_bytes() == BYTES
        assert again.verify(full=True).ok


def test_bytes_lost_upstream_are_reported_as_missing(registry, shared, file):
    registry.add(file, "mine")
    with Registry(shared) as owner:
        owner.model("net").remove(owner.model("net"))
    (problem,) = registry.verify().problems
    assert "does not have them any more" in problem.text
    with pytest.raises(CorruptBlobError, match="does not have them any more"):
        registry.model("mine").get_local_copy(raise_on_error=True)
    (mended,) = registry.repair().mended  # from their source file
    assert mended.how == f"copied from {file}"
    assert registry.verify(full=True).ok
    assert len(blobs(registry.path)) == 1


def test_a_full_verification_finds_bytes_damaged_upstream(registry, shared, file):
    registry.add(file, "mine")
    damage(blob_of(shared))
    assert registry.verify().ok, "what is upstream is its owner's to watch"
    (problem,) = registry.verify(full=True).problems
    assert (problem.kind, problem.path) == ("upstream", str(blob_of(shared)))
    (mended,) = registry.repair(full=True).mended
    assert "copied from" in mended.how
    assert blob_of(shared).exists(), "nothing is moved out of the other"
    assert Path(registry.model("mine").get_local_copy()).read_bytes() == BYTES
    assert registry.verify(full=True).ok


def test_after_adopting_a_registry_needs_no_upstream(registry, shared, file, package, tmp_path):
    registry.add(file, "mine", alias="prod")
    with Registry(shared, durability="fast") as owner:
        owner.add(package, "bert")
    registry.add(package, "packed")
    task = Task.create(task_name="t")
    task.upload_artifact("net", file)
    done = registry.adopt()
    assert done.failed == ()
    assert {each.models for each in done.adopted} == {("mine:1",), ("packed:1",)}
    assert {each.upstream for each in done.adopted} == {str(shared)}
    assert done.size == sum(each.size for each in done.adopted) > len(BYTES)
    assert registry.adopt().adopted == ()
    registry.close()
    shutil.rmtree(shared)
    with Registry(tmp_path / "mine") as alone:
        assert alone.verify(full=True).ok
        assert Path(alone.model("mine@prod").get_local_copy()).read_bytes() == BYTES
        assert (Path(alone.model("packed").get_local_copy()) / "a.bin").read_bytes() == BYTES
        assert Path(Task.get_task(task.id).artifacts["net"].get_local_copy()).is_file()
        with alone.db.conn as connection:
            assert set(connection.execute("SELECT upstream FROM blob").fetchall()) == {(None,)}


def test_adopt_reports_missing_bytes_and_copies_the_rest(registry, shared, file):
    with Registry(shared, durability="fast") as owner:
        owner.add(io.BytesIO(OTHER), "other", filename="o")
    registry.add(file, "damaged")
    registry.add(io.BytesIO(OTHER), "whole", filename="o")
    damage(blob_of(shared))
    done = registry.adopt()
    assert [each.models for each in done.adopted] == [("whole:1",)]
    (failed,) = done.failed
    assert "damaged:1" in failed
    assert len(blobs(registry.path)) == 1


# upkeep -----------------------------------------------------------------------------------


def test_bytes_kept_upstream_take_no_space_in_the_first_registry(registry, shared, file):
    registry.add(file, "mine")
    registry.add(io.BytesIO(OTHER), "other", filename="o")
    used = registry.du()
    assert (used.kept, used.upstream) == (len(OTHER), len(BYTES))
    assert [each.name for each in used.lines] == ["other"]


def test_gc_deletes_the_record_of_a_removed_model_and_nothing_upstream(registry, shared, file):
    model = registry.add(file, "mine", filename="other.pt")
    model.get_local_copy()
    InputModel.remove(model, delete_weights_file=False)
    assert [each.kind for each in registry.gc(grace_seconds=0, dry_run=False).garbage] == [
        "weights"
    ]
    assert blob_of(shared).exists()
    assert list((registry.path / "files").iterdir()) == []
    assert Path(registry.model("net").get_local_copy()).read_bytes() == BYTES


def test_local_copies_of_bytes_upstream_are_a_cache(registry, shared, file):
    """`Registry.gc` keeps them, so that no reader loses its file; `cache prune` deletes them."""
    theirs = registry.model("net")
    with Registry(shared, durability="fast") as owner:
        owner.model("net").get_local_copy()
        shutil.rmtree(shared / "files")
    path = Path(theirs.get_local_copy())
    assert path.is_relative_to(registry.path)
    assert registry.gc(grace_seconds=0, dry_run=False).garbage == ()
    assert path.exists()
    (cached,) = cache.cached(registry._chain)
    assert (cached.kind, cached.name, cached.size) == ("copy", DIGEST, len(BYTES))
    cache.prune(registry._chain, max_size=0, dry_run=False)
    assert not path.exists()
    assert Path(theirs.get_local_copy()).read_bytes() == BYTES


def test_the_last_copy_of_lost_bytes_is_not_a_cache(registry, shared, file):
    """A repair copies the bytes from it."""
    model = registry.add(file, "mine", filename="other.pt")
    model.get_local_copy()
    file.unlink()
    shutil.rmtree(shared / "blobs")
    assert cache.cached(registry._chain) == []
    registry.repair()
    assert Path(model.get_local_copy()).read_bytes() == BYTES
    assert len(blobs(registry.path)) == 1


def test_removing_a_model_deletes_nothing_upstream(registry, shared, file):
    model = registry.add(file, "mine")
    assert InputModel.remove(model, raise_on_errors=True)
    assert blob_of(shared).exists()
    restored = removal.restore_model(registry._chain, "mine")
    assert restored.missing == ()
    again = registry.model("mine")
    assert again.digest == DIGEST
    assert Path(again.get_local_copy()).read_bytes() == BYTES


def test_auto_delete_file_refuses_a_file_in_an_upstream_registry(registry, shared, file):
    path = Path(registry.model("net").get_local_copy())
    model = OutputModel(Task.create(task_name="t"))
    with pytest.raises(InvalidValueError, match="auto_delete_file"):
        model.update_weights(path, auto_delete_file=True)
    assert path.exists()


def test_weights_kept_upstream_are_uploaded_from_there(registry, file, tmp_path):
    model = OutputModel(Task.create(task_name="t"), name="mine")
    model.update_weights(file, upload_uri=str(tmp_path / "out"))
    OutputModel.wait_for_uploads()
    assert Path(model.get_local_copy()).read_bytes() == BYTES
    assert model.url.startswith((tmp_path / "out").as_uri())
    assert blobs(registry.path) == []


def test_media_of_a_page_are_copied_to_its_registry(registry, shared, tmp_path):
    """Pages move with their registry, so it must have the files that they show."""
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with Registry(shared, durability="fast") as owner:
        owner.add(picture, "picture")
    task = Task.create(task_name="t")
    task.get_logger().report_media("seen", "there", local_path=picture)
    page = Path(task.report()).read_text()
    digest = hashlib.sha256(picture.read_bytes()).hexdigest()
    assert f"files/{digest}/picture.png" in page
    assert (registry.path / "files" / digest / "picture.png").read_bytes() == picture.read_bytes()
    alone = Path(task.report(path=tmp_path / "alone.html")).read_text()
    assert "data:image/png;base64," in alone


def test_an_archive_kept_upstream_and_its_package_here_are_verified(registry, shared, tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("a.bin", "weights")
    with Registry(shared, durability="fast") as owner:
        owner.add(archive, "zip")
    mine = registry.add(archive, "mine")
    folder = Path(mine.get_local_copy(extract_archive=True))
    assert folder.is_relative_to(registry.path)
    assert registry.verify(full=True).ok
    damage(folder / "a.bin")
    (problem,) = registry.verify(full=True).problems
    assert (problem.kind, problem.kept) == ("digest", False)  # the file is a link to a blob


# many processes ---------------------------------------------------------------------------


def add_at_once(number, barrier, root, shared, file):
    """Add a file as a version of a model at the same time as other processes, and read it."""
    from pathlib import Path

    from localreg import Registry

    barrier.wait()
    with Registry(root, upstream=[shared], durability="fast") as registry:
        model = registry.add(file, "mine", filename=f"{number % 2}.pt")
        return [model.version, len(Path(model.get_local_copy(raise_on_error=True)).read_bytes())]


def test_many_processes_that_add_bytes_kept_upstream_keep_no_copy(children, shared, file, tmp_path):
    found = children.crowd(6, add_at_once, tmp_path / "mine", shared, file)
    assert sorted(version for version, _ in found) == list(range(1, 7))
    assert {size for _, size in found} == {len(BYTES)}
    with Registry(tmp_path / "mine", upstream=[shared]) as registry:
        assert blobs(registry.path) == []
        assert registry.verify(full=True).ok
        assert registry.gc(grace_seconds=0).garbage == ()
