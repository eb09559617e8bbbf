"""A registry that the members of a group use together, whatever their umasks are."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support.two_users import ALICE, BOB, GROUP, STRANGER, need_root

from localreg import Registry
from localreg.errors import ReadOnlyRegistryError
from localreg.filesystem.group_modes import Group
from localreg.operations.upkeep.doctor import examine_sharing
from localreg.operations.upkeep.sharing import make_shared


@pytest.fixture
def place():
    """A folder that the members of the group can make things in, as pytest's own are not."""
    need_root()
    with tempfile.TemporaryDirectory(prefix="localreg-test-", dir="/tmp") as folder:
        os.chown(folder, 0, GROUP)
        Path(folder).chmod(0o2775)
        yield Path(folder)


def init(user, umask, arguments):
    """Run `localreg init` as somebody; return its exit code and what it says."""
    from support.two_users import become

    become(user, umask)
    from support.command_line import run_cli

    code, out, err = run_cli("init", *arguments)
    return [code, f"{out}{err}"]


@pytest.fixture
def root(place, members, request):
    """A registry that Alice made with a umask that gives others no rights."""
    root = place / "registry"
    journal = getattr(request, "param", "wal")
    arguments = ["--shared", str(GROUP), "--journal", journal, str(root)]
    code, said = members.run(init, ALICE, 0o077, arguments)
    assert code == 0, said
    return root


def work(user, umask, root, name):
    """Use all of a registry as somebody; return what could be read, and what was given out."""
    import io
    import os
    from pathlib import Path

    from support.two_users import become

    become(user, umask, pages=True)
    from localreg import InputModel, Registry, Task
    from localreg.operations.upkeep.gc import all_garbage

    own = Path(os.path.realpath(root)).parent / f"own-{name}"
    own.mkdir(exist_ok=True)
    (own / "weights.pt").write_text("the same bytes")
    (own / "package").mkdir(exist_ok=True)
    (own / "package" / "a.txt").write_text("packed")
    told = {}
    with Registry(root) as registry:
        told["readonly"] = registry.readonly
        # What the others have left.
        for model in registry.models():
            path = Path(model.get_local_copy(raise_on_error=True))
            kept = path / "a.txt" if path.is_dir() else path
            told[model.ref] = kept.read_text()
        for model in registry.models(archived=True):
            if not model.name.startswith(name):
                assert model.remove(model) is True, model.ref
        # One's own.
        registry.add(own / "weights.pt", f"{name}-same", filename=f"{name}.pt")
        registry.add(io.BytesIO(name.encode()), f"{name}-own", filename="own.bin")
        registry.add(own / "package", f"{name}-package").get_local_copy(raise_on_error=True)
        (own / "given.pt").write_text("given away")
        (own / "given.pt").chmod(0o600)
        registry.add(own / "given.pt", f"{name}-moved", mode="move")
        InputModel.import_model("s3://b/x.pt", name=f"{name}-pointed").archive()
        task = Task.init(project_name="p", task_name=name)
        task.get_logger().report_scalar("loss", "train", 1.0, 0)
        task.close()
        registry.model(f"{name}-own").report()
        registry.render()
        assert registry.search(name, name=f"{name}-own")
        found = registry.gc(grace_seconds=0, dry_run=False)
        assert not found.failed, found.failed
        assert registry.verify(full=True).ok
        assert not all_garbage(registry._chain)
    return told


def modes(root):
    """Return mode and group of all that is there."""
    found = [root, *root.rglob("*")]
    return {path.relative_to(root).as_posix(): path.lstat() for path in found}


@pytest.mark.parametrize(
    ("root", "umask"), [("wal", 0o022), ("truncate", 0o077), ("wal", 0o000)], indirect=["root"]
)
def test_members_use_what_the_others_made(root, members, umask):
    """Two users in turns: read, add the same bytes, remove each other's models, collect, draw."""
    assert members.run(work, ALICE, 0o077, root, "alice") == {"readonly": False}
    first = members.run(work, BOB, umask, root, "bob")
    assert first.pop("readonly") is False
    assert first == {
        "alice-same:1": "the same bytes",
        "alice-own:1": "alice",
        "alice-package:1": "packed",
        "alice-moved:1": "given away",
    }
    second = members.run(work, ALICE, 0o077, root, "alice")
    assert second["bob-own:1"] == "bob"
    assert second["bob-same:1"] == "the same bytes"
    with Registry(root) as registry:
        assert {model.name for model in registry.models(archived=True)} == {
            "alice-same", "alice-own", "alice-package", "alice-moved", "alice-pointed",
        }  # fmt: skip
        (finding,) = examine_sharing(registry._chain.first)
    assert finding.state == "ok", finding.text
    owners = set()
    for name, status in modes(root).items():
        mode = stat.S_IMODE(status.st_mode)
        assert status.st_gid == GROUP, name
        assert not mode & 0o002, name
        if stat.S_ISDIR(status.st_mode):
            assert mode & 0o2770 == 0o2770, name
        elif name.startswith(("blobs", "files", "trees")):
            assert mode & 0o770 == 0o440, name
        else:
            assert mode & 0o060 == 0o060, name
        if status.st_uid == ALICE:
            assert not mode & 0o007, f"{name}: more for others than Alice's umask says"
        owners.add(status.st_uid)
    assert owners >= {ALICE, BOB}


def work_at_once(number, barrier, root, users):
    """Register, keep the same and other bytes, read and remove, at once with other users."""
    import io
    from pathlib import Path

    from support.two_users import become

    become(users[number % 2], 0o077)
    from localreg import InputModel, Registry

    barrier.wait()
    for turn in range(4):
        # Opened and closed each time: SQLite makes its log, and deletes it, again and again.
        with Registry(root) as registry:
            InputModel.import_model(f"s3://b/{number}-{turn}", name="pointed")
            same = registry.add(io.BytesIO(b"same"), "same", filename=f"{number}.bin")
            assert Path(same.get_weights(raise_on_error=True)).read_bytes() == b"same"
            text = f"{turn}-{number % 3}"
            own = registry.add(io.BytesIO(text.encode()), f"own-{number}", filename="w")
            assert Path(own.get_weights(raise_on_error=True)).read_text() == text
            if turn % 2:
                assert own.remove(own) is True
            registry.gc(grace_seconds=0, dry_run=False)
    return True


@pytest.mark.parametrize("root", ["wal", "truncate"], indirect=True)
def test_members_use_it_at_once(root, members):
    """Four processes of two users lose nothing, and no access is refused."""
    assert members.crowd(4, work_at_once, root, [ALICE, BOB]) == [True] * 4
    with Registry(root) as registry:
        assert len(registry.models(name="pointed")) == 16
        assert len(registry.models(name="same")) == 16
        assert sum(len(registry.models(name=f"own-{number}")) for number in range(4)) == 8
        assert registry.verify(full=True).ok
        (finding,) = examine_sharing(registry._chain.first)
    assert finding.state == "ok", finding.text


def fetch_at_once(number, barrier, root, users, url):
    """Fetch one URL, at once with other users."""
    from pathlib import Path

    from support.two_users import become

    become(users[number % 2], 0o077)
    from localreg import InputModel, Registry

    barrier.wait()
    with Registry(root):
        path = Path(InputModel.import_model(url, name="m").get_weights(raise_on_error=True))
    return len(path.read_bytes())


def test_members_fetch_a_url_once(root, members, site):
    """P10 also between users: one GET, and all have the file."""
    done = members.crowd(4, fetch_at_once, root, [ALICE, BOB], site.url())
    assert done == [len(site.files["/net.pt"])] * 4
    assert site.gets == ["/net.pt"]


def break_off(root, url):
    """Die in the middle of a download, and of unpacking, as Alice."""
    import os
    from pathlib import Path

    from support.two_users import ALICE, become

    become(ALICE, 0o077)
    from localreg import Registry
    from localreg.blobs.archives.unpacking import Limits, unpack
    from localreg.blobs.transfer.url_lock import download_folder
    from localreg.filesystem.group_modes import share_at
    from localreg.filesystem.temporary_owners import owner_mark

    registry = Registry(root)
    blobs = registry._chain.first.blobs
    archive = Path(root).parent / "a.zip"
    folder = blobs.make_folder("tmp") / f"tree-1{owner_mark()}"
    folder.mkdir()
    share_at(folder, blobs.group)
    unpack(archive, "a.zip", folder, Limits(), blobs.group)
    with download_folder(blobs, url) as part:
        part.write_bytes(b"half")
        os.kill(os.getpid(), 9)


def collect(root):
    """Collect what is left as Bob, and return what."""
    from support.two_users import BOB, become

    become(BOB, 0o077)
    from localreg import Registry

    with Registry(root) as registry:
        done = registry.gc(grace_seconds=0, dry_run=False)
    return [sorted(each.kind for each in done.garbage), list(done.failed)]


def test_another_member_collects_the_leftovers_of_a_killed_process(root, children, members, site):
    """Bob does not go on with Alice's half file, which stays hers, and deletes it in the end."""
    import zipfile

    with zipfile.ZipFile(root.parent / "a.zip", "w") as archive:
        archive.writestr("folder/a.txt", "packed")
    with children.start(break_off, root, site.url()) as child:
        assert child.wait() == -9, child.stderr.read()
    (size,) = members.crowd(1, fetch_at_once, root, [BOB], site.url())
    assert size == len(site.files["/net.pt"])
    assert members.run(collect, root) == [["leftover", "leftover"], []]
    assert not [*(root / "tmp").iterdir()]


def look(user, root):
    """Open a registry as somebody; return the kind of error and its text."""
    from support.two_users import become

    become(user, 0o022)
    from localreg import LocalregError, Registry

    try:
        Registry(root).close()
    except LocalregError as error:
        return [type(error).__name__, str(error)]
    return ["", ""]


def test_a_user_outside_the_group_can_use_nothing(root, members):
    """The umask of who made it counts for others: 077 leaves them nothing."""
    before = {name: status.st_mtime_ns for name, status in modes(root).items()}
    kind, said = members.run(look, STRANGER, root)
    assert kind == "StorageError", said
    assert f"you may not enter {root} (mode 2770, user {ALICE}, group {GROUP}): members of" in said
    assert {name: status.st_mtime_ns for name, status in modes(root).items()} == before


def look_before(user, first, upstream):
    """Open a registry in front of one that one may not enter; return what is said of that."""
    from support.two_users import become

    become(user, 0o022)
    from localreg import Registry

    with Registry(first, upstream=[upstream]) as registry:
        return [each.reason for each in registry._chain.absent]


def test_an_upstream_that_a_user_may_not_enter_is_named(root, place, members):
    first = place / "first"
    first.mkdir()
    os.chown(first, STRANGER, STRANGER)
    (why,) = members.run(look_before, STRANGER, first, root)
    assert f"members of the group {GROUP} may" in why
    assert "mounted" not in why


# making one ------------------------------------------------------------------------------------

REFUSED = {
    "no such group": (ALICE, "no-such-group-here", "no group"),
    "no number of a group": (ALICE, "99999999999", "no group"),
    "no member": (STRANGER, str(GROUP), "not a member"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_group_that_cannot_be_shared_with_is_an_error_before_anything_is_made(
    name, place, members
):
    user, group, reason = REFUSED[name]
    place.chmod(0o777)
    code, said = members.run(init, user, 0o022, ["--shared", group, str(place / "new")])
    assert code != 0
    assert reason in said
    assert list(place.iterdir()) == []


def test_only_its_owner_gives_a_registry_to_a_group(place, members):
    """Another user's is not said to be shared while its folder is not the group's."""
    root = place / "registry"
    place.chmod(0o777)
    assert members.run(init, ALICE, 0o000, [str(root)])[0] == 0
    code, said = members.run(init, BOB, 0o022, ["--shared", str(GROUP), str(root)])
    assert code == 1
    assert f"belongs to user {ALICE}" in said
    with Registry(root) as registry:
        assert registry._chain.first.store.shared is None


def lock_without_links(users, root):
    """Take the lock of a URL as Alice and then, in another process, as Bob; without hard links."""
    import os

    from support.lockless import no_links
    from support.two_users import become

    from localreg import Registry
    from localreg.blobs.transfer.url_lock import sole_download

    no_links()
    for user in users:
        child = os.fork()
        if child == 0:
            become(user, 0o077)
            with (
                Registry(root) as registry,
                sole_download(registry._chain.first.blobs, "http://x/y", patience=1),
            ):
                os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            return user
    return 0


def test_a_lock_is_every_members_also_without_hard_links(root, members):
    assert members.run(lock_without_links, [ALICE, BOB], root) == 0


def init_without_modes(root, group):
    """Run `localreg init --shared` where modes and groups cannot be changed, as on vfat."""
    import errno
    import os

    from support.two_users import ALICE, become

    def refuse(*arguments, **options):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    become(ALICE, 0o077)
    os.fchmod = os.fchown = os.chown = refuse
    from pathlib import Path

    from localreg import LocalregError
    from localreg.operations.upkeep.sharing import group_named, make_shared

    try:
        make_shared(Path(root), group_named(str(group)), durability="full", journal=None)
    except LocalregError as error:
        return [type(error).__name__, str(error)]
    return ["", ""]


def test_a_read_only_mount_is_an_error_before_anything_is_made(small_disk):
    need_root()
    disk = small_disk("-t", "tmpfs", "-o", "size=1m,ro", "none")
    with pytest.raises(ReadOnlyRegistryError, match=f"{disk} is on a read-only file system"):
        make_shared(disk / "new", Group("g", GROUP), durability="fast", journal=None)


def test_a_file_system_without_modes_is_an_error_before_anything_is_made(place, members):
    place.chmod(0o777)  # without setgid, by which the group would come without being set
    kind, said = members.run(init_without_modes, place / "new", GROUP)
    assert kind == "StorageError"
    assert "has no groups and modes" in said
    assert list(place.iterdir()) == []


def test_a_registry_that_is_there_is_shared_later(place, members):
    """Its maker gives the group all that is in it."""
    root = place / "registry"
    place.chmod(0o777)
    code, said = members.run(init, ALICE, 0o077, [str(root)])
    assert (code, stat.S_IMODE(root.stat().st_mode)) == (0, 0o700), said
    members.run(work, ALICE, 0o077, root, "alice")
    code, said = members.run(init, ALICE, 0o077, ["--shared", str(GROUP), str(root)])
    assert code == 0, said
    told = members.run(work, BOB, 0o077, root, "bob")
    assert told["alice-package:1"] == "packed"


def spoil(root):
    """Keep the group out of some files, as Bob."""
    import os
    from pathlib import Path

    from support.two_users import BOB, become

    become(BOB, 0o077)
    found = [path for path in sorted(Path(root).rglob("*")) if path.lstat().st_uid == os.getuid()]
    blob = next(path for path in found if path.match("blobs/sha256/*/*"))
    blob.chmod(0o400)
    os.chown(blob.parent, -1, BOB)
    return [str(blob.relative_to(root)), str(blob.parent.relative_to(root))]


def test_files_that_keep_the_group_out_are_reported_and_corrected_by_their_owner(root, members):
    members.run(work, BOB, 0o077, root, "bob")
    spoilt = members.run(spoil, root)
    with Registry(root) as registry:
        (finding,) = examine_sharing(registry._chain.first)
    assert finding.state == "bad"
    assert all(name in finding.text for name in spoilt)
    arguments = ["--shared", str(GROUP), str(root)]
    code, said = members.run(init, ALICE, 0o077, arguments)
    assert code == 1  # Alice cannot, and cannot even look into the folder
    assert f"{spoilt[1]} belongs to {BOB}" in said
    assert f"(user {BOB})" in said
    code, said = members.run(init, BOB, 0o077, arguments)
    assert code == 0, said


def repair(root):
    """Repair as Bob; return how."""
    from support.two_users import BOB, become

    become(BOB, 0o077)
    from localreg import Registry

    with Registry(root) as registry:
        done = registry.repair(full=True)
    return [[each.how for each in done.mended], [each.text for each in done.lost]]


def test_a_member_repairs_what_another_kept(root, members):
    """Bob replaces damaged weights of Alice by good ones from the original path."""
    source = root.parent / "source.pt"
    source.write_text("the right bytes")
    with Registry(root) as registry:
        model = registry.add(source, "m")
        blob = registry._chain.first.blobs.path(model.digest)
    for path in (blob, *(root / "files").rglob("*.pt")):
        os.chown(path, ALICE, GROUP)
    blob.chmod(0o640)
    blob.write_text("the wrong bytes")
    blob.chmod(0o440)
    assert members.run(repair, root) == [[f"copied from {source}"], []]
    assert blob.read_text() == "the right bytes"
    assert blob.stat().st_uid == BOB
    assert not list((root / "quarantine").iterdir())


def run(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "localreg.cli", *arguments], capture_output=True, text=True
    )
    return done.returncode, done.stdout


def test_doctor_and_env_say_which_group_shares_a_registry(root):
    told = json.loads(run("-R", str(root), "env", "--json")[1])
    assert told["shared"] == f"by the group {GROUP}"
    assert told["writable"] == "yes"
    assert told["locks"] == "file locks"
    (root / "blobs").chmod(0o3770)  # sticky: members could not delete what is others'
    (root / "files").chmod(0o700)
    code, said = run("-R", str(root), "doctor")
    assert code == 1
    assert f"shared\tBAD\t2 paths keep the group {GROUP} out: blobs has mode 3770" in said
    assert "files has mode 0700, not 2770" in said


def test_a_folder_above_that_members_cannot_enter_is_bad(root):
    root.parent.chmod(0o700)
    with Registry(root) as registry:
        (finding,) = examine_sharing(registry._chain.first)
    assert finding.state == "bad"
    assert f"enter {root.parent}" in finding.text


# the moment in which a log is there, and has not yet the mode of its database -------------------


def open_too_early(root):
    """Open a registry and write to it; report each time that it has to be tried again."""
    import sys
    import time

    from support.two_users import BOB, become

    become(BOB, 0o077)
    from localreg import InputModel, Registry

    def sleep(seconds):
        print("again", flush=True)
        sys.stdin.readline()

    time.sleep = sleep
    with Registry(root) as registry:
        InputModel.import_model("s3://b/x", name="m", registry=registry)
        return len(registry.models())


@pytest.mark.parametrize(("narrow", "mode"), [("-wal", 0o600), ("-shm", 0o600), ("-shm", 0o640)])
def test_a_log_that_the_group_may_not_use_yet_is_waited_for(place, children, members, narrow, mode):
    """P11: SQLite makes its logs with the umask, and widens them a moment later."""
    root = place / "registry"
    arguments = ["--shared", str(GROUP), "--journal", "wal", str(root)]
    assert members.run(init, ALICE, 0o077, arguments)[0] == 0
    for ending in ("-wal", "-shm"):
        log = root / f"registry.db{ending}"
        log.touch()
        os.chown(log, ALICE, GROUP)
        log.chmod(mode if ending == narrow else 0o660)
    with children.start(open_too_early, root) as child:
        assert child.stdout.readline() == "again\n", child.stderr.read()
        log = root / f"registry.db{narrow}"
        if log.exists():
            log.chmod(0o660)
        output, errors = child.communicate("go\n" * 20)
    assert child.returncode == 0, errors
    assert json.loads(output.splitlines()[-1]) == 1


def look_through(user, root):
    """Look through a registry as somebody; return the names, and what lies beside the database."""
    from pathlib import Path

    from support.two_users import become

    become(user, 0o022)
    from localreg import Registry

    with Registry(root) as registry:
        names = sorted(model.name for model in registry.models())
        beside = sorted(each.name for each in Path(root).glob("registry.db-[wsj]*"))
    return [registry.readonly, names, beside]


def add(user, root, name):
    """Add a model as somebody; return what refuses it."""
    import io

    from support.two_users import become

    become(user, 0o022)
    from localreg import Registry
    from localreg.errors import LocalregError

    try:
        with Registry(root) as registry:
            registry.add(io.BytesIO(name.encode()), name, filename="a.bin")
    except LocalregError as error:
        return str(error)
    return None


def test_a_member_who_only_reads_does_not_keep_the_owner_from_writing(root, members):
    """A database that its owner copied back from a backup is theirs alone to write to."""
    assert members.run(add, ALICE, root, "first") is None
    (root / "registry.db").chmod(0o644)
    assert members.run(look_through, BOB, root) == [True, ["first"], []]
    assert members.run(add, ALICE, root, "second") is None
    assert members.run(look_through, BOB, root)[1] == ["first", "second"]


def test_a_log_that_somebody_else_keeps_to_themselves_is_named(root, members):
    assert members.run(add, ALICE, root, "first") is None
    for ending in ("-wal", "-shm"):
        file = root / f"registry.db{ending}"
        file.touch()
        file.chmod(0o644)
        os.chown(file, BOB, GROUP)
    said = members.run(add, ALICE, root, "second")
    assert f"you may not write to {root}/registry.db-wal (mode 0644, user {BOB}" in said
    assert "file system is read-only" not in said
