"""Arrays of reported numbers: checked, turned into bytes and back, and into Plotly's JSON.

Numbers are stored little-endian in the narrowest type that Plotly can draw and that loses nothing.
They are compressed only if that saves space: noise does not shrink, and raw bytes load faster.
"""

from __future__ import annotations

import base64
import json
import operator
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise

from localreg.errors import InvalidValueError
from localreg.values.checks import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Parts = Mapping[str, Any]  # arrays, and lists of JSON values

NUMBERS_LIMIT = 20_000_000  # numbers in one plot: 160 MB
PIXELS_LIMIT = 200_000_000  # numbers in one picture: more than 8K in RGBA
_SAMPLE = 65_536  # bytes that are compressed as a trial
_WORTH_IT = 0.8  # compress if the sample shrinks to this part of its size or less


def as_numbers(argument: str, value: object, *, limit: int = NUMBERS_LIMIT) -> Array:
    """Return a reported value as an array of numbers, of any shape.

    Args:
        argument: the argument's name, for the error.
        value: an array, (nested) lists, a pandas or polars object, a tensor, or anything else
            that numpy accepts. Masked values become NaN.
        limit: how many numbers are allowed.
    """
    import numpy as np

    try:
        found = np.asarray(_unmasked(plain_tensor(value)))
        if found.dtype == object:  # None among numbers becomes NaN
            found = found.astype(np.float64)
    except (
        # numpy's own errors, and those that a foreign __array__ may raise
        ValueError,
        TypeError,
        RuntimeError,
        LookupError,
        AttributeError,
        ArithmeticError,
    ) as error:
        raise InvalidValueError(
            f"{argument} must be numbers, in rows of the same length; numpy cannot convert "
            f"{type(value).__name__} {shown(value)}: {str(error)[:200]}",
            argument=argument,
        ) from error
    if found.dtype.kind not in "fiub":
        raise InvalidValueError(
            f"{argument} must be real numbers, not {found.dtype} (shape {found.shape})",
            argument=argument,
        )
    if found.size > limit:
        raise InvalidValueError(
            f"{argument} has {found.size:,} numbers (shape {found.shape}); at most {limit:,} are "
            "allowed. Report a part or an average of them",
            argument=argument,
        )
    return np.asarray(found, _narrow(found), order="C")


def plain_tensor(value: object) -> object:
    """Return a tensor on the CPU and detached from its graph, so that numpy can read it."""
    detach = getattr(value, "detach", None)
    if detach is None:
        return value
    plain = detach()
    return plain.cpu() if hasattr(plain, "cpu") else plain


def _unmasked(value: object) -> object:
    """Return a masked array's numbers with NaN in place of masked ones; other values unchanged."""
    import numpy as np

    if not isinstance(value, np.ma.MaskedArray) or not np.ma.is_masked(value):
        return value
    if value.dtype.kind not in "fiubO":
        return value.data
    floats = value.dtype if value.dtype.kind == "f" else np.float64
    return np.ma.filled(value.astype(floats), np.nan)


def _narrow(found: Array) -> str:
    """Return the narrowest type for the numbers; Plotly has no 64-bit integers."""
    if found.dtype.kind == "b":
        return "|u1"
    if found.dtype.kind == "f":
        return "<f4" if found.dtype.itemsize <= 4 else "<f8"
    if found.size == 0:
        return "<i4"
    return _narrow_integers(int(found.min()), int(found.max()))


def _narrow_integers(low: int, high: int) -> str:
    for name, lowest, highest in (
        ("|u1", 0, 2**8 - 1),
        ("|i1", -(2**7), 2**7 - 1),
        ("<u2", 0, 2**16 - 1),
        ("<i2", -(2**15), 2**15 - 1),
        ("<u4", 0, 2**32 - 1),
        ("<i4", -(2**31), 2**31 - 1),
    ):
        if lowest <= low and high <= highest:
            return name
    return "<f8"


def points_of(argument: str, value: object, columns: int, what: str) -> Array:
    """Return points, as an array of shape (N, columns); `what` names them in errors."""
    import numpy as np

    if not hasattr(value, "__array__") and not isinstance(value, Sequence | str):
        with suppress(TypeError):  # not iterable: numpy's error below says what is wrong
            value = list(value)  # type: ignore[call-overload]  # such as a generator of points
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 0:
        value = np.empty((0, columns))
    found = as_numbers(argument, value)
    if found.ndim != 2 or found.shape[1] != columns:
        raise InvalidValueError(
            f"{argument} must be {what}, in an array of shape (N, {columns}); its shape is "
            f"{found.shape}",
            argument=argument,
        )
    return found


def matrix_of(argument: str, value: object) -> Array:
    """Return numbers of shape (rows, columns), neither of them 0."""
    found = as_numbers(argument, value)
    if found.ndim != 2 or found.size == 0:
        raise InvalidValueError(
            f"{argument} must have the shape (rows, columns) and not be empty; its shape is "
            f"{found.shape}",
            argument=argument,
        )
    return found


def pack(parts: Parts) -> tuple[list[list[object]], bytes]:
    """Return arrays and lists of JSON values as a table of contents and bytes.

    >>> import numpy as np
    >>> contents, data = pack({"x": np.array([1, 2], "<i4"), "names": ["a", "b"]})
    >>> {name: list(map(str, part)) for name, part in unpack(contents, data).items()}
    {'x': ['1', '2'], 'names': ['a', 'b']}
    """
    contents: list[list[object]] = []
    pieces: list[bytes] = []
    for name, part in parts.items():
        if isinstance(part, list):
            kind, shape = "json", [len(part)]
            raw = json.dumps(part, ensure_ascii=False, allow_nan=False).encode()
        else:
            kind, shape = part.dtype.str, list(part.shape)
            raw = part.tobytes()
        stored = _compressed(raw)
        contents.append([name, kind, shape, len(raw), len(stored)])
        pieces.append(stored)
    return contents, b"".join(pieces)


def _compressed(raw: bytes) -> bytes:
    """Return bytes compressed if that saves enough space, else unchanged.

    `unpack` compares the two lengths in the table of contents to see which it is.
    """
    middle = max(0, (len(raw) - _SAMPLE) // 2)
    sample = raw[middle : middle + _SAMPLE]
    if len(zlib.compress(sample, 1)) > _WORTH_IT * len(sample):
        return raw
    return zlib.compress(raw, 1)


def unpack(contents: Sequence[Sequence[Any]], data: bytes) -> dict[str, Any]:
    """Return the arrays and lists that `pack` was given; the arrays are read-only."""
    ends = [0]
    for _, _, _, _, length in contents:
        ends.append(ends[-1] + length)
    if ends[-1] != len(data):
        raise InvalidValueError(
            f"a plot's data is damaged: {len(data):,} bytes are stored, {ends[-1]:,} were written",
            argument="data",
        )
    found: dict[str, Any] = {}
    view = memoryview(data)
    for (name, kind, shape, size, length), (start, end) in zip(
        contents, pairwise(ends), strict=True
    ):
        raw: bytes | memoryview = view[start:end]
        if length != size:
            raw = _decompressed(raw, size)
        found[name] = json.loads(bytes(raw)) if kind == "json" else _array(raw, kind, shape)
    return found


def _decompressed(raw: bytes | memoryview, size: int) -> bytes:
    """Return exactly `size` bytes: without this bound, forged data could fill the memory."""
    try:
        found = zlib.decompressobj().decompress(raw, size + 1)
    except zlib.error as error:
        raise InvalidValueError(f"a plot's data is damaged: {error}", argument="data") from error
    if len(found) != size:
        raise InvalidValueError(
            f"a plot's data is damaged: expected {size:,} bytes after decompression, found "
            f"{'more' if len(found) > size else format(len(found), ',')}",
            argument="data",
        )
    return found


def _array(raw: bytes | memoryview, kind: str, shape: Sequence[int]) -> Array:
    import numpy as np

    try:
        return np.frombuffer(raw, kind).reshape([operator.index(side) for side in shape])
    except (ValueError, TypeError) as error:
        raise InvalidValueError(
            f"a plot's data is damaged: {len(raw):,} bytes do not make a {kind!s:.20} of shape "
            f"{shown(shape)}",
            argument="data",
        ) from error


def typed(array: Array) -> dict[str, Any]:
    """Return an array in Plotly's JSON form: base64 of its bytes, with type and shape.

    Infinities become NaN: Plotly draws both as gaps.
    """
    import numpy as np

    if array.dtype.kind == "f" and not np.isfinite(array).all():
        array = np.where(np.isfinite(array), array, np.nan).astype(array.dtype)
    elif array.dtype.kind == "f" and array.size and (np.rint(array) == array).all():
        array = array.astype(_narrow_integers(int(array.min()), int(array.max())))  # fewer bytes
    found: dict[str, Any] = {
        "dtype": array.dtype.str[1:],
        "bdata": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode(),
    }
    if array.ndim > 1:
        found["shape"] = ", ".join(map(str, array.shape))
    return found
