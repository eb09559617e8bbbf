"""A copy of a registry is noticed at its first write: its new events get an origin of their own."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing

import pytest
from support.command_line import run_cli
from support.new_models import imported

from localreg import Registry
from localreg.filesystem.kinds import MOUNTS
from localreg.filesystem.machine import machine_mark, short_host_name
from localreg.store.database import origins

HERE = short_host_name()


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "registry"
    with Registry(root, durability="fast") as registry:
        imported("first", registry=registry)
    return root


def write(root, name):
    with Registry(root, durability="fast") as registry:
        imported(name, registry=registry)


def column(root, sql):
    with closing(sqlite3.connect(root / "registry.db")) as connection:
        return [value for (value,) in connection.execute(sql)]


def made_in(root):
    """Return the key of the origin of each event, in their order."""
    return column(root, "SELECT origin FROM event ORDER BY pk")


def put(root, name, value):
    with closing(sqlite3.connect(root / "registry.db")) as connection, connection:
        connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))


def test_a_copy_gets_an_origin_of_its_own(root, tmp_path):
    """By its inode; the copied one keeps its origin."""
    subprocess.run(["cp", "-a", root, tmp_path / "copy"], check=True)
    for number in range(2):
        write(tmp_path / "copy", f"there-{number}")
        write(root, f"here-{number}")
    assert made_in(tmp_path / "copy") == [1, 2, 2]
    assert made_in(root) == [1, 1, 1]
    assert column(tmp_path / "copy", "SELECT name FROM origin") == [HERE, HERE]
    assert len(set(column(tmp_path / "copy", "SELECT id FROM origin"))) == 2


def test_a_directory_that_was_moved_keeps_it(root, tmp_path):
    root.rename(tmp_path / "moved")
    write(tmp_path / "moved", "later")
    assert made_in(tmp_path / "moved") == [1, 1]


def test_reading_a_copy_writes_nothing(root, tmp_path):
    subprocess.run(["cp", "-a", root, tmp_path / "copy"], check=True)
    with Registry(tmp_path / "copy") as copy:
        assert copy.models()
        assert copy.verify().ok
    assert column(tmp_path / "copy", "SELECT count(*) FROM origin") == [1]


def mounted(folder, kind):
    """Return a table of mounts in which a folder is on a file system of a kind."""
    mounts = folder / "mounts"
    mounts.write_text(f"1 0 0:1 / {folder} rw - {kind} none rw\n")
    return mounts


def noticed(root, mounts):
    """Return how many origins a registry has after a look at where it is."""
    with closing(sqlite3.connect(root / "registry.db")) as connection, connection:
        origins.notice_copy(connection, root / "registry.db", mounts)
        return connection.execute("SELECT count(*) FROM origin").fetchone()[0]


def test_another_machine_gets_another_name(root, tmp_path):
    """A disk, or an image of one, came to this machine: the name was chosen on the other one."""
    assert run_cli("-R", root, "config", "origin.name", "laptop")[0] == 0
    put(root, "machine", "0" * 16)
    mounts = mounted(tmp_path, "vfat")  # where the host name counts, if a machine has no id
    assert noticed(root, mounts) == 2
    assert column(root, "SELECT name FROM origin") == ["laptop", HERE]
    assert column(root, "SELECT value FROM setting WHERE name = 'origin.name'") == []
    assert noticed(root, mounts) == 2


@pytest.mark.parametrize(
    ("kind", "machine", "inode"),
    [
        ("ext4", 2 if machine_mark() else 1, 2),
        ("nfs4", 1, 2),  # several machines use it
        ("vfat", 2, 1),  # a file has another number at each mount
        ("fuse.exfat", 2, 1),
        ("fuse.sshfs", 1, 1),
    ],
)
def test_what_counts_on_which_file_system(root, tmp_path, kind, machine, inode):
    mounts = mounted(tmp_path, kind)
    put(root, "machine", machine_mark(by_name=True))
    assert noticed(root, mounts) == 1
    shutil.copytree(root, tmp_path / "copy")
    put(root, "machine", "0" * 16)
    assert noticed(root, mounts) == machine
    assert noticed(root, mounts) == machine
    put(tmp_path / "copy", "inode", "1")
    assert noticed(tmp_path / "copy", mounts) == inode


def write_first(number, barrier, root):
    from localreg import InputModel, Registry

    with Registry(root, durability="fast") as registry:
        barrier.wait()
        return InputModel.import_model(f"s3://b/{number}", name=f"m{number}", registry=registry).id


def test_processes_that_write_first_at_once_make_one_origin(root, tmp_path, children):
    subprocess.run(["cp", "-a", root, tmp_path / "copy"], check=True)
    children.crowd(4, write_first, tmp_path / "copy")
    assert made_in(tmp_path / "copy") == [1, 2, 2, 2, 2]


def test_a_write_that_fails_is_no_first_write(root, tmp_path):
    """The origin is rolled back with it, and made by the next one."""
    subprocess.run(["cp", "-a", root, tmp_path / "copy"], check=True)
    with Registry(tmp_path / "copy", durability="fast") as copy:

        def fail():
            with copy._chain.first.store.write():
                raise LookupError

        with pytest.raises(LookupError):
            fail()
        assert column(tmp_path / "copy", "SELECT count(*) FROM origin") == [1]
        imported("later", registry=copy)
    assert made_in(tmp_path / "copy") == [1, 2]


def test_the_table_of_mounts_is_not_read_for_a_registry_in_its_place(root, tmp_path):
    """Nothing is lost by that: the comparison says that it is in its place."""
    assert noticed(root, tmp_path / "missing") == 1
    assert MOUNTS.endswith("mountinfo")
