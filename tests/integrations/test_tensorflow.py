"""What `tf.summary` and Keras's callback write becomes reports."""

from __future__ import annotations

import numpy as np
import pytest
from support.frameworks import wanted
from support.reports import drawings

from localreg import Task
from localreg.operations.reports import charts

tf = wanted("tensorflow")


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def task(registry):
    task = Task.init(project_name="p", task_name="t")
    yield task
    task.close()


def scalars(task):
    """Return ``{title: {series: [(iteration, value), …]}}``."""
    task.flush()
    return {
        title: {
            name: list(zip(found["x"], found["y"], strict=True)) for name, found in some.items()
        }
        for title, some in task.get_reported_scalars().items()
    }


def titles(task):
    _, registry, owner = task._owned()
    with registry.store.read() as connection:
        groups = charts.figure_rows(connection, owner)
    return [(group.title, group.rows[0].series, group.iteration) for group in groups]


def test_summaries(task):
    first, second = (tf.summary.create_file_writer(f"runs/{name}") for name in "ab")
    for writer in (first, second):
        with writer.as_default(step=3):
            tf.summary.scalar("loss/train", 0.5)
    with first.as_default():
        tf.summary.histogram("layer/weight", np.arange(100.0), step=1)
        tf.summary.image("val/cat", np.zeros((2, 4, 5, 3)), step=2)
        tf.summary.text("note", "some text", step=4)
        tf.summary.audio("tone", np.zeros((1, 10, 1), "f4"), 8000, step=5)
    assert scalars(task) == {"loss": {"train": [(3, 0.5)], "b: train": [(3, 0.5)]}}
    assert titles(task) == [
        ("Audio", "tone", 5), ("Text", "note", 4), ("layer", "weight", 1),
        ("val", "cat_0", 2), ("val", "cat_1", 2),
    ]  # fmt: skip
    (bars,) = drawings(task)["layer", "weight", 1].parts["traces"]
    assert sum(bars["y"]) == 100


def test_a_step_of_tensorflow_and_a_graph(task, caplog):
    writer = tf.summary.create_file_writer("runs/a")

    @tf.function
    def compiled(value):
        tf.summary.scalar("inside", value, step=1)

    with writer.as_default():
        tf.summary.scalar("outside", 1.0, step=tf.constant(2, tf.int64))
        compiled(tf.constant(1.0))
    assert scalars(task) == {"outside": {"outside": [(2, 1.0)]}}
    (message,) = [each.message for each in caplog.records]
    assert message == "what is written to TensorBoard inside of a tf.function is not reported"


def test_the_writer_of_tensorflow_1(task):
    with tf.Graph().as_default():
        writer = tf.compat.v1.summary.FileWriter("runs/a")
        value = tf.compat.v1.Summary.Value(tag="loss/train", simple_value=0.5)
        writer.add_summary(tf.compat.v1.Summary(value=[value]), 7)
        writer.close()
    assert scalars(task) == {"loss": {"train": [(7, 0.5)]}}


def test_the_callback_of_keras(task):
    model = tf.keras.Sequential([tf.keras.layers.Input((1,)), tf.keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    board = tf.keras.callbacks.TensorBoard("logs", histogram_freq=1)
    data = np.ones((8, 1))
    model.fit(data, data, validation_data=(data, data), epochs=2, verbose=0, callbacks=[board])
    found = scalars(task)
    assert [iteration for iteration, _ in found["epoch_loss"]["epoch_loss"]] == [0, 1]
    assert set(found["epoch_loss"]) == {"epoch_loss", "validation: epoch_loss"}
    assert any(title == "dense" or "kernel" in title for title, _, _ in titles(task))


def test_hyperparameters(task):
    from tensorboard.plugins.hparams import api

    with tf.summary.create_file_writer("runs/a").as_default():
        api.hparams({"lr": 0.1, "units": 8})
    found = task.get_parameters()
    assert (found["TB_hparams/lr"], found["TB_hparams/units"]) == ("0.1", "8")


def test_nothing_is_patched_after_the_task(registry):
    from tensorflow.python.ops import gen_summary_ops

    originals = dict(vars(gen_summary_ops))
    Task.init().close()
    assert dict(vars(gen_summary_ops)) == originals
