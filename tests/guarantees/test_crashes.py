"""P1 and P3: completed calls survive a kill, and every call is all or nothing."""

from __future__ import annotations

import json
import random
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support.contents import check_sound
from support.proofs import TIMES

from localreg import InputModel, Model, Registry, Task
from localreg.errors import LocalregError, RegistryError
from localreg.operations.models import adding, recording


def rows_of(root):
    """Return every row of a registry's database."""
    with closing(sqlite3.connect(root / "registry.db")) as connection:
        return list(connection.iterdump())


def files_of(root):
    """Return every file of a registry but SQLite's own."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith("registry.db")
    }


def acknowledge(root, journal, durability, weights):
    """Change a registry for ever; print each fact after the call that recorded it."""
    import json
    from itertools import count
    from pathlib import Path

    from localreg import InputModel, Model, Registry, Task
    from localreg.operations.models import adding, recording
    from localreg.registry import open_registry

    def told(**fact):
        print(json.dumps(fact), flush=True)

    open_registry(root, journal=journal).close()
    registry = Registry(root, durability=durability)
    for number in count():
        model = InputModel.import_model(f"s3://b/{number}.pt", name=f"n{number}", registry=registry)
        told(id=model.id, name=f"n{number}")
        model.tags = [f"a{number}", "all"]
        told(id=model.id, tags=[f"a{number}", "all"])
        model.comment = f"comment {number}"
        told(id=model.id, comment=f"comment {number}")
        registry.set_alias(model, "prod")
        told(id=model.id, aliases=["prod"])
        model.publish()
        told(id=model.id, published=True)
        task = Task.create("project", f"task {number}", registry=registry)
        model.connect(task, name="base")
        told(id=model.id, task=task.id)
        model.archive()
        told(id=model.id, archived=True)
        Path(weights).write_bytes(b"weights %d" % number)
        description = recording.describe(name="kept", project="p")
        kept = Model(adding.add_model(registry._chain, weights, description), registry=registry)
        told(id=kept.id, version=number + 1, digest=kept.digest)
        gone = InputModel.import_model(f"s3://b/gone{number}.pt", registry=registry)
        Model.remove(gone, registry=registry)
        told(removed=gone.id)


KILLS = [  # in which journal mode, with which durability, after how many calls
    ("wal", "full", 1),
    ("wal", "full", 40),
    ("wal", "fast", 25),
    ("truncate", "full", 13),
    ("truncate", "fast", 25),
]
chance = random.Random(1)
for _ in range(TIMES - 1):
    KILLS += [(*kill[:2], chance.randint(1, 60)) for kill in KILLS[:5]]


@pytest.mark.long
@pytest.mark.parametrize(("journal", "durability", "calls"), KILLS)
def test_a_kill_loses_nothing_of_completed_calls(tmp_path, children, journal, durability, calls):
    """P1: SIGKILL right after a call has returned loses nothing of it, in both journal modes."""
    root = tmp_path / "registry"
    child = children.start(acknowledge, root, journal, durability, tmp_path / "weights.pt")
    with child:
        lines = [child.stdout.readline() for _ in range(calls)]
        child.kill()
        # Calls completed before it died count too; an incomplete line does not.
        lines += [line for line in child.stdout if line.endswith("\n")]

    with Registry(root) as registry:
        there = {model.id: model for model in registry.models(archived=True)}
        for fact in map(json.loads, lines):
            if "removed" in fact:
                assert fact["removed"] not in there
                continue
            model = there[fact.pop("id")]
            assert {name: getattr(model, name) for name in fact} == fact
            if "digest" in fact:
                number = fact["version"] - 1
                assert Path(model.get_weights()).read_bytes() == b"weights %d" % number
        InputModel.import_model("s3://b/after.pt")  # the registry still takes changes
    check_sound(root)


def stop_in_a_checkpoint(root):
    """Fill the write-ahead log, and stop when a part of it was copied into the database."""
    import resource
    import sqlite3
    from pathlib import Path

    from localreg import InputModel, Registry

    registry = Registry(root)
    for number in range(20):
        InputModel.import_model(f"s3://b/{number}", comment="x" * 4_000, registry=registry)
    # The header already counts pages beyond the size that the file may have.
    grown = Path(root, "registry.db").stat().st_size + 4_096
    resource.setrlimit(resource.RLIMIT_FSIZE, (grown, grown))
    with registry._chain.first.store.read() as connection:
        connection.execute("COMMIT")
        try:
            connection.execute("PRAGMA wal_checkpoint")
        except sqlite3.OperationalError:
            print("half done", flush=True)
        input()


@pytest.mark.parametrize("readonly", [False, True])
def test_a_kill_in_a_checkpoint_is_no_damage(tmp_path, children, readonly):
    """P1, P12: a registry is complete during a checkpoint, and after a kill in it."""
    root = tmp_path / "registry"
    Registry(root).close()
    database = root / "registry.db"
    with children.start(stop_in_a_checkpoint, root) as child:
        assert child.stdout.readline() == "half done\n"
        pages = int.from_bytes(database.read_bytes()[28:32], "big")
        assert pages * 4_096 > database.stat().st_size, "the checkpoint was not cut off"
        with Registry(root, readonly=True) as registry:
            assert len(registry.models()) == 20
        child.kill()
    with Registry(root, readonly=readonly) as registry:
        assert len(registry.models()) == 20
    check_sound(root)


def die_in_a_commit(root):
    """Kill this process when a part of a transaction is in the database file."""
    import os

    from localreg import Registry
    from localreg.registry import open_registry

    open_registry(root, journal="truncate").close()
    with Registry(root)._chain.first.store.write() as change:
        change.record("project.created", "f" * 32, {"name": "x" * 1_000_000})
        change.connection.execute("PRAGMA cache_size = 1")
        for number in range(3):  # more than the cache holds
            change.record("project.created", f"{number:032}", {"name": f"{number}" * 1_000_000})
        os.kill(os.getpid(), 9)


def test_a_kill_in_a_transaction_leaves_no_trace(tmp_path, children):
    """P3: a transaction half written to the database file is undone after a kill."""
    root = tmp_path / "registry"
    with children.start(die_in_a_commit, root) as child:
        assert child.wait() == -9
    assert (root / "registry.db-journal").stat().st_size > 0, "nothing had been written"
    assert (root / "registry.db").stat().st_size > 1_000_000, "nothing had been written"

    with Registry(root) as registry:
        assert registry.history() == []
    check_sound(root)


@pytest.fixture
def filled(tmp_path, monkeypatch):
    """The current registry, with one of each kind of record, and files of weights outside."""
    monkeypatch.chdir(tmp_path)
    Path("w.pt").write_bytes(b"weights")
    Path("new.pt").write_bytes(b"new weights")
    Path("known.pt").write_bytes(b"new weights")
    with Registry("registry", durability="fast") as registry:
        base = recording.describe(name="m", project="p", tags=["a", "b"], metadata={"k": "v"})
        first = Model(adding.add_model(registry._chain, "w.pt", base))
        adding.add_model(registry._chain, "known.pt", recording.describe(name="m", project="p"))
        registry.set_alias(first, "prod")
        registry.set_alias(first, "first")
        InputModel.import_model("s3://b/x.pt", name="other", label_enumeration={"cat": 1})
        InputModel(name="other").connect(Task.create("p", "user"), name="base")
        yield registry


def add(registry, path, alias=None, task=None, **told):
    adding.add_model(registry._chain, path, recording.describe(**told), alias=alias, task=task)


def import_(url="s3://b/new.pt", **told):
    InputModel.import_model(url, name="new", project="fresh", tags=["fresh"], **told)


def model():
    return InputModel(name="m", tags=["a"])


def user():
    return Task.get_task(task_name="user")


BAD_CALLS = {
    "name": lambda r: setattr(model(), "name", "a\0b"),
    "project": lambda r: setattr(model(), "project", "\ud800"),
    "comment": lambda r: setattr(model(), "comment", 5),
    "tags": lambda r: setattr(model(), "tags", ["new", ""]),
    "tags str": lambda r: setattr(model(), "tags", "new"),
    "system_tags": lambda r: setattr(model(), "system_tags", ["archived", "new", 5]),
    "add_tags": lambda r: model().add_tags("new", "__$all"),
    "remove_tags": lambda r: model().remove_tags("a", None),
    "set_metadata": lambda r: model().set_metadata("", 1),
    "set_all_metadata": lambda r: model().set_all_metadata({"new": 1, "": 2}),
    "set_alias": lambda r: r.set_alias("p/m:2", "a b"),
    "set_alias expect": lambda r: r.set_alias("p/m:2", "prod", expect="p/m:2"),
    "set_alias expect None": lambda r: r.set_alias("p/m:2", "prod", expect=None),
    "set_alias expect nothing": lambda r: r.set_alias("p/m:2", "prod", expect="nothing"),
    "set_alias nothing": lambda r: r.set_alias("nothing", "prod"),
    "remove_alias": lambda r: r.remove_alias("p/m", "none"),
    "restore": lambda r: r.restore("p/m:1"),
    "import url": lambda r: import_(""),
    "import url NUL": lambda r: import_("/a\0b"),
    "import labels": lambda r: import_(label_enumeration={"a": 1, "b": 1}),
    "import labels of text": lambda r: import_(label_enumeration={"a": "b"}),
    "import configs": lambda r: import_(config_text="a: 1", config_dict={"a": 1}),
    "import config": lambda r: import_(config_dict={"a": object()}),
    "import metadata": lambda r: import_(metadata={"": 1}),
    "import framework": lambda r: import_(framework="\0"),
    "copy of nothing": lambda r: import_("missing.pt", copy=True),
    "copy of a folder": lambda r: import_("registry", copy=True),
    "copy of a device": lambda r: import_("/dev/zero", copy=True),
    "copy of what cannot be read": lambda r: import_("/proc/self/mem", copy=True),
    "copy of a URL": lambda r: import_("ftp://b/new.pt", copy=True),
    "add alias": lambda r: add(r, "new.pt", name="new", project="fresh", alias="a/b"),
    "add URL": lambda r: add(r, "ftp://b/new.pt", name="new", project="fresh"),
    "remove in use": lambda r: Model.remove(InputModel(name="other"), raise_on_errors=True),
    "remove nothing": lambda r: Model.remove("nothing", raise_on_errors=True),
    "create task": lambda r: Task.create("fresh", "new", task_type="none"),
    "create task named": lambda r: Task.create("fresh", "\0"),
    "init task": lambda r: Task.init("fresh", "new", tags=["new", 5]),
    "connect no task": lambda r: model().connect("user"),
    "connect name": lambda r: model().connect(user(), name=""),
    "connect no model": lambda r: user().connect("m"),
    "set_input_model": lambda r: user().set_input_model("nothing", name="new"),
    "remove_input_models": lambda r: user().remove_input_models(["base", 5]),
    "task config": lambda r: user().set_model_config("a: 1", {"a": 1}),
    "task labels": lambda r: user().set_model_label_enumeration({"a": 1, "b": 1}),
    "task comment": lambda r: user().set_comment(5),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_a_bad_call_changes_nothing(filled, name):
    """P3: a call with a bad argument raises, and leaves no row and no file."""
    before = rows_of(filled.path), files_of(filled.path)
    with pytest.raises(LocalregError):
        BAD_CALLS[name](filled)
    assert (rows_of(filled.path), files_of(filled.path)) == before


GOOD_CALLS = {
    "tags": lambda r: setattr(model(), "tags", ["b", "c", "d"]),
    "system_tags": lambda r: setattr(model(), "system_tags", ["archived", "package", "x"]),
    "metadata": lambda r: model().set_all_metadata({"a": 1, "b": 2}),
    "name": lambda r: setattr(model(), "name", "renamed"),
    "project": lambda r: setattr(model(), "project", "fresh"),
    "alias": lambda r: r.set_alias("p/m:2", "prod"),
    "import": lambda r: import_(config_text="a: 1", metadata={"a": 1}),
    "copy": lambda r: import_("new.pt", copy=True),
    "add": lambda r: add(
        r, "new.pt", name="new", project="fresh", alias="prod", task=user()._row()
    ),
    "connect": lambda r: model().connect(user(), name="base"),
    "Task.connect": lambda r: user().connect(model()),
    "remove": lambda r: Model.remove(InputModel(name="other"), force=True),
    "create task": lambda r: Task.create("fresh", "new"),
    "close task": lambda r: user().close(),
    "inputs": lambda r: user().remove_input_models(["base"]),
}


@contextmanager
def failing_event(root, seq):
    """Make SQLite refuse one event."""
    with closing(sqlite3.connect(root / "registry.db")) as connection:
        connection.execute(
            f"CREATE TRIGGER injected BEFORE INSERT ON event WHEN NEW.seq = {seq} "
            "BEGIN SELECT RAISE(ABORT, 'injected'); END"
        )
        yield
        connection.execute("DROP TRIGGER injected")


def error_of(call, registry):
    try:
        call(registry)
    except RegistryError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", GOOD_CALLS)
def test_a_call_that_fails_midway_changes_nothing(filled, name):
    """P3: whichever event cannot be written, the call leaves no row; the next one succeeds."""
    before, written = rows_of(filled.path), len(filled.history())
    for number in range(1, 100):
        with failing_event(filled.path, written + number):
            error = error_of(GOOD_CALLS[name], filled)
        if error is None:
            break
        assert "injected" in error
        assert rows_of(filled.path) == before
        assert not list(filled.path.glob("tmp/*"))
    assert len(filled.history()) == written + number - 1 > written
    check_sound(filled.path)


def interrupted(registry):
    with registry._chain.first.store.write() as change:
        change.record("project.created", "f" * 32, {"name": "new"})
        raise KeyboardInterrupt


def test_an_interrupted_transaction_leaves_no_trace(filled):
    """P3: Ctrl-C in a transaction undoes it too; the next one succeeds."""
    before = rows_of(filled.path)
    with pytest.raises(KeyboardInterrupt):
        interrupted(filled)
    assert rows_of(filled.path) == before
    InputModel.import_model("s3://b/after.pt")


def log_until_killed(root, journal):
    """Report lines in eight threads, and print each after its call returned."""
    import sys
    import threading

    from localreg import Registry, Task
    from localreg.registry import open_registry

    open_registry(root, journal=journal).close()
    with Registry(root):
        task = Task.init(project_name="p", task_name="train", auto_connect_streams=False)
        logger = task.get_logger()

        def report(thread):
            number = 0
            while True:
                logger.report_text(f"{thread} {number}", print_console=False)
                sys.stdout.write(f"{thread} {number}\n")
                sys.stdout.flush()
                number += 1

        threads = [threading.Thread(target=report, args=(each,)) for each in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_a_kill_loses_no_line_of_a_log(tmp_path, children, journal):
    """P1: a line of `report_text` survives a kill right after the call, also of eight threads."""
    process = children.start(log_until_killed, tmp_path / "registry", journal)
    told = [process.stdout.readline() for _ in range(100)]
    process.kill()
    told += process.communicate()[0].splitlines()
    printed = [line.strip() for line in told if line.strip()]
    with Registry(tmp_path / "registry") as registry:
        found = [text for (text,) in registry.db.execute("SELECT text FROM message ORDER BY pk")]
    # The last line of each thread may be half printed, or written and not printed.
    assert len(printed) > 90
    assert set(printed[:-8]) <= set(found)
    for thread in range(8):
        mine = [line for line in found if line.startswith(f"{thread} ")]
        assert mine == [f"{thread} {number}" for number in range(len(mine))], "in order, each once"
