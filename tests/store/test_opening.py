"""P9, and other ways to open: files that are not ours, or damaged, are not changed."""

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
    ForeignSchemaError,
    InvalidValueError,
    NewerFormatError,
    NoRegistryError,
    NotARegistryError,
    RegistryError,
    SQLiteTooOldError,
    StorageError,
)
from localreg.store.database import opening


def everything(root):
    """Return the mode, and the bytes or the target, of every file below a directory."""
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
    """Make a database of another program that is in use: its changes are in a log."""
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
    """Make weights without a database."""
    database.unlink()


def lost_with_a_log(database):
    """Make the log of a missing database; SQLite would apply it to a new one."""
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
    """Return the directory of a closed registry with a few models."""
    return shutil.copytree(template, tmp_path / "registry")


@pytest.mark.parametrize("harm", REFUSED, ids=lambda harm: harm.__name__)
def test_a_file_that_is_not_a_registry_is_not_changed(root, harm):
    """P9: one of our errors; no byte of any file changes, and no file is made or deleted."""
    harm(root / "registry.db")
    before = everything(root)
    with pytest.raises(REFUSED[harm]):
        Registry(root)
    assert everything(root) == before


@pytest.mark.parametrize("harm", REFUSED, ids=lambda harm: harm.__name__)
def test_a_file_that_is_not_a_registry_is_not_changed_with_readonly(root, harm):
    """P9: the same with readonly=True."""
    harm(root / "registry.db")
    before = everything(root)
    with pytest.raises(RegistryError):
        Registry(root, readonly=True)
    assert everything(root) == before


PAGE = 4_096


@pytest.mark.parametrize("readonly", [False, True])
def test_every_damaged_page_is_an_error_or_does_no_harm(root, readonly):
    """P9: with a page of garbage, reads are right or one of our errors; no byte changes."""
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


def test_no_registry_is_made_beside_weights_without_a_database(root):
    """P9: weights without a database are an error, and a new registry once they are moved away."""
    (root / "registry.db").unlink()
    with pytest.raises(NotARegistryError, match="blobs"):
        Registry(root)
    (root / "blobs").rename(root.parent / "saved")
    with Registry(root) as registry:
        assert registry.models() == []


def test_an_old_sqlite_is_refused():
    """An SQLite that is too old is refused by its version, before any query fails."""
    with pytest.raises(SQLiteTooOldError, match=r"3\.35\.0.*3\.34\.1"):
        opening.check_sqlite((3, 34, 1))
    opening.check_sqlite((3, 35, 0))


def test_readonly_makes_no_files(tmp_path):
    """P15: readonly=True without a registry is an error, and makes nothing."""
    with pytest.raises(NoRegistryError):
        Registry(tmp_path / "new", readonly=True)
    assert list(tmp_path.iterdir()) == []


def test_a_closed_registry_says_so(root):
    """P18: every call on a closed registry is one of our errors; closing twice is fine."""
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
    assert {path.name for path in root.iterdir()} == {
        "registry.db", "registry.db-reserve", "blobs", "files", "tmp",
    }  # fmt: skip


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
def test_a_path_that_cannot_be_a_registry_raises_our_own_error(tmp_path, monkeypatch, path):
    """P18: every path gives one of our errors."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ODD_PATHS[path]):
        Registry(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["what? # is %20 this", "a'b\"c", "tab\tnew\nline", "ümläut ✓", "-"]
)
def test_directories_with_unusual_names_work(tmp_path, name):
    """P18: characters with a meaning in SQLite's URIs or in shells have none here."""
    with Registry(tmp_path / name / "deep") as registry:
        InputModel.import_model("s3://b/x.pt")
    with Registry(tmp_path / name / "deep", readonly=True) as registry:
        assert len(registry.models()) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_restored_dump_is_refused_with_a_remedy_that_works(tmp_path):
    """The dump of a database lacks the two numbers by which it is known."""
    with Registry(tmp_path / "r") as registry:
        InputModel.import_model("s3://bucket/net.pt", name="net")
    database = registry.path / "registry.db"
    with closing(sqlite3.connect(database)) as connection:
        dump = "\n".join(connection.iterdump())
    database.unlink()
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(dump)
    with pytest.raises(NotARegistryError, match="restored from a dump") as caught:
        Registry(tmp_path / "r")
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(str(caught.value).split("'")[-2])
    with Registry(tmp_path / "r") as registry:
        assert InputModel(name="net").url == "s3://bucket/net.pt"
        assert registry.verify().problems == ()


def test_an_index_of_a_user_is_refused_with_a_remedy_that_works(tmp_path):
    """An index on a table of localreg; one with an odd name is not put into a command."""
    with Registry(tmp_path / "r") as registry:
        registry.db["model"].create_index(["name"])
    with pytest.raises(ForeignSchemaError, match="index") as caught:
        Registry(tmp_path / "r")
    with closing(sqlite3.connect(registry.path / "registry.db")) as connection:
        connection.executescript(str(caught.value).split("'")[-2])
    with Registry(tmp_path / "r") as registry:
        registry.db["model"].create_index(["name"], "x';rm -rf ~;'")
    with pytest.raises(ForeignSchemaError, match="DROP INDEX …'"):
        Registry(tmp_path / "r")
