"""Failures upstream: damaged bytes, missing registries, and what still works then."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from localreg import InputModel, OutputModel, Registry, Task
from localreg.errors import CorruptBlobError, UploadError
from localreg.operations.finding import queries, upstream
from localreg.operations.upkeep import doctor

BYTES = bytes(range(256)) * 40
DIGEST = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture
def shared(tmp_path):
    """The directory of a registry that keeps `BYTES`; the source file does not exist any more."""
    (tmp_path / "net.pt").write_bytes(BYTES)
    with Registry(tmp_path / "shared", durability="fast") as registry:
        registry.add(tmp_path / "net.pt", "net", mode="move")
    return tmp_path / "shared"


@pytest.fixture
def file(write_file):
    """A file outside the registry with the same bytes."""
    return write_file("user/weights.pt", BYTES)


@pytest.fixture
def registry(tmp_path, shared):
    """A registry with `shared` upstream."""
    with Registry(tmp_path / "mine", upstream=[shared], durability="fast") as registry:
        yield registry


def blob_of(root):
    return root / "blobs" / "sha256" / DIGEST[:2] / DIGEST[2:]


def damage_unnoticed(root):
    """Change a byte of the weights so that their registry does not notice it."""
    blob = blob_of(root)
    blob.chmod(0o644)
    with blob.open("r+b") as writer:
        writer.write(b"\xff")
    blob.chmod(0o444)
    with closing(sqlite3.connect(root / "registry.db")) as connection, connection:
        connection.execute("UPDATE blob SET ctime = ?", (blob.stat().st_ctime_ns,))


# damaged bytes ----------------------------------------------------------------------------


def test_repair_keeps_a_copy_if_the_bytes_upstream_are_damaged(registry, shared, file):
    """The local copy has the last sound bytes: it is kept, not deleted."""
    model = registry.add(file, "mine", mode="move")
    Path(model.get_local_copy(raise_on_error=True))
    damage_unnoticed(shared)
    done = registry.repair(full=True)
    assert [each.how for each in done.mended] == ["copied from a local copy"]
    assert blob_of(registry.path).read_bytes() == BYTES
    assert registry.verify(full=True).ok
    assert Path(model.get_local_copy(raise_on_error=True)).read_bytes() == BYTES


def test_repair_fetches_damaged_bytes_back_from_upstream(registry, shared, file, tmp_path):
    (tmp_path / "alone").mkdir()
    with Registry(tmp_path / "alone", durability="fast") as alone:
        alone.add(file, "mine", mode="move")
    blob_of(tmp_path / "alone").chmod(0o644)
    blob_of(tmp_path / "alone").write_bytes(b"short")
    with Registry(tmp_path / "alone", upstream=[shared], durability="fast") as with_upstream:
        done = with_upstream.repair()
        assert [each.how for each in done.mended] == [f"copied from {blob_of(shared)}"]
        assert done.lost == ()
    assert blob_of(tmp_path / "alone").read_bytes() == BYTES


def verify_always(monkeypatch):
    monkeypatch.setenv("LOCALREG_VERIFY", "always")


def test_adding_the_same_file_again_repairs_bytes_damaged_upstream(
    registry, shared, file, monkeypatch
):
    """As the error says: bytes found damaged upstream are kept in the first registry instead."""
    verify_always(monkeypatch)
    model = registry.add(file, "mine")
    damage_unnoticed(shared)
    with pytest.raises(CorruptBlobError, match=r"damaged upstream.*adding the same file again"):
        model.get_local_copy(raise_on_error=True)
    registry.add(file, "mine")
    assert blob_of(registry.path).read_bytes() == BYTES
    assert Path(model.get_local_copy(raise_on_error=True)).read_bytes() == BYTES


def test_of_two_upstream_registries_the_one_with_sound_bytes_is_used(shared, file, tmp_path):
    with Registry(tmp_path / "second", durability="fast") as second:
        second.add(file, "net")
    upstream = [shared, second.path]
    with Registry(tmp_path / "mine", upstream=upstream, durability="fast") as with_upstream:
        model = with_upstream.add(file, "mine")
        damage_unnoticed(shared)
        assert not with_upstream.verify(full=True).ok
        assert with_upstream.verify(full=True).ok
        assert Path(model.get_local_copy(raise_on_error=True)).is_relative_to(second.path)


def test_repair_needs_no_full_search_for_damage_that_was_found_upstream(
    registry, shared, file, monkeypatch
):
    """Damage that a reader has found is recorded: no other search for it is needed."""
    model = registry.add(file, "mine")
    model.get_local_copy(raise_on_error=True)
    assert registry.verify().ok
    damage_unnoticed(shared)
    assert registry.verify().ok, "damage is found only by reading"
    assert [each.kind for each in registry.verify(full=True).problems] == ["upstream"]
    assert [each.kind for each in registry.verify().problems] == ["upstream"]
    assert len(registry.repair().mended) == 1
    assert registry.verify(full=True).ok


# missing registries -----------------------------------------------------------------------


@pytest.fixture
def three(tmp_path):
    """A registry with two upstream; each of the three has one model and one task."""
    for name in ("one", "two", "first"):
        with Registry(tmp_path / name, durability="fast") as each:
            each.add(io.BytesIO(name.encode()), name)
            Task.create(project_name="p", task_name=name)
    upstream = [tmp_path / "one", tmp_path / "two"]
    with Registry(tmp_path / "first", upstream=upstream, durability="fast") as registry:
        yield registry


def in_new_thread(function):
    """Call a function in a new thread, which opens the databases again and finds them missing."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function).result()


def test_models_of_other_registries_are_found_if_one_upstream_is_missing(three, tmp_path, caplog):
    shutil.rmtree(tmp_path / "one")
    assert {model.name for model in in_new_thread(three.models)} == {"first", "two"}
    assert f"{tmp_path / 'one'} is skipped" in caplog.text
    assert f"{tmp_path / 'two'} is skipped" not in caplog.text
    assert in_new_thread(lambda: three.model("two").name) == "two"


def test_tasks_of_other_registries_are_found_if_one_upstream_is_missing(three, tmp_path):
    shutil.rmtree(tmp_path / "one")
    found = in_new_thread(lambda: [task.name for task in Task.get_tasks(project_name="p")])
    assert sorted(found) == ["first", "two"]


def test_a_model_is_found_by_its_url_if_an_earlier_upstream_is_missing(tmp_path):
    for name in ("one", "two", "first"):
        with Registry(tmp_path / name, durability="fast"):
            if name == "two":
                InputModel.import_model("https://host.invalid/a.bin", name="net")
    upstream = [tmp_path / "one", tmp_path / "two"]
    with Registry(tmp_path / "first", upstream=upstream, durability="fast"):
        shutil.rmtree(tmp_path / "one")
        found = in_new_thread(lambda: InputModel.load_model("https://host.invalid/a.bin"))
        assert found is not None
        assert found.name == "net"


def test_records_lacks_models_whose_registry_disappeared_since_the_search(three, tmp_path):
    chain = three._chain
    found = upstream.search(chain, queries.check_query())
    assert len(found) == 3
    shutil.rmtree(tmp_path / "one")
    pairs = in_new_thread(lambda: upstream.records(chain, found))
    assert {record.name for _, record in pairs} == {"first", "two"}
    assert [record.id for _, record in pairs] == [
        each.id for each in found if each.registry.root.name != "one"
    ]


# without the upstream registry ------------------------------------------------------------


def model_without_upstream(registry, shared, file):
    """Return a model whose bytes a missing upstream registry keeps, and its local copy."""
    model = registry.add(file, "mine", mode="move")
    path = Path(model.get_local_copy(raise_on_error=True))
    assert path.is_relative_to(registry.path)
    shared.rename(shared.with_name("gone"))
    return model, path


def test_a_sound_local_copy_is_returned_if_the_upstream_is_missing(registry, shared, file):
    model, path = model_without_upstream(registry, shared, file)
    assert model.get_local_copy(raise_on_error=True) == str(path)
    assert path.read_bytes() == BYTES


def test_a_changed_local_copy_is_refused_if_the_upstream_is_missing(registry, shared, file):
    model, path = model_without_upstream(registry, shared, file)
    path.chmod(0o644)
    path.write_bytes(b"\xff" + BYTES[1:])
    with pytest.raises(CorruptBlobError, match="make it available again"):
        model.get_local_copy(raise_on_error=True)


def test_a_sound_local_copy_is_adopted_if_the_upstream_is_missing(registry, shared, file):
    model, path = model_without_upstream(registry, shared, file)
    done = registry.adopt()
    assert [each.upstream for each in done.adopted] == [str(registry.path)]
    assert done.failed == ()
    assert blob_of(registry.path).read_bytes() == BYTES
    assert registry.verify(full=True).ok
    assert model.get_local_copy(raise_on_error=True) == str(path)


def test_the_error_of_an_upload_names_the_damaged_bytes_upstream(registry, shared, file, tmp_path):
    damage_unnoticed(shared)
    model = OutputModel(Task.create(task_name="t"), name="mine")
    model.update_weights(file, upload_uri=str(tmp_path / "out"))
    with pytest.raises(UploadError, match=f"damaged upstream: {blob_of(shared)}"):
        OutputModel.wait_for_uploads()
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


# local copies -----------------------------------------------------------------------------


def change_unnoticed(path, content):
    """Change a file but not its modification time."""
    before = path.stat()
    path.chmod(0o644)
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("whose", ["mine", "theirs"])
def test_local_copies_of_bytes_upstream_are_verified(whose, registry, shared, file):
    """Also those of models upstream, for which the first registry has no row."""
    if whose == "mine":
        model = registry.add(file, "mine")
    else:
        shutil.rmtree(shared / "files")
        model = registry.model("net")
    path = Path(model.get_local_copy(raise_on_error=True))
    assert path.is_relative_to(registry.path)
    assert registry.verify(full=True).ok
    change_unnoticed(path, b"\xff" + BYTES[1:])
    found = registry.verify(full=True).problems
    assert [(each.kind, registry.path / each.path) for each in found] == [("file", path)]
    assert len(registry.repair(full=True).mended) == 1
    assert registry.verify(full=True).ok
    assert Path(model.get_local_copy(raise_on_error=True)).read_bytes() == BYTES


def test_a_shorter_local_copy_is_found_without_reading_it(registry, file):
    path = Path(registry.add(file, "mine").get_local_copy(raise_on_error=True))
    change_unnoticed(path, b"short")
    assert [each.kind for each in registry.verify().problems] == ["file"]


@pytest.mark.parametrize("whose", ["mine", "theirs"])
def test_local_copies_of_bytes_upstream_are_counted(whose, registry, shared, file):
    if whose == "mine":
        registry.add(file, "mine").get_local_copy(raise_on_error=True)
    else:
        shutil.rmtree(shared / "files")
        registry.model("net").get_local_copy(raise_on_error=True)
    assert registry.du().copies == len(BYTES)
    texts = [each.text for each in doctor.examine(registry._chain)]
    (text,) = [each for each in texts if str(registry.path / "files") in each]
    assert "copies of what upstream registries keep" in text
    assert "delete that folder" not in text, "they may be the last copies"


@pytest.mark.parametrize("whose", ["mine", "theirs"])
def test_the_error_says_why_bytes_cannot_be_read_upstream(whose, registry, shared, file, tmp_path):
    """For a model upstream it names the registry of the model."""
    registry.add(file, "mine", filename="mine.pt")
    with Registry(tmp_path / "other", durability="fast") as other:
        (tmp_path / "net.pt").write_bytes(BYTES)
        other.add(tmp_path / "net.pt", "theirs")
    first = [tmp_path / "other"] if whose == "theirs" else [shared]
    (first[0] / "blobs").rename(first[0] / "moved")
    (first[0] / "blobs").symlink_to("moved")
    with (
        Registry(registry.path, upstream=first, durability="fast") as with_upstream,
        pytest.raises(CorruptBlobError) as raised,
    ):
        with_upstream.model(whose).get_local_copy(raise_on_error=True)
    said = f"upstream registry {first[0]}, which cannot be read ({first[0] / 'blobs'} must be a"
    assert said in str(raised.value)
