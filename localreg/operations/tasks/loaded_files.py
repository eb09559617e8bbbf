"""Files that a script loads while a task runs: what is a known model becomes an input of the task.

A model that the task made itself does not: it is no model that the task starts from.
"""

from __future__ import annotations

from pathlib import Path

from localreg.operations.finding.upstream import Found, ask, hidden, read_each
from localreg.operations.tasks.inputs import connect_model, mark_used, models
from localreg.operations.weights.known_digests import status_of
from localreg.operations.weights.recognizing import recognized
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import blob_rows, model_rows
from localreg.values.urls import local_url


def find_loaded(chain: Chain, path: Path, files: tuple[Path, ...] = ()) -> list[Found]:
    """Return the models whose weights a file or folder has; those to prefer come first.

    They are found by the URL of the weights, by the path of a local copy, or by the bytes; in the
    first registry that knows any.

    Args:
        files: those of a folder that belong to the weights; all if there are none.
    """
    url = local_url(path)
    if not _may_be_known(chain, path, url):
        return []
    digest = recognized(chain, path, files)

    def find(each: OpenRegistry) -> list[Found]:
        with each.store.read() as connection:
            ids = model_rows.having_digest(connection, digest, path.name) if digest else []
            ids = ids or model_rows.with_url(connection, url, archived=False)
        absent = hidden(chain, each, ids)
        return [Found(each, model_id) for model_id in ids if model_id not in absent]

    return next((found for _, found in ask(chain, find) if found), [])


def _may_be_known(chain: Chain, path: Path, url: str) -> bool:
    """Return False if a file cannot be that of a model: scripts load data by the thousand, too."""
    status = status_of(path)
    if status is None:  # a folder
        return True

    def look(connection: model_rows.Connection) -> bool:
        return bool(
            blob_rows.sizes_of(connection, [status.size])
            or model_rows.with_url(connection, url, archived=False)
        )

    return any(answer for _, answer in read_each(chain, look))


def connect_loaded(
    chain: Chain, task_id: str, path: Path, files: tuple[Path, ...] = ()
) -> Found | None:
    """Make the model of a loaded file or folder an input of a task; return it, None without one.

    Nothing is recorded if it is one already, or if the task itself made the model.
    """
    found = find_loaded(chain, path, files)
    if not found:
        return None
    outputs = set(models(chain.first, task_id, "output").values())
    if any(each.id in outputs for each in found):
        return None
    inputs = {model: entry for entry, model in models(chain.first, task_id, "input").items()}
    if found[0].id in inputs:
        mark_used(chain.first, task_id, [inputs[found[0].id]])
    else:
        connect_model(chain, task_id, found[0].id, numbered=True)
    return found[0]
