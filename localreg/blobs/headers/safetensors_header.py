"""Read the header of a safetensors file, and check it against the file's size.

Source: the format's description, https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from math import prod
from pathlib import Path

from localreg.blobs.headers.header_errors import HeaderError, TooLongError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

# The type of a tensor, its shape, and where its bytes begin and end.
Span = tuple[str, tuple[int, ...], tuple[int, int]]

LONGEST_HEADER = 16_000_000  # bytes; the format allows 100 MB, and 60,000 tensors need 8 MB
FORMAT_LIMIT = 100_000_000
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6,
    "F6_E3M2": 6, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip


def looks_like_safetensors(start: bytes) -> bool:
    """Return True if a file may be a safetensors file: it starts with a length, then JSON."""
    return len(start) >= 9 and start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 2**40


def read_safetensors(path: Path) -> dict[str, object]:
    """Return the number of tensors and of parameters by type, and the metadata.

    Raises:
        HeaderError: it is not a safetensors file, or its header does not match its size.
    """
    found, metadata = read_spans(path)
    dtypes: dict[str, int] = {}
    for dtype, shape, _ in found.values():
        dtypes[dtype] = dtypes.get(dtype, 0) + prod(shape)
    return {
        "tensors": len(found),
        "parameters": sum(dtypes.values()),
        "dtypes": dict(sorted(dtypes.items())),
        "metadata": {str(key): str(value) for key, value in metadata.items()},
    }


def read_spans(path: Path) -> tuple[dict[str, Span], dict[object, object]]:
    """Return the type and shape of each tensor with the place of its bytes, and the metadata.

    Raises:
        HeaderError: it is not a safetensors file, or its header does not match its size.
    """
    with open(path, "rb") as file:
        header, data, first = _header(file, path.stat().st_size)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise HeaderError("its metadata are not an object of texts")
    found = {name: _tensor(name, tensor) for name, tensor in header.items()}
    _check_spans([span for _, _, span in found.values()], data)
    placed = {
        name: (dtype, shape, (first + start, first + end))
        for name, (dtype, shape, (start, end)) in found.items()
    }
    return placed, metadata


def _header(file: BinaryIO, size: int) -> tuple[dict[str, object], int, int]:
    """Return the header, the number of bytes of tensors after it, and where they begin."""
    length = int.from_bytes(file.read(8), "little")
    if length > min(FORMAT_LIMIT, size - 8):
        raise HeaderError(f"its header would have {length:,} bytes")
    if length > LONGEST_HEADER:
        raise TooLongError(f"its header has {length:,} bytes")
    try:
        header = json.loads(file.read(length).decode(), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise HeaderError("its header is not JSON") from error
    if not isinstance(header, dict):
        raise HeaderError("its header is not a JSON object")
    return header, size - 8 - length, 8 + length


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise HeaderError("its header has a name twice")
    return found


def _tensor(name: str, tensor: object) -> Span:
    if not isinstance(tensor, dict):
        raise HeaderError(f"its tensor {name!r:.80} has no description")
    dtype = tensor.get("dtype")
    if not isinstance(dtype, str) or not dtype.isascii() or not 0 < len(dtype) <= 20:
        raise HeaderError(f"its tensor {name!r:.80} has no type")
    shape, span = _numbers(tensor.get("shape")), _numbers(tensor.get("data_offsets"))
    if shape is None or span is None or len(span) != 2:
        raise HeaderError(f"its tensor {name!r:.80} has no valid shape or offsets")
    # A type that is not in the table is counted, but its size is not checked.
    if dtype in _BITS and (span[1] - span[0]) * 8 != prod(shape) * _BITS[dtype]:
        raise HeaderError(f"its tensor {name!r:.80} does not match its offsets")
    return dtype, tuple(shape), (span[0], span[1])


def _numbers(value: object) -> list[int] | None:
    if not isinstance(value, list) or len(value) > 64:
        return None
    return value if all(type(each) is int and 0 <= each < 2**63 for each in value) else None


def _check_spans(spans: list[tuple[int, int]], size: int) -> None:
    """Check that the tensors fill the rest of the file without overlap."""
    place = 0
    for start, end in sorted(spans):
        if start != place or end < start:
            raise HeaderError("its tensors overlap, or leave a gap")
        place = end
    if place != size:
        raise HeaderError(f"its tensors need {place:,} bytes, but the file has {size:,}")
