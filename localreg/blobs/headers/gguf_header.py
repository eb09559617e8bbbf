"""Read the header of a GGUF file: its keys and the list of tensors, checked against its size.

Source: the format's description, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from math import prod
from pathlib import Path

from localreg.blobs.headers.byte_reader import ByteReader
from localreg.blobs.headers.header_errors import HeaderError, TooLongError

MAGIC = b"GGUF"
MOST_KEYS = 100_000
MOST_TENSORS = 200_000
MOST_ITEMS = 4_000_000  # texts in the arrays of all keys; a tokenizer has 500,000
MOST_NESTING = 4
_LONGEST_NAME = 65_535
_LONGEST_TEXT = 1_024  # that is read; longer ones are passed over
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_TEXT, _ARRAY = 8, 9
_NUMBERS = frozenset({0, 1, 2, 3, 4, 5, 10, 11})  # without fractions

# The name of each type of tensors, with the number of values in a block, and its bytes.
TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4),
    27: ("I64", 1, 8), 28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}  # fmt: skip
# What ``general.file_type`` means.
QUANTIZATIONS = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M",
    30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE",
    39: "NVFP4", 40: "Q1_0",
}  # fmt: skip


def read_gguf(path: Path) -> dict[str, object]:
    """Return what the keys say of the model, and the number of tensors and of parameters by type.

    Raises:
        HeaderError: it is not a GGUF file of version 2 or 3, or its tensors do not fit into it.
    """
    with open(path, "rb") as file:
        reader = ByteReader(file, path.stat().st_size)
        version = reader.number(4, 4)
        if version > 0xFFFF:
            reader.order = "big"
            version = reader.number(4, 4)
        if version not in (2, 3):
            raise HeaderError(f"it has version {version}; 2 and 3 are known")
        tensors, keys = reader.number(8, 8), reader.number(16, 8)
        if keys > MOST_KEYS or tensors > MOST_TENSORS:
            raise TooLongError(f"it has {keys:,} keys and {tensors:,} tensors")
        found, at = _keys(reader, keys)
        facts: dict[str, object] = {"version": version, "tensors": tensors} | _said(found)
        return facts | _tensors(reader, at, tensors, found.get("general.alignment", 32))


def _keys(reader: ByteReader, count: int) -> tuple[dict[str, object], int]:
    """Return the numbers and short texts by key, and the place behind them."""
    found: dict[str, object] = {}
    at, items = 24, MOST_ITEMS
    for _ in range(count):
        name, at = _name(reader, at)
        kind = reader.number(at, 4)
        value, at, items = _value(reader, at + 4, kind, items)
        if value is not None:
            found[name] = value
    return found, at


def _name(reader: ByteReader, at: int) -> tuple[str, int]:
    length = reader.number(at, 8)
    if length > _LONGEST_NAME:
        raise HeaderError(f"it has a name of {length:,} bytes")
    return reader.take(at + 8, length).decode("utf-8", "replace"), at + 8 + length


def _value(reader: ByteReader, at: int, kind: int, items: int) -> tuple[object, int, int]:
    """Return a value, the place behind it, and how many texts of arrays may follow.

    The value is None if it is an array, a number with a fraction, or a long text.
    """
    if kind == _TEXT:
        length = reader.number(at, 8)
        if length > _LONGEST_TEXT:
            return None, _checked(reader, at + 8 + length), items
        return reader.take(at + 8, length).decode("utf-8", "replace"), at + 8 + length, items
    if kind == _ARRAY:
        at, items = _after_array(reader, at, items, MOST_NESTING)
        return None, at, items
    if kind not in _SIZES:
        raise HeaderError(f"it has a value of the unknown type {kind}")
    data = reader.take(at, _SIZES[kind])
    signed = kind in (1, 3, 5, 11)
    value = int.from_bytes(data, reader.order, signed=signed) if kind in _NUMBERS else None
    return value, at + len(data), items


def _after_array(reader: ByteReader, at: int, items: int, nesting: int) -> tuple[int, int]:
    kind, count = reader.number(at, 4), reader.number(at + 4, 8)
    at += 12
    if kind in _SIZES:
        return _checked(reader, at + count * _SIZES[kind]), items
    if kind not in (_TEXT, _ARRAY) or not nesting:
        raise HeaderError(f"it has an array of the unknown type {kind}")
    if count * 8 > reader.size:
        raise HeaderError("it is cut short")
    items -= count
    if items < 0:
        raise TooLongError(f"its arrays have more than {MOST_ITEMS:,} texts")
    if kind == _TEXT:
        return reader.after_texts(at, count), items
    for _ in range(count):
        at, items = _after_array(reader, at, items, nesting - 1)
    return at, items


def _checked(reader: ByteReader, at: int) -> int:
    if at > reader.size:
        raise HeaderError("it is cut short")
    return at


def _said(keys: dict[str, object]) -> dict[str, object]:
    """Return what the keys say of the model."""
    found: dict[str, object] = {}
    architecture = keys.get("general.architecture")
    if isinstance(architecture, str):
        found["architecture"] = architecture[:100]
        context = keys.get(f"{architecture}.context_length")
        if isinstance(context, int):
            found["context_length"] = context
    kind = keys.get("general.file_type")
    if isinstance(kind, int):
        found["quantization"] = QUANTIZATIONS.get(kind, f"type {kind}")
    splits = keys.get("split.count")
    if isinstance(splits, int) and splits > 1:
        found["splits"] = splits
    name = keys.get("general.name")
    if isinstance(name, str):
        found["metadata"] = {"name": name}
    return found


def _tensors(reader: ByteReader, at: int, count: int, alignment: object) -> dict[str, object]:
    """Return the number of parameters, by type; check that the tensors are in the file."""
    if not isinstance(alignment, int) or not 0 < alignment <= 2**30:
        raise HeaderError("its alignment is impossible")
    dtypes: dict[str, int] = {}
    last = total = 0
    for _ in range(count):
        name, at = _name(reader, at)
        dimensions = reader.number(at, 4)
        if dimensions > 8:
            raise HeaderError(f"its tensor {name!r:.80} has {dimensions:,} dimensions")
        layout = "<" if reader.order == "little" else ">"
        data = reader.take(at + 4, 8 * dimensions + 12)
        *shape, kind, offset = struct.unpack(f"{layout}{dimensions}QIQ", data)
        at += 4 + len(data)
        values = prod(shape)
        dtype, block, width = TYPES.get(kind, (f"type {kind}", 16, 1))
        dtypes[dtype] = dtypes.get(dtype, 0) + values
        if values % block and kind in TYPES:
            raise HeaderError(f"its tensor {name!r:.80} does not fill its blocks")
        size = values // block * width  # at least, if the type is not known
        last, total = max(last, offset + size), total + size
    place = (at + alignment - 1) // alignment * alignment
    if place + max(last, total) > reader.size and count:
        raise HeaderError(
            f"its tensors need {place + max(last, total):,} bytes, but the file has {reader.size:,}"
        )
    return {"parameters": sum(dtypes.values()), "dtypes": dict(sorted(dtypes.items()))}
