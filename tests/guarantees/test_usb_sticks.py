"""P15: a registry on a USB stick, FAT or exFAT: no links, no case, few modes, no ``:`` in names."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from localreg import InputModel, Registry
from localreg.filesystem.portable_files import make_readonly

WRITABLE = {"vfat": 0, "exfat": 0o222}  # the bits that a file made read-only still has


@pytest.fixture
def sources(tmp_path):
    """Weights under names that FAT accepts and refuses, and a package."""
    folder = tmp_path / "sources"
    for name in ("a.pt", "b:c?.pt", 'd"|*<>.bin', "e.", "ü.pt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(name.encode() * 1000)
    (folder / "pkg/inside").mkdir(parents=True)
    (folder / "pkg/inside/x").write_text("x")
    (folder / "pkg/y").write_text("y")
    return folder


def use_in_place(stick, sources, journal):
    """Use all of a registry on the stick; return what came of it."""
    from pathlib import Path

    from localreg import InputModel, Model, Registry
    from localreg.blobs.local_files.local_file import is_local_file
    from localreg.blobs.trees.local_tree import differences
    from localreg.registry import open_registry
    from localreg.store.rows import tree_rows

    root = Path(stick) / journal
    told = {"copies": {}, "writable": set(), "same": []}
    open_registry(root, journal=journal).close()
    with Registry(root) as registry:
        for source in sorted(Path(sources).iterdir()):
            model = registry.add(source, source.stem, "usb", tags=["t"])
            first, second = Path(model.get_local_copy()), Path(model.get_local_copy())
            told["same"].append(first == second)
            # Settled: another local copy is a look at two files, and reads nothing.
            registry_ = registry._chain.first
            if source.is_file():
                settled = is_local_file(registry_.blobs, model.digest, model.size, first.name)
            else:
                with registry_.store.read() as connection:
                    entries = tree_rows.entries(connection, model.digest)
                settled = differences(first, entries, executable=False) == []
            told["same"].append(settled)
            if source.is_file():
                told["copies"][source.name] = first.name
                told["same"].append(first.read_bytes() == source.read_bytes())
                told["writable"].add(first.stat().st_mode & 0o222)
            else:
                told["tree"] = sorted(each.name for each in first.rglob("*"))
        told["found"] = len(Model.query_models(tags=["t"]))
        again = registry.add(Path(sources) / "a.pt", "again", "usb")
        told["same"].append(again.digest == registry.model("usb/a").digest)
        told["same"].append(InputModel(name="again").url.endswith("/a.pt"))
        model.report_scalar("loss", "train", 0.5, 1)
        told["pages"] = [Path(model.report()).is_file(), Path(registry.render()).is_file()]
        told["verified"] = registry.verify(full=True).ok
        Model.remove(model)
        done = registry.gc(grace_seconds=0, dry_run=False)
        told["collected"] = [sorted({each.kind for each in done.garbage}), list(done.failed)]
        told["copied"] = registry.du().copies
    with Registry(root) as registry:
        told["journal"] = registry.db.execute("PRAGMA journal_mode").fetchone()[0]
    told["left"] = [path.name for path in [*root.glob("tmp/*"), *root.glob("files/*/.*")]]
    return told | {"writable": sorted(told["writable"])}


def look_again(stick, journal):
    """Return whether the local copies and all bytes are there after the stick was unmounted."""
    from pathlib import Path

    from localreg import Registry

    with Registry(Path(stick) / journal) as registry:
        copies = [Path(model.get_local_copy()).exists() for model in registry.models()]
        return [copies, registry.verify(full=True).ok]


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_a_registry_is_used_on_a_stick(stick, sources, journal):
    """P15: everything works there; without links local copies take space, and names change."""
    told = stick.run(use_in_place, stick.place, sources, journal)
    assert told["copies"] == {
        "a.pt": "a.pt",
        "b:c?.pt": "b_c_.pt",
        'd"|*<>.bin': "d_____.bin",
        "e.": "e.",
        "ü.pt": "ü.pt",
    }
    assert all(told["same"])
    assert told["writable"] == [WRITABLE[stick.kind]]
    assert told["tree"] == ["inside", "x", "y"]
    assert told["found"] == 6
    assert told["pages"] == [True, True]
    assert told["verified"]
    assert told["collected"] == [[], []]  # a removed model can be restored for a day
    assert told["copied"] >= 5 * 4000
    assert told["journal"] == journal
    assert told["left"] == []
    assert stick.run(look_again, stick.place, journal) == [[True] * 6, True]


def use_at_once(stick, count):
    """Let processes add, read and report in one registry; return what is in it in the end."""
    import os
    import traceback
    from pathlib import Path

    from localreg import Registry

    root = Path(stick) / "registry"
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with Registry(root) as registry:
                    for turn in range(5):
                        source = Path(stick) / f"{number}-{turn}.bin"
                        source.write_bytes(b"%d" % turn * 5000)  # the same in each process
                        model = registry.add(source, f"m{turn}", "p", mode="move")
                        model.report_scalar("loss", f"from {number}", turn, turn)
                        assert Path(model.get_local_copy()).stat().st_size == 5000
                status = 0
            finally:
                if status:
                    traceback.print_exc()
                os._exit(status)
        children.append(child)
    failed = [child for child in children if os.waitpid(child, 0)[1]]
    with Registry(root) as registry:
        digests = {model.digest for model in registry.models()}
        garbage = [each.path for each in registry.gc(grace_seconds=0).garbage]
        sound = registry.verify(full=True).ok
        return [failed, len(registry.models()), len(digests), sound, garbage]


def test_processes_share_a_registry_on_a_stick(stick):
    """P10, P11: several processes make it at once; it has what each of them added, once."""
    assert stick.run(use_at_once, stick.place, 4) == [[], 20, 5, True, []]


def forget_files(stick):
    """Use a registry that the system forgot while nothing had it open; return what comes of it."""
    import os
    from contextlib import suppress
    from pathlib import Path

    from localreg import InputModel, Registry

    def forget():
        if (child := os.fork()) == 0:  # closes the connections
            os._exit(0)
        os.waitpid(child, 0)
        with suppress(OSError):  # a container may not
            Path("/proc/sys/vm/drop_caches").write_text("2\n")

    told = []
    with Registry(Path(stick) / "registry") as registry:
        model = InputModel.import_model("s3://b/a.pt", name="a")
        for turn in range(3):
            forget()
            (Path(stick) / f"{turn}").touch()  # and this may get the number
            model.set_metadata("turn", f"{turn}")
            forget()
            told.append(model.get_metadata("turn"))
        told.append(registry.verify().ok)
    return told


def test_a_stick_numbers_its_files_again(stick):
    """P15: FAT and exFAT have no numbers of files; the system makes some, as long as it likes."""
    assert stick.run(forget_files, stick.place) == ["0", "1", "2", True]


def fill_up(stick, weights):
    """Add what fits once and not twice; return what was said, what is left, and how it goes on."""
    from pathlib import Path

    from localreg import Registry
    from localreg.errors import StorageFullError

    with Registry(Path(stick) / "registry") as registry:
        try:
            registry.add(weights, "large")
        except StorageFullError as error:
            told = [str(error)]
        root = registry.path
        told.append([path.name for path in root.rglob("*") if path.stat().st_size > 1_000_000])
        told.append([path.name for path in [*root.glob("files/*/.*"), *root.glob("tmp/*")]])
        told.append(len(registry.models()))
        (Path(stick) / "small.pt").write_bytes(b"small")
        small = registry.add(Path(stick) / "small.pt", "small")
        return [*told, Path(small.get_local_copy()).read_text()]


def test_a_stick_that_is_full_with_the_local_copy(stick, tmp_path):
    """P5: weights whose local copy does not fit are not kept, and nothing of them is left."""
    with open(tmp_path / "large.bin", "wb") as file:
        file.truncate(60_000_000)
    said, large, left, models, small = stick.run(fill_up, stick.place, tmp_path / "large.bin")
    assert "nothing was kept" in said
    assert (large, left, models) == ([], [], 0)
    assert small == "small"


def edit_a_copy(stick):
    """Write into a local copy in spite of its mode; return what comes of it."""
    import os
    from pathlib import Path

    from localreg import Registry

    told = []
    with Registry(Path(stick) / "registry") as registry:
        source = Path(stick) / "w.pt"
        source.write_bytes(b"weights")
        model = registry.add(source, "m")
        path = Path(model.get_local_copy())
        blob = registry._chain.first.blobs.path(model.digest)
        before = path.stat()
        path.chmod(0o755)
        path.write_bytes(b"broken!")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10_000_000_000))
        told.append(Path(model.get_local_copy()).read_text())
        path.chmod(0o755)
        path.write_bytes(b"unseen!")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # and it lies about the time
        told.append([problem.kind for problem in registry.verify(full=True).problems])
        os.environ["LOCALREG_VERIFY"] = "always"
        told.append(Path(model.get_local_copy()).read_text())
        # As after `cp -r`: the same bytes with another time. They are not written again.
        os.utime(path, ns=(0, 10**18))
        inode = path.stat().st_ino
        told.append(Path(model.get_local_copy()).stat().st_ino == inode)
        told.append(path.stat().st_mtime_ns == blob.stat().st_mtime_ns)
        told.append(path.stat().st_mode & 0o222)
    return told


def test_a_local_copy_that_was_edited_on_a_stick(stick):
    """P6: local copies are copies there; an edited one is replaced when it is asked for again."""
    told = stick.run(edit_a_copy, stick.place)
    assert told == ["weights", ["file"], "weights", True, True, WRITABLE[stick.kind]]


def unpack_refused_names(stick):
    """Ask for packages with names that FAT refuses, or that differ in case only."""
    import zipfile
    from pathlib import Path

    from localreg import Registry
    from localreg.errors import StorageError

    told = []
    with Registry(Path(stick) / "registry") as registry:
        for names in (["good", "what?"], ["x/a", "X/b"], ["same", "SAME"]):
            archive = Path(stick) / "p.zip"
            with zipfile.ZipFile(archive, "w") as file:
                for name in names:
                    file.writestr(name, name)
            model = registry.add(archive, "p")
            try:
                model.get_local_copy(extract_archive=True, raise_on_error=True)
            except StorageError as error:
                told.append(str(error))
            told.append(Path(model.get_local_copy()).name)
        told.append([path.name for path in Path(stick).glob("registry/trees/*")])
    return told


def test_a_package_whose_names_a_stick_does_not_take(stick):
    """P18, P19: no folder is made, the error names the file, and the archive can be had."""
    *told, left = stick.run(unpack_refused_names, stick.place)
    reasons = (
        "does not accept the name 'what?'",
        "'X' and 'x' have the same name there",
        "'SAME' and 'same' have the same name there",
    )
    for error, reason in zip(told[::2], reasons, strict=True):
        assert reason in error
        assert "nothing was made" in error
    assert told[1::2] == ["p.zip"] * 3
    assert left == []


def add_more_than_a_file_may_hold(stick, weights):
    """Keep more than 4 GiB; return the error and what is left in tmp/."""
    from pathlib import Path

    from localreg import Registry
    from localreg.errors import StorageError

    with Registry(Path(stick) / "registry") as registry:
        try:
            registry.add(weights, "large")
        except StorageError as error:
            left = [path.name for path in registry.path.glob("tmp/*")]
            return [type(error).__name__, str(error), left]


def test_a_file_that_is_too_large_for_fat(new_stick, tmp_path):
    """P5: more than 4 GiB is a StorageError that says so, before 4 GiB are written."""
    with open(tmp_path / "large.bin", "wb") as file:
        file.truncate(2**32)
    stick = new_stick("vfat", megabytes=6000)
    kind, text, left = stick.run(add_more_than_a_file_may_hold, stick.place, tmp_path / "large.bin")
    assert kind == "StorageError"
    assert "FAT allows at most 4 GiB" in text
    assert left == []
    assert stick.image.stat().st_blocks * 512 < 500_000_000  # of the disk that the stick is


def add_where_places_end_at_4_gib(root, weights):
    """Keep more than 4 GiB where lseek refuses places beyond, as on FAT; return the error."""
    import errno
    import os
    from pathlib import Path

    from localreg import Registry
    from localreg.errors import StorageError

    seek = os.lseek

    def lseek(descriptor, place, whence):
        if place >= 2**32:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return seek(descriptor, place, whence)

    os.lseek = lseek
    with Registry(root) as registry:
        try:
            registry.add(weights, "large")
        except StorageError as error:
            left = [path.name for path in Path(root).glob("tmp/*")]
            return [type(error).__name__, str(error), left]


def test_a_file_that_is_too_large_where_no_fat_can_be_mounted(tmp_path, children):
    """P5: the same error, where another disk refuses places in files that FAT refuses."""
    with open(tmp_path / "large.bin", "wb") as file:
        file.truncate(2**32)
    kind, text, left = children.run(
        add_where_places_end_at_4_gib, tmp_path / "registry", tmp_path / "large.bin"
    )
    assert kind == "StorageError"
    assert "FAT allows at most 4 GiB" in text
    assert left == []


def test_a_file_is_made_read_only_by_the_one_mode_that_fat_has(tmp_path, monkeypatch):
    """FAT ignores a mode that would change who may read or run a file; all files can be run."""
    change = os.fchmod

    def fchmod(descriptor, mode):
        if (mode & 0o555) == (os.fstat(descriptor).st_mode & 0o555):
            change(descriptor, mode)

    path = tmp_path / "w.pt"
    path.touch()
    path.chmod(0o777)
    monkeypatch.setattr(os, "fchmod", fchmod)
    with open(path, "rb") as file:
        make_readonly(file.fileno(), Path(file.name))
    assert stat.S_IMODE(path.stat().st_mode) == 0o555


def carry(stick, root, back, ways):
    """Copy a registry to the stick, use it there, and copy it back; return what came of it."""
    import shlex
    import shutil
    import subprocess
    from pathlib import Path

    from localreg import InputModel, Registry

    def shell(command, source, target):
        places = {"SOURCE": shlex.quote(str(source)), "TARGET": shlex.quote(str(target))}
        for name, place in places.items():
            command = command.replace(name, place)
        done = subprocess.run(command, shell=True, capture_output=True, text=True)
        return [done.returncode, done.stderr.splitlines()]

    def carry_one(way, back):
        there, told = Path(stick) / "registry", {}
        told["said"] = shell(way, root, there)
        with Registry(there) as registry:
            told["found"] = [registry.verify(full=full).ok for full in (False, True)]
            paths = [Path(model.get_local_copy()) for model in registry.models(tags=["kept"])]
            told["names"] = sorted(path.name for path in paths if path.is_file())
            told["copied"] = registry.du().copies
            (Path(stick) / "new.pt").write_bytes(b"made on the stick")
            registry.add(Path(stick) / "new.pt", "new", mode="move")
            InputModel(name="pointed").add_tags("seen")
            told["index"] = Path(registry.render()).is_file()
            told["garbage"] = [each.path for each in registry.gc(grace_seconds=0).garbage]
        told["back"] = shell(way, there, back)
        shutil.rmtree(there)
        return told

    return [carry_one(way, f"{back}/{number}") for number, way in enumerate(ways)]


# The guide names the first one: nothing is on the stick twice, and no name is refused.
WAYS = [
    "rsync -rt --exclude=/files SOURCE/ TARGET",
    "rsync -a SOURCE/ TARGET",
    "cp -r SOURCE TARGET",
    # With links, cp fails for the blob if it comes to the local copy first: the order is by inode.
    "cp -a --no-preserve=links SOURCE TARGET",
    "mkdir TARGET && tar -C SOURCE --hard-dereference -c . | tar -C TARGET --no-same-owner -x",
]


@pytest.fixture
def filled(tmp_path, sources):
    """A registry on this disk with links, names that FAT refuses, and a package."""
    with Registry(tmp_path / "registry") as registry:
        for source in sources.iterdir():
            registry.add(source, source.name, "p", tags=["kept"]).get_local_copy()
        registry.model("p/pkg").report_scalar("loss", "train", 1.0, 0)
        registry.model("p/pkg").report()
        InputModel.import_model("https://example.org/x.pt", name="pointed")
    return registry.path


def test_a_registry_is_carried_on_a_stick(stick, filled, tmp_path):
    """P15: copied to a stick, used there and copied back, it is whole and has what was added.

    The tools may fail only for files below ``files/``, which localreg makes again.
    """
    back = tmp_path / "back"
    back.mkdir()
    for number, told in enumerate(stick.run(carry, stick.place, filled, back, WAYS)):
        way, (status, errors) = WAYS[number], told["said"]
        assert (status == 0) is (number == 0), way
        assert sum("/files/" in line for line in errors) >= min(status, 2), way
        lines = [line for line in errors if "/files/" not in line]
        assert all("previous errors" in line for line in lines), way
        assert told["found"] == [True, True], way
        assert told["names"] == ["a.pt", "b_c_.pt", "d_____.bin", "e.", "ü.pt"], way
        assert told["copied"] > 0, way
        assert told["index"], way
        assert told["garbage"] == [], way
        assert told["back"] == [0, []], way
        with Registry(back / str(number)) as registry:
            assert registry.verify(full=True).ok, way
            (new,) = registry.models(name="new")
            assert Path(new.get_local_copy()).read_bytes() == b"made on the stick"
            for source in (path for path in registry.models(tags=["kept"]) if path.name != "pkg"):
                kept = Path(source.get_local_copy())
                assert kept.name == source.name, way
                assert kept.read_bytes() == source.name.encode() * 1000, way
            assert registry.model("pointed").tags == ["seen"], way
