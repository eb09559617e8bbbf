"""What events change: the operations by which `store/events/` describes the effect of an event.

The functions that apply events know no SQL. They are written once, and used in two ways: on the
tables, for an event that was made here (`state_tables.py`), and on the rows of a unit in memory,
when all its events are folded (`folded_rows.py`). What an operation does is said here.
"""

from __future__ import annotations

from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    from localreg.values.records import Json

    # The gate that a model passed when an alias was set, and the reason if it did not pass.
    Passed = tuple[str | None, str | None]

    class State(Protocol):
        """Models, tasks and aliases, as events change them. An owner is a model or task.

        An operation on an owner that is not there does nothing.
        """

        def project(self, project: Json | None, at: int) -> int:
            """Return the key of a project as events name it; it is made if it is new."""

        def add_project_id(self, project_id: str, key: int) -> None:
            """Record one more id of a project."""

        def project_named(self, name: str, at: int) -> int:
            """Return the key of the project of a name; it is made if it is new."""

        def tag(self, name: str, system: bool) -> int:
            """Return the key of a tag; it is made if it is new."""

        def blob(
            self, digest: str | None, size: int | None, total: int | None, at: int
        ) -> int | None:
            """Return the key of a blob; it is made if it is new. None without a digest."""

        def real_url(self, revision: str, public: str | None) -> str | None:
            """Return the URL of a revision: a private one, or that of the event."""

        def create(self, owner: str, subject: str, values: Sequence[object]) -> None:
            """Make a model or task with the values of `OWNERS`; one that is there is changed."""

        def change(self, owner: str, subject: str, columns: dict[str, object]) -> None:
            """Set columns of a model or task."""

        def delete_task(self, subject: str) -> None:
            """Delete a task with its rows."""

        def bury(self, subject: str, stamp: int) -> None:
            """Delete a model with its rows; a tombstone stays."""

        def unbury(self, subject: str) -> None:
            """Delete the tombstone of a model."""

        def put(
            self, table: str, subject: str, key: tuple[object, ...], values: Sequence[object]
        ) -> None:
            """Set the row of a key in one of `OWNED`."""

        def put_all(
            self,
            table: str,
            subject: str,
            rows: Mapping[tuple[object, ...], Sequence[object]],
        ) -> None:
            """Set the rows of several keys in one of `OWNED`."""

        def drop(self, table: str, subject: str, key: tuple[object, ...]) -> None:
            """Delete the row of a key in one of `OWNED`."""

        def change_weights(self, model_id: str, revision: str, columns: dict[str, object]) -> None:
            """Set columns of a revision."""

        def serve(self, model_id: str, revision: str) -> None:
            """Make a revision the current one, if the model has it."""

        def born_with(
            self, owner: str, subject: str, tags: Sequence[str], system: bool, stamp: int
        ) -> None:
            """Give a model or task tags that it has since it was created."""

        def add_tag(self, owner: str, subject: str, tag: int, event_id: str) -> None:
            """Add a tag by an event that came after the creation."""

        def drop_tag(self, owner: str, subject: str, tag: int, seen: Sequence[str]) -> None:
            """Drop the additions of a tag that a drop saw; the tag goes with the last one."""

        def claim(self, project: int, name: str, number: int, model_id: str, event_id: str) -> None:
            """Record that a model claims a version number by an event; its first claim counts."""

        def release(self, project: int, name: str, number: int, model_id: str) -> None:
            """Record that a model gave a version number up."""

        def point_alias(
            self, project: int, name: str, alias: str, model_id: str | None, passed: Passed
        ) -> None:
            """Point an alias at a model, or at none."""

        def set_gate(
            self, project: int, name: str, alias: str, gate: tuple[str, str] | None
        ) -> None:
            """Give an alias a gate, as its conditions and the id of its event; None for none."""

        def name_in_alias_event(self, model_id: str, event_id: str) -> None:
            """Record that an alias event names a model."""

        def touch_task(self, subject: str, stamp: int, at: int) -> None:
            """Set stamp and time of a task's last change."""


OWNERS: dict[str, tuple[str, ...]] = {
    "model": (
        "name", "project", "version", "comment", "framework", "package", "published", "contested",
        "archived", "task", "parent", "created", "updated", "birth", "stamp",
    ),
    "task": (
        "project", "name", "type", "status", "reason", "published", "progress", "comment",
        "parent", "run", "created", "ended", "updated", "stamp",
    ),
}  # fmt: skip


class Owned(Frozen):
    """A table with rows of models or tasks.

    Attributes:
        owner: "model" or "task"; the first column, which has its key, is named like that.
        keys: the columns by which the rows of one owner differ.
        values: the others.
    """

    owner: str
    keys: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns."""
        return (self.owner, *self.keys, *self.values)


OWNED = {
    "design": Owned("model", (), ("config", "labels")),
    "weights": Owned(
        "model",
        ("id",),
        (
            "revision", "url", "blob", "filename", "pinned", "kept", "uploaded", "current",
            "package", "tree", "archive", "archive_size", "at",
        ),
    ),
    "metadata": Owned("model", ("key",), ("value", "type", "number")),
    "signature": Owned("model", ("id",), ("digest", "blob", "signer", "at")),
    "task_design": Owned("task", (), ("config", "labels")),
    "task_model": Owned("task", ("role", "name"), ("model", "stamp")),
    "parameter": Owned("task", ("section", "name"), ("value", "type")),
    "configuration": Owned("task", ("name",), ("text",)),
    "artifact": Owned("task", ("name",), ("blob", "filename", "kind", "details", "at")),
}  # fmt: skip
TAGS = {"model": "model_tag", "task": "task_tag"}
