"""P13: threads and forks with an open registry."""

from __future__ import annotations

import copy
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.contents import check_sound

from localreg import InputModel, Registry, Task
from localreg.errors import NotPicklableError


def test_many_threads_share_a_registry(tmp_path):
    """P13: threads register, read and change models of one registry, each by its own connection."""
    with Registry(tmp_path, durability="fast") as registry:
        shared = InputModel.import_model("s3://b/shared", name="shared")
        barrier = threading.Barrier(12)

        def work(number):
            barrier.wait()
            for index in range(20):
                model = InputModel.import_model(f"s3://b/{number}/{index}", name="m")
                shared.add_tags(f"{number}-{index}")
                assert model in registry.models(name="m")
            return number

        with ThreadPoolExecutor(12) as pool:
            assert sorted(pool.map(work, range(12))) == list(range(12))
        assert len(registry.models(name="m")) == 12 * 20
        assert len(shared.tags) == 12 * 20
    assert sorted(os.listdir(tmp_path)) == ["registry.db", "registry.db-reserve"]
    check_sound(tmp_path, events=1 + 2 * 12 * 20)


def test_connections_of_ended_threads_are_closed(tmp_path):
    """P13: ended threads leave no connection open, even if their objects still exist."""
    with Registry(tmp_path, durability="fast") as registry:
        threads = []
        for number in range(10):  # one after the other: the system uses the same ids again
            thread = threading.Thread(
                target=InputModel.import_model,
                args=(f"s3://b/{number}",),
                kwargs={"registry": registry},
            )
            thread.start()
            thread.join()
            threads.append(thread)
        assert len(registry.models()) == 10
    assert sorted(os.listdir(tmp_path)) == ["registry.db", "registry.db-reserve"]


def fork_while_threads_write(root):
    """Fork repeatedly while threads write; every process uses the open registry afterwards."""
    import os
    import threading
    import traceback

    from localreg import InputModel, Registry

    registry = Registry(root, durability="fast")
    shared = InputModel.import_model("s3://b/shared", name="shared", registry=registry)
    enough = threading.Event()
    written = [0, 0]

    def write(number):
        while not enough.is_set():
            url = f"s3://b/thread/{number}/{written[number]}"
            InputModel.import_model(url, name="thread", registry=registry)
            written[number] += 1

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    failures = []
    for number in range(8):
        reader, writer = os.pipe()
        if os.fork() == 0:
            try:
                InputModel.import_model(f"s3://b/child/{number}", name="child", registry=registry)
                shared.add_tags(f"child{number}")
                assert registry.models(name="child")
                registry.close()
            except BaseException:  # noqa: BLE001  (all of it is told to the test)
                os.write(writer, traceback.format_exc().encode())
            os._exit(0)
        os.close(writer)
        InputModel.import_model(f"s3://b/fork/{number}", name="fork", registry=registry)
        with open(reader) as told:
            failures.append(told.read())
        os.wait()
    enough.set()
    for thread in threads:
        thread.join()
    registry.close()
    return ["".join(failures), sum(written)]


def test_a_fork_with_an_open_registry_works_on_both_sides(tmp_path, children):
    """P13: after forks while threads write, parent and children write; nothing is lost."""
    failures, written = children.run(fork_while_threads_write, tmp_path)
    assert not failures, failures
    with Registry(tmp_path) as registry:
        assert len(registry.models(name="child")) == 8
        assert len(registry.models(name="fork")) == 8
        assert len(registry.models(name="thread")) == written
        assert len(registry.model("shared").tags) == 8
    check_sound(tmp_path, events=1 + 3 * 8 + written)


def fork_with_an_idle_registry(root):
    """Fork, let the parent close the registry, then write in the child."""
    import os

    from localreg import InputModel, Registry

    registry = Registry(root)
    InputModel.import_model("s3://b/before", name="before", registry=registry)
    reader, writer = os.pipe()
    if pid := os.fork():
        registry.close()
        os.write(writer, b"closed")
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 1
    try:
        InputModel.import_model("s3://b/child", name="child", registry=registry)
        os.read(reader, 6)
        InputModel.import_model("s3://b/late", name="late", registry=registry)
        registry.close()
        code = 0
    finally:
        os._exit(code)


def test_what_a_child_writes_after_its_parent_closed_is_kept(tmp_path, children):
    """P13: a parent that closes the registry does not delete the log that its child uses."""
    assert children.run(fork_with_an_idle_registry, tmp_path) == 0
    with Registry(tmp_path) as registry:
        assert {model.name for model in registry.models()} == {"before", "child", "late"}
    check_sound(tmp_path, events=3)


def fork_in_a_transaction(root):
    """Fork inside a write transaction; the child ends, the parent commits."""
    import os

    from localreg import InputModel, Registry

    registry = Registry(root)
    with registry._chain.first.store.write() as change:
        change.record("project.created", "f" * 32, {"name": "held"})
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    InputModel.import_model("s3://b/after", name="after", registry=registry)
    registry.close()


def test_a_child_that_ends_inside_its_parents_transaction_harms_nothing(tmp_path, children):
    """P13: a child forked inside a transaction may end; its parent continues the transaction."""
    children.run(fork_in_a_transaction, tmp_path)
    with Registry(tmp_path) as registry:
        assert [each.kind for each in registry.history()] == ["model.created", "project.created"]
    check_sound(tmp_path, events=2)


@pytest.mark.parametrize("send", [pickle.dumps, copy.deepcopy])
def test_pickling_a_handle_says_what_to_send_instead(send, tmp_path):
    """A handle has an open database; another process must open the directory itself."""
    with Registry(tmp_path / "registry", durability="fast") as registry:
        model = InputModel.import_model("s3://b/a.pt", name="a")
        task = Task.create(task_name="t")
        for handle in (registry, model, task):
            with pytest.raises(
                NotPicklableError, match=r"registry .* cannot be pickled .*pass the id"
            ) as told:
                send(handle)
            assert isinstance(told.value, TypeError)
