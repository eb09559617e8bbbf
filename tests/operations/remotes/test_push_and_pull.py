"""Registries push to a remote and pull from it: all come to the same order and the same tables."""

from __future__ import annotations

import io
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.meetings import bring_events
from support.remote_rows import row

from localreg import Registry, Task
from localreg.blobs.remote_store.store import CommitConflict, open_remote
from localreg.errors import (
    ConflictError,
    DamagedRowError,
    EventConflictError,
    NotFoundError,
    PathExistsError,
    ReadOnlyRegistryError,
    RemoteBusyError,
    RemoteChangedError,
    RemoteError,
)
from localreg.operations.models import designs
from localreg.operations.models.removal import forget_model
from localreg.operations.remotes import cloning, names, pulling, pushing, resetting
from localreg.operations.remotes.remote_events import row_of
from localreg.operations.remotes.retries import PATIENCE, Retries
from localreg.operations.remotes.sending_blobs import Sending
from localreg.operations.remotes.sending_reports import Changed
from localreg.registry import Chain, open_registry
from localreg.store.rows import model_rows, remote_rows
from localreg.values.ids import new_id
from localreg.values.records import WeightsRecord
from localreg.values.remote_format import place


@pytest.fixture
def fleet(tmp_path):
    """A function that makes or opens registries in the test's folder, by name."""
    opened = []

    def registry(name, remote="remote", **options):
        found = Registry(tmp_path / name, **({"durability": "fast"} | options))
        found.history(1)  # it is made when it is used
        opened.append(found)
        if remote and not names.ls(found._chain):
            names.add(found._chain, "origin", tmp_path / remote)
        return found

    yield registry
    for each in opened:
        each.close()
    shutil.rmtree(tmp_path)


def add(registry, content, name="net", project="p", **options):
    return registry.add(io.BytesIO(content), name, project, filename="w.pt", **options)


def update(registry, model_id, content):
    """Give a model weights from a URL; return the id of the revision."""
    weights = WeightsRecord(revision=2, url=f"s3://bucket/{content}.pt").payload()
    with registry._chain.first.store.write() as change:
        change.record("model.weights_added", model_id, {"old": None, "new": weights})
    return change.last_event


def served(registry, model_id):
    with registry._chain.first.store.read() as connection:
        return model_rows.current_weights(connection, model_id).id


def push(registry, *arguments, **options):
    return pushing.push(registry._chain, *arguments, **options)


def pull(registry, *arguments, **options):
    return pulling.pull(registry._chain, *arguments, **options)


def query(registry, sql, *values):
    with registry._chain.first.store.read() as connection:
        return connection.execute(sql, values).fetchall()


def order(registry):
    """Return the events of a registry with their places, in the order in which they are folded."""
    return query(
        registry,
        "SELECT event_id, remote, position, outcome FROM event "
        "ORDER BY position IS NULL, position, lamport, event_id",
    )


def remote_of(registry):
    with registry._chain.first.store.read() as connection:
        return remote_rows.remotes(connection)[0]


def rows_of(root):
    """Return places and ids of all rows of a remote."""
    return [
        (place(position, n), event_id)
        for rows in open_remote(root).rows(-1, columns=("position", "n", "event_id"))
        for position, n, event_id in rows
    ]


def refolded(registry):
    """Return the tables of a registry, and as they are when all is folded again."""
    from localreg.store.events.refolding import refold

    sql = "SELECT id, name, version, comment, stamp FROM model ORDER BY id"
    aliases = (
        "SELECT p.name, a.name, a.alias, a.model FROM alias a JOIN project p ON p.pk = a.project"
    )
    before = query(registry, sql), sorted(query(registry, aliases))
    with registry._chain.first.store.write() as change:
        refold(change.connection)
    return before, (query(registry, sql), sorted(query(registry, aliases)))


class Store:
    """A remote; `after` is called with the head after each commit."""

    def __init__(self, store, after):
        self._store = store
        self._after = after

    def __getattr__(self, name):
        return getattr(self._store, name)

    def append(self, rows, version):
        head = self._store.append(rows, version)
        self._after(head)
        return head


def lose_answer(head):
    raise CommitConflict("the answer was lost")


class Hooked:
    """Sends bytes as `Sending` does; `before` is called with the events first."""

    def __init__(self, registry, before):
        chain, remote = registry._chain, remote_of(registry)
        self._store = names.connect(remote)
        self._before = before
        self._sending = Sending(chain, remote, self._store, dry_run=False, progress=None)

    def __getattr__(self, name):
        return getattr(self._sending, name)

    def send(self, events):
        self._before(events)
        self._sending.send(events)

    def push(self, registry, *, store=None, **options):
        chain, remote = registry._chain, remote_of(registry)
        changed = Changed(chain, remote, self._store, self, dry_run=False)
        store = store or self._store
        pushing.Pushing(chain, remote, store, self, changed, **options).run(force=False)


def test_what_was_pushed_comes_everywhere_in_one_order(fleet, tmp_path):
    a, b = fleet("a"), fleet("b")
    add(a, b"one", alias="prod")
    done = push(a)
    assert (done.events, done.lost, done.dry_run) == (3, (), False)
    assert pull(b).arrived.models == ("p/net:1",)
    assert b.model("p/net@prod").id == a.model("p/net@prod").id
    # Both go on without knowing of each other; who pushes first wins.
    first, second = add(a, b"two", alias="prod"), add(b, b"other", alias="prod")
    assert push(a).lost == ()
    done = push(b)
    assert done.pulled.models == ("p/net:2",)
    assert len(done.lost) == 1
    assert any("ambiguous" in line for line in done.pulled.differences)
    assert not pull(a).arrived.conflict
    assert order(a) == order(b)
    assert a.model("p/net@prod").id == b.model("p/net@prod").id == first.id
    assert {each.id for each in a.models()} >= {first.id, second.id}
    assert [(place, event_id) for event_id, _, place, _ in order(a)] == rows_of(tmp_path / "remote")
    for each in (a, b):
        before, after = refolded(each)
        assert before == after
    c = cloning.clone(tmp_path / "remote", tmp_path / "c", durability="fast")
    assert (c.remote, c.arrived.events) == ("origin", 7)
    assert order(fleet("c")) == order(a)
    # Nothing is new.
    for each in (a, b):
        assert push(each).events == pull(each).arrived.events == 0


def test_a_dry_run_changes_nothing_here_and_there(fleet, tmp_path):
    a, b = fleet("a"), fleet("b")
    add(a, b"one", alias="prod")
    push(a)
    pull(b)
    add(a, b"two", alias="prod")
    push(a)
    add(b, b"three", alias="prod")

    def seen():
        return order(b), remote_of(b), rows_of(tmp_path / "remote"), b.history()

    before = seen()
    arrived = pull(b, dry_run=True).arrived
    assert (arrived.models, arrived.events, arrived.dry_run) == (("p/net:2",), 2, True)
    done = push(b, dry_run=True)
    assert (done.events, len(done.lost), done.dry_run) == (2, 1, True)
    assert done.pulled.models == ("p/net:2",)
    assert seen() == before
    real = push(b)
    assert (real.events, real.lost) == (done.events, done.lost)
    assert real.pulled.differences == done.pulled.differences
    assert push(b, dry_run=True).events == 0


def test_a_kill_between_the_commit_and_its_record_sends_nothing_twice(fleet, tmp_path):
    """What is there by its id is sent."""
    a = fleet("a")
    add(a, b"one")
    chain, store = a._chain, open_remote(tmp_path / "remote")
    with chain.first.store.read() as connection:
        (remote,) = remote_rows.remotes(connection)
        waiting = list(remote_rows.waiting(connection, remote, 1_000))
    pulling.bring(chain, remote, store)
    store.append([row_of(each) for each in waiting], 1)  # and then it was killed
    done = push(a)
    assert (done.events, done.pulled.events) == (0, 0)
    assert len(rows_of(tmp_path / "remote")) == len(waiting)
    assert [each[2] for each in order(a)] == [place(1, n) for n in range(len(waiting))]


def test_what_came_by_stick_reaches_the_remote(fleet, tmp_path):
    """Of a third machine; also if its own events got their places meanwhile."""
    a, b, c = fleet("a"), fleet("b"), fleet("c")
    model = add(c, b"one")
    bring_events(c, a)
    assert push(a).events == 2
    bring_events(c, b)  # still without places
    assert [each[2] for each in order(b)] == [None, None]
    assert pull(b).arrived.events == 0
    assert order(b) == order(a)
    model.comment = "c"
    done = push(c)
    assert done.events == 1
    pull(a)
    pull(b)
    assert order(a) == order(b) == order(c)
    assert b.model(model.id).comment == "c"


@pytest.mark.parametrize("kind", ["bundle", "event"])
def test_a_later_stick_brings_the_places(fleet, tmp_path, kind):
    """Of events that it would leave out, since the receiver has them; their bytes stay at home."""
    a, b, c = fleet("a"), fleet("b", remote=None), fleet("c")
    model = add(a, b"one")
    first = a.export(everything=True, path=tmp_path / "1.tar").path
    b.import_bundle(first)
    last = a.history(limit=1)[0].event_id
    b.model(model.id).comment = "theirs"  # not known to the others when they change it, too
    model.comment = "mine"
    push(a)
    add(c, b"other", name="other")
    push(c)
    pull(a)
    second = a.export(
        everything=True, path=tmp_path / "2.tar", since=first if kind == "bundle" else last
    )
    assert second.blobs == 0  # not the weights of the first model; those of the other never came
    assert second.events == len(order(a))
    arrived = b.import_bundle(second.path)
    assert arrived.events == 3
    assert [each for each in order(b) if each[2] is not None] == order(a)
    assert b.model(model.id).comment == "mine"
    third = a.export(everything=True, path=tmp_path / "3.tar", since=second.path)
    assert third.events == 0


def test_places_that_are_learned_change_what_search_finds(fleet):
    """The index takes in what was folded again without a new event."""
    a, b, c = fleet("a"), fleet("b", remote=None), fleet("c")
    model = add(a, b"one")
    bring_events(a, b)
    b.model(model.id).comment = "apples"  # before the other one, as long as none has a place
    model.tags = ["t"]
    model.comment = "pears"
    for source in (a, b):
        bring_events(source, c)
    assert [len(c.search(word)) for word in ("apples", "pears")] == [1, 0]
    push(a)
    assert pull(c).arrived.events == 0
    assert c.model(model.id).comment == "pears"
    assert [len(c.search(word)) for word in ("apples", "pears")] == [0, 1]


def test_a_mirror_gives_no_places_and_gets_everything(fleet, tmp_path):
    a, b = fleet("a"), fleet("b", remote="second")
    add(a, b"one")
    push(a)
    assert names.add(a._chain, "backup", tmp_path / "second").mirror
    assert push(a, "backup").events == 2
    assert pull(b).arrived.events == 2
    add(b, b"two")
    push(b)
    assert pull(a, "backup").arrived.events == 1
    assert query(a, "SELECT count(*) FROM event WHERE position IS NULL") == [(1,)]
    assert push(a, "backup").events == 0
    assert push(a).events == 1
    assert {each[0] for each in order(a)} == {each[0] for each in order(b)}
    assert {each[1] for each in order(a)} != {each[1] for each in order(b)}
    with pytest.raises(EventConflictError, match="another order"):
        a.merge(b.path)


def test_several_mirrors_and_one_order_need_no_name(fleet, tmp_path):
    a = fleet("a")
    names.add(a._chain, "backup", tmp_path / "second")
    assert push(a).remote == "origin"
    with pytest.raises(NotFoundError):
        push(a, "other")
    with pytest.raises(NotFoundError, match="remote add"):
        pull(fleet("b", remote=None))


def test_a_registry_that_is_only_read_is_refused_first(fleet, tmp_path):
    fleet("a").close()
    readonly = Chain(open_registry(tmp_path / "a", readonly=True))
    (tmp_path / "remote").rename(tmp_path / "gone")
    for call in (pushing.push, pulling.pull):
        with pytest.raises(ReadOnlyRegistryError):
            call(readonly)
        with pytest.raises(ReadOnlyRegistryError):
            call(readonly, dry_run=True)
    readonly.close()


def test_events_of_unknown_kinds_are_kept_and_notes_are_not_events(fleet, tmp_path):
    a, b = fleet("a"), fleet("b")
    add(a, b"one")
    push(a)
    store = open_remote(tmp_path / "remote")
    (row,) = (row for rows in store.rows(0) for row in rows if row[10] == "model.created")
    strange = (new_id(), *row[3:10], "model.blessed", 7, row[12], None, '{"by":"pope"}')
    note = (new_id(), *row[3:10], "remote.later", 1, new_id(), None, "{}")
    store.append([note, strange, (new_id(), *note[1:])], 2)
    assert pull(b).arrived.events == 3
    assert pull(a).arrived.events == 1
    assert order(a) == order(b)
    assert order(a)[-1][2] == place(2, 1)
    assert remote_of(a).last_place == place(2, 2)
    add(a, b"two")
    assert push(a).events == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [("payload", "{"), ("payload", "[]"), ("event_id", "x"), ("origin", ""), ("kind", "x"),
     ("lamport", -1), ("subject", "../x"), ("at", 2**62), ("seq", 2**62)],
)  # fmt: skip
def test_a_row_that_is_no_event_is_an_error(fleet, tmp_path, column, value):
    """Nothing of its commit is taken."""
    a = fleet("a")
    add(a, b"one")
    push(a)
    before = order(a)
    store = open_remote(tmp_path / "remote")
    row = list(next(row for rows in store.rows(0) for row in rows))[2:]
    places = {"event_id": 0, "origin": 1, "seq": 3, "lamport": 4, "at": 6, "kind": 8, "subject": 10,
              "payload": 12}  # fmt: skip
    good = [new_id(), *row[1:8], "model.blessed", 9, new_id(), None, "{}"]
    bad = [new_id(), *good[1:]]
    bad[places[column]] = value
    store.append([tuple(good), tuple(bad)], 2)
    with pytest.raises(RemoteError, match="origin"):
        pull(a)
    assert order(a) == before
    assert remote_of(a).cursor == 1


def test_an_event_that_is_there_twice_has_its_first_place(fleet, tmp_path):
    a, b, c = fleet("a"), fleet("b"), fleet("c")
    add(a, b"one")
    push(a)
    pull(b)
    store = open_remote(tmp_path / "remote")
    rows = [each[2:] for part in store.rows(0) for each in part]
    store.append(rows, 2)
    add(a, b"two")
    push(a)
    pull(b)
    pull(c)
    assert order(a) == order(b) == order(c)
    assert [each[2] for each in order(a)] == [place(1, 0), place(1, 1), place(3, 0)]
    with pytest.raises(CommitConflict):
        store.append(rows, 2)
    later = [row(number, kind="later.kind", subject=new_id()) for number in range(1_200)]
    store.append(later, 4)
    store.append([rows[0], later[0]], 5)
    cloning.clone(tmp_path / "remote", tmp_path / "clone", durability="fast")
    pull(a)
    assert order(fleet("clone")) == order(a)


# Restored, replaced, reset


def restored(tmp_path, change):
    """Go back to an older copy of the remote, after a change of the fleet."""
    shutil.copytree(tmp_path / "remote", tmp_path / "copy")
    change()
    shutil.rmtree(tmp_path / "remote")
    shutil.move(tmp_path / "copy", tmp_path / "remote")


def test_a_remote_that_was_restored_or_replaced_is_noticed(fleet, tmp_path):
    """Nothing is changed, and nothing is sent."""
    a, b = fleet("a"), fleet("b")
    add(a, b"one")
    push(a)
    pull(b)

    def change():
        add(a, b"two")
        push(a)

    restored(tmp_path, change)
    before = order(a), remote_of(a)
    for call in (pull, push):
        with pytest.raises(RemoteChangedError, match="remote check origin --reset"):
            call(a)
    assert (order(a), remote_of(a)) == before
    # Another one writes there since: its commit has the same number.
    add(b, b"other")
    push(b)
    for call in (pull, push):
        with pytest.raises(RemoteChangedError):
            call(a)
    assert (order(a), remote_of(a)) == before
    shutil.rmtree(tmp_path / "remote")
    with pytest.raises(RemoteError, match="no remote at"):
        pull(a)
    c = fleet("c")
    add(c, b"x")
    push(c)
    for each in (a, b):
        with pytest.raises(RemoteChangedError, match="its table is"):
            push(each)
    assert (order(a), remote_of(a)) == before


def test_a_mirror_that_was_restored_is_noticed(fleet, tmp_path):
    """It has other events, or fewer; one of which all is there is still the same."""
    a, b = fleet("a"), fleet("b", remote="second")
    add(a, b"one")
    push(a)
    names.add(a._chain, "mirror", tmp_path / "second")
    push(a, "mirror")
    shutil.copytree(tmp_path / "second", tmp_path / "older")
    pull(b)
    add(a, b"two")
    push(a, "mirror")
    newest = tmp_path / "newest"
    shutil.copytree(tmp_path / "second", newest)

    def replace_by(copy):
        shutil.rmtree(tmp_path / "second")
        shutil.copytree(copy, tmp_path / "second")

    replace_by(tmp_path / "older")
    before = order(a), names.ls(a._chain)
    with pytest.raises(RemoteChangedError, match="restored from an older copy"):
        pull(a, "mirror")
    add(b, b"other")
    push(b)
    for call in (pull, push):
        with pytest.raises(RemoteChangedError, match="it has event"):
            call(a, "mirror")
    assert (order(a), names.ls(a._chain)) == before
    replace_by(newest)
    assert pull(a, "mirror").arrived.events == 0
    add(a, b"three")
    assert push(a, "mirror").events == 1


def test_a_push_ends_when_another_process_resets_its_remote(fleet):
    a = fleet("a")
    add(a, b"one")
    chain, remote = a._chain, remote_of(a)
    store = names.connect(remote)
    sending = Sending(chain, remote, store, dry_run=False, progress=None)
    changed = Changed(chain, remote, store, sending, dry_run=False)
    resetting.reset(chain, "origin")
    with pytest.raises(RemoteBusyError, match="push again"):
        pushing.Pushing(chain, remote, store, sending, changed).run(force=False)
    assert push(a).events == 2


def test_a_copy_of_a_remote_in_its_place_is_the_same(fleet, tmp_path):
    """Other times of the files do not matter."""
    a, b = fleet("a"), fleet("b")
    add(a, b"one")
    push(a)
    shutil.copytree(tmp_path / "remote", tmp_path / "copy", copy_function=shutil.copy)
    shutil.rmtree(tmp_path / "remote")
    (tmp_path / "copy").rename(tmp_path / "remote")
    for path in (tmp_path / "remote").rglob("*.json"):
        path.write_bytes(path.read_bytes())
    assert pull(a).arrived.events == 0
    add(a, b"two")
    assert push(a).events == 1
    pull(b)
    assert order(a) == order(b)


def test_hearsay_of_a_restored_remote_is_noticed(fleet, tmp_path):
    """A merge may bring places from a registry that knew the remote before."""
    a, b = fleet("a"), fleet("b")
    add(a, b"one")
    push(a)
    pull(b)

    def change():
        add(a, b"two")
        push(a)

    restored(tmp_path, change)
    b.merge(a.path)
    assert [each[2] for each in order(b)] == [place(1, 0), place(1, 1), place(2, 0)]
    add(b, b"three")
    before = order(b)
    for call in (pull, push):  # else the event would never be sent
        with pytest.raises(RemoteChangedError, match="it lacks event"):
            call(b)
    assert order(b) == before


def test_a_restored_registry_gets_its_own_events_back(fleet, tmp_path):
    """They have its origin and are not in its log: it goes on with another origin."""
    a = fleet("a")
    add(a, b"one")
    push(a)
    a.close()
    shutil.copytree(tmp_path / "a", tmp_path / "old")
    a = fleet("a")
    add(a, b"two")
    push(a)
    ordered = order(a)
    a.close()
    shutil.rmtree(tmp_path / "a")
    (tmp_path / "old").rename(tmp_path / "a")
    a = fleet("a")
    origins = query(a, "SELECT value FROM setting WHERE name = 'origin'")
    assert pull(a).arrived.models == ("p/net:2",)
    assert order(a) == ordered
    assert query(a, "SELECT value FROM setting WHERE name = 'origin'") != origins
    add(a, b"three")
    assert push(a).events == 1


def test_models_that_are_removed_here_only_stay_so(fleet):
    a, b = fleet("a"), fleet("b")
    model = add(a, b"one")
    push(a)
    pull(b)
    forget_model(b._chain.first, model.id)
    model.comment = "new"
    push(a)
    pull(b)
    assert [each.id for each in b.models()] == []
    add(b, b"two", name="other")
    assert push(b).events == 1
    pull(a)
    assert {each.name for each in a.models()} == {"net", "other"}


def test_a_clone_goes_on_where_it_was_killed(fleet, tmp_path):
    a = fleet("a")
    add(a, b"one")
    push(a)
    with pytest.raises(NotFoundError, match="no remote at"):
        cloning.clone(tmp_path / "nothing", tmp_path / "c")
    assert not (tmp_path / "c").exists()
    chain = Chain(open_registry(tmp_path / "c", durability="fast"))
    names.add(chain, "origin", tmp_path / "remote")  # and then it was killed
    chain.close()
    done = cloning.clone(tmp_path / "remote", tmp_path / "c", durability="fast")
    assert done.arrived.models == ("p/net:1",)
    again = cloning.clone(tmp_path / "remote", tmp_path / "c", durability="fast")
    assert again.arrived.events == 0
    with pytest.raises(PathExistsError, match="is a registry already"):
        cloning.clone(tmp_path / "other", tmp_path / "c")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(PathExistsError, match="is not empty"):
        cloning.clone(tmp_path / "remote", tmp_path / "full")


def test_two_processes_of_one_registry_push_at_once(fleet, tmp_path):
    """Both chose the same events; one commit is refused, and what it held is there."""
    a = fleet("a")
    add(a, b"one")
    other = Chain(open_registry(tmp_path / "a", durability="fast"))
    store = open_remote(tmp_path / "remote")
    remote = remote_of(a)
    pulling.bring(a._chain, remote, store)
    with other.first.store.read() as connection:
        (seen,) = remote_rows.remotes(connection)
        waiting = list(remote_rows.waiting(connection, seen, 1_000))
    assert push(a).events == 2
    with pytest.raises(CommitConflict):
        store.append([row_of(each) for each in waiting], seen.cursor + 1)
    assert pushing.push(other).events == 0
    assert len(rows_of(tmp_path / "remote")) == 2
    other.close()


def test_what_comes_while_events_are_sent_stands_after_them(fleet):
    """It stood before them when they were chosen; then they got their places."""
    a, c = fleet("a"), fleet("c")
    model = add(a, b"one")
    push(a)
    pull(c)
    c.model(model.id).comment = "c"
    model.tags = ["so", "that", "the", "next", "is", "later"]
    model.comment = "a"

    def merge(events):
        """Another process merges meanwhile."""
        if events and model.comment == "a":
            bring_events(c, a)
            assert model.comment == "c"

    Hooked(a, merge).push(a)
    assert model.comment == "a"
    assert [len(a.search(word)) for word in ("a", "c")] == [1, 0]
    before, after = refolded(a)
    assert before == after
    pull(c)
    assert order(a) == order(c)


def test_a_refused_commit_is_tried_again_before_later_events_are_sent(fleet):
    """Else a change would stand before those that it knew, and lose."""
    a, c = fleet("a"), fleet("c")
    model = add(a, b"one")
    for text in ("first", "second", "third"):
        model.comment = text

    def overtake(events):
        """Another machine writes before the first commit of this one."""
        if not query(c, "SELECT 1 FROM event"):
            add(c, b"two", "other", "q")
            push(c)

    Hooked(a, overtake).push(a, at_once=2)
    pull(c)
    assert order(a) == order(c)
    assert c.model(model.id).comment == model.comment == "third"
    own = query(a, "SELECT lamport FROM event WHERE arrived IS NULL ORDER BY position")
    assert own == sorted(own)


def losses_reported(registry, model):
    return registry.model(model.id).get_reported_scalars().get("loss")


def test_reports_come_with_their_model_or_after_it(fleet):
    """Whoever pulls between the commits of a push gets all of them."""
    a, b = fleet("a"), fleet("b")
    models = [add(a, b"%d" % number, f"net{number}") for number in range(3)]
    for model in models:
        model.report_scalar("loss", "train", 1.0, 0)
    a._chain.first.store.flush()
    Hooked(a, lambda events: pull(b)).push(a, at_once=2)
    pull(b)
    for model in models:
        assert losses_reported(b, model) == losses_reported(a, model) is not None


def test_reports_of_what_was_made_during_a_push_wait_for_its_events(fleet):
    a, b = fleet("a"), fleet("b")
    add(a, b"one")
    made = []

    def train(events):
        if not made:
            made.append(add(a, b"two", "later"))
            made[0].report_scalar("loss", "train", 1.0, 0)
            a._chain.first.store.flush()

    Hooked(a, train).push(a)
    pull(b)
    push(a)
    pull(b)
    assert losses_reported(b, made[0]) == losses_reported(a, made[0]) is not None


def test_a_slower_process_of_one_registry_takes_nothing_back(fleet, tmp_path):
    """It read what was there before; the other one took in more meanwhile."""
    a, b = fleet("a"), fleet("b")
    model = add(a, b"one")
    model.report_scalar("loss", "train", 1.0, 0)
    push(a)
    store = open_remote(tmp_path / "remote")
    slow = pulling.Pulling(b._chain, remote_of(b), store, store.head(), dry_run=False)
    add(a, b"two")
    model.report_scalar("loss", "train", 0.5, 1)
    push(a)
    pull(b)
    streams = "SELECT * FROM remote_report"  # an older one would let gc delete the newest
    known = order(b), remote_of(b), query(b, streams)
    assert slow.take_in_batches().events == 0
    assert (order(b), remote_of(b), query(b, streams)) == known
    slow = pulling.Pulling(b._chain, remote_of(b), store, store.head(), dry_run=False)
    resetting.reset(b._chain, "origin")
    with pytest.raises(pulling.ResetMeanwhileError):
        slow.take_in_batches()
    assert order(b) == order(a)


def test_a_slower_push_of_one_registry_takes_no_stream_back(fleet, tmp_path):
    a = fleet("a")
    model = add(a, b"one")
    model.report_scalar("loss", "train", 1.0, 0)
    a._chain.first.store.flush()
    other = Registry(tmp_path / "a", durability="fast")

    def report(head):
        """Another process reports and pushes before this one records its commit."""
        other.model(model.id).report_scalar("loss", "train", 0.5, 1)
        push(other)

    store = Store(names.connect(remote_of(a)), report)
    Hooked(a, lambda events: None).push(a, store=store)
    other.close()
    b = fleet("b")
    pull(b)
    known = "SELECT owner, digest FROM remote_report"
    assert query(a, known) == query(b, known)


def test_only_tries_that_fail_count_for_giving_up(fleet):
    """Bytes are sent before the first one, which may take hours."""
    now = 0.0
    waits = []
    tries = Retries(remote_of(fleet("a")), clock=lambda: now, sleep=waits.append)
    now += 10 * PATIENCE
    tries.wait()
    now += PATIENCE - 1
    tries.wait()
    tries.restart()
    now += 10 * PATIENCE
    tries.wait()
    now += PATIENCE + 1
    with pytest.raises(RemoteBusyError, match="others wrote"):
        tries.wait()
    assert len(waits) == 3


def test_many_rows_come_in_batches_of_whole_commits():
    rows = [[(1, 0), (1, 1), (2, 0)], [(2, 1), (3, 0)], [(4, 0), (4, 1), (4, 2), (4, 3)], [(5, 0)]]

    def batches(at_once):
        return [([row[0] for row in some], end) for some, end in pulling.batches(rows, at_once)]

    assert batches(100) == [([1, 1, 2, 2, 3, 4, 4, 4, 4, 5], True)]
    assert batches(3) == [
        ([1, 1], False),
        ([2, 2], False),
        ([3], False),
        ([4] * 4, False),
        ([5], True),
    ]
    assert list(pulling.batches([], 3)) == [([], True)]


@pytest.mark.parametrize(
    ("sql", "column"),
    [
        ("UPDATE remote SET table_id = '../x'", "table_id"),
        ("UPDATE remote SET seen = 'x'", "seen"),
        ("UPDATE remote SET seen = '[]'", "seen"),
        ("INSERT INTO remote_deletion VALUES (1, 1, lower(hex(zeroblob(16))), '{}', 0)", "digests"),
        (
            "INSERT INTO remote_deletion VALUES (1, 1, lower(hex(zeroblob(16))), "
            """'{"digests": 5}', 0)""",
            "digests",
        ),
    ],
)
def test_what_the_tables_of_remotes_say_is_read_back(fleet, tmp_path, sql, column):
    """A damaged row is named, and nothing is sent."""
    a = fleet("a")
    add(a, b"one")
    push(a)
    add(a, b"two")
    a.close()
    with closing(sqlite3.connect(tmp_path / "a" / "registry.db")) as connection:
        connection.execute(sql)
        connection.commit()
    with pytest.raises(DamagedRowError, match=column):
        push(Registry(tmp_path / "a"))


def test_a_reset_takes_what_is_there_and_sends_what_it_lacks(fleet, tmp_path):
    """Places are forgotten, and given again; what flips is said, in one step."""
    a, b = fleet("a"), fleet("b")
    add(a, b"one", alias="prod")
    push(a)
    pull(b)
    kept = {}

    def change():
        kept["a"] = add(a, b"two", alias="prod")
        push(a)

    restored(tmp_path, change)
    other = add(b, b"other", alias="prod")
    push(b)
    before = order(a), remote_of(a)
    rehearsed = resetting.reset(a._chain, "origin", dry_run=True)
    assert (order(a), remote_of(a)) == before
    done = resetting.reset(a._chain, "origin")
    assert done.differences == rehearsed.differences
    assert any(line.startswith("lost: p/net@prod") for line in done.differences)
    assert "p/net@prod: p/net:2~" in "".join(done.differences)
    assert done.models == ("p/net:2",)
    assert names.ls(a._chain)[0].waiting == 2
    assert push(a).events == 2
    pull(b)
    assert order(a) == order(b)
    assert a.model("p/net@prod").id == b.model("p/net@prod").id == other.id
    assert a.model(kept["a"].id).version == 2
    before, after = refolded(a)
    assert before == after


def test_a_reset_follows_a_remote_that_was_replaced(fleet, tmp_path):
    a, b = fleet("a"), fleet("b")
    add(a, b"one")
    push(a)
    shutil.rmtree(tmp_path / "remote")
    with pytest.raises(RemoteError, match="no remote at"):
        resetting.reset(a._chain, "origin")
    names.rm(b._chain, "origin")
    names.add(b._chain, "origin", tmp_path / "remote")
    add(b, b"two")
    push(b)
    resetting.reset(a._chain, "origin")
    push(a)
    pull(b)
    assert order(a) == order(b)
    assert {each[1] for each in order(a)} == {names.ls(b._chain)[0].table_id}


def test_a_mirror_becomes_the_order_when_nothing_else_gives_it(fleet, tmp_path):
    """Places of a remote that is not here any more came by a merge."""
    a, b = fleet("a"), fleet("b", remote="second")
    add(a, b"one")
    push(a)
    c = fleet("c", remote=None)
    bring_events(a, c)
    assert names.add(c._chain, "origin", tmp_path / "second").mirror
    resetting.reset(c._chain, "origin")
    assert not names.ls(c._chain)[0].mirror
    push(c)
    pull(b)
    assert order(b) == order(c)
    names.add(a._chain, "second", tmp_path / "second")
    resetting.reset(a._chain, "second")  # another one gives the order: it stays a mirror
    assert [each.mirror for each in names.ls(a._chain)] == [False, True]
    assert push(a, "second").events == 0


# What has lost


def test_what_has_lost_is_named_with_what_it_lost_to(fleet):
    a, b = fleet("a"), fleet("b")
    model = add(a, b"one")
    push(a)
    pull(b)
    a.model(model.id).comment = "mine"
    b.model(model.id).comment = "yours"
    push(a)
    done = push(b)
    (line,) = done.lost
    assert line.startswith("lost: p/net:1 comment → 'yours'")
    assert "it is 'mine' by" in line
    assert line in done.pulled.differences
    assert push(b).lost == ()  # said once
    assert push(a).lost == ()  # it is not of this registry


def test_what_has_lost_is_set_again_by_force(fleet):
    """Each value by an event of its own, which holds everywhere."""
    a, b = fleet("a"), fleet("b")
    model, other = add(a, b"one", alias="prod"), add(a, b"two", name="other")
    push(a)
    pull(b)

    def edit(registry, text):
        found = registry.model(model.id)
        found.comment = text
        found.set_metadata("by", text)
        with registry._chain.first.store.write() as change:
            designs.set_model_design(change, model.id, (f"by = {text}", {"by": len(text)}))
        registry.set_alias(add(registry, text.encode()), "prod")
        registry.model(other.id).name = text

    edit(a, "mine")
    edit(b, "yours")
    push(a)
    rehearsed = push(b, force=True, dry_run=True)
    done = push(b, force=True)
    assert done.lost == rehearsed.lost == ()
    assert done.forced == rehearsed.forced
    assert done.events == rehearsed.events
    assert sorted(done.forced)[0].startswith("set again: p/mine:1")
    assert len(done.forced) == 5
    pull(a)
    assert order(a) == order(b)
    for each in (a, b):
        found = each.model(model.id)
        assert (found.comment, found.get_metadata("by")) == ("yours", "yours")
        assert (found.config_text, found.labels) == ("by = yours", {"by": 5})
        assert each.model("p/net@prod").id == b.model("p/net@prod").id
        assert Path(b.model("p/net@prod").get_local_copy()).read_bytes() == b"yours"
        assert each.model(other.id).name == "yours"
        before, after = refolded(each)
        assert before == after
    assert push(b, force=True).forced == ()


def test_what_lost_in_the_last_push_is_set_again_by_force(fleet):
    """As long as what it lost to is there; what lost before never."""
    a, b = fleet("a"), fleet("b")
    models = [add(a, b"one", name=name) for name in ("old", "net", "changed", "own")]
    old, net, changed, own = (each.id for each in models)
    push(a)
    pull(b)
    a.model(old).comment = "mine"
    b.model(old).comment = "yours"
    push(a)
    assert len(push(b).lost) == 1
    pull(a)
    for each in (net, changed, own):
        a.model(each).comment = "mine"
        b.model(each).comment = "yours"
    push(a)
    assert len(push(b).lost) == 3
    a.model(changed).comment = "mine again"
    push(a)
    b.model(own).comment = "yours, too"
    done = push(b, force=True)
    assert done.forced == ("set again: p/net:1 comment → 'yours'",)
    assert done.events == 2
    pull(a)
    assert order(a) == order(b)
    comments = [a.model(each).comment for each in (old, net, changed, own)]
    assert comments == ["mine", "yours", "mine again", "yours, too"]
    assert push(b, force=True).forced == ()


def test_what_lost_in_a_commit_without_an_answer_is_set_again_by_force(fleet):
    a, b = fleet("a"), fleet("b")
    theirs = add(b, b"one")
    push(b)
    pull(a)
    theirs.comment = "b"
    push(b)
    model = a.model(theirs.id)
    model.comment = "a"
    store = Store(names.connect(remote_of(a)), lose_answer)
    Hooked(a, lambda events: None).push(a, store=store)
    assert model.comment == "b"
    assert len(push(a, force=True).forced) == 1
    assert model.comment == "a"


def test_weights_that_are_kept_are_served_by_force_but_not_of_a_published_model(fleet):
    a, b = fleet("a"), fleet("b")
    models = [add(a, b"one").id, add(a, b"two", name="other").id]
    push(a)
    pull(b)
    mine = [update(a, each, "mine") for each in models]
    yours = [update(b, each, "yours") for each in models]
    a.model(models[1]).publish()
    push(a)
    assert push(b, force=True).forced == (f"served again: p/net:1 weights {yours[0][:8]}",)
    pull(a)
    assert order(a) == order(b)
    for each in (a, b):
        assert [served(each, model) for model in models] == [yours[0], mine[1]]


def test_values_of_tasks_are_set_again_by_force(fleet):
    a, b = fleet("a"), fleet("b")
    with fleet("a"):
        task = Task.create("p", "train")
        task.set_parameter("Args/lr", 0.5)
        task.set_configuration_object("net", "first")
    push(a)
    pull(b)
    for registry, value in ((a, "mine"), (b, "yours")):
        with fleet(registry.path.name):
            found = Task.get_task(task.id)
            found.set_parameter("Args/lr", value)
            found.set_configuration_object("net", value)
            found.rename(value)
    push(a)
    assert len(push(b, force=True).forced) == 3
    pull(a)
    assert order(a) == order(b)
    for registry in (a, b):
        with fleet(registry.path.name):
            found = Task.get_task(task.id)
            assert found.get_parameter("Args/lr") == found.name == "yours"
            assert found.get_configuration_object("net") == "yours"
        before, after = refolded(registry)
        assert before == after


# The Python API


def test_the_api_pushes_pulls_and_clones(fleet, tmp_path):
    a = fleet("a")
    add(a, b"one")
    assert [(each.name, each.waiting) for each in a.remotes()] == [("origin", 2)]
    assert a.push(dry_run=True).events == a.push("origin").events == 2
    with Registry.clone(tmp_path / "remote", tmp_path / "c", durability="fast") as c:
        assert [each.ref for each in c.models().records()] == ["p/net:1"]
        c.model("p/net").comment = "c"
        c.push()
    assert a.pull().arrived.events == 1
    assert a.model("p/net").comment == "c"
    assert [each.waiting for each in a.remotes()] == [0]


def test_the_api_adds_and_forgets_remotes(fleet, tmp_path):
    a = fleet("a")
    first = a.remove_remote("origin")
    assert (first.name, a.remotes()) == ("origin", [])
    made = a.add_remote("new", tmp_path / "new")
    assert (made.name, made.made, made.mirror) == ("new", True, False)
    with Registry(tmp_path / "b", durability="fast") as b:
        assert b.add_remote("theirs", str(tmp_path / "new")).made is False
        with pytest.raises(ConflictError, match="theirs"):
            b.add_remote("again", tmp_path / "new")
    with pytest.raises(NotFoundError, match="other"):
        a.remove_remote("other")
