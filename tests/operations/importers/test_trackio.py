"""Stores of Trackio, brought here: what Trackio 0.43 wrote, older ones, and hostile ones."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime
from hashlib import sha256

import pytest
from support.command_line import run_cli
from support.foreign_stores import brought, counts, files_of, said_of, survives, unpacked
from support.proofs import TIMES, random_numbers

from localreg import Registry, Task
from localreg.errors import SourceError
from localreg.operations.importers import kinds, trackio_store

SAID = said_of("trackio")
OLD = """
CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp TEXT NOT NULL,
    run_name TEXT NOT NULL, step INTEGER NOT NULL, metrics TEXT NOT NULL);
CREATE TABLE configs (id INTEGER PRIMARY KEY AUTOINCREMENT, run_name TEXT NOT NULL,
    config TEXT NOT NULL, created_at TEXT NOT NULL, UNIQUE(run_name));
INSERT INTO metrics (timestamp, run_name, step, metrics) VALUES
    ('2025-07-01T10:00:00', 'brave-sun-0', 0, '{"loss": 3, "train/acc": "NaN"}'),
    ('2025-07-01T10:00:01.500000', 'brave-sun-0', 1, '{"loss": 2}'),
    ('2025-07-02T10:00:00+00:00', 'calm-sea-1', 0, '{"loss": 1}');
INSERT INTO configs (run_name, config, created_at) VALUES
    ('brave-sun-0', '{"lr": 0.5, "_Username": "anna"}', '2025-07-01T10:00:00');
"""


@pytest.fixture(autouse=True)
def current(registry):
    """Let every test have a current registry."""
    return registry


@pytest.fixture
def store(tmp_path):
    """Return the folder of a store."""
    return unpacked("trackio", tmp_path)


def change(file, *statements):
    """Run statements on a database."""
    with closing(sqlite3.connect(file)) as database, database:
        for each in statements:
            database.execute(*each) if isinstance(each, tuple) else database.executescript(each)


def old(path):
    """Make a database as Trackio 0.10 did."""
    change(path, OLD)
    return path


def ms(text):
    """Return a time in milliseconds."""
    return int(datetime.fromisoformat(text).timestamp() * 1_000_000) // 1_000


def numbers(logs):
    """Return the numbers that were logged, by metric and step; of one step the largest.

    In this store they have the same time.
    """
    found = {}

    def note(name, step, value):
        if isinstance(value, dict) and "_type" not in value:
            for inner, each in value.items():
                note(f"{name}/{inner}", step, each)
        elif isinstance(value, int | float):
            found[name, step] = max(value, found.get((name, step), value))

    for row in logs:
        for name, value in row.items():
            if name not in ("step", "timestamp"):
                note(name, row["step"], value)
    return found


def points(registry, task):
    """Return the points of a task by title, series and step: value and time."""
    rows = registry.db.query(
        "SELECT s.title, s.name, c.iteration, c.value, s.epoch + c.ms AS at FROM scalar c "
        "JOIN series s ON s.pk = c.series JOIN task t ON t.pk = s.task WHERE t.id = ?", [task.id]
    )  # fmt: skip
    return {
        (row["title"], row["name"], row["iteration"]): (row["value"], row["at"]) for row in rows
    }


def place(name):
    """Return title and series of a metric."""
    title, slash, series = name.partition("/")
    return (title, series) if slash else (name, name)


def check_runs(registry):
    """Compare the tasks with what Trackio says of its runs."""
    for project, said in SAID.items():
        for known in said["runs"]:
            task = Task.get_task(known["id"])
            assert (task.name, task.get_project_name()) == (known["name"], project)
            assert task.status == "completed"
            times = [row["timestamp"] for row in known["logs"] + known["system"]]
            row = next(
                iter(registry.db.query("SELECT created, ended FROM task WHERE id = ?", [task.id]))
            )
            assert row["created"] // 1_000 == min(map(ms, times))
            assert row["ended"] // 1_000 >= max(map(ms, times))
            found = points(registry, task)
            system = {key: found.pop(key) for key in [*found] if key[0].startswith(":monitor:")}
            expected = {(*place(name), step): value for (name, step), value in
                        numbers(known["logs"]).items()}  # fmt: skip
            assert {*found} == {*expected}
            for key, value in expected.items():
                assert found[key][0] == value or (found[key][0] is None and math.isnan(value))
                assert found[key][1] == ms(known["logs"][0]["timestamp"])
            assert {(name, step): pair for (_, name, step), pair in system.items()} == {
                (name, step): (value, ms(row["timestamp"]))
                for step, row in enumerate(known["system"])
                for name, value in row.items()
                if name != "timestamp"
            }


def check_settings(*, parquet=False):
    """Compare the parameters with what Trackio says of its configurations.

    Args:
        parquet: None is the same as no value there.
    """
    for said in SAID.values():
        for known in said["runs"]:
            found = Task.get_task(known["id"]).get_parameters(cast=True)
            config = known["config"]
            expected = {
                f"General/{name}": value
                for name, value in config.items()
                if not name.startswith("_") and not isinstance(value, dict)
            }
            expected |= {
                f"General/{name}/{inner}": each
                for name, value in config.items()
                if isinstance(value, dict)
                for inner, each in value.items()
            }
            if config["_Group"]:
                expected["properties/group"] = config["_Group"]
            if parquet:
                expected = {key: each for key, each in expected.items() if each is not None}
            assert found == expected


def check_artifacts(registry):
    """Compare the models with what Trackio says of its artifacts."""
    for project, said in SAID.items():
        for name, manifests in said["manifests"].items():
            for known in manifests:
                model = registry.model(f"{project}/{name}:{known['version'] + 1}")
                assert model.original_task == known["producer_run_id"]
                assert model.comment == known["description"]
                metadata = {key: each["value"] for key, each in
                            model.get_all_metadata_casted().items()}  # fmt: skip
                assert metadata.pop("trackio.version") == f"v{known['version']}"
                assert metadata == (known["metadata"] or {})
                assert {*model.aliases} == {*known["aliases"]}
                files = {name: sha256(data).hexdigest() for name, data in files_of(model).items()}
                assert files == {each["path"]: each["digest"] for each in known["manifest"]}
        for known in said["runs"]:
            task = Task.get_task(known["id"])
            for kind in ("input", "output"):
                assert [each.version for each in task.models[kind]] == [
                    each["version"] + 1 for each in known["artifacts"][kind]
                ]


def test_everything_comes_as_trackio_says_it(registry, store):
    done = brought(registry, store, "trackio")
    check_runs(registry)
    check_settings()
    check_artifacts(registry)
    assert done.left == {
        "points of which a later one has the same iteration": 1,
        "values that are no numbers": 2,  # a text and a list
    }
    assert registry.verify().problems == ()


def test_tables_pictures_histograms_texts_and_alerts_come(registry, store):
    brought(registry, store, "trackio")
    rows = registry.db.query("SELECT title, series, iteration, kind FROM plot ORDER BY 1")
    assert [tuple(row.values()) for row in rows] == [
        ("bars", "bars", 7, "plotly"), ("note", "note", 7, "media"),
        ("picture", "picture", 7, "media"), ("rows", "rows", 7, "table"),
    ]  # fmt: skip
    alert = SAID["vision"]["runs"][0]["alerts"][0]
    line = next(iter(registry.db.query("SELECT at, level, text FROM message")))
    assert (line["level"], line["text"]) == (40, f"{alert['title']}: {alert['text']}")
    assert line["at"] // 1_000 == ms(alert["timestamp"])


def test_a_second_import_brings_only_what_is_new(registry, store):
    brought(registry, store, "trackio")
    before = counts(registry)
    assert brought(registry, store, "trackio").arrived.events == 0
    assert counts(registry) == before
    run = SAID["vision"]["runs"][1]
    change(
        store / "vision.db",
        ("INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES (?,?,?,?,?)",
         (run["id"], "2027-01-01T00:00:00+00:00", run["name"], 11, '{"loss": 1}')),
        ("UPDATE metrics SET run_name = 'renamed' WHERE run_id = ?", (run["id"],)),
        ("UPDATE configs SET run_name = 'renamed' WHERE run_id = ?", (run["id"],)),
    )  # fmt: skip
    brought(registry, store, "trackio")
    task = Task.get_task(run["id"])
    assert task.name == "renamed"
    assert task.get_reported_scalars()["loss"]["loss"] == {"x": [10, 11], "y": [3, 1]}


def test_registries_that_imported_at_different_times_can_meet(registry, store, tmp_path):
    brought(registry, store, "trackio")
    run = SAID["vision"]["runs"][1]
    change(
        store / "vision.db",
        ("UPDATE configs SET config = ?, created_at = ? WHERE run_id = ?",
         ('{"lr": 0.3, "_Created": "2027-02-01T00:00:00+00:00"}', "2027-02-01T00:00:00+00:00",
          run["id"])),
    )  # fmt: skip
    other = Registry(tmp_path / "other")
    brought(other, store, "trackio")
    registry.merge(tmp_path / "other")
    assert Task.get_task(run["id"]).get_parameters(cast=True) == {"General/lr": 0.3}


def test_one_database_and_what_is_in_its_log_is_enough(registry, store):
    with closing(sqlite3.connect(store / "abc.db")) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("UPDATE metrics SET run_name = 'in the log'")
        writer.commit()
        before = {each.name: each.read_bytes() for each in store.glob("abc.db*")}
        assert "abc.db-wal" in before
        done = brought(registry, store / "abc.db", "trackio")
        assert {each.name: each.read_bytes() for each in store.glob("abc.db*")} == before
    assert done.arrived.events > 0
    assert Task.get_task(SAID["abc"]["runs"][0]["id"]).name == "in the log"


def test_parquet_is_read_where_the_database_is_missing(registry, store):
    for each in store.glob("*.db"):
        each.unlink()
    done = brought(registry, store, "trackio")
    check_runs(registry)
    check_settings(parquet=True)
    check_artifacts(registry)
    # Alerts have no copy in Parquet.
    assert done.left["values that are no numbers"] == 2
    rows = registry.db.query("SELECT kind FROM plot ORDER BY title")
    assert [row["kind"] for row in rows] == ["plotly", "media", "media", "table"]


def test_an_old_database_knows_runs_by_their_names(registry, tmp_path):
    path = old(tmp_path / "tiny.db")
    brought(registry, path, "trackio")
    task = Task.get_task(project_name="tiny", task_name="brave-sun-0")
    assert task.get_parameters(cast=True) == {"General/lr": 0.5}
    scalars = task.get_reported_scalars()
    assert scalars["loss"]["loss"] == {"x": [0, 1], "y": [3, 2]}
    assert math.isnan(scalars["train"]["acc"]["y"][0])
    assert points(registry, task)["loss", "loss", 1][1] == ms("2025-07-01T10:00:01.500+00:00")
    before = counts(registry)
    brought(registry, path, "trackio")
    assert counts(registry) == before


def test_the_files_of_a_model_can_be_had(registry, store):
    brought(registry, store, "trackio")
    assert files_of(registry.model("vision/net:1")) == {"sub/net.bin": b"weights one"}
    assert files_of(registry.model("vision/net@latest")) == {"sub/net.bin": b"weights two"}


def test_what_is_not_there_is_said(registry, store):
    shutil.rmtree(store / "media")
    shutil.rmtree(store / "artifacts")
    (store / "registry-models.db").write_bytes((store / "abc.db").read_bytes())
    done = brought(registry, store, "trackio")
    assert done.left["pictures, sounds and other media whose files are not there"] == 1
    assert done.left["registries of Trackio"] == 1
    assert [each.why for each in done.arrived.missing] == [
        "a file of it is not there: sub/net.bin"
    ] * 2


def test_a_store_is_known(store, tmp_path):
    assert kinds.kind_of(str(store)) == "trackio"
    assert kinds.kind_of(str(store / "vision.db")) == "trackio"
    change(tmp_path / "other.db", "CREATE TABLE metrics (key, value)")
    (tmp_path / "text.db").write_text("SQLite format 3 it is not")
    assert not trackio_store.is_one(tmp_path / "other.db")
    assert not trackio_store.is_one(tmp_path)
    code, out, _ = run_cli("import", str(store), "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)


# --- hostile stores


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE metrics SET metrics = x'ff00fe'", "is not JSON"),
        ("UPDATE metrics SET metrics = '[1]'", "has no JSON object where values should be"),
        ("UPDATE metrics SET metrics = 7", "has no JSON object where values should be"),
        ("UPDATE metrics SET metrics = replace(hex(zeroblob(100000)), '00', '{\"a\":')",
         "is not JSON"),
        ("UPDATE metrics SET step = 9223372036854775807", "has the step 9223372036854775807"),
        ("UPDATE metrics SET step = 1.5", "has the step 1.5"),
        ("UPDATE metrics SET step = x'00'", "has the step"),
        ("UPDATE metrics SET timestamp = 'soon'", "'soon' where a time should be"),
        ("UPDATE metrics SET timestamp = x'ff'", "where a time should be"),
        ("UPDATE metrics SET timestamp = '1960-01-01'", "where a time should be"),
        ("UPDATE metrics SET run_name = x'ff'", "where the name of a run should be"),
        ("UPDATE metrics SET run_name = CAST(x'ff' AS TEXT)", "cannot be read as SQLite"),
        ("UPDATE metrics SET run_id = x'00ff'", "where the id of a run should be"),
        ("UPDATE configs SET config = '\"text\"'", "has no JSON object"),
        ("UPDATE configs SET config = '{\"\": 1}'", "cannot be kept"),
        ("UPDATE artifact_versions SET version = -1 WHERE id = 1", "has the version -1"),
        ("UPDATE artifact_versions SET manifest = '{}'", "has no list of the files"),
        ("UPDATE artifact_versions SET manifest = '[{\"path\": 1}]'", "has no path and digest"),
        ("UPDATE artifacts SET name = x'00'", "where the name of an artifact should be"),
    ],
)  # fmt: skip
def test_odd_values_are_errors(registry, store, statement, problem):
    before = counts(registry)
    with closing(sqlite3.connect(store / "vision.db")) as database, database:
        database.execute("DROP INDEX IF EXISTS idx_metrics_run_step")
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute(statement)
    with pytest.raises(SourceError) as caught:
        brought(registry, store, "trackio")
    assert problem in str(caught.value)
    assert counts(registry) == before


@pytest.mark.parametrize(
    "path", ["../../secret", "/etc/passwd", "a/../../../secret", "out/secret", "..\\..\\secret"]
)
def test_paths_that_lead_outside_are_errors(registry, store, tmp_path, path):
    (tmp_path / "secret").write_text("secret")
    (store / "media" / "out").symlink_to(tmp_path)
    picture = json.dumps({"p": {"_type": "trackio.image", "file_path": path}})
    change(store / "vision.db", ("UPDATE metrics SET metrics = ?", (picture,)))
    with pytest.raises(SourceError, match=r"cannot be in it|outside"):
        brought(registry, store, "trackio")
    assert counts(registry)["blob"] == 0


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a//b", ""])
def test_files_of_artifacts_have_names_that_stay_inside(registry, store, name):
    manifest = json.dumps([SAID["vision"]["manifests"]["net"][0]["manifest"][0] | {"path": name}])
    change(store / "vision.db", ("UPDATE artifact_versions SET manifest = ?", (manifest,)))
    with pytest.raises(SourceError, match="cannot be a package"):
        brought(registry, store, "trackio")


@pytest.mark.parametrize("digest", ["../../../../../secret", "ab/../../../../../../secret", "/x"])
def test_digests_are_no_paths(registry, store, tmp_path, digest):
    (tmp_path / "secret").write_text("secret")
    manifest = json.dumps([{"path": "a", "digest": digest, "size": 1}])
    change(store / "vision.db", ("UPDATE artifact_versions SET manifest = ?", (manifest,)))
    with pytest.raises(SourceError, match=r"cannot be in it|outside"):
        brought(registry, store, "trackio")


def test_bytes_that_were_changed_are_an_error(registry, store):
    for each in (store / "artifacts").rglob("*"):
        if each.is_file():
            each.write_bytes(b"other bytes")
    with pytest.raises(SourceError, match="should have the sha256"):
        brought(registry, store, "trackio")


def test_views_are_no_tables_and_triggers_do_not_run(registry, store):
    change(
        store / "abc.db",
        "ALTER TABLE metrics RENAME TO hidden;"
        "CREATE VIEW metrics AS SELECT * FROM hidden;",
    )  # fmt: skip
    change(
        store / "vision.db",
        "CREATE TRIGGER t AFTER INSERT ON metrics BEGIN DELETE FROM metrics; END;",
    )
    before = (store / "vision.db").read_bytes()
    done = brought(registry, store, "trackio")
    assert done.left["databases without runs of Trackio"] == 1
    assert (store / "vision.db").read_bytes() == before


def test_values_that_are_no_json_numbers_are_counted(registry, tmp_path):
    path = old(tmp_path / "tiny.db")
    values = json.dumps({"a": 10**400, "b": True, "c": {"d": [1]}, " ": 1, "e": None})
    deep = '{"a":' * 500 + "1" + "}" * 500
    change(
        path,
        ("UPDATE metrics SET metrics = ? WHERE step = 0", (values,)),
        ("UPDATE metrics SET metrics = ? WHERE step = 1", (deep,)),
    )
    done = brought(registry, path, "trackio")
    assert done.left == {"values that are no numbers": 5, "metrics without a name": 2}


def test_two_projects_that_claim_one_run_are_two_tasks(registry, store):
    shutil.copyfile(store / "abc.db", store / "copy.db")
    brought(registry, store, "trackio")
    assert len(registry.tasks(task_name="third")) == 2


@pytest.mark.long
def test_damaged_databases_are_errors_and_nothing_else(registry, store):
    chance = random_numbers(3)
    for each in store.glob("*.parquet"):
        each.unlink()
    (store / "vision.db").unlink()
    old(store / "small.db")
    file = store / "small.db"
    refused = [survives(registry, store, "trackio", chance, file) for _ in range(150 * TIMES)]
    assert any(refused)
    file = store / "abc.db"
    assert any(survives(registry, store, "trackio", chance, file) for _ in range(150 * TIMES))


@pytest.mark.long
def test_damaged_parquet_is_an_error_and_nothing_else(registry, store):
    chance = random_numbers(4)
    for each in store.glob("*.db"):
        each.unlink()
    refused = [
        survives(registry, store, "trackio", chance, store / "vision.parquet")
        for _ in range(40 * TIMES)
    ]
    assert any(refused)
