"""The event log: never changed, complete, grouped by transaction, ordered without clocks."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

import pytest
from support.statements import steps

from localreg.errors import RegistryError
from localreg.operations.models import aliases, edits, history, removal
from localreg.operations.models.adding import add_model
from localreg.operations.models.recording import describe
from localreg.operations.trust import gates
from localreg.registry import Chain, open_registry
from localreg.store.database.user_database import explore
from localreg.store.events import refolding
from localreg.store.rows import event_rows, model_rows
from localreg.values.frozen import replace
from localreg.values.ids import alias_id


@pytest.fixture
def registry(tmp_path):
    registry = open_registry(tmp_path / "registry", durability="fast")
    yield registry
    registry.close()


@pytest.fixture
def add(registry, tmp_path):
    """Return a function that adds a model, with new bytes each time."""
    path = tmp_path / "weights.pt"

    def add_one(into=registry, **described):
        path.write_bytes(path.read_bytes() + b"more" if path.exists() else b"")
        alias = described.pop("alias", None)
        return add_model(Chain(into), path, describe(**described), alias=alias)

    return add_one


def rows(registry, sql):
    with registry.store.read() as connection:
        return connection.execute(sql).fetchall()


def record(registry, model):
    with registry.store.read() as connection:
        return model_rows.record(connection, model)


def refold(registry):
    with registry.store.write() as change:
        refolding.refold(change.connection)


def execute(registry, sql):
    with registry.store.write() as change:
        change.connection.execute(sql)


@pytest.mark.parametrize(
    ("kind", "v"),
    [("model.tag", 2), ("model.removed", 2), ("model.created", 3), ("model.painted", 1), ("x", 99)],
)
def test_unknown_kinds_and_versions_stay_in_the_log_and_are_not_applied(registry, add, kind, v):
    model = add(tags=["a"])
    before = record(registry, model)
    payload = {"new": [1, {"deep": None}], "old": 2}
    with registry.store.write() as change:
        change.record(kind, model, payload, field="f", v=v)
    assert record(registry, model) == before, "not even `stamp` moved"
    refold(registry)
    assert record(registry, model) == before
    entry = history.history(registry, model)[0]
    assert (entry.kind, entry.field, entry.payload, entry.text) == (kind, "f", payload, f"{kind} f")
    edits.set_comment(registry, model, "life goes on")
    refold(registry)
    assert record(registry, model).comment == "life goes on"


def test_restore_uses_the_last_removal_of_a_known_version(registry, add):
    """A newer localreg may have recorded another removal, in a version unknown here."""
    model = add(tags=["a"])
    before = record(registry, model)
    removal.remove_model(registry, model, delete_weights=False)
    with registry.store.write() as change:
        change.record("model.removed", model, {"words": "of its own"}, v=2)
    removal.restore_model(Chain(registry), model)
    after = record(registry, model)
    assert after == replace(before, updated=after.updated, stamp=after.stamp)


COLUMNS = (
    "pk event_id origin seq grp lamport stamp at actor kind v subject field payload arrived"
).split()


@pytest.mark.parametrize(
    "sql",
    [
        *(f"UPDATE event SET {column} = {column}" for column in COLUMNS),
        "UPDATE OR REPLACE event SET seq = 1",
        "DELETE FROM event",
        "DELETE FROM event WHERE seq = 1",
        "INSERT OR REPLACE INTO event SELECT * FROM event",
    ],
)
def test_an_event_is_never_changed(registry, add, sql):
    add()
    add()
    before = rows(registry, "SELECT * FROM event")
    with pytest.raises(RegistryError, match=r"events are never (changed|deleted)"):
        execute(registry, sql)
    assert rows(registry, "SELECT * FROM event") == before


def test_an_event_cannot_be_changed_through_registry_db(registry, add):
    """`registry.db` is a sqlite-utils Database with its own connection."""
    model = add()
    with closing(explore(registry.store)) as database:
        events = list(database["event"].rows)
        with pytest.raises(sqlite3.IntegrityError, match="never deleted"):
            database["event"].delete_where("subject = ?", [model])
        with pytest.raises(sqlite3.IntegrityError, match="never deleted"):
            database["event"].insert(events[0] | {"kind": "forged"}, replace=True)
        with pytest.raises(sqlite3.IntegrityError, match="never changed"):
            database["event"].update(events[0]["pk"], {"kind": "forged"})
        database.conn.rollback()
        assert list(database["event"].rows) == events


def test_a_remote_may_give_an_event_its_position(registry, add):
    add()
    execute(registry, "UPDATE event SET position = 7")
    assert rows(registry, "SELECT DISTINCT position FROM event") == [(7,)]


def test_a_gate_and_its_alias_have_one_stamp(registry, add):
    """Each subject has one in a transaction."""
    model = add(name="m", project="new")
    aliases.set_alias(Chain(registry), model, "best")
    gates.protect(Chain(registry), ("new", "m"), "best", ("k>=1",), override="it is urgent")
    sql = "SELECT grp, stamp, kind FROM event WHERE subject = ? ORDER BY pk DESC LIMIT 2"
    last, before = rows(registry, sql.replace("?", f"'{alias_id('new', 'm', 'best')}'"))
    assert {last[2], before[2]} == {"alias.set", "alias.protected"}
    assert last[:2] == before[:2]
    assert rows(registry, f"SELECT stamp FROM model WHERE id = '{model}'") == [(last[1],)]


def test_the_events_of_one_call_have_one_group_number(registry, add):
    first = add(name="m", project="new")
    aliases.set_alias(Chain(registry), first, "best")
    second = add(name="m", project="new", alias="best")
    log = rows(registry, "SELECT seq, grp, kind, subject FROM event")
    assert log == [
        (1, 1, "project.created", log[0][3]),
        (2, 1, "model.created", first),
        (3, 3, "alias.set", alias_id("new", "m", "best")),
        (4, 4, "model.created", second),
        (5, 4, "alias.set", alias_id("new", "m", "best")),
    ]
    stamps = rows(registry, "SELECT count(DISTINCT stamp), count(DISTINCT subject) FROM event")
    assert stamps == [(5, 4)], "each subject has one stamp in a group"


@pytest.mark.parametrize("step", [0, -3_600_000_000_000])
def test_the_order_of_events_does_not_depend_on_the_clock(registry, add, monkeypatch, step):
    """This holds for projects too, which have no column `stamp`."""
    moments = iter(1_700_000_000_000_000_000 + step * count for count in range(1_000))
    monkeypatch.setattr(time, "time_ns", lambda: next(moments))
    models = [add(project=f"project {number}") for number in range(9)]
    newest = rows(registry, "SELECT id FROM model ORDER BY stamp DESC")
    assert newest == [(model,) for model in reversed(models)]
    stamps = rows(registry, "SELECT min(stamp), max(stamp) FROM event GROUP BY grp ORDER BY grp")
    flat = [stamp for pair in stamps for stamp in pair]
    assert flat == sorted(set(flat))


def test_two_writers_share_one_log(registry, add):
    with closing(open_registry(registry.root, durability="fast")) as other:
        for number in range(6):
            add((registry, other)[number % 2])
    assert rows(registry, "SELECT seq, grp FROM event") == [(n, n) for n in range(1, 7)]


def test_the_newest_events_come_in_one_order_whatever_the_order_of_their_arrival(registry, add):
    """By stamp, then by the Lamport clock, then by id; of a model with its alias events."""
    model, other = add(name="m"), add(name="m")
    aliases.set_alias(Chain(registry), model, "best")
    aliases.set_alias(Chain(registry), other, "best")
    places = [(7, 2, "b"), (9, 1, "a"), (7, 2, "c"), (7, 1, "d"), (9, 1, "f"), (2, 9, "e")]
    with registry.store.write() as change:
        for number, (stamp, lamport, name) in enumerate(places):
            change.connection.execute(
                "INSERT INTO event (event_id, origin, seq, grp, lamport, stamp, at, actor, kind, "
                "v, subject, payload) SELECT ?, origin, ?, grp, ?, ?, at, actor, 'x', 1, ?, '{}' "
                "FROM event WHERE pk = 1",
                (name * 32, 100 + number, lamport, stamp, model),
            )
    with registry.store.read() as connection:
        whole = event_rows.events(connection)
        of_model = event_rows.events(connection, model)
        ids = [each.event_id for each in of_model]
        assert [each[0] for each in ids[-6:]] == ["f", "a", "c", "b", "d", "e"]
        kinds = [each.change.kind for each in of_model[:-6]]
        assert kinds == ["alias.set", "alias.set", "model.created"]
        assert of_model == [each for each in whole if each in of_model]
        assert event_rows.events(connection, model, 4) == of_model[:4]
        assert event_rows.count(connection, model) == len(of_model) == 9
        assert event_rows.count(connection, other) == 2
        assert event_rows.events(connection, None, 3) == whole[:3]


def test_a_page_of_a_long_history_reads_no_more_than_one_of_a_short_history(registry, add):
    model = add(tags=["a"])
    calls = {
        "newest": lambda c: event_rows.newest_keys(c, model, 20),
        "of all": lambda c: event_rows.newest_keys(c, None, 20),
        "last": lambda c: event_rows.last_on(c, model, "model.changed"),
    }

    def change_it(times):
        with registry.store.write() as change:
            for number in range(times):
                payload = {"old": None, "new": str(number), "was": None}
                change.record("model.changed", model, payload, field="comment")

    def read():
        with registry.store.read() as connection:
            return {name: steps(connection, call) for name, call in calls.items()}

    for _ in range(3):
        change_it(30)
    few = read()
    for _ in range(20):
        change_it(100)
    many = read()
    assert {name: count for name, count in many.items() if count > few[name] + 50} == {}
    with registry.store.read() as connection:
        everything = steps(connection, lambda c: event_rows.newest_keys(c, model))
    assert everything > 20 * few["newest"], "what reads all is seen"
