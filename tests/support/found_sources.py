"""Sources that tests make of values, as an importer would: see `operations/importers/found.py`."""

from __future__ import annotations

from collections import Counter

from localreg.operations.importers.bringing import Wish, bring
from localreg.operations.importers.found import FoundFile, FoundModel, FoundTask, FoundWeights
from localreg.values.frozen import replace
from localreg.values.records import MetadataValue

START = 1_700_000_000_000_000  # microseconds
RUN = "0123456789abcdef0123456789abcdef"


class Values:
    """A source of given values.

    Args:
        tasks, models: what it yields.
        left: what does not come, by the reason.
    """

    kind = "fake"
    place = "a fake"

    def __init__(self, tasks=(), models=(), left=()):
        self._tasks = tuple(tasks)
        self._models = tuple(models)
        self.left = Counter(dict(left))

    def tasks(self):
        return iter(self._tasks)

    def models(self):
        return iter(self._models)


def text(value):
    return MetadataValue(value, "str")


def brought(registry, *, tasks=(), models=(), left=(), kind="fake", **wish):
    """Bring values into a registry."""
    source = Values(tasks, models, left)
    source.kind = kind
    return bring(registry._chain, source, Wish(**wish))


def points(count, value=0.5, ms=START // 1_000):
    """Return a function that reports `count` points of loss/train."""

    def report(spool):
        spool.add_points(
            "loss", "train", range(count), [value / (n + 1) for n in range(count)],
            range(ms, ms + count),
        )  # fmt: skip

    return report


def run(key=RUN, **changes):
    """Return a task with something of everything."""
    task = FoundTask(
        key=key, name="train", project="vision", tags=("good", "night"), comment="first",
        user="ada", created=START, ended=START + 5_000_000,
        parameters={("General", "lr"): MetadataValue("0.1", "float")},
        configurations={"net": "layers: 3"},
        run={"python": "3.11"},
        report=points(3),
    )  # fmt: skip
    return replace(task, **changes)


def net(number=1, **changes):
    """Return version `number` of a model; its weights are an address."""
    model = FoundModel(
        key=f"net/{number}/{START}", name="net", version=number, task=RUN,
        created=START + number, tags=("v",), metadata={"accuracy": text("0.9")},
        comment="a net", weights=(FoundWeights(url=f"https://example.org/{number}.pt"),),
    )  # fmt: skip
    return replace(model, **changes)


def file_weights(path, **changes):
    """Return weights that are a file."""
    weights = FoundWeights(files=(FoundFile(path.name, path),), filename=path.name)
    return replace(weights, **changes)


def package_weights(folder, **changes):
    """Return weights that are all files of a folder."""
    files = tuple(
        FoundFile(str(each.relative_to(folder)), each)
        for each in sorted(folder.rglob("*"))
        if each.is_file()
    )
    return replace(FoundWeights(files=files, package=True, filename=folder.name), **changes)
