"""P38: every table that commands print, on terminals of four widths, with long and hostile names.

The expected tables are in `golden/`, one file for each command. To write them again after a change
that is wanted, and to look at the difference:

    WRITE_GOLDEN=1 python -m pytest tests/cli/test_tables.py
    git diff tests/cli/golden
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest
from support.command_line import run_cli
from support.terminal import LEFT_OUT, Steady, run_on_terminal

from localreg import Dataset, OutputModel, Registry, Task
from localreg.cli.cells import cell_width
from localreg.store.rows import arrival_rows, key_rows, remote_rows
from localreg.values.signatures import Trusted

GOLDEN = Path(__file__).parent / "golden"
WIDTHS = (40, 80, 120, 200)
WRITE = "WRITE_GOLDEN"
LONG = "resnet-50-imagenet21k-finetuned-with-a-very-long-name"
NAMES = (
    LONG,
    "残差网络-大型-微调",
    "שלום עולם",
    "evil\u202eeman",
    "red\x1b[31m",
    "e\u0301\u0301cole🎉❤️",
)
REMOTES = (
    ("origin", "s3://a-bucket/of-the-whole-fleet-of-machines-that-train-and-serve/registry", False),
    (f"a-mirror-of-{LONG[:50]}", "az://容器/镜像", True),
)
KEYS = (("key", "release"), ("key", NAMES[1]), ("certificate", f"CN={LONG},O=The Company"))
# The file, and the command; {name} is an id of the stage.
CALLS = {
    "ls": "ls",
    "ls-sorted": "ls --sort metric:val/accuracy --columns +params,+metrics",
    "ls-columns": "ls --columns model,comment,task,digest,url,created,id",
    "ls-removed": "ls --removed",
    "ls-upstream": "{upstream} ls",
    "adopt": "{upstream} adopt",
    "task-ls": "task ls",
    "task-ls-sorted": "task ls --sort metric:val/accuracy --columns +params,+max:val/accuracy",
    "dataset-ls": "dataset ls",
    "dataset-files": "dataset show pets --files",
    "files": "files vision/package",
    "show": "show vision/{long}:2",
    "task-show": "task show {task}",
    "dataset-show": "dataset show pets",
    "lineage": "lineage vision/{long}:2",
    "history": "history -l 12",
    "history-model": "history vision/{long}:2",
    "history-alias": "history --alias prod",
    "history-conflicts": "history --conflicts -R {met}",
    "alias": "alias vision/{long}",
    "meta": "meta vision/{long}:2",
    "scalars": "scalars vision/{long}:2",
    "diff": "diff vision/{long}:1 vision/{long}:2",
    "search": "search resnet",
    "sql": "sql {query}",
    "du": "du",
    "du-models": "du --by model",
    "cache": "cache ls",
    "gc": "gc --grace 0",
    "export": "export -p vision --dry-run",
    "remote-ls": "remote ls",
    "key-ls": "key ls",
    "verify": "verify -R {damaged}",
    "repair": "repair -R {damaged}",
}
# Facts about one thing, no tables: at 40 columns an id or a digest is wider than the terminal.
FACTS = ("show", "task-show", "dataset-show")
QUERY = "SELECT id, name, version FROM model ORDER BY pk"
# What they print depends on the machine, or is changed by every new topic or setting.
LIVE = ("doctor", "config", "guide", "schema")


@pytest.fixture
def stage(monkeypatch):
    """Yield the facts of a registry that has a row for every table, in a folder of one length."""
    monkeypatch.setenv("LOGNAME", "somebody")
    system = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((system[0], "a-host", *system[2:])))
    folder = Path(tempfile.mkdtemp(prefix="lr-", dir="/tmp"))
    monkeypatch.setenv("LOCALREG_DURABILITY", "fast")
    monkeypatch.setenv("LOCALREG_AUTO_RENDER", "0")
    monkeypatch.setenv("LOCALREG_HOME", str(folder / "registry"))
    monkeypatch.chdir(folder)
    with Registry(folder / "registry", durability="fast") as registry:
        yield {"folder": folder, **fill(registry, folder)}
    shutil.rmtree(folder)


def fill(registry, folder):
    """Make models, tasks and all the rest; return what calls name."""
    task = Task.create("vision", "train the network with a long name of the task")
    task.set_parameters({"Args/learning_rate_of_the_encoder": 0.001, "Args/optimizer": "adam"})
    other = Task.create("vision", "评估")
    other.set_parameters({"Args/learning_rate_of_the_encoder": 0.01, "Args/optimizer": "sgd"})
    for each, accuracy in ((task, 0.75), (other, 0.5)):
        for iteration in range(3):
            each.report_scalar("val", "accuracy", accuracy + iteration / 16, iteration)
        each.report_scalar("train/loss of the encoder", "mean over all batches", 1.5, 1)
        registry._chain.first.store.flush()
        each.mark_completed()
    for number in range(2):
        weights = folder / f"weights-of-the-network-{number}.pt"
        weights.write_bytes(b"weights" * 1_000 * (number + 1))
        model = OutputModel(task, name=LONG)
        model.update_weights(weights)
    run_cli("tag", f"vision/{LONG}:2", "baseline", "a-tag-that-is-long-as-well", "标签")
    run_cli("meta", f"vision/{LONG}:2", "accuracy=0.93", "a_key_that_is_long=a text that is long")
    for version, alias in ((1, "prod"), (2, "prod"), (2, "candidate"), (1, "best")):
        run_cli("alias", f"vision/{LONG}:{version}", alias)
    run_cli("publish", f"vision/{LONG}:1")
    for number, name in enumerate(NAMES[1:]):
        registry.add(
            io.BytesIO(b"x" * number), name, "视觉" if number % 2 else None, filename="w.pt"
        )
    package = folder / "package"
    for path in (
        "config.json",
        "a/very/long/path/of/a/file/in/the/package/weights.safetensors",
        "子/文件.txt",
    ):
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).write_bytes(path.encode())
    (package / "config.json").chmod(0o755)
    registry.add(package, "package", "vision")
    run_cli("path", "vision/package")
    dataset = Dataset.create("pets", "vision")
    dataset.add_files(package)
    dataset.finalize(auto_upload=True)
    for name in (LONG, "removed"):
        registry.add(io.BytesIO(name.encode()), name, "old", filename="w.pt")
        run_cli("alias", f"old/{name}", "prod")
    run_cli("rm", f"old/{LONG}")
    run_cli("rm", "old/removed", "--delete-weights")
    with registry._chain.first.store.write() as change:
        for kind, name in KEYS:
            digest = sha256(name.encode()).hexdigest()
            key_rows.add(change.connection, Trusted(digest, kind, name, "", change.at))
        for name, url, mirror in REMOTES:
            remote_rows.insert(change.connection, name, url, "0" * 32, mirror=mirror)
    return {"task": task.id, "long": LONG, "met": meet(registry, folder)}


def meet(registry, folder):
    """Return a copy of the registry that remembers what was different when another one came."""
    copy = folder / "met"
    shutil.copytree(registry.path, copy)
    differences = [
        f"lost: vision/{LONG}:2 comment: 'ours' was before 'theirs'",
        f"contested: vision/{LONG}:1",
    ]
    with (
        Registry(copy, durability="fast") as here,
        here._chain.first.store.write() as change,
    ):
        arrival_rows.record(change.connection, change.at, "/media/stick/registry", 1, differences)
    return copy


def fresh(facts, name):
    """Return a new copy of the registry that is damaged, or whose weights are upstream."""
    folder = facts["folder"]
    place = folder / name
    shutil.rmtree(place, ignore_errors=True)
    if name == "damaged":
        shutil.copytree(folder / "registry", place)
        for blob in sorted((place / "blobs").rglob("*")):
            if blob.is_file() and blob.stat().st_size == 7_000:
                blob.chmod(0o644)
                blob.write_bytes(b"other")
    else:
        with Registry(place, upstream=[folder / "registry"], durability="fast") as below:
            below.add(io.BytesIO(b"weights" * 1_000), "a model that is below", filename="w.pt")
    return place


def shown(monkeypatch, facts, call, width):
    """Return what a command shows on a terminal, and the names of columns that it leaves out."""
    words = call.split()
    upstream = words[0] == "{upstream}"
    with monkeypatch.context() as environment:
        if upstream:
            environment.setenv("LOCALREG_HOME", str(fresh(facts, "below")))
            environment.setenv("LOCALREG_UPSTREAM", str(facts["folder"] / "registry"))
            words = words[1:]
        known = facts | {"query": QUERY, "damaged": facts["folder"] / "damaged"}
        if "{damaged}" in words:
            fresh(facts, "damaged")
        code, out, err = run_on_terminal(
            environment, width, *(str(word).format(**known) for word in words)
        )
    assert code in (0, 4), (call, err)
    assert out, (call, err)
    remarks = [line for line in err.splitlines() if line.startswith(LEFT_OUT)]
    return "".join([out, *(f"({line})\n" for line in remarks)])


def test_every_table_on_terminals_of_four_widths(stage, monkeypatch):
    """Each is as it is in its file; no line is wider than the terminal, and no id is cut."""
    wrong = []
    for name, call in CALLS.items():
        steady = Steady({stage["folder"].name: "lr-xxxxxxxx"})
        parts = []
        for width in WIDTHS[name in FACTS :]:
            text = steady.text(shown(monkeypatch, stage, call, width))
            lines = (line for line in text.splitlines() if not line.startswith(f"({LEFT_OUT}"))
            wide = [line for line in lines if cell_width(line) > width]
            wrong += [f"{name} at {width}: too wide: {line!r}" for line in wide]
            parts.append(f"--- {width} columns\n{text}")
        found, golden = "".join(parts), GOLDEN / f"{name}.txt"
        if os.environ.get(WRITE):
            GOLDEN.mkdir(exist_ok=True)
            golden.write_text(found, encoding="utf-8")
        elif not golden.exists() or golden.read_text(encoding="utf-8") != found:
            wrong.append(f"{name}: it shows now\n{found}")
    assert not wrong, "\n".join(wrong)
    assert {each.stem for each in GOLDEN.iterdir()} == set(CALLS)


def test_tables_of_this_machine_fit_as_well(stage, monkeypatch):
    for call in LIVE:
        for width in WIDTHS:
            code, out, err = run_on_terminal(monkeypatch, width, call)
            assert code in (0, 1), err
            assert out
            assert max(map(cell_width, out.splitlines())) <= width, call
