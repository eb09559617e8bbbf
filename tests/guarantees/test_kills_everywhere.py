"""P1, P4, P28, P30: a kill at any place loses nothing, and gc deletes what it left."""

from __future__ import annotations

import random
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from support.bundles import content as bundle_content
from support.contents import check_sound, unaccounted
from support.killed_calls import CALLS, NEW_PACKAGE, OVERLAPPING, PACKAGE, prepare
from support.kills import Killer
from support.proofs import TIMES
from support.trees import File, digest_of, look, zipped

from localreg import Dataset, Registry
from localreg.blobs.archives.unpacking import remove_tree

PLACES = 2 * TIMES  # of each call: 40 in a long run
TAKEN_AWAY = {  # models that a call removes
    "remove": "kept",
    "remove with weights": "packed",
    "remove with an upload": "uploaded",
    "gc": "packed",
    "restore a package": "packed",
}


@pytest.fixture(scope="module")
def killer(children):
    with Killer(children, "support.killed_calls") as killer:
        yield killer


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder that is as `prepare` leaves it, after each call of the function."""
    from support.servers.file_site import FileSite

    folder, copy = tmp_path_factory.mktemp("kills") / "work", tmp_path_factory.mktemp("copy") / "c"
    folder.mkdir()

    def fresh():
        remove_tree(folder)
        shutil.copytree(copy, folder)
        return folder

    site = FileSite()
    try:
        site.files["/pkg.zip"] = zipped(PACKAGE | {"z": File(b"in the archive")})
        prepare(folder, site.url("/net.pt"), site.url("/pkg.zip"))
        with Registry(folder / "other", durability="fast") as other:
            other.add(folder / "above.pt", "there")
        shutil.copytree(folder, copy)
        yield fresh
    finally:
        site.close()


TREES = {digest_of(tree): tree for tree in (PACKAGE, OVERLAPPING, NEW_PACKAGE)}


def check_packages(registry):
    """Check that a local folder of each package can be had, and is whole."""
    for model in registry.models(archived=True):
        if model.digest in TREES:
            assert look(model.get_local_copy(raise_on_error=True)) == TREES[model.digest]


def files_of(tree):
    return {path: each.content for path, each in tree.items() if each is not None}


def check_datasets(registry):
    """Check that the files of a data set are those before the killed call, or those after it."""
    for row in Dataset.list_datasets(only_completed=False, registry=registry):
        dataset = Dataset.get(dataset_id=row["id"], registry=registry)
        if not dataset.is_final():
            dataset.finalize(auto_upload=True)
        copy = Path(dataset.get_local_copy())
        found = {
            each.relative_to(copy).as_posix(): each.read_bytes()
            for each in copy.rglob("*") if each.is_file()
        }  # fmt: skip
        before, new = files_of(PACKAGE), files_of(NEW_PACKAGE)
        more = {f"more/{path}": each for path, each in new.items()}
        assert found in ({}, before, before | new, new, before | more)
        assert dataset.verify_dataset_hash() == []


OTHER_FORMATS = {"export for MLflow": "mlflow", "export for the Hub": "hf",
                 "export tables": "parquet"}  # fmt: skip


def check_export(registry, folder, kind):
    """Check that an export is whole if it is there, and that nothing unfinished is."""
    if written := list(folder.iterdir()):
        assert [path.name for path in written] == ["b"]
        registry.export("p/kept", "p/packed", path=folder / "again", format=kind)
        assert look(folder / "b").keys() == look(folder / "again").keys()


def check_bundle(folder):
    """Check that a bundle is whole if it is there, and that nothing unfinished is."""
    written = {path.name: path for path in folder.iterdir()}
    assert not [name for name in written if name.startswith(".")]
    for name in {"b", "b.tar", "b.tar.001"} & set(written):
        files, _, staged = bundle_content(written[name], folder)
        assert {each.digest for each in files} <= set(staged)


def check(folder, name):
    """Open the registry after a kill, collect, and check what is there."""
    check_sound(folder / "registry")
    upstream = [folder / "other"] if name == "adopt" else []
    with Registry(folder / "registry", durability="fast", upstream=upstream) as registry:
        names = {each.name for each in registry.models(archived=True)}
        wanted = {"kept", "packed", "overlapping", "from-archive", "fetched", "uploaded"}
        assert wanted - {TAKEN_AWAY.get(name)} <= names, "P1: what was acknowledged before is there"
        if name == "add a folder with damaged blobs":  # they were damaged before
            registry.add(folder / "pkg", "again")
        check_packages(registry)
        check_datasets(registry)
        if name == "repair":
            assert registry.repair().lost == ()
        done = registry.gc(grace_seconds=0, dry_run=False)
        assert done.failed == ()
        assert registry.gc(grace_seconds=0).garbage == ()
        verified = registry.verify(full=True)
        assert verified.ok, verified.problems
        check_packages(registry)
        if name in OTHER_FORMATS:
            check_export(registry, folder / "bundles", OTHER_FORMATS[name])
    found = unaccounted(folder / "registry", folder / "share")
    if name == "a local folder again":  # a file of the user was in it, and gc keeps that
        found = [each for each in found if not each.startswith("quarantine/")]
    assert found == []
    if (folder / "bundles").exists() and name not in OTHER_FORMATS:
        check_bundle(folder / "bundles")
    if (folder / "registry2").exists():
        with Registry(folder / "registry2", durability="fast") as registry:
            registry.gc(grace_seconds=0, dry_run=False)
        assert unaccounted(folder / "registry2") == []


def places(name, killer, folder):
    """Return before which of its calls of the system and of SQLite a call is killed."""
    if TIMES == 1:  # a sample, another one for each call; most have more
        return [random.Random(name).randrange(30)]
    status, said = killer.run(name, folder)
    assert status == 0, said
    count = int(said)
    assert count > 5
    # One in each part of the call, so that all of it is covered.
    edges = [count * number // PLACES for number in range(PLACES + 1)]
    return [random.randrange(first, max(last, first + 1)) for first, last in pairwise(edges)]


@pytest.mark.long
@pytest.mark.parametrize("name", CALLS)
def test_a_kill_at_any_place(name, killer, prepared):
    """Whatever a call did when it was killed, only what is recorded is there after gc."""
    for at in places(name, killer, prepared()):
        folder = prepared()
        status, said = killer.run(name, folder, at)
        assert status in (-9, 0), said  # 0: it was done before
        try:
            check(folder, name)
        except BaseException as error:
            error.add_note(f"killed before call {at} of {name!r}")
            raise
