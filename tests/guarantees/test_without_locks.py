"""File systems without locks, or whose locks do nothing: the same results, and nothing is lost."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import pytest

from localreg import Registry

# What flock answers on some network file systems; 0: it always succeeds.
ANSWERS = {"does nothing": 0, "ENOLCK": errno.ENOLCK, "EOPNOTSUPP": errno.EOPNOTSUPP,
           "ENOSYS": errno.ENOSYS}  # fmt: skip
WITHOUT = [name for name, code in ANSWERS.items() if code]


@pytest.fixture(params=ANSWERS)
def answer(request):
    return ANSWERS[request.param]


def fetch(number, barrier, answer, root, url):
    """Fetch a URL at the same time as other processes."""
    from pathlib import Path

    from support.lockless import flock_answers

    flock_answers(answer)
    from localreg import InputModel, Registry

    barrier.wait()
    with Registry(root):
        path = Path(InputModel.import_model(url, name="m").get_weights(raise_on_error=True))
    return len(path.read_bytes())


def test_many_processes_fetch_one_url(tmp_path, children, site, answer):
    """P10: where locks do nothing, or are missing, there are more GETs and the same result."""
    Registry(tmp_path / "r").close()
    done = children.crowd(4, fetch, answer, tmp_path / "r", site.url())
    assert done == [len(site.files["/net.pt"])] * 4
    assert set(site.gets) == {"/net.pt"}
    with Registry(tmp_path / "r") as registry:
        assert len(registry.models()) == 1
        assert registry.verify(full=True).ok
        assert registry.gc(grace_seconds=0).garbage == ()
    assert [path.suffix for path in (tmp_path / "r" / "locks").iterdir()] == [".lock"]
    assert list((tmp_path / "r" / "tmp").iterdir()) == []


def work(number, barrier, answer, root):
    """Keep, read, remove and collect the same bytes, and other ones, at the same time as others."""
    import io
    from pathlib import Path

    from support.lockless import flock_answers

    flock_answers(answer)
    from localreg import Registry

    barrier.wait()
    with Registry(root, durability="fast") as registry:
        for turn in range(8):
            same = registry.add(io.BytesIO(b"the same"), "same", filename="w.bin")
            assert Path(same.get_weights(raise_on_error=True)).read_bytes() == b"the same"
            if turn % 2:
                assert same.remove(same) is True
            registry.add(io.BytesIO(f"{number}-{turn}".encode()), f"own-{number}", filename="o")
            registry.gc(grace_seconds=0, dry_run=False)
    return True


def test_many_processes_keep_remove_and_collect(tmp_path, children, answer):
    """P8, P11: the database decides, so no file lock is needed."""
    assert children.crowd(4, work, answer, tmp_path / "r") == [True] * 4
    with Registry(tmp_path / "r") as registry:
        assert len(registry.models(name="same")) == 16
        assert sum(len(registry.models(name=f"own-{number}")) for number in range(4)) == 32
        assert registry.verify(full=True).ok


def birth(number, barrier, answer, root, links, renames):
    """Make a registry at the same time as other processes."""
    from support.lockless import flock_answers, no_links, no_rename_without_replacing

    flock_answers(answer)
    if not links:
        no_links()
    if not renames:
        no_rename_without_replacing()
    from localreg import InputModel, Registry

    barrier.wait()
    with Registry(root, durability="fast") as registry:
        InputModel.import_model(f"s3://b/{number}", registry=registry)
        return registry._chain.first.store.registry_id


@pytest.mark.parametrize("links", [True, False])
def test_many_processes_make_one_registry(tmp_path, children, answer, links):
    """P13: by a hard link, or by a rename that replaces nothing."""
    check_birth(children, tmp_path / "new", answer, links, True)


@pytest.mark.parametrize("name", WITHOUT)
def test_many_processes_make_one_registry_by_a_lease(tmp_path, children, name):
    """P13: without hard links, such renames and locks."""
    check_birth(children, tmp_path / "new", ANSWERS[name], False, False)
    assert [path.name for path in (tmp_path / "new" / "locks").iterdir()] == ["birth.lock"]


def check_birth(children, root, answer, links, renames):
    ids = children.crowd(6, birth, answer, root, links, renames)
    assert len(set(ids)) == 1
    with Registry(root) as registry:
        assert len(registry.models()) == 6
    assert not list(root.glob("*.new"))


def birth_without_byte_locks(root):
    """Make a registry where SQLite finds no locks; return the error."""
    import errno
    import fcntl
    import os

    def lockf(*arguments):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    fcntl.lockf = lockf
    from localreg import LocalregError, Registry

    try:
        Registry(root)
    except LocalregError as error:
        return [type(error).__name__, str(error)]
    return ["", ""]


def test_no_registry_is_made_without_the_locks_that_sqlite_needs(tmp_path, children):
    """It would seem to be locked by another process without end."""
    kind, said = children.run(birth_without_byte_locks, tmp_path / "new")
    assert kind == "StorageError"
    assert "No locks available" in said
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("name", WITHOUT)
def test_a_killed_process_leaves_no_other_waiting(tmp_path, children, site, name):
    """P14: the next process takes over what a killed one has downloaded, and waits for no lock."""
    Registry(tmp_path / "r").close()
    site.go_on.clear()
    with children.start(fetch_alone, ANSWERS[name], tmp_path / "r", site.url()) as child:
        assert site.begun.wait(60)
        child.kill()
    site.go_on.set()
    size, logged = children.run(fetch_alone, ANSWERS[name], tmp_path / "r", site.url())
    assert size == len(site.files["/net.pt"])
    assert "has no file locks" in logged
    with Registry(tmp_path / "r") as registry:
        assert registry.gc(grace_seconds=0).garbage == ()


def fetch_alone(answer, root, url):
    """Fetch a URL; return its size, and what the log says."""
    import io
    import logging
    from pathlib import Path

    from support.lockless import flock_answers

    flock_answers(answer)
    from localreg import InputModel, Registry

    logged = io.StringIO()
    logging.basicConfig(stream=logged, level=logging.INFO)
    with Registry(root):
        path = Path(InputModel.import_model(url, name="m").get_weights(raise_on_error=True))
    return [len(path.read_bytes()), logged.getvalue()]


@pytest.mark.parametrize("name", WITHOUT)
def test_without_locks_no_process_waits_for_another(tmp_path, children, site, name):
    """P10: two processes download the same at the same time, and the registry has one blob."""
    root = tmp_path / "r"
    Registry(root).close()
    site.go_on.clear()
    with (
        children.start(fetch_alone, ANSWERS[name], root, site.url()) as first,
        children.start(fetch_alone, ANSWERS[name], root, site.url()) as second,
    ):
        deadline = time.monotonic() + 60
        while len(site.gets) < 2:
            assert time.monotonic() < deadline, "the second process waits for the first"
            time.sleep(0.01)
        site.go_on.set()
        for child in (first, second):
            assert child.wait(60) == 0
    with Registry(root) as registry:
        (model,) = registry.models()
        assert Path(model.get_weights(raise_on_error=True)).read_bytes() == site.files["/net.pt"]
        assert registry.verify(full=True).ok
        assert registry.gc(grace_seconds=0).garbage == ()
