"""Facts about weights from their headers: nothing is unpickled, imported or evaluated.

What a header says is checked against the size of the file. A broken file is reported as a fact,
``problem``, and raises no error.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

from localreg.blobs.headers.compressed import compression_of
from localreg.blobs.headers.gguf_header import MAGIC as GGUF
from localreg.blobs.headers.gguf_header import read_gguf
from localreg.blobs.headers.header_errors import HeaderError, TooLongError
from localreg.blobs.headers.json_headers import read_config, read_shard_index
from localreg.blobs.headers.numpy_header import MAGIC as NUMPY
from localreg.blobs.headers.numpy_header import read_npy
from localreg.blobs.headers.onnx_header import read_onnx
from localreg.blobs.headers.openvino_header import looks_like_openvino, read_openvino
from localreg.blobs.headers.pickle_operations import may_name_code
from localreg.blobs.headers.pickle_scan import (
    Scanner,
    installed_scanner,
    is_pickle,
    unscanned,
)
from localreg.blobs.headers.pickle_search import ZIP, PickleSearch
from localreg.blobs.headers.safetensors_header import looks_like_safetensors, read_safetensors
from localreg.blobs.headers.tar_members import BLOCK, is_tar_header
from localreg.blobs.headers.tensorflow_headers import (
    is_table,
    read_checkpoint_index,
    read_saved_model,
)
from localreg.blobs.headers.zip_members import opened_zip

Facts = dict[str, object]
Chosen = tuple[Scanner, str] | None

START = BLOCK  # bytes that show what a file may be
ARRAY_HEADERS = 2_000_000  # bytes of the headers of all arrays in an archive
MOST_METADATA = 32
LONGEST_VALUE = 200
_HDF5 = b"\x89HDF\r\n\x1a\n"
_BY_MARK = {NUMPY: "npy", ZIP: "zip", GGUF: "gguf", _HDF5: "hdf5"}
_MARKS = tuple(_BY_MARK)
_ASK = object()


def inside(path: Path, filename: str | None, scanner: object = _ASK) -> Facts:
    """Return facts about a file of weights as JSON values; {} if its format is unknown.

    Args:
        path: the file.
        filename: its original name; it decides the format if the bytes do not.
        scanner: scans pickles, as in `pickle_scan.verdict`; picklescan by default.
    """
    with open(path, "rb") as file:
        start = file.read(START)
    name = (filename or "").rpartition("/")[2]
    chosen: Chosen
    chosen = installed_scanner() if scanner is _ASK else scanner  # type: ignore[assignment]  # one that a caller gave
    kind = _kind(start, name.lower())
    facts: Facts = {}
    if kind is not None:
        try:
            found = _READERS[kind](path, name, chosen)
            facts = {} if found is None else {"format": kind} | _shortened(found)
        except TooLongError as error:
            facts = {"format": _named(kind, name), "unread": str(error)}
        except HeaderError as error:
            facts = {"format": _named(kind, name), "problem": str(error)}
    by_name = kind is None or kind in _BY_ENDING.values() or kind in _BY_NAME.values()
    if by_name and not set(facts) - {"format", "problem"} and may_name_code(start):
        return facts | (_read_pickles(path, name, chosen) or {})
    return facts


def may_have_facts(start: bytes, filename: str) -> bool:
    """Return True if `inside` may find something in a file; a cheap test before it is opened.

    Args:
        start: its first `START` bytes.
        filename: its original name, perhaps with folders.
    """
    name = filename.rpartition("/")[2].lower()
    return _kind(start, name) is not None or may_name_code(start)


def _kind(start: bytes, name: str) -> str | None:
    """Return what a file may be by its first bytes and its name; a key of `_READERS`."""
    if start.startswith(_MARKS):  # asked for each file of a package
        kind = next(kind for mark, kind in _BY_MARK.items() if start.startswith(mark))
        return "torch checkpoint data" if name.endswith(".distcp") else kind
    if name.endswith(".safetensors") or looks_like_safetensors(start):
        return "safetensors"
    if is_pickle(start):
        return "torch checkpoint index" if name == ".metadata" else "pickle"
    if compression_of(start) is not None or is_tar_header(start):
        return "archive"
    if looks_like_openvino(start, name):
        return "openvino"
    if name.endswith(_ENDINGS):
        return next(kind for ending, kind in _BY_ENDING.items() if name.endswith(ending))
    return _BY_NAME.get(name)


def _named(kind: str, name: str) -> str:
    """Return the format of a file that could not be read."""
    return "npz" if kind == "zip" and name.lower().endswith(".npz") else kind


def _shortened(facts: Facts) -> Facts:
    """Return facts with bounded lists and texts."""
    metadata = facts.get("metadata")
    if isinstance(metadata, dict):
        kept = sorted(metadata.items())[:MOST_METADATA]
        facts["metadata"] = {_text(key): _text(value) for key, value in kept}
    dtypes = facts.get("dtypes")
    if isinstance(dtypes, dict):
        facts["dtypes"] = dict(list(dtypes.items())[:MOST_METADATA])
    return facts


def _text(value: object) -> str:
    """Return text that is short enough to keep, and without lone surrogates."""
    text = str(value).encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _read_array(path: Path, name: str, scanner: Chosen) -> Facts:
    size = path.stat().st_size
    with open(path, "rb") as file:
        return read_npy(file, size) | _pickles_of(file, size, name, scanner)


def _pickles_of(file: io.BufferedReader, size: int, name: str, scanner: Chosen) -> Facts:
    search = PickleSearch()
    search.look(file, size, name.lower())
    return search.verdict(scanner)


def _read_pickles(path: Path, name: str, scanner: Chosen) -> Facts | None:
    """Return the facts about a pickle, or an archive or compressed data that may have some."""
    search = PickleSearch()
    with open(path, "rb") as file:
        search.look(file, path.stat().st_size, name.lower())
        verdict = search.verdict(scanner)
    if not verdict and not search.members:
        return None
    facts: Facts = {}
    levels = search.levels or ["archive"]
    if levels[0] not in ("pickle", "tar", "zip"):
        facts["compression"] = levels[0]
        levels = levels[1:] or levels
    facts["format"] = "pytorch" if search.legacy and levels[0] == "pickle" else levels[0]
    if search.members:
        facts["members"] = search.members
    return facts | verdict


def _read_zip(path: Path, name: str, scanner: Chosen) -> Facts:
    with opened_zip(io.FileIO(path), path.stat().st_size) as archive:
        names = archive.namelist()
        search = PickleSearch()
        if names and all(each.endswith(".npy") for each in names):
            facts = {"format": "npz"} | _arrays(archive, names)
            if "object" in facts["dtypes"]:  # type: ignore[operator]  # it is a dictionary
                search.look_in_zip(archive)
            return facts | search.verdict(scanner)
        torch = any(each.endswith("/data.pkl") or each == "data.pkl" for each in names)
        script = any(each.endswith("/constants.pkl") for each in names)
        kind = "torchscript" if script else "pytorch"
        if not torch:
            kind = "keras" if "config.json" in names and name.lower().endswith(".keras") else "zip"
        search.look_in_zip(archive, only_marked=torch)
        return {"format": kind, "members": len(names)} | search.verdict(scanner)


def _arrays(archive: zipfile.ZipFile, names: list[str]) -> Facts:
    dtypes: dict[str, int] = {}
    left = ARRAY_HEADERS
    for name in names:
        with archive.open(name) as member:
            facts = read_npy(member, archive.getinfo(name).file_size)
            left -= member.tell()
        if left < 0:
            raise TooLongError(f"the headers of its arrays have more than {ARRAY_HEADERS:,} bytes")
        dtype, count = str(facts["dtype"]), facts["parameters"]
        assert isinstance(count, int)
        dtypes[dtype] = dtypes.get(dtype, 0) + count
    return {
        "arrays": len(names),
        "parameters": sum(dtypes.values()),
        "dtypes": dict(sorted(dtypes.items())),
    }


def _only_format(*_: object) -> Facts:
    return {}


def _read_checkpoint_index(path: Path, name: str, _: object) -> Facts | None:
    return read_checkpoint_index(path, name) if is_table(path) else None


def _read_parts(*_: object) -> Facts:
    return unscanned("the archives in it are not searched")


_READERS: dict[str, Callable[[Path, str, Chosen], Facts | None]] = {
    "npy": _read_array,
    "zip": _read_zip,
    "safetensors": lambda path, name, scanner: read_safetensors(path),
    "gguf": lambda path, name, scanner: read_gguf(path),
    "onnx": lambda path, name, scanner: read_onnx(path),
    "openvino": lambda path, name, scanner: read_openvino(path, name),
    "savedmodel": lambda path, name, scanner: read_saved_model(path),
    "tensorflow checkpoint": _read_checkpoint_index,
    "torch checkpoint data": _read_parts,
    "torch checkpoint index": lambda path, name, scanner: {
        **(_read_pickles(path, name, scanner) or {}),
        "format": "torch checkpoint index",
    },
    "shard index": lambda path, name, scanner: read_shard_index(path),
    "config": lambda path, name, scanner: read_config(path),
    "hdf5": _only_format,
    "pickle": _read_pickles,
    "archive": _read_pickles,
}
_BY_ENDING = {
    ".onnx": "onnx",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".distcp": "torch checkpoint data",
    ".index.json": "shard index",
    ".index": "tensorflow checkpoint",
}
_ENDINGS = tuple(_BY_ENDING)
_BY_NAME = {"saved_model.pb": "savedmodel", "config.json": "config"}
