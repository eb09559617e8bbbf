"""What of models and tasks can be searched, as texts, for the index of `search`.

Secrets are hidden here, so the index never has them. Values that are no text are taken as text:
the index must not fail because of one damaged row, which other commands report.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from localreg.store.rows.checked_values import fetched
from localreg.values import dataset_names
from localreg.values.frozen import Frozen
from localreg.values.ids import alias_id
from localreg.values.secrets import is_secret_name, masked, masked_config, masked_text

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

is_secret = lru_cache(10_000)(is_secret_name)


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


def texts_from(connection: Connection, stamp: int, limit: int) -> tuple[int, list[Texts]]:
    """Return the models and tasks that changed last at a stamp or later, in the order of stamps.

    Returns:
        the stamp of the last one, and the texts; fewer than `limit` are all that there are.
    """
    part = (
        "SELECT * FROM (SELECT stamp, {owner} AS task, pk FROM {table} WHERE stamp >= :stamp "
        "ORDER BY stamp LIMIT :limit)"
    )
    models, tasks = part.format(owner=0, table="model"), part.format(owner=1, table="task")
    rows = connection.execute(
        f"{models} UNION ALL {tasks} ORDER BY 1 LIMIT :limit", {"stamp": stamp, "limit": limit}
    ).fetchall()
    found = [*_models(connection, [pk for _, task, pk in rows if not task])]
    found += _tasks(connection, [pk for _, task, pk in rows if task])
    found.sort(key=lambda each: each.stamp)
    return max((int(each) for each, _, _ in rows), default=stamp), found


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


def _rows(connection: Connection, sql: str, keys: Sequence[int]) -> list[tuple[Any, ...]]:
    """Return the rows of a statement with ``{}`` for the keys of the owners.

    Text that is not UTF-8 comes as bytes.
    """
    chosen = sql.format("(SELECT value FROM json_each(?))")
    return fetched(connection, chosen, (json.dumps(keys),))


def _text(value: object) -> str:
    """Return a value as text; NULL, and what is not text in a damaged row, as well."""
    if type(value) is str:
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def _by_owner(
    connection: Connection, sql: str, keys: Sequence[int]
) -> dict[int, list[tuple[Any, ...]]]:
    """Return the rows of a statement by their first column; see `_rows`."""
    found: dict[int, list[tuple[Any, ...]]] = {}
    for row in _rows(connection, sql, keys):
        found.setdefault(row[0], []).append(row)
    return found


def _entries(connection: Connection, sql: str, keys: Sequence[int]) -> dict[int, list[str]]:
    """Return lines ``key = value`` by owner, without secrets; see `_rows`."""
    found: dict[int, list[str]] = {}
    for owner, key, value in _rows(connection, sql, keys):
        name, text = _text(key), _text(value)
        # As `masked` decides, for keys that it met before.
        line = masked(name, text) if is_secret(name) or "://" in text else text
        found.setdefault(owner, []).append(f"{name} = {line}")
    return found


def _models(connection: Connection, keys: Sequence[int]) -> Iterator[Texts]:
    rows = _rows(
        connection,
        "SELECT m.pk, m.id, m.archived, m.stamp, m.name, p.name, "
        "m.comment FROM model m JOIN project p ON p.pk = m.project "
        "WHERE m.pk IN {} ORDER BY m.pk",
        keys,
    )
    tags = _by_owner(
        connection,
        "SELECT x.model, t.name, t.system FROM model_tag x "
        "JOIN tag t ON t.pk = x.tag WHERE x.model IN {}",
        keys,
    )
    aliases = _by_owner(
        connection,
        "SELECT m.pk, a.alias FROM model m JOIN alias a ON a.model = m.id "
        "AND a.project = m.project AND a.name = m.name WHERE m.pk IN {}",
        keys,
    )
    metadata = _entries(
        connection,
        "SELECT model, key, value FROM metadata WHERE model IN {}",
        keys,
    )
    configs = _by_owner(connection, "SELECT model, config FROM design WHERE model IN {}", keys)
    for pk, id_, archived, stamp, *texts in rows:
        name, project, comment = map(_text, texts)
        dataset = (pk, dataset_names.TAG, 1) in tags.get(pk, ())
        pointing = [_text(alias) for _, alias in aliases.get(pk, ())]
        shown = dataset_names.shown_project(project) if dataset else project
        yield Texts(
            str(id_), "dataset" if dataset else "model", bool(archived), shown, name, int(stamp),
            _fields(
                name, shown, _user_tags(tags.get(pk, ())), pointing, comment, metadata.get(pk, ()),
                [masked_config(_text(text)) for _, text in configs.get(pk, ())], (),
            ),
            tuple(alias_id(project, name, alias) for alias in pointing),
        )  # fmt: skip


def _tasks(connection: Connection, keys: Sequence[int]) -> Iterator[Texts]:
    rows = _rows(
        connection,
        "SELECT t.pk, t.id, t.stamp, t.name, p.name, "
        "t.comment FROM task t JOIN project p ON p.pk = t.project "
        "WHERE t.pk IN {} ORDER BY t.pk",
        keys,
    )
    tags = _by_owner(
        connection,
        "SELECT x.task, t.name, t.system FROM task_tag x "
        "JOIN tag t ON t.pk = x.tag WHERE x.task IN {}",
        keys,
    )
    configs = _by_owner(connection, "SELECT task, config FROM task_design WHERE task IN {}", keys)
    named = _by_owner(
        connection,
        "SELECT task, name, text FROM configuration WHERE task IN {}",
        keys,
    )
    parameters = _entries(
        connection,
        "SELECT task, section || '/' || name, value FROM parameter WHERE task IN {}",
        keys,
    )
    for pk, id_, stamp, *texts in rows:
        name, project, comment = map(_text, texts)
        archived = (pk, _ARCHIVED, 1) in tags.get(pk, ())
        configurations = [masked_config(_text(text)) for _, text in configs.get(pk, ())]
        configurations += [
            f"{key}\n{masked_config(_text(text))}" for _, key, text in named.get(pk, ())
        ]
        yield Texts(
            str(id_), "task", archived, project, name, int(stamp),
            _fields(
                name, project, _user_tags(tags.get(pk, ())), (), comment, (), configurations,
                parameters.get(pk, ()),
            ),
            (),
        )  # fmt: skip


def _user_tags(tags: Iterable[tuple[Any, ...]]) -> list[str]:
    return [_text(name) for _, name, system in tags if system == 0]


def _fields(
    name: str,
    project: str,
    tags: Iterable[str],
    aliases: Iterable[str],
    comment: str,
    metadata: Iterable[str],
    configurations: Iterable[str],
    parameters: Iterable[str],
) -> tuple[str, ...]:
    texts = (
        name,
        project,
        "\n".join(tags),
        "\n".join(aliases),
        masked_text(comment),
        "\n".join(metadata),
        "\n\n".join(filter(None, configurations)),
        "\n".join(parameters),
    )
    whole = "".join(texts)
    if (
        len(whole) <= MOST_CHARACTERS
        and whole.isascii()
        and not (MATCH_BEGIN in whole or MATCH_END in whole)
    ):
        return texts
    return tuple(separated(text[:MOST_CHARACTERS].translate(_NO_MARKS)) for text in texts)
