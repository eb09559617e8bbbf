"""What a reference or a name may become that somebody types: a few texts that begin with it.

Everything is read: nothing is fetched, settled or made. Names that cannot be typed, since they hold
characters that are not printable, are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from localreg.errors import AmbiguousReferenceError, ModelNotFoundError
from localreg.operations.finding.references import resolve_model
from localreg.registry import Chain
from localreg.store.rows import name_rows
from localreg.store.rows.name_rows import Connection
from localreg.values.dataset_names import shown_project

VERSIONS = 20  # of one model
SHOWN_DIGITS = 8


def references(chain: Chain, text: str) -> list[str]:
    """Return references to models: of a whole name also its aliases and newest versions."""
    line, sign, rest = _split(text)
    if sign == "@":
        found = _of_all(chain, lambda connection: name_rows.aliases(connection, line, rest))
        return [f"{line}@{each}" for each in found]
    if sign == ":":
        return [each for each in _versions(chain, line) if each.startswith(text)]
    lines = _of_all(chain, lambda connection: name_rows.lines(connection, text))
    if lines == [text]:
        aliases = _of_all(chain, lambda connection: name_rows.aliases(connection, text, ""))
        return [text, *(f"{text}@{each}" for each in aliases), *_versions(chain, text)[:VERSIONS]]
    return lines


def targets(chain: Chain, text: str) -> list[str]:
    """Return ``project/name`` of models."""
    return _of_all(chain, lambda connection: name_rows.lines(connection, text))


def datasets(chain: Chain, text: str) -> list[str]:
    """Return ``project/name`` of data sets."""
    stored = _of_all(chain, lambda connection: name_rows.lines(connection, "", datasets=True))
    lines = (each.rpartition("/") for each in stored)
    shown = (f"{shown_project(project)}/{name}".lstrip("/") for project, _, name in lines)
    return [each for each in shown if each.startswith(text)]


def removed(chain: Chain, text: str) -> list[str]:
    """Return references to models that were removed."""
    with chain.first.store.read() as connection:
        return _typable(name_rows.removed(connection, text))


def tags(chain: Chain, text: str, kind: str) -> list[str]:
    """Return tags of models or tasks; `kind` is "model" or "task"."""
    return _of_all(chain, lambda connection: name_rows.tags(connection, kind, text))


def tags_of(chain: Chain, text: str, model: str) -> list[str]:
    """Return tags of the model that a reference names."""
    try:
        found = resolve_model(chain, model)
    except (ModelNotFoundError, AmbiguousReferenceError):
        return []
    with found.registry.store.read() as connection:
        return _typable(name_rows.tags_of(connection, found.id, text))


def aliases(chain: Chain, text: str) -> list[str]:
    """Return the aliases of all models."""
    return _of_all(chain, lambda connection: name_rows.aliases(connection, None, text))


def projects(chain: Chain, text: str) -> list[str]:
    """Return the names of projects."""
    return _of_all(chain, lambda connection: name_rows.projects(connection, text))


def model_names(chain: Chain, text: str) -> list[str]:
    """Return the names of models, without their projects."""
    return _of_all(chain, lambda connection: name_rows.model_names(connection, text))


def metrics(chain: Chain, text: str) -> list[str]:
    """Return ``title/series`` of scalars, and names of single values."""
    return _of_all(chain, lambda connection: name_rows.metrics(connection, text))


def parameters(chain: Chain, text: str) -> list[str]:
    """Return ``Section/name`` of the parameters of tasks."""
    return _of_all(chain, lambda connection: name_rows.parameters(connection, text))


def metadata_keys(chain: Chain, text: str) -> list[str]:
    """Return the keys of metadata."""
    return _of_all(chain, lambda connection: name_rows.metadata_keys(connection, text))


def tasks(chain: Chain, text: str) -> dict[str, str]:
    """Return the names of tasks by the first digits of their ids, last changed first."""
    digits = max(SHOWN_DIGITS, len(text))
    found: dict[str, str] = {}
    for registry in chain.registries:
        with registry.store.read() as connection:
            for task_id, name in name_rows.tasks(connection, text):
                found.setdefault(task_id[:digits], name)
    return found


def events(chain: Chain, text: str) -> dict[str, str]:
    """Return what the last changes were by the first digits of their ids, newest first."""
    digits = max(SHOWN_DIGITS, len(text))
    with chain.first.store.read() as connection:
        return {
            event_id[:digits]: f"{kind} {field}".rstrip()
            for event_id, kind, field in name_rows.events(connection, text)
        }


def _split(text: str) -> tuple[str, str, str]:
    """Return name, sign and rest of a reference; the sign is ":", "@" or "".

    >>> _split("vision/resnet@pr"), _split("vision/res")
    (('vision/resnet', '@', 'pr'), ('vision/res', '', ''))
    """
    for sign in "@:":
        line, found, rest = text.rpartition(sign)
        if found and line and "/" not in rest:
            return line, sign, rest
    return text, "", ""


def _versions(chain: Chain, line: str) -> list[str]:
    found: set[int] = set()
    for registry in chain.registries:
        with registry.store.read() as connection:
            found.update(name_rows.versions(connection, line))
    return _typable(f"{line}:{each}" for each in sorted(found, reverse=True))


def _of_all(chain: Chain, read: Callable[[Connection], list[str]]) -> list[str]:
    """Return what is read from each registry, once and in order."""
    found: set[str] = set()
    for registry in chain.registries:
        with registry.store.read() as connection:
            found.update(read(connection))
    return _typable(sorted(found))


def _typable(texts: Iterable[str]) -> list[str]:
    return [each for each in texts if each.isprintable()]
