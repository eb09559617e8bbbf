"""P11 to P13: many processes on one registry."""

from __future__ import annotations

import os

import pytest
from support.contents import check_sound

from localreg import InputModel, Model, Registry
from localreg.operations.models import adding, recording
from localreg.registry import open_registry


def open_at_once(number, barrier, root):
    """Open a registry that does not exist yet, at the same time as others, and use it."""
    from localreg import InputModel, Registry

    barrier.wait()
    with Registry(root) as registry:
        InputModel.import_model(f"s3://b/{number}")
        return registry._chain.first.store.registry_id


def test_many_processes_open_a_fresh_directory(tmp_path, children):
    """P13: sixteen processes that open a new registry at once make one, with all their models."""
    ids = children.crowd(16, open_at_once, tmp_path / "deep" / "registry")
    assert len(set(ids)) == 1
    with Registry(tmp_path / "deep" / "registry") as registry:
        assert registry._chain.first.store.registry_id == ids[0]
        assert len(registry.models()) == 16
    assert sorted(os.listdir(registry.path)) == ["registry.db", "registry.db-reserve"]
    check_sound(registry.path, events=16)


def register(number, barrier, root, count):
    """Register models, and read them back in between."""
    from localreg import InputModel, Registry

    registry = Registry(root, durability="fast")
    barrier.wait()
    ids = []
    for index in range(count):
        model = InputModel.import_model(
            f"s3://b/{number}/{index}", name="shared", project="p", tags=["t"], registry=registry
        )
        model.comment = f"{number}/{index}"
        ids.append(model.id)
        if index % 20 == 0:
            found = registry.models(tags=["t"])
            assert {each.id for each in found} >= set(ids)
    return ids


@pytest.mark.parametrize(("journal", "count"), [("wal", 200), ("truncate", 20)])
def test_many_writers_lose_nothing(tmp_path, children, journal, count):
    """P11: eight processes register models of one name: no lock error, none lost, none twice."""
    open_registry(tmp_path, journal=journal).close()
    ids = children.crowd(8, register, tmp_path, count)
    with Registry(tmp_path) as registry:
        models = registry.models(project="p", name="shared")
        assert {model.id for model in models} == {each for some in ids for each in some}
        assert sorted(model.version for model in models) == list(range(1, 8 * count + 1))
        assert len({model.comment for model in models}) == 8 * count
        stamps = [model._row().stamp for model in models]
        assert stamps == sorted(set(stamps), reverse=True)
    check_sound(tmp_path, events=1 + 2 * 8 * count)  # one event made the project


def race_for_an_alias(number, barrier, root, models):
    """In each round, try to move the alias from the same model; return the rounds won and lost."""
    from localreg import Registry
    from localreg.errors import AliasConflictError

    registry = Registry(root, durability="fast")
    won, lost = [], []
    for turn in range(len(models) - 1):
        barrier.wait()
        expect = registry.model("m@prod") if turn else None
        barrier.wait()
        try:
            registry.set_alias(
                models[turn * 7 % len(models)], "other"
            )  # competes with the others for the lock
            registry.set_alias(models[turn + 1], "prod", expect=expect)
        except AliasConflictError as error:
            lost.append(error.found)
        else:
            won.append(turn)
    return [won, lost]


def test_one_of_several_processes_moves_an_alias(tmp_path, children):
    """P11: with `expect` exactly one process wins each round; the others get an error."""
    with Registry(tmp_path, durability="fast") as registry:
        description = recording.describe(name="m")
        (tmp_path / "w").write_bytes(b"w")
        models = [adding.add_model(registry._chain, tmp_path / "w", description) for _ in range(21)]
    results = children.crowd(6, race_for_an_alias, tmp_path, models)
    assert sorted(turn for won, _ in results for turn in won) == list(range(20))
    # The error of each other process names the model that has the alias now.
    assert sorted(found for _, lost in results for found in lost) == sorted(models[1:] * 5)
    with Registry(tmp_path) as registry:
        assert registry.model("m@prod").id == models[20]
        moves = [each for each in registry.history() if each.kind == "alias.set"]
        assert [each.payload["new"] for each in reversed(moves) if each.field == "prod"] == models[
            1:
        ]


def count_tags(number, barrier, root, model, count):
    """Add and remove tags of a model that other processes change too."""
    from localreg import Model, Registry

    mine = Model(model, registry=Registry(root, durability="fast"))
    barrier.wait()
    for index in range(count):
        mine.add_tags(f"{number}-{index}")
        mine.set_metadata(f"{number}-{index}", index)
        if index % 2:
            mine.remove_tags(f"{number}-{index}")


def test_changes_of_one_model_do_not_undo_each_other(tmp_path, children):
    """P11: processes that change one model at once keep each other's changes."""
    with Registry(tmp_path, durability="fast"):
        model = InputModel.import_model("s3://b/x.pt").id
    children.crowd(4, count_tags, tmp_path, model, 20)
    with Registry(tmp_path):
        kept = {f"{number}-{index}" for number in range(4) for index in range(20)}
        assert set(Model(model).get_all_metadata()) == kept
        assert set(Model(model).tags) == {each for each in kept if int(each.split("-")[1]) % 2 == 0}
    check_sound(tmp_path, events=1 + 4 * (20 + 20 + 10))


def keep_the_same(number, barrier, root, weights):
    """Add one file many times, and remove its model with its weights."""
    from pathlib import Path

    from localreg import Model, Registry
    from localreg.operations.models import adding, recording

    registry = Registry(root, durability="fast")
    barrier.wait()
    for _ in range(15):
        description = recording.describe(name=f"m{number}")
        kept = Model(adding.add_model(registry._chain, weights, description), registry=registry)
        assert Path(kept.get_weights(raise_on_error=True)).read_bytes() == b"shared weights"
        assert Model.remove(kept, registry=registry)
    registry.close()


def test_weights_that_are_added_again_are_not_removed(tmp_path, children):
    """P8: weights are never deleted while another process adds the same bytes."""
    (tmp_path / "w.pt").write_bytes(b"shared weights")
    root = tmp_path / "registry"
    children.crowd(4, keep_the_same, root, tmp_path / "w.pt")
    Registry(root).close()  # of processes that close at once, none may be the last for SQLite
    left = {path.name for path in root.rglob("*") if path.is_file()}
    assert left == {"registry.db", "registry.db-reserve"}


def hold_a_transaction(root):
    """Hold a write transaction until a line comes on standard input."""
    from localreg import Registry

    registry = Registry(root)
    with registry._chain.first.store.write() as change:
        change.record("project.created", "f" * 32, {"name": "held"})
        print("holding", flush=True)
        input()


def test_a_reader_does_not_wait_for_a_writer(tmp_path, children):
    """P12: while another process is in a write transaction, reading goes on, without its changes.

    If the reader waited, it would wait for ever: the writer ends only when this test says so.
    """
    with Registry(tmp_path) as registry:
        InputModel.import_model("s3://b/x.pt", name="x")
        with children.start(hold_a_transaction, tmp_path) as child:
            assert child.stdout.readline() == "holding\n"
            assert [model.name for model in registry.models()] == ["x"]
            with Registry(tmp_path) as second:  # opening, too
                assert len(second.history()) == 1
            child.communicate("\n")
        assert child.returncode == 0
        assert len(registry.history()) == 2


def write_one(root):
    from localreg import InputModel, Registry

    with Registry(root):
        return InputModel.import_model("s3://b/new.pt", name="new").id


def test_a_writer_does_not_wait_for_a_reader(tmp_path, children):
    """P12: while this process reads, another one writes; the reader keeps seeing one state."""
    with Registry(tmp_path) as registry:
        InputModel.import_model("s3://b/x.pt", name="x")
        with registry._chain.first.store.read():
            assert len(registry.models()) == 1
            children.run(write_one, tmp_path)
            assert len(registry.models()) == 1
            assert len(registry.history()) == 1
        assert len(registry.models()) == 2


def test_opening_twice_does_not_drop_locks(tmp_path, children):
    """P11: opening, checking and closing a registry again leaves this process's locks alone.

    The operating system drops all locks of a process on a file when it closes any descriptor of
    that file, so a second opening must not open and close the file on its own.
    """
    for journal in ("wal", "truncate"):
        root = tmp_path / journal
        open_registry(root, journal=journal).close()
        first = Registry(root)
        with first._chain.first.store.write() as change:
            change.record("project.created", "f" * 32, {"name": "held"})
            Registry(root).close()
            Registry(root, readonly=True).close()
            assert children.run(try_to_write, root) == "database is locked"
        assert children.run(try_to_write, root) == "written"
        first.close()


def try_to_write(root):
    import sqlite3

    connection = sqlite3.connect(f"{root}/registry.db", timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        return str(error)
    finally:
        connection.close()
    return "written"


def open_close_while_checkpointing(number, barrier, root):
    """Even processes write and checkpoint by closing, odd ones open and read, all the time."""
    from localreg import InputModel, Registry

    barrier.wait()
    for index in range(20):
        registry = Registry(root, durability="fast", readonly=bool(number % 2))
        if number % 2:
            assert len(registry.models(limit=100)) >= 10
        else:
            comment = "x" * 20_000
            url = f"s3://b/{number}/{index}"
            InputModel.import_model(url, comment=comment, registry=registry)
        registry.close()


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_opening_during_checkpoints_and_commits_is_no_damage(tmp_path, children, journal):
    """P11: a database is not reported as damaged while its pages are being written."""
    open_registry(tmp_path, journal=journal).close()
    with Registry(tmp_path, durability="fast"):
        for number in range(10):
            InputModel.import_model(f"s3://b/{number}")
    children.crowd(4, open_close_while_checkpointing, tmp_path)
    check_sound(tmp_path, events=10 + 2 * 20)
