"""Files that a script saves while a task runs: each becomes an output model of the task.

What is saved under a name again is the next revision of the same model, in whatever process the
task runs. Which model a name belongs to is noted on the place of the task (`task_place`), since
names are paths of this machine.

A training script replaces its checkpoint after each epoch, and must not fill the disk. So all
revisions of a file together have a limit, by default in bytes: the oldest are dropped, and their
bytes are deleted at once if nothing else needs them; the history keeps what they were. The last one
always stays. Models that somebody relies on are not replaced: the next file of that name is the
next version.
"""

from __future__ import annotations

import os
from contextlib import suppress

from localreg.errors import InvalidValueError, ModelInUseError
from localreg.operations.finding.references import require_task
from localreg.operations.models.outputs import free_entry, new_output
from localreg.operations.models.recording import Description
from localreg.operations.models.removal import remove_model
from localreg.operations.models.revisions import Added, Update, add_revision
from localreg.operations.weights.ingest import taken_in
from localreg.operations.weights.origin import Origin
from localreg.operations.weights.sources import Held, Source
from localreg.registry import Chain, OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import model_rows, task_rows
from localreg.values import settings
from localreg.values.checks import shown
from localreg.values.frozen import Frozen
from localreg.values.records import TaskRecord
from localreg.values.units import parse_size

SAVED = "saved"  # the key of the place of a task: ids of models by the names of files
KEPT_BYTES = 100_000_000  # of all revisions of one file
KEPT_REVISIONS = 100


class Saved(Frozen, kw_only=True):
    """A file or folder that was saved, and what its model becomes if it is a new one.

    Attributes:
        task: the id of the task that saved it.
        name: what identifies it on the task: its absolute path, or what a callback set.
        source: its bytes.
        entry: the name of the model on the task, if it is free.
        description: of a new model.
    """

    task: str
    name: str
    source: Source
    entry: str
    description: Description


class Kept(Frozen):
    """The id of the model of a saved file, and the revision that was added.

    Call `delete_replaced` of the revision: at once, or when uploads of earlier ones are done.
    """

    model: str
    added: Added


class Limit(Frozen):
    """How much is kept of the revisions of one file; None for any number.

    Attributes:
        revisions: their number.
        size: the bytes of all of them.
    """

    revisions: int | None
    size: int | None


def limit() -> Limit:
    """Return how much is kept of the revisions of a saved file, as the environment says.

    Raises:
        InvalidValueError: it says neither a number, nor a size, nor "all".
    """
    text = os.environ.get(settings.KEEP_SAVED, "").strip()
    if not text:
        return Limit(KEPT_REVISIONS, KEPT_BYTES)
    if text == "all":
        return Limit(None, None)
    if text.isascii() and text.isdecimal() and int(text) > 0:
        return Limit(int(text), None)
    if not text.isdecimal():
        with suppress(InvalidValueError):  # the error that follows says all that is possible
            return Limit(None, parse_size(text))
    raise InvalidValueError(
        f"{settings.KEEP_SAVED} must be a number of revisions from 1, a size such as 500MB, or "
        f"all, not {shown(text)}",
        argument=settings.KEEP_SAVED,
    )


def _keep_last(change: Change, model_id: str, held: Held, limit: Limit) -> int | None:
    """Return how many revisions of a model are to be kept, the new one included."""
    most = limit.revisions
    if limit.size is None:
        return most
    used, number = held.total or held.size, 1
    for each in reversed(model_rows.weights(change.connection, model_id)):
        used += each.bytes or 0
        if used > limit.size or number == most:
            break
        number += 1
    return number


def keep_saved(chain: Chain, saved: Saved, model_id: str | None = None) -> Kept:
    """Keep the bytes of a saved file, as the next revision of its model.

    Args:
        model_id: of the model to use, instead of the one that the name belongs to.

    Raises:
        SourceNotFoundError: the file does not exist any more.
        InvalidValueError: it changes while it is read.
        PublishedError: the model that was given is published.
        StorageError: the disk is full, or refuses writes.
    """
    source, allowed = saved.source, limit()
    origin = Origin(
        url=None, public=None, filename=source.filename, kept=True, package=source.package
    )
    with taken_in(chain, source) as (change, held):
        task = require_task(change.connection, saved.task)
        model = model_id or _model_of(change.connection, task.id, saved.name)
        if model is None:
            model = _new_model(change, task, saved)
        update = Update(
            task=task.id,
            entry=_entry_of(change, task.id, model, saved.entry),
            iteration=None,
            comment=False,
            package=source.package,
            keep_last=None if model_id else _keep_last(change, model, held, allowed),
            delete=True,
        )
        _note(change, task.id, saved.name, model)
        added = add_revision(change, model, origin, held, update)
    return Kept(model, added)


def forget_saved(registry: OpenRegistry, task_id: str, name: str) -> bool:
    """Remove the model of a file that was deleted, with its bytes; True if there was one.

    A model that somebody relies on stays.
    """
    with registry.store.read() as connection:
        model_id = _model_of(connection, task_id, name)
    if model_id is None:
        return False
    try:
        remove_model(registry, model_id, delete_weights=True)
    except ModelInUseError:  # it is an input of this task, too
        return False
    with registry.store.write() as change:
        _note(change, task_id, name, None)
    return True


def _model_of(connection: model_rows.Connection, task_id: str, name: str) -> str | None:
    """Return the id of the model of a name, if it still may get other weights."""
    noted = task_rows.place(connection, task_id).get(SAVED, {}).get(name)
    row = None if noted is None else model_rows.model_row(connection, noted)
    if row is None or row.task != task_id or row.published or row.contested:
        return None
    if model_rows.aliases(connection, row.id):
        return None
    uses = task_rows.uses(connection, row.id)
    if any(role == "input" and user != task_id for user, _, role, _ in uses):
        return None
    return row.id


def _new_model(change: Change, task: TaskRecord, saved: Saved) -> str:
    entry = free_entry(change, task.id, saved.entry)
    return new_output(change, task, saved.description, entry)


def _entry_of(change: Change, task_id: str, model_id: str, wanted: str) -> str:
    outputs = task_rows.models(change.connection, task_id, "output")
    present = next((entry for entry, model in outputs.items() if model == model_id), None)
    return present or free_entry(change, task_id, wanted)


def _note(change: Change, task_id: str, name: str, model_id: str | None) -> None:
    place = task_rows.place(change.connection, task_id)
    noted = dict(place.get(SAVED, {}))
    if noted.get(name) == model_id:
        return
    noted.pop(name, None)
    if model_id is not None:
        noted[name] = model_id
    task_rows.set_place(change.connection, task_id, place | {SAVED: noted})
