"""A registry as it was: the same answers as then, whatever happened since."""

from __future__ import annotations

import gc
import io
import json
import os
import random
import signal
import sqlite3
import time
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from support.command_line import run_cli
from support.meetings import bring_events, name_origin
from support.new_models import imported
from support.proofs import TIMES
from support.random_registries import CHANGES, Operations, Place, copy_of
from support.tables import dump

from localreg import InputModel, Model, OutputModel, Registry, Task, current_registry
from localreg.errors import (
    AmbiguousReferenceError,
    CorruptBlobError,
    InvalidValueError,
    NotFoundError,
    ReadOnlyRegistryError,
)
from localreg.operations.carry.as_of import parse_moment
from localreg.store.database.past import Cut, make_past
from localreg.values.ids import now


def seen(root, *options):
    """Return what the commands say of a registry, without what is not of that time."""
    models = json.loads(run_cli("-R", root, "ls", "-a", "-l", "0", "--json", *options)[1])
    return [
        models,
        *(run_cli("-R", root, "lineage", each["id"], "--json", *options)[1] for each in models),
        json.loads(run_cli("-R", root, "history", "-l", "0", "--json", *options)[1]),
    ]


def steps(registry, folder):
    """Change a registry in many ways; yield after each call."""
    paths = [folder / f"w{number}.pt" for number in range(3)]
    for path in paths:
        path.write_bytes(path.name.encode() * 10)
    one = registry.add(paths[0], "net", "vision", tags=["a"], metadata={"rank": 1})
    yield
    registry.set_alias(one, "prod")
    yield
    two = registry.add(paths[1], "net", "vision")
    yield
    registry.set_alias(two, "prod")
    yield
    one.tags = ["b", "c"]
    yield
    one.set_metadata("rank", 2)
    yield
    two.comment = "a note"
    yield
    two.name = "other"
    yield
    two.project = "speech"
    yield
    task = Task.init(project_name="vision", task_name="train")
    yield
    task.connect({"lr": 0.1})
    yield
    made = OutputModel(task, name="made", config_dict={"a": 1})
    yield
    made.update_weights(str(paths[1]))
    yield
    made.update_weights(str(paths[2]))
    yield
    made.restore_weights(1)
    yield
    made.publish()
    yield
    one.archive()
    yield
    task.close()
    yield
    Model.remove(one, delete_weights_file=False)
    yield
    registry.restore(one.id)
    yield
    registry.set_alias(one, "best")
    yield
    registry.remove_alias(one, "best")
    yield
    Model.remove(two, delete_weights_file=True)
    yield


def test_it_says_what_it_said_then(registry, tmp_path):
    """By the last event of each call, and by its time: lists, models, aliases, lineage, history."""
    root = registry.path
    then = []
    for _ in steps(registry, tmp_path):
        last = max(registry.history(), key=lambda each: each.seq)
        then.append((last.event_id, last.at, seen(root)))
    for event_id, at, wanted in then:
        assert seen(root, "--as-of", event_id) == wanted
        assert seen(root, "--as-of", at.isoformat()) == wanted


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2 * TIMES))
def test_every_table_is_as_it_was_then(tmp_path, site, seed):
    """For random operations of two registries that merge now and then, by event and by time."""
    seed += random.randrange(10**6) if TIMES > 1 else 0
    chance = random.Random(seed)
    operations = Operations(chance, tmp_path, site)
    one = Place(tmp_path / "one")
    for _ in range(5):
        operations.step(one, "add")
    two = copy_of(one, tmp_path / "two")
    name_origin(two.registry, "two")
    then = []
    for _ in range(40):
        place = chance.choice([one, two])
        operations.step(place, chance.choices(list(CHANGES), CHANGES.values())[0])
        if chance.random() < 0.1:
            bring_events(two.registry, one.registry)
        if chance.random() < 0.1:
            bring_events(one.registry, two.registry)
        with one.registry._chain.first.store.read() as connection:
            last = connection.execute("SELECT max(pk) FROM event").fetchone()[0]
            then.append((last, now(), dump(connection)))
    for last, at, wanted in then:
        for cut in (Cut(at, last), Cut(at)):
            path = tmp_path / "past.db"
            with one.registry._chain.first.store.read() as connection:
                make_past(connection, path, cut)
            with closing(sqlite3.connect(path)) as connection:
                found = dump(connection)
                assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            path.unlink()
            for table, rows in wanted.items():
                assert found[table] == rows, (seed, table)


def test_a_model_of_then(registry, tmp_path):
    """What was prod? Names, tags, weights and metadata; and what a handle does."""
    one = registry.add(io.BytesIO(b"one"), "net", "p", filename="one.pt", alias="prod")
    then = registry.history(limit=1)[0]
    two = registry.add(io.BytesIO(b"two"), "net", "p", filename="two.pt", alias="prod")
    one.name = "old"
    one.tags = ["late"]
    with registry.as_of(then.event_id) as past:
        model = past.model("p/net@prod")
        assert (model.id, model.name, model.tags) == (one.id, "net", [])
        assert Path(model.get_local_copy()).read_bytes() == b"one"
        assert [each.id for each in past.models()] == [one.id]
        assert past.history() == registry.history()[-len(past.history()) :]
        assert current_registry().models() == past.models()
        assert past.path == registry.path
    assert registry.model("p/net@prod") == two
    assert registry.model("p/old").tags == ["late"]


def test_reported_values_until_then(registry):
    """Scalars, single values and log lines; the summary of a series is that of its points."""
    model = imported("net", registry=registry)
    task = Task.init(project_name="p", task_name="t")
    for step in range(4):
        model.report_scalar("loss", "train", float(step), step)
    model.report_single_value("accuracy", 0.5)
    task.get_logger().report_text("first line")
    task.flush(wait_for_uploads=True)
    registry._chain.first.store.flush()
    then = datetime.now(UTC)
    while datetime.now(UTC) - then < timedelta(milliseconds=2):  # the times of points are so coarse
        pass
    for step in range(4, 8):
        model.report_scalar("loss", "train", float(step), step)
    model.report_scalar("later", "train", 1.0, 1)
    model.report_single_value("late", 0.5)
    task.get_logger().report_text("second line")
    task.close()
    with registry.as_of(then) as past:
        found = past.model(model.id).get_reported_scalars()
        assert found["loss"]["train"]["y"] == [0.0, 1.0, 2.0, 3.0]
        assert list(found) == ["loss"]
        assert past.model(model.id).get_reported_single_values() == {"accuracy": 0.5}
        row = past.db.conn.execute("SELECT points, last, low, high FROM series").fetchall()
        assert [tuple(each) for each in row] == [(4, 3.0, 0.0, 3.0)]
        lines = past.db.conn.execute("SELECT text FROM message").fetchall()
        assert [text for (text,) in lines] == ["first line"]
        assert past.db.conn.execute("PRAGMA foreign_key_check").fetchall() == []
    registry.close()


def test_bytes_that_are_gone_are_an_error_that_says_when(registry, tmp_path):
    model = registry.add(io.BytesIO(b"one"), "net", "p", filename="one.pt")
    registry.add(io.BytesIO(b"two"), "net", "p", filename="two.pt")
    then = registry.history(limit=1)[0].event_id
    Model.remove(model, delete_weights_file=True)
    with (
        registry.as_of(then) as past,
        pytest.raises(CorruptBlobError, match=r"are gone: .*: removed p/net on 20.* by .*@"),
    ):
        past.model(model.id).get_local_copy(raise_on_error=True)
    root = registry.path
    registry.close()
    code, out, _ = run_cli("-R", root, "show", "p/net:1", "--as-of", then)
    assert code == 0
    assert "MISSING: " in out
    assert "removed p/net on 20" in out
    for command in (["get", "p/net:1", "-o", tmp_path / "out.pt"], ["path", "p/net:1"]):
        code, out, err = run_cli("-R", root, *command, "--as-of", then)
        assert (code, out) == (4, "")
        assert "removed p/net on 20" in err
    code, out, _ = run_cli("-R", root, "get", "p/net:2", "-o", tmp_path / "2.pt", "--as-of", then)
    assert code == 0
    assert (tmp_path / "2.pt").read_bytes() == b"two"


def test_bytes_of_a_dropped_revision(registry, write_file):
    task = Task.init(project_name="p", task_name="t")
    model = OutputModel(task, name="net")
    model.update_weights(str(write_file("0.pt", "weights 0")))
    then = registry.history(limit=1)[0].event_id
    for number in range(1, 4):
        model.update_weights(str(write_file(f"{number}.pt", f"weights {number}")), keep_last=1)
    task.close()
    registry.gc(grace_seconds=0, dry_run=False)
    with (
        registry.as_of(then) as past,
        pytest.raises(CorruptBlobError, match="weights 1 dropped on 20"),
    ):
        past.model(model.id).get_local_copy(raise_on_error=True)


def test_a_file_of_a_package_that_is_gone(registry, tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "a.bin").write_bytes(b"a")
    model = registry.add(tmp_path / "package", "packed")
    then = registry.history(limit=1)[0].event_id
    Model.remove(model, delete_weights_file=True)
    with (
        registry.as_of(then) as past,
        pytest.raises(CorruptBlobError, match="removed packed on 20"),
    ):
        past.model("packed").get_local_copy(raise_on_error=True)


WRITES = {
    "a tag": lambda past, model: setattr(model, "tags", ["x"]),
    "an alias": lambda past, model: past.set_alias(model, "prod"),
    "weights": lambda past, model: past.add(io.BytesIO(b"1"), "x", filename="x"),
    "an import": lambda past, model: InputModel.import_model("s3://b/x", registry=past),
    "a removal": lambda past, model: Model.remove(model),
    "undo": lambda past, model: past.undo(),
    "gc": lambda past, model: past.gc(dry_run=False),
    "pages": lambda past, model: past.render(),
    "a page": lambda past, model: model.report(),
    "a scalar": lambda past, model: (
        model.report_scalar("a", "b", 1.0, 1), past._chain.first.store.flush()
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRITES)
def test_nothing_can_be_changed_in_it(registry, what):
    """The error says that it is a view, and of which time."""
    imported("net", registry=registry)
    before = registry.history()
    with (
        registry.as_of(before[0].event_id) as past,
        pytest.raises(ReadOnlyRegistryError, match=r"as of event \w{8}, .*as-of"),
    ):
        WRITES[what](past, past.model("net"))
    assert registry.history() == before


def test_a_model_of_then_cannot_be_used_to_change_the_registry(registry):
    model = imported("net", registry=registry)
    with registry.as_of(registry.history(limit=1)[0].event_id) as past:
        with pytest.raises(InvalidValueError, match="is a model of"):
            registry.set_alias(past.model("net"), "prod")
        assert past.model("net") != model


@pytest.fixture
def zone(monkeypatch):
    """A time zone of 2 hours east of UTC."""
    monkeypatch.setenv("TZ", "XXX-2")
    time.tzset()
    yield timezone(timedelta(hours=2))
    monkeypatch.undo()
    time.tzset()


def micros(*when, tz=UTC):
    return round(datetime(*when, tzinfo=tz).timestamp() * 1_000_000)


def test_times_and_their_forms(registry, zone):
    """Without a zone they are local; a date alone is the end of that day."""
    first = registry._chain.first

    def at(when):
        return parse_moment(first, when).cut.at

    noon = micros(2026, 11, 3, 12, tz=zone)
    last = micros(2026, 11, 3, 23, 59, 59, 999_999, tz=zone)
    for given in ("2026-11-03T12:00", "2026-11-03 12:00:00", "2026-11-03T11:00+01:00",
                  "2026-11-03T10:00Z", " 2026-11-03T12:00 ", datetime(2026, 11, 3, 12),
                  datetime(2026, 11, 3, 10, tzinfo=UTC)):  # fmt: skip
        assert at(given) == noon, given
    for given in ("2026-11-03", date(2026, 11, 3)):
        assert at(given) == last, given
    for given, seconds in (("7d", 7 * 86_400), ("30m", 1_800), ("2 h", 7_200)):
        assert abs(at(given) - (time.time() - seconds) * 1e6) < 60e6
    assert parse_moment(first, "2026-11-03T12:00").text.startswith("2026-11-03 12:00:00")


@pytest.mark.parametrize(
    "when",
    ["", "yesterday", "2026-13-01", "7", "7 parsecs", "12345", "a b c", 7, None, b"2026-11-03",
     "99999999999 d", datetime.min],
)  # fmt: skip
def test_anything_else_is_an_error(registry, when):
    with pytest.raises(InvalidValueError):
        registry.as_of(when)


def test_an_event_that_is_not_there(registry):
    model = imported("net", registry=registry)
    with pytest.raises(NotFoundError, match=r"there is no event c0ffee; .* written with dashes"):
        registry.as_of("c0ffee")
    with registry._chain.first.store.write() as change:
        for each in "ab":
            payload = {"old": False, "new": True, "system": False}
            change.record("model.tag", model.id, payload, field=each, event_id="c0ffee" + each * 26)
    with pytest.raises(AmbiguousReferenceError, match="several events begin with c0ffee"):
        registry.as_of("c0ffee")
    with registry.as_of("C0FFEEA") as past:
        assert past.model("net").tags == ["a"]


def test_before_the_first_event_it_is_empty(registry):
    imported("net", registry=registry)
    with registry.as_of("2001-01-01") as past:
        assert (past.models(), past.history()) == ([], [])
    code, out, err = run_cli("-R", registry.path, "ls", "--as-of", "2001-01-01")
    assert (code, out) == (0, "")
    assert "There were no models" in err


def test_in_the_future_it_is_as_now(registry):
    imported("net", registry=registry)
    with registry.as_of("2999-01-01") as past:
        assert past.history() == registry.history()


def test_a_clock_that_was_wrong_once_hides_only_that_change(registry):
    """P16: not what was done before or after it."""
    model = imported("net", registry=registry)
    model.tags = ["a"]
    with registry._chain.first.store.write() as change:
        change.at = 4_000_000_000_000_000  # the year 2096
        change.record("model.changed", model.id, {"old": None, "new": "future"}, field="comment")
    model.tags = ["a", "b"]
    with registry.as_of(datetime.now(UTC)) as past:
        assert past.model("net").tags == ["a", "b"]
        assert not past.model("net").comment


def files(root):
    return sorted(
        (str(path.relative_to(root)), path.lstat().st_mtime_ns)
        for path in Path(root).rglob("*")
        if path.is_file()
    )


def test_nothing_is_left_when_it_is_closed(registry):
    imported("net", registry=registry)
    registry._chain.first.blobs.make_folder("tmp")
    before = [name for name, _ in files(registry.path)]
    with registry.as_of("2999-01-01"):
        assert len(files(registry.path)) == len(before) + 1
    assert [name for name, _ in files(registry.path)] == before
    past = registry.as_of("2999-01-01")
    past.close()
    past.close()
    del past
    view = registry.as_of("2999-01-01")
    del view
    gc.collect()
    assert [name for name, _ in files(registry.path)] == before


def hold(root):
    """Open a view, say so, and wait to be killed."""
    import sys

    from localreg import Registry

    with Registry(root).as_of("2999-01-01"):
        print("open", flush=True)
        sys.stdin.read()


def test_gc_deletes_what_a_killed_process_left(registry, children):
    imported("net", registry=registry)
    process = children.start(hold, registry.path)
    assert process.stdout.readline() == "open\n"
    assert registry.gc(grace_seconds=0).garbage == ()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    ((kind, path),) = [(each.kind, each.path) for each in registry.gc(grace_seconds=0).garbage]
    assert (kind, Path(path).parts[0]) == ("leftover", "tmp")
    registry.gc(grace_seconds=0, dry_run=False)
    assert registry.gc(grace_seconds=0).garbage == ()


def test_a_registry_that_is_only_read(tmp_path, temporary_folder):
    """The view is in the user's folder; nothing in the registry is written."""
    with Registry(tmp_path / "registry", durability="fast") as registry:
        registry.add(io.BytesIO(b"one"), "net", filename="one.pt")
        then = registry.history(limit=1)[0].event_id
        registry.model("net").tags = ["late"]
    before = files(tmp_path / "registry")
    with Registry(tmp_path / "registry", readonly=True) as reader, reader.as_of(then) as past:
        assert past.model("net").tags == []
        assert Path(past.model("net").get_local_copy()).read_bytes() == b"one"
        assert [path.suffix for path in temporary_folder.rglob("*registry.db*")]
    assert files(tmp_path / "registry") == before
    assert not list(temporary_folder.rglob("*registry.db*"))


def test_a_disk_that_is_full(tmp_path, small_disk, temporary_folder):
    """P29: reading works, also as of a time."""
    disk = small_disk("-t", "tmpfs", "-o", "size=2m", "none")
    with Registry(disk / "registry", durability="fast") as registry:
        imported("net", registry=registry)
    with open(disk / "ballast", "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(4_096))
        except OSError:
            pass
    code, out, err = run_cli("-R", disk / "registry", "ls", "-q", "--as-of", "2999-01-01")
    assert (code, len(out.split()), err) == (0, 1, "")


def test_every_command_that_looks_takes_a_time(registry):
    model = imported("net", project="p", registry=registry)
    then = registry.history(limit=1)[0].event_id
    model.name = "other"
    root = registry.path
    registry.close()
    for command in (["ls"], ["show", "p/net"], ["lineage", "p/net"], ["history", "p/net"]):
        code, out, err = run_cli("-R", root, *command, "--as-of", then)
        assert (code, err) == (0, ""), command
        assert "net" in out
        assert "other" not in out
        assert run_cli("-R", root, *command, "--as-of", "c0ffee")[0] == 3
        code, _, err = run_cli("-R", root, *command, "--as-of", "soon")
        assert code == 1
        assert "as-of needs a time such as" in err
