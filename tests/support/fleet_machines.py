"""Machines of a fleet: processes that push to a remote, race, and are killed at any time.

`support/fleets.py` starts them. What a machine knows to be done it writes into a log of its own,
one JSON line each, synced. What a killed process had begun is found there by the next one.
"""

from __future__ import annotations

import io
import json
import os
import random
import sys
import time
from pathlib import Path


class Log:
    """The log of a machine: what was acknowledged to it."""

    def __init__(self, path):
        self.path = Path(path)
        self.lines = read_log(path)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, **line):
        self.lines.append(line)
        os.write(self._file, (json.dumps(line) + "\n").encode())
        os.fsync(self._file)

    def count(self, key):
        return sum(key in line for line in self.lines)


def read_log(path):
    """Return the lines of a log; a last one that was cut by a kill is none."""
    path = Path(path)
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def send_rows(log, url, number, rounds):
    """Send rows by the engine alone: each is made first, and then sent until it is there."""
    from localreg.blobs.remote_store.store import CommitConflict, open_remote

    store = open_remote(url)
    started(log)
    while log.count("sent") < rounds:
        if log.count("made") == log.count("sent"):
            log.write(made=f"{number:08x}{log.count('made'):024x}")
        made = [line["made"] for line in log.lines if "made" in line]
        sent = {line["sent"] for line in log.lines if "sent" in line}
        for attempt in range(1_000):
            head = store.head().version
            there = {row[0] for rows in store.rows(0, head, columns=["event_id"]) for row in rows}
            lacking = [each for each in made if each not in there]
            if not lacking:
                break
            try:
                store.append([row_of(each, number) for each in lacking], head + 1)
            except CommitConflict:
                time.sleep(random.random() * 0.02 * min(attempt, 10))
        for each in made:
            if each not in sent:
                log.write(sent=each)


def row_of(event_id, number):
    """Return a row without position and n."""
    return (event_id, f"{number:032x}", f"machine{number}", 1, 1, 1, 1, "anna", "project.created",
            1, event_id, None, json.dumps({"name": event_id}))  # fmt: skip


def work_and_push(log, root, number, rounds, seed):
    """Change things, and push after each change."""
    from localreg import Registry

    registry = Registry(root, durability="fast")
    started(log)
    while log.count("pushed") < rounds:
        done = log.count("pushed")
        chance = random.Random(f"{seed}/{number}/{done}/{os.getpid()}")
        if log.count("changed") == done:
            change(registry, chance, number)
            log.write(changed=done, events=own_events(registry))
        pushed = registry.push()
        log.write(pushed=done, lost=list(pushed.lost))


def change(registry, chance, number):
    """Change something, of one's own or of others."""
    models = registry.models(limit=20)
    kind = chance.choice("mmmatkkgp") if models else "m"
    model = chance.choice(models) if models else None
    value = f"{number}-{chance.random()}"
    match kind:
        case "m":
            name = chance.choice(["resnet", "bert"])
            registry.add(io.BytesIO(value.encode() * 50), name, "vision", filename="w.pt")
        case "a":
            registry.set_alias(model, chance.choice(["prod", "beta"]))
        case "t":
            model.add_tags(chance.choice(["a", "b", value]))
        case "k":
            model.set_metadata(chance.choice(["k", value]), value)
        case "g":
            model.report_scalar("loss", "train", chance.random(), iteration=chance.randrange(99))
        case "p":
            model.comment = value


def add_and_remove(log, root, number, rounds):
    """Add a model, remove it and add it again, and push each time; then do so with other bytes.

    Another machine does so with the same bytes. At the end all bytes are needed.
    """
    from localreg import Model, Registry

    registry = Registry(root, durability="fast")
    started(log)
    while log.count("pushed") < rounds:
        done = log.count("pushed")
        if log.count("changed") == done:
            turn, step = divmod(done, 5)
            name = f"m{number}-{turn}"
            for model in registry.models(name=name):
                Model.remove(model, registry=registry)
            if step % 2 == 0:
                data = b"%d of %d" % (turn, number // 2) * 1_000
                registry.add(io.BytesIO(data), name, "vision", filename="w.pt")
            log.write(changed=done, events=own_events(registry))
        registry.push()
        log.write(pushed=done)


def tidy_up(log, root, others, rounds):
    """Compact a remote, and collect its garbage without any grace, until the others are done.

    Args:
        others: their logs.
        rounds: how often each of them pushes.
    """
    from localreg import Registry
    from localreg.operations.remotes import collecting, compaction

    registry = Registry(root, durability="fast")
    started(log)
    while any(sum("pushed" in line for line in read_log(each)) < rounds for each in others):
        found = collecting.collect(registry._chain, None, grace_seconds=0, dry_run=False)
        if log.count("tidied") % 10 == 0:
            compaction.compact(registry._chain, None)
        log.write(tidied=log.count("tidied"), freed=len(found.garbage))


def own_events(registry):
    """Return the ids of all events that were made in a registry."""
    return [
        row["event_id"]
        for row in registry.db.query("SELECT event_id FROM event WHERE arrived IS NULL ORDER BY pk")
    ]


def race_for_alias(log, root, number, rounds, meeting):
    """In each round, set an alias only if it is as it was before, push, and say who won."""
    from localreg import Registry
    from localreg.errors import AliasConflictError

    registry = Registry(root, durability="fast")
    started(log)
    own = [each.id for each in registry.models(limit=100) if each.comment == f"of {number}"]
    while log.count("round") < rounds:
        turn = log.count("round")
        meet(meeting, f"{turn}-pushed", number)  # the round before
        registry.pull()
        before = registry.db.query("SELECT model FROM alias WHERE alias = 'prod'")
        before = [row["model"] for row in before]
        meet(meeting, f"{turn}-ready", number)
        try:
            registry.set_alias(own[turn % 2], "prod", expect=before[0] if before else None)
        except AliasConflictError:
            log.write(round=turn, won=False, event=None)
            continue
        event = own_events(registry)[-1]
        pushed = registry.push()
        log.write(round=turn, won=not pushed.lost, event=event)


def meet(folder, name, number):
    """Wait until all machines are here, as files say."""
    folder = Path(folder)
    count = int((folder / "count").read_text())
    here = folder / name
    here.mkdir(exist_ok=True)
    (here / str(number)).touch()
    while len(os.listdir(here)) < count:
        time.sleep(0.01)


def started(log):
    """Say that this process has begun: from now on it may be killed."""
    log.path.with_suffix(f".{os.getpid()}").touch()


ROLES = {
    each.__name__: each
    for each in (send_rows, work_and_push, race_for_alias, add_and_remove, tidy_up)
}

if __name__ == "__main__":
    role, path, arguments = sys.argv[1:]
    ROLES[role](Log(path), *json.loads(arguments))
