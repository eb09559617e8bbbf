"""`localreg sql`: it only reads, ends in time, hides secrets; and its views are as documented."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sqlite3
from pathlib import Path

import pytest
from support.command_line import run_cli
from support.signed_models import record_signature
from support.terminal import run_on_terminal

import localreg
from localreg import InputModel, OutputModel, Registry, Task
from localreg.store.database.user_queries import HIDDEN, VIEWS

GUIDE = Path(localreg.__file__).parent / "guide" / "sql.md"
SECRET = "hunter2hunter2"


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A function that runs a query on a registry with some of everything, and secrets in it."""
    folder = tmp_path_factory.mktemp("asked")
    url = f"https://me:{SECRET}@example.org/w.pt?sig={SECRET}"
    with Registry(folder / "registry", durability="fast") as registry:
        task = Task.init(project_name="vision", task_name="train", reuse_last_task_id=False)
        task.connect({"lr": 0.1, "token": SECRET})
        task.connect_configuration({"password": SECRET, "depth": 3}, name="net")
        task.set_comment(f"see {url}")
        task.get_logger().report_text(f"token {SECRET}")
        task.get_logger().report_scalar("loss", "train", 0.5, 0)
        task.get_logger().report_scalar("loss", "train", 0.25, 1)
        task.get_logger().report_single_value("accuracy", 0.9)
        start = InputModel.import_model(
            url, name="start", project="vision", comment=f"from {url}", tags=["a"],
            metadata={"api_key": SECRET, "k": "v"}, config_dict={"password": SECRET},
        )  # fmt: skip
        task.set_input_model(start.id, name="start")
        net = OutputModel(task, name="net")
        net.update_weights(register_uri=url)
        net.report_single_value("accuracy", 0.8)
        net.report_single_value("nan", float("inf"))
        registry.set_alias(start, "prod")
        registry.protect("vision/start@prod", ["published"], override=f"as {url} wants it")
        record_signature(registry._chain.first, start.id, b"signed", digest="0" * 64)
        task.close()

    def ask(*arguments, code=0, stdin=None):
        done = run_cli("-R", folder / "registry", "sql", *arguments, stdin=stdin)
        assert done[0] == code, done
        return done[1] if code == 0 else done[2]

    return ask


def rows(asked, query):
    return json.loads(asked(query, "--json"))


def test_the_views_are_those_of_the_guide(asked):
    documented = {
        view: re.findall(r"`(\w+)`", columns)
        for view, columns in re.findall(r"^\| `(\w+)` \| (.*) \|$", GUIDE.read_text(), re.M)
    }
    found = {
        view: [each["name"] for each in rows(asked, f"PRAGMA table_info({view})")] for view in VIEWS
    }
    assert documented == found


def test_each_view_has_what_the_registry_has(asked):
    models = {each["name"]: each for each in rows(asked, "SELECT * FROM models")}
    assert models["start"]["ref"] == "vision/start:1"
    (task,) = rows(asked, "SELECT * FROM tasks")
    assert (task["name"], task["status"]) == ("train", "completed")
    by_id = {task["id"]: "train", **{each["id"]: name for name, each in models.items()}}

    def of_owners(query):
        return {tuple(by_id.get(value, value) for value in row.values())
                for row in rows(asked, query)}  # fmt: skip

    assert of_owners("SELECT id, metric, last, low, points, single FROM metrics") == {
        ("train", "loss/train", 0.25, 0.25, 2, 0), ("net", "loss/train", 0.25, 0.25, 2, 0),
        ("train", "accuracy", 0.9, 0.9, 1, 1), ("net", "accuracy", 0.8, 0.8, 1, 1),
        ("net", "nan", None, None, 1, 1),
    }  # fmt: skip
    lr = "SELECT id, value FROM parameters WHERE name = 'General/lr'"
    assert of_owners(lr) == {("train", "0.1"), ("net", "0.1")}
    assert of_owners("SELECT * FROM tags") == {("start", "a")}
    assert of_owners("SELECT * FROM aliases") == {("start", "vision", "start", "prod")}
    reason = "as https://***@example.org/w.pt?sig=*** wants it"
    gate = ("vision", "start", "prod", '["published"]', "start", 0, reason)
    assert of_owners("SELECT * FROM gates") == {gate}
    signatures = of_owners("SELECT id, digest, signer FROM signatures")
    assert signatures == {("start", "0" * 64, "ann")}
    assert of_owners("SELECT * FROM inputs") == {("train", "start", "start")}
    assert of_owners("SELECT id, key FROM metadata") == {("start", "api_key"), ("start", "k")}
    assert rows(asked, "SELECT count(*) AS n FROM changes")[0]["n"] > 10


def test_secrets_are_hidden_in_views_and_tables(asked):
    """P22."""
    tables = "SELECT name FROM sqlite_schema WHERE type = 'table'"
    names = [each["name"] for each in rows(asked, tables)]
    for name in (*VIEWS, *names):
        assert SECRET not in asked(f"SELECT * FROM {name}"), name
        assert SECRET not in asked(f"SELECT * FROM {name}", "--json"), name
    assert rows(asked, "SELECT value FROM metadata WHERE key = 'k'") == [{"value": "v"}]
    assert rows(asked, "SELECT count(value) AS n FROM parameter") == [{"n": 0}]
    for name in ("parameters", "view_parameters"):  # a part of a query that is named like a view
        query = f"WITH {name} AS (SELECT value FROM parameter) SELECT * FROM {name}"
        assert SECRET not in asked(query), name
    columns = {
        (name, each["name"]) for name in names for each in rows(asked, f"PRAGMA table_info({name})")
    }
    assert columns >= HIDDEN


def test_joins_by_equal_names_show_no_secrets(asked):
    """SQLite asks nothing about the columns of USING and NATURAL JOIN."""
    guess = f"(SELECT '{SECRET}' AS value)"
    for join in (f"JOIN {guess} USING (value)", f"NATURAL JOIN {guess}"):
        assert rows(asked, f"SELECT count(*) AS n FROM parameter {join}") == [{"n": 0}]
    for table, column in sorted(HIDDEN - {("metadata", "value")}):
        both = f"SELECT count(*) AS n FROM {table} a JOIN {table} b USING ({column})"
        assert rows(asked, both) == [{"n": 0}], table
        if sqlite3.sqlite_version_info >= (3, 39):
            every = f"FROM (SELECT 1 AS {column} WHERE 0) FULL JOIN {table} USING ({column})"
            assert rows(asked, f"SELECT count({column}) AS n {every}") == [{"n": 0}], table
    for spelled in (
        "main.parameter", "MAIN . parameter", '"main".parameter', "'main'.parameter",
        "[main].parameter", "`main`/* ' */.parameter", "main-- '\n.parameter",
        "main/**/\ufeff.parameter",
    ):  # fmt: skip
        said = asked(f"SELECT 1 FROM {spelled} JOIN (SELECT 1 AS value) USING (value)", code=2)
        assert "without `main.`" in said, spelled
    assert asked("SELECT 'main.py', '/*main.x', 2 -- main.y") == "main.py\t/*main.x\t2\n"


def test_what_does_not_only_read_or_cannot_be_run_is_refused(asked, tmp_path, monkeypatch):
    """It leaves with 2, and with SQLite's message; nothing is changed, and no file is made."""
    monkeypatch.chdir(tmp_path)
    before = asked("SELECT * FROM sqlite_schema"), asked("SELECT * FROM setting")
    for query in (
        "DELETE FROM model", "INSERT INTO setting VALUES ('a', 'b')",
        "UPDATE model SET name = 'x'",
        "CREATE TABLE t (a)", "CREATE TEMP TABLE t (a)", "CREATE TEMP VIEW v AS SELECT 1",
        "DROP TABLE model", "DROP VIEW models", "ALTER TABLE model RENAME TO m", "REINDEX",
        "ANALYZE",
        "ATTACH 'other.db' AS other", "DETACH main", "VACUUM", "VACUUM INTO 'copy.db'",
        "PRAGMA writable_schema = 1", "PRAGMA query_only = 0", "PRAGMA user_version = 7",
        "PRAGMA journal_mode = delete", "PRAGMA wal_checkpoint", "PRAGMA user_version",
        "BEGIN", "BEGIN IMMEDIATE", "COMMIT", "SAVEPOINT a", "SELECT load_extension('x')",
        "SELECT 1; DELETE FROM model", "CREATE VIRTUAL TABLE t USING fts5(a)",
        "SELECT * FROM pragma_user_version", "REPLACE INTO setting VALUES ('a', 'b')",
        "WITH a AS (SELECT 1) DELETE FROM model", "EXPLAIN DELETE FROM model", "SELEC", "", "-- no",
        "SELECT * FROM nothing", "SELECT nothing FROM models", "SELECT 'a", "SELECT zeroblob(1e9)",
        "SELECT abs(-9223372036854775808)", "SELECT ?",
    ):  # fmt: skip
        assert "Error: " in asked(query, code=2), query
    assert (asked("SELECT * FROM sqlite_schema"), asked("SELECT * FROM setting")) == before
    assert os.listdir(tmp_path) == []


def test_a_query_without_end_is_stopped(asked):
    endless = "WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a) SELECT {} FROM a"
    for each in ("count(*)", "x"):
        said = asked(endless.format(each), "--timeout", "0.1", "-l", "0", "--csv", code=1)
        assert "stopped after 0.1 s" in said
    assert asked(endless.format("x"), "-l", "2") == "1\n2\n"


def test_the_forms_of_answers(asked):
    query = "SELECT 1 AS a, NULL AS a, 'x' || char(10) || 'y' AS t, x'00ff' AS b, 9e999 AS i"
    assert asked(query) == "1\t\tx⏎y\t00ff\tinf\n"
    assert json.loads(asked(query, "--json")) == [
        {"a": 1, "a:2": None, "t": "x\ny", "b": "00ff", "i": None}
    ]
    lines = list(csv.reader(io.StringIO(asked(query, "--csv"))))
    assert lines == [["a", "a", "t", "b", "i"], ["1", "", "x\ny", "00ff", "inf"]]
    assert json.loads(asked("SELECT 1 WHERE 0", "--json")) == []
    assert asked("SELECT 1 AS a WHERE 0", "--csv") == "a\n"
    assert asked("-", stdin=b"SELECT 2") == "2\n"
    assert "Choose one" in asked("SELECT 1", "--csv", "--json", code=2)


def test_hostile_texts_are_printed_harmlessly(asked, tmp_path, monkeypatch):
    """CSV is for programs, which get every character; a terminal obeys some."""
    hostile = "SELECT char(27) || '[31m' || char(8238) || 'a' || char(155)"
    assert not set(asked(hostile)) & {"\x1b", "\u202e", "\x9b"}
    assert asked(f"{hostile} AS c", "--csv") == "c\n\x1b[31m\u202ea\x9b\n"
    Registry(tmp_path / "other", durability="fast").close()
    call = ("-R", tmp_path / "other", "sql", hostile, "--csv")
    code, out, _ = run_on_terminal(monkeypatch, 80, *call)
    assert code == 0
    assert not set(out) & {"\x1b", "\u202e", "\x9b"}


def test_a_read_only_registry_can_be_asked(asked, tmp_path):
    with Registry(tmp_path / "r", durability="fast") as registry:
        InputModel.import_model("s3://b/a", name="net", registry=registry)
    with Registry(tmp_path / "r", readonly=True) as registry:
        from localreg.operations.finding import sql

        with sql.query(registry._chain.first, "SELECT ref FROM models", seconds=9) as answer:
            assert list(answer.rows) == [("net:1",)]


def test_a_model_has_one_value_of_each_name(registry):
    """Its own counts, be it a single value or the last of a series."""
    task = Task.create(task_name="t")
    task.report_scalar("a", "x", 1.0, 0)
    task.get_logger().report_single_value("b/y", 2.0)
    net = OutputModel(task, name="net")
    net.report_single_value("a/x", 3.0)
    net.report_scalar("b", "y", 4.0, 0)
    registry._chain.first.store.flush()
    query = f"SELECT metric, last FROM metrics WHERE id = '{net.id}' ORDER BY metric"
    assert run_cli("-R", registry.path, "sql", query) == (0, "a/x\t3.0\nb/y\t4.0\n", "")
