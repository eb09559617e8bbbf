"""Look-ups: the model or task of a reference, an id or a name."""

from __future__ import annotations

import re

from localreg.errors import (
    AmbiguousReferenceError,
    ModelNotFoundError,
    PublishedError,
    TaskNotFoundError,
)
from localreg.operations.finding.upstream import Found, model_row, read_each
from localreg.store.rows import claim_rows, model_rows, project_rows
from localreg.values.checks import check_name, check_text, is_empty, kept_name
from localreg.values.frozen import Frozen
from localreg.values.ids import ID_LENGTH, new_id
from localreg.values.records import Project, line_readings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from localreg.registry import Chain, OpenRegistry
    from localreg.store.events.change import Change
    from localreg.store.rows.model_rows import Connection, ModelRow
    from localreg.values.records import TaskRecord

    Line = Callable[[Connection, str | None, str, int | None], list[str]]
    Aliased = Callable[[Connection, str | None, str, str], list[str]]

REFERENCE_LIMIT = 4_096
PREFIX_MINIMUM = 6
_PREFIX = re.compile(r"[0-9a-f]{6,31}")


def places_of(chain: Chain) -> str:
    """Return which registries were looked in, for an error."""
    return f"{chain.first.root}{' and its upstream registries' if chain.others else ''}"


def require_model(connection: Connection, model_id: str, place: object = None) -> ModelRow:
    """Return the row of a model.

    Args:
        place: the registry's directory, for the error.

    Raises:
        ModelNotFoundError: no model has this id.
    """
    row = model_rows.model_row(connection, model_id)
    if row is None:
        removed = model_rows.with_prefix(connection, "tombstone", model_id, 1) == [model_id]
        shown = _shown(model_id)
        hint = f"; it was removed, `localreg restore {shown}` brings it back" if removed else ""
        where = "" if place is None else f" in {place}"
        raise ModelNotFoundError(
            f"there is no model with id {shown!r}{where}{hint}", reference=shown
        )
    return row


def require_draft(connection: Connection, model_id: str) -> ModelRow:
    """Return the row of a model whose weights, configuration and labels may be changed.

    Raises:
        PublishedError: it is published.
    """
    row = require_model(connection, model_id)
    if row.published:
        raise PublishedError(
            f"model {row.ref} ({model_id}) is published: its weights, configuration and labels "
            "are fixed; create another OutputModel for new ones",
            model=model_id,
        )
    return row


def check_model_id(registry: OpenRegistry, model_id: object) -> str:
    """Return the id of a model that exists, stripped of blanks."""
    text = check_text("model_id", model_id, limit=REFERENCE_LIMIT, nul=False, empty=False).strip()
    with registry.store.one_statement() as connection:
        return require_model(connection, text, registry.root).id


def find_model(chain: Chain, model_id: object) -> Found:
    """Return a model by its id, of a registry or of the first one upstream that has it."""
    text = check_text("model_id", model_id, limit=REFERENCE_LIMIT, nul=False, empty=False).strip()
    found = model_row(chain, text) if chain.others else None
    if found is not None:
        return Found(found[0], text)
    with chain.first.store.one_statement() as connection:
        return Found(chain.first, require_model(connection, text, places_of(chain)).id)


def require_task(connection: Connection, task_id: str, place: object = None) -> TaskRecord:
    """Return a task.

    Args:
        place: the registry's directory, for the error.

    Raises:
        TaskNotFoundError: no task has this id.
    """
    from localreg.store.rows import task_rows

    task = task_rows.task(connection, task_id)
    if task is None:
        where = "" if place is None else f" in {place}"
        raise TaskNotFoundError(f"there is no task with id {task_id!r}{where}", reference=task_id)
    return task


def resolve_model(chain: Chain, reference: object, argument: str = "reference") -> Found:
    """Return the model that a reference names, of a registry or of one upstream.

    A reference is an id, the first 6 or more digits of an id, or ``[project/]name``, followed by
    ``:version`` or ``@alias`` or neither, for the newest version. Names may hold these signs, so
    every reading is tried. A name means the models of the first registry that has any model of
    that name.

    Registries that met may have given one number to several models. Then ``:version~origin`` names
    one of them, by the name of the registry that it was made in, or by the first digits of its id.

    Args:
        reference: what was given.
        argument: the argument's name, for the error.

    Raises:
        AmbiguousReferenceError: it means several models.
        GateError: it is an alias that is held, since its gate was not passed.
    """
    text = kept_name(check_text(argument, reference, limit=REFERENCE_LIMIT, nul=False, empty=False))
    several = bool(chain.others)
    prefixed: dict[str, OpenRegistry] = {}
    for each, hits in read_each(chain, lambda connection: _answer(connection, text, several)):
        if hits.named:
            hint = "" if hits.ids else _hint_upstream(chain, each, text)
            if len(hits.ids) > 1:
                _raise_if_numbered_twice(each, text)
            return Found(each, _one("model", text, hits.ids, each.root, hint))
        for model_id in hits.ids:
            prefixed.setdefault(model_id, each)
    ids = list(prefixed)
    model_id = _one("model", text, ids, places_of(chain), "" if ids else _chain_hint(chain, text))
    return Found(prefixed[model_id], model_id)


class _Hits(Frozen):
    """The answer of one registry to a reference.

    Attributes:
        ids: the models that it may mean.
        named: True if the name or the whole id was found, so that no other registry is asked.
    """

    ids: list[str]
    named: bool


def _answer(connection: Connection, text: str, several: bool) -> _Hits:
    if len(text) == ID_LENGTH and model_rows.model_row(connection, text):
        return _Hits([text], named=True)
    found = _named(connection, text, _newest_or_numbered, _not_held) or _of_origin(connection, text)
    if found:
        return _Hits(found, named=True)
    if several and _has_line(connection, text):
        return _Hits([], named=True)
    return _Hits(_prefixed(connection, text, "model"), named=False)


def _newest_or_numbered(
    connection: Connection, project: str | None, name: str, version: int | None
) -> list[str]:
    """Return the newest version of a model, or what claims one number: that may be several."""
    if version is not None:
        claimants = claim_rows.claimants(connection, project or "", name, version)
        if len(claimants) > 1:
            return [each.id for each in claimants]
    return model_rows.in_line(connection, project, name, version)


def _of_origin(connection: Connection, text: str) -> list[str]:
    """Return the models that ``name:version~origin`` means."""
    rest, tilde, origin = text.rpartition("~")
    if not tilde or not origin:
        return []
    found = [
        each.id
        for name, version, _ in _selectors(rest)
        if version is not None
        for line in line_readings(name)
        for each in claim_rows.claimants(connection, line[0] or "", line[1], version)
        if each.here and (each.origin == origin or each.id.startswith(origin))
    ]
    return list(dict.fromkeys(found))


def _raise_if_numbered_twice(registry: OpenRegistry, text: str) -> None:
    """Raise AmbiguousReferenceError if several models claim the number that a reference names."""
    from localreg.values.units import moment

    with registry.store.read() as connection:
        for name, version, _ in _selectors(text):
            for line in line_readings(name) if version is not None else ():
                found = claim_rows.claimants(connection, line[0] or "", line[1], version or 0)
                if len(found) > 1:
                    break
            else:
                continue
            break
        else:
            return
    origins = [each.origin for each in found]
    names = [
        each.origin if each.origin and origins.count(each.origin) == 1 else each.id[:8]
        for each in found
    ]
    lines = [
        f"{_shown(text)}~{name} ({each.id[:8]} from {each.origin}, "
        f"{f'created {moment(each.at)} UTC' if each.at else 'of unknown date'}, "
        f"{f'sha256 {each.digest[:12]}…' if each.digest else 'no weights known'}"
        f"{'' if each.here else ', removed or moved away'})"
        for each, name in zip(found, names, strict=True)
    ]
    shown_line = _shown(text.rpartition(":")[0])
    raise AmbiguousReferenceError(
        f"{_shown(text)!r} is the number of {len(found)} models, from registries that did not know "
        f"of each other: {'; '.join(lines)}. Name one as here or by its id, or give one another "
        f"number: `localreg mv {_shown(text)}~{names[-1]} {shown_line}`",
        reference=_shown(text),
        hits=tuple(each.id for each in found),
    )


def _hint_upstream(chain: Chain, first: OpenRegistry, text: str) -> str:
    """Return a hint for a version or alias that is missing in the registry that has the name."""
    looks = read_each(chain, lambda connection: _named(connection, text, model_rows.in_line))
    found = next(((each, ids[0]) for each, ids in looks if ids), None)
    other = f"; there is one in {found[0].root}, with the id {found[1]}" if found else ""
    return f". The name means the models in {first.root}{other}"


def _has_line(connection: Connection, text: str) -> bool:
    """Return True if there are models of a name, whatever the version or alias."""
    return any(
        model_rows.in_line(connection, project, name, None)
        for rest, _, _ in _selectors(text)
        for project, name in line_readings(rest)
    )


def _missing_part(connection: Connection, text: str) -> str:
    """Return a hint for a version or alias that a model does not have; "" if there is no model."""
    for rest, version, alias in _selectors(text):
        if version is None and alias is None:
            continue
        if any(model_rows.in_line(connection, *line, None) for line in line_readings(rest)):
            part = f"alias {alias!r}" if version is None else f"version {version}"
            name = _shown(rest)
            return f". {name} has no {part}; `localreg ls -a {name}` lists its versions and aliases"
    return ""


def resolve_removed(registry: OpenRegistry, reference: object) -> str:
    """Return the id of the removed model that a reference names; see `resolve_model`.

    Raises:
        AmbiguousReferenceError: it means several removed models.
    """
    text = kept_name(
        check_text("reference", reference, limit=REFERENCE_LIMIT, nul=False, empty=False)
    )
    with registry.store.read() as connection:
        return _one("removed model", text, _removed(connection, text), registry.root, "")


def _hits(connection: Connection, text: str, line: Line, table: str) -> list[str]:
    return _named(connection, text, line) or _prefixed(connection, text, table)


def _prefixed(connection: Connection, text: str, table: str) -> list[str]:
    return model_rows.with_prefix(connection, table, text) if _PREFIX.fullmatch(text) else []


def _aliased(connection: Connection, project: str | None, name: str, alias: str) -> list[str]:
    """Return the model of an alias, also if it is held."""
    target = model_rows.alias_target(connection, (project or "", name), alias)
    return [] if target is None else [target]


def _not_held(connection: Connection, project: str | None, name: str, alias: str) -> list[str]:
    """Return the model of an alias.

    Raises:
        GateError: the alias is held.
    """
    from localreg.store.rows import gate_rows  # many programs name no alias

    line = project or "", name
    target = gate_rows.target(connection, line, alias)
    if target is not None and target.held:
        from localreg.operations.finding.gates import held_error

        raise held_error(connection, line, alias, target.model)
    return [] if target is None else [target.model]


def _named(connection: Connection, text: str, line: Line, aliased: Aliased = _aliased) -> list[str]:
    found = [
        hit
        for rest, version, alias in _selectors(text)
        for project, name in line_readings(rest)
        for hit in (
            aliased(connection, project, name, alias)
            if alias is not None
            else line(connection, project, name, version)
        )
    ]
    return list(dict.fromkeys(found))


def _selectors(text: str) -> Iterator[tuple[str, int | None, str | None]]:
    """Yield the readings of the end of a reference: only a name, a version, an alias."""
    yield text, None, None
    rest, colon, version = text.rpartition(":")
    if colon and version.isascii() and version.isdigit() and len(version) < 19:
        yield rest.strip(), int(version), None
    rest, at, alias = text.rpartition("@")
    if at:
        yield rest.strip(), None, alias.strip()


def _one(what: str, text: str, hits: list[str], place: object, similar: str) -> str:
    if len(hits) == 1:
        return hits[0]
    shown = _shown(text)
    if not hits:
        raise ModelNotFoundError(
            f"there is no {what} {shown!r} in {place}; a reference is [project/]name, with or "
            f"without :version or @alias, or an id{similar}",
            reference=shown,
        )
    raise AmbiguousReferenceError(
        f"{shown!r} may mean {len(hits)} models; give one of these ids: {', '.join(hits[:10])}",
        reference=shown,
        hits=tuple(hits),
    )


def _shown(text: str) -> str:
    from localreg.values.urls import without_secrets

    return without_secrets(text)


def _removed(connection: Connection, text: str) -> list[str]:
    if len(text) == ID_LENGTH and model_rows.with_prefix(connection, "tombstone", text):
        return [text]
    return _hits(connection, text, model_rows.tombstones, "tombstone")


def _chain_hint(chain: Chain, text: str) -> str:
    from difflib import get_close_matches

    with chain.first.store.read() as connection:
        moved = _moved_to(connection, text)
        if moved:
            return f". It was moved to {moved}"
        if _removed(connection, text):
            return f". It was removed; `localreg restore {_shown(text)}` brings it back"
        missing = _missing_part(connection, text)
    if missing:
        return missing
    known = dict.fromkeys(
        name for _, some in read_each(chain, model_rows.some_references) for name in some
    )
    ends = tuple(f"/{name}" for name, _, _ in _selectors(text) if name)
    ending = [name for name in known if name.endswith(ends)]  # the project is missing
    others = [name for name in known if name not in ending]
    close = [*ending, *get_close_matches(text, others, n=3, cutoff=0.6)][:3]
    return f". Did you mean {' or '.join(close)}?" if close else ""


def _moved_to(connection: Connection, text: str) -> str | None:
    """Return the reference of the model that had the number which a reference names."""
    for name, version, _ in _selectors(text):
        for line in line_readings(name) if version is not None else ():
            for each in claim_rows.claimants(connection, line[0] or "", line[1], version or 0):
                row = None if each.here else model_rows.model_row(connection, each.id)
                if row is not None:
                    return row.ref
    return None


def ensure_project(change: Change, name: str | None) -> Project | None:
    """Return the project of a name, made if it is new; None and "" are no project."""
    if not name:
        return None
    project = project_rows.by_name(change.connection, name)
    if project is None:
        project = Project(new_id(), name)
        change.record("project.created", project.id, {"name": name})
    return project


def place_of_new(change: Change, project: str | None, name: str) -> tuple[Project | None, int]:
    """Return the project of a new model, made if it is new, and the number of its version.

    Args:
        project: name of the project; None and "" are no project.
        name: of the model.
    """
    row = project_rows.next_in(change.connection, project or "", name)
    if row is None:  # the project is new
        return ensure_project(change, project), 1
    project_id, number = row
    return (Project(project_id, project) if project else None), number


def check_project_name(project: object, argument: str = "project") -> str | None:
    """Return a project's name; None and "" are no project.

    Args:
        project: what was given.
        argument: the argument's name, for the error.
    """
    if project is None or is_empty(project):
        return None
    return check_name(argument, project)
