"""What of models and tasks can be searched, as texts, for the index of `search`.

Secrets are hidden here, so the index never has them. Values that are no text are taken as text:
the index must not fail because of one damaged row, which other commands report.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from localreg.values import dataset_names
from localreg.values.frozen import Frozen
from localreg.values.ids import alias_id
from localreg.values.secrets import masked, masked_config, masked_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Connection = sqlite3.Connection

FIELDS = (
    "name", "project", "tags", "aliases", "comment", "metadata", "configuration", "parameters",
)  # fmt: skip
MOST_CHARACTERS = 100_000  # of one field
_BREAK = "\u200b"  # between the characters of scripts without blanks; people do not see it
# Scripts whose words have no blanks between them: each of their characters is a word of the index.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003ffff"
)
_ARCHIVED = "archived"
MATCH_BEGIN, MATCH_END = "\x02", "\x03"  # the index puts them around matches, so no text has them
_NO_MARKS = str.maketrans({MATCH_BEGIN: " ", MATCH_END: " ", _BREAK: ""})


class Texts(Frozen):
    """What is searched of one model or task.

    Attributes:
        kind: "model", "dataset" or "task".
        project: the name of its project; "" for none.
        stamp: orders equal matches.
        fields: a text for each of `FIELDS`.
        aliases: the ids of the aliases that point to it, as events name them.
    """

    id: str
    kind: str
    archived: bool
    project: str
    name: str
    stamp: int
    fields: tuple[str, ...]
    aliases: tuple[str, ...]


def separated(text: str) -> str:
    r"""Return a text as the index splits it into words.

    >>> separated("resnet 模型").split("\u200b")
    ['resnet 模', '型']
    """
    if text.isascii():
        return text
    return re.sub(f"(?<=[{_UNSPACED}])(?=\\w)|(?<=\\w)(?=[{_UNSPACED}])", _BREAK, text)


def as_written(text: str) -> str:
    """Return a text of the index as it was written."""
    return text.replace(_BREAK, "")


def models_after(connection: Connection, pk: int, limit: int) -> tuple[int, list[Texts]]:
    """Return the next models in the order of their keys, and the key of the last one."""
    return _after(connection, "model", pk, limit)


def tasks_after(connection: Connection, pk: int, limit: int) -> tuple[int, list[Texts]]:
    """Return the next tasks in the order of their keys, and the key of the last one."""
    return _after(connection, "task", pk, limit)


def _after(connection: Connection, table: str, pk: int, limit: int) -> tuple[int, list[Texts]]:
    rows = connection.execute(
        f"SELECT pk FROM {table} WHERE pk > ? ORDER BY pk LIMIT ?", (pk, limit)
    )
    keys = [int(key) for (key,) in rows]
    texts = _models(connection, keys) if table == "model" else _tasks(connection, keys)
    return (keys[-1] if keys else pk), list(texts)


def texts_of(connection: Connection, ids: Iterable[str]) -> list[Texts]:
    """Return the texts of those of some ids that are models or tasks."""
    wanted = json.dumps([*ids])
    found: list[Texts] = []
    for table, read in (("model", _models), ("task", _tasks)):
        rows = connection.execute(
            f"SELECT pk FROM {table} WHERE id IN (SELECT value FROM json_each(?))", (wanted,)
        )
        found += read(connection, [int(key) for (key,) in rows])
    return found


def _text(value: object) -> str:
    """Return a value of a row as text; those of SQL below are cast to BLOB, which never fails."""
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _by_owner(
    connection: Connection, sql: str, keys: Sequence[int]
) -> dict[int, list[tuple[Any, ...]]]:
    """Return the rows of a statement by their first column.

    Args:
        sql: with ``{}`` for the keys of the owners.
    """
    found: dict[int, list[tuple[Any, ...]]] = {}
    chosen = sql.format("(SELECT value FROM json_each(?))")
    for owner, *values in connection.execute(chosen, (json.dumps(keys),)):
        found.setdefault(owner, []).append(tuple(map(_text, values)))
    return found


def _models(connection: Connection, keys: Sequence[int]) -> Iterator[Texts]:
    rows = connection.execute(
        "SELECT m.pk, m.id, m.archived, m.stamp, CAST(m.name AS BLOB), CAST(p.name AS BLOB), "
        "CAST(m.comment AS BLOB) FROM model m JOIN project p ON p.pk = m.project "
        "WHERE m.pk IN (SELECT value FROM json_each(?)) ORDER BY m.pk",
        (json.dumps(keys),),
    ).fetchall()
    tags = _by_owner(
        connection,
        "SELECT x.model, CAST(t.name AS BLOB), t.system FROM model_tag x "
        "JOIN tag t ON t.pk = x.tag WHERE x.model IN {}",
        keys,
    )
    aliases = _by_owner(
        connection,
        "SELECT m.pk, CAST(a.alias AS BLOB) FROM model m JOIN alias a ON a.model = m.id "
        "AND a.project = m.project AND a.name = m.name WHERE m.pk IN {}",
        keys,
    )
    metadata = _by_owner(
        connection,
        "SELECT model, CAST(key AS BLOB), CAST(value AS BLOB) FROM metadata WHERE model IN {}",
        keys,
    )
    configs = _by_owner(
        connection, "SELECT model, CAST(config AS BLOB) FROM design WHERE model IN {}", keys
    )
    for pk, id_, archived, stamp, *texts in rows:
        name, project, comment = map(_text, texts)
        dataset = (dataset_names.TAG, "1") in tags.get(pk, ())
        pointing = [alias for (alias,) in aliases.get(pk, ())]
        shown = dataset_names.shown_project(project) if dataset else project
        yield Texts(
            str(id_), "dataset" if dataset else "model", bool(archived), shown, name, int(stamp),
            _fields(
                name, shown, _user_tags(tags.get(pk, ())), pointing, comment, metadata.get(pk, ()),
                [masked_config(text) for (text,) in configs.get(pk, ())], (),
            ),
            tuple(alias_id(project, name, alias) for alias in pointing),
        )  # fmt: skip


def _tasks(connection: Connection, keys: Sequence[int]) -> Iterator[Texts]:
    rows = connection.execute(
        "SELECT t.pk, t.id, t.stamp, CAST(t.name AS BLOB), CAST(p.name AS BLOB), "
        "CAST(t.comment AS BLOB) FROM task t JOIN project p ON p.pk = t.project "
        "WHERE t.pk IN (SELECT value FROM json_each(?)) ORDER BY t.pk",
        (json.dumps(keys),),
    ).fetchall()
    tags = _by_owner(
        connection,
        "SELECT x.task, CAST(t.name AS BLOB), t.system FROM task_tag x "
        "JOIN tag t ON t.pk = x.tag WHERE x.task IN {}",
        keys,
    )
    configs = _by_owner(
        connection, "SELECT task, CAST(config AS BLOB) FROM task_design WHERE task IN {}", keys
    )
    named = _by_owner(
        connection,
        "SELECT task, CAST(name AS BLOB), CAST(text AS BLOB) FROM configuration WHERE task IN {}",
        keys,
    )
    parameters = _by_owner(
        connection,
        "SELECT task, CAST(section AS BLOB) || '/' || CAST(name AS BLOB), CAST(value AS BLOB) "
        "FROM parameter WHERE task IN {}",
        keys,
    )
    for pk, id_, stamp, *texts in rows:
        name, project, comment = map(_text, texts)
        archived = (_ARCHIVED, "1") in tags.get(pk, ())
        configurations = [masked_config(text) for (text,) in configs.get(pk, ())]
        configurations += [f"{key}\n{masked_config(text)}" for key, text in named.get(pk, ())]
        yield Texts(
            str(id_), "task", archived, project, name, int(stamp),
            _fields(
                name, project, _user_tags(tags.get(pk, ())), (), comment, (), configurations,
                parameters.get(pk, ()),
            ),
            (),
        )  # fmt: skip


def _user_tags(tags: Iterable[tuple[str, str]]) -> list[str]:
    return [name for name, system in tags if system == "0"]


def _fields(
    name: str,
    project: str,
    tags: Iterable[str],
    aliases: Iterable[str],
    comment: str,
    metadata: Iterable[tuple[str, ...]],
    configurations: Iterable[str],
    parameters: Iterable[tuple[str, ...]],
) -> tuple[str, ...]:
    texts = (
        name,
        project,
        "\n".join(sorted(tags)),
        "\n".join(sorted(aliases)),
        masked_text(comment),
        "\n".join(sorted(f"{key} = {masked(key, value)}" for key, value in metadata)),
        "\n\n".join(filter(None, configurations)),
        "\n".join(sorted(f"{key} = {masked(key, value)}" for key, value in parameters)),
    )
    return tuple(separated(text[:MOST_CHARACTERS].translate(_NO_MARKS)) for text in texts)
