"""The names of frameworks, and the framework that a file name suggests.

The endings are ClearML's table and some newer ones. The longest matching ending counts
(`predict_net.pb` is Caffe2, any other `.pb` TensorFlow). Archives suggest nothing.
"""

from __future__ import annotations


class Framework:
    """ClearML's names of frameworks; any other text may be used as well."""

    tensorflow = "TensorFlow"
    tensorflowjs = "TensorFlow_js"
    tensorflowlite = "TensorFlow_Lite"
    pytorch = "PyTorch"
    torchscript = "TorchScript"
    caffe = "Caffe"
    caffe2 = "Caffe2"
    onnx = "ONNX"
    keras = "Keras"
    mknet = "MXNet"
    cntk = "CNTK"
    torch = "Torch"
    darknet = "Darknet"
    paddlepaddle = "PaddlePaddle"
    scikitlearn = "ScikitLearn"
    xgboost = "XGBoost"
    lightgbm = "LightGBM"
    parquet = "Parquet"
    megengine = "MegEngine"
    catboost = "CatBoost"
    tensorrt = "TensorRT"
    openvino = "OpenVINO"


_FRAMEWORKS = {
    ".pb": Framework.tensorflow,
    ".meta": Framework.tensorflow,
    ".pbtxt": Framework.tensorflow,
    "model.json": Framework.tensorflowjs,
    ".tflite": Framework.tensorflowlite,
    ".pth": Framework.pytorch,
    ".pt": Framework.pytorch,
    ".safetensors": Framework.pytorch,
    ".ckpt": Framework.pytorch,
    ".caffemodel": Framework.caffe,
    ".prototxt": Framework.caffe,
    "predict_net.pb": Framework.caffe2,
    "predict_net.pbtxt": Framework.caffe2,
    ".onnx": Framework.onnx,
    ".h5": Framework.keras,
    ".hdf5": Framework.keras,
    ".keras": Framework.keras,
    ".model": Framework.mknet,
    "-symbol.json": Framework.mknet,
    ".cntk": Framework.cntk,
    ".t7": Framework.torch,
    ".cfg": Framework.darknet,
    "__model__": Framework.paddlepaddle,
    ".pkl": Framework.scikitlearn,
    ".joblib": Framework.scikitlearn,
    ".bst": Framework.xgboost,
    ".ubj": Framework.xgboost,
    ".parquet": Framework.parquet,
    ".cbm": Framework.catboost,
    ".plan": Framework.tensorrt,
    ".npz": "NumPy",
    ".gguf": "GGUF",
    ".mlmodel": "CoreML",
}
# Those that are more than a suffix; no two of them end alike.
_LONGER = tuple(ending for ending in _FRAMEWORKS if not ending.startswith("."))


def infer_framework(url: str) -> str | None:
    """Return the framework that the ending of a weights URL suggests, or None.

    Args:
        url: a URL or a local path. Of a URL only its path counts, without query and fragment; a
            `file://` URL has neither, and is percent-decoded once.

    >>> infer_framework("https://host/best.PT?signature=a.onnx")
    'PyTorch'
    >>> infer_framework("file:///srv/predict_net.pb")
    'Caffe2'
    >>> infer_framework("/srv/weights.zip") is None
    True
    """
    scheme, separator, path = url.partition("://")
    if not separator:
        path = url
    elif scheme.lower() != "file":
        # The host is not a file name, though "example.model" looks like one.
        path = path.partition("?")[0].partition("#")[0].partition("/")[2]
    elif "%" in path:
        from urllib.parse import unquote

        path = unquote(path)
    path = path.lower()
    if path.endswith(_LONGER):
        return next(_FRAMEWORKS[ending] for ending in _LONGER if path.endswith(ending))
    return _FRAMEWORKS.get(path[path.rfind(".") :])
