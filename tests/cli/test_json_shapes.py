"""P35: what commands print with ``--json``: the documented shapes, for every command there is."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from support import foreign_signatures
from support.command_line import run_cli
from support.json_shapes import faults
from support.sessions import SMALL, folder_of

from localreg import Dataset, OutputModel, Task
from localreg.cli import schemas
from localreg.cli.main import cli

SCRIPT = """
from localreg import Task

task = Task.init("vision", "train")
task.connect({"lr": 0.1, "api_key": "hunter2"})
print("hello")
"""
HEADER = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
SAFETENSORS = len(HEADER).to_bytes(8, "little") + HEADER
# Every command, in an order in which all of them can run. {name} is an id of the stage.
CALLS = """
--version
add a.pt -n vision/resnet
add net.safetensors -n vision/resnet -m accuracy=0.9 -t x --labels labels.json --config c.toml
add package -n vision/package
add {url} --reference -n vision/served
init other
init
schema
schema ls
completion bash
guide
guide tasks
env
config
config origin.name laptop
config origin.name
config origin.name --unset
ls
ls -a --as-of {event}
ls nothing
show vision/resnet:1
show vision/resnet
show vision/package
show {made}
files vision/package
files vision/resnet
path vision/resnet
path vision/package
path vision/served
get vision/resnet -o copy.safetensors
get vision/package -o copied
sign vision/resnet:1 --key k.pem -o model.sig
sign vision/resnet:1 --signature model.sig
key add k.pub --name release
key add k.pub
key ls
verify vision/resnet:1 --key k.pub
verify vision/resnet:1 --signed
get vision/resnet:1 --signature -o got.sig
key rm release
cache ls
cache prune --max-size 1GB
cache prune --max-size 0
cache rm {digest}
tag vision/resnet a b
tag vision/resnet a
untag vision/resnet a never
meta vision/resnet lr=0.1 --drop accuracy
meta vision/resnet
alias vision/resnet:1 prod
alias vision/resnet prod
alias vision/resnet
alias vision/resnet prod --drop
protect vision/resnet@prod --require accuracy>=0.5
alias vision/resnet prod --override because
protect vision/resnet@prod
protect vision/resnet@prod --drop
publish vision/resnet:1 vision/resnet:2
archive vision/resnet:1
unarchive vision/resnet:1 vision/resnet:2
mv vision/package vision/moved
mv vision/package:1 --release
rm vision/moved
ls --removed
restore vision/moved
rm vision/moved --local
ls --removed
restore vision/moved
undo --dry-run {tagged}
undo {tagged}
history
history vision/resnet
history --alias prod
history --conflicts
lineage {made}
diff vision/resnet:1 vision/resnet:2
diff vision/resnet:2 {made}
diff vision/resnet:1 vision/served
scalars {made}
scalars {task}
card {made}
card {made} -o card.md
card {made} --format ml-bom
card {made} --set card.md
card {made} --drop
report vision/resnet
report {task}
site
compare vision/resnet:1 {task}
compare -p vision --sort name -l 2 -o compared.html
task ls
task show {task}
task clone {task} --set-param General/lr=0.2
task run {task}
task rm {spare}
search vision
sql VALUES(1,x'00','a')
dataset ls
dataset show vision/cats
dataset show vision/cats:1.0.0
dataset get vision/cats -o cats
export --all -o all.tar --dry-run
export --all -o all.tar
export --all --format mlflow -o runs --dry-run
export --all --format mlflow -o runs
export vision/resnet --format hf -o upload
export --all --format parquet -o tables
-R other import all.tar --dry-run
-R other import all.tar
-R other import {session} --dry-run
-R other import {session}
-R other import history.csv --task table --dry-run
-R other import history.csv --task table
-R other merge {root}
merge other --dry-run
merge other
backup saved
remote add origin fleet
remote ls
push --dry-run
push
pull --dry-run
pull
clone fleet cloned
remote check
remote check --reset --dry-run
remote compact
remote gc
remote rm origin
verify
verify --full
du
gc
gc --keep-last 1
gc --grace 0
gc --grace 0 --delete
adopt
doctor
repair
rm vision/moved --delete-weights
restore vision/moved
demo --home tour
damage
verify
repair
"""


def leaves(command=cli, words=()):
    """Yield the words of every command that is no group."""
    if not isinstance(command, click.Group):
        yield " ".join(words)
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from leaves(command.get_command(context, name), (*words, name))


LEAVES = tuple(leaves())


def command_of(words: list[str]) -> str:
    """Return which command a line calls."""
    if words[0] == "-R":
        words = words[2:]
    if words[0] == "--version":
        return "version"
    pair = " ".join(words[:2])
    return pair if pair in LEAVES else words[0]


@pytest.fixture
def stage(registry, tmp_path, monkeypatch, site):
    """A folder and a registry with models, tasks and data sets; what the lines call them."""
    monkeypatch.chdir(tmp_path)
    Path("a.pt").write_bytes(b"weights")
    Path("net.safetensors").write_bytes(SAFETENSORS + b"1234")
    Path("labels.json").write_text('{"cat": 1}')
    Path("history.csv").write_text("step,loss,note\n0,0.5,good\n1,0.25,\n")
    Path("c.toml").write_text("lr = 0.1\n")
    Path("train.py").write_text(SCRIPT)
    key = foreign_signatures.new_key()
    Path("k.pem").write_bytes(foreign_signatures.private_pem(key))
    Path("k.pub").write_bytes(foreign_signatures.public_pem(key))
    for folder in ("package/empty", "data"):
        Path(folder).mkdir(parents=True)
    Path("package/model.bin").write_bytes(b"bytes")
    Path("data/cat.txt").write_text("cat")
    task = Task.create("vision", "train", script="train.py", working_directory=str(tmp_path))
    spare = Task.create("vision", "spare")
    spare.upload_artifact("numbers", [1, 2])
    task.set_parameters({"General/lr": 0.1, "General/api_key": "hunter2"})
    logger = task.get_logger()
    for iteration, value in enumerate((0.5, float("nan"), float("inf"))):
        logger.report_scalar("loss", "train", value, iteration)
    logger.report_single_value("accuracy", 0.9)
    made = OutputModel(task, name="made")
    Path("made.safetensors").write_bytes(SAFETENSORS + b"5678")
    made.update_weights("made.safetensors", async_enable=False)
    made.report_scalar("loss", "test", 0.25, 1)
    first = Dataset.create("cats", "vision", dataset_version="1.0.0")
    first.add_files("data")
    first.finalize(auto_upload=True)
    Path("data/dog.txt").write_text("dog")
    second = Dataset.create("cats", "vision", parent_datasets=[first.id])
    second.add_files("data")
    second.finalize(auto_upload=True)
    return {
        "url": site.url(),
        "task": task.id,
        "spare": spare.id,
        "made": made.id,
        "session": str(folder_of(SMALL, tmp_path)),
        "root": str(registry.path),
        "event": registry.history()[0].event_id,
    }


def test_every_command_prints_the_documented_shape(stage, registry):
    """Strictly: every key that is printed is in the schema, and every key there is printed."""
    wrong, called = [], set()
    for line in CALLS.strip().splitlines():
        if line == "damage":
            damage(registry)
            continue
        words = line.format(**facts(stage, registry, line)).split()
        name = command_of(words)
        code, out, err = run_cli(*words, "--json")
        called.add(name)
        try:
            value = json.loads(out, parse_constant=refused)
        except ValueError:
            wrong.append(f"{line}: exit code {code}, {out!r}, {err!r}")
            continue
        wrong += [f"{line}: {each}" for each in faults(name, value)]
        if err and not code and name != "task run":  # what a script prints goes there
            wrong.append(f"{line}: a remark: {err}")
        if code and not (name in ("verify", "repair", "doctor") or line.startswith("merge")):
            wrong.append(f"{line}: exit code {code}: {err}")
    assert not wrong, "\n".join(wrong)
    assert set(LEAVES) - called == set()
    assert set(schemas.names()) == {*called, "error"}


def refused(name):
    """Raise ValueError for NaN and Infinity, which are no JSON."""
    raise ValueError(name)


def facts(stage, registry, line):
    """Return what a line may name, as far as it is known by now."""
    found = dict(stage)
    if "{digest}" in line:
        found["digest"] = json.loads(run_cli("cache", "ls", "--json")[1])[0]["name"]
    if "{tagged}" in line:
        tags = [each for each in registry.history() if each.kind == "model.tag"]
        found["tagged"] = tags[0].event_id
    return found


def damage(registry):
    """Damage the bytes of a blob."""
    blob = next(each for each in (registry.path / "blobs").rglob("*") if each.is_file())
    blob.chmod(0o644)
    blob.write_bytes(b"damaged")
