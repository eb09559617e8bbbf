"""What a model handle stands for: a model of a registry, or the empty one that none stores."""

from __future__ import annotations

import os
from pathlib import Path

from localreg import operations
from localreg.errors import EmptyModelError, NotAPackageError, NoWeightsError
from localreg.operations.finding.references import require_model
from localreg.progress import shown_progress
from localreg.registry import OpenRegistry
from localreg.store.rows import model_rows
from localreg.store.rows.model_rows import ModelRow
from localreg.values.checks import check_text
from localreg.values.frozen import Frozen
from localreg.values.records import MetadataValue, Owner

EMPTY_ID = "empty"


class Stored(Frozen):
    """A model of a registry. Everything is read anew, and raises when the model is gone."""

    registry: OpenRegistry
    id: str

    def stored(self) -> Stored:
        """Return itself: it can be changed."""
        return self

    def owner(self) -> Owner:
        """Return it as what something is reported to."""
        return Owner("model", self.id)

    def row(self) -> ModelRow:
        """Return the model's own row."""
        with self.registry.store.read() as connection:
            return require_model(connection, self.id)

    def tags(self, *, system: bool) -> list[str]:
        """Return the tags, or the system tags with the states among them, sorted."""
        with self.registry.store.read() as connection:
            row = require_model(connection, self.id)
            names = model_rows.tags(connection, self.id, system=system)
        if system:
            states = (("archived", row.archived), ("package", row.package))
            names += [name for name, holds in states if holds]
        return sorted(names)

    def metadata(self) -> dict[str, MetadataValue]:
        """Return every metadata entry."""
        with self.registry.store.read() as connection:
            require_model(connection, self.id)
            return model_rows.metadata(connection, self.id)

    def metadata_value(self, key: str) -> MetadataValue | None:
        """Return one metadata entry, or None."""
        check_text("key", key)
        with self.registry.store.read() as connection:
            require_model(connection, self.id)
            return model_rows.metadata_value(connection, self.id, key)

    def config(self) -> str:
        """Return the configuration text."""
        with self.registry.store.read() as connection:
            require_model(connection, self.id)
            return model_rows.config(connection, self.id)

    def labels(self) -> dict[str, int]:
        """Return the label enumeration."""
        with self.registry.store.read() as connection:
            require_model(connection, self.id)
            return model_rows.labels(connection, self.id)

    def aliases(self) -> list[str]:
        """Return the aliases that point to it, sorted."""
        with self.registry.store.read() as connection:
            require_model(connection, self.id)
            return model_rows.aliases(connection, self.id)

    def task(self) -> str | None:
        """Return the id of the task that took it as input last, else of the one that made it."""
        with self.registry.store.read() as connection:
            row = require_model(connection, self.id)
            found = operations.finding.upstream.Found(self.registry, self.id)
            last = operations.finding.upstream.last_user(found)
        return row.task if last is None else last

    def url(self) -> str | None:
        """Return where the weights come from."""
        return operations.weights.local_copies.weights_url(self.registry, self.id)

    def local_copy(self, *, extract: bool | None, force: bool) -> str:
        """Return a local path of the weights, as `operations.weights.local_copies` does."""
        with shown_progress(f"Fetching model {self.id[:8]}") as progress:
            path = operations.weights.local_copies.local_copy(
                self.registry, self.id, extract=extract, force=force, progress=progress
            )
        return str(path)

    def private_copy(self, path: str, folder: str | os.PathLike[str] | None) -> str:
        """Return a copy of a local path of the weights that is the caller's own."""
        return str(
            operations.weights.local_copies.private_copy(self.registry, self.id, Path(path), folder)
        )

    def entry_name(self) -> str:
        """Return the name it gets on a task when none is told."""
        with self.registry.store.read() as connection:
            return operations.tasks.inputs.entry_name(connection, self.id)

    def check_package(self) -> None:
        """Raise NotAPackageError when it is a single file."""
        operations.weights.local_copies.check_package(self.registry, self.id)


class Empty(Frozen):
    """The model of `InputModel.empty()`: a configuration and labels, in memory only."""

    config_text: str
    enumeration: dict[str, int]

    id = EMPTY_ID

    def stored(self) -> Stored:
        """Raise: there is nothing to change."""
        raise EmptyModelError(
            "the model of InputModel.empty() is not in a registry, so it cannot be changed or "
            "looked up there; import_model makes one that is",
            argument="model",
        )

    def row(self) -> ModelRow:
        """Return a row in which everything is unset."""
        return ModelRow(
            id=EMPTY_ID,
            name=None,  # type: ignore[arg-type]  # the page types it str; only this one has none
            project=None,
            version=0,
            comment=None,
            framework=None,
            package=False,
            published=False,
            archived=False,
            task=None,
            parent=None,
            created=0,
            updated=0,
        )

    def tags(self, *, system: bool) -> list[str]:
        """Return no tags."""
        return []

    def metadata(self) -> dict[str, MetadataValue]:
        """Return no metadata."""
        return {}

    def metadata_value(self, key: str) -> MetadataValue | None:
        """Return None."""
        check_text("key", key)
        return None

    def config(self) -> str:
        """Return the configuration text it was made with."""
        return self.config_text

    def labels(self) -> dict[str, int]:
        """Return the labels it was made with."""
        return dict(self.enumeration)

    def task(self) -> str | None:
        """Return None."""
        return None

    def url(self) -> str | None:
        """Return None."""
        return None

    def local_copy(self, *, extract: bool | None, force: bool) -> str:
        """Raise NoWeightsError."""
        raise NoWeightsError("the empty model has no weights", model=EMPTY_ID)

    def private_copy(self, path: str, folder: str | os.PathLike[str] | None) -> str:
        """Raise: there is no path of it."""
        raise AssertionError(path)

    def entry_name(self) -> str:
        """Return the name that a model without weights gets on a task."""
        return operations.tasks.inputs.UNNAMED_INPUT

    def check_package(self) -> None:
        """Raise NotAPackageError."""
        raise NotAPackageError("the empty model is not a package", model=EMPTY_ID)


Subject = Stored | Empty
