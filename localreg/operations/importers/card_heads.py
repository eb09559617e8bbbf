"""The YAML head of a model card, as Hugging Face documents it: what comes of it as metadata.

Only the fields that are wanted are parsed. The whole head stays in README.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from localreg.errors import MissingPackageError, SourceError
from localreg.operations.importers.linked_files import LinkedFile
from localreg.operations.importers.source_files import parsed_yaml, read_bytes
from localreg.operations.models.written_card import LONGEST, README, split_head
from localreg.values.checks import NAME_LIMIT
from localreg.values.frozen import Frozen
from localreg.values.metadata import entry
from localreg.values.records import MetadataValue

FIELDS = (
    "language", "license", "license_name", "license_link", "library_name", "pipeline_tag",
    "datasets", "metrics", "base_model", "base_model_relation",
)  # fmt: skip
_TAGS, _BASE = "tags", "base_model"
_TOO_LONG = "heads of model cards that are too long"
_LONGEST = 100_000  # characters of the fields that are parsed
_MOST = 1_000  # texts of one field
# A key of the outermost mapping: what belongs to it follows, indented or as items of a list.
_KEY = re.compile(r"^([A-Za-z_][\w-]*)[ \t]*:(?=\s|$)")


class Head(Frozen):
    """What the head of a card says.

    Attributes:
        metadata: its fields.
        tags: of the model.
        bases: the names on the Hub of what it was made from.
    """

    metadata: Mapping[str, MetadataValue]
    tags: tuple[str, ...]
    bases: tuple[str, ...]


def head_of(files: Iterable[LinkedFile], left: Counter[str]) -> Head:
    """Return what the head of the model card among some files says.

    Args:
        files: of a model.
        left: counts what cannot be read.
    """
    card = next((each for each in files if each.name == README and each.target), None)
    if card is None:
        return read_head("", README, left)
    if card.path.stat().st_size > LONGEST:
        left[_TOO_LONG] += 1
        return read_head("", card.path, left)
    text = read_bytes(card.path, LONGEST).decode("utf-8", "replace")
    return read_head(split_head(text)[0], card.path, left)


def read_head(head: str, place: object, left: Counter[str]) -> Head:
    """Return what a head says.

    Args:
        head: the YAML, without its lines of dashes.
        place: the file, for errors.
        left: counts what cannot be read.
    """
    fields = _parsed("".join(_wanted(head.splitlines())), place, left)
    texts = {key: _texts(fields[key]) for key in (*FIELDS, _TAGS) if fields.get(key) is not None}
    for key in [key for key, found in texts.items() if found is None]:
        left["fields of model cards that are not text"] += 1
        del texts[key]
    metadata = {}
    for key in FIELDS:
        found = texts.get(key)
        if found is not None:
            made = entry(key, found if isinstance(fields[key], list) else found[0])
            metadata[key] = MetadataValue(made.value, made.type)
    return Head(metadata, tuple(texts.get(_TAGS) or ()), tuple(texts.get(_BASE) or ()))


def _parsed(text: str, place: object, left: Counter[str]) -> Mapping[str, object]:
    if not text:
        return {}
    if len(text) > _LONGEST:
        left[_TOO_LONG] += 1
        return {}
    try:
        fields = parsed_yaml(text, place)
    except MissingPackageError:
        left["heads of model cards; to read them: pip install 'localreg[import]'"] += 1
        return {}
    except SourceError:  # the card is there all the same
        left["heads of model cards that are not YAML"] += 1
        return {}
    return fields if isinstance(fields, dict) else {}


def _wanted(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of the wanted fields; results in a head may have megabytes."""
    is_wanted = False
    for line in lines:
        found = _KEY.match(line)
        if found:
            is_wanted = found[1] in FIELDS or found[1] == _TAGS
        if is_wanted:
            yield f"{line}\n"


def _texts(value: object) -> list[str] | None:
    """Return a scalar or a list of scalars as texts; None for anything else.

    YAML can make a few lines into a list of billions: nothing that nests is looked into.
    """
    values = value if isinstance(value, list) else [value]
    if len(values) > _MOST:
        return None
    found = []
    for each in values:
        if isinstance(each, int) and not isinstance(each, bool) and each.bit_length() > 256:
            return None
        if not isinstance(each, (str, int, float)):
            return None
        text = str(each).strip()
        if not text or len(text) > NAME_LIMIT or "\0" in text or not _is_text(text):
            return None
        found.append(text)
    return found or None


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True
