"""Stores of MLflow that are damaged or forged: an error, or nothing of it, and nothing outside."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

import pytest
from support.foreign_stores import brought, counts, survives
from support.mlflow_stores import said_of, unpacked
from support.proofs import TIMES, random_numbers

from localreg import Task
from localreg.errors import InvalidValueError, SourceError
from localreg.operations.importers import kinds, mlflow_store
from localreg.operations.importers.mlflow_places import parse_address
from localreg.operations.importers.mlflow_yaml import plain_mapping, read_mapping

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.fixture(autouse=True)
def current(registry):
    """Let every test have a current registry."""
    return registry


@pytest.fixture
def runs(tmp_path):
    """Return the folder of a file store."""
    return unpacked("files-2", tmp_path) / "mlruns"


@pytest.fixture
def run(runs):
    """Return the folder of its first run."""
    said = said_of(runs.parent)
    run_id = next(key for key, each in said["runs"].items() if each["name"] == "parent run")
    (folder,) = runs.glob(f"*/{run_id}")
    return folder


@pytest.fixture
def database(tmp_path):
    """Return a database of MLflow."""
    return unpacked("sqlite-2", tmp_path) / "mlflow.db"


def changed(path, old, new):
    """Replace a part of a file, which must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def address_of(meta):
    """Return the line with the address of the artifacts of a run."""
    return next(line for line in meta.read_text().splitlines() if line.startswith("artifact_uri"))


def refused(registry, source):
    """Import a source, which must be refused without a trace; return the error."""
    before = counts(registry)
    with pytest.raises(SourceError) as caught:
        brought(registry, source, "mlflow")
    assert counts(registry) == before
    return caught.value


@pytest.mark.parametrize(
    "address",
    ["file:///etc", "/etc", "../../{run}/artifacts", "file:///data/{run}/%2e%2e/etc",
     "mlflow-artifacts:/../{run}", "C:\\\\x\\\\..\\\\{run}", "./", "file:"],
)  # fmt: skip
def test_an_address_that_no_run_has_is_an_error(registry, runs, run, address):
    meta = run / "meta.yaml"
    changed(meta, address_of(meta), f"artifact_uri: '{address.format(run=run.name)}'")
    refused(registry, runs)


@pytest.mark.parametrize("form", ["file://{there}", "{there}"])
def test_files_of_another_folder_with_the_id_of_the_run_do_not_come(
    registry, runs, run, tmp_path, form
):
    there = tmp_path / "elsewhere" / run.name / "artifacts"
    there.mkdir(parents=True)
    (there / "secret.txt").write_text("secret")
    (run / "artifacts").rename(tmp_path / "taken")
    meta = run / "meta.yaml"
    changed(meta, address_of(meta), f"artifact_uri: {form.format(there=there)}")
    brought(registry, runs, "mlflow")
    assert "secret.txt" not in Task.get_task(run.name).artifacts


@pytest.mark.parametrize("source", ["file:///etc", "/etc/hosts", "{outside}", "models:/net/1"])
def test_a_version_whose_source_is_elsewhere_comes_without_bytes(registry, runs, tmp_path, source):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "MLmodel").write_text("flavors: {}\n")
    meta = runs / "models" / "cloud" / "version-1" / "meta.yaml"
    for _ in range(2):  # its source, and where it is stored
        changed(meta, "s3://bucket/models/cloud", source.format(outside=outside))
        if "s3:" not in meta.read_text():
            break
    done = brought(registry, runs, "mlflow")
    assert [each.ref for each in done.arrived.missing] == ["cloud:1"]
    (model,) = registry.models(name="cloud")
    assert not model.revisions()


def test_passwords_in_addresses_are_not_shown(registry, runs):
    version = runs / "models/net/version-3/meta.yaml"
    source = next(
        each for each in version.read_text(encoding="utf-8").splitlines() if "source:" in each
    )
    changed(version, source, "source: https://me:hunter2@example.org/net")
    changed(version, "run_link: null", "run_link: https://me:hunter2@example.org/run")
    brought(registry, runs, "mlflow")
    found = registry.model("net:3").get_all_metadata()
    assert found["source"]["value"] == "https://***@example.org/net"
    assert found["run_link"]["value"] == "https://***@example.org/run"
    assert "hunter2" not in "".join(
        each["payload"] for each in registry.db.query("SELECT payload FROM event")
    )


def test_a_version_whose_source_leads_upwards_is_an_error(registry, runs):
    meta = runs / "models" / "cloud" / "version-1" / "meta.yaml"
    changed(meta, "s3://bucket/models/cloud", "models/../../../etc")
    assert "leads out of the store" in str(refused(registry, runs))


@pytest.mark.parametrize(
    "name", ["artifacts/link", "params/link", "tags/link", "metrics/link", "inputs/link"]
)
def test_a_link_that_leads_outside_is_an_error(registry, runs, run, tmp_path, name):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "meta.yaml").write_text("source_type: DATASET\n")
    place = run / name
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(tmp_path / "secret", target_is_directory=True)
    assert "outside" in str(refused(registry, runs))


def test_links_in_a_circle_are_an_error_or_nothing(registry, runs, run):
    (run / "artifacts" / "loop").symlink_to(run / "artifacts", target_is_directory=True)
    assert "circle" in str(refused(registry, runs))


def test_parents_in_a_circle_come(registry, runs, run):
    (child,) = (each.parent.parent for each in runs.glob("*/*/tags/mlflow.parentRunId"))
    (run / "tags" / "mlflow.parentRunId").write_text(child.name)
    brought(registry, runs, "mlflow")
    assert Task.get_task(child.name).parent == run.name


@pytest.mark.parametrize(
    "text",
    [
        "", "- a\n", "x", "\0", BOMB + "name: *i\n", "&a [*a]\n", "name: &a [*a]\n",
        "name: !!python/object/apply:os.system ['touch here']\n", "name: {a: [1]}\n",
        "name: [1]\nlifecycle_stage: active\n", "{" * 5_000, "name: 'x\n", "a: 1\na: 2\n",
    ],
)  # fmt: skip
def test_an_experiment_without_a_mapping_of_texts_is_an_error(registry, runs, text):
    (meta,) = (each for each in runs.glob("*/meta.yaml") if each.parent.name == "0")
    meta.write_text(text)
    refused(registry, runs)
    assert not os.path.exists("here")  # noqa: PTH110


@pytest.mark.parametrize(
    ("key", "value"),
    [("start_time", "x"), ("start_time", "9" * 5_000), ("start_time", "1.5"), ("end_time", "[]"),
     ("status", "{a: b}"), ("run_id", "0" * 32), ("run_name", "{a: b}"), ("user_id", "[1]")],
)  # fmt: skip
def test_a_run_with_a_value_of_another_kind_is_an_error_or_comes(registry, runs, run, key, value):
    meta = run / "meta.yaml"
    line = next(each for each in meta.read_text("utf-8").splitlines() if each.startswith(key))
    changed(meta, line, f"{key}: {value}")
    if key == "status":
        brought(registry, runs, "mlflow")
        assert Task.get_task(run.name).status == "in_progress"
    else:
        refused(registry, runs)


@pytest.mark.parametrize("when", ["-5", "999999999999999", str(2**62)])
def test_a_time_that_no_calendar_has_comes_as_the_nearest(registry, runs, run, when):
    meta = run / "meta.yaml"
    changed(meta, "start_time: 1700000000000", f"start_time: {when}")
    brought(registry, runs, "mlflow")
    row = next(registry.db.query("SELECT created FROM task WHERE id = ?", [run.name]))
    assert row["created"] == (0 if when == "-5" else 253_402_300_799_998_000)


@pytest.mark.parametrize(
    "line",
    ["1700000000000", "x 1 2", "1 x 2", "1 2 x", "1 2 3 4", "1.5 2 3", "nan 1 2", "1 1 inf",
     "9" * 400 + " 1 1", "1 2 3 4 5 6", "\0 1 2", "1 1 " + str(2**60), ""],
)  # fmt: skip
def test_a_line_that_is_no_point_is_an_error_that_names_it(registry, runs, run, line):
    path = run / "metrics" / "broken"
    path.write_text(f"1700000000000 0.5 1\n{line}\n1700000000000 0.5 2\n")
    error = refused(registry, runs)
    assert (error.file, error.line) == (str(path), 2)


@pytest.mark.parametrize("rest", ["17000", "1700000000001 0.", "1700000000001 0.25 1"])
def test_a_last_line_that_was_cut_off_is_left_out_and_counted(registry, runs, run, rest):
    (run / "metrics" / "cut").write_text(f"1700000000000 0.5 1\n{rest}")
    done = brought(registry, runs, "mlflow")
    assert done.left["points whose line is cut off"] == 1
    assert Task.get_task(run.name).get_reported_scalars()["cut"]["cut"]["x"] == [1]


def test_lines_of_all_versions_of_mlflow_are_read(registry, runs, run):
    text = "1700000000000 1.0\n1700000000001 2.0 3\n1700000000002 4.0 5 digits ab12\n"
    (run / "metrics" / "mixed").write_text(text)
    brought(registry, runs, "mlflow")
    points = Task.get_task(run.name).get_reported_scalars()["mixed"]["mixed"]
    assert (points["x"], points["y"]) == ([0, 3, 5], [1.0, 2.0, 4.0])


def test_a_text_that_is_not_utf8_is_an_error(registry, runs, run):
    (run / "params" / "odd").write_bytes(b"\xff\xfe")
    refused(registry, runs)


@pytest.mark.long
def test_files_that_are_damaged_at_random(registry, runs):
    source = random_numbers(20)
    files = [each for each in sorted(runs.rglob("*")) if each.is_file()]
    errors = sum(
        survives(registry, runs, "mlflow", source, source.choice(files)) for _ in range(60 * TIMES)
    )
    assert errors > 5


@pytest.mark.long
def test_a_database_that_is_damaged_at_random(registry, database):
    source = random_numbers(21)
    errors = sum(
        survives(registry, database, "mlflow", source, database) for _ in range(60 * TIMES)
    )
    assert errors > 20


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE metrics SET value = x'00'", "UPDATE metrics SET value = 'high'",
        "UPDATE metrics SET step = 'x'", "UPDATE metrics SET timestamp = 1.5",
        "UPDATE metrics SET key = x'ff'", "UPDATE params SET value = x'ff'",
        "UPDATE params SET value = CAST(x'ff' AS TEXT)", "UPDATE runs SET start_time = 'x'",
        "UPDATE runs SET artifact_uri = 'file:///etc'", "UPDATE runs SET artifact_uri = '../x'",
        "UPDATE experiments SET name = x'00' WHERE name = 'Default'",
        "UPDATE registered_models SET description = x'00'",
        "UPDATE model_versions SET creation_time = 'x'", "UPDATE datasets SET digest = x'00'",
        "UPDATE model_versions SET source = 'a/../b', storage_location = NULL",
        "UPDATE tags SET key = 'a' || char(0) || 'b' WHERE key = 'owner'",
        "DROP TABLE params", "ALTER TABLE runs DROP COLUMN end_time",
    ],
)  # fmt: skip
def test_a_value_of_another_type_in_a_table_is_an_error(registry, database, change):
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(change)
        connection.commit()
    refused(registry, database)


def test_a_run_that_is_there_twice_is_an_error(registry, database):
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(
            "CREATE TABLE other AS SELECT * FROM runs; DROP TABLE runs; "
            "ALTER TABLE other RENAME TO runs; INSERT INTO runs SELECT * FROM runs"
        )
    assert "has 2 rows of the run" in str(refused(registry, database))


def test_a_run_that_its_index_does_not_have_is_an_error(registry, database):
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE other AS SELECT * FROM runs")
        connection.executescript("DROP TABLE runs; ALTER TABLE other RENAME TO runs")
        connection.execute("CREATE INDEX by_id ON runs (run_uuid) WHERE start_time < 0")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = 'CREATE INDEX by_id ON runs (run_uuid)' "
            "WHERE name = 'by_id'"
        )
        connection.commit()
    assert "has 0 rows of the run" in str(refused(registry, database))


def test_what_would_run_in_a_database_does_not(registry, database):
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE VIEW bomb AS WITH RECURSIVE n(x) AS "
                           "(SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n")  # fmt: skip
        connection.execute("ALTER TABLE params RENAME TO old")
        connection.execute(
            "CREATE VIEW params AS SELECT x AS run_uuid, x AS key, x AS value FROM bomb"
        )
        connection.commit()
    refused(registry, database)


def test_nothing_is_written_to_the_source(registry, database):
    before = {each: each.stat().st_mtime_ns for each in database.parent.rglob("*")}
    brought(registry, database, "mlflow")
    assert {each: each.stat().st_mtime_ns for each in database.parent.rglob("*")} == before


def test_what_is_no_store_is_refused(registry, tmp_path):
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE experiments (x)")
    (tmp_path / "empty").mkdir()
    assert not mlflow_store.is_one(other)
    assert not mlflow_store.is_one(tmp_path / "empty")
    for source in (other, tmp_path / "empty", "sqlite://", "sqlite:///", f"sqlite:///{other}"):
        with pytest.raises((InvalidValueError, SourceError)):
            brought(registry, source, "mlflow")


def test_a_url_is_read_as_sqlalchemy_reads_it(registry, database, monkeypatch):
    monkeypatch.chdir(database.parent)
    assert kinds.KINDS["mlflow"].schemes == ("sqlite",)
    brought(registry, "sqlite:///mlflow.db?timeout=5", "mlflow")
    assert Task.get_task(task_name="parent run").status == "completed"


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("-1.5e-05", -1.5e-05), ("'1'", "1"), ("null", None), ("true", True), ("{}", {}),
     ("0123456789e12345678901234567890a", "0123456789e12345678901234567890a"),
     ("s3://b/x", "s3://b/x"), ("a b", "a b"), ("2.22.5", "2.22.5"), ("'it''s: #'", "it's: #")],
)  # fmt: skip
def test_plain_values_are_read_fast(text, value):
    assert plain_mapping(f"a: {text}\n") == {"a": value}


@pytest.mark.parametrize(
    "text",
    ["yes", "'open", '"a"', "a: b", "a #b", "0x1f", "1e5", "0o17", "012", "1_000", "2026-01-01",
     "&a b", "*a", "!x y", "[1]", "{a: 1}", "|", "> x", "- a", "? a", "1:30", ".5", "~", "=", "a:"],
)  # fmt: skip
def test_what_may_mean_something_else_is_left_to_ruamel(text):
    with pytest.raises(ValueError, match="plain"):
        plain_mapping(f"a: {text}\n")


@pytest.mark.long
def test_both_readers_of_yaml_agree(tmp_path):
    source = random_numbers(22)
    pieces = ["a", "'", " ", ":", "1", ".", "e", "\n", "\n  ", "b: ", "''", "#", "x/y", "é", "-"]
    for _ in range(300 * TIMES):
        text = "key: " + "".join(source.choices(pieces, k=source.randint(1, 9))) + "\n"
        path = tmp_path / "meta.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            fast = plain_mapping(text)
        except ValueError:
            continue
        path.write_text("# by ruamel\n" + text, encoding="utf-8")
        assert read_mapping(path) == fast, text


def test_addresses_are_parsed_without_leaving(tmp_path):
    assert parse_address("dbfs:/x/../y").scheme == "dbfs"  # it is never looked up
    for text in ("..", "a/../b", "file:///a/%2e%2e", "runs:/../x", "models:/../x", "a\\..\\b"):
        with pytest.raises(SourceError):
            parse_address(text)
