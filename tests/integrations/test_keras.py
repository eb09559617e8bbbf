"""Keras: models and weights."""

from __future__ import annotations

import importlib.util
import os
import warnings

import numpy
import pytest
from support import frameworks
from support.saved_models import input_ids, outputs, summary

from localreg import Task

if importlib.util.find_spec("torch"):
    os.environ.setdefault("KERAS_BACKEND", "torch")
keras = frameworks.wanted("keras")
load_model = keras.models.load_model
NAMES = ("save_model", "save_weights", "load_model", "load_weights")
API = keras.src.saving.saving_api
ORIGINALS = [getattr(API, name) for name in NAMES]
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def net():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="last")])


def test_models_and_weights_are_recorded(localreg_registry, tmp_path, net):
    task = Task.init(task_name="train")
    net.save(tmp_path / "net.keras")
    net.save_weights(tmp_path / "net.weights.h5")
    keras.saving.save_model(net, filepath=str(tmp_path / "other.keras"))
    task.close()
    assert summary(task) == {
        "net": ("Keras", "net.keras", 1),
        "net.weights": ("Keras", "net.weights.h5", 1),
        "other": ("Keras", "other.keras", 1),
    }
    layers = outputs(task)["net"].config_dict["config"]["layers"]
    assert [each["config"]["name"] for each in layers][-1] == "last"

    later = Task.init(task_name="evaluate")
    keras.models.load_model(tmp_path / "net.keras")
    load_model(outputs(task)["other"].get_local_copy())  # imported before the task began
    net.load_weights(tmp_path / "net.weights.h5")
    later.close()
    found = outputs(task)
    assert input_ids(later) == [found[each].id for each in ("net", "other", "net.weights")]


def test_a_callback_that_saves_each_epoch_makes_revisions(localreg_registry, tmp_path, net):
    task = Task.init(task_name="train")
    net.compile(loss="mse", optimizer="sgd")
    callback = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras")
    data = numpy.zeros((4, 2), "float32"), numpy.zeros((4, 1), "float32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net.fit(*data, epochs=2, verbose=0, callbacks=[callback])
    task.close()
    assert summary(task) == {"best": ("Keras", "best.keras", 2)}


@pytest.mark.parametrize("library", ["keras", "tensorflow"])
def test_both_names_turn_it_off(localreg_registry, tmp_path, net, library):
    task = Task.init(task_name="train", auto_connect_frameworks={library: ["*.h5"]})
    net.save(tmp_path / "net.keras")
    net.save_weights(tmp_path / "net.weights.h5")
    task.close()
    assert [*summary(task)] == ["net.weights"]


def test_all_is_restored(localreg_registry):
    task = Task.init(task_name="train")
    assert keras.saving.save_model is API.save_model is not ORIGINALS[0]
    task.close()
    assert [getattr(API, name) for name in NAMES] == ORIGINALS
    assert [getattr(keras.saving, name) for name in NAMES] == ORIGINALS
    assert load_model is keras.models.load_model
