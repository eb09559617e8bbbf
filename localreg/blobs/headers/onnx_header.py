"""Read what an ONNX model says of itself; its initializers are passed over.

Source: the format's description, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

from math import prod
from pathlib import Path

from localreg.blobs.headers.byte_reader import ByteReader
from localreg.blobs.headers.header_errors import HeaderError
from localreg.blobs.headers.protobuf import BYTES, VARINT, Field, Walker

MOST_VALUES = 32  # inputs, and outputs
MOST_LOCATIONS = 1_000
_MOST_NESTING = 16  # graphs in graphs
_LONGEST_NAME = 200
# The name of each type, and the bits of a value; None if they differ or are not certain.
TYPES = {
    1: ("float32", 32), 2: ("uint8", 8), 3: ("int8", 8), 4: ("uint16", 16), 5: ("int16", 16),
    6: ("int32", 32), 7: ("int64", 64), 8: ("string", None), 9: ("bool", 8), 10: ("float16", 16),
    11: ("float64", 64), 12: ("uint32", 32), 13: ("uint64", 64), 14: ("complex64", 64),
    15: ("complex128", 128), 16: ("bfloat16", 16), 17: ("float8e4m3fn", 8),
    18: ("float8e4m3fnuz", 8), 19: ("float8e5m2", 8), 20: ("float8e5m2fnuz", 8), 21: ("uint4", 4),
    22: ("int4", 4), 23: ("float4e2m1", 4), 24: ("float8e8m0", 8), 25: ("uint2", 2),
    26: ("int2", 2), 27: ("float6e2m3", None), 28: ("float6e3m2", None),
}  # fmt: skip
_DENSEST = 4  # values in a byte at most


def read_onnx(path: Path) -> dict[str, object]:
    """Return versions, inputs, outputs, parameters by type, and the files of external data.

    Raises:
        HeaderError: it is not an ONNX model, or a tensor does not match its bytes.
    """
    with open(path, "rb") as file:
        return _Model(Walker(ByteReader(file, path.stat().st_size))).read()


class _Model:
    """What is found while the model is walked through."""

    def __init__(self, walker: Walker) -> None:
        self._walker = walker
        self._tensors = 0
        self._dtypes: dict[str, int] = {}
        self._external: dict[str, int] = {}
        self._initialized: set[str] = set()
        self._inputs: list[dict[str, object]] = []
        self._outputs: list[dict[str, object]] = []

    def read(self) -> dict[str, object]:
        facts: dict[str, object] = {}
        opsets: dict[str, int] = {}
        producer, graph = ["", ""], False
        for field in self._walker.fields():
            if field.number == 1 and field.kind == VARINT:
                facts["ir_version"] = field.signed
            elif field.number in (2, 3) and field.kind == BYTES:
                producer[field.number - 2] = self._walker.text(field)[:100]
            elif field.number == 7:
                graph = True
                self._graph(field, 0)
            elif field.number == 8 and len(opsets) < MOST_VALUES:
                domain, version = self._opset(field)
                opsets[domain] = version
            elif field.number == 25:
                self._function(field)
        if not graph:
            raise HeaderError("it has no graph")
        if any(producer):
            facts["producer"] = " ".join(filter(None, producer))
        inputs = [each for each in self._inputs if each["name"] not in self._initialized]
        facts |= {"opsets": opsets} | _cut("inputs", inputs) | _cut("outputs", self._outputs)
        if self._tensors:
            facts |= {
                "tensors": self._tensors,
                "parameters": sum(self._dtypes.values()),
                "dtypes": dict(sorted(self._dtypes.items())),
            }
        return facts | ({"external": self._external} if self._external else {})

    def _opset(self, message: Field) -> tuple[str, int]:
        domain, version = "ai.onnx", 0
        for field in self._walker.fields(message):
            if field.number == 1:
                domain = self._walker.text(field)[:100] or domain
            elif field.number == 2:
                version = field.signed
        return domain, version

    def _function(self, message: Field) -> None:
        for field in self._walker.fields(message):
            if field.number == 7:
                self._node(field, 0)

    def _graph(self, message: Field, nesting: int) -> None:
        if nesting > _MOST_NESTING:
            raise HeaderError(f"it has more than {_MOST_NESTING} graphs in each other")
        for field in self._walker.fields(message):
            if field.number == 1:
                self._node(field, nesting)
            elif field.number == 5:
                self._tensor(field, counted=True)
            elif field.number == 15:
                self._sparse(field)
            elif nesting == 0 and field.number == 11 and len(self._inputs) < 10_000:
                self._inputs.append(self._value(field))
            elif nesting == 0 and field.number == 12 and len(self._outputs) < 10_000:
                self._outputs.append(self._value(field))

    def _node(self, message: Field, nesting: int) -> None:
        for field in self._walker.fields(message):
            if field.number != 5:
                continue
            for part in self._walker.fields(field):  # of an attribute
                if part.number in (5, 10):
                    self._tensor(part, counted=False)
                elif part.number in (6, 11):
                    self._graph(part, nesting + 1)

    def _sparse(self, message: Field) -> None:
        for field in self._walker.fields(message):
            if field.number in (1, 2):
                self._tensor(field, counted=field.number == 1)

    def _tensor(self, message: Field, *, counted: bool) -> None:
        shape: list[int] = []
        dtype = raw = typed = external = 0
        name, has_raw, entries = "", False, dict[str, str]()
        for field in self._walker.fields(message):
            if field.number == 1:
                shape += self._walker.numbers(field)
            elif field.number == 2:
                dtype = field.value
            elif field.number == 8:
                name = self._walker.text(field)[:_LONGEST_NAME]
            elif field.number == 9:
                raw, has_raw = field.end - field.start, True
            elif field.number in (4, 5, 6, 7, 10, 11):
                typed += 1 if field.kind == VARINT else field.end - field.start
            elif field.number == 13:
                key, value = self._entry(field)
                entries[key] = value
            elif field.number == 14:
                external = field.value
        if len(shape) > 64 or any(each < 0 for each in shape):
            raise HeaderError(f"its tensor {name!r:.80} has an impossible shape")
        kind, bits = TYPES.get(dtype, (f"type {dtype}", None))
        count = prod(shape)
        if external == 1:
            self._outside(name, entries, count, bits)
        elif kind != "string" and (
            raw != (count * bits + 7) // 8
            if has_raw and bits is not None
            else count > (raw + typed) * _DENSEST
        ):
            raise HeaderError(f"its tensor {name!r:.80} does not match its bytes")
        if counted:
            self._initialized.add(name)
            self._tensors += 1
            if kind != "string":
                self._dtypes[kind] = self._dtypes.get(kind, 0) + count

    def _outside(self, name: str, entries: dict[str, str], count: int, bits: int | None) -> None:
        """Note the file that has the bytes of a tensor, and how long it must be."""
        location = entries.get("location", "")
        size = 0 if bits is None else (count * bits + 7) // 8
        try:
            offset, length = int(entries.get("offset", "0")), int(entries.get("length", f"{size}"))
        except ValueError as error:
            raise HeaderError(f"its tensor {name!r:.80} has no valid place") from error
        if not location or "\0" in location or not 0 <= offset < 2**63 or length < size:
            raise HeaderError(f"its tensor {name!r:.80} has no valid place")
        if bits is not None and length != size:
            raise HeaderError(f"its tensor {name!r:.80} does not match its bytes")
        if location in self._external or len(self._external) < MOST_LOCATIONS:
            self._external[location] = max(self._external.get(location, 0), offset + length)

    def _entry(self, message: Field) -> tuple[str, str]:
        key = value = ""
        for field in self._walker.fields(message):
            if field.number == 1:
                key = self._walker.text(field)
            elif field.number == 2:
                value = self._walker.text(field)
        return key[:_LONGEST_NAME], value

    def _value(self, message: Field) -> dict[str, object]:
        """Return the name of an input or output, and its type and shape if it is a tensor."""
        found: dict[str, object] = {"name": ""}
        for field in self._walker.fields(message):
            if field.number == 1:
                found["name"] = self._walker.text(field)[:_LONGEST_NAME]
            elif field.number == 2:
                for kind in self._walker.fields(field):
                    if kind.number == 1:
                        found |= self._tensor_type(kind)
        return found

    def _tensor_type(self, message: Field) -> dict[str, object]:
        found: dict[str, object] = {}
        for field in self._walker.fields(message):
            if field.number == 1:
                found["dtype"] = TYPES.get(field.value, (f"type {field.value}", None))[0]
            elif field.number == 2:
                dimensions = [each for each in self._walker.fields(field) if each.number == 1]
                found["shape"] = [self._dimension(each) for each in dimensions[:64]]
        return found

    def _dimension(self, message: Field) -> int | str:
        found: int | str = "?"
        for field in self._walker.fields(message):
            if field.number == 1:
                found = field.signed
            elif field.number == 2:
                found = self._walker.text(field)[:100] or "?"
        return found


def _cut(name: str, values: list[dict[str, object]]) -> dict[str, object]:
    more = len(values) - MOST_VALUES
    found: dict[str, object] = {name: values[:MOST_VALUES]} if values else {}
    return found | ({f"more_{name}": more} if more > 0 else {})
