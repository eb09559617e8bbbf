"""What goes wrong upstream: bytes that rot, registries that go away, and what is left here then."""

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
from localreg.operations.finding import queries
from localreg.operations.finding import upstream as chain
from localreg.operations.upkeep import doctor

BYTES = bytes(range(256)) * 40
DIGEST = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture
def shared(tmp_path):
    """The directory of a registry that keeps these bytes; the file they came from is gone."""
    (tmp_path / "net.pt").write_bytes(BYTES)
    with Registry(tmp_path / "shared", durability="fast") as registry:
        registry.add(tmp_path / "net.pt", "net", mode="move")
    return tmp_path / "shared"


@pytest.fixture
def file(write_file):
    """A file of the user with the same bytes."""
    return write_file("user/weights.pt", BYTES)


@pytest.fixture
def registry(tmp_path, shared):
    """A registry in front of that one."""
    with Registry(tmp_path / "mine", upstream=[shared], durability="fast") as registry:
        yield registry


def blob_of(root):
    return root / "blobs" / "sha256" / DIGEST[:2] / DIGEST[2:]


def rot(root):
    """Change a byte of the weights in a way that the registry of them does not notice."""
    blob = blob_of(root)
    blob.chmod(0o644)
    with blob.open("r+b") as writer:
        writer.write(b"\xff")
    blob.chmod(0o444)
    with closing(sqlite3.connect(root / "registry.db")) as connection, connection:
        connection.execute("UPDATE blob SET ctime = ?", (blob.stat().st_ctime_ns,))


# bytes that rot ----------------------------------------------------------------------------


def test_repair_never_leaves_bytes_to_an_upstream_whose_bytes_rotted(registry, shared, file):
    """The copy that was handed out is the last good one: it is kept, not thrown away."""
    model = registry.add(file, "mine", mode="move")
    Path(model.get_local_copy(raise_on_error=True))
    rot(shared)
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
    with Registry(tmp_path / "alone", upstream=[shared], durability="fast") as front:
        done = front.repair()
        assert [each.how for each in done.mended] == [f"copied from {blob_of(shared)}"]
        assert done.lost == ()
    assert blob_of(tmp_path / "alone").read_bytes() == BYTES


def always(monkeypatch):
    monkeypatch.setenv("LOCALREG_VERIFY", "always")


def test_adding_the_same_file_again_mends_what_rotted_upstream(registry, shared, file, monkeypatch):
    """As the error says: bytes that were found damaged upstream are not left there again."""
    always(monkeypatch)
    model = registry.add(file, "mine")
    rot(shared)
    with pytest.raises(CorruptBlobError, match=r"damaged upstream.*adding the same file again"):
        model.get_local_copy(raise_on_error=True)
    registry.add(file, "mine")
    assert blob_of(registry.path).read_bytes() == BYTES
    assert Path(model.get_local_copy(raise_on_error=True)).read_bytes() == BYTES


def test_of_two_upstreams_the_one_with_whole_bytes_is_taken(shared, file, tmp_path):
    with Registry(tmp_path / "second", durability="fast") as second:
        second.add(file, "net")
    upstream = [shared, second.path]
    with Registry(tmp_path / "mine", upstream=upstream, durability="fast") as front:
        model = front.add(file, "mine")
        rot(shared)
        assert not front.verify(full=True).ok
        assert front.verify(full=True).ok
        assert Path(model.get_local_copy(raise_on_error=True)).is_relative_to(second.path)


def test_repair_alone_mends_what_was_found_damaged_upstream(registry, shared, file, monkeypatch):
    """What a reader met needs no second search of every byte."""
    model = registry.add(file, "mine")
    model.get_local_copy(raise_on_error=True)
    assert registry.verify().ok
    rot(shared)
    assert registry.verify().ok, "only reading tells"
    assert [each.kind for each in registry.verify(full=True).problems] == ["upstream"]
    assert [each.kind for each in registry.verify().problems] == ["upstream"]
    assert len(registry.repair().mended) == 1
    assert registry.verify(full=True).ok


# registries that go away -------------------------------------------------------------------


@pytest.fixture
def three(tmp_path):
    """A registry in front of two, each with a model and a task of its own."""
    for name in ("one", "two", "first"):
        with Registry(tmp_path / name, durability="fast") as each:
            each.add(io.BytesIO(name.encode()), name)
            Task.create(project_name="p", task_name=name)
    upstream = [tmp_path / "one", tmp_path / "two"]
    with Registry(tmp_path / "first", upstream=upstream, durability="fast") as registry:
        yield registry


def anew(question):
    """Return what a thread is told: it opens the databases anew, and so notices what is gone."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(question).result()


def test_one_that_goes_away_takes_no_other_with_it(three, tmp_path, caplog):
    shutil.rmtree(tmp_path / "one")
    assert {model.name for model in anew(three.models)} == {"first", "two"}
    assert f"{tmp_path / 'one'} is skipped" in caplog.text
    assert f"{tmp_path / 'two'} is skipped" not in caplog.text
    assert anew(lambda: three.model("two").name) == "two"


def test_one_that_goes_away_takes_no_tasks_of_another_with_it(three, tmp_path):
    shutil.rmtree(tmp_path / "one")
    found = anew(lambda: [task.name for task in Task.get_tasks(project_name="p")])
    assert sorted(found) == ["first", "two"]


def test_a_model_by_its_url_is_found_behind_one_that_goes_away(tmp_path):
    for name in ("one", "two", "first"):
        with Registry(tmp_path / name, durability="fast"):
            if name == "two":
                InputModel.import_model("https://host.invalid/a.bin", name="net")
    upstream = [tmp_path / "one", tmp_path / "two"]
    with Registry(tmp_path / "first", upstream=upstream, durability="fast"):
        shutil.rmtree(tmp_path / "one")
        found = anew(lambda: InputModel.load_model("https://host.invalid/a.bin"))
        assert found is not None
        assert found.name == "net"


def test_a_model_whose_registry_goes_away_after_it_was_found_is_left_out_of_the_list(
    three, tmp_path
):
    opened = three._chain
    found = chain.search(opened, queries.check_query())
    assert len(found) == 3
    shutil.rmtree(tmp_path / "one")
    told = anew(lambda: chain.records(opened, found))
    assert {record.name for _, record in told} == {"first", "two"}
    assert [record.id for _, record in told] == [
        each.id for each in found if each.registry.root.name != "one"
    ]


# what is left here then --------------------------------------------------------------------


def left_alone(registry, shared, file):
    """Return a model whose bytes one upstream kept, once that is gone; a local copy is left."""
    model = registry.add(file, "mine", mode="move")
    path = Path(model.get_local_copy(raise_on_error=True))
    assert path.is_relative_to(registry.path)
    shared.rename(shared.with_name("gone"))
    return model, path


def test_a_whole_copy_is_handed_out_when_the_upstream_is_gone(registry, shared, file):
    model, path = left_alone(registry, shared, file)
    assert model.get_local_copy(raise_on_error=True) == str(path)
    assert path.read_bytes() == BYTES


def test_a_copy_that_changed_is_not_handed_out_when_the_upstream_is_gone(registry, shared, file):
    model, path = left_alone(registry, shared, file)
    path.chmod(0o644)
    path.write_bytes(b"\xff" + BYTES[1:])
    with pytest.raises(CorruptBlobError, match="make it available again"):
        model.get_local_copy(raise_on_error=True)


def test_a_whole_copy_is_adopted_when_the_upstream_is_gone(registry, shared, file):
    model, path = left_alone(registry, shared, file)
    done = registry.adopt()
    assert [each.upstream for each in done.adopted] == [str(registry.path)]
    assert done.failed == ()
    assert blob_of(registry.path).read_bytes() == BYTES
    assert registry.verify(full=True).ok
    assert model.get_local_copy(raise_on_error=True) == str(path)


def test_an_upload_of_bytes_that_rotted_upstream_says_where_they_are(
    registry, shared, file, tmp_path
):
    rot(shared)
    model = OutputModel(Task.create(task_name="t"), name="mine")
    model.update_weights(file, upload_uri=str(tmp_path / "out"))
    with pytest.raises(UploadError, match=f"damaged upstream: {blob_of(shared)}"):
        OutputModel.wait_for_uploads()
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


# local copies ------------------------------------------------------------------------------


def spoil(path, content):
    """Change a file and no time that could tell of it but that of the change."""
    before = path.stat()
    path.chmod(0o644)
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("whose", ["mine", "theirs"])
def test_local_copies_of_what_is_upstream_are_verified(whose, registry, shared, file):
    """Those of models of one upstream, too, of which there is no row here."""
    if whose == "mine":
        model = registry.add(file, "mine")
    else:
        shutil.rmtree(shared / "files")
        model = registry.model("net")
    path = Path(model.get_local_copy(raise_on_error=True))
    assert path.is_relative_to(registry.path)
    assert registry.verify(full=True).ok
    spoil(path, b"\xff" + BYTES[1:])
    found = registry.verify(full=True).problems
    assert [(each.kind, registry.path / each.path) for each in found] == [("file", path)]
    assert len(registry.repair(full=True).mended) == 1
    assert registry.verify(full=True).ok
    assert Path(model.get_local_copy(raise_on_error=True)).read_bytes() == BYTES


def test_a_local_copy_that_was_cut_is_found_without_reading_it(registry, file):
    path = Path(registry.add(file, "mine").get_local_copy(raise_on_error=True))
    spoil(path, b"short")
    assert [each.kind for each in registry.verify().problems] == ["file"]


@pytest.mark.parametrize("whose", ["mine", "theirs"])
def test_local_copies_of_what_is_upstream_are_counted(whose, registry, shared, file):
    if whose == "mine":
        registry.add(file, "mine").get_local_copy(raise_on_error=True)
    else:
        shutil.rmtree(shared / "files")
        registry.model("net").get_local_copy(raise_on_error=True)
    assert registry.du().copies == len(BYTES)
    told = [each.text for each in doctor.examine(registry._chain)]
    (text,) = [each for each in told if str(registry.path / "files") in each]
    assert "copies of what upstream registries keep" in text
    assert "delete that folder" not in text, "they may be all that is left"


@pytest.mark.parametrize("whose", ["mine", "theirs"])
def test_bytes_that_cannot_be_read_upstream_are_told_with_the_reason(
    whose, registry, shared, file, tmp_path
):
    """Of a model upstream its own registry is named, whatever the first has left elsewhere."""
    registry.add(file, "mine", filename="mine.pt")
    with Registry(tmp_path / "other", durability="fast") as other:
        (tmp_path / "net.pt").write_bytes(BYTES)
        other.add(tmp_path / "net.pt", "theirs")
    first = [tmp_path / "other"] if whose == "theirs" else [shared]
    (first[0] / "blobs").rename(first[0] / "moved")
    (first[0] / "blobs").symlink_to("moved")
    with (
        Registry(registry.path, upstream=first, durability="fast") as front,
        pytest.raises(CorruptBlobError) as told,
    ):
        front.model(whose).get_local_copy(raise_on_error=True)
    said = f"upstream registry {first[0]}, which cannot be read ({first[0] / 'blobs'} must be a"
    assert said in str(told.value)
