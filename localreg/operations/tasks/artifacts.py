"""Artifacts of tasks: files and values, stored in the registry under a name."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from localreg.errors import InvalidValueError, NotFoundError
from localreg.operations.finding.references import require_task
from localreg.operations.tasks import artifact_files
from localreg.operations.weights.ingest import taken_in
from localreg.operations.weights.local_copies import (
    check_wish,
    copy_of_url,
    unpacked,
    verifies_always,
)
from localreg.operations.weights.locations import local_file
from localreg.operations.weights.package_copies import package_folder
from localreg.operations.weights.sources import Source
from localreg.plots.options import as_json
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import task_rows
from localreg.values.checks import check_key, check_text
from localreg.values.frozen import Frozen
from localreg.values.records import ArtifactRecord, Json
from localreg.values.urls import is_remote, safe_filename, without_secrets

JSON_LIMIT = 100_000_000
PREVIEW = 10_000  # characters


class Prepared(Frozen):
    """An artifact ready to be stored: where its bytes come from, and what it is."""

    source: Source
    kind: str
    preview: str | None
    layout: Json | None = None  # to read a DataFrame or a tuple back


def prepare(
    chain: Chain,
    name: str,
    value: object,
    *,
    ending: str | None,
    serialize: Callable[[object], bytes | bytearray] | None,
    move: bool,
) -> Prepared:
    """Return an artifact ready to be stored.

    Args:
        chain: where it will be stored.
        name: of the artifact; its filename is made of it.
        value: files (see `artifact_files.source_of`), the URL of a file elsewhere, bytes, a text,
            a numpy array or a tensor, a pandas or polars DataFrame (a Series is stored as one of
            one column), a PIL image, or a JSON value as Python writes it: NaN is allowed, and
            numeric keys become text.
        ending: suffix of the filename, such as ".yaml"; the one of the kind when None.
        serialize: turns any value into bytes.
        move: remove a file at a path when it is stored.
    """
    stem = (safe_filename(name) or "artifact").replace(".", "_")
    if serialize is not None:
        if not callable(serialize):
            raise InvalidValueError(
                f"serialization_function must be a function, not {type(serialize).__name__}",
                argument="serialization_function",
            )
        data = serialize(value)
        if not isinstance(data, bytes | bytearray):
            raise InvalidValueError(
                f"serialization_function must return bytes, not {type(data).__name__}",
                argument="serialization_function",
            )
        return _made(stem, "custom", bytes(data), ending or ".bin", None)
    source = artifact_files.source_of(chain, name, value, move=move)
    if source is not None:
        return Prepared(source, "package" if source.package else "file", None)
    if is_remote(value):
        text = check_text("artifact_object", value)
        made = _made(stem, "url", text.encode(), ".url", without_secrets(text))
        return Prepared(made.source, "url", made.preview)
    return _prepare_value(stem, value, ending)


def _prepare_value(stem: str, value: object, ending: str | None) -> Prepared:
    if isinstance(value, str):
        text = check_text("artifact_object", value)
        return _made(stem, "text", text.encode(), ending or ".txt", text)
    if isinstance(value, bytes | bytearray | memoryview):
        return _made(stem, "bytes", bytes(value), ending or ".bin", None)
    if hasattr(value, "to_csv") or hasattr(value, "write_csv"):  # pandas, polars
        return _prepare_frame(stem, value)
    if hasattr(value, "dtype") and hasattr(value, "__array__"):
        return _prepare_array(stem, value)
    if hasattr(value, "save") and hasattr(value, "mode") and hasattr(value, "size"):  # PIL
        into = io.BytesIO()
        value.save(into, format="PNG")
        return _made(stem, "image", into.getvalue(), ".png", None)
    if isinstance(value, Mapping | Sequence | int | float | bool) or value is None:
        plain = as_json("artifact_object", value, JSON_LIMIT, as_python=True)
        text = json.dumps(plain, indent=2, ensure_ascii=False)
        made = _made(stem, "json", text.encode(), ending or ".json", text)
        layout: Json | None = {"type": "tuple"} if isinstance(value, tuple) else None
        return Prepared(made.source, "json", made.preview, layout)
    raise InvalidValueError(
        f"artifact_object has the type {type(value).__name__}: give a serialization_function, such "
        "as pickle.dumps; localreg itself never pickles, because unpickling runs code",
        argument="artifact_object",
    )


def _prepare_frame(stem: str, frame: object) -> Prepared:
    from localreg.operations.tasks import dataframes

    if hasattr(frame, "to_csv"):
        kind, (data, layout) = "pandas", dataframes.pandas_csv(frame)
    else:
        kind, (data, layout) = "polars", dataframes.polars_csv(frame)
    made = _made(stem, kind, data, ".csv", str(frame))
    return Prepared(made.source, kind, made.preview, layout)


def _prepare_array(stem: str, array: object) -> Prepared:
    import numpy as np

    from localreg.plots.arrays import plain_tensor

    try:
        found = np.asarray(plain_tensor(array))
    except (ValueError, TypeError, RuntimeError) as error:
        raise InvalidValueError(
            f"artifact_object is a {type(array).__name__} that numpy cannot read: "
            f"{str(error)[:200]}",
            argument="artifact_object",
        ) from error
    if found.dtype.hasobject:
        raise InvalidValueError(
            "artifact_object is an array of Python objects, which only pickle could store; convert "
            "it to an array of numbers or strings",
            argument="artifact_object",
        )
    into = io.BytesIO()
    np.save(into, found, allow_pickle=False)
    preview = f"{found.dtype} {found.shape}\n{found}"
    return _made(stem, "numpy", into.getvalue(), ".npy", preview)


def _made(stem: str, kind: str, data: bytes, ending: str, preview: str | None) -> Prepared:
    dot = ending if ending.startswith(".") else f".{ending}"
    source = Source(path=None, stream=io.BytesIO(data), filename=f"{stem}{dot}")
    return Prepared(source, kind, None if preview is None else preview[:PREVIEW])


def keep_artifact(
    chain: Chain,
    task_id: str,
    name: object,
    prepared: Prepared,
    *,
    metadata: object = None,
    preview: object = None,
) -> None:
    """Store an artifact; it replaces one of the same name.

    Raises:
        SourceNotFoundError: the file does not exist.
    """
    key = check_key("name", name)
    details: Json = {"metadata": None, "preview": prepared.preview}
    if prepared.layout is not None:
        details["layout"] = prepared.layout
    if metadata is not None:
        details["metadata"] = as_json("metadata", metadata, JSON_LIMIT)
    if preview is not None:
        details["preview"] = check_text("preview", str(preview))[:PREVIEW]

    with taken_in(chain, prepared.source) as (change, held):
        require_task(change.connection, task_id)
        old = task_rows.artifacts(change.connection, task_id).get(key)
        new = {
            "digest": held.digest,
            "size": held.size,
            "total": held.total,
            "filename": held.filename or prepared.source.filename or "artifact",
            "kind": prepared.kind,
            "details": details,
        }
        payload = {"old": None if old is None else old.digest, "new": new}
        change.record("task.artifact", task_id, payload, field=key)


def artifacts(registry: OpenRegistry, task_id: str) -> dict[str, ArtifactRecord]:
    """Return a task's artifacts, by name."""
    with registry.store.read() as connection:
        require_task(connection, task_id)
        return task_rows.artifacts(connection, task_id)


def artifact(registry: OpenRegistry, task_id: str, name: str) -> ArtifactRecord:
    """Return an artifact of a task.

    Raises:
        NotFoundError: the task has no artifact of this name.
    """
    there = artifacts(registry, task_id)
    if name not in there:
        raise NotFoundError(
            f"the task has no artifact {name!r:.80}; it has {', '.join(there) or 'none'}",
            reference=str(name),
        )
    return there[name]


def drop_artifact(registry: OpenRegistry, task_id: str, name: str) -> None:
    """Remove an artifact; gc deletes its bytes when nothing else needs them.

    Raises:
        NotFoundError: the task has no artifact of this name.
    """
    with registry.store.write() as change:
        require_task(change.connection, task_id)
        old = task_rows.artifacts(change.connection, task_id).get(name)
        if old is None:
            raise NotFoundError(f"the task has no artifact {name!r:.80}", reference=str(name))
        payload = {"old": old.digest, "new": None}
        change.record("task.artifact", task_id, payload, field=name)


def given_url(chain: Chain, registry: OpenRegistry, found: ArtifactRecord) -> str:
    """Return the URL that an artifact was given as."""
    path = local_file(chain, registry, found.digest, found.size, found.filename)
    return path.read_bytes().decode()


def local_path(
    chain: Chain,
    registry: OpenRegistry,
    found: ArtifactRecord,
    *,
    extract: bool,
    force: bool = False,
) -> Path:
    """Return the path of a read-only file with an artifact, or of the folder of a package.

    What is recorded as a URL is downloaded.

    Args:
        extract: unpack an archive. With False, a package is an archive.
        force: download it again.

    Raises:
        CorruptBlobError: the bytes are damaged or missing.
        WeightsError: the download failed.
        ArchiveError: the archive is broken, unsafe or too large.
    """
    from localreg.blobs.archives.unpacking import is_archive

    if found.total is not None:
        if extract:
            return package_folder(chain, registry, found.digest, verify=verifies_always())
        from localreg.operations.weights.archives_on_demand import archive_of

        return archive_of(chain, registry, found.digest, found.filename)
    if found.kind == "url":
        url = given_url(chain, registry, found)
        wish = check_wish("artifact", url, name=None, expected=None, force=force)
        return Path(copy_of_url(chain, wish, extract=extract))
    path = local_file(chain, registry, found.digest, found.size, found.filename)
    if extract and is_archive(path.name):
        return unpacked(chain, found.digest, path)
    return path


def load(path: Path, kind: str, details: Json) -> object:
    """Return the value of an artifact, as it was stored; never unpickles.

    Args:
        path: of its bytes.
        kind, details: of its record.
    """
    if kind == "json":
        found = json.loads(path.read_bytes())
        layout = details.get("layout") or {}
        return tuple(found) if layout.get("type") == "tuple" else found
    if kind == "text":
        return path.read_bytes().decode()  # read_text would turn \r\n into \n
    if kind == "bytes":
        return path.read_bytes()
    if kind == "numpy":
        import numpy as np

        return np.load(path, allow_pickle=False)
    if kind == "npz":  # of ClearML: an archive with one array
        import numpy as np

        with np.load(path, allow_pickle=False) as arrays:
            return arrays[arrays.files[0]]
    if kind == "pandas":
        from localreg.operations.tasks.dataframes import read_pandas

        return read_pandas(path, details.get("layout") or {})
    if kind == "polars":
        from localreg.operations.tasks.dataframes import read_polars

        return read_polars(path, details.get("layout") or {})
    if kind == "image":
        from PIL import Image

        with Image.open(path) as image:
            return image.copy()
    if kind == "pickle":
        raise InvalidValueError(
            "the artifact was pickled by ClearML, and localreg never unpickles, because that runs "
            "code; if you trust it, give get() a deserialization_function such as pickle.loads",
            argument="deserialization_function",
        )
    if kind == "custom":
        raise InvalidValueError(
            "the artifact was made by your own serialization_function; give get() a "
            "deserialization_function that turns its bytes into the value",
            argument="deserialization_function",
        )
    return path
