"""joblib and scikit-learn: what the script dumps and loads, and nothing that joblib does inside."""

from __future__ import annotations

import gzip

import joblib
import numpy
import pytest
from joblib import dump, load
from sklearn.linear_model import LinearRegression
from support.saved_models import input_ids, outputs, summary

from localreg import Task

ORIGINALS = joblib.dump, joblib.load


@pytest.fixture
def model():
    return LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])


def test_models_are_recorded_and_found_again(localreg_registry, tmp_path, model):
    path = tmp_path / "line.joblib"
    task = Task.init(task_name="train")
    assert joblib.dump(model, path, compress=3) == [str(path)]
    dump(model, str(path))  # imported before the task began
    with open(tmp_path / "opened.pkl", "wb") as file:
        joblib.dump({"model": model}, file)
    with gzip.open(tmp_path / "packed.pkl.gz", "wb") as file:
        joblib.dump(model, file)  # it is not whole before it is closed
    task.close()
    assert summary(task) == {
        "line": ("ScikitLearn", "line.joblib", 2),
        "opened": ("ScikitLearn", "opened.pkl", 1),
    }
    kept = ORIGINALS[1](outputs(task)["opened"].get_local_copy())
    assert kept["model"].coef_ == model.coef_

    later = Task.init(task_name="evaluate")
    assert load(path).coef_ == model.coef_
    with open(tmp_path / "opened.pkl", "rb") as file:
        joblib.load(file)
    later.close()
    assert sorted(input_ids(later)) == sorted(each.id for each in outputs(task).values())
    assert summary(later) == {}


def test_a_cache_is_no_model(localreg_registry, tmp_path):
    task = Task.init(task_name="train")
    memory = joblib.Memory(tmp_path, verbose=0)
    double = memory.cache(numpy.negative)
    double(numpy.arange(10))
    double(numpy.arange(10))
    task.close()
    assert summary(task) == {}
    assert input_ids(task) == []


@pytest.mark.parametrize("library", ["joblib", "scikit"])
def test_both_names_of_clearml_turn_it_off(localreg_registry, tmp_path, model, library):
    task = Task.init(task_name="train", auto_connect_frameworks={library: False})
    joblib.dump(model, tmp_path / "line.joblib")
    task.close()
    assert summary(task) == {}


def test_all_is_restored(localreg_registry):
    task = Task.init(task_name="train")
    assert joblib.dump is not ORIGINALS[0]
    assert dump is not ORIGINALS[0]
    assert joblib.numpy_pickle.dump is ORIGINALS[0]
    task.close()
    assert (joblib.dump, joblib.load, dump, load) == ORIGINALS * 2


def test_an_error_of_the_library_is_its_own(localreg_registry, tmp_path):
    task = Task.init(task_name="train")
    with pytest.raises(FileNotFoundError):
        joblib.load(tmp_path / "missing.joblib")
    with pytest.raises(FileNotFoundError):
        joblib.dump(1, tmp_path / "missing" / "a.joblib")
    task.close()
    assert summary(task) == {}
