"""P40: a remote that is not what it was is a clear error that changes nothing, and nothing is lost.

Each remote is broken in a way of its own. Push and pull say so, and leave the registry as it is;
afterwards the remote is healed as the message says, and holds everything again.
"""

from __future__ import annotations

import io
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.fleet_checks import check_fleet

from localreg import Registry
from localreg.errors import RemoteChangedError, RemoteError
from localreg.operations.remotes import checking, names, resetting


def commits(url):
    return sorted((Path(url) / "events/_delta_log").glob("*.json"))


def cut_last_commit(url):
    commits(url)[-1].chmod(0o600)
    commits(url)[-1].write_bytes(b"")


def half_last_commit(url):
    last = commits(url)[-1]
    data = last.read_bytes()
    last.chmod(0o600)
    last.write_bytes(data[: len(data) // 2])


def delete_last_commit(url):
    commits(url)[-1].unlink()


def delete_identity(url):
    (Path(url) / "registry.json").unlink()


def other_format(url):
    path = Path(url) / "registry.json"
    text = path.read_text()
    path.chmod(0o600)
    path.write_text(text.replace('"format": 1', '"format": 99'))
    assert path.read_text() != text


def damage_identity(url):
    (Path(url) / "registry.json").chmod(0o600)
    (Path(url) / "registry.json").write_text("{")


def delete_events(url):
    shutil.rmtree(Path(url) / "events")


def delete_everything(url):
    shutil.rmtree(url)


def replace_by_another(url):
    shutil.rmtree(url)
    with Registry(Path(url).parent / "other") as other:
        names.add(other._chain, "origin", url)
        other.add(io.BytesIO(b"other"), "other", "elsewhere", filename="w.pt")
        other.push()


def restore_older_copy(url):
    shutil.rmtree(url)
    shutil.copytree(f"{url} before", url)


def restore_older_copy_and_go_on(url):
    """Somebody who was not further than the copy goes on at once: as many commits as before."""
    restore_older_copy(url)
    with Registry(Path(url).parent / "behind", durability="fast") as behind:
        for number in range(3):
            behind.add(io.BytesIO(b"%d" % number), "late", "vision", filename="w.pt")
            behind.push()


def put_back(url):
    shutil.rmtree(url, ignore_errors=True)
    shutil.copytree(f"{url} whole", url)


def repair(url):
    with Registry(Path(url).parent / "behind", durability="fast") as registry:
        assert checking.check(registry._chain, "origin", repair=True).repaired


def nothing(url):
    pass


BREAKING = {
    "last commit cut to zero": (cut_last_commit, RemoteError, "--repair", repair),
    "last commit cut in half": (half_last_commit, RemoteError, "--repair", repair),
    "last commit deleted": (delete_last_commit, RemoteChangedError, "--reset", nothing),
    "registry.json deleted": (delete_identity, RemoteError, "registry.json", repair),
    "registry.json of another format": (other_format, RemoteError, "format", put_back),
    "registry.json damaged": (damage_identity, RemoteError, "registry.json", put_back),
    "events deleted": (delete_events, RemoteError, "", put_back),
    "everything deleted": (delete_everything, RemoteError, "", put_back),
    "replaced by another remote": (replace_by_another, RemoteChangedError, "--reset", nothing),
    "restored": (restore_older_copy, RemoteChangedError, "--reset", nothing),
    "restored, and went on": (restore_older_copy_and_go_on, RemoteChangedError, "--reset", nothing),
}


def all_of(root):
    """Return what a registry holds, with what it knows of its remotes."""
    with closing(sqlite3.connect(root / "registry.db")) as connection:
        return list(connection.iterdump())


def event_ids(root):
    with closing(sqlite3.connect(root / "registry.db")) as connection:
        return {event_id for (event_id,) in connection.execute("SELECT event_id FROM event")}


def take_as_it_is(root):
    with Registry(root, durability="fast") as registry:
        resetting.reset(registry._chain, "origin")


@pytest.fixture
def fleet(tmp_path):
    """A remote that two registries have seen in full, and a third one not; with older copies."""
    url = str(tmp_path / "remote")
    roots = [tmp_path / each for each in ("laptop", "server", "behind")]
    for root in roots:
        with Registry(root) as registry:
            names.add(registry._chain, "origin", url)
            registry.add(io.BytesIO(root.name.encode()), "first", "vision", filename="w.pt")
            registry.push()
    shutil.copytree(url, f"{url} before")
    for number in range(3):
        for root in roots[:2]:
            with Registry(root, durability="fast") as registry:
                registry.add(io.BytesIO(b"%d" % number), root.name, "vision", filename="w.pt")
                registry.push()
    for root in roots[:2]:
        with Registry(root, durability="fast") as registry:
            registry.pull()
    shutil.copytree(url, f"{url} whole")
    yield url, roots
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("name", BREAKING)
def test_a_broken_remote_is_a_clear_error_and_loses_nothing(name, fleet):
    url, roots = fleet
    break_it, error, said, heal = BREAKING[name]
    acknowledged = set().union(*map(event_ids, roots))
    break_it(url)
    acknowledged |= event_ids(roots[2])
    for root in roots[:2]:
        with Registry(root, durability="fast") as registry:
            registry.add(io.BytesIO(b"new"), "new", "vision", filename="w.pt")
            before = all_of(root)
            for call in (registry.push, registry.pull, registry.push):
                if call == registry.pull and name.startswith("registry.json"):
                    continue  # it looks at the newest commit alone: there is nothing new
                with pytest.raises(error) as caught:
                    call()
                assert said in str(caught.value)
                assert url in str(caught.value)
                assert all_of(root) == before, "an error changes nothing"
        acknowledged |= event_ids(root)
    heal(url)
    if error is RemoteChangedError:
        for root in roots[:2]:
            take_as_it_is(root)
    for _ in range(2):
        for root in roots:
            with Registry(root, durability="fast") as registry:
                try:
                    registry.push()
                except RemoteChangedError:
                    take_as_it_is(root)
                    registry.push()
    Registry.clone(url, Path(url).parent / "clone").close()
    check_fleet(url, [*roots, Path(url).parent / "clone"], acknowledged)
