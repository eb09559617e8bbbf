"""Facts about weights from their headers: nothing is unpickled, imported or evaluated.

What a header says is checked against the size of the file. A broken file is reported as a fact,
``problem``, and raises no error.
"""

from __future__ import annotations

import io
import zipfile
from functools import partial
from pathlib import Path

from localreg.blobs.headers.header_errors import HeaderError, TooLongError
from localreg.blobs.headers.numpy_header import MAGIC, read_npy
from localreg.blobs.headers.pickle_scan import (
    LEGACY_TORCH,
    MOST_BYTES,
    Scanner,
    installed_scanner,
    is_pickle,
    unscanned,
    verdict,
)
from localreg.blobs.headers.safetensors_header import looks_like_safetensors, read_safetensors
from localreg.blobs.headers.zip_members import opened_zip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

Facts = dict[str, object]

ARRAY_HEADERS = 2_000_000  # bytes of the headers of all arrays in an archive
MOST_METADATA = 32
LONGEST_VALUE = 200
_BY_ENDING = {".onnx": "onnx", ".h5": "hdf5", ".hdf5": "hdf5"}
_STARTS = (MAGIC, b"PK\3\4", b"GGUF", b"\x89HDF\r\n\x1a\n")
_ASK = object()
_IN_ARRAY = unscanned("pickles in arrays are not scanned")
_TOO_MANY_BYTES = unscanned(f"it has more than {MOST_BYTES // 2**20} MiB")


def inside(path: Path, filename: str | None, scanner: object = _ASK) -> Facts:
    """Return facts about a file of weights as JSON values; {} if its format is unknown.

    Args:
        path: the file.
        filename: its original name; it decides the format if the bytes do not.
        scanner: scans pickles, as in `pickle_scan.verdict`; picklescan by default.
    """
    with open(path, "rb") as file:
        start = file.read(64)
    name = (filename or "").lower()
    try:
        return _by_content(path, start, name, scanner)
    except TooLongError as error:
        return {"format": _assumed_format(start, name), "unread": str(error)}
    except HeaderError as error:
        return {"format": _assumed_format(start, name), "problem": str(error)}


def may_have_facts(start: bytes, filename: str) -> bool:
    """Return True if `inside` may find something in a file; a cheap test before it is opened.

    Args:
        start: its first 64 bytes.
        filename: its original name.
    """
    return (
        start.startswith(_STARTS)
        or filename.lower().endswith((".safetensors", *_BY_ENDING))
        or looks_like_safetensors(start)
        or is_pickle(start)
    )


def _assumed_format(start: bytes, name: str) -> str:
    if start.startswith(MAGIC):
        return "npy"
    if start.startswith(b"PK\3\4"):
        return "npz" if name.endswith(".npz") else "zip"
    return "safetensors"


def _by_content(path: Path, start: bytes, name: str, scanner: object) -> Facts:
    if start.startswith(MAGIC):
        with open(path, "rb") as file:
            facts = {"format": "npy"} | read_npy(file, path.stat().st_size)
        return facts | (_IN_ARRAY | {"pickles": 1} if facts["dtype"] == "object" else {})
    if start.startswith(b"PK\3\4"):
        return _zip(path, name, scanner)
    if name.endswith(".safetensors") or looks_like_safetensors(start):
        return {"format": "safetensors"} | _shortened(read_safetensors(path))
    if is_pickle(start):
        return _plain_pickle(path, start, scanner)
    if start.startswith(b"GGUF"):
        version, tensors = (
            int.from_bytes(start[at:end], "little") for at, end in ((4, 8), (8, 16))
        )
        return {"format": "gguf", "version": version, "tensors": tensors}
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return {"format": "hdf5"}
    ending = name[name.rfind(".") :] if "." in name else ""
    return {"format": _BY_ENDING[ending]} if ending in _BY_ENDING else {}


def _shortened(facts: Facts) -> Facts:
    metadata = facts["metadata"]
    assert isinstance(metadata, dict)
    kept = sorted(metadata.items())[:MOST_METADATA]
    facts["metadata"] = {_text(key): _text(value) for key, value in kept}
    dtypes = facts["dtypes"]
    assert isinstance(dtypes, dict)
    facts["dtypes"] = dict(list(dtypes.items())[:MOST_METADATA])
    return facts


def _text(value: object) -> str:
    """Return text that is short enough to keep, and without lone surrogates."""
    text = str(value).encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _plain_pickle(path: Path, start: bytes, scanner: object) -> Facts:
    legacy = start.startswith(LEGACY_TORCH)
    facts: Facts = {"format": "pytorch" if legacy else "pickle", "pickles": 1}
    if path.stat().st_size > MOST_BYTES:
        return facts | _TOO_MANY_BYTES
    return facts | verdict([lambda: open(path, "rb")], _chosen(scanner), legacy=legacy)


def _chosen(scanner: object) -> tuple[Scanner, str] | None:
    return installed_scanner() if scanner is _ASK else scanner  # type: ignore[return-value]  # one that a caller gave


def _zip(path: Path, name: str, scanner: object) -> Facts:
    with opened_zip(path) as archive:
        names = archive.namelist()
        if names and all(each.endswith(".npy") for each in names):
            return {"format": "npz"} | _arrays(archive, names)
        if any(each.endswith("/data.pkl") or each == "data.pkl" for each in names):
            return _torch(archive, names, scanner)
        if "config.json" in names and name.endswith(".keras"):
            return {"format": "keras", "members": len(names)}
        return {"format": "zip", "members": len(names)}


def _arrays(archive: zipfile.ZipFile, names: list[str]) -> Facts:
    dtypes: dict[str, int] = {}
    pickles, left = 0, ARRAY_HEADERS
    for name in names:
        with archive.open(name) as member:
            facts = read_npy(member, archive.getinfo(name).file_size)
            left -= member.tell()
        if left < 0:
            raise TooLongError(f"the headers of its arrays have more than {ARRAY_HEADERS:,} bytes")
        dtype, count = str(facts["dtype"]), facts["parameters"]
        pickles += dtype == "object"
        assert isinstance(count, int)
        dtypes[dtype] = dtypes.get(dtype, 0) + count
    found: Facts = {
        "arrays": len(names),
        "parameters": sum(dtypes.values()),
        "dtypes": dict(sorted(dtypes.items())[:MOST_METADATA]),
    }
    return found | (_IN_ARRAY | {"pickles": pickles} if pickles else {})


def _torch(archive: zipfile.ZipFile, names: list[str], scanner: object) -> Facts:
    endings = (".pkl", ".pickle")
    pickles = [name for name in names if name.endswith(endings) or _is_pickle(archive, name)]
    script = any(name.endswith("/constants.pkl") for name in names)
    facts: Facts = {
        "format": "torchscript" if script else "pytorch",
        "members": len(names),
        "pickles": len(pickles),
    }
    sizes = [archive.getinfo(name).file_size for name in pickles]
    if sum(sizes) > MOST_BYTES:
        return facts | _TOO_MANY_BYTES
    opened: list[Callable[[], IO[bytes]]] = [
        partial(_open_member, archive, name) for name in pickles
    ]
    return facts | verdict(opened, _chosen(scanner))


def _is_pickle(archive: zipfile.ZipFile, name: str) -> bool:
    """Return True if a member is a pickle, by its bytes, not its name."""
    info = archive.getinfo(name)
    if info.is_dir() or info.file_size < 2 or info.file_size > MOST_BYTES:
        return False
    with archive.open(info) as member:
        return is_pickle(member.read(2))


def _open_member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    with archive.open(name) as member:
        return io.BytesIO(member.read(MOST_BYTES))
