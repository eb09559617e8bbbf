"""Local copies of packages: what is given out is what was kept, whatever happened to the folder."""

from __future__ import annotations

import shutil

import pytest
from support.packages import keep_package
from support.trees import (
    DAMAGES,
    File,
    change_bytes,
    damage_blob,
    look,
    plant,
    sha256,
    writable_in,
)

from localreg import Registry
from localreg.blobs.archives.unpacking import remove_tree
from localreg.errors import CorruptBlobError, DamagedRowError, InvalidValueError, NotFoundError
from localreg.operations.weights.package_copies import package_file, package_folder
from localreg.store.rows import blob_rows

TREE = {
    "config.json": File(b"{}"),
    "logs/old": None,
    "model.bin": File(b"weights"),
    "run.sh": File(b"#!/bin/sh\necho run\n", executable=True),
    "tokenizer/copy of model.bin": File(b"weights"),
    "tokenizer/vocab.txt": File(b"a b c"),
}


@pytest.fixture
def package(registry):
    """The chain of a registry and the digest of a package in it."""
    chain = registry._chain
    return chain, keep_package(chain.first, TREE)


def folder_of(package, *, verify=False):
    chain, digest = package
    return package_folder(chain, chain.first, digest, verify=verify)


def file_of(package, path, *, verify=False):
    chain, digest = package
    return package_file(chain, chain.first, digest, path, verify=verify)


def in_quarantine(registry):
    folder = registry.path / "quarantine"
    return sorted(folder.iterdir()) if folder.exists() else []


def blob_of(root, content):
    digest = sha256(content)
    return root / "blobs" / "sha256" / digest[:2] / digest[2:]


def test_the_folder_has_the_files_of_the_package(package):
    folder = folder_of(package)
    assert look(folder) == TREE
    assert writable_in(folder) == []
    for verify in (False, True):
        inode = folder.stat().st_ino
        assert folder_of(package, verify=verify) == folder
        assert folder.stat().st_ino == inode, "it was made once"


def test_files_are_links_to_blobs_but_for_programs(package):
    folder = folder_of(package)
    blob = blob_of(folder.parents[1], b"weights")
    assert (folder / "model.bin").samefile(blob)
    assert (folder / "tokenizer" / "copy of model.bin").samefile(blob)
    assert (folder / "run.sh").stat().st_nlink == 1
    assert not blob_of(folder.parents[1], TREE["run.sh"].content).stat().st_mode & 0o111


def test_the_same_bytes_are_a_program_in_one_package_only(registry):
    chain = registry._chain
    one = (chain, keep_package(chain.first, {"run.sh": File(b"run", executable=True)}))
    other = (chain, keep_package(chain.first, {"run.sh": File(b"run")}))
    for each in (one, other, one):
        assert look(folder_of(each)) == {"run.sh": File(b"run", executable=each is one)}


def test_blobs_that_were_linked_to_are_not_hashed_again(registry, package):
    """Their change times are recorded, and by these they count as unchanged."""
    first = registry._chain.first

    def recorded():
        with first.store.read() as connection:
            rows = list(blob_rows.blobs(connection))
        return {row.digest: row.ctime == first.blobs.ctime(row.digest) for row in rows}

    folder = folder_of(package)
    assert all(recorded().values())
    damage_blob(registry.path, sha256(b"weights"))
    DAMAGES["a file removed"](folder, "run.sh")
    folder_of(package)
    assert [each for each, right in recorded().items() if not right] == [sha256(b"weights")]


# damage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["tokenizer/vocab.txt", "run.sh"])
@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_folder_is_made_again(name, path, registry, package, caplog):
    folder = folder_of(package)
    DAMAGES[name](folder, path)
    was = None if folder.is_symlink() or folder.is_file() else folder.stat().st_ino
    assert folder_of(package) == folder
    assert look(folder) == TREE
    assert writable_in(folder) == []
    assert "had changed" in caplog.text
    (moved,) = in_quarantine(registry)
    assert str(moved) in caplog.text
    assert was in (None, moved.stat().st_ino), "what was there is not deleted"
    caplog.clear()
    assert look(folder_of(package)) == TREE
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
        (lambda folder: (folder / "notes.txt").touch(), "notes.txt was added"),
        (lambda folder: plant(folder / "more", {"a/b": File(b"")}), ": more was added;"),
        (lambda folder: shutil.rmtree(folder / "tokenizer"), ": tokenizer is missing;"),
        (lambda folder: shutil.rmtree(folder / "logs"), ": logs is missing;"),
        (lambda folder: (folder / "logs" / "old").rmdir(), "logs/old is missing"),
        (lambda folder: (folder / "logs" / "old" / "x").touch(), "logs/old/x was added"),
    ],
)
def test_the_warning_says_what_was_wrong(change, words, package, caplog):
    folder = folder_of(package)
    for each in (folder, *folder.rglob("*")):
        if each.is_dir():
            each.chmod(0o755)
    change(folder)
    folder_of(package)
    assert words in caplog.text


def test_the_warning_says_how_each_file_was_changed(package, caplog):
    folder = folder_of(package)
    folder.chmod(0o755)
    for name in ("config.json", "model.bin", "tokenizer"):
        remove_tree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()
    (folder / "config.json").symlink_to("/etc/hostname")
    (folder / "model.bin").write_bytes(b"12345")
    (folder / "run.sh").chmod(0o444)
    (folder / "tokenizer").write_text("a file")
    folder_of(package)
    assert (
        "had changed: config.json is a link now, model.bin has 5 bytes of 7, run.sh is not "
        "executable any more, tokenizer is a file now; it was made again"
    ) in caplog.text


def test_only_the_first_differences_are_named(package, caplog):
    folder = folder_of(package)
    folder.chmod(0o755)
    for number in range(9):
        (folder / f"n{number}").touch()
    folder_of(package)
    assert "n3 was added, n4 was added, and 4 more; it was" in caplog.text


def test_changed_bytes_are_found_when_every_file_is_hashed(registry, package, caplog):
    folder = folder_of(package)
    change_bytes(folder, "model.bin")
    assert folder_of(package, verify=True) == folder
    assert look(folder) == TREE
    assert "model.bin has changed bytes" in caplog.text
    assert len(in_quarantine(registry)) == 1


def test_a_blob_with_changed_bytes_is_found_when_every_file_is_hashed(registry, package):
    folder_of(package)
    blob = damage_blob(registry.path, sha256(b"weights"))
    with pytest.raises(CorruptBlobError, match=r"^model\.bin of the package") as raised:
        folder_of(package, verify=True)
    assert (raised.value.digest, raised.value.path) == (sha256(b"weights"), str(blob))
    assert "has changed bytes" in str(raised.value)
    assert in_quarantine(registry) == [], "nothing better can be made"


@pytest.mark.parametrize("how", ["missing", "cut", "a link"])
def test_missing_bytes_are_an_error_that_names_the_file(how, registry, package):
    blob = blob_of(registry.path, b"a b c")
    blob.unlink()
    if how == "cut":
        blob.write_bytes(b"a b")
    if how == "a link":
        registry.path.parent.joinpath("outside").write_bytes(b"a b c")
        blob.symlink_to(registry.path.parent / "outside")
    for get in (folder_of, lambda package: file_of(package, "tokenizer/vocab.txt")):
        with pytest.raises(CorruptBlobError, match=r"^tokenizer/vocab\.txt of the package"):
            get(package)
    trees = registry.path / "trees"
    assert not trees.exists() or list(trees.iterdir()) == []


def test_a_blob_that_became_writable_or_executable_is_neither_in_the_folder(registry, package):
    blob_of(registry.path, b"weights").chmod(0o755)
    assert look(folder_of(package)) == TREE
    assert writable_in(folder_of(package)) == []


def test_a_local_file_serves_when_the_blob_is_gone(registry, package):
    file_of(package, "tokenizer/vocab.txt")
    local = file_of(package, "tokenizer/vocab.txt")
    copy = local.with_name("copy")
    shutil.copyfile(local, copy)
    local.unlink()
    copy.rename(local)
    blob_of(registry.path, b"a b c").unlink()
    assert look(folder_of(package)) == TREE


def test_what_was_moved_to_quarantine_is_deleted_after_the_grace_period(registry, package):
    folder = folder_of(package)
    DAMAGES["a file added"](folder, "config.json")
    folder_of(package)
    (added,) = in_quarantine(registry)
    DAMAGES["a file removed"](folder, "config.json")
    folder_of(package)
    (moved,) = {*in_quarantine(registry)} - {added}
    registry.gc(dry_run=False)
    assert {*in_quarantine(registry)} == {added, moved}
    registry.gc(dry_run=False, grace_seconds=0)
    assert in_quarantine(registry) == [added], "a file of a user is never deleted"


@pytest.mark.parametrize("damaged", [False, True])
def test_processes_that_all_need_the_folder_all_get_it(damaged, registry, package, children):
    def get(number, barrier, root, digest, damaged):

        from support.trees import look

        from localreg import Registry
        from localreg.operations.weights.package_copies import package_folder

        with Registry(root, durability="fast") as registry:
            seen = []
            for turn in range(20):
                barrier.wait(60)
                folder = registry.path / "trees" / digest
                if number == turn % 4 and (damaged or turn == 0) and folder.exists():
                    folder.chmod(0o755)
                    (folder / f"added {turn}").touch()
                barrier.wait(60)
                chain = registry._chain
                found = package_folder(chain, chain.first, digest, verify=bool(turn % 2))
                seen.append(sorted(look(found)))
                barrier.wait(60)
        return seen

    _, digest = package
    for seen in children.crowd(4, get, registry.path, digest, damaged):
        assert seen == [sorted(TREE)] * 20
    assert len(in_quarantine(registry)) == (19 if damaged else 0)
    assert [each.name for each in (registry.path / "trees").iterdir()] == [digest]


# rows of a stranger -----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["../outside", "/outside", "a/../../outside", "a\\b", "a\0b"])
def test_a_path_that_leads_outside_is_a_damaged_row(path, registry, package):
    chain, _ = package
    with chain.first.store.write() as change:
        change.connection.execute(
            "UPDATE tree_file SET path = ? WHERE path = 'config.json'", (path,)
        )
    with pytest.raises(DamagedRowError, match="path must be the path of a file in a package"):
        folder_of(package)


@pytest.mark.parametrize("other", ["config.json/inside", "tokenizer"])
def test_a_row_that_is_both_a_file_and_a_folder_is_damaged(other, registry):
    chain = registry._chain
    digest = keep_package(chain.first, TREE | {other: File(b"")})
    with pytest.raises(DamagedRowError, match="is both a file and a folder"):
        folder_of((chain, digest))
    assert list((registry.path / "trees").glob("*")) == []


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM tree_file WHERE path = 'config.json'",
        "UPDATE tree_file SET executable = 1 WHERE path = 'config.json'",
        "UPDATE tree_file SET path = 'config' WHERE path = 'config.json'",
        "UPDATE tree_file SET blob = NULL, size = 0 WHERE path = 'config.json'",
    ],
)
def test_rows_that_are_not_those_of_the_manifest_are_found_before_a_folder_is_made(sql, package):
    chain, _ = package
    with chain.first.store.write() as change:
        change.connection.execute(sql)
    with pytest.raises(DamagedRowError, match="must be the files of its manifest"):
        folder_of(package)


def test_a_package_without_rows_is_an_error_that_names_the_remedy(package):
    chain, _ = package
    with chain.first.store.write() as change:
        change.connection.execute("DELETE FROM tree_file")
    with pytest.raises(CorruptBlobError, match=r"are not recorded in .*localreg repair"):
        folder_of(package)


@pytest.mark.parametrize("name", ["trees", "quarantine"])
def test_no_link_in_the_place_of_a_folder_is_followed(name, registry, package, tmp_path):
    folder = folder_of(package)
    DAMAGES["a file added"](folder, "config.json")
    outside = tmp_path / "outside"
    if name == "trees":
        (registry.path / name).rename(outside)
    else:
        outside.mkdir()
    (registry.path / name).symlink_to(outside)
    with pytest.raises(OSError, match="must be a directory; links inside a registry are not"):
        folder_of(package)
    assert len(list(outside.iterdir())) == (name == "trees")


# other registries -------------------------------------------------------------------------


@pytest.fixture
def upstream(tmp_path):
    """The directory of an upstream registry that has the package; nothing in it may change."""
    root = tmp_path / "upstream"
    with Registry(root) as shared:
        keep_package(shared._chain.first, TREE)
    return root


def state(root):
    """Return what is in a folder, with numbers of links and change times."""
    found = {}
    for each in sorted(root.rglob("*")):
        status = each.lstat()
        found[each] = (status.st_mode, status.st_nlink, status.st_size, status.st_ctime_ns)
    return {path: facts for path, facts in found.items() if "registry.db" not in path.name}


@pytest.mark.parametrize("verify", [False, True])
def test_files_of_an_upstream_registry_are_copied_and_never_linked(tmp_path, upstream, verify):
    before = state(upstream)
    with Registry(tmp_path / "r", upstream=[upstream]) as registry:
        chain = registry._chain
        digest = look_up(upstream)
        folder = package_folder(chain, chain.others[0], digest, verify=verify)
        assert folder == tmp_path / "r" / "trees" / digest
        assert look(folder) == TREE
        assert writable_in(folder) == []
        inode = folder.stat().st_ino
        assert package_folder(chain, chain.others[0], digest, verify=verify) == folder
        assert folder.stat().st_ino == inode
    assert state(upstream) == before


def look_up(root):
    """Return the digest of the only package in the registry at `root`."""
    with Registry(root, readonly=True) as registry:
        sql = "SELECT digest FROM blob WHERE total IS NOT NULL"
        with registry._chain.first.store.user_connections.mine() as connection:
            ((digest,),) = connection.execute(sql)
    return digest


@pytest.mark.parametrize("here", ["config.json", "run.sh", "model.bin"])
def test_files_may_be_partly_here_and_partly_upstream(tmp_path, upstream, here):
    digest = look_up(upstream)
    with Registry(tmp_path / "r", upstream=[upstream]) as registry:
        chain = registry._chain
        keep_package(chain.first, {"x": TREE[here]})
        content = TREE[here].content
        blob_of(upstream, content).unlink()
        folder = package_folder(chain, chain.others[0], digest, verify=True)
        assert look(folder) == TREE
        linked = (folder / here).samefile(blob_of(registry.path, content))
        assert linked == (here != "run.sh")


def test_a_registry_that_is_opened_read_only_is_not_changed(upstream, temporary_folder):
    """Not even the number of links of its blobs."""
    digest, before = look_up(upstream), state(upstream)
    with Registry(upstream, readonly=True) as registry:
        chain = registry._chain
        for verify in (False, True):
            folder = package_folder(chain, chain.first, digest, verify=verify)
            assert folder.is_relative_to(temporary_folder)
            assert look(folder) == TREE
    assert folder.stat().st_dev == upstream.stat().st_dev, "links would be possible"
    assert state(upstream) == before


def test_the_whole_folder_of_an_upstream_registry_is_given_out_itself(tmp_path, upstream):
    digest = look_up(upstream)
    with Registry(upstream) as shared:
        theirs = package_folder(shared._chain, shared._chain.first, digest, verify=False)
    with Registry(tmp_path / "r", upstream=[upstream]) as registry:
        chain = registry._chain
        for verify in (False, True):
            assert package_folder(chain, chain.others[0], digest, verify=verify) == theirs
        DAMAGES["a file added"](theirs, "config.json")
        ours = package_folder(chain, chain.others[0], digest, verify=False)
        assert ours == tmp_path / "r" / "trees" / digest
        assert look(ours) == TREE
        assert (theirs / "notes of a user").exists(), "it is only read"


def test_a_damaged_blob_is_replaced_by_bytes_of_an_upstream_registry(tmp_path, upstream):
    digest = look_up(upstream)
    with Registry(tmp_path / "r", upstream=[upstream]) as registry:
        chain = registry._chain
        assert keep_package(chain.first, TREE) == digest
        damage_blob(registry.path, sha256(b"weights"))
        folder = package_folder(chain, chain.first, digest, verify=True)
        assert look(folder) == TREE
        assert folder.is_relative_to(registry.path)


def test_a_registry_without_the_rows_asks_the_others(tmp_path, upstream):
    digest = look_up(upstream)
    with Registry(tmp_path / "r", upstream=[upstream]) as registry:
        chain = registry._chain
        assert look(package_folder(chain, chain.first, digest, verify=False)) == TREE
        file = package_file(chain, chain.first, digest, "tokenizer/vocab.txt", verify=True)
        assert file.read_bytes() == b"a b c"


# one file of a package --------------------------------------------------------------------


@pytest.mark.parametrize("verify", [False, True])
def test_one_file_has_its_own_name(package, verify):
    file = file_of(package, "tokenizer/copy of model.bin", verify=verify)
    assert (file.name, file.read_bytes()) == ("copy of model.bin", b"weights")
    assert not (file.parents[2] / "trees").exists(), "the folder is not needed"


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("confg.json", "did you mean config.json?"),
        ("vocab.txt", "did you mean tokenizer/vocab.txt?"),
        ("something", "it has config.json, model.bin, run.sh and 2 more"),
    ],
)
def test_a_file_that_is_not_in_the_package_is_an_error_with_names_like_it(package, wrong, hint):
    with pytest.raises(NotFoundError, match="the package has no file") as raised:
        file_of(package, wrong)
    assert hint in str(raised.value)
    assert raised.value.reference == wrong


@pytest.mark.parametrize("path", ["tokenizer", "logs", "logs/old"])
def test_a_folder_of_the_package_is_no_file(package, path):
    with pytest.raises(InvalidValueError, match=f"{path} is a folder of the package"):
        file_of(package, path)


@pytest.mark.parametrize("path", ["../config.json", "/config.json", "", "a//b", "a\0b"])
def test_a_path_that_leads_elsewhere_is_an_error(package, path):
    with pytest.raises(InvalidValueError, match="must be the path of a file in the package"):
        file_of(package, path)
