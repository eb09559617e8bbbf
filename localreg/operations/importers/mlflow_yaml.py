"""The YAML files of MLflow, read fast.

MLflow's files are flat: a key and a plain value a line. Such lines are read here, if they can mean
one thing only, by YAML 1.1, which MLflow writes, and by YAML 1.2. Anything else is read by
ruamel.yaml, which needs a hundred times as long.
"""

from __future__ import annotations

import re
from pathlib import Path

from localreg.operations.importers.source_files import damaged, read_text, read_yaml

_LIMIT = 4_000_000
_LINE = re.compile(r"( *)([A-Za-z_][A-Za-z0-9_.\-]*):(?: ([^\n]*))?")
_KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_.\-]*):(?: |$)")
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}")
_BROKEN = re.compile(r"-?[0-9]{1,300}\.[0-9]{1,300}(?:e[+-][0-9]{1,3})?")
_QUOTED = re.compile(r"'((?:[^']|'')*)'")
# Text: it begins with a letter, a slash, or as versions and ids do, and has nothing of YAML's.
_TEXT = re.compile(
    r"(?:[A-Za-z/]|[0-9]+\.[0-9]+\.[0-9]|[0-9a-f]{32}$)(?:[^:#\s]|:(?=[^\s])|(?<=\S)#| (?=[^#\s]))*"
)
# These are text or not, by the version of YAML.
_UNSURE = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_FIXED: dict[str, object] = {"null": None, "true": True, "false": False}


class _NotPlainError(ValueError):
    """A line may mean something else than it seems."""

    def __init__(self, line: str) -> None:
        super().__init__(f"is not plain: {line[:80]}")


def read_mapping(path: Path) -> dict[str, object]:
    """Return the mapping that a YAML file holds.

    Raises:
        MissingPackageError: ruamel.yaml is needed, and not installed.
        SourceError: it is not YAML, or no mapping, or too long.
    """
    text = read_text(path, _LIMIT)
    if not text.strip():
        raise damaged(path, "is empty")
    try:
        return plain_mapping(text)
    except _NotPlainError:
        return _by_ruamel(path)


def read_parts(path: Path, wanted: frozenset[str]) -> dict[str, object]:
    """Return the wanted entries of the mapping that a YAML file holds; the rest may be anything.

    Raises:
        MissingPackageError: ruamel.yaml is needed, and not installed.
        SourceError: it is not YAML, or no mapping, or too long.
    """
    text = read_text(path, _LIMIT)
    try:
        blocks = _blocks(text)
        return plain_mapping("".join(blocks[each] for each in sorted(wanted & blocks.keys())))
    except _NotPlainError:
        return {key: value for key, value in _by_ruamel(path).items() if key in wanted}


def plain_mapping(text: str) -> dict[str, object]:
    r"""Return the mapping in a text of plain lines, indented below keys without a value.

    Raises:
        ValueError: a line may mean something else.

    >>> plain_mapping("a: 1\nb:\n  c: 'it''s'\n  d: null\n")
    {'a': 1, 'b': {'c': "it's", 'd': None}}
    """
    root: dict[str, object] = {}
    # The mappings that are open, with their indents; -1: it is not known yet.
    opened: list[tuple[int, dict[str, object]]] = [(0, root)]
    empty: tuple[dict[str, object], str] | None = None  # where a deeper mapping may begin
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise _NotPlainError(line)
        indent, key, value = len(match[1]), match[2], match[3]
        if indent > opened[-1][0]:
            if empty is None or len(opened) > 20:
                raise _NotPlainError(line)
            inner: dict[str, object] = {}
            empty[0][empty[1]] = inner
            opened.append((indent, inner))
        while indent < opened[-1][0]:
            opened.pop()
        depth, mapping = opened[-1]
        if indent != depth or key in mapping or key.lower() in _UNSURE:
            raise _NotPlainError(line)
        mapping[key] = None if value is None else _scalar(value)
        empty = (mapping, key) if value is None else None
    return root


def _scalar(text: str) -> object:
    """Return a value that is written on one line."""
    if text in _FIXED:
        return _FIXED[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _BROKEN.fullmatch(text):
        return float(text)
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None and text.isprintable():
        return quoted[1].replace("''", "'")
    if text == "{}":
        return {}
    if text == "[]":
        return []
    if not _TEXT.fullmatch(text) or text.lower() in _UNSURE or not text.isprintable():
        raise _NotPlainError(text)
    return text


def _blocks(text: str) -> dict[str, str]:
    """Return the lines of each key at the left edge."""
    found: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in text.split("\n"):
        match = _KEY.match(line)
        if match is not None:
            if match[1] in found:
                raise _NotPlainError(line)
            lines = found[match[1]] = []
        elif lines is None or not (line == "" or line.startswith(" ")):
            raise _NotPlainError(line)
        lines.append(line)
    whole = {key: "\n".join(block) + "\n" for key, block in found.items()}
    for block in whole.values():
        # A quoted text may go on at the left edge, and look like a key.
        if block.count("'") % 2 or block.count('"') % 2:
            raise _NotPlainError(block)
    return {key: block.rstrip("\n") + "\n" for key, block in whole.items()}


def _by_ruamel(path: Path) -> dict[str, object]:
    found = read_yaml(path, _LIMIT, by_pyyaml=True)
    if not isinstance(found, dict):
        raise damaged(path, "is no mapping of keys to values")
    return {key: value for key, value in found.items() if isinstance(key, str)}
