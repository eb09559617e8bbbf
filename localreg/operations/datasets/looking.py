"""Look-ups: the version of a data set that a name, an id or a reference means; and lists."""

from __future__ import annotations

import re
from collections.abc import Iterable

from localreg.errors import (
    AmbiguousReferenceError,
    ConflictError,
    InvalidValueError,
    ModelNotFoundError,
)
from localreg.operations.finding.gates import check_not_held
from localreg.operations.finding.references import REFERENCE_LIMIT, check_project_name
from localreg.operations.finding.upstream import Found, hidden, read_each
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import dataset_rows, model_rows
from localreg.store.rows.dataset_rows import Connection
from localreg.store.rows.dataset_rows import DatasetRow as DatasetRow
from localreg.values import dataset_names, datasets
from localreg.values.checks import check_name, check_text, kept_name, shown
from localreg.values.frozen import Frozen
from localreg.values.tags import check_tags

_PREFIX = re.compile(r"[0-9a-f]{6,32}")


class Wanted(Frozen, kw_only=True):
    """What a version of a data set must be, checked.

    Attributes:
        project, name, version: exact; None for any. The project is that of the data set.
        tags: all of them.
        completed: only finalized ones.
        published: only published ones.
        archived: also archived ones.
    """

    project: str | None = None
    name: str | None = None
    version: str | None = None
    tags: tuple[str, ...] = ()
    completed: bool = False
    published: bool = False
    archived: bool = False

    def __str__(self) -> str:
        parts = {"project": self.project, "name": self.name, "version": self.version}
        named = [f"{key} {shown(value)}" for key, value in parts.items() if value is not None]
        named += [f"tags {', '.join(self.tags)}"] if self.tags else []
        named += ["finalized"] if self.completed else []
        named += ["published"] if self.published else []
        return ", ".join(named)


def check_wanted(
    *,
    project: object = None,
    name: object = None,
    version: object = None,
    tags: object = None,
    completed: bool = False,
    published: bool = False,
    archived: bool = False,
) -> Wanted:
    """Check what is looked for."""
    return Wanted(
        project=check_project_name(project, "dataset_project"),
        name=None if name is None else check_name("dataset_name", name),
        version=None if version is None else check_version(version),
        tags=check_tags("dataset_tags", tags),
        completed=completed,
        published=published,
        archived=archived,
    )


def check_version(version: object) -> str:
    """Return a version as it is kept; any short text without blanks around it is one."""
    if isinstance(version, (int, float)) and not isinstance(version, bool) and version < 1e15:
        return str(version)
    return check_name("dataset_version", version)


def require(connection: Connection, model_id: str) -> DatasetRow:
    """Return a version of a data set.

    Raises:
        ModelNotFoundError: no data set has this id.
    """
    found = dataset_rows.row(connection, model_id)
    if found is None:
        what = "is the id of a model" if model_rows.model_row(connection, model_id) else "is no id"
        raise ModelNotFoundError(
            f"there is no data set with id {shown(model_id)} (it {what}); "
            "`localreg dataset ls` lists the data sets",
            reference=model_id,
        )
    return found


def require_open(connection: Connection, model_id: str) -> DatasetRow:
    """Return a version of a data set whose files may be changed.

    Raises:
        ConflictError: it is finalized.
    """
    found = require(connection, model_id)
    if found.status != dataset_names.OPEN:
        raise ConflictError(
            f"data set {found.ref} ({model_id}) is {found.status}, so its files are fixed; make a "
            f"new version: Dataset.create(parent_datasets=[{model_id!r}], …)"
        )
    return found


def row(found: Found) -> DatasetRow:
    """Return a version of a data set."""
    with found.registry.store.read() as connection:
        return require(connection, found.id)


def by_id(chain: Chain, dataset_id: object) -> Found:
    """Return the data set with an id, of a registry or of the first one upstream that has it.

    Raises:
        ModelNotFoundError: no data set has this id.
    """
    text = check_text("dataset_id", dataset_id, limit=REFERENCE_LIMIT, nul=False, empty=False)
    wanted = text.strip()
    for registry, found in read_each(chain, lambda each: dataset_rows.row(each, wanted)):
        if found is not None:
            return Found(registry, wanted)
    with chain.first.store.read() as connection:
        require(connection, wanted)
    raise AssertionError(wanted)


def best(chain: Chain, wanted: Wanted) -> tuple[Found, DatasetRow] | None:
    """Return the version with the highest number of those that match, or None.

    Those whose versions are no numbers come after those whose are; then the last changed counts.
    """
    rows = _matching(chain, wanted)
    if wanted.name is None:  # of several data sets, the one that was changed last
        rows = [pair for pair in rows if _line(pair[1]) == _line(rows[0][1])]
    return max(rows, key=lambda pair: order(pair[1])) if rows else None


def missing(chain: Chain, wanted: Wanted) -> ModelNotFoundError:
    """Return the error for a data set that does not exist; it says which ones do."""
    there = [each for _, each in _matching(chain, Wanted(project=wanted.project, archived=True))]
    of_name = [each for each in there if each.name == wanted.name]
    if of_name:
        some = ", ".join(f"{each.version or '?'} ({each.status})" for each in of_name[:5])
        hint = f"there are the versions {some}"
    elif there:
        names = list(dict.fromkeys(_path(each) for each in there))[:5]
        hint = f"there are {', '.join(names)}"
    else:
        hint = "`localreg dataset ls` lists the data sets"
    return ModelNotFoundError(f"there is no data set with {wanted}; {hint}", reference=str(wanted))


def _line(each: DatasetRow) -> tuple[str, str]:
    return each.project, each.name


def order(each: DatasetRow) -> tuple[object, ...]:
    """Return what versions are ordered by: their numbers, if they have any, and the last change."""
    number = datasets.version_key(each.version)
    return (0, (), each.stamp) if number is None else (1, number, each.stamp)


def last_version(chain: Chain, project: str | None, name: str) -> str | None:
    """Return the highest version of a data set, None without one."""
    found = best(chain, Wanted(project=project or "", name=name, archived=True))
    return None if found is None else found[1].version


def _matching(chain: Chain, wanted: Wanted) -> list[tuple[Found, DatasetRow]]:
    project = None if wanted.project is None else dataset_names.project_of(wanted.project)
    return [
        (Found(registry, each.id), each)
        for registry, each in every(chain, project=project, name=wanted.name)
        if (wanted.version is None or each.version == wanted.version)
        and set(wanted.tags) <= set(each.tags)
        and (not wanted.published or each.published)
        and (not wanted.completed or each.status != dataset_names.OPEN)
        and (wanted.archived or not each.archived)
    ]


def every(
    chain: Chain,
    *,
    ids: Iterable[str] | None = None,
    project: str | None = None,
    recursive: bool = False,
    name: str | None = None,
) -> list[tuple[OpenRegistry, DatasetRow]]:
    """Return the versions of data sets of all registries of a chain, the last changed first.

    Each registry is asked by one statement; the arguments are those of `dataset_rows.find`.
    """
    listed = None if ids is None else list(ids)
    found = []
    for registry, rows in read_each(
        chain,
        lambda connection: dataset_rows.find(
            connection, ids=listed, project=project, recursive=recursive, name=name
        ),
    ):
        not_shown = hidden(chain, registry, [each.id for each in rows])
        found += [(registry, each) for each in rows if each.id not in not_shown]
    if chain.others:
        found.sort(key=lambda pair: pair[1].stamp, reverse=True)
    return found


def listed(
    chain: Chain,
    *,
    project: object = None,
    partial_name: object = None,
    tags: object = None,
    ids: object = None,
    completed: bool = True,
    recursive: bool = True,
    archived: bool = True,
) -> list[DatasetRow]:
    """Return the versions of data sets that match, the last changed first.

    Args:
        project: name of their project.
        partial_name: a regular expression that a part of the name matches.
        tags: at least one of them.
        ids: only these.
        completed: only finalized ones.
        recursive: also those of projects below the project.
        archived: also archived ones.
    """
    wanted = check_project_name(project, "dataset_project")
    pattern = _pattern(partial_name)
    some = set(check_tags("tags", tags))
    if ids is not None and (isinstance(ids, str) or not isinstance(ids, Iterable)):
        raise InvalidValueError(
            f"ids must be a list of str, not {type(ids).__name__}", argument="ids"
        )
    listed_ids = None if not ids else [check_name("ids", each) for each in ids]
    return [
        each
        for _, each in every(
            chain,
            ids=listed_ids,
            project=None if wanted is None else dataset_names.project_of(wanted),
            recursive=recursive,
        )
        if (pattern is None or pattern.search(each.name))
        and (not some or some & set(each.tags))
        and (not completed or each.status != dataset_names.OPEN)
        and (archived or not each.archived)
    ]


def _pattern(text: object) -> re.Pattern[str] | None:
    if text is None:
        return None
    given = check_text("partial_name", text, limit=REFERENCE_LIMIT)
    try:
        return re.compile(given)
    except re.error as error:
        raise InvalidValueError(
            f"partial_name must be a regular expression, and {shown(given)} is none: {error}; "
            "re.escape() makes one of any text",
            argument="partial_name",
        ) from error


def resolve(chain: Chain, reference: object) -> Found:
    """Return the version of a data set that a reference names.

    A reference is an id, the first 6 or more digits of an id, or ``[project/]name``, followed by
    ``:version`` or ``@alias`` or neither, for the highest version.

    Raises:
        ModelNotFoundError: there is none.
        AmbiguousReferenceError: it means several.
        GateError: it is an alias that is held, since its gate was not passed.
    """
    text = kept_name(
        check_text("reference", reference, limit=REFERENCE_LIMIT, nul=False, empty=False)
    )
    rows = every(chain)
    for registry, each in rows:
        if each.id == text:
            return Found(registry, each.id)
    for rest, version in _readings(text):
        named = [pair for pair in rows if rest in (_path(pair[1]), pair[1].name)]
        exact = [pair for pair in named if _path(pair[1]) == rest] or named
        if version is not None:
            exact = [pair for pair in exact if pair[1].version == version]
        if not exact:
            continue
        lines = {_line(each) for _, each in exact}
        if len(lines) > 1:
            raise _ambiguous(text, [each for _, each in exact])
        active = [pair for pair in exact if not pair[1].archived] or exact
        if version is None:
            registry, each = max(active, key=lambda pair: order(pair[1]))
        elif len(active) > 1:
            raise _ambiguous(text, [each for _, each in active])
        else:
            registry, each = active[0]
        return Found(registry, each.id)
    of_alias = _aliased(chain, text)
    if of_alias is not None:
        return of_alias
    if _PREFIX.fullmatch(text):
        hits = [pair for pair in rows if pair[1].id.startswith(text)]
        if len(hits) > 1:
            raise _ambiguous(text, [each for _, each in hits])
        if hits:
            return Found(hits[0][0], hits[0][1].id)
    raise _not_found(text, [each for _, each in rows])


def _path(each: DatasetRow) -> str:
    return f"{each.shown_project}/{each.name}".lstrip("/")


def _readings(text: str) -> list[tuple[str, str | None]]:
    rest, colon, version = text.rpartition(":")
    return [(text, None)] + ([(rest.strip(), version.strip())] if colon else [])


def _aliased(chain: Chain, text: str) -> Found | None:
    rest, at, alias = text.rpartition("@")
    if not at:
        return None
    project, _, name = rest.strip().rpartition("/")
    line = (dataset_names.project_of(project), name)
    for registry, target in read_each(
        chain, lambda connection: check_not_held(connection, line, alias.strip())
    ):
        if target is not None:
            return Found(registry, target)
    return None


def _ambiguous(text: str, rows: list[DatasetRow]) -> AmbiguousReferenceError:
    named = ", ".join(f"{each.ref} ({each.id[:8]})" for each in rows[:5])
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return AmbiguousReferenceError(
        f"{shown(text)} means {len(rows)} data sets: {named}{more}; name one of them by its "
        "project or by its id",
        reference=text,
        hits=tuple(each.id for each in rows),
    )


def _not_found(text: str, rows: list[DatasetRow]) -> ModelNotFoundError:
    from difflib import get_close_matches

    for rest, version in _readings(text):
        of_name = [each.version or "?" for each in rows if rest in (_path(each), each.name)]
        if version is not None and of_name:
            some = ", ".join(of_name[:5]) + (", …" if len(of_name) > 5 else "")
            return ModelNotFoundError(
                f"there is no data set {shown(text)}; {shown(rest)} has the versions {some}",
                reference=text,
            )
    names = list(dict.fromkeys(each for row in rows for each in (row.ref, _path(row), row.name)))
    close = get_close_matches(text, names, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(close)}?" if close else (
        "`localreg dataset ls` lists the data sets" if rows else "there are no data sets yet"
    )  # fmt: skip
    return ModelNotFoundError(f"there is no data set {shown(text)}; {hint}", reference=text)
