"""What each column of each table must hold, for `verify`, which looks at every row.

Reading a row for a purpose checks the columns that it needs, with the same rules.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator

from localreg.errors import DamagedRowError
from localreg.store.rows.checked_values import (
    COUNT,
    DIGEST,
    FLAG,
    HEADER,
    ID,
    ID_OR_EMPTY,
    NAME,
    NUMBER,
    PACKAGE_PATH,
    TEXT,
    TIME,
    URL,
    WHOLE,
    Columns,
    Rule,
    fetched_in_parts,
    or_null,
)
from localreg.store.rows.report_rows import STRANGE_POINT


def _is_object(text: str) -> bool:
    try:
        return type(json.loads(text)) is dict
    except (ValueError, RecursionError):
        return False


def _is_texts(text: str) -> bool:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return type(found) is list and all(type(each) is str for each in found)


def _is_labels(text: str) -> bool:
    return _is_object(text) and all(type(each) is int for each in json.loads(text).values())


_STR = frozenset({str})
JSON: Rule = ("a JSON object", _STR, _is_object)
LABELS: Rule = ("labels with whole numbers, as JSON", _STR, _is_labels)
TEXTS: Rule = ("a list of texts, as JSON", _STR, _is_texts)
_OWNER = {"model": or_null(WHOLE), "task": or_null(WHOLE)}

RULES: dict[str, dict[str, Rule]] = {
    "setting": {"name": TEXT, "value": TEXT},
    "project": {"pk": WHOLE, "id": ID_OR_EMPTY, "name": TEXT, "created": TIME},
    "project_id": {"id": ID, "project": WHOLE},
    "claim": {
        "project": WHOLE, "name": TEXT, "number": COUNT, "model": ID, "released": FLAG, "event": ID,
    },
    "model": {
        "pk": WHOLE, "id": ID, "name": TEXT, "project": WHOLE, "version": COUNT,
        "comment": or_null(TEXT), "framework": or_null(TEXT), "package": FLAG, "published": FLAG,
        "contested": FLAG, "archived": FLAG, "task": or_null(ID), "parent": or_null(ID),
        "created": TIME, "updated": TIME, "birth": COUNT, "stamp": COUNT,
    },
    "tombstone": {"id": ID, "project": WHOLE, "name": TEXT, "version": COUNT, "stamp": COUNT},
    "forgotten": {"model": ID},
    "design": {"model": WHOLE, "config": TEXT, "labels": LABELS},
    "blob": {
        "pk": WHOLE, "digest": DIGEST, "size": COUNT, "added": TIME, "verified": or_null(TIME),
        "ctime": or_null(WHOLE), "sample": or_null(TEXT), "unreferenced": or_null(TIME),
        "facts": or_null(JSON), "upstream": or_null(TEXT), "total": or_null(COUNT),
    },
    "tree_file": {
        "tree": WHOLE, "path": PACKAGE_PATH, "blob": or_null(WHOLE),
        "size": COUNT, "executable": FLAG,
    },
    "unpacked": {"archive": DIGEST, "tree": WHOLE, "made": FLAG},
    "known_file": {
        "device": WHOLE, "inode": WHOLE, "size": COUNT, "modified": WHOLE, "changed": WHOLE,
        "digest": DIGEST,
    },
    "weights": {
        "pk": WHOLE, "model": WHOLE, "id": ID, "revision": COUNT, "url": or_null(URL),
        "blob": or_null(WHOLE), "filename": or_null(NAME), "pinned": or_null(DIGEST),
        "kept": FLAG, "uploaded": FLAG, "current": FLAG, "package": FLAG, "tree": FLAG,
        "archive": or_null(DIGEST),
        "archive_size": or_null(COUNT), "at": TIME,
    },
    "open_dataset": {
        "model": WHOLE, "changes": COUNT, "stored": COUNT, "added": COUNT, "modified": COUNT,
        "removed": COUNT,
    },
    "open_dataset_file": {
        "model": WHOLE, "path": PACKAGE_PATH, "blob": or_null(WHOLE), "size": or_null(COUNT),
        "executable": FLAG, "link": or_null(URL), "digest": or_null(DIGEST),
    },
    "upload": {
        "id": ID, "url": URL, "owner": TEXT, "at": TIME, "modified": or_null(WHOLE),
        "etag": or_null(TEXT),
    },
    "private_url": {"revision": ID, "url": URL},
    "signature": {
        "model": WHOLE, "id": ID, "digest": DIGEST, "blob": WHOLE, "signer": TEXT, "at": TIME,
    },
    "trusted_key": {"id": DIGEST, "kind": TEXT, "name": TEXT, "pem": TEXT, "added": TIME},
    "alias": {
        "project": WHOLE, "name": TEXT, "alias": TEXT, "model": ID, "gate": or_null(ID),
        "override": or_null(TEXT),
    },
    "gate": {"project": WHOLE, "name": TEXT, "alias": TEXT, "conditions": TEXTS, "event": ID},
    "gate_passed": {"project": WHOLE, "name": TEXT, "alias": TEXT, "model": ID, "gate": ID},
    "alias_event": {"model": ID, "event": ID},
    "tag": {"pk": WHOLE, "name": TEXT, "system": FLAG},
    "model_tag": {"model": WHOLE, "tag": WHOLE, "stamp": COUNT, "born": FLAG},
    "addition": {"subject": ID, "tag": WHOLE, "event": ID},
    "metadata": {
        "model": WHOLE, "key": TEXT, "value": TEXT, "type": TEXT, "number": or_null(NUMBER),
    },
    "task": {
        "pk": WHOLE, "id": ID, "project": WHOLE, "name": TEXT, "type": TEXT, "status": TEXT,
        "reason": or_null(TEXT), "published": FLAG, "progress": or_null(COUNT),
        "comment": or_null(TEXT), "parent": or_null(TEXT), "run": JSON, "created": TIME,
        "ended": or_null(TIME), "updated": TIME, "stamp": COUNT,
    },
    "task_design": {"task": WHOLE, "config": TEXT, "labels": LABELS},
    "task_model": {"task": WHOLE, "role": TEXT, "name": TEXT, "model": ID, "stamp": COUNT},
    "task_tag": {"task": WHOLE, "tag": WHOLE, "born": FLAG},
    "task_place": {"task": ID, "place": JSON},
    "configuration": {"task": WHOLE, "name": TEXT, "text": TEXT},
    "parameter": {"task": WHOLE, "section": TEXT, "name": TEXT, "value": TEXT, "type": TEXT},
    "artifact": {
        "task": WHOLE, "name": TEXT, "blob": WHOLE, "filename": NAME, "kind": TEXT,
        "details": JSON, "at": TIME,
    },
    "url": {
        "url": URL, "blob": WHOLE, "etag": or_null(HEADER), "modified": or_null(HEADER),
        "fetched": TIME,
    },
    "series": {
        "pk": WHOLE, **_OWNER, "title": TEXT, "name": TEXT, "epoch": TIME, "points": COUNT,
        "last": or_null(NUMBER), "low": or_null(NUMBER), "high": or_null(NUMBER), "joined": COUNT,
    },
    "scalar": {"series": WHOLE, "iteration": WHOLE, "value": or_null(NUMBER), "ms": WHOLE},
    "single": {**_OWNER, "name": TEXT, "value": or_null(NUMBER), "at": TIME},
    "plot": {
        "pk": WHOLE, **_OWNER, "title": TEXT, "series": TEXT, "iteration": WHOLE, "kind": TEXT,
        "spec": JSON, "blob": or_null(WHOLE), "at": TIME,
    },
    "message": {
        "pk": WHOLE, **_OWNER, "stamp": COUNT, "at": TIME, "level": WHOLE, "text": TEXT,
    },
    "reported": {**_OWNER, "stamp": COUNT, "at": TIME},
    "actor": {"pk": WHOLE, "name": TEXT},
    "origin": {"pk": WHOLE, "id": ID, "name": TEXT},
    "event": {
        "pk": WHOLE, "event_id": ID, "origin": WHOLE, "seq": COUNT, "grp": COUNT,
        "lamport": COUNT, "stamp": COUNT, "at": TIME, "actor": WHOLE, "kind": TEXT, "v": COUNT,
        "subject": ID, "field": or_null(TEXT), "payload": JSON, "arrived": or_null(TIME),
        "remote": or_null(ID), "position": or_null(COUNT), "positioned": or_null(TIME),
        "outcome": or_null(TEXT),
    },
    "writer": {"subject": ID, "register": TEXT, "events": TEXT},
    "arrival": {"pk": WHOLE, "at": TIME, "source": TEXT, "events": COUNT, "differences": TEXT},
    "refolded": {"pk": WHOLE, "subject": ID},
    "remote": {
        "pk": WHOLE, "name": TEXT, "url": TEXT, "table_id": or_null(ID), "mirror": FLAG,
        "cursor": WHOLE, "last": or_null(ID), "last_place": or_null(COUNT),
        "commit_id": or_null(TEXT), "seen": or_null(JSON), "sent": COUNT, "pushed": or_null(COUNT),
    },
    "mirrored": {"remote": WHOLE, "event": WHOLE},
    "remote_gap": {"remote": WHOLE, "digest": DIGEST},
    "remote_report": {
        "remote": WHOLE, "kind": TEXT, "owner": ID, "digest": DIGEST, "stamp": COUNT,
    },
    "remote_deletion": {
        "pk": WHOLE, "remote": WHOLE, "begin": ID, "digests": JSON, "ended": FLAG,
    },
}  # fmt: skip
# Tables whose rows say which blobs are needed.
OF_BLOBS = (
    "blob", "tree_file", "unpacked", "weights", "artifact", "plot", "url", "open_dataset_file",
)  # fmt: skip
_KEYS = ("id", "digest", "event_id", "name", "title", "url", "task", "model")


def damaged_rows(
    connection: sqlite3.Connection, tables: Iterable[str]
) -> Iterator[DamagedRowError]:
    """Yield an error for each row with a value that its column cannot hold.

    Args:
        connection: one that is not used for anything else.
        tables: where to look.
    """
    for table in tables:
        rules = RULES[table]
        names = list(rules)
        key = next((names.index(each) for each in _KEYS if each in rules), 0)
        columns = Columns(table, key, **rules)
        strange = f" WHERE {STRANGE_POINT}" if table == "scalar" else ""  # there may be 10 million
        sql = f"SELECT {', '.join(names)} FROM {table}{strange}"
        for rows in fetched_in_parts(connection, sql):
            yield from columns.damage(rows)
