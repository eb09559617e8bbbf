"""safetensors: `save_file` and `load_file`."""

from __future__ import annotations

import numpy
import safetensors.numpy
from safetensors.numpy import load_file, save_file
from support.saved_models import input_ids, outputs, summary

from localreg import Task

ORIGINALS = safetensors.numpy.save_file, safetensors.numpy.load_file


def test_files_are_recorded_and_found_again(localreg_registry, tmp_path):
    arrays = {"weight": numpy.ones((2, 3), "float32")}
    path = tmp_path / "net.safetensors"
    task = Task.init(task_name="train")
    safetensors.numpy.save_file(arrays, path)
    save_file(tensor_dict=arrays, filename=str(path))  # imported before the task began
    safetensors.numpy.save(arrays)
    assert (safetensors.numpy.load_file(path)["weight"] == 1).all()
    task.close()
    assert summary(task) == {"net": ("NumPy", "net.safetensors", 2)}
    assert input_ids(task) == []
    (model,) = outputs(task).values()

    later = Task.init(task_name="evaluate")
    assert (load_file(filename=model.get_local_copy())["weight"] == 1).all()
    later.close()
    assert input_ids(later) == [model.id]


def test_all_is_restored(localreg_registry):
    task = Task.init(task_name="train", auto_connect_frameworks={"safetensors": ["*.st"]})
    assert safetensors.numpy.save_file is not ORIGINALS[0]
    task.close()
    assert (safetensors.numpy.save_file, safetensors.numpy.load_file) == ORIGINALS
    assert (save_file, load_file) == ORIGINALS
