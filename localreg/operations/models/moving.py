"""Move models to another project, name or number, and free numbers."""

from __future__ import annotations

from collections.abc import Sequence

from localreg.errors import AmbiguousReferenceError, ConflictError, InvalidValueError, NotFoundError
from localreg.operations.finding.references import (
    REFERENCE_LIMIT,
    check_project_name,
    ensure_project,
    require_model,
)
from localreg.operations.models.edits import move_within
from localreg.registry import OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import claim_rows, project_rows
from localreg.store.rows.claim_rows import Claimant
from localreg.store.rows.keys import next_number
from localreg.values.checks import check_name, check_text, shown
from localreg.values.frozen import Frozen
from localreg.values.records import Project, line_payload, reference


class Target(Frozen):
    """Where models are moved to.

    Attributes:
        project: name of the project; None for none.
        name: name of the model.
        number: the version; None for the next one.
    """

    project: str | None
    name: str
    number: int | None


def parse_target(text: object) -> Target:
    """Return what ``[project/]name[:version]`` means; the last slash ends the project.

    >>> parse_target("vision/old/resnet:3")
    Target(project='vision/old', name='resnet', number=3)
    """
    given = check_text("target", text, limit=REFERENCE_LIMIT, nul=False, empty=False)
    rest, colon, number = given.rpartition(":")
    if not (colon and number.isascii() and number.isdigit() and len(number) < 19):
        rest, number = given, ""
    project, slash, name = rest.rpartition("/")
    if not name:
        raise InvalidValueError(
            f"{shown(given)} has no name: write [PROJECT/]NAME[:VERSION]", argument="target"
        )
    if number and int(number) == 0:
        raise InvalidValueError("versions are counted from 1, not 0", argument="target")
    return Target(
        check_project_name(project, "target") if slash else None,
        check_name("target", name),
        int(number) if number else None,
    )


def move_models(registry: OpenRegistry, model_ids: Sequence[str], target: Target) -> list[str]:
    """Move models to a project, name and number; return their references.

    Those that are moved to another project or name lose their aliases.

    Args:
        model_ids: the models; each gets the next number, in this order.
        target: where to.

    Raises:
        ConflictError: the number was named before; nothing was changed.
        InvalidValueError: several models, and one number.
    """
    if target.number is not None and len(model_ids) > 1:
        raise InvalidValueError(
            f"{len(model_ids)} models cannot all be version {target.number}; leave it out, and "
            "each gets the next one",
            argument="target",
        )
    with registry.store.write() as change:
        project = ensure_project(change, target.project)
        for model_id in model_ids:
            _move(change, model_id, project, target)
        rows = [require_model(change.connection, model_id) for model_id in model_ids]
    return [row.ref for row in rows]


def _move(change: Change, model_id: str, project: Project | None, target: Target) -> None:
    connection = change.connection
    row = require_model(connection, model_id)
    where = project.name if project else ""
    same_line = ((row.project.name if row.project else ""), row.name) == (where, target.name)
    if same_line and target.number == row.version:
        return
    number = target.number
    if number is None:
        number = next_number(connection, where, target.name)
    elif claim_rows.was_named(connection, where, target.name, number):
        raise ConflictError(
            f"{reference(project, target.name, number)} was the number of a model before; a number "
            f"never comes to mean another one. Leave it out: the next one is "
            f"{next_number(connection, where, target.name)}"
        )
    if same_line:
        payload = {
            "old": line_payload(row.project, row.name, row.version),
            "new": line_payload(row.project, row.name, number),
        }
        change.record("model.renumbered", model_id, payload)
    else:
        move_within(change, row, project, target.name, number)


def release_number(registry: OpenRegistry, text: object) -> str:
    """Free the number of a model that was removed or moved away; return its id.

    Args:
        text: the reference that it had, ``[project/]name:version``; ``~origin`` or ``~`` and the
            first digits of its id name one of several.

    Raises:
        NotFoundError: no such model has this number.
        ConflictError: the model is there.
        AmbiguousReferenceError: several that were removed or moved away have the number.
    """
    given = check_text("reference", text, limit=REFERENCE_LIMIT, nul=False, empty=False)
    with registry.store.write() as change:
        rest, tilde, of = given.rpartition("~")
        target = parse_target(rest if tilde else given)
        found = _claimants(change, target)
        if tilde:
            found = [each for each in found if each.origin == of or each.id.startswith(of)]
        if not found or target.number is None:
            raise NotFoundError(
                f"no model claims the number {given!r}; give [project/]name:version of a model "
                "that was removed or moved away",
                reference=given,
            )
        gone = [each for each in found if not each.here]
        if not gone:
            raise ConflictError(
                f"{given} is there, so its number is in use; `localreg mv {given} NAME` gives it "
                "another one"
            )
        if len(gone) > 1:
            named = ", ".join(f"{given}~{each.id[:8]} (from {each.origin})" for each in gone)
            raise AmbiguousReferenceError(
                f"{len(gone)} models that were removed or moved away claim {given}: {named}; name "
                "one of them",
                reference=given,
                hits=tuple(each.id for each in gone),
            )
        project = target.project and project_rows.by_name(change.connection, target.project)
        payload = line_payload(project or None, target.name, target.number)
        change.record("model.released", gone[0].id, payload)
    return gone[0].id


def _claimants(change: Change, target: Target) -> list[Claimant]:
    if target.number is None:
        return []
    return claim_rows.claimants(change.connection, target.project or "", target.name, target.number)
