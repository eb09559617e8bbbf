"""The removed models, and what `restore_model` would bring back of each."""

from __future__ import annotations

from localreg.operations.finding.queries import check_limit, check_patterns
from localreg.operations.models.removal import weights_are_there
from localreg.registry import Chain
from localreg.store.rows import event_rows, model_rows, remote_gap_rows, tree_rows
from localreg.values.dataset_names import is_data_project
from localreg.values.frozen import Frozen
from localreg.values.records import Json, ModelRecord, WeightsRecord, model_from_payload


class RemovedModel(Frozen):
    """A model that was removed.

    Attributes:
        id, ref: its id, and what it was called.
        at, actor: when it was removed, in microseconds, and by whom; None if it was removed from
            this registry only, of which there is no record.
        aliases: those that come back with it.
        aliases_elsewhere: those that it had, and that another version has now.
        size: the number of bytes of its weights; None if that is not known.
        weights: "here"; "deleted", also if only some are; "elsewhere" if they were never kept
            here, are uploaded, or only a remote has them; "none".
    """

    id: str
    ref: str
    at: int | None
    actor: str | None
    aliases: tuple[str, ...]
    aliases_elsewhere: tuple[str, ...]
    size: int | None
    weights: str


def removed_models(
    chain: Chain,
    *,
    project: str | None = None,
    name: str | None = None,
    patterns: tuple[str, ...] = (),
    limit: int | None = None,
) -> list[RemovedModel]:
    """Return the removed models of the first registry, the last removed first.

    Args:
        project, name: exact; None for any.
        patterns: which the name must match, see `store.rows.name_patterns`.
        limit: the most, 1 or more; None for all.
    """
    most = check_limit("limit", limit)
    chain.first.store.flush()
    with chain.first.store.read() as connection:
        rows = model_rows.all_removed(connection, project, name, check_patterns(patterns))
        shown = [row for row in rows if project or not is_data_project(row[1] or "")][:most]
        return [_removed(chain, connection, *row) for row in shown]


def restorable(chain: Chain, model_id: str) -> RemovedModel:
    """Return what `restore_model` would bring back of a removed model of the first registry."""
    with chain.first.store.read() as connection:
        line = model_rows.line_of(connection, model_id)
        assert line is not None, model_id
        project, name, version = line
        return _removed(chain, connection, model_id, project.name if project else "", name, version)


def _removed(
    chain: Chain,
    connection: model_rows.Connection,
    model_id: str,
    project: str,
    name: str,
    version: int,
) -> RemovedModel:
    event = event_rows.last_of_kind(connection, model_id, "model.removed")
    last = event or event_rows.last_of_kind(connection, model_id, "model.created")
    record = None if last is None else _record(model_id, last.change.payload)
    aliases = () if record is None else record.aliases
    elsewhere = tuple(
        each for each in aliases if model_rows.alias_target(connection, (project, name), each)
    )
    current = WeightsRecord() if record is None else record.current_weights
    line = f"{project}/{name}" if project else name
    return RemovedModel(
        id=model_id,
        ref=f"{line}:{version}",
        at=None if event is None else event.change.at,
        actor=None if event is None else event.actor,
        aliases=tuple(each for each in aliases if each not in elsewhere),
        aliases_elsewhere=elsewhere,
        size=current.bytes,
        weights=_where(chain, connection, record),
    )


def _record(model_id: str, payload: Json) -> ModelRecord | None:
    try:
        return model_from_payload(model_id, payload)
    except (LookupError, TypeError, AttributeError):  # the payload is not one of that kind
        return None


def _where(chain: Chain, connection: model_rows.Connection, record: ModelRecord | None) -> str:
    if record is None:
        return "none"
    weights = [each for each in record.weights if each.digest or each.url]
    if not weights:
        return "none"
    kept = [each for each in weights if each.kept and not each.uploaded]
    if not kept:
        return "elsewhere"
    for each in kept:
        manifest = (
            tree_rows.manifest(connection, each.digest) if each.tree and each.digest else None
        )
        if not weights_are_there(chain, each, manifest):
            # A clone has the bytes of few models: the remote has them.
            return "elsewhere" if remote_gap_rows.is_known(connection, record.id) else "deleted"
    return "here"
