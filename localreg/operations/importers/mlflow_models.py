"""What a folder with a file `MLmodel` is: a model of MLflow."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from localreg.operations.importers.found import FoundFile
from localreg.operations.importers.mlflow_yaml import read_parts
from localreg.operations.importers.source_files import SourceFolder
from localreg.values.frameworks import Framework
from localreg.values.frozen import Frozen
from localreg.values.records import MetadataValue

MARK = "MLmodel"
_PYFUNC = "python_function"
_WANTED = frozenset({"flavors", "mlflow_version", "model_uuid"})
# ClearML's names; any other flavor keeps its own.
_FRAMEWORKS = {
    "sklearn": Framework.scikitlearn,
    "pytorch": Framework.pytorch,
    "tensorflow": Framework.tensorflow,
    "keras": Framework.keras,
    "xgboost": Framework.xgboost,
    "lightgbm": Framework.lightgbm,
    "catboost": Framework.catboost,
    "onnx": Framework.onnx,
    "paddle": Framework.paddlepaddle,
}
File = tuple[str, Path]


class Facts(Frozen):
    """What `MLmodel` says: the framework, if it names one, and more as metadata."""

    framework: str | None
    metadata: dict[str, MetadataValue]


def facts_of(path: Path) -> Facts:
    """Return what a file `MLmodel` says.

    Raises:
        SourceError: it is damaged.
    """
    said = read_parts(path, _WANTED)
    flavors = said.get("flavors")
    named = {key: value for key, value in flavors.items() if isinstance(key, str)} if isinstance(
        flavors, dict
    ) else {}  # fmt: skip
    metadata = {}
    if named:
        metadata["flavors"] = MetadataValue(", ".join(sorted(named)), "str")
    generic = named.get(_PYFUNC)
    loader = generic.get("loader_module") if isinstance(generic, dict) else None
    for key, value in (
        ("loader_module", loader),
        ("mlflow_version", said.get("mlflow_version")),
        ("model_uuid", said.get("model_uuid")),
    ):
        if isinstance(value, str):
            metadata[key] = MetadataValue(value, "str")
    own = sorted(named.keys() - {_PYFUNC}) or sorted(named)
    return Facts(_FRAMEWORKS.get(own[0], own[0]) if own else None, metadata)


def models_among(files: Sequence[File]) -> list[str]:
    """Return the folders that are models, "" for the one that all files are in; outer ones only.

    >>> models_among([("net/MLmodel", Path()), ("net/data/MLmodel", Path()), ("a.txt", Path())])
    ['net']
    """
    marked = sorted(name[: -len(MARK)] for name, _ in files if f"/{name}".endswith(f"/{MARK}"))
    outer: list[str] = []
    for each in marked:  # those in an outer folder follow it
        if not (outer and each.startswith(outer[-1])):
            outer.append(each)
    return [each.rstrip("/") for each in outer]


def is_of_model(name: str, models: Collection[str]) -> bool:
    """Return True if a file is in one of some folders; "" is the one that all are in.

    >>> is_of_model("net/data/w.bin", {"net"}), is_of_model("nets/w.bin", {"net"})
    (True, False)
    """
    while name:
        name = name.rpartition("/")[0]
        if name in models:
            return True
    return False


def files_of(folder: SourceFolder) -> Iterator[FoundFile]:
    """Yield the files of a folder as those of a package."""
    for name, path in folder.files_below():
        yield FoundFile(name, path)
