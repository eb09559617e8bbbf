"""Events of a fleet, as many as wanted: those of one real day of work, with other ids and names.

A day is done through the API in a registry of its own: two tasks with parameters, a configuration
and an artifact; eight models with metadata, tags, weights and an alias. Each copy of it gets other
ids, digests, names and times, so the events are as valid as those of the day. Twenty machines take
turns, and a hundred days have one project.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from localreg import InputModel, OutputModel, Registry, Task
from localreg.registry import open_registry
from localreg.store.rows import logged_rows
from localreg.values.ids import alias_id
from localreg.values.records import LoggedEvent

MACHINES = 20
DAYS_OF_A_PROJECT = 100
DAY = 86_400_000_000 // 100  # microseconds between two copies
Row = tuple[object, ...]
_CHANGED = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{32}|1[0-9]{15})\b|-PROJECT-|-DAY-")
_PACKAGES = 25  # of a task; more would only be longer


def rows(count: int) -> Iterator[Row]:
    """Yield rows of a remote, without position and n: `count` of them."""
    events = _day()
    texts = [_text(event) for event in events]
    projects = {event.subject for event in events if event.kind == "project.created"}
    machines = [hashlib.sha256(b"machine %d" % each).hexdigest()[:32] for each in range(MACHINES)]
    numbers: dict[int, int] = defaultdict(int)
    made = day = 0
    days = -(-count // len(events)) + 1
    while True:
        machine = day % MACHINES
        changed = _Changed(day, days, projects)
        for event, text in zip(events, texts, strict=True):
            if event.subject in projects and day % DAYS_OF_A_PROJECT:
                continue
            event_id, subject, stamp, at, payload = _CHANGED.sub(changed, text).split("\n")
            if event.kind == "alias.set":
                found = json.loads(payload)
                subject = alias_id(found["project"], found["name"], str(event.field))
            numbers[machine] += 1
            made += 1
            yield (
                event_id, machines[machine], f"machine{machine}", numbers[machine], made,
                int(stamp), int(at), f"ann@machine{machine}", event.kind, event.v, subject,
                event.field, payload,
            )  # fmt: skip
            if made == count:
                return
        day += 1


class _Changed:
    """What stands in a copy of the day for what the day has."""

    def __init__(self, day: int, days: int, projects: set[str]) -> None:
        self._day = day
        self._project = day // DAYS_OF_A_PROJECT
        self._later = (day - days) * DAY
        self._projects = projects
        self._known: dict[str, str] = {
            "-DAY-": f"-{day:05d}",
            "-PROJECT-": f"-{self._project:03d}",
        }

    def __call__(self, match: re.Match[str]) -> str:
        found = match[0]
        known = self._known.get(found)
        if known is None:
            if len(found) == 16:
                known = str(int(found) + self._later)
            else:
                of = f"p{self._project}" if found in self._projects else f"d{self._day}"
                known = hashlib.sha256(f"{of} {found}".encode()).hexdigest()[: len(found)]
            self._known[found] = known
        return known


def _text(event: LoggedEvent) -> str:
    """Return what differs in the copies of an event, one line each."""
    payload = dict(event.payload)
    if event.kind == "task.created":
        run = dict(payload["run"])
        run["packages"] = dict([*run.get("packages", {}).items()][:_PACKAGES])
        payload["run"] = run
    text = json.dumps(payload, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return "\n".join((event.event_id, event.subject, str(event.stamp), str(event.at), text))


def _day() -> list[LoggedEvent]:
    """Return the events of a day of work."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with Registry(place / "registry", durability="fast") as registry:
            _work(place, registry)
        first = open_registry(place / "registry", readonly=True)
        try:
            with first.store.read() as connection:
                return list(logged_rows.all_events(connection))
        finally:
            first.close()


def _work(place: Path, registry: Registry) -> None:
    for run in range(2):
        task = Task.create("vision-PROJECT-", f"train-DAY-{run}")
        task.set_parameters({f"General/p{each}": each / 10 for each in range(5)})
        task.connect_configuration({"layers": [64, 64], "optimizer": "adam"}, name="net")
        task.upload_artifact("facts", {"seed": run}, wait_on_upload=True)
        output = OutputModel(task, name=f"net-DAY-{run}", tags=["nightly"])
        for step in range(5):
            path = place / f"w{run}{step}.pt"
            path.write_bytes(b"weights %d %d" % (run, step) * 100)
            output.update_weights(str(path), iteration=step)
        output.set_metadata("accuracy", "0.93", "float")
        output.set_metadata("loss", "0.11", "float")
        task.mark_completed()
        registry.set_alias(registry.model(output.id), "candidate")
    for number in range(6):
        model = InputModel.import_model(
            f"https://example.org/vision/{number}.pt",
            name=f"backbone-DAY-{number}",
            project="vision-PROJECT-",
            tags=["pretrained", f"size{number}"],
            comment="from the zoo",
        )
        for key in ("params", "flops", "top1", "top5"):
            model.set_metadata(key, str(number * 7), "int")
        model.tags = ["pretrained", "checked"]
        registry.set_alias(registry.model(model.id), "prod")
