"""P39: what came by stick from a machine without a network reaches the remote and every clone."""

from __future__ import annotations

import io
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from support.fleet_checks import check_bytes, check_fleet
from support.rules_of_registries import check_by_rules

from localreg import InputModel, Registry, Task
from localreg.operations.remotes import names


def own_events(root):
    with closing(sqlite3.connect(root / "registry.db")) as connection:
        query = "SELECT event_id FROM event WHERE arrived IS NULL"
        return {event_id for (event_id,) in connection.execute(query)}


def at(root):
    return Registry(root, durability="fast")


def train(root, name):
    """Record a task with a model of its own, its weights and what it reported."""
    with at(root) as registry:
        task = Task.create(project_name="lab", task_name=f"train {name}")
        task.set_parameter("Args/lr", 0.5)
        model = registry.add(io.BytesIO(name.encode() * 500), name, "vision", filename="w.pt")
        model.report_scalar("loss", "train", 0.25, iteration=3)
        registry.set_alias(model, "prod")
        return model.id


def push(root):
    with at(root) as registry:
        return registry.push().events


def export(root, path, since=None):
    with at(root) as registry:
        registry.export(everything=True, path=path, since=since)
    return path


def take(root, stick):
    with at(root) as registry:
        registry.import_bundle(stick)


def test_what_came_by_stick_reaches_the_remote_and_every_clone(tmp_path):
    """The machine in the lab never sees the remote; both others get its stick, one twice."""
    url = tmp_path / "remote"
    laptop, server, lab, clone = (tmp_path / each for each in ("laptop", "server", "lab", "clone"))
    for each in (laptop, server):
        with at(each) as registry:
            names.add(registry._chain, "origin", url)
    train(laptop, "resnet")
    push(laptop)
    made = [train(lab, "resnet")]  # its number and its alias are those of the laptop's
    stick = export(lab, tmp_path / "stick.tar")
    for each in (laptop, server, laptop):
        take(each, stick)
    assert push(server) == len(own_events(lab))
    assert push(laptop) == 0, "somebody else has sent it"
    # To the lab and back: it learns the places that the remote gave, and goes on.
    back = export(laptop, tmp_path / "back.tar", since=stick)
    take(lab, back)
    made.append(train(lab, "bert"))
    take(server, export(lab, tmp_path / "more.tar", since=back))
    push(server)
    push(laptop)
    Registry.clone(url, clone).close()
    acknowledged = own_events(lab) | own_events(laptop) | own_events(server)
    events = check_fleet(url, [laptop, server, clone], acknowledged)
    check_bytes(lambda key: (url / key).read_bytes(), events)
    check_by_rules(lab)
    with at(clone) as registry:
        for key, name in zip(made, ("resnet", "bert"), strict=True):
            model = InputModel(key)
            assert Path(model.get_weights()).read_bytes() == name.encode() * 500
            assert model.get_reported_scalars()["loss"]["train"] == {"x": [3], "y": [0.25]}
        assert registry.verify().ok
    shutil.rmtree(tmp_path)
