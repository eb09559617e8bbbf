"""Read the JSON files that belong to weights: indexes of shards, and Hugging Face's config."""

from __future__ import annotations

import json
from pathlib import Path

from localreg.blobs.headers.header_errors import TooLongError
from localreg.blobs.headers.needed_files import MOST_NAMES

LONGEST_INDEX = 16_000_000  # bytes; 60,000 tensors need 6 MB
LONGEST_CONFIG = 1_000_000
_LONGEST_TEXT = 200


def read_shard_index(path: Path) -> dict[str, object] | None:
    """Return the number of tensors and the names of the shards; None if this is no index."""
    if path.stat().st_size > LONGEST_INDEX:
        raise TooLongError(f"it has more than {LONGEST_INDEX:,} bytes")
    places = _object(path).get("weight_map")
    if not isinstance(places, dict):
        return None
    shards = sorted({each for each in places.values() if isinstance(each, str)})
    facts: dict[str, object] = {"tensors": len(places), "shards": shards[:MOST_NAMES]}
    if len(shards) > MOST_NAMES:
        facts["more_shards"] = len(shards) - MOST_NAMES
    return facts


def read_config(path: Path) -> dict[str, object] | None:
    """Return the architecture, type and quantization of a model; None if none is named."""
    if path.stat().st_size > LONGEST_CONFIG:
        return None
    config = _object(path)
    architectures, quantization = config.get("architectures"), config.get("quantization_config")
    said = {
        "architecture": architectures[0] if isinstance(architectures, list | tuple)
        and architectures else None,
        "model_type": config.get("model_type"),
    }  # fmt: skip
    facts: dict[str, object] = {
        name: value[:_LONGEST_TEXT] for name, value in said.items() if isinstance(value, str)
    }
    if isinstance(quantization, dict) and facts:
        method, bits = quantization.get("quant_method"), quantization.get("bits")
        if isinstance(method, str):
            width = f" {bits} bits" if type(bits) is int and 0 < bits < 64 else ""
            facts["quantization"] = f"{method[:_LONGEST_TEXT]}{width}"
    return facts or None


def _object(path: Path) -> dict[str, object]:
    """Return the JSON object of a file; {} if it holds something else."""
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
