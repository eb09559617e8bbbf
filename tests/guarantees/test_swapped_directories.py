"""P1 while the registry's directory is moved, replaced, restored and removed under open handles."""

from __future__ import annotations

import io
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from support.proofs import TIMES

from localreg import InputModel, Registry, Task
from localreg.errors import LocalregError, RegistryReplacedError

WRITERS = 4
ROUNDS = 10 * TIMES
KINDS = ("metadata", "weights", "scalar", "parameter")


class Writer:
    """Writes into an open registry until it is stopped, and keeps what was acknowledged."""

    def __init__(self, number, registry):
        self.number = number
        self.registry = registry
        self.model = registry.model("m")
        self.task = Task.get_task(task_name="t", registry=registry)
        self.gone = threading.Event()
        self.kept = []
        self.kept_when_gone = []
        self.refused = self.turn = 0

    def run(self, stop):
        while not stop.is_set():
            self.turn += 1
            kind, name = KINDS[self.turn % len(KINDS)], f"{self.number}-{self.turn}"
            gone = self.gone.is_set()
            try:
                self._write(kind, name)
            except LocalregError:
                self.refused += 1
            else:
                (self.kept_when_gone if gone else self.kept).append((kind, name))

    def _write(self, kind, name):
        if kind == "metadata":
            self.model.set_metadata(name, "v")
        elif kind == "weights":
            self.registry.add(io.BytesIO(name.encode()), name=name, filename="w.bin")
        elif kind == "scalar":
            self.task.report_scalar("t", name, 1.0, 0)
            self.task.flush()
        else:
            self.task.set_parameter(name, "v")


def present(home):
    """Return what a registry has of what writers write."""
    with Registry(home, durability="fast") as registry:
        found = {("metadata", key) for key in registry.model("m").get_all_metadata()}
        for model in registry.models():
            if model.name != "m":
                with open(model.get_local_copy(raise_on_error=True)) as file:
                    assert file.read() == model.name
                found.add(("weights", model.name))
        task = Task.get_task(task_name="t", registry=registry)
        found |= {("scalar", name) for name in task.get_reported_scalars().get("t", ())}
        found |= {("parameter", key.removeprefix("General/")) for key in task.get_parameters()}
        assert registry.verify(full=True).problems == ()
        return found


def make(home):
    with Registry(home, durability="fast") as registry:
        InputModel.import_model("s3://b/m.pt", name="m")
        Task.create(task_name="t")
    return registry.path


def swapped(home, away, other):
    """Put another registry in the place of a directory, and then restore it."""
    home.rename(away)
    if other is not None:
        other.rename(home)
        yield
        home.rename(other)
    else:
        yield
    away.rename(home)


def wait_for_more(writers, count):
    """Wait until each writer has more of what is counted; fail after a minute."""
    before = [count(each) for each in writers]
    end = time.monotonic() + 60
    while not all(count(each) > old for each, old in zip(writers, before, strict=True)):
        assert time.monotonic() < end, "a writer makes no progress"
        time.sleep(0.001)


@contextmanager
def writing(home, handles):
    """Yield writers that run in threads, with one handle for all of them or one for each."""
    opened = [Registry(home, durability="fast") for _ in range(handles)]
    writers = [Writer(number, opened[number % handles]) for number in range(WRITERS)]
    stop = threading.Event()
    with ThreadPoolExecutor(WRITERS) as threads:
        running = [threads.submit(each.run, stop) for each in writers]
        try:
            wait_for_more(writers, lambda each: len(each.kept))
            yield writers
        finally:
            stop.set()
        for each in running:
            each.result()
    for each in opened:
        with suppress(RegistryReplacedError):  # reports that nobody acknowledged still wait
            each.close()


@pytest.mark.long
@pytest.mark.parametrize("handles", [1, WRITERS])
@pytest.mark.parametrize("replaced", [True, False])
def test_nothing_acknowledged_is_missing_when_a_directory_is_swapped_and_restored(
    replaced, handles, tmp_path
):
    home, away, other = make(tmp_path / "home"), tmp_path / "away", make(tmp_path / "other")
    with writing(home, handles) as writers:
        for _ in range(ROUNDS):
            home.rename(away)
            if replaced:
                other.rename(home)
            wait_for_more(writers, lambda each: each.refused)
            if replaced:
                home.rename(other)
            away.rename(home)
            wait_for_more(writers, lambda each: len(each.kept))
    kept = {each for writer in writers for each in writer.kept}
    assert len(kept) > ROUNDS * WRITERS
    assert kept <= present(home)
    assert present(other) == set()


@pytest.mark.long
@pytest.mark.parametrize("handles", [1, WRITERS])
@pytest.mark.parametrize("replaced", [True, False])
def test_nothing_is_acknowledged_after_a_directory_was_removed(replaced, handles, tmp_path):
    for number in range(max(1, ROUNDS // 5)):
        home, other = make(tmp_path / f"home-{number}"), make(tmp_path / f"other-{number}")
        with writing(home, handles) as writers:
            remove_while_in_use(home)
            if replaced:
                other.rename(home)
            for each in writers:
                each.gone.set()
            wait_for_more(writers, lambda each: each.refused)
            wait_for_more(writers, lambda each: each.refused)
        assert [each for writer in writers for each in writer.kept_when_gone] == []
        if replaced:
            assert present(home) == set()
        else:
            assert not home.exists()


def remove_while_in_use(home):
    """Remove a directory; until its database is gone, files are added to it."""
    (home / "registry.db").unlink()
    while home.exists():
        shutil.rmtree(home, ignore_errors=True)
