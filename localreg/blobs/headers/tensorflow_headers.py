"""Read what TensorFlow's files say: ``saved_model.pb`` and the index of a checkpoint.

Source: https://github.com/tensorflow/tensorflow/tree/master/tensorflow/core/protobuf
(saved_model.proto, saved_object_graph.proto, tensor_bundle.proto), and LevelDB's format of tables
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from math import prod
from pathlib import Path

from localreg.blobs.headers.byte_reader import ByteReader
from localreg.blobs.headers.header_errors import HeaderError, TooLongError
from localreg.blobs.headers.protobuf import BYTES, VARINT, Field, Walker

MOST_NAMES = 32
MOST_TENSORS = 50_000
LARGEST_BLOCK = 16 * 1024 * 1024
FOOTER = 48
TABLE_MAGIC = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
# The name of each type, and the bits of a value; None if they differ.
_TYPES = {
    1: ("float32", 32), 2: ("float64", 64), 3: ("int32", 32), 4: ("uint8", 8), 5: ("int16", 16),
    6: ("int8", 8), 7: ("string", None), 8: ("complex64", 64), 9: ("int64", 64), 10: ("bool", 8),
    11: ("qint8", 8), 12: ("quint8", 8), 13: ("qint32", 32), 14: ("bfloat16", 16),
    15: ("qint16", 16), 16: ("quint16", 16), 17: ("uint16", 16), 18: ("complex128", 128),
    19: ("float16", 16), 20: ("resource", None), 21: ("variant", None), 22: ("uint32", 32),
    23: ("uint64", 64), 24: ("float8_e5m2", 8), 25: ("float8_e4m3fn", 8),
}  # fmt: skip
_VARIABLES = frozenset({"VarHandleOp", "VariableV2", "Variable"})


def read_saved_model(path: Path) -> dict[str, object]:
    """Return the version of TensorFlow, tags, signatures, and the number of variables.

    Raises:
        HeaderError: it is not a SavedModel.
    """
    with open(path, "rb") as file:
        walker = Walker(ByteReader(file, path.stat().st_size))
        graphs = [_graph(walker, field) for field in walker.fields() if field.number == 2]
    if not graphs:
        raise HeaderError("it has no graph")
    facts: dict[str, object] = {}
    for graph in graphs[:MOST_NAMES]:
        for name, value in graph.items():
            if isinstance(value, list):
                known = facts.setdefault(name, [])
                assert isinstance(known, list)
                known += [each for each in value if each not in known and len(known) < MOST_NAMES]
            elif name == "variables":
                facts[name] = max(int(str(facts.get(name, 0))), int(str(value)))
            else:
                facts.setdefault(name, value)
    return facts


def _graph(walker: Walker, message: Field) -> dict[str, object]:
    tags: list[str] = []
    signatures: list[str] = []
    version, variables, objects = "", 0, 0
    for field in walker.fields(message):
        if field.number == 1:
            for part in walker.fields(field):
                if part.number == 4 and len(tags) < MOST_NAMES:
                    tags.append(walker.text(part)[:100])
                elif part.number == 5:
                    version = walker.text(part)[:100]
        elif field.number == 2:
            variables += _variables(walker, field)
        elif field.number == 5 and len(signatures) < MOST_NAMES:
            signatures += [
                walker.text(part)[:200] for part in walker.fields(field) if part.number == 1
            ]
        elif field.number == 7:
            for node in walker.fields(field):
                if node.number == 1:
                    objects += sum(part.number == 7 for part in walker.fields(node))
    found: dict[str, object] = {
        "producer": f"TensorFlow {version}" if version else "",
        "tags": tags,
        "signatures": signatures,
        "variables": max(variables, objects),
    }
    return {name: value for name, value in found.items() if value}


def _variables(walker: Walker, message: Field) -> int:
    """Return the number of variables among the nodes of a graph."""
    count = 0
    for node in walker.fields(message):
        if node.number == 1:
            for part in walker.fields(node):
                count += part.number == 2 and walker.text(part) in _VARIABLES
    return count


def is_table(path: Path) -> bool:
    """Return True if a file ends as an index of a checkpoint does."""
    with open(path, "rb") as file:
        if path.stat().st_size < FOOTER:
            return False
        file.seek(-len(TABLE_MAGIC), io.SEEK_END)
        return file.read() == TABLE_MAGIC


def read_checkpoint_index(path: Path, name: str) -> dict[str, object]:
    """Return the number of tensors, of parameters by type, and the data files.

    Args:
        path: the file.
        name: its original name.

    Raises:
        HeaderError: it is not an index of a checkpoint, or a tensor does not match its size.
    """
    with open(path, "rb") as file:
        reader = ByteReader(file, path.stat().st_size)
        checkpoint = _Checkpoint(name.removesuffix(".index"))
        start = reader.size - FOOTER
        _, at = _handle(reader, start, reader.size)
        place, _ = _handle(reader, at, reader.size)
        left = reader.size
        for _, value in _entries(reader, *place):
            inner, _ = _handle(ByteReader(io.BytesIO(value), len(value)), 0, len(value))
            left -= inner[1] + 5
            if left < 0:
                raise HeaderError("its blocks overlap")
            for key, entry in _entries(reader, *inner):
                checkpoint.add(key, entry)
    return checkpoint.facts()


def _handle(reader: ByteReader, at: int, end: int) -> tuple[tuple[int, int], int]:
    """Return the place and the size of a block, and what is behind them."""
    start, at = reader.varint(at, end)
    size, at = reader.varint(at, end)
    return (start, size), at


def _entries(reader: ByteReader, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a block of a table; a key lacks what it shares with the last."""
    if size > LARGEST_BLOCK:
        raise TooLongError(f"it has a block of {size:,} bytes")
    block = ByteReader(io.BytesIO(reader.take(start, size)), size)
    if reader.number(start + size, 1):
        raise TooLongError("its blocks are compressed")
    end = size - 4 - 4 * block.number(size - 4, 4)
    if end < 0:
        raise HeaderError("it has a block without an end")
    at, key = 0, b""
    while at < end:
        shared, at = block.varint(at, end)
        length, at = block.varint(at, end)
        count, at = block.varint(at, end)
        if shared > len(key) or at + length + count > end:
            raise HeaderError("it has a key that is cut short")
        key = key[:shared] + block.take(at, length)
        if len(key) > 65_536:
            raise HeaderError("it has a key that is too long")
        yield key, block.take(at + length, count)
        at += length + count


class _Checkpoint:
    """What is found while the entries are read."""

    def __init__(self, stem: str) -> None:
        self._stem = stem
        self._parts = 0
        self._tensors = 0
        self._dtypes: dict[str, int] = {}
        self._ends: dict[int, int] = {}

    def add(self, key: bytes, entry: bytes) -> None:
        walker = Walker(ByteReader(io.BytesIO(entry), len(entry)))
        if not key:
            for field in walker.fields():
                if field.number == 1 and field.kind == VARINT:
                    self._parts = field.value
            return
        self._tensors += 1
        if self._tensors > MOST_TENSORS:
            raise TooLongError(f"it has more than {MOST_TENSORS:,} tensors")
        numbers, shape, sliced = {1: 0, 3: 0, 4: 0, 5: 0}, [], False
        for field in walker.fields():
            if field.number in numbers and field.kind == VARINT:
                numbers[field.number] = field.signed
            elif field.number == 2:
                shape = list(_shape(walker, field))
            sliced |= field.number == 7
        dtype, bits = _TYPES.get(numbers[1], (f"type {numbers[1]}", None))
        shard, offset, size = numbers[3], numbers[4], numbers[5]
        if min(shard, offset, size, *shape) < 0 or len(shape) > 64:
            raise HeaderError(f"its tensor {key!r:.80} has an impossible shape or place")
        count = prod(shape)
        if sliced or bits is None:  # the slices are entries of their own; texts are not parameters
            count = 0
        elif count * bits != size * 8:
            raise HeaderError(f"its tensor {key!r:.80} does not match its size")
        if shard >= self._parts:
            raise HeaderError(f"its tensor {key!r:.80} is in a part that it does not have")
        self._ends[shard] = max(self._ends.get(shard, 0), offset + size)
        if count:
            self._dtypes[dtype] = self._dtypes.get(dtype, 0) + count

    def facts(self) -> dict[str, object]:
        if not 0 < self._parts < 100_000:
            raise HeaderError("it does not say how many parts there are")
        return {
            "parts": self._parts,
            "tensors": self._tensors,
            "parameters": sum(self._dtypes.values()),
            "dtypes": dict(sorted(self._dtypes.items())),
            "external": {
                f"{self._stem}.data-{shard:05}-of-{self._parts:05}": end
                for shard, end in sorted(self._ends.items())[:MOST_NAMES]
            },
        }


def _shape(walker: Walker, message: Field) -> Iterator[int]:
    for field in walker.fields(message):
        if field.number == 2 and field.kind == BYTES:
            size = 0
            for part in walker.fields(field):
                if part.number == 1:
                    size = part.signed
            yield size
