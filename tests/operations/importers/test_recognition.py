"""Finding out what a source is waits for nothing."""

from __future__ import annotations

import os

import pytest

from localreg.operations.importers import kinds

NAMES = (
    "mlflow.db", "runs.db", "0/meta.yaml", "README.md", "events.out.tfevents.1", "metrics.json",
    "models/net/1/model.yaml", "run-20250101_000000-x/run-x.wandb", "me/net/net.gguf",
    ".aim/run_metadata.sqlite",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_pipe_is_not_waited_for(tmp_path, name):
    pipe = tmp_path / "source" / name
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)
    found = {kind for kind, each in kinds.KINDS.items() if each.module and is_one(kind, pipe)}
    assert found <= {"tensorboard", "aim", "lmstudio", "wandb"}  # which go by names


def is_one(kind, pipe):
    source = next(each for each in pipe.parents if each.name == "source")
    return any(kinds._importer(kind).is_one(each) for each in (source, pipe))
