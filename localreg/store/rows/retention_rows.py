"""What decides which versions of models are kept: all models, and what needs each of them.

Damaged rows are errors here: what needs a model must not be overlooked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from localreg.store.rows.checked_values import COUNT, FLAG, ID, TEXT, WHOLE, Columns, or_null
from localreg.values import dataset_names
from localreg.values.frozen import Frozen

Connection = sqlite3.Connection


class Version(Frozen):
    """A version of a model, as far as retention goes; data sets are none.

    Attributes:
        project: the name of its project, "" for none.
        birth: orders versions by their creation.
        task, parent: ids, or None.
    """

    pk: int
    id: str
    project: str
    name: str
    version: int
    birth: int
    published: bool
    task: str | None
    parent: str | None


class Use(Frozen):
    """A task that needs a model.

    Attributes:
        made: True if it made the model, False if the model is an input.
        runs: True if its status is "in_progress".
    """

    model: str
    task: str
    name: str
    made: bool
    runs: bool
    published: bool


_VERSIONS = Columns(
    "model", 1, pk=WHOLE, id=ID, project=TEXT, name=TEXT, version=COUNT, birth=COUNT,
    published=FLAG, task=or_null(ID), parent=or_null(ID),
)  # fmt: skip
_ALIASES = Columns("alias", model=ID, alias=TEXT)
_USES = Columns("task_model", model=ID, task=ID, name=TEXT, made=FLAG, runs=FLAG, published=FLAG)


def versions(connection: Connection) -> list[Version]:
    """Return all models but data sets, the newest version of each project and name first."""
    rows = _VERSIONS.all(
        connection,
        "SELECT m.pk, m.id, p.name, m.name, m.version, m.birth, m.published, m.task, m.parent "
        "FROM model m JOIN project p ON p.pk = m.project WHERE NOT EXISTS "
        "(SELECT 1 FROM model_tag x JOIN tag t ON t.pk = x.tag "
        "WHERE x.model = m.pk AND t.system = 1 AND t.name = ?) "
        "ORDER BY p.name, m.name, m.version DESC, m.birth DESC",
        (dataset_names.TAG,),
    )
    return [
        Version(pk, id_, project, name, version, birth, bool(published), task, parent)
        for pk, id_, project, name, version, birth, published, task, parent in rows
    ]


def aliases(connection: Connection) -> dict[str, str]:
    """Return an alias of each model that has one."""
    return dict(
        _ALIASES.all(
            connection,
            "SELECT m.id, a.alias FROM alias a JOIN model m ON m.id = a.model "
            "AND m.project = a.project AND m.name = a.name ORDER BY a.alias DESC",
        )
    )


def uses(connection: Connection) -> list[Use]:
    """Return the tasks that have models as inputs, and those that made them and run or are final.

    A task that made a model and has ended does not need it, unless it is published.
    """
    rows = _USES.all(
        connection,
        "SELECT x.model, t.id, t.name, 0, t.status = 'in_progress', t.published "
        "FROM task_model x JOIN task t ON t.pk = x.task WHERE x.role = 'input' UNION ALL "
        "SELECT m.id, t.id, t.name, 1, t.status = 'in_progress', t.published "
        "FROM model m JOIN task t ON t.id = m.task "
        "WHERE t.published = 1 OR t.status = 'in_progress'",
    )
    return [
        Use(model, task, name, bool(made), bool(runs), bool(published))
        for model, task, name, made, runs, published in rows
    ]


def blobs(connection: Connection) -> Iterator[tuple[int, int, int]]:
    """Yield (key of a model, key of a blob, its size) for all bytes of models that are here."""
    yield from connection.execute(
        "SELECT w.model, b.pk, b.size FROM weights w JOIN blob b ON b.pk = w.blob "
        "WHERE b.upstream IS NULL UNION "
        "SELECT w.model, b.pk, b.size FROM weights w JOIN tree_file f ON f.tree = w.blob "
        "JOIN blob b ON b.pk = f.blob WHERE w.tree = 1 AND b.upstream IS NULL"
    )
