"""The headers of the entries of a bundle's tar; the package docstring says which there are."""

from __future__ import annotations

import hashlib
import struct

from localreg.blobs.headers.tar_members import BLOCK, is_tar_header, padded
from localreg.values.bundle_format import BLOBS_NAME, INDEX_NAME, LAYOUT_NAME, broken
from localreg.values.checks import shown
from localreg.values.frozen import Frozen
from localreg.values.urls import is_sha256

RECORD = 20 * BLOCK  # bytes; the size of a tar is a multiple of it
LONGEST_EXTENDED = 2 * BLOCK
_MOST_OCTAL = 8**11 - 1  # bytes; 8 GiB
_HEADER = struct.Struct("<100s8s8s8s12s12s8sc100s6s2s32s32s8s8s155s12x")
_PLAIN, _FOLDER, _EXTENDED = b"0", b"5", b"x"
_ZERO = b"0000000\0"
_CHECKSUM = slice(148, 156)


class Entry(Frozen):
    """An entry as its header describes it.

    Attributes:
        name: `LAYOUT_NAME`, `INDEX_NAME`, or `BLOBS_NAME` and a digest.
        size: number of bytes.
    """

    name: str
    size: int

    @property
    def digest(self) -> bytes | None:
        """The digest in the name; None in the names of the first two entries."""
        digest = self.name.removeprefix(BLOBS_NAME)
        return None if digest == self.name else bytes.fromhex(digest)


def header(name: str, size: int, mode: int = 0o644) -> bytes:
    """Return what stands before the bytes of an entry.

    Args:
        name: of a plain file; that of a folder ends with a slash. A name that is not ASCII, or too
            long, is in an extended header; names of a bundle's own entries never are.
        size: number of bytes.
        mode: of the file or folder.
    """
    kind = _FOLDER if name.endswith("/") else _PLAIN
    block = _block(name.encode(), 0 if size > _MOST_OCTAL else size, mode, kind)
    records = b""
    if block is None or not name.isascii():
        records = _record("path", name)
        digest = hashlib.sha256(name.encode()).hexdigest().encode()
        block = _block(digest, 0 if size > _MOST_OCTAL else size, mode, kind)
    if size > _MOST_OCTAL:
        records += _record("size", str(size))
    assert block is not None
    if not records:
        return block
    extended = _block(b"PaxHeaders/" + block[:80].rstrip(b"\0"), len(records), 0o644, _EXTENDED)
    assert extended is not None
    return extended + records + padding(len(records)) + block


def header_size(size: int) -> int:
    """Return the number of bytes of the header of an entry of some size."""
    return BLOCK if size <= _MOST_OCTAL else 3 * BLOCK


def entry_size(size: int) -> int:
    """Return the number of bytes that an entry takes, with its header."""
    return header_size(size) + padded(size)


def padding(size: int) -> bytes:
    """Return what stands after the bytes of an entry."""
    return bytes(padded(size) - size)


def end(written: int) -> bytes:
    """Return the end of a tar of so many bytes: two empty blocks, filled up to a record."""
    return bytes(2 * BLOCK + -(written + 2 * BLOCK) % RECORD)


def is_plain_header(block: bytes) -> bool:
    """Return True if a block is a header without an extended one."""
    return block[156:157] != _EXTENDED


def extended_size(block: bytes) -> int:
    """Return the number of bytes of an extended header."""
    size = _octal(block[124:136])
    if size is None or not 0 < size <= LONGEST_EXTENDED:
        raise broken("tar", f"an extended header has more than {LONGEST_EXTENDED:,} bytes")
    return size


def entry_of(block: bytes, extended: bytes | None) -> Entry:
    """Return what a header describes.

    Args:
        block: the header.
        extended: the content of the extended header before it; None if there is none.

    Raises:
        BundleError: it is not a header, or that of something that a bundle does not have.
    """
    if not is_tar_header(block):
        raise broken("tar", "an entry has no header of a tar; the bytes are cut or damaged")
    name = name_in(block)
    kind = block[156:157]
    if kind not in (_PLAIN, b"\0"):
        raise broken(f"entry {shown(name, 100)}", f"it is {_KINDS.get(kind, 'of a strange kind')}")
    if name not in (LAYOUT_NAME, INDEX_NAME) and not (
        name.startswith(BLOBS_NAME) and is_sha256(name[len(BLOBS_NAME) :])
    ):
        raise broken(
            f"entry {shown(name, 100)}",
            f"only {LAYOUT_NAME}, {INDEX_NAME} and {BLOBS_NAME}DIGEST can be in a bundle",
        )
    size = _octal(block[124:136])
    if extended is not None:
        size = _size_in(extended, name)
    if size is None:
        raise broken(f"entry {name}", "it has an impossible size")
    return Entry(name, size)


_KINDS = {
    b"1": "a link", b"2": "a link", b"3": "a device", b"4": "a device", b"5": "a folder",
    b"6": "a pipe", b"S": "a sparse file", b"g": "a header for all entries",
    b"L": "a long name", b"K": "a long name",
}  # fmt: skip


def _block(name: bytes, size: int, mode: int, kind: bytes) -> bytes | None:
    """Return a header; None if the name is too long for one."""
    above = b""
    if len(name) > 100:
        place = name.find(b"/", len(name) - 101)
        above, name = name[:place], name[place + 1 :]
        if place < 0 or len(above) > 155 or not name:
            return None
    block = _HEADER.pack(
        name, b"%07o\0" % mode, _ZERO, _ZERO, b"%011o\0" % size, b"00000000000\0", b" " * 8,
        kind, b"", b"ustar\0", b"00", b"", b"", _ZERO, _ZERO, above,
    )  # fmt: skip
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _record(key: str, value: str) -> bytes:
    """Return a record of an extended header; it begins with its own length."""
    rest = f" {key}={value}\n".encode()
    length = len(rest) + len(str(len(rest)))
    if len(str(length)) > len(str(len(rest))):
        length += 1
    return b"%d%s" % (length, rest)


def name_in(block: bytes) -> str:
    """Return the name in a header."""
    name, above = block[:100].rstrip(b"\0"), block[345:500].rstrip(b"\0")
    whole = above + b"/" + name if above else name
    return whole.decode(errors="backslashreplace")


def _octal(field: bytes) -> int | None:
    text = field.strip(b" \0")
    return int(text, 8) if text and not text.strip(b"01234567") else None


def _size_in(extended: bytes, name: str) -> int:
    """Return the size that an extended header gives; it may give nothing else."""
    length, _, rest = extended.partition(b" ")
    key, _, value = rest.partition(b"=")
    digits = value[:-1]
    if (
        length != b"%d" % len(extended)
        or key != b"size"
        or value[-1:] != b"\n"
        or not digits.isdigit()
        or len(digits) > 19
    ):
        raise broken(f"entry {name}", "its extended header must give its size, and nothing else")
    return int(digits)
