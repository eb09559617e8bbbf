"""P31: events give the same tables, whether they come in one large arrival or in many small ones.

A large arrival is folded in memory, in parts, and into an empty log it comes without indexes, which
are made afterwards. What comes out of it is compared table by table with what the registry has
where the events were made, one statement after the other.
"""

from __future__ import annotations

import random
import sqlite3
import sys
from contextlib import closing

import pytest
from support.meetings import bring_events, name_origin
from support.proofs import TIMES
from support.random_registries import CHANGES, Operations, Place, copy_of
from support.tables import dump

from localreg import OutputModel, Registry, Task
from localreg.errors import EventConflictError, InvalidEventError
from localreg.store.database.schema_check import check_schema
from localreg.store.events.arriving import take_in
from localreg.store.events.refolding import refold
from localreg.store.rows import logged_rows
from localreg.values.frozen import replace

REMOTE = "f" * 32
# What is different where events came from elsewhere, or by another way.
LOCAL = ("arrived", "positioned", "grp", "url")


def log_of(folder, site, seed, steps=40):
    """Return registries whose events met, and all events of the first."""
    chance = random.Random(seed)
    operations = Operations(chance, folder, site)
    one = Place(folder / "one")
    for _ in range(5):
        operations.step(one, "add")
    two = copy_of(one, folder / "two")
    name_origin(two.registry, "two")
    for _ in range(steps):
        place = chance.choice([one, two])
        operations.step(place, chance.choices(list(CHANGES), CHANGES.values())[0])
        if chance.random() < 0.1:
            bring_events(two.registry, one.registry)
    for _ in range(10):
        operations.step(one, "tag")
    bring_events(two.registry, one.registry)
    return one, two, *events_of(one.registry)


def events_of(registry):
    """Return all events of a registry, and the names of their origins."""
    with registry._chain.first.store.read() as connection:
        return list(logged_rows.all_events(connection)), logged_rows.origins(connection)


def take(registry, events, origins, **how):
    with registry._chain.first.store.write() as change:
        return take_in(change, events, origins, **how)


def tables(registry):
    with closing(sqlite3.connect(registry.path / "registry.db")) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return dump(connection, without=LOCAL)


def schema(registry):
    with closing(sqlite3.connect(registry.path / "registry.db")) as connection:
        check_schema(connection, registry.path)
        return sorted(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema"))


def placed(events, chance):
    """Return events with the places that a remote might give: in order, all but the last ones."""
    some = events[: chance.randrange(len(events))]
    where = sorted(chance.sample(range(10 * len(events)), len(some)))
    given = [replace(e, remote=REMOTE, position=n) for e, n in zip(some, where, strict=True)]
    return given + events[len(some) :]


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2 * TIMES))
def test_events_come_to_the_same_in_whatever_parts(tmp_path, site, seed):
    seed += random.randrange(10**6) if TIMES > 1 else 0
    chance = random.Random(seed)
    one, two, events, origins = log_of(tmp_path, site, seed)
    wanted, found = tables(one.registry), {}
    in_order = sorted(events, key=lambda each: each.order)
    with_places = placed(in_order, chance)
    shuffled = chance.sample(events, len(events))
    ways = {
        "large": (events, {"at_once": 20, "kept": 1_000}),
        "in windows": (events, {"at_once": 9, "kept": 30}),
        "shuffled": (shuffled, {"at_once": 9, "kept": 50}),
        "small": (events, {"at_once": 10_000}),
        "with places": (with_places, {"at_once": 9, "kept": 40}),
        "with places, small": (with_places, {"at_once": 10_000}),
    }
    for name, (some, how) in ways.items():
        with Registry(tmp_path / name, durability="fast") as registry:
            found[name] = take(registry, some, origins, **how)
            assert found[name].events == len(events)
            assert found[name].folded
            now = tables(registry)
            with registry._chain.first.store.write() as change:
                refold(change.connection)
            again = tables(registry)
            assert take(registry, some, origins, **how).events == 0
            assert tables(registry) == again
        for table, rows in (wanted if "places" not in name else now).items():
            if table != "arrival" and "places" not in name:
                assert now[table] == rows, (seed, name, table)
            assert again[table] == now[table], (seed, name, table)
    for name in ("in windows", "small", "shuffled"):
        for part in ("models", "tasks"):
            assert sorted(getattr(found[name], part)) == sorted(getattr(found["large"], part))
    for place in (one, two):
        place.close()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2 * TIMES))
def test_a_grown_registry_comes_to_the_same(tmp_path, site, seed):
    """Part of each unit is here already; then all events come, with places, in any order."""
    seed += random.randrange(10**6) if TIMES > 1 else 0
    chance = random.Random(seed)
    one, two, events, origins = log_of(tmp_path, site, seed)
    here = chance.sample(events, len(events) // 2)
    with_places = placed(chance.sample(events, len(events)), chance)
    ended = []
    for name, kept in (("few", 1), ("all", 10_000)):
        with Registry(tmp_path / name, durability="fast") as registry:
            take(registry, here, origins, at_once=30, kept=40)
            take(registry, with_places, origins, at_once=10, kept=kept)
            now = tables(registry)
            with registry._chain.first.store.write() as change:
                refold(change.connection)
            for table, rows in tables(registry).items():
                assert now[table] == rows, (seed, name, table)
            ended.append(now)
    assert ended[0] == ended[1]
    for place in (one, two):
        place.close()


@pytest.fixture
def log(tmp_path, site):
    """Return the events of a registry, and the names of their origins."""
    one, two, events, origins = log_of(tmp_path, site, 3)
    one.close()
    two.close()
    return events, origins


def test_a_large_arrival_leaves_the_schema_as_it_was(tmp_path, log):
    """Tables, indexes and triggers are as schema.sql has them; keys go on after the last one."""
    events, origins = log
    with Registry(tmp_path / "new", durability="fast") as registry:
        registry.models()
        before = schema(registry)
        with registry._chain.first.store.write() as change:
            cache = change.connection.execute("PRAGMA cache_size").fetchone()
            take_in(change, events, origins, at_once=20, kept=50)
            assert change.connection.execute("PRAGMA cache_size").fetchone() == cache
        assert schema(registry) == before
        with closing(sqlite3.connect(registry.path / "registry.db")) as connection:
            for table in ("event", "model", "task", "blob", "weights"):
                (last,) = connection.execute(f"SELECT max(pk) FROM {table}").fetchone()
                (sequence,) = connection.execute(
                    "SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)
                ).fetchone()
                assert sequence >= last, table
        (tmp_path / "w.pt").write_bytes(b"w")
        assert registry.add(tmp_path / "w.pt", "later").version == 1


def test_a_large_arrival_with_a_wrong_event_changes_nothing(tmp_path, log):
    events, origins = log
    with Registry(tmp_path / "new", durability="fast") as registry:
        registry.models()
        before, rows = schema(registry), tables(registry)
        wrong = replace(events[-1], payload={"new": float("nan")})
        other = replace(events[3], lamport=events[3].lamport + 1)
        for last, error in ((wrong, InvalidEventError), (other, EventConflictError)):
            with pytest.raises(error):
                take(registry, [*events[:-1], last], origins, at_once=10, kept=30)
            assert schema(registry) == before
            assert tables(registry) == rows


def test_events_that_come_twice_in_one_large_arrival_count_once(tmp_path, log):
    """Also if they have places only the second time, which put them in another order."""
    events, origins = log
    other_order = random.Random(1).sample(events, len(events))
    twice = [replace(e, remote=REMOTE, position=n) for n, e in enumerate(other_order)]
    found = []
    for name, some in (("once", twice), ("twice", [*events, *twice])):
        with Registry(tmp_path / name, durability="fast") as registry:
            assert take(registry, some, origins, at_once=10, kept=30).events == len(events)
            found.append(tables(registry))
    assert found[0] == found[1]


def refolded(registry):
    return {row["subject"] for row in registry.db.query("SELECT subject FROM refolded")}


def test_units_whose_order_stays_are_not_folded_again(tmp_path, log):
    """Places that leave a unit in its order change nothing in it; others let it be folded again."""
    events, origins = log
    in_order = sorted(events, key=lambda each: each.order)
    with Registry(tmp_path / "new", durability="fast") as registry:
        take(registry, events, origins)
        before = tables(registry)
        half = in_order[: len(events) // 2]
        came = take(
            registry,
            [replace(e, remote=REMOTE, position=n) for n, e in enumerate(half)],
            origins,
        )
        projects = {each.subject for each in events if each.kind == "project.created"}
        assert came.folded
        assert refolded(registry) <= projects
        now = tables(registry)
        assert {name: rows for name, rows in now.items() if name != "event"} == {
            name: rows for name, rows in before.items() if name != "event"
        }
        # The last event of a unit is the first one to get a place: it moves to the front.
        moved = next(
            each for each in reversed(in_order)
            if each not in half and each.event_id != each.subject
            and sum(other.subject == each.subject for other in in_order) > 2
            and any(other.subject == each.subject for other in in_order[len(half) : -1]
                    if other.event_id != each.event_id)
        )  # fmt: skip
        take(registry, [replace(moved, remote=REMOTE, position=10_000)], origins)
        assert moved.subject in refolded(registry)
        with registry._chain.first.store.write() as change:
            now = dump(change.connection, without=LOCAL)
            refold(change.connection)
            assert dump(change.connection, without=LOCAL) == now


def test_a_model_is_a_package_elsewhere_too(tmp_path):
    """While the revision that it serves is one."""
    (tmp_path / "w.pt").write_bytes(b"w")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "config.json").write_text("{}")
    with Registry(tmp_path / "one", durability="fast") as registry:
        output = OutputModel(Task.create("p", "t"), name="net")
        output.update_weights(str(tmp_path / "w.pt"))
        output.update_weights_package(weights_path=str(tmp_path / "package"))
        events, origins = events_of(registry)
        wanted = tables(registry)
    with Registry(tmp_path / "two", durability="fast") as registry:
        take(registry, events, origins)
        assert tables(registry)["model"] == wanted["model"]
        assert [row["package"] for row in registry.db.query("SELECT package FROM model")] == [1]


def take_in_large(folder):
    """Take in 100 MB of models; return by how much the most memory of the process grew, in MB."""
    from pathlib import Path

    from localreg import InputModel, Registry
    from localreg.store.events.arriving import take_in
    from localreg.store.rows import logged_rows
    from localreg.values.frozen import replace

    with Registry(Path(folder, "one"), durability="fast") as one:
        InputModel.import_model("s3://bucket/net.pt", name="net", registry=one)
        with one._chain.first.store.read() as connection:
            origins = logged_rows.origins(connection)
            (event,) = [e for e in logged_rows.all_events(connection) if e.kind == "model.created"]

    def events():
        for number in range(12_000):
            payload = event.payload | {"name": f"net{number}", "comment": f"{number:08000}"}
            payload["weights"] = []
            model = f"{number:032x}"
            yield replace(event, event_id=model, subject=model, seq=number, payload=payload)

    def most():
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) // 1024

    with Registry(Path(folder, "two"), durability="fast") as two:
        before = most()
        with two._chain.first.store.write() as change:
            assert take_in(change, events(), origins).events == 12_000
        return most() - before


@pytest.mark.skipif(sys.platform != "linux", reason="the most memory is in /proc")
def test_memory_does_not_grow_with_the_bytes_of_an_arrival(tmp_path, children):
    assert children.run(take_in_large, tmp_path) < 100
