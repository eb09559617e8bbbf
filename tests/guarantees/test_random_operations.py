"""P1, P4, P8, P11, P28, P30: processes that do anything and are killed lose and leave nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from support.contents import check_sound, unaccounted
from support.proofs import TIMES
from support.trees import File, digest_of, look, plant

from localreg import Registry, Task
from localreg.filesystem.temporary_owners import owner_mark

PROCESSES, SECONDS = (4, 4) if TIMES == 1 else (16, 60)
PACKAGES = {  # they share files
    "pkg": {"a": File(b"a" * 1_000), "b": File(b"b" * 1_000), "run.sh": File(b"#!", True)},
    "pkg2": {"a": File(b"a" * 1_000), "deep/b": File(b"b" * 1_000), "logs": None},
}


def operate(root, number, seed):
    """Do random operations for ever; print what each one promises, after it has returned."""
    import json
    import random
    from pathlib import Path

    from localreg import InputModel, Model, OutputModel, Registry, Task
    from localreg.operations.upkeep import cache

    chance = random.Random(seed)
    folder = Path(root).parent
    packages = [str(folder / "pkg"), str(folder / "pkg2")]
    sources = [str(folder / f"{each}.bin") for each in range(6)] + packages
    mine = {}  # what this process made, and has not removed
    copied = set()  # digests of packages with executable files: no links, so pruning deletes them

    def say(what, **facts):
        print(json.dumps([what, facts]), flush=True)

    registry = Registry(root, durability="fast")
    registry.__enter__()
    task = Task.create("p", f"task {number}")
    say("task", id=task.id)

    def add():
        source = chance.choice(sources)
        model = registry.add(source, f"m{chance.randrange(5)}", "p")
        mine[model.id] = model
        if source == packages[0]:
            copied.add(model.digest)
        say("model", id=model.id, digest=model.digest)

    def refer():
        model = InputModel.import_model(f"s3://b/{number}/{chance.random()}", name="far")
        mine[model.id] = model
        say("model", id=model.id, digest=None)

    def upload():
        model = OutputModel(task, name=f"up{chance.randrange(3)}")
        url = model.update_weights(
            chance.choice(sources[:6]), upload_uri=str(folder / "share"),
            async_enable=chance.random() < 0.5, auto_delete_file=False,
        )  # fmt: skip
        OutputModel.wait_for_uploads()
        say("upload", id=model.id, url=model.url or url)

    def update():
        model = OutputModel(task, name=f"kept{number}")
        model.update_weights(chance.choice(sources[:6]), keep_last=2)
        say("model", id=model.id, digest=None)

    def package():
        model = OutputModel(task, name=f"package{number}")
        model.update_weights_package(
            weights_path=chance.choice(packages), keep_last=1, auto_delete_file=False
        )
        say("model", id=model.id, digest=model.digest)

    def artifact_package():
        name = f"p{chance.randrange(2)}"
        task.upload_artifact(name, Path(chance.choice(packages)), wait_on_upload=True)
        say("artifact", id=task.id, name=name)

    def edit(model):
        tags = sorted({f"t{chance.randrange(9)}" for _ in range(3)})
        say("maybe", id=model.id)
        model.tags = tags
        model.set_metadata("k", number)
        say("tags", id=model.id, tags=tags)

    def read(model):
        if model.digest is not None:
            tries = 20 if model.digest in copied else 1
            there = (Path(model.get_local_copy(raise_on_error=True)).exists() for _ in range(tries))
            assert any(there), model.digest

    def remove(model):
        say("removing", id=model.id)
        del mine[model.id]
        Model.remove(model, delete_weights_file=chance.random() < 0.5, raise_on_errors=True)
        say("removed", id=model.id)

    def archive(model):
        model.archive()
        say("archived", id=model.id)

    def report(model):
        model.report_scalar("loss", "train", chance.random(), chance.randrange(100))
        model.flush()

    def artifact():
        name = f"a{chance.randrange(3)}"
        task.upload_artifact(name, {"n": chance.random()}, wait_on_upload=True)
        say("artifact", id=task.id, name=name)

    def page(model):
        model.report()

    def collect():
        done = registry.gc(grace_seconds=0, dry_run=False)
        assert done.failed == (), done.failed

    def prune():
        done = cache.prune(registry._chain, max_size=chance.choice([0, 10_000]), dry_run=False)
        assert done.failed == (), done.failed

    def verify():
        problems = registry.verify(full=chance.random() < 0.2).problems
        assert problems == (), problems

    alone = [add, add, refer, upload, update, artifact, package, artifact_package,
             collect, prune, verify]  # fmt: skip
    on_models = [edit, edit, read, read, remove, archive, report, page]
    while True:
        if mine and chance.random() < 0.6:
            chance.choice(on_models)(chance.choice(list(mine.values())))
        else:
            chance.choice(alone)()


class Worker:
    """A process that operates; its promises are read when it is dead."""

    def __init__(self, children, folder, number, seed):
        self.log = open(folder / f"log-{seed}", "w+")  # noqa: SIM115  (closed by end)
        self.process = start(children, self.log, folder / "registry", number, seed)

    def work(self, seconds):
        """Let it work for a time."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def end(self):
        """Kill it, and return what it has said."""
        self.process.send_signal(signal.SIGKILL)
        _, errors = self.process.communicate()
        self.log.seek(0)
        lines = [line for line in self.log if line.endswith("\n")]
        self.log.close()
        assert self.process.returncode == -signal.SIGKILL, f"it ended by itself: {errors}"
        return [json.loads(line) for line in lines]


def start(children, log, root, number, seed):
    """Start a process whose output goes to a file, so that it never waits for a reader."""
    source, name, arguments = children._call(operate, (root, number, seed))
    code = f"import json, sys\nexec({source!r})\n{name}(*json.loads(sys.argv[1]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(arguments)],
        stdout=log, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def promises(said):
    """Return what must be there by what one process has said, and what may be gone."""
    models, tags, gone, archived, unsure = {}, {}, set(), set(), set()
    tasks, artifacts, uploads = set(), set(), {}
    for what, facts in said:
        match what:
            case "task":
                tasks.add(facts["id"])
            case "model":
                models[facts["id"]] = facts["digest"]
            case "upload":
                uploads[facts["id"]] = facts["url"]
            case "maybe":
                unsure.add(facts["id"])
            case "tags":
                unsure.discard(facts["id"])
                tags[facts["id"]] = facts["tags"]
            case "removing":
                models.pop(facts["id"], None)
                tags.pop(facts["id"], None)
            case "removed":
                gone.add(facts["id"])
            case "archived":
                archived.add(facts["id"])
            case "artifact":
                artifacts.add((facts["id"], facts["name"]))
    tags = {each: found for each, found in tags.items() if each not in unsure and each in models}
    return models, tags, gone, archived & models.keys(), tasks, artifacts, uploads


@pytest.mark.long
def test_random_operations_under_kills(tmp_path, children):
    """Nothing acknowledged is lost, events have no gap, all is sound, and gc leaves nothing."""
    for number in range(6):
        (tmp_path / f"{number}.bin").write_bytes(os.urandom(2_000 * (number + 1)))
    for name, tree in PACKAGES.items():
        plant(tmp_path / name, tree)
    root = tmp_path / "registry"
    Registry(root, durability="fast").close()
    seed = 1 if TIMES == 1 else random.randrange(10**6)
    workers = []
    said = []
    try:
        for number in range(PROCESSES):
            workers.append(Worker(children, tmp_path, number, seed + number))  # noqa: PERF401
        seed += PROCESSES
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            victim = random.randrange(PROCESSES)
            workers[victim].work(SECONDS / 20)
            said.append(workers[victim].end())
            workers[victim] = Worker(children, tmp_path, victim, seed := seed + 1)
    finally:
        for worker in workers:
            worker.process.kill()
        said += [worker.end() for worker in workers]
    assert sum(len(each) for each in said) > 10 * PROCESSES

    with Registry(root, durability="fast") as registry:
        events = len(registry.history())
        done = registry.gc(grace_seconds=0, dry_run=False)
        assert done.failed == ()
        found = {each.id: each for each in registry.models(archived=True)}
        trees = {digest_of(tree): tree for tree in PACKAGES.values()}
        for each in map(promises, said):
            models, tags, gone, archived, tasks, artifacts, uploads = each
            assert models.keys() <= found.keys()
            assert not gone & found.keys()
            for model_id, digest in models.items():
                if digest is not None:
                    assert found[model_id].digest == digest
                    assert registry._chain.first.blobs.is_sound(digest)
                    if digest in trees:
                        assert look(found[model_id].get_local_copy()) == trees[digest]
            assert {model: found[model].tags for model in tags} == tags
            assert all(found[model].archived for model in archived)
            for task_id in tasks:
                assert Task.get_task(task_id).id == task_id
            for task_id, name in artifacts:
                assert name in Task.get_task(task_id).artifacts
            for model_id, url in uploads.items():
                assert found[model_id].url is not None, url
        verified = registry.verify(full=True)
        assert verified.ok, verified.problems
        assert registry.gc(grace_seconds=0).garbage == ()
    check_sound(root, events=events)
    assert unaccounted(root, tmp_path / "share") == []
    assert not [each for each in root.glob("tmp/*") if owner_mark() not in each.name]
