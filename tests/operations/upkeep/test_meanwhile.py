"""What another process removes while it is looked at is no problem; what is damaged stays one."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from support.contents import below

from localreg import Model, Registry
from localreg.operations.upkeep.repair import repair
from localreg.operations.upkeep.verify import verify
from localreg.operations.weights.deleting import deleting
from localreg.registry import Chain
from localreg.store.rows import blob_rows


@pytest.fixture
def registry(tmp_path):
    with Registry(tmp_path / "registry", durability="fast") as registry:
        yield registry


@pytest.fixture
def other(registry):
    """The same registry, opened a second time as by another process."""
    with Registry(registry.path, durability="fast") as other:
        yield other


@pytest.fixture
def models(registry, tmp_path):
    """Two models in the order in which their weights are verified."""
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"weights of {name}")
    found = [registry.add(tmp_path / name, name) for name in ("a", "b")]
    return sorted(found, key=lambda model: model.digest)


def blob(registry, digest):
    return registry.path / "blobs" / "sha256" / digest[:2] / digest[2:]


def before_the_last(action):
    """Return a progress function that acts once, before the last blob is looked at."""
    waiting = [action]

    def progress(done, total):
        if done < total and waiting:
            waiting.pop()()

    return progress


def upstream_that_lacks_all(action):
    """A registry without bytes; it acts when it is asked for some the first time.

    Upstream registries are asked after the bytes were missed in the first one.
    """
    waiting = [action]

    def has(digest, size):
        if waiting:
            waiting.pop()()
        return False

    return SimpleNamespace(blobs=SimpleNamespace(has=has), root="upstream")


def test_bytes_are_not_missing_while_a_transaction_deletes_them(registry, other, models):
    """The row goes with the commit, which comes after the bytes are deleted."""
    digest = models[1].digest
    with ExitStack() as transaction:

        def delete():
            Model.remove(other.model(models[1].id), delete_weights_file=False)
            connection, delete = transaction.enter_context(deleting(other._chain.first))
            blob_rows.forget(connection, blob_rows.deletable(connection, [digest]))
            assert digest in delete([digest])

        found = verify(registry._chain, registry._chain.first, progress=before_the_last(delete))
        assert not blob(registry, digest).exists()
        with registry._chain.first.store.read() as connection:
            assert blob_rows.blob(connection, digest) is not None
    assert found.problems == ()


def test_bytes_that_were_removed_and_added_again_are_not_missing(registry, other, models, tmp_path):
    """It is the row of other bytes, though it says the same of them."""
    name, digest = models[1].name, models[1].digest
    remove = before_the_last(lambda: Model.remove(other.model(models[1].id)))
    upstream = upstream_that_lacks_all(lambda: other.add(tmp_path / name, name))
    chain = Chain(registry._chain.first, (upstream,))
    assert verify(chain, chain.first, progress=remove).problems == ()
    assert blob(registry, digest).exists()


def lose_bytes_when_they_are_read(root, digest):
    """Return what is found if the bytes are deleted just before they are read."""
    import os
    import sys
    from pathlib import Path

    from localreg import Registry

    place = Path(root, "blobs", "sha256", digest[:2], digest[2:])

    def delete(event, arguments):
        if event == "open" and str(arguments[0]) == str(place) and place.exists():
            place.unlink()

    with Registry(root, durability="fast") as registry:
        sys.addaudithook(delete)
        found = registry.verify(full=True)
    return [os.path.lexists(place), [each.text for each in found.problems]]


@pytest.mark.parametrize(("removed", "texts"), [(True, []), (False, ["the weights are gone"])])
def test_bytes_that_go_before_they_are_read_are_missing_if_a_model_needs_them(
    removed, texts, registry, models, children
):
    digest = models[1].digest
    if removed:
        Model.remove(models[1], delete_weights_file=False)
    found = children.run(lose_bytes_when_they_are_read, registry.path, digest)
    assert found == [False, texts]


def test_bytes_that_are_gone_are_missing_though_others_write(registry, other, models, tmp_path):
    blob(registry, models[1].digest).unlink()
    upstream = upstream_that_lacks_all(lambda: other.add(tmp_path / models[0].name, "c"))
    chain = Chain(registry._chain.first, (upstream,))
    (found,) = verify(chain, chain.first).problems
    assert (found.kind, found.models) == ("missing", (f"{models[1].name}:1",))


@pytest.mark.parametrize("damage", ["gone", "other bytes"])
def test_a_repair_names_nothing_that_was_removed_since(damage, registry, other, models, tmp_path):
    shutil.rmtree(registry.path / "files")  # the local copies would bring the bytes back
    for model in models:
        (tmp_path / model.name).unlink()
        place = blob(registry, model.digest)
        place.unlink()
        if damage == "other bytes":
            place.write_text(f"warped? of {model.name}")

    def remove(done, total):
        if done == total:
            Model.remove(other.model(models[1].id))

    result = repair(registry._chain, full=True, progress=remove)
    assert [each.models for each in result.lost] == [(f"{models[0].name}:1",)]
    assert result.mended == ()


def delete_folder(root):
    """Return True if a package's folder was in its place when the first of its files went."""
    import os
    import sys

    from localreg import Registry
    from localreg.operations.upkeep.package_checks import remove_folder

    seen = []
    with Registry(root, durability="fast") as registry:
        model = registry.model("m")
        place = model.get_local_copy()

        def note(event, arguments):
            if event == "os.remove":
                seen.append(os.path.lexists(place))

        sys.addaudithook(note)
        remove_folder(registry._chain.first, model.digest)
    return seen[0]


def test_the_folder_of_a_package_is_gone_before_its_files_are_deleted(registry, children, tmp_path):
    """Else a verification, or `get_local_copy`, would find a part of it and call it damaged."""
    (tmp_path / "p").mkdir()
    for name in ("a", "b"):
        (tmp_path / "p" / name).write_text(name)
    registry.add(tmp_path / "p", "m")
    assert children.run(delete_folder, registry.path) is False
    assert below(registry.path / "trees") == []


def look_at_a_folder(root, outcome):
    """Return the problems found while the folder of a package is moved away during the look."""
    import os
    import sys
    from pathlib import Path

    from localreg import Registry

    with Registry(root, durability="fast") as registry:
        place = Path(registry.model("m").get_local_copy())
        looks = []

        def move(event, arguments):
            if event == "os.scandir" and os.fspath(arguments[0]) == str(place) and not looks:
                looks.append(event)
                place.rename(f"{place}.moved")
                if outcome == "damaged":
                    place.mkdir()

        sys.addaudithook(move)
        return [each.kind for each in registry.verify().problems]


@pytest.mark.parametrize(("outcome", "problems"), [("gone", []), ("damaged", ["tree"])])
def test_a_folder_that_is_moved_away_during_the_look_is_looked_at_again(
    outcome, problems, registry, children, tmp_path
):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a").write_text("a")
    registry.add(tmp_path / "p", "m")
    assert children.run(look_at_a_folder, registry.path, outcome) == problems


def remove_while_a_local_file_is_made(root):
    """Remove a model; a file appears in the folder of its local files just before that goes."""
    import os
    import sys

    from localreg import Model, Registry

    with Registry(root, durability="fast") as registry:
        model = registry.model("m")
        model.get_local_copy()

        def make(event, arguments):
            if event == "os.rmdir" and f"{os.sep}files{os.sep}" in os.fspath(arguments[0]):
                with open(os.path.join(os.fspath(arguments[0]), "new"), "w"):
                    pass

        sys.addaudithook(make)
        Model.remove(model, delete_weights_file=False)
        return list(registry.gc(grace_seconds=0, dry_run=False).failed)


def test_a_local_file_that_is_made_meanwhile_does_not_stop_gc(registry, children, tmp_path):
    (tmp_path / "w").write_text("w")
    digest = registry.add(tmp_path / "w", "m").digest
    assert children.run(remove_while_a_local_file_is_made, registry.path) == []
    assert below(registry.path / "blobs" / "sha256" / digest[:2]) == []
    assert registry.gc(grace_seconds=0, dry_run=False).failed == ()
    assert below(registry.path / "files") == []
