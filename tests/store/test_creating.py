"""Making a registry, choosing its journal mode, and migrating its database."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Migrations

from localreg import InputModel, Registry
from localreg.errors import InvalidValueError, ReadOnlyRegistryError
from localreg.filesystem.kinds import filesystem_type, is_network
from localreg.registry import open_registry
from localreg.store.database import opening
from localreg.store.database.migrations import migrate


def bytes_of(root):
    return {path.name: path.read_bytes() for path in root.iterdir()}


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"durability": "yes"}, "durability"),
        ({"journal": "delete"}, "journal"),
    ],
)
def test_an_invalid_argument_makes_no_directory(tmp_path, arguments, argument):
    """P3, P18: the error names the invalid argument, and nothing is made."""
    with pytest.raises(InvalidValueError) as raised:
        open_registry(tmp_path / "new", **arguments)
    assert raised.value.argument == argument
    assert not (tmp_path / "new").exists()


def test_a_new_registry_is_one_file_and_a_reserve(tmp_path):
    """A new registry has a database with the right settings, and no temporary file."""
    Registry(tmp_path / "new").close()
    database, reserve = sorted((tmp_path / "new").iterdir())
    assert (reserve.name, reserve.stat().st_size) == ("registry.db-reserve", 262_144)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (0x6C72_6567,)
        assert connection.execute("PRAGMA user_version").fetchone() == (opening.FORMAT_VERSION,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("journal", ["wal", "truncate"])
@pytest.mark.parametrize("durability", ["full", "fast"])
def test_the_journal_mode_is_kept_with_the_registry(tmp_path, journal, durability):
    """P2: the mode chosen at creation stays, and durability sets how much is synced."""
    open_registry(tmp_path, journal=journal).close()
    opened = open_registry(tmp_path, durability=durability, journal="wal")
    with opened.store.read() as connection:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
        stored = connection.execute("SELECT value FROM setting WHERE name = 'journal'").fetchone()
    opened.close()
    assert (mode, stored) == (journal, (journal,))
    full = {"wal": 2, "truncate": 3}[journal]  # FULL, EXTRA
    assert synchronous == (full if durability == "full" else 0)


MOUNTS = r"""22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:5 / /dev rw shared:2 - devtmpfs udev rw
30 22 0:40 / /nfs rw shared:3 - nfs server:/export rw
31 22 0:41 / /nfs4 rw - nfs4 server:/export rw,vers=4.2
32 31 0:42 / /nfs4/local rw - ext4 /dev/vdb rw
33 22 0:43 / /cifs rw - cifs //server/share rw
34 22 0:44 / /lustre rw master:1 propagate_from:2 - lustre server:/fs rw
35 22 0:45 / /sshfs rw - fuse.sshfs me@server: rw
36 22 0:46 / /unknown rw - fuse.new-cloud-drive drive rw
37 22 0:47 / /bindfs rw - fuse.bindfs /home rw
38 22 0:48 / /tmp rw - tmpfs tmpfs rw
39 22 0:49 / /with\040blank\134and\011tab rw - nfs server:/export rw
40 22 0:50 / /covered rw - nfs server:/export rw
41 22 0:51 / /covered rw - xfs /dev/vdc rw
42 22 0:52 / /caf@ rw - nfs server:/export rw
43 22 0:53 / /line&end rw - nfs server:/export rw
""".replace("@", "\udce9").replace("&", "\x85\u2028\r")
NETWORK = {
    "/": False,
    "/home": False,
    "/nfs": True,
    "/nfs/deep/er": True,
    "/nfsy": False,
    "/nfs4": True,
    "/nfs4/local/x": False,
    "/cifs/x": True,
    "/lustre/x": True,
    "/sshfs/x": True,
    "/unknown/x": True,
    "/bindfs/x": False,
    "/tmp/x": False,
    "/with blank\\and\ttab/x": True,
    "/covered/x": False,
    "/caf\udce9/x": True,
    "/line\x85\u2028\rend/x": True,
}


@pytest.mark.parametrize(("path", "network"), NETWORK.items())
def test_network_file_systems_are_recognised(tmp_path, path, network):
    """P12: the journal needs memory shared by all readers, so network file systems count."""
    mounts = tmp_path / "mountinfo"
    mounts.write_bytes(os.fsencode(MOUNTS))
    assert is_network(Path(path), mounts) is network


def test_without_a_table_of_mounts_every_file_system_counts_as_local(tmp_path):
    """MacOS and Windows have no such table."""
    assert filesystem_type(tmp_path, tmp_path / "nothing") == ""
    assert is_network(tmp_path, tmp_path / "nothing") is False


def birth_without_links(number, barrier, root):
    """Open a registry at the same time as others, without hard links."""
    import errno
    import os

    from localreg import InputModel, Registry

    def link(*arguments, **options):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    os.link = link  # as vfat and some network file systems answer
    barrier.wait()
    with Registry(root, durability="fast") as registry:
        InputModel.import_model(f"s3://b/{number}", registry=registry)
        return registry._chain.first.store.registry_id


def test_without_hard_links_a_registry_is_made_only_once(tmp_path, children):
    """P13: a lock decides who makes the registry, and no model is lost."""
    ids = children.crowd(8, birth_without_links, tmp_path / "new")
    assert len(set(ids)) == 1
    with Registry(tmp_path / "new") as registry:
        assert len(registry.models()) == 8
        assert {path.name for path in registry.path.iterdir() if ".new" in path.name} == set()


def birth_beside_linked_locks(root):
    """Open a registry where only a lock decides who makes it; return the class of the error."""
    import ctypes
    import errno
    import os

    from localreg import LocalregError, Registry

    def link(*arguments, **options):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    os.link = link
    ctypes.CDLL = lambda *_, **__: None  # no renameat2 either
    try:
        Registry(root)
    except LocalregError as error:
        return type(error).__name__


def test_a_lock_file_below_a_link_is_refused(tmp_path, children):
    """P17: a link in place of the folder of locks is refused, and nothing is made."""
    root = tmp_path / "registry"
    root.mkdir()
    (root / "locks").symlink_to(tmp_path / "elsewhere")
    assert children.run(birth_beside_linked_locks, root) == "NotARegistryError"
    assert [path.name for path in root.iterdir()] == ["locks"]
    assert not (tmp_path / "elsewhere").exists()


def birth_without_a_c_library(root):
    """Make a registry where there are no hard links, and no C library without a name."""
    import ctypes
    import errno
    import os

    from localreg import Registry

    def link(*arguments, **options):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    def library(name, **options):
        raise TypeError("argument of type 'NoneType' is not iterable")

    os.link = link
    ctypes.CDLL = library  # as Windows answers
    with Registry(root) as registry:
        return [path.name for path in registry.path.iterdir() if ".new" in path.name]


def test_a_registry_is_made_without_hard_links_and_a_c_library(tmp_path, children):
    """P15: a lock decides who makes it, as on a stick with exFAT at a Windows machine."""
    assert children.run(birth_without_a_c_library, tmp_path / "new") == []
    with Registry(tmp_path / "new") as registry:
        assert registry.models() == []


def keep_without_links(number, barrier, root, weights):
    """Add weights on a file system without hard links."""
    import errno
    import os
    import stat
    from pathlib import Path

    from localreg import InputModel, Registry

    def link(*arguments, **options):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    os.link = link
    with Registry(root):
        copy = Path(InputModel.import_model(weights, copy=True).get_local_copy())
        again = Path(InputModel.import_model(weights).get_local_copy())
    return [copy.name, copy.read_text(), stat.S_IMODE(copy.stat().st_mode), copy == again]


def test_local_copies_work_without_hard_links(tmp_path, children):
    """P15: a read-only copy has the original name, in place of a link."""
    (tmp_path / "w.pt").write_text("weights")
    (found,) = children.crowd(1, keep_without_links, tmp_path / "new", tmp_path / "w.pt")
    assert found == ["w.pt", "weights", 0o444, True]


# A migration like that of a later format; applied here to a database of format 0.
COLOUR = Migrations("localreg")


@COLOUR()
def colour(db):
    db.conn.execute("ALTER TABLE model ADD COLUMN colour TEXT")


@pytest.fixture(params=["wal", "truncate"])
def old(tmp_path, request):
    """The database of a registry of an older format."""
    open_registry(tmp_path / "registry", journal=request.param).close()
    with Registry(tmp_path / "registry") as registry:
        InputModel.import_model("s3://b/x.pt", name="x")
    database = registry.path / "registry.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 0")
    return database


def version_colours_models(database):
    with closing(sqlite3.connect(database)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(model)")]
        (count,) = connection.execute("SELECT count(*) FROM model").fetchone()
    return version, columns.count("colour"), count


def test_a_backup_is_made_before_a_migration(old):
    """A database of an older format is backed up and then migrated, once."""
    backup = old.with_name("registry.db.format-0.backup")
    old.chmod(0o600)
    migrate(old, COLOUR)
    assert version_colours_models(old) == (1, 1, 1)
    assert version_colours_models(backup) == (0, 0, 1)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600, "P17: the same users may read it"
    migrate(old, COLOUR)  # finds nothing to do
    assert version_colours_models(old) == (1, 1, 1)
    assert version_colours_models(backup) == (0, 0, 1)
    assert not list(old.parent.glob("*.new*"))


def test_opening_an_older_format_migrates_it(old):
    """Opening migrates; with readonly=True it is an error, and nothing changes."""
    before = bytes_of(old.parent)
    with pytest.raises(ReadOnlyRegistryError, match="format 0"):
        Registry(old.parent, readonly=True)
    assert bytes_of(old.parent).items() >= before.items()
    with Registry(old.parent) as registry:
        assert [model.name for model in registry.models()] == ["x"]
    assert version_colours_models(old) == (1, 0, 1)
    with Registry(old.parent, readonly=True) as registry:
        assert [model.name for model in registry.models()] == ["x"]


FAILING = Migrations("localreg")


@FAILING()
def adds_and_fails(db):
    db.conn.execute("ALTER TABLE model ADD COLUMN colour TEXT")
    db.conn.execute("SELECT x FROM nowhere")


def test_a_failed_migration_changes_nothing(old):
    """P3: a migration that fails leaves the older format; a corrected one succeeds."""
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate(old, FAILING)
    assert version_colours_models(old) == (0, 0, 1)
    migrate(old, COLOUR)
    assert version_colours_models(old) == (1, 1, 1)


def migrate_at_once(number, barrier, database):
    """Migrate a database at the same time as other processes."""
    from pathlib import Path

    from sqlite_utils import Migrations

    from localreg.store.database.migrations import migrate

    migrations = Migrations("localreg")

    @migrations()
    def colour(db):
        db.conn.execute("ALTER TABLE model ADD COLUMN colour TEXT")

    barrier.wait()
    migrate(Path(database), migrations)


def test_several_processes_migrate_once(old, children):
    """P13: processes that open an older format at once take turns; one migrates."""
    children.crowd(3, migrate_at_once, old)
    assert version_colours_models(old) == (1, 1, 1)


def test_a_backup_replaces_a_link_of_its_name(old):
    """P17: a link with the name of the backup is not followed."""
    precious = old.parent.parent / "precious"
    precious.write_text("of somebody")
    backup = old.with_name("registry.db.format-0.backup")
    backup.symlink_to(precious)
    migrate(old, COLOUR)
    assert precious.read_text() == "of somebody"
    assert stat.S_ISREG(backup.lstat().st_mode)
