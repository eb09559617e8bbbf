"""P25: a database is opened only if its tables, indexes and triggers are those of schema.sql."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

import pytest

from localreg import InputModel, Registry
from localreg.errors import DamagedRowError, ForeignSchemaError
from localreg.store.rows.known_schema import known_objects

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT * FROM n"

REFUSED = {
    "an endless view instead of a table": (
        f"DROP TABLE private_url; CREATE VIEW private_url AS {ENDLESS}",
        "private_url",
    ),
    "an endless view instead of the settings": (
        f"DROP TABLE setting; CREATE VIEW setting AS {ENDLESS}",
        "setting",
    ),
    "a virtual table": (
        "DROP TABLE known_file; CREATE VIRTUAL TABLE known_file USING fts5(digest)",
        "known_file",
    ),
    "a table instead of a function": ("CREATE TABLE json_each (value)", "json_each"),
    "a table that is missing": ("DROP TABLE message", "message"),
    "a column with another name": (
        "ALTER TABLE blob RENAME COLUMN ctime TO witness",
        "blob",
    ),
    "a column more": ("ALTER TABLE model ADD COLUMN spy", "model"),
    "a generated column": (
        "ALTER TABLE model ADD COLUMN spy AS (length(name))",
        "model",
    ),
    "a trigger": (
        "CREATE TRIGGER spy AFTER INSERT ON model BEGIN DELETE FROM blob; END",
        "spy",
    ),
    "a trigger that is missing": ("DROP TRIGGER event_is_never_deleted", "event_is_never_deleted"),
    "an index that is missing": ("DROP INDEX blob_size", "blob_size"),
    "an index with an expression": ("CREATE INDEX spy ON model (length(name))", "spy"),
    "a plain index": ("CREATE INDEX spy ON model (comment)", "spy"),
    "a foreign key": (
        "CREATE TABLE spy (model INTEGER REFERENCES Model (pk) ON DELETE CASCADE)",
        "spy",
    ),
    "a view of SQLite's name": (
        "CREATE TABLE x (a); PRAGMA writable_schema = ON; UPDATE sqlite_master "
        "SET name = 'sqlite_x', tbl_name = 'sqlite_x', type = 'view', rootpage = 0, "
        "sql = 'CREATE VIEW sqlite_x AS SELECT 1' WHERE name = 'x'",
        "sqlite_x",
    ),
}
ALLOWED = {
    "a table, its index and its trigger": "CREATE TABLE mine (a); CREATE INDEX of_mine ON mine (a);"
    "CREATE TRIGGER on_mine AFTER INSERT ON mine BEGIN DELETE FROM mine; END",
    "a view": "CREATE VIEW newest AS SELECT name FROM model ORDER BY created DESC",
    "an endless view": f"CREATE VIEW numbers AS {ENDLESS}",
    "a virtual table": "CREATE VIRTUAL TABLE words USING fts5(text)",
    "statistics": "ANALYZE",
    "keys among tables of the user": "CREATE TABLE a (x PRIMARY KEY); "
    "CREATE TABLE b (y REFERENCES a (x) ON DELETE CASCADE)",
}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    with Registry(tmp_path_factory.mktemp("template") / "r", durability="fast") as registry:
        InputModel.import_model("s3://b/x.pt", name="net", tags=["t"])
    return registry.path


@pytest.fixture
def root(template, tmp_path):
    return shutil.copytree(template, tmp_path / "registry")


def changed(root, script):
    with closing(sqlite3.connect(root / "registry.db", isolation_level=None)) as connection:
        connection.executescript(script)
    return root


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("name", REFUSED)
def test_a_schema_of_a_stranger_is_refused(root, name, readonly):
    """The error names what differs; nothing else was read."""
    script, wanted = REFUSED[name]
    changed(root, script)
    with pytest.raises(ForeignSchemaError, match=wanted) as caught:
        Registry(root, readonly=readonly)
    assert caught.value.name == wanted
    assert caught.value.path == str(root / "registry.db")


@pytest.mark.parametrize("name", REFUSED)
def test_a_schema_of_a_stranger_is_refused_upstream(root, tmp_path, caplog, name):
    """An upstream registry with such a schema is left out, and the reason is named."""
    script, wanted = REFUSED[name]
    changed(root, script)
    with Registry(tmp_path / "own", upstream=[root]) as registry:
        assert registry.models() == []
    assert str(root) in caplog.text
    assert wanted in caplog.text


@pytest.mark.parametrize("name", ALLOWED)
def test_what_users_add_beside_our_tables_is_left_alone(root, name):
    """Tables, views and their indexes and triggers may be added, and are never read."""
    changed(root, ALLOWED[name])
    with Registry(root) as registry:
        assert [model.name for model in registry.models(tags=["t"])] == ["net"]
        InputModel.import_model("s3://b/y.pt", name="other")
        assert registry.verify(full=True).ok
        registry.gc(dry_run=False)


@pytest.mark.parametrize("kind", ["table", "index", "trigger"])
def test_the_known_schema_is_what_sqlite_keeps(root, kind):
    """The statements read from schema.sql are those that SQLite lists."""
    with closing(sqlite3.connect(root / "registry.db")) as connection:
        rows = connection.execute(
            "SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = ? AND sql IS NOT NULL "
            "AND name NOT LIKE 'sqlite%'",
            (kind,),
        ).fetchall()
    known = [(each.name, each.table, each.sql) for each in known_objects() if each.kind == kind]
    assert known == rows != []


SETTINGS = {
    "registry_id": ["/victim", "../victim", "", "A" * 32, b"\xff", 5, None],
    "journal": ["/victim", "delete", b"wal", None],
    "shared": [b"\xff"],
}


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, some in SETTINGS.items() for value in some]
)
def test_a_setting_that_cannot_be_one_is_refused(root, name, value, readonly):
    """The id of a registry becomes the name of a folder, so it is 32 hex digits, or refused."""
    with closing(sqlite3.connect(root / "registry.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM setting WHERE name = ?", (name,))
        if value is not None:
            connection.execute("INSERT INTO setting VALUES (?, ?)", (name, value))
    with pytest.raises(DamagedRowError, match=name) as caught:
        Registry(root, readonly=readonly)
    assert (caught.value.table, caught.value.row, caught.value.column) == ("setting", name, "value")
    assert str(caught.value).startswith(str(root / "registry.db"))
