"""Read the header of a ``.npy`` file, without numpy, which is slow to import.

Source: the format's description, numpy.lib.format
"""

from __future__ import annotations

import ast
from math import prod

from localreg.blobs.headers.header_errors import HeaderError, TooLongError
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 10_000  # bytes; by default NumPy loads no longer one
_KINDS = {"f": "float", "i": "int", "u": "uint", "c": "complex"}
_MOST_NESTING = 8  # types in a structured type


class ArrayHeader(Frozen):
    """What the header of an array says.

    Attributes:
        shape: the length of each dimension.
        dtype: name of the type, as NumPy prints it.
        layout: how the values lie in memory, if it is not the usual way; else "".
        fortran_order: True if the first index changes fastest.
        start: number of bytes before the values.
        itemsize: number of bytes of a value; None if it is not known.
    """

    shape: tuple[int, ...]
    dtype: str
    layout: str
    fortran_order: bool
    start: int
    itemsize: int | None

    @property
    def count(self) -> int:
        """The number of values."""
        return prod(self.shape)


def read_npy(file: IO[bytes], size: int) -> dict[str, object]:
    """Return shape, type and number of values of an array, from the start of its file.

    Args:
        size: number of bytes of the file.

    Raises:
        HeaderError: it is not a valid ``.npy`` file, or the file is too short for its values.
    """
    header = read_array_header(file, size)
    return {
        "shape": list(header.shape),
        "dtype": header.dtype,
        "parameters": header.count,
        "fortran_order": header.fortran_order,
    }


def read_array_header(file: IO[bytes], size: int) -> ArrayHeader:
    """Return the header of an array; see `read_npy`."""
    start = file.read(8)
    if start[:6] != MAGIC or len(start) < 8 or start[6] not in (1, 2, 3):
        raise HeaderError("it does not start as a NumPy array")
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(file.read(width), "little")
    text = file.read(min(length, LONGEST_HEADER))
    if len(text) < min(length, LONGEST_HEADER):
        raise HeaderError("its header is cut short")
    if length > LONGEST_HEADER:
        raise TooLongError(f"its header has {length:,} bytes")
    try:
        header = ast.literal_eval(text.decode("utf-8" if start[6] == 3 else "latin-1").strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise HeaderError("its header is not one that NumPy writes") from error
    found = _checked(header, 8 + width + length)
    _check_size(found, size - found.start)
    return found


def _checked(header: object, start: int) -> ArrayHeader:
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise HeaderError("its header is not one that NumPy writes")
    shape, order, descr = header["shape"], header["fortran_order"], header["descr"]
    whole = isinstance(shape, tuple) and all(
        type(each) is int and 0 <= each < 2**63 for each in shape
    )
    if not whole or len(shape) > 64 or not isinstance(order, bool):
        raise HeaderError("its header gives an impossible shape")
    dtype = _dtype(descr)
    layouts = (
        "big-endian" if isinstance(descr, str) and descr.startswith(">") else "",
        "Fortran order" if order and len(shape) > 1 else "",
    )
    return ArrayHeader(
        shape=shape,
        dtype=dtype,
        layout=", ".join(filter(None, layouts)),
        fortran_order=order,
        start=start,
        itemsize=None if dtype == "object" else _itemsize(descr, _MOST_NESTING),
    )


def _check_size(header: ArrayHeader, size: int) -> None:
    """Check that a file has room for the values; each value of a pickle has a byte at least."""
    needed = header.count * (1 if header.itemsize is None else header.itemsize)
    if needed > size:
        raise HeaderError(f"its values need {needed:,} bytes, but the file has {size:,}")
    if header.itemsize == 0 and header.count > 2**32:
        raise HeaderError("its header gives an impossible shape")


def _dtype(descr: object) -> str:
    """Return the name of a type, as NumPy prints it."""
    if isinstance(descr, list):
        return "structured"
    if not isinstance(descr, str) or not 0 < len(descr) <= 40:
        raise HeaderError("its header gives no type")
    kind, size = descr.lstrip("<>|="), ""
    kind, size = kind[:1], kind[1:]
    if kind == "O":
        return "object"
    if kind in _KINDS and size.isdecimal():
        return f"{_KINDS[kind]}{int(size[:4]) * 8}"
    return "bool" if kind in "b?" and size in ("1", "") else descr


def _itemsize(descr: object, nesting: int) -> int | None:
    """Return the number of bytes of a value; None if the type is not known, or is one of objects.

    A field of a structured type is its name, its type, and perhaps a shape.
    """
    if isinstance(descr, list) and nesting:
        sizes = [_field_size(field, nesting - 1) for field in descr]
        return None if None in sizes else sum(filter(None, sizes))
    if not isinstance(descr, str):
        return None
    kind = descr.lstrip("<>|=")[:1]
    digits = descr.lstrip("<>|=")[1:].partition("[")[0]
    if kind == "?" and not digits:
        return 1
    if kind in "mM" and not digits:
        return 8
    if not kind or kind not in "fiucbSUVmMa?" or not (digits.isdecimal() and digits.isascii()):
        return None
    return int(digits[:12]) * (4 if kind == "U" else 1)


def _field_size(field: object, nesting: int) -> int | None:
    if not isinstance(field, tuple) or len(field) not in (2, 3):
        return None
    size = _itemsize(field[1], nesting)
    shape = field[2] if len(field) == 3 else ()
    shape = shape if isinstance(shape, tuple) else (shape,)
    if size is None or not all(type(each) is int and 0 <= each < 2**31 for each in shape):
        return None
    return size * prod(shape)
