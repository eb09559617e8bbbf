"""What differs between two models: their records, parameters, files and tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from localreg.errors import ConfigTextError
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.finding.references import require_model
from localreg.operations.finding.upstream import Found, read_each
from localreg.operations.weights.files import Files, ModelFile, files_of
from localreg.operations.weights.locations import holder
from localreg.registry import Chain
from localreg.store.rows import model_rows, task_rows
from localreg.values.differences import (
    FileChanges,
    TextChanges,
    file_changes,
    leaves,
    text_changes,
    value_text,
)
from localreg.values.frozen import Frozen
from localreg.values.manifest import PackageFile
from localreg.values.records import ModelRecord
from localreg.values.secrets import masked, masked_config, masked_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.headers.tensors import TensorChanges

PARTS = ("record", "parameters", "files", "tensors")
_WITH_TENSORS = frozenset({"safetensors", "npz", "npy"})  # formats


class ComparedFile(Frozen):
    """A file of both models whose tensors were to be compared.

    Attributes:
        path: of the file in the second model.
        changes: how they differ; None if they could not be read.
        why: why they could not be read; "" if they were.
    """

    path: str
    changes: TensorChanges | None
    why: str = ""


class ModelDiff(Frozen, kw_only=True):
    """How two models differ; a part that was not asked for, or is not known, is None.

    Attributes:
        first, second: the records.
        record: fields such as "comment" and "metadata.accuracy".
        parameters: those of the tasks that made the models; None if one has no such task.
        files: those of the weights; None if those of one model are not known.
        unknown: the references of the models whose files are not known.
        tensors: of each changed file in a format with tensors.
    """

    first: ModelRecord
    second: ModelRecord
    record: TextChanges | None = None
    parameters: TextChanges | None = None
    files: FileChanges | None = None
    unknown: tuple[str, ...] = ()
    tensors: tuple[ComparedFile, ...] | None = None

    @property
    def same(self) -> bool:
        """True if nothing that was compared differs, and all of it is known."""
        return not (self.record or self.parameters or self.files or self.unknown or self.tensors)


def model_diff(
    chain: Chain,
    first: Found,
    second: Found,
    parts: Sequence[str] = PARTS,
    note: Callable[[int, int], None] | None = None,
) -> ModelDiff:
    """Return how two models differ; nothing is downloaded.

    Args:
        parts: what to compare, some of `PARTS`.
        note: called before tensors are compared, with the number of files and of their bytes.
    """
    old, new = _record(first), _record(second)
    files: FileChanges | None = None
    unknown: list[str] = []
    tensors: tuple[ComparedFile, ...] | None = None
    if "files" in parts or "tensors" in parts:
        both = (files_of(chain, old.current_weights), files_of(chain, new.current_weights))
        unknown = [each.ref for each, known in zip((old, new), both, strict=True) if known is None]
        if both[0] is not None and both[1] is not None:
            files = file_changes(_plain(both[0]), _plain(both[1]))
            if "tensors" in parts:
                tensors = _tensors(chain, both[0], both[1], files, note)
    return ModelDiff(
        first=old,
        second=new,
        record=text_changes(_fields(old), _fields(new)) if "record" in parts else None,
        parameters=_parameters(chain, old, new) if "parameters" in parts else None,
        files=files if "files" in parts else None,
        unknown=tuple(dict.fromkeys(unknown)),
        tensors=tensors,
    )


def _record(found: Found) -> ModelRecord:
    with found.registry.store.read() as connection:
        require_model(connection, found.id)
        record = model_rows.current_record(connection, found.id)
    assert record is not None
    return record


def _fields(record: ModelRecord) -> dict[str, str]:
    """Return what a person wrote about a model, by name, as it may be shown."""
    fields = {
        "comment": masked_text(record.comment or ""),
        "framework": record.framework or "",
        "tags": ", ".join(record.tags),
        **{f"metadata.{key}": masked(key, each.value) for key, each in record.metadata.items()},
        **{f"label.{label}": str(number) for label, number in record.labels.items()},
        **_config(record.config),
    }
    return {name: text for name, text in fields.items() if text or name.startswith("metadata.")}


def _config(text: str) -> dict[str, str]:
    from localreg.values.config_text import text_to_config

    try:
        values = leaves(text_to_config(text)) if text.strip() else {}
    except ConfigTextError:  # any text may be one
        values = {"": ""}
    if "" in values:  # no dict
        return {"configuration": masked_config(text)}
    return {
        f"configuration.{path}": masked(path, value_text(value)) for path, value in values.items()
    }


def _parameters(chain: Chain, first: ModelRecord, second: ModelRecord) -> TextChanges | None:
    made = [_parameters_of(chain, each.task) for each in (first, second)]
    if made[0] is None or made[1] is None:
        return None
    return text_changes(made[0], made[1])


def _parameters_of(chain: Chain, task: str | None) -> dict[str, str] | None:
    if task is None:
        return None
    for _, found in read_each(
        chain,
        lambda each: task_rows.parameters(each, task) if task_rows.task(each, task) else None,
    ):
        if found is not None:
            return {f"{section}/{name}": masked(name, text) for section, name, text, _ in found}
    return None


def _plain(files: Files) -> list[PackageFile]:
    return [PackageFile(each.path, each.digest, each.size, each.executable) for each in files.files]


def _tensors(
    chain: Chain,
    first: Files,
    second: Files,
    files: FileChanges,
    note: Callable[[int, int], None] | None,
) -> tuple[ComparedFile, ...]:
    known = [{(each.path, each.digest): each for each in some.files} for some in (first, second)]
    pairs = [
        (known[0][old.path, old.digest], known[1][new.path, new.digest])
        for old, new in files.changed
        if old.digest != new.digest
    ]
    pairs = [pair for pair in pairs if all(_has_tensors(each) for each in pair)]
    if note is not None and pairs:
        note(len(pairs), sum(each.size for pair in pairs for each in pair))
    return tuple(_compared(chain, *pair) for pair in pairs)


def _has_tensors(file: ModelFile) -> bool:
    return file.facts.get("format") in _WITH_TENSORS


def _compared(chain: Chain, old: ModelFile, new: ModelFile) -> ComparedFile:
    from localreg.blobs.headers.tensors import changed_tensors

    places = [_place(chain, each) for each in (old, new)]
    if places[0] is None or places[1] is None:
        return ComparedFile(new.path, None, "its bytes are not here")
    with disk_errors("comparing weights", places[0]):
        try:
            changes = changed_tensors(places[0], places[1], _name(old), _name(new))
        except FileNotFoundError:  # deleted meanwhile
            return ComparedFile(new.path, None, "its bytes are not here")
    why = "" if changes else "it is damaged, or in another format than it seems"
    return ComparedFile(new.path, changes, why)


def _place(chain: Chain, file: ModelFile) -> Path | None:
    """Return the blob of a file where a registry of the chain has it."""
    held = holder(chain, file.digest, file.size)
    return None if held is None else held.blobs.path(file.digest)


def _name(file: ModelFile) -> str:
    return file.path.rpartition("/")[2]
