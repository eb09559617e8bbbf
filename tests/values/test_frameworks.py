"""The framework of a weights URL, by the ending of its path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localreg.values.frameworks import Framework, infer_framework

TABLE = {
    "x.pb": "TensorFlow",
    "x.meta": "TensorFlow",
    "x.pbtxt": "TensorFlow",
    "model.json": "TensorFlow_js",
    "x.tflite": "TensorFlow_Lite",
    "x.pth": "PyTorch",
    "x.pt": "PyTorch",
    "x.safetensors": "PyTorch",
    "x.ckpt": "PyTorch",
    "x.caffemodel": "Caffe",
    "x.prototxt": "Caffe",
    "predict_net.pb": "Caffe2",
    "predict_net.pbtxt": "Caffe2",
    "x.onnx": "ONNX",
    "x.h5": "Keras",
    "x.hdf5": "Keras",
    "x.keras": "Keras",
    "x.model": "MXNet",
    "x-symbol.json": "MXNet",
    "x.cntk": "CNTK",
    "x.t7": "Torch",
    "x.cfg": "Darknet",
    "__model__": "PaddlePaddle",
    "x.pkl": "ScikitLearn",
    "x.joblib": "ScikitLearn",
    "x.npz": "NumPy",
    "x.gguf": "GGUF",
    "x.bst": "XGBoost",
    "x.ubj": "XGBoost",
    "x.mlmodel": "CoreML",
    "x.parquet": "Parquet",
    "x.cbm": "CatBoost",
    "x.plan": "TensorRT",
    "x.zip": None,
    "x.tgz": None,
    "x.tar.gz": None,
    "x.bin": None,
    "x.json": None,
    "pt": None,
    "": None,
}
PREFIXES = ["", "/srv/models/", "file:///srv/", "https://host/a/", "s3://bucket/"]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(("name", "framework"), TABLE.items())
def test_the_longest_known_ending_of_the_path_decides(prefix, name, framework):
    assert infer_framework(prefix + name) == framework
    assert infer_framework(prefix + name.upper()) == framework


@given(st.sampled_from(sorted(TABLE)), st.text(), st.sampled_from("?#"))
def test_query_and_fragment_of_a_url_do_not_count(name, rest, mark):
    assert infer_framework(f"https://host/{name}{mark}{rest}") == TABLE[name]


def test_the_ending_of_a_host_is_ignored():
    assert infer_framework("https://example.model") is None
    assert infer_framework("https://example.model?x=/best.pt") is None


def test_a_file_url_is_decoded_once():
    assert infer_framework("file:///srv/best%2Ept") == "PyTorch"
    assert infer_framework("file:///srv/best%252Ept") is None
    assert infer_framework("FILE:///srv/best%2Ept") == "PyTorch"


def test_the_name_of_a_local_file_may_contain_the_signs_of_a_url():
    """A local name with `?` or `#` has no query and no fragment, encoded or not."""
    assert infer_framework("/srv/x.onnx?best.pt") == "PyTorch"
    assert infer_framework("file:///srv/x.onnx%23best.pt") == "PyTorch"
    assert infer_framework("file:///srv/what%3F.pt") == "PyTorch"
    assert infer_framework("file:///srv/best.pt%23old") is None
    assert infer_framework("file:///srv/x.onnx#best.pt") == "PyTorch"
    assert infer_framework("/srv/best%2Ept") is None


@given(st.text())
def test_any_text_gives_a_framework_or_none(text):
    found = infer_framework(text)
    assert found is None or isinstance(found, str)


def test_framework_has_the_names_of_clearml():
    names = {key: name for key, name in vars(Framework).items() if not key.startswith("_")}
    assert len(names) == 22
    assert all(type(name) is str for name in names.values())
    assert Framework.tensorflowjs == "TensorFlow_js"
    assert Framework.mknet == "MXNet"
    assert Framework.megengine == "MegEngine"
