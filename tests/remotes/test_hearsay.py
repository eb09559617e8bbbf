"""P40: places that came by a merge are believed only until the remote says otherwise."""

from __future__ import annotations

import io
import shutil
import sqlite3
from contextlib import closing

import pytest
from support.fleet_checks import check_fleet, events_at

from localreg import Registry
from localreg.errors import EventConflictError, RemoteChangedError
from localreg.operations.remotes import names, pulling, resetting


def at(root):
    return Registry(root, durability="fast")


def add(root, name):
    with at(root) as registry:
        return registry.add(io.BytesIO(name.encode()), name, "vision", filename="w.pt").id


def push(root, remote=None):
    with at(root) as registry:
        return registry.push(remote)


def merge(root, other):
    with at(root) as registry:
        return registry.merge(other)


def reset(root, name="origin"):
    with at(root) as registry:
        resetting.reset(registry._chain, name)


def attach(root, url, name="origin"):
    with at(root) as registry:
        names.add(registry._chain, name, url)


def events_of(root):
    with closing(sqlite3.connect(root / "registry.db")) as connection:
        return list(connection.execute("SELECT event_id, remote, position FROM event ORDER BY pk"))


@pytest.fixture
def places(tmp_path):
    """A remote, of which an older copy comes back: the laptop has seen more, the server has not."""
    url, laptop, server = (tmp_path / each for each in ("remote", "laptop", "server"))
    for each in (laptop, server):
        attach(each, url)
    add(laptop, "first")
    push(laptop)
    push(server)
    lost = add(laptop, "lost")
    push(laptop)
    # As rsync restores it: what was there before keeps even its times.
    sorted((url / "events/_delta_log").glob("*.json"))[-1].unlink()
    yield url, laptop, server, lost
    shutil.rmtree(tmp_path)


def check_all(url, *roots):
    for _ in range(2):
        for root in roots:
            push(root)
    return check_fleet(url, roots, ())


def test_an_event_that_the_remote_lost_is_not_taken_for_sent(places):
    """Its place came by a merge, to a registry that saw the remote as it is now."""
    url, laptop, server, lost = places
    merge(server, laptop)
    before = events_of(server)
    for _ in range(2):
        with pytest.raises(RemoteChangedError):
            push(server)
    assert events_of(server) == before
    reset(server)
    push(server)
    assert lost in [row["event_id"] for row in events_at(url)]
    reset(laptop)
    check_all(url, laptop, server)


def test_a_place_that_contradicts_what_was_seen_does_not_come_by_a_merge(places):
    url, laptop, server, _ = places
    add(server, "other")
    push(server)  # to the place that the lost event had
    before = events_of(server)
    with pytest.raises(EventConflictError):
        merge(server, laptop)
    assert events_of(server) == before
    reset(laptop)
    merge(server, laptop)
    check_all(url, laptop, server)


def test_a_part_of_a_registry_with_other_places_comes_without_them(places, tmp_path):
    url, laptop, server, lost = places
    add(server, "other")
    push(server)
    with at(laptop) as registry:
        registry.export(lost, path=tmp_path / "part.tar")
    with at(server) as registry:
        registry.import_bundle(tmp_path / "part.tar")
    assert [row[1:] for row in events_of(server) if row[0] == lost] == [(None, None)]
    push(server)
    reset(laptop)
    check_all(url, laptop, server)


def test_a_registry_of_one_remote_takes_no_places_of_another(places, tmp_path):
    """Not even before its own remote has ordered anything."""
    url, laptop, _, _ = places
    lonely = tmp_path / "lonely"
    attach(lonely, tmp_path / "empty remote")
    with pytest.raises(EventConflictError):
        merge(lonely, laptop)
    assert events_of(lonely) == []
    reset(laptop)
    check_all(url, laptop)


def test_places_of_a_remote_that_is_gone_are_forgotten_by_a_reset(places, tmp_path):
    """Also by a registry that has them by a merge, and whose first remote is another one."""
    url, laptop, server, _ = places
    third = tmp_path / "third"
    merge(third, laptop)
    shutil.rmtree(url)
    attach(third, url)
    with at(third) as registry:
        assert registry.remotes()[0].mirror
    for each in (third, laptop, server):
        reset(each)
    check_all(url, third, laptop, server)


class Meanwhile:
    """A remote at which something happens once, just after it was asked something."""

    def __init__(self, store, asked, happens):
        self._store, self._asked, self._happens = store, asked, [happens]

    def __getattr__(self, name):
        found = getattr(self._store, name)

        def ask(*arguments, **named):
            answer = found(*arguments, **named)
            if name == self._asked and self._happens:
                self._happens.pop()()
            return answer

        return ask


@pytest.mark.parametrize("asked", ["compare", "head"])
def test_a_merge_while_a_pull_runs_is_no_sign_of_a_restoration(asked, tmp_path):
    """It brings places after the commit that the pull took for the newest one."""
    url, laptop, server = (tmp_path / each for each in ("remote", "laptop", "server"))
    for each in (laptop, server):
        attach(each, url)
        push(each)
    if asked == "head":
        add(laptop, "second")
        push(laptop)

    def push_and_merge():
        add(laptop, "meanwhile")
        push(laptop)
        merge(server, laptop)

    with at(server) as registry:
        remote = names.find(registry._chain)
        store = Meanwhile(names.connect(remote), asked, push_and_merge)
        pulling.bring(registry._chain, remote, store)
        assert registry.model("vision/meanwhile")
    check_all(url, laptop, server)
    shutil.rmtree(tmp_path)
