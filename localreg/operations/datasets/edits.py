"""Removing, renaming, moving and squashing data sets."""

from __future__ import annotations

from collections.abc import Sequence

from localreg.errors import ConflictError, InvalidValueError, ModelInUseError, ModelNotFoundError
from localreg.operations.datasets import changes, contents, looking, recording
from localreg.operations.datasets.contents import Files
from localreg.operations.datasets.looking import Wanted
from localreg.operations.finding.references import check_project_name, ensure_project
from localreg.operations.finding.upstream import Found
from localreg.operations.models.edits import move_within
from localreg.operations.models.removal import remove_model
from localreg.operations.weights.packages import known_package
from localreg.registry import Chain
from localreg.store.rows import dataset_rows, model_rows
from localreg.values import dataset_names
from localreg.values.checks import check_name, shown


def versions_of(chain: Chain, project: object, name: object) -> list[str]:
    """Return the ids of all versions of a data set in the first registry, the oldest first.

    Raises:
        ModelNotFoundError: there is none.
    """
    place = dataset_names.project_of(check_project_name(project, "dataset_project"))
    own = check_name("dataset_name", name)
    with chain.first.store.read() as connection:
        rows = dataset_rows.find(connection, project=place, name=own)
    if not rows:
        shown_name = f"{dataset_names.shown_project(place)}/{own}".lstrip("/")
        raise ModelNotFoundError(f"there is no data set {shown_name!r}", reference=shown_name)
    return [each.id for each in sorted(rows, key=lambda each: each.created)]


def remove_datasets(
    chain: Chain,
    *,
    dataset_id: object = None,
    wanted: Wanted | None = None,
    entire: bool = False,
    force: bool = False,
    delete_files: bool = True,
) -> None:
    """Remove a version of a data set, or all of them; their history stays.

    Args:
        dataset_id: the one to remove; else `wanted` says it.
        wanted: project, name and version.
        entire: remove all versions of the project and name.
        force: also those that tasks or other data sets use.
        delete_files: also delete bytes that nothing else needs.

    Raises:
        ModelNotFoundError: there is none.
        ModelInUseError: a task or another data set uses it; nothing was changed.
        InvalidValueError: several match.
    """
    if entire and not force:
        raise InvalidValueError(
            "entire_dataset=True removes all versions; give force=True, too", argument="force"
        )
    ids = _doomed(chain, dataset_id, wanted, entire)
    if not force:
        _check_unused(chain, ids)
    for each in reversed(ids):
        remove_model(chain.first, each, delete_weights=delete_files, force=force)


def _doomed(chain: Chain, dataset_id: object, wanted: Wanted | None, entire: bool) -> list[str]:
    if dataset_id is not None:
        found = looking.by_id(chain, dataset_id)
        found.registry.store.check_writable()
        return [found.id]
    assert wanted is not None
    if entire:
        return versions_of(chain, wanted.project, wanted.name)
    rows = [
        each
        for _, each in looking.every(
            Chain(chain.first),
            project=None if wanted.project is None else dataset_names.project_of(wanted.project),
            name=wanted.name,
        )
        if wanted.version in (None, each.version)
    ]
    if not rows:
        raise ModelNotFoundError(f"there is no data set with {wanted}", reference=str(wanted))
    if len(rows) > 1:
        some = ", ".join(f"{each.ref} ({each.id})" for each in rows[:5])
        raise InvalidValueError(
            f"{len(rows)} data sets have {wanted}: {some}; give dataset_id or dataset_version, or "
            "entire_dataset=True",
            argument="dataset_version",
        )
    return [rows[0].id]


def _check_unused(chain: Chain, ids: Sequence[str]) -> None:
    with chain.first.store.read() as connection:
        for each in ids:
            children = dataset_rows.children(connection, each)
            outside = [child for child in children if child not in ids]
            if outside:
                child = looking.require(connection, outside[0])
                raise ModelInUseError(
                    f"data set {looking.require(connection, each).ref} ({each}) is a parent of "
                    f"{child.ref} ({child.id}); to remove it nevertheless use force=True",
                    model=each,
                )


def move_datasets(
    chain: Chain,
    project: object,
    name: object,
    *,
    to_project: object = None,
    to_name: object = None,
) -> None:
    """Move all versions of a data set to another project or name.

    Args:
        project, name: what it is called now.
        to_project, to_name: what it is called then; None for as it is.

    Raises:
        ModelNotFoundError: there is none.
        ConflictError: another data set is called so.
    """
    ids = versions_of(chain, project, name)
    new_project = check_project_name(
        project if to_project is None else to_project, "new_dataset_project"
    )
    new_name = check_name("new_dataset_name", name if to_name is None else to_name)
    place = dataset_names.project_of(new_project)
    with chain.first.store.write() as change:
        connection = change.connection
        there = dataset_rows.find(connection, project=place, name=new_name)
        if all(each.id in ids for each in there) and there:
            return  # it is called so
        if there:
            raise ConflictError(
                f"there is a data set {new_project or ''}/{new_name} already, with "
                f"{len(there)} versions; choose another name".replace(" /", " ")
            )
        target = ensure_project(change, place)
        for each in ids:
            row = model_rows.model_row(connection, each)
            if row is not None:
                move_within(change, row, target, new_name)


def squashed(chain: Chain, name: object, found: Sequence[Found], *, task: str | None = None) -> str:
    """Record a new data set with the files of several; return its id.

    Of one, it has all files, and no parent. Of several, it has what each of them added, of which
    later ones replace earlier ones, and the parents that they all have.

    Raises:
        InvalidValueError: none is given, or one is not finalized.
    """
    if not found:
        raise InvalidValueError(
            "give the data sets to squash, as dataset_ids or dataset_project_name_pairs",
            argument="dataset_ids",
        )
    rows = [looking.row(each) for each in found]
    for row in rows:
        if row.status == dataset_names.OPEN:
            raise InvalidValueError(
                f"data set {row.ref} ({row.id}) is not finalized; call finalize() of it first",
                argument="dataset_ids",
            )
    files: Files = {}
    for each in found:
        own = contents.contents(chain, each)
        made = contents.makers(chain, each, own) if len(found) > 1 else {}
        files |= {
            path: file
            for path, file in own.items()
            if file.link is not None or made.get(path, each.id) == each.id
        }
    shared = set(rows[0].parents)
    for row in rows[1:]:
        shared &= set(row.parents)
    parents = [] if len(found) == 1 else [each for each in rows[0].parents if each in shared]
    made_id = recording.create_dataset(
        chain,
        name=name,
        project=rows[0].shown_project or None,
        parents=[looking.by_id(chain, each) for each in parents],
        task=task,
    )
    _keep_upstream(chain, rows)
    changes.put(chain, made_id, files)
    return made_id


def _keep_upstream(chain: Chain, rows: Sequence[dataset_rows.DatasetRow]) -> None:
    """Record the packages of data sets, so that the first registry knows their bytes."""
    from localreg.operations.weights.packages import keep_package

    for row in rows:
        if row.tree is None:
            continue
        package = known_package(chain, row.tree)
        if package is None:
            raise ConflictError(
                f"bytes of data set {row.ref} ({row.id}) are missing or damaged, so that it cannot "
                f"be squashed; `localreg verify {shown(row.id)}` says which"
            )
        with chain.first.store.write() as change:
            keep_package(chain.first, change, package)
