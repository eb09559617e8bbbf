"""Read the headers of a tar's members; their names are not needed."""

from __future__ import annotations

import re

BLOCK = 512
_WITHOUT_BYTES = frozenset(b"123456")  # links, devices, folders and pipes
_EXTENDED, _SPARSE = ord("x"), ord("S")
_PAX_SIZE = re.compile(rb"(?:\A|\n)\d{1,6} size=(\d{1,20})\n")


def is_tar_header(block: bytes) -> bool:
    """Return True if a block is the header of a member: its checksum is right."""
    if len(block) < BLOCK or not block[0]:
        return False
    recorded = _number(block[148:156])
    if not recorded:
        return False
    summed = block[:148] + b" " * 8 + block[156:BLOCK]
    found = sum(summed)
    # Some programs add the bytes with signs.
    return recorded == found or recorded == found - 256 * sum(each > 127 for each in summed)


def member_size(block: bytes) -> int | None:
    """Return the number of bytes of a member, by its header; None if that is impossible."""
    return 0 if block[156] in _WITHOUT_BYTES else _number(block[124:136])


def is_extended(block: bytes) -> bool:
    """Return True if a member only describes the next one, in the way that pax does."""
    return block[156] == _EXTENDED


def is_sparse(block: bytes) -> bool:
    """Return True if a member has more headers, which say where its bytes are."""
    return block[156] == _SPARSE


def pax_size(records: bytes) -> int | None:
    """Return the size that a description gives to the next member; None if it gives none."""
    found = _PAX_SIZE.search(records)
    return int(found[1]) if found else None


def padded(size: int) -> int:
    """Return the number of bytes that a member takes."""
    return (size + BLOCK - 1) // BLOCK * BLOCK


def _number(field: bytes) -> int | None:
    """Return a number: octal text, or base 256."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    text = field.strip(b" \0")
    if text.strip(b"01234567"):
        return None
    return int(text or b"0", 8)
