"""Read the header of a ``.npy`` file, without numpy, which is slow to import.

Source: the format's description, numpy.lib.format
"""

from __future__ import annotations

import ast
from math import prod

from localreg.blobs.headers.safetensors_header import HeaderError, TooLongError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 10_000  # bytes; by default NumPy loads no longer one
_KINDS = {"f": "float", "i": "int", "u": "uint", "c": "complex"}


def read_npy(file: IO[bytes]) -> dict[str, object]:
    """Return shape, type and number of values of an array, from the start of its file.

    Raises:
        HeaderError: it is not a valid ``.npy`` file.
    """
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
    return _facts(header)


def _facts(header: object) -> dict[str, object]:
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise HeaderError("its header is not one that NumPy writes")
    shape, order = header["shape"], header["fortran_order"]
    whole = isinstance(shape, tuple) and all(
        type(each) is int and 0 <= each < 2**63 for each in shape
    )
    if not whole or len(shape) > 64 or not isinstance(order, bool):
        raise HeaderError("its header gives an impossible shape")
    return {
        "shape": list(shape),
        "dtype": _dtype(header["descr"]),
        "parameters": prod(shape),
        "fortran_order": order,
    }


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
