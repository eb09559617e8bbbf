"""P22: the password and query values of a URL are only where they are needed."""

from __future__ import annotations

import argparse
import logging
import sqlite3
import subprocess
import sys
import traceback
from contextlib import closing
from pathlib import Path

import pytest
import requests

from localreg import InputModel, Model, Registry, StorageManager, Task
from localreg.api import ambient
from localreg.cli.main import main
from localreg.errors import LocalregError

SECRET = "hunter2"
# Nothing listens there: a fetch fails at once.
URL = (
    f"https://me:{SECRET}@127.0.0.1:9/models/net.pt"
    f"?X-Amz-Signature={SECRET}&token={SECRET}&{SECRET}#{SECRET}"
)
BARE = f"https://me:{SECRET}@127.0.0.1:9/?sig={SECRET}"  # without a file name
HIDDEN = "https://***@127.0.0.1:9/models/net.pt?X-Amz-Signature=***&token=***&***"


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCALREG_DOWNLOAD_DEADLINE", "0.2")
    with Registry("registry", durability="fast") as registry:
        InputModel.import_model(URL, name="net", project="p", tags=["t"])
        InputModel.import_model(BARE, name="bare")
        yield registry


def live(registry):
    """Do everything that models with secret URLs can do."""
    net, bare = InputModel(name="net"), InputModel(name="bare")
    assert InputModel.import_model(URL, name="again") == net  # with a warning
    assert InputModel.load_model(BARE) == bare
    task = Task.create("p", "use")
    for model in (net, bare):
        model.connect(task)
        task.connect(InputModel(model.id))
        model.comment = "seen"
        model.publish()
        model.archive()
        model.unarchive()
        registry.set_alias(model, "prod")
        Model.remove(model, force=True)
        registry.restore(model.id)
    assert [net.url, bare.url] == [URL, BARE]
    return [net, bare, task]


def test_secrets_are_in_two_columns_only(registry):
    """P22: in the database only the two columns of real URLs contain a secret."""
    live(registry)
    registry.close()
    found = set()
    with closing(sqlite3.connect(registry.path / "registry.db")) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            rows = connection.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in rows.description]
            for row in rows:
                found |= {
                    (table, name)
                    for name, value in zip(names, row, strict=True)
                    if SECRET in str(value)
                }
    assert found == {("weights", "url"), ("private_url", "url")}


def test_secrets_are_in_no_event_and_no_file_name(registry):
    """P22: no event, no text of the history, no file name and no repr contains a secret."""
    handles = live(registry)
    events = registry.history()
    assert {"model.created", "model.removed", "model.restored", "task.model"} <= {
        event.kind for event in events
    }
    assert SECRET not in repr(events)
    assert SECRET not in "".join(f"{event.payload}{event.text}{event.field}" for event in events)
    assert HIDDEN in str(events)
    assert SECRET not in "".join(str(path) for path in registry.path.rglob("*"))
    assert SECRET not in repr([*handles, registry, handles[2].models, handles[2].input_models_id])


def test_secrets_are_in_no_log(registry, caplog):
    """P22: no log record contains a secret, nor do its arguments."""
    caplog.set_level(logging.DEBUG)
    live(registry)
    InputModel()
    assert InputModel(name="net").get_weights() is None  # with a warning
    assert HIDDEN in caplog.text
    assert SECRET not in caplog.text
    assert SECRET not in repr([record.__dict__ for record in caplog.records])


def test_urllib3_logs_no_secret_of_a_download(tmp_path, site, caplog):
    """P22: at DEBUG urllib3 logs each request of a download, without the query of its URL.

    What other programs in the same process fetch is logged as before.
    """
    caplog.set_level(logging.DEBUG)
    url = site.url("/net.pt")
    with Registry(tmp_path / "registry", durability="fast"):
        model = InputModel.import_model(f"{url}?X-Amz-Signature={SECRET}", name="net")
        assert Path(model.get_weights(raise_on_error=True)).stat().st_size == 256 * 4_000
    assert "/net.pt?***" in caplog.text
    assert SECRET not in repr([record.__dict__ for record in caplog.records])
    assert requests.get(f"{url}?own=query", timeout=10).ok
    assert "/net.pt?own=query" in caplog.text


def remote(**options):
    InputModel.import_model(URL.replace("net", "new"), **options)


def refused(registry):
    """Make SQLite refuse a model."""
    with closing(sqlite3.connect(registry.path / "registry.db")) as connection:
        connection.execute(
            "CREATE TRIGGER injected BEFORE INSERT ON weights "
            "BEGIN SELECT RAISE(ABORT, 'injected'); END"
        )
    remote()


FAILING_CALLS = {
    "one slash": lambda r: InputModel.import_model(f"https:/me:{SECRET}@h/m.pt"),
    "port": lambda r: InputModel.import_model(f"https://me:{SECRET}@h:{SECRET}/m.pt"),
    "no port": lambda r: InputModel.import_model(f"https://{SECRET}:{SECRET}/m.pt"),
    "blank": lambda r: InputModel.import_model(f"https://me:{SECRET}@h/a b"),
    "bracket": lambda r: InputModel.import_model(f"https://me:{SECRET}@[::1/m.pt"),
    "NFKC": lambda r: InputModel.import_model(f"https://me:{SECRET}@h\u2100/m.pt"),
    "no host": lambda r: InputModel.import_model(f"https://me:{SECRET}@"),
    "NUL": lambda r: InputModel.import_model(f"https://me:{SECRET}@h/\0"),
    "surrogate": lambda r: InputModel.import_model(f"https://me:{SECRET}@h/\ud800"),
    "long": lambda r: InputModel.import_model(f"https://me:{SECRET}@h/{'x' * 40_000}"),
    "file host": lambda r: InputModel.import_model(f"file://me:{SECRET}@h/m.pt"),
    "file encoding": lambda r: InputModel.import_model(f"file:///%ff?{SECRET}"),
    "load": lambda r: InputModel.load_model(f"https://me:{SECRET}@h:{SECRET}/m.pt"),
    "copy": lambda r: remote(copy=True),
    "labels": lambda r: remote(label_enumeration={"a": 1, "b": 1}),
    "forced": lambda r: InputModel(name="net").get_weights(True, force_download=True),
    "url": lambda r: StorageManager.get_local_copy(URL, raise_on_error=True),
    "pinned": lambda r: remote(expected_sha256="0"),
    "fragment": lambda r: InputModel.import_model(f"https://me:{SECRET}@h/m#sha256={SECRET}"),
    "weights raising": lambda r: InputModel(name="net").get_weights(raise_on_error=True),
    "weights of bare": lambda r: InputModel(name="bare").get_local_copy(raise_on_error=True),
    "package": lambda r: InputModel(name="net").get_weights_package(),
    "added": lambda r: r.add(URL),
    "reference": lambda r: r.model(URL),
    "removed reference": lambda r: r.restore(URL),
    "id": lambda r: Model(URL),
    "input id": lambda r: InputModel(URL),
    "name": lambda r: InputModel(name=URL),
    "task's name": lambda r: Task.create().set_input_model(model_name=URL),
    "remove": lambda r: Model.remove(URL, raise_on_errors=True),
    "alias": lambda r: r.set_alias(URL, "prod"),
    "alias expect": lambda r: r.set_alias("p/net", "prod", expect=URL),
    "in the database": refused,
}


@pytest.mark.parametrize("name", FAILING_CALLS)
def test_secrets_are_in_no_error(registry, name):
    """P22: no message, attribute or traceback (with all causes) contains a secret.

    A traceback shows lines of the program, so these name the secret by a constant.
    """
    with pytest.raises(LocalregError) as raised:
        FAILING_CALLS[name](registry)
    error = raised.value
    assert SECRET not in "".join(traceback.format_exception(error))
    while error is not None:
        assert SECRET not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


COMMANDS = [
    ["ls"],
    ["ls", "--json"],
    ["ls", "-q"],
    ["ls", "p/net"],
    ["show", "p/net"],
    ["show", "bare", "--json"],
    ["history"],
    ["history", "p/net", "--json"],
    ["path", "p/net"],
    ["get", "bare"],
    ["show", URL],
    ["add", URL, "--reference"],
    ["add", URL],  # what a model only pointed to is downloaded now; no server is there
    ["add", URL, "--move"],
    ["rm", "-f", "p/net"],
    ["restore", "p/net"],
    ["history", "--json"],
    ["alias", "p/net", "prod", "--expect", URL],
]


def test_secrets_are_not_printed(registry, capfd):
    """P22: no command prints a secret."""
    live(registry)
    codes = [main(["-R", str(registry.path), *command]) for command in COMMANDS]
    printed = "".join(capfd.readouterr())
    assert HIDDEN in printed
    assert SECRET not in printed
    assert codes == [0] * 8 + [1, 1, 3, 0, 1, 2] + [0] * 3 + [3]


# tasks -------------------------------------------------------------------------------------

DATABASE = f"postgresql://me:{SECRET}@db.example.org/data"
SCRIPT = f"""
import argparse, os
from localreg import Task
parser = argparse.ArgumentParser()
parser.add_argument("--db")
parser.add_argument("--hf-token")
parser.add_argument("--kind", type=int)
task = Task.init("p", "train")
args = parser.parse_args()
settings = task.connect({{"db": {{"password": "none"}}, "url": "{DATABASE}"}})
task.connect_configuration({{"api_key": "{SECRET}", "url": "{DATABASE}"}}, name="c")
task.get_logger().report_text("reading {DATABASE}")
task.set_comment("from {DATABASE}")
print(args.db, args.hf_token, settings["db"]["password"])
if args.kind == 7:
    raise ValueError("no {DATABASE}")
"""


@pytest.fixture
def trained(registry, tmp_path, monkeypatch):
    """A task with secrets in its arguments, parameters, configuration, log, comment and patch."""
    monkeypatch.setenv("LOCALREG_HOME", str(registry.path))
    folder = tmp_path / "work"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", folder], check=True)
    (folder / "train.py").write_text(SCRIPT)
    words = ["train.py", "--db", DATABASE, f"--hf-token={SECRET}", "--kind", "7"]
    subprocess.run([sys.executable, *words], cwd=folder, check=False, capture_output=True)
    task = Task.get_task(project_name="p", task_name="train")
    task.set_parameter("General/db/password", SECRET)
    task.upload_artifact("words", f"from {DATABASE}")
    return task


TASK_COMMANDS = [
    ["task", "ls"],
    ["task", "ls", "--json"],
    ["task", "show", "{}"],
    ["task", "show", "{}", "--json"],
    ["task", "show", "{}", "--diff"],
    ["history"],
    ["history", "--json"],
    ["task", "clone", "{}", "--set-param", f"https://me:{SECRET}@h"],
]


def test_secrets_of_tasks_are_not_printed_and_in_no_page(registry, trained, capfd, monkeypatch):
    """P22: of arguments, parameters, configurations, the log, the comment and the patch."""
    assert trained.status == "failed"
    codes = [main([each.format(trained.id) for each in words]) for words in TASK_COMMANDS]
    printed = "".join(capfd.readouterr())
    assert codes == [0] * 7 + [2]
    assert SECRET not in printed
    assert "postgresql://***@db.example.org/data" in printed
    assert "hf-token=***" in printed
    trained.report_single_value("v", 1)
    model = InputModel(name="net", project="p")
    model.set_all_metadata({"source": DATABASE, "hf_token": SECRET})
    monkeypatch.setenv("LOCALREG_OUTPUT", DATABASE)
    for words in (["show", "p/net"], ["show", "p/net", "--json"], ["meta", "p/net"], ["env"]):
        assert main(words) == 0
        printed = capfd.readouterr().out
        assert "***" in printed
        assert SECRET not in printed
    assert main(["site"]) == 0
    pages = [path.read_text(encoding="utf-8") for path in registry.path.rglob("*.html")]
    assert any("postgresql://***@db" in page for page in pages)
    assert not [page[page.index(SECRET) - 150 :][:200] for page in pages if SECRET in page]
    assert SECRET not in (trained.status_reason or "")


def test_secrets_of_tasks_are_shown_when_asked_for(trained, capfd):
    """`--show-secrets` prints what was recorded; the patch then applies."""
    for words in (["--json"], [], ["--diff"]):
        assert main(["task", "show", trained.id, *words, "--show-secrets"]) == 0
        out = capfd.readouterr().out
        assert DATABASE in out
        assert words == ["--diff"] or f"--hf-token={SECRET}" in out
    assert out == trained.get_script()["diff"]


def test_scripts_and_python_get_the_values(trained, capfd):
    """They are kept for another run, and Python returns what was connected."""
    assert trained.get_parameter("Args/hf_token") == SECRET
    assert trained.get_script()["arguments"][1] == DATABASE
    copy = Task.clone(trained)
    copy.set_parameter("Args/kind", 3)
    assert main(["task", "run", copy.id]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == f"{DATABASE} {SECRET} {SECRET}"


def test_an_error_of_the_parser_does_not_show_a_secret(registry, monkeypatch):
    """P22: nor does an error that names a parameter."""
    task = Task.create("p", "train")
    task.set_parameters({"Args/token": SECRET, "Args/url": DATABASE})
    monkeypatch.setenv("LOCALREG_TASK_ID", task.id)
    monkeypatch.setattr("sys.argv", ["train.py"])
    with ambient.isolated():  # what argparse parsed belongs to the process
        task = Task.init("p", "train", registry=registry)
        for name in ("token", "url"):
            parser = argparse.ArgumentParser()
            parser.add_argument(f"--{name}", type=int)
            with pytest.raises(LocalregError, match=name) as raised:
                parser.parse_args()
            assert SECRET not in "".join(traceback.format_exception(raised.value))
        task.close()  # else its threads go on, which other tests count
