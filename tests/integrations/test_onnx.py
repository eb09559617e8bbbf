"""ONNX: `onnx.save` and `onnx.load`; what MegEngine saves, by a library that looks like it."""

from __future__ import annotations

import importlib
import os
import sys

import numpy
import onnx
import pytest
from onnx import helper, load, numpy_helper, save
from support.saved_models import input_ids, outputs, summary

from localreg import Task

ORIGINALS = onnx.save, onnx.save_model, onnx.load, onnx.load_model


@pytest.fixture
def model():
    weights = numpy_helper.from_array(numpy.ones((64, 64), "float32"), "weights")
    node = helper.make_node("MatMul", ["input", "weights"], ["output"])
    places = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 64])
        for name in ("input", "output")
    ]
    graph = helper.make_graph([node], "net", places[:1], places[1:], [weights])
    return helper.make_model(graph)


def test_models_are_recorded_and_found_again(localreg_registry, tmp_path, model):
    task = Task.init(task_name="train")
    onnx.save(model, tmp_path / "net.onnx")
    save(model, str(tmp_path / "net.onnx"))  # imported before the task began
    with open(tmp_path / "opened.onnx", "wb") as file:
        onnx.save_model(model, file)
    task.close()
    assert summary(task) == {
        "net": ("ONNX", "net.onnx", 2),
        "opened": ("ONNX", "opened.onnx", 1),
    }
    later = Task.init(task_name="evaluate")
    load(tmp_path / "net.onnx")
    later.close()
    assert len(input_ids(later)) == 1
    assert input_ids(later)[0] in {each.id for each in outputs(task).values()}


def test_a_model_with_its_weights_in_another_file_is_a_package(localreg_registry, tmp_path, model):
    task = Task.init(task_name="train")
    onnx.save(
        model, tmp_path / "net.onnx", save_as_external_data=True, location="net.data",
        size_threshold=0,
    )  # fmt: skip
    (tmp_path / "other.txt").write_text("no part of it")
    task.close()
    (kept,) = outputs(task).values()
    folder = kept.get_weights_package(return_path=True)
    assert onnx.load(f"{folder}/net.onnx").graph.initializer[0].dims == [64, 64]
    assert sorted(os.listdir(folder)) == ["net.data", "net.onnx"]


def test_all_is_restored(localreg_registry):
    task = Task.init(task_name="train")
    assert onnx.save is not ORIGINALS[0]
    task.close()
    assert (onnx.save, onnx.save_model, onnx.load, onnx.load_model) == ORIGINALS
    assert (save, load) == (onnx.save, onnx.load)


MEGENGINE = """
from megengine import serialization
from megengine.serialization import load, save
"""
SERIALIZATION = """
def save(obj, f, pickle_module=None):
    with open(f, "wb") as file:
        file.write(obj)

def load(f, map_location=None):
    with open(f, "rb") as file:
        return file.read()
"""


def test_megengine(localreg_registry, tmp_path, monkeypatch):
    package = tmp_path / "libraries" / "megengine"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(MEGENGINE)
    (package / "serialization.py").write_text(SERIALIZATION)
    monkeypatch.syspath_prepend(package.parent)
    try:
        task = Task.init(task_name="train")
        megengine = importlib.import_module("megengine")
        megengine.save(b"weights", f=tmp_path / "net.mge")
        megengine.serialization.save(b"weights 2", tmp_path / "net.mge")
        task.close()
        assert summary(task) == {"net": ("MegEngine", "net.mge", 2)}
        later = Task.init(task_name="evaluate")
        assert megengine.load(tmp_path / "net.mge") == b"weights 2"
        later.close()
        assert input_ids(later) == [outputs(task)["net"].id]
    finally:
        for name in ("megengine", "megengine.serialization"):
            sys.modules.pop(name, None)
