"""Adding weights as the next version of a model, by one of four modes."""

from __future__ import annotations

from collections.abc import Callable

from localreg.blobs.local_files.local_file import UNNAMED
from localreg.errors import InvalidURLError, InvalidValueError
from localreg.operations.models.aliases import check_alias, point_alias
from localreg.operations.models.importing import Imported, find_known, known_in
from localreg.operations.models.recording import Description, create
from localreg.operations.weights.ingest import MODES, Held, Source, digest_of, taken_in
from localreg.operations.weights.origin import Origin, check_filename, check_pin, origin_of
from localreg.registry import Chain
from localreg.store.events.change import Change
from localreg.store.rows import task_rows
from localreg.values.checks import shown
from localreg.values.frozen import replace
from localreg.values.records import TaskRecord
from localreg.values.urls import is_folder, parse_weights_url, safe_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.progress import Progress


def add_model(
    chain: Chain,
    source: object,
    description: Description,
    *,
    mode: object = "copy",
    filename: object = None,
    expected: object = None,
    hashed: bool = False,
    task: TaskRecord | None = None,
    alias: str | None = None,
    progress: Progress | None = None,
) -> str:
    """Make a file, a folder or a stream the next version of a model; return the model's id.

    Args:
        source: a local path, or an open binary file.
        description: what is told of it; the name is the file's without.
        mode: "copy"; "move" deletes the source afterwards; "link" shares the bytes with it, by
            a clone where the file system can, else by a hard link; "reference" only records
            where it is.
        filename: the name it is handed out under, by default the source's own.
        expected: the sha256 that the bytes must have.
        hashed: with "reference", also record what the file's digest is now.
        task: the task that made it, which gets it as an output.
        alias: points to the new version afterwards.
        progress: told of the bytes that are kept.

    Raises:
        InvalidURLError: it is no local path.
        InvalidValueError: an argument cannot be used, or the source not in this mode.
        DigestMismatchError: the bytes are others than expected; nothing was recorded.
        SourceNotFoundError: there is no such file.
        StorageError: the disk is full, or refused something.
    """
    taken, origin = _look_at(source, mode, filename, expected)
    taken = replace(taken, progress=progress)
    make = _maker(description, origin, task, alias)
    if mode != "reference":
        with taken_in(chain, taken) as (change, held_bytes):
            return make(change, held_bytes)
    held = digest_of(chain.first, taken) if hashed or origin.pinned else None
    with chain.first.store.write() as change:
        return make(change, held)


def add_url(
    chain: Chain,
    url: object,
    description: Description,
    *,
    copy: bool = True,
    filename: object = None,
    expected: object = None,
    task: TaskRecord | None = None,
    alias: str | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Make what a URL serves the next version of a model, unless a model of it is known.

    Args:
        url: none of a local path.
        description, task, alias: as for `add_model`; ignored when the model is known.
        copy: download the bytes now, and keep them; else the URL is only recorded.
        filename: the name they are handed out under, by default the URL's, or the server's.
        expected: the sha256 that the bytes must have.
        progress: told of the bytes that are downloaded.

    Raises:
        InvalidURLError: the URL cannot be used.
        InvalidValueError: another argument cannot.
        DigestMismatchError: the bytes are others than expected; nothing was recorded.
        DownloadError: the server does not give them, or the scheme is none that is fetched.
        StorageError: the disk is full, or refused something.
    """
    name = None if filename is None else check_filename(filename)
    parsed = parse_weights_url(url)
    pin = check_pin(parsed, expected)
    origin = origin_of(parsed, kept=copy, pinned=pin, package=False)
    origin = replace(origin, filename=name or origin.filename)
    make = _maker(description, origin, task, alias)
    known = find_known(chain, parsed, pin)
    if known is not None:
        return known

    registry = chain.first

    def record(change: Change, held: Held | None) -> Imported:
        first = known_in(registry, change.connection, parsed, pin)  # another process may have been
        shown_url = parsed.public or parsed.text
        return first or Imported(registry, make(change, held), known=False, url=shown_url)

    if not copy:
        with registry.store.write() as change:
            return record(change, None)
    from localreg.operations.weights.fetching import Wish, fetched

    wish = Wish(
        url=parsed.text,
        filename=origin.filename,
        named=name is not None,
        wanted=pin,
        progress=progress,
    )
    with fetched(chain, wish) as (change, held):
        return record(change, held)


def _maker(
    description: Description, origin: Origin, task: TaskRecord | None, alias: str | None
) -> Callable[[Change, Held | None], str]:
    """Return what records the model within a transaction, and returns its id.

    Raises:
        InvalidValueError: the alias cannot be used.
    """
    pointer = None if alias is None else check_alias(alias)

    def make(change: Change, held: Held | None) -> str:
        filename = (held and held.filename) or origin.filename or UNNAMED
        told = replace(description, name=description.name or filename.split(".")[0] or filename)
        project = told.project or (task.project.name if task and task.project else None)
        made = create(change, told, origin, held, project=project, maker=task)
        if task is not None:
            payload = {"role": "output", "old": None, "new": made}
            entry = _entry_name(change, task, told.name or "")
            change.record("task.model", task.id, payload, field=entry)
        if pointer is not None:
            point_alias(change, made, pointer)
        return made

    return make


def _look_at(
    source: object, mode: object, filename: object, expected: object
) -> tuple[Source, Origin]:
    if mode not in MODES:
        raise InvalidValueError(
            f"mode must be one of {', '.join(MODES)}, not {shown(mode)}", argument="mode"
        )
    name = None if filename is None else check_filename(filename)
    if hasattr(source, "read"):
        return _look_at_stream(source, mode, name, expected)
    parsed = parse_weights_url(source)
    if parsed.path is None:
        raise InvalidURLError(
            f"{parsed.public} is not a local file; import_model records URLs, and downloads them "
            "with copy=True",
            argument="weights_url",
        )
    pin = check_pin(parsed, expected)
    package = mode != "reference" and is_folder(parsed.path)
    origin = origin_of(parsed, kept=mode != "reference", pinned=pin, package=package)
    origin = replace(
        origin,
        url=None if mode == "move" else origin.url,  # nothing is there afterwards
        filename=name or origin.filename,
    )
    return Source(path=parsed.path, filename=origin.filename, mode=mode, wanted=pin), origin  # type: ignore[arg-type]  # it is one of MODES


def _look_at_stream(
    source: object, mode: object, name: str | None, expected: object
) -> tuple[Source, Origin]:
    if mode != "copy":
        raise InvalidValueError(f"a stream can only be copied, not {mode}", argument="mode")
    told = getattr(source, "name", None)  # of an open file; of a socket it is a number
    own = safe_filename(told) if isinstance(told, str) and not told.startswith("<") else None
    pin = check_pin(None, expected)
    filename = name or own or UNNAMED
    origin = Origin(url=None, public=None, filename=filename, kept=True, pinned=pin)
    return Source(path=None, stream=source, filename=filename, wanted=pin), origin  # type: ignore[arg-type]  # it has read()


def _entry_name(change: Change, task: TaskRecord, name: str) -> str:
    taken = task_rows.models(change.connection, task.id, "output")
    return next(
        each
        for each in (name, *(f"{name} {number}" for number in range(2, len(taken) + 3)))
        if each not in taken
    )
