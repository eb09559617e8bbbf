"""Registries in folders on which random operations are done, through the public API."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

from support.signed_models import record_signature

from localreg import InputModel, Model, OutputModel, Registry, Task
from localreg.errors import LocalregError
from localreg.operations.tasks import lifecycle

NAMES, PROJECTS = ("m", "n"), ("p", "q", None)
FILES = 5


class Place:
    """A registry in a folder.

    Args:
        root: where it is; it is made if nothing is there.
    """

    def __init__(self, root: Path):
        self.root = root
        self.registry = Registry(root, durability="fast")
        self.registry.__enter__()
        self.registry.__exit__(None, None, None)
        self.registry = Registry(root, durability="fast")

    def close(self) -> None:
        """Close the registry, so that its folder can be copied."""
        self.registry.close()
        self.registry = Registry(self.root, durability="fast")

    def ids(self, table: str) -> list[str]:
        """Return the ids of a table, in the order of their arrival."""
        order = "JOIN event e ON e.event_id = t.id ORDER BY e.pk"
        return [row["id"] for row in self.registry.db.query(f"SELECT t.id FROM {table} t {order}")]


class Operations:
    """Random operations of one registry.

    Args:
        chance: chooses everything.
        folder: where files to add are, and to which weights are uploaded.
        site: a server of weights, which change (`support.servers.file_site.FileSite`).
    """

    def __init__(self, chance: random.Random, folder: Path, site):
        self.chance, self.folder, self.site = chance, folder, site
        self.done: Counter[str] = Counter()
        self.files = [folder / f"{each}.bin" for each in range(FILES)]
        for number, each in enumerate(self.files):
            each.write_bytes(b"weights %d" % number * 10)

    def one(self, among):
        """Choose one of them; there must be one."""
        found = list(among)
        if not found:
            raise LocalregError("there is none")
        return self.chance.choice(found)

    def flag(self) -> bool:
        """Choose True or False."""
        return self.chance.random() < 0.5

    def step(self, place: Place, name: str) -> None:
        """Do one operation, if it is possible."""
        try:
            getattr(self, name)(place)
        except LocalregError as error:
            self.done[f"{name}: {type(error).__name__}"] += 1
        else:
            self.done[name] += 1

    def model(self, place: Place) -> Model:
        """Choose a model, often one of the oldest, which most registries have."""
        ids = place.ids("model")
        return Model(self.one(ids[:2] if self.flag() else ids), registry=place.registry)

    def task(self, place: Place) -> Task:
        return Task.get_task(self.one(place.ids("task")), registry=place.registry)

    def output(self, place: Place) -> OutputModel:
        key = self.model(place).id
        return OutputModel(self.task(place), base_model_id=key, registry=place.registry)

    def add(self, place):
        place.registry.add(
            self.one(self.files),
            self.one(NAMES),
            self.one(PROJECTS),
            alias=self.one(["prod", None, None]),
            tags=self.one([[], ["a"], ["a", "b"]]),
            metadata=self.one([{}, {"k": 1}]),
            config_text=self.one([None, "x", "y"]),
        )

    def point(self, place):
        InputModel.import_model(
            f"s3://b/{self.chance.randrange(4)}",
            name=self.one(NAMES),
            project=self.one(PROJECTS),
            create_as_published=self.chance.random() < 0.2,
            registry=place.registry,
        )

    def comment(self, place):
        self.model(place).comment = self.one(["x", "y", None])

    def archive(self, place):
        model = self.model(place)
        self.one([model.archive, model.unarchive])()

    def tag(self, place):
        model = self.model(place)
        self.one([model.add_tags, model.remove_tags])(self.one("ab"))

    def system_tag(self, place):
        self.model(place).system_tags = self.one([[], ["s"]])

    def metadata(self, place):
        model = self.model(place)
        model.set_all_metadata({self.one("kl"): self.chance.randrange(2)}, replace=self.flag())

    def design(self, place):
        output = self.output(place)
        if self.flag():
            output.update_design(config_text=self.one(["x", "y"]))
        else:
            output.update_labels({"cat": self.chance.randrange(2)})

    def move(self, place):
        self.model(place).project = self.one(PROJECTS)

    def rename(self, place):
        self.model(place).name = self.one(NAMES)

    def alias(self, place):
        reason = self.one(["it is urgent", None, None])
        alias = self.one(["prod", "beta"])
        place.registry.set_alias(self.model(place), alias, override=reason)

    def drop_alias(self, place):
        place.registry.remove_alias(self.model(place), self.one(["prod", "beta"]))

    def protect(self, place):
        """Give an alias a gate, or none."""
        project, alias = self.one(PROJECTS), self.one(["prod", "beta"])
        name = "/".join(filter(None, (project, self.one(NAMES)))) + f"@{alias}"
        conditions = self.one([["signed"], ["scanned", "k>=1"], ["k>=0"], None])
        if conditions is None:
            place.registry.unprotect(name)
        else:
            reason = self.one(["it is urgent", None])
            place.registry.protect(name, conditions, override=reason)

    def sign(self, place):
        """Record a signature of the weights of a model; some are the same of several models."""
        model, data = self.model(place), self.one([b"one", b"two", self.chance.randbytes(9)])
        if model.digest is None:
            raise LocalregError("nothing to sign")
        record_signature(place.registry._chain.first, model.id, data)

    def publish(self, place):
        self.model(place).publish()

    def publish_in_both(self, place: Place, other: Place) -> None:
        """Publish a model in two registries, with different content; by chance that is rare."""
        drafts = [
            {each.id for each in where.registry.models() if not each.published}
            for where in (place, other)
        ]
        try:
            key = self.one(sorted(drafts[0] & drafts[1]))
            for text, where in (("x", place), ("y", other)):
                output = OutputModel(self.task(where), base_model_id=key, registry=where.registry)
                output.update_design(config_text=text)
                output.publish()
        except LocalregError as error:
            self.done[f"publish_in_both: {type(error).__name__}"] += 1
        else:
            self.done["publish_in_both"] += 1

    def protect_in_both(self, place: Place, other: Place) -> None:
        """Give an alias a gate in one registry, and set it in the other, which does not know it."""
        lines = {(each.project_name, each.name) for each in place.registry.models()}
        both = [each for each in other.registry.models() if (each.project_name, each.name) in lines]
        try:
            model = self.one(both)
            name = "/".join(filter(None, (model.project_name, model.name))) + "@prod"
            conditions = self.one([["signed"], ["k>=1"], ["k>=0"]])
            place.registry.protect(name, conditions, override="it is urgent")
            other.registry.set_alias(model, "prod", override="it is urgent")
        except LocalregError as error:
            self.done[f"protect_in_both: {type(error).__name__}"] += 1
        else:
            self.done["protect_in_both"] += 1

    def weights(self, place):
        self.output(place).update_weights(
            str(self.one(self.files)), keep_last=self.one([None, None, 2]), auto_delete_file=False
        )

    def upload(self, place):
        self.output(place).update_weights(
            str(self.one(self.files)), upload_uri=str(self.folder / "share"),
            auto_delete_file=False,
        )  # fmt: skip
        OutputModel.wait_for_uploads()

    def address(self) -> str:
        """Choose a URL; what it serves may be other bytes from now on."""
        path = f"/{self.chance.randrange(2)}.bin"
        self.site.files[path] = self.one([b"one", b"two"])
        return self.site.url(path)

    def point_to_site(self, place):
        InputModel.import_model(
            self.address(), name=self.one(NAMES), project=self.one(PROJECTS),
            copy=self.flag(), registry=place.registry,
        )  # fmt: skip

    def fetch(self, place):
        self.address()
        place.close()
        models = place.registry.models()
        found = [each for each in models if each.url and each.url.startswith("http")]
        self.one(found).get_weights(force_download=self.flag(), raise_on_error=True)

    def register(self, place):
        self.output(place).update_weights(register_uri=f"s3://b/{self.chance.randrange(9)}")

    def choose(self, place):
        model = self.model(place)
        model.restore_weights(self.one(each.revision for each in model.revisions()))

    def remove(self, place):
        Model.remove(
            self.model(place),
            delete_weights_file=False,
            force=self.flag(),
            raise_on_errors=True,
            registry=place.registry,
        )

    def restore(self, place):
        place.registry.restore(self.one(place.ids("tombstone")))

    def create_task(self, place):
        Task.create(self.one(PROJECTS), self.one("st"), registry=place.registry)

    def parameter(self, place):
        task = self.task(place)
        if self.flag():
            task.set_parameter("Args/lr", self.chance.randrange(3))
        else:
            task.delete_parameter("Args/lr")

    def configuration(self, place):
        self.task(place).set_configuration_object("data", config_text=self.one("xy"))

    def artifact(self, place):
        self.task(place).upload_artifact("facts", {"a": self.chance.randrange(3)})

    def describe_task(self, place):
        task = self.task(place)
        match self.one("abcdef"):
            case "a":
                task.set_name(self.one("st"))
            case "b":
                task.set_comment(self.one("xy"))
            case "c":
                self.one([task.add_tags, task.remove_tags])([self.one("ab")])
            case "d":
                task.move_to_project(new_project_name=self.one("pq"))
            case "e":
                task.publish()
            case "f":
                task.set_input_model(self.model(place).id, name=self.one("ij"))

    def state(self, place):
        task = self.task(place)
        match self.one("abcd"):
            case "a":
                task.mark_started(force=True)
            case "b":
                task.mark_completed()
            case "c":
                task.mark_failed(status_reason=self.one("xy"))
            case "d":
                lifecycle.end_task(
                    place.registry._chain.first, task.id, "aborted", "gone", concluded=True
                )

    def delete_task(self, place):
        """Its models and their bytes stay: `verify` must find all that models need."""
        self.task(place).delete(delete_artifacts_and_models=False, raise_on_error=True)


CHANGES = {
    "add": 4, "point": 1, "comment": 2, "archive": 1, "tag": 2, "system_tag": 1, "metadata": 3,
    "design": 2, "move": 2, "rename": 2, "alias": 3, "drop_alias": 1, "protect": 2, "sign": 2,
    "publish": 2, "weights":
    4, "register": 1, "upload": 1, "point_to_site": 2, "fetch": 3, "choose": 2, "remove": 1,
    "restore": 1, "create_task": 2, "parameter": 2, "configuration": 1, "artifact": 1,
    "describe_task": 2, "state": 2, "delete_task": 1,
}  # fmt: skip
"""Operations on one registry, and how often they are done."""


def copy_of(place: Place, root: Path) -> Place:
    """Return what `cp -a` makes of a registry."""
    place.close()
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(place.root, root, symlinks=True)
    return Place(root)
