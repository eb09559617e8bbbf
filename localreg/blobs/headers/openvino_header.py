"""Read OpenVINO's description of a model; its weights are in a ``.bin`` of the same name.

Source: https://docs.openvino.ai/ (IR format)
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from xml.parsers import expat

from localreg.blobs.headers.header_errors import HeaderError, TooLongError

LONGEST = 32_000_000  # bytes
MOST_INPUTS = 32
_CHUNK = 1024 * 1024
_BITS = {
    "f64": 64, "f32": 32, "f16": 16, "bf16": 16, "f8e4m3": 8, "f8e5m2": 8, "f8e8m0": 8, "nf4": 4,
    "f4e2m1": 4, "i64": 64, "i32": 32, "i16": 16, "i8": 8, "i4": 4, "u64": 64, "u32": 32,
    "u16": 16, "u8": 8, "u4": 4, "u2": 2, "u1": 1, "boolean": 8,
}  # fmt: skip


def looks_like_openvino(start: bytes, name: str) -> bool:
    """Return True if a file may be OpenVINO's, by its first bytes and its name, in lower case."""
    return name.endswith(".xml") and b"<net" in start


def read_openvino(path: Path, name: str) -> dict[str, object]:
    """Return version, inputs, parameters by type, and the file of weights with its least size.

    Args:
        path: the file.
        name: its original name.

    Raises:
        HeaderError: it is not XML, or a constant does not match its size.
    """
    if path.stat().st_size > LONGEST:
        raise TooLongError(f"it has more than {LONGEST:,} bytes")
    model = _Model()
    parser = expat.ParserCreate()
    parser.StartElementHandler = model.start
    parser.StartDoctypeDeclHandler = _refuse
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                parser.Parse(chunk)
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError) as error:
        raise HeaderError("it is not XML") from error
    return model.facts(f"{name[: -len('.xml')]}.bin")


def _refuse(*_: object) -> None:
    raise HeaderError("it has a document type, which may define entities")


class _Model:
    """What is found while the file is parsed."""

    def __init__(self) -> None:
        self._version = ""
        self._kind = ""
        self._name = ""
        self._inputs: list[dict[str, object]] = []
        self._tensors = 0
        self._needed = 0
        self._dtypes: dict[str, int] = {}

    def start(self, element: str, attributes: dict[str, str]) -> None:
        if element == "net":
            self._version = attributes.get("version", "")[:20]
        elif element == "layer":
            self._kind, self._name = attributes.get("type", ""), attributes.get("name", "")[:200]
        elif element == "data" and self._kind == "Parameter" and len(self._inputs) < MOST_INPUTS:
            shape = [each.strip()[:20] for each in attributes.get("shape", "").split(",")]
            dtype = attributes.get("element_type", "")[:20]
            self._inputs.append({"name": self._name, "dtype": dtype, "shape": shape[:64]})
        elif element == "data" and self._kind == "Const":
            self._constant(attributes)

    def _constant(self, attributes: dict[str, str]) -> None:
        dtype = attributes.get("element_type", "")[:20]
        try:
            text = attributes.get("shape", "")
            shape = [int(each) for each in text.split(",")[:65] if each.strip()]
            offset, size = int(attributes["offset"]), int(attributes["size"])
        except (ValueError, KeyError) as error:
            raise HeaderError(f"its constant {self._name!r:.80} has no valid place") from error
        numbers = [*shape, offset, size]
        if len(shape) > 64 or not all(0 <= each < 2**63 for each in numbers):
            raise HeaderError(f"its constant {self._name!r:.80} has no valid place")
        count, bits = prod(shape), _BITS.get(dtype)
        if dtype != "string" and (
            count > 8 * size if bits is None else (count * bits + 7) // 8 != size
        ):
            raise HeaderError(f"its constant {self._name!r:.80} does not match its size")
        self._tensors += 1
        self._needed = max(self._needed, offset + size)
        if dtype != "string" and (dtype in self._dtypes or len(self._dtypes) < 32):
            self._dtypes[dtype] = self._dtypes.get(dtype, 0) + count

    def facts(self, weights: str) -> dict[str, object]:
        if not self._version:
            raise HeaderError("it has no version")
        facts: dict[str, object] = {"version": self._version}
        if self._inputs:
            facts["inputs"] = self._inputs
        if self._tensors:
            facts |= {
                "tensors": self._tensors,
                "parameters": sum(self._dtypes.values()),
                "dtypes": dict(sorted(self._dtypes.items())),
                "external": {weights: self._needed},
            }
        return facts
