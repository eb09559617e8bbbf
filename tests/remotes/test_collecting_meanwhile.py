"""P41: one push and one `remote gc`, interleaved at each request that either of them makes.

The bytes that are pushed lie at the remote already, and nothing refers to them: so the push sends
nothing at first, and gc wants to delete them. Whatever happens in between, all that is pushed is
there in the end.
"""

from __future__ import annotations

import io
import shutil
import threading

import pytest
from support.proofs import TIMES

from localreg import Model, Registry
from localreg.operations.remotes import names
from localreg.operations.remotes.collecting import Collecting
from localreg.operations.remotes.committing import end_deletion
from localreg.operations.remotes.deletions import TIME_TO_WAIT, elapsed
from localreg.operations.remotes.pulling import pull
from localreg.operations.remotes.pushing import Pushing
from localreg.operations.remotes.sending_blobs import Sending
from localreg.operations.remotes.sending_reports import Changed
from localreg.store.rows import remote_deletion_rows

STEPS = 3 if TIMES == 1 else 1  # every third request in a sample
WAITS = 60  # seconds; only a test that fails waits for so long


class Stepping:
    """A remote that calls something before one of the requests made to it."""

    def __init__(self, store, at, then):
        self._store, self._at, self._then = store, at, then
        self.count = 0

    def __getattr__(self, name):
        found = getattr(self._store, name)
        if not callable(found):
            return found

        def call(*arguments, **options):
            if threading.current_thread() is threading.main_thread():
                self.count += 1
                if self.count == self._at:
                    self._then()
            return found(*arguments, **options)

        return call


class World:
    """A remote, a registry that pushes, and one that collects, in copies of some directories."""

    def __init__(self, origin, here):
        shutil.copytree(origin, here)
        self.here = here
        for each in ("pusher", "collector"):
            with Registry(here / each, durability="fast") as registry:
                registry.db.conn.execute("UPDATE remote SET url = ?", (str(here / "shared"),))
                registry.db.conn.commit()

    def push(self, wrapped=lambda store: store, sleep=lambda _: None):
        """Push, as `pushing.push` does."""
        with Registry(self.here / "pusher", durability="fast") as registry:
            chain = registry._chain
            remote = names.find(chain)
            store = wrapped(names.connect(remote))
            sending = Sending(chain, remote, store, dry_run=False, progress=None, sleep=sleep)
            changed = Changed(chain, remote, store, sending, dry_run=False)
            pushing = Pushing(chain, remote, store, sending, changed)
            pushing.run(force=False)
            return pushing.result(dry_run=False)

    def collect(self, wrapped=lambda store: store, clock=elapsed):
        """Delete what nothing refers to, as `collecting.collect` does."""
        with Registry(self.here / "collector", durability="fast") as registry:
            chain = registry._chain
            pull(chain)
            remote = names.find(chain)
            store = wrapped(names.connect(remote))
            return Collecting(chain, remote, store, 0.0, clock).run(dry_run=False, progress=None)

    def check(self):
        """Check that a new registry gets all that was pushed."""
        with Registry(self.here / "new", durability="fast") as registry:
            names.add(registry._chain, "origin", self.here / "shared")
            came = pull(registry._chain, blobs=True)
            assert came.arrived.missing == ()
            assert registry.model("again").get_reported_scalars()["loss"]["a"]["y"] == [1.0, 2.0]
            assert registry.verify(full=True).ok
            assert registry.verify().elsewhere == 0
        shutil.rmtree(self.here)


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """A remote with bytes that nothing refers to, which a registry wants to push again."""
    top = tmp_path_factory.mktemp("origin")
    folder = top / "bert"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"first")
    (folder / "b.bin").write_bytes(b"new")
    for each in ("pusher", "collector"):
        with Registry(top / each, durability="fast") as registry:
            names.add(registry._chain, "origin", top / "shared")
    with Registry(top / "pusher", durability="fast") as registry:
        first = registry.add(io.BytesIO(b"first"), name="first")
        second = registry.add(io.BytesIO(b"second"), name="second")
        registry.push()
        Model.remove(first, delete_weights_file=False)
        Model.remove(second, delete_weights_file=False)
        registry.push()
        registry.add(folder, name="package")
        registry.restore(second.id)
        with registry:
            again = registry.add(io.BytesIO(b"first"), name="again")
            again.report_scalar("loss", "a", 1.0, 0)
            again.report_scalar("loss", "a", 2.0, 1)
    return top


def requests_of(origin, tmp_path, act):
    """Return how many requests an action makes when nothing happens meanwhile."""
    world = World(origin, tmp_path / "count")
    made = []

    def wrapped(store):
        made.append(Stepping(store, 0, None))
        return made[0]

    act(world, wrapped)
    shutil.rmtree(world.here)
    return made[0].count


@pytest.mark.long
def test_gc_at_each_request_of_a_push(origin, tmp_path):
    count = requests_of(origin, tmp_path, lambda world, wrapped: world.push(wrapped))
    assert count > 5
    deleted = 0
    for at in range(1, count + 1, STEPS):
        world = World(origin, tmp_path / str(at))
        collected = []
        world.push(lambda store: Stepping(store, at, lambda: collected.append(world.collect())))  # noqa: B023
        assert collected[0].failed == ()
        deleted += len(collected[0].garbage)
        world.check()
    assert deleted > 0


@pytest.mark.long
def test_a_push_at_each_request_of_gc(origin, tmp_path):
    """If it needs what is being deleted, it waits for the end."""
    count = requests_of(origin, tmp_path, lambda world, wrapped: world.collect(wrapped))
    assert count > 5
    waited = 0
    for at in range(1, count + 1, STEPS):
        world = World(origin, tmp_path / str(at))
        over, going_on = threading.Event(), threading.Event()
        slept = []

        def push():
            def sleep(seconds):
                slept.append(seconds)  # noqa: B023
                going_on.set()  # noqa: B023
                assert over.wait(WAITS)  # noqa: B023

            results.append(world.push(sleep=sleep))  # noqa: B023
            going_on.set()  # noqa: B023

        results = []
        thread = threading.Thread(target=push)

        def then():
            thread.start()  # noqa: B023
            assert going_on.wait(WAITS)  # noqa: B023

        try:
            collected = world.collect(lambda store: Stepping(store, at, then))  # noqa: B023
        finally:
            over.set()
            thread.join()
        assert collected.failed == ()
        assert len(results) == 1
        waited += bool(slept)
        world.check()
    assert waited > 0


def test_a_push_goes_on_when_who_deleted_was_killed(origin, tmp_path):
    """It writes the end itself, after its own time."""
    world = World(origin, tmp_path / "world")

    class KilledError(Exception):
        pass

    class Killing(Stepping):
        def delete(self, keys):
            first, *rest = keys
            self._store.delete([first])
            if rest:
                raise KilledError

    with pytest.raises(KilledError):
        world.collect(lambda store: Killing(store, 0, None))
    moments = iter(range(0, 10_000, int(TIME_TO_WAIT // 3)))
    with Registry(world.here / "pusher", durability="fast") as registry:
        chain = registry._chain
        remote = names.find(chain)
        store = names.connect(remote)
        slept = []
        sending = Sending(
            chain, remote, store, dry_run=False, progress=None, sleep=slept.append,
            clock=lambda: float(next(moments)),
        )  # fmt: skip
        changed = Changed(chain, remote, store, sending, dry_run=False)
        Pushing(chain, remote, store, sending, changed).run(force=False)
        assert slept
        assert registry.push().events == 0
    world.check()


def test_who_deletes_stops_when_others_went_on(origin, tmp_path):
    """A machine that was suspended may have a clock that did not count."""
    world = World(origin, tmp_path / "world")

    calls = []

    def clock():
        calls.append(None)
        if len(calls) == 2:  # it began
            with Registry(world.here / "pusher", durability="fast") as registry:
                remote = names.find(registry._chain)
                store = names.connect(remote)
                pull(registry._chain)
                with registry._chain.first.store.read() as connection:
                    (running,) = remote_deletion_rows.running(connection, remote.pk)
                end_deletion(registry._chain, remote, store, running.begin)
        return 0.0

    before = sorted((world.here / "shared/blobs").rglob("*"))
    found = world.collect(clock=clock)
    assert (found.garbage, found.failed) == ((), ())
    assert sorted((world.here / "shared/blobs").rglob("*")) == before


def test_who_deletes_stops_in_time(origin, tmp_path):
    """As after its machine slept: nothing is deleted once others may go on."""
    world = World(origin, tmp_path / "world")
    moments = iter([0.0, 301.0, 301.0])
    before = sorted((world.here / "shared/blobs").rglob("*"))
    found = world.collect(clock=lambda: next(moments))
    assert (found.garbage, found.failed) == ((), ())
    assert sorted((world.here / "shared/blobs").rglob("*")) == before
    world.push()
    world.check()
