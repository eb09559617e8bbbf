"""P9, and other openings: what is not ours, or damaged, is left as it is."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing

import pytest

from localreg import InputModel, Registry
from localreg.errors import (
    ClosedRegistryError,
    DamagedRegistryError,
    InvalidValueError,
    NewerFormatError,
    NotARegistryError,
    ReadOnlyRegistryError,
    RegistryError,
    SQLiteTooOldError,
    StorageError,
)
from localreg.store.database import opening


def everything(root):
    """Every file below a directory: its mode, and its bytes or where it leads to."""
    return {
        str(path.relative_to(root)): (path.lstat().st_mode, content(path))
        for path in root.rglob("*")
    }


def content(path):
    if path.is_symlink():
        return path.readlink()
    return path.read_bytes() if path.is_file() else None


def pragma(database, name, value):
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(f"PRAGMA {name} = {value}")


def emptied(database):
    database.write_bytes(b"")


def cut(database):
    os.truncate(database, database.stat().st_size // 2)


def cut_in_the_header(database):
    os.truncate(database, 50)


def a_text(database):
    database.write_text("Dear diary,\n" * 500)


def zeros(database):
    database.write_bytes(bytes(database.stat().st_size))


def foreign(database):
    database.unlink()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE bookmark (url)")


def foreign_with_a_log(database):
    """Another program's, in use: its changes stand in a log."""
    elsewhere = database.parent.parent / "elsewhere.db"
    with closing(sqlite3.connect(elsewhere)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE bookmark (url)")
        for ending in ("", "-wal", "-shm"):
            shutil.copyfile(f"{elsewhere}{ending}", f"{database}{ending}")


def newer(database):
    pragma(database, "user_version", opening.FORMAT_VERSION + 1)


def another_program(database):
    pragma(database, "application_id", 7)


def a_link(database):
    database.rename(database.with_name("moved.db"))
    database.symlink_to("moved.db")


def a_dangling_link(database):
    database.unlink()
    database.symlink_to("nothing")


def a_directory(database):
    database.unlink()
    database.mkdir()


def a_pipe(database):
    database.unlink()
    os.mkfifo(database)


def a_linked_log(database):
    (database.parent / "precious").write_text("of somebody")
    database.with_name("registry.db-wal").symlink_to("precious")


def a_linked_journal(database):
    (database.parent / "precious").write_text("of somebody")
    database.with_name("registry.db-journal").symlink_to("precious")


def lost(database):
    """Weights, and no database."""
    database.unlink()


def lost_with_a_log(database):
    """The log of a database that is gone; SQLite would put it into the next one."""
    shutil.rmtree(database.parent / "blobs")
    database.with_name("registry.db-wal").write_bytes(b"what was changed last")
    database.unlink()


def lost_with_a_journal(database):
    shutil.rmtree(database.parent / "blobs")
    database.with_name("registry.db-journal").write_bytes(b"what was there before")
    database.unlink()


REFUSED = {
    emptied: DamagedRegistryError,
    cut: DamagedRegistryError,
    cut_in_the_header: DamagedRegistryError,
    a_text: DamagedRegistryError,
    zeros: DamagedRegistryError,
    foreign: NotARegistryError,
    foreign_with_a_log: NotARegistryError,
    newer: NewerFormatError,
    another_program: NotARegistryError,
    a_link: NotARegistryError,
    a_dangling_link: NotARegistryError,
    a_directory: NotARegistryError,
    a_pipe: NotARegistryError,
    a_linked_log: NotARegistryError,
    a_linked_journal: NotARegistryError,
    lost: NotARegistryError,
    lost_with_a_log: NotARegistryError,
    lost_with_a_journal: NotARegistryError,
}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    weights = folder / "w.pt"
    weights.write_bytes(b"weights")
    with Registry(folder / "registry", durability="fast") as registry:
        InputModel.import_model(weights, name="kept", copy=True)
        for number in range(50):
            InputModel.import_model(f"s3://b/{number}.pt", name=f"m{number}", tags=["t"])
    return registry.path


@pytest.fixture
def root(template, tmp_path):
    """The directory of a registry with a few models, closed."""
    return shutil.copytree(template, tmp_path / "registry")


@pytest.mark.parametrize("harm", REFUSED, ids=lambda harm: harm.__name__)
def test_what_is_no_registry_is_left_as_it_is(root, harm):
    """P9: a typed error, not one byte of any file changes, and none appears or goes."""
    harm(root / "registry.db")
    before = everything(root)
    with pytest.raises(REFUSED[harm]):
        Registry(root)
    assert everything(root) == before


@pytest.mark.parametrize("harm", REFUSED, ids=lambda harm: harm.__name__)
def test_what_is_no_registry_is_left_as_it_is_also_when_only_read(root, harm):
    """P9: the same with readonly=True."""
    harm(root / "registry.db")
    before = everything(root)
    with pytest.raises(RegistryError):
        Registry(root, readonly=True)
    assert everything(root) == before


PAGE = 4_096


@pytest.mark.parametrize("readonly", [False, True])
def test_every_damaged_page_is_an_error_or_does_no_harm(root, readonly):
    """P9: a page of garbage gives what was there or a typed error, and no byte changes."""
    database = root / "registry.db"
    sound = database.read_bytes()
    damaged = 0
    for start in range(0, len(sound), PAGE):
        # The first hundred bytes are the header, which other tests are about.
        start += 100 if start == 0 else 0
        end = (start // PAGE + 1) * PAGE
        database.write_bytes(sound[:start] + b"\xa5" * (end - start) + sound[end:])
        before = everything(root)
        try:
            with Registry(root, readonly=readonly) as registry:
                found = registry.models(tags=["t"])
                assert len(found) == 50
                assert {model.name for model in found} == {f"m{number}" for number in range(50)}
                assert len(registry.history()) == 51
        except DamagedRegistryError:
            damaged += 1
        assert everything(root).items() >= before.items()
        if not readonly:
            assert everything(root) == before
    assert damaged > 10


def test_a_lost_database_leaves_weights_alone_until_they_are_moved(root):
    """P9: weights without a database are an error, and a new registry once they are moved away."""
    (root / "registry.db").unlink()
    with pytest.raises(NotARegistryError, match="blobs"):
        Registry(root)
    (root / "blobs").rename(root.parent / "saved")
    with Registry(root) as registry:
        assert registry.models() == []


def test_an_old_sqlite_is_refused():
    """An SQLite without what the queries use is told by version, not by a syntax error."""
    with pytest.raises(SQLiteTooOldError, match=r"3\.35\.0.*3\.34\.1"):
        opening.check_sqlite((3, 34, 1))
    opening.check_sqlite((3, 35, 0))


def test_reading_only_makes_nothing(tmp_path):
    """P15: readonly=True on nothing is an error, and makes nothing."""
    with pytest.raises(ReadOnlyRegistryError):
        Registry(tmp_path / "new", readonly=True)
    assert list(tmp_path.iterdir()) == []


def test_a_closed_registry_says_so(root):
    """P18: whatever is asked of a closed registry is a typed error; closing twice is fine."""
    registry = Registry(root)
    model = registry.model("kept")
    registry.close()
    registry.close()
    calls = [
        lambda: model.name,
        lambda: model.publish(),
        lambda: model.get_weights(raise_on_error=True),
        lambda: registry.models(),
        lambda: registry.history(),
        lambda: registry.set_alias(model, "prod"),
        lambda: registry.db,
        lambda: InputModel.import_model("s3://b/new.pt", registry=registry),
    ]
    for call in calls:
        with pytest.raises(ClosedRegistryError, match="open it again"):
            call()
    assert {path.name for path in root.iterdir()} == {"registry.db", "blobs", "files", "tmp"}


ODD_PATHS = {
    "~nobody-of-this-name/x": InvalidValueError,
    "x" * 300: StorageError,
    "x/" * 3_000: StorageError,
    "a\0b": InvalidValueError,
    "\udc80": InvalidValueError,
    "": InvalidValueError,
    b"bytes": InvalidValueError,
    5: InvalidValueError,
    "/proc/new": StorageError,
    "/dev/null": NotARegistryError,
    "/dev/null/new": StorageError,
}


@pytest.mark.parametrize("path", ODD_PATHS, ids=lambda path: repr(path)[:20])
def test_a_path_that_cannot_be_a_registry_is_a_typed_error(tmp_path, monkeypatch, path):
    """P18: no raw error, whatever the path."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ODD_PATHS[path]):
        Registry(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["what? # is %20 this", "a'b\"c", "tab\tnew\nline", "ümläut ✓", "-"]
)
def test_odd_names_of_directories_work(tmp_path, name):
    """P18: characters that mean something to SQLite's URIs or to shells mean nothing here."""
    with Registry(tmp_path / name / "deep") as registry:
        InputModel.import_model("s3://b/x.pt")
    with Registry(tmp_path / name / "deep", readonly=True) as registry:
        assert len(registry.models()) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]
