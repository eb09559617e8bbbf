"""``clearml.storage.hashing`` and ``clearml.utilities.hashing``: hashes of files and texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from zlib import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def sha256sum(
    filename: str, skip_header: int = 0, block_size: int = 65536
) -> tuple[str | None, str | None]:
    """Return the sha256 of a file after its first bytes, and of all of it if some are skipped.

    Both are None if the file cannot be read.
    """
    body, whole = hashlib.sha256(), hashlib.sha256()
    try:
        with open(filename, "rb") as file:
            whole.update(file.read(skip_header))
            while block := file.read(block_size):
                body.update(block)
                whole.update(block)
    except OSError:
        return None, None
    return body.hexdigest(), whole.hexdigest() if skip_header else None


def hash_text(text: str, seed: int | str = 1337, hash_func: str = "md5") -> str:
    """Return a hash of a text, as hex digits; not for security.

    Args:
        text: the text.
        seed: what stands in front of the text.
        hash_func: "md5", "sha256", "sha384" or "sha512".
    """
    if hash_func not in ("md5", "sha256", "sha384", "sha512"):
        raise ValueError(f"hash_func must be md5, sha256, sha384 or sha512, not {hash_func!r}")
    return hashlib.new(hash_func, f"{seed}{text}".encode(), usedforsecurity=False).hexdigest()


def md5text(text: str, seed: int | str = 1337) -> str:
    """Return the md5 of a text, as hex digits."""
    return hash_text(text, seed)


def crc32text(text: str, seed: int | str = 1337) -> str:
    """Return the crc32 of a text, as 8 hex digits."""
    return f"{crc32(f'{seed}{text}'.encode()):08x}"


def hash_dict(a_dict: Mapping[str, Any], seed: int | str = 1337, hash_func: str = "md5") -> str:
    """Return a hash of a dict of JSON values, whatever the order of its keys."""
    text = json.dumps(a_dict, sort_keys=True)
    return crc32text(text, seed) if hash_func == "crc32" else hash_text(text, seed, hash_func)


def _hasher(name: str) -> Callable[..., Any]:
    def make(data: bytes = b"") -> Any:  # noqa: ANN401  (hashlib does not name its type)
        return hashlib.new(name, data, usedforsecurity=False)

    make.__doc__ = f"Return a {name} object of hashlib, not for security."
    return make


def safe_hash(name: str, data: bytes = b"") -> Any:  # noqa: ANN401  (hashlib does not name its type)
    """Return an object of hashlib, not for security."""
    return _hasher(name)(data)


md5_safe_hash = _hasher("md5")
sha256_safe_hash = _hasher("sha256")
sha384_safe_hash = _hasher("sha384")
sha512_safe_hash = _hasher("sha512")
