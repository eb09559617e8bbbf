"""Adding weights: a file, several, a folder, a stream or a URL becomes a model's next version."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from localreg import log
from localreg.blobs.local_files.local_file import UNNAMED
from localreg.errors import InvalidURLError, InvalidValueError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import read_text
from localreg.operations.models.aliases import check_alias, point_alias
from localreg.operations.models.importing import Imported, known_or_new
from localreg.operations.models.outputs import enter, free_entry
from localreg.operations.models.recording import Description, create, in_project_of
from localreg.operations.weights.ingest import MODES, digest_of, taken_in
from localreg.operations.weights.origin import Origin, check_filename, check_pin, origin_of
from localreg.operations.weights.other_files import other_files
from localreg.operations.weights.source_files import check_local_path, is_foreign
from localreg.operations.weights.sources import Held, Source
from localreg.registry import Chain
from localreg.store.events.change import Change
from localreg.values.checks import kept_name, shown
from localreg.values.exclusions import (
    ALWAYS,
    IGNORE_FILE,
    matcher,
    parse_exclusion,
    parse_exclusions,
)
from localreg.values.frozen import replace
from localreg.values.paths import printable_path
from localreg.values.records import TaskRecord
from localreg.values.urls import is_folder, parse_weights_url, safe_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.trees.listing import Excluded
    from localreg.operations.models.importing import Taking
    from localreg.progress import Progress

_WITHOUT_ALIAS = (
    "Nothing was added: add it without the alias, and set the alias when the model has what it "
    "needs"
)


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
    exclude: object = (),
    progress: Progress | None = None,
    note: Callable[[Held], None] | None = None,
) -> str:
    """Make a file, several, a folder or a stream a model's next version; return the model's id.

    Args:
        source: a local path, a list or tuple of paths, or an open binary file.
        description: without a name, the model gets that of the file. Several files need one.
        mode: "copy"; "move" deletes the source afterwards; "link" shares the bytes with it, by
            a clone where the file system can, else by a hard link; "reference" only records
            where it is.
        filename: the name of local copies; by default the source's own.
        expected: the sha256 that the bytes must have.
        hashed: with "reference", also record the digest that the file has now.
        task: the task that made the model, which becomes an output of it.
        alias: points to the new version afterwards.
        exclude: patterns of what is left out of a folder, as in `values.exclusions`, beside
            those of its ``.localregignore`` and `ALWAYS`.
        progress: called with the number of bytes that are stored.
        note: called with what the registry keeps of the weights, before it is recorded.

    Raises:
        InvalidURLError: the source is not a local path.
        DigestMismatchError: the bytes do not have the expected sha256; nothing was recorded.
        SourceNotFoundError: the file does not exist.
    """
    checked, origin = _check_source(source, mode, filename, expected, description.name)
    checked = replace(
        checked, progress=progress, excluded=_excluded(checked, mode == "reference", exclude)
    )
    alias = None if alias is None else check_alias(alias)
    if mode != "reference":
        others = other_files(checked, source)  # while the file is there
        with taken_in(chain, checked) as (change, stored):
            if note is not None:
                note(stored)
            made = _record(chain, change, description, origin, stored, task, alias)
        if others:
            log.warning("%s", others)
        return made
    known = digest_of(chain.first, checked) if hashed or origin.pinned else None
    with chain.first.store.write() as change:
        return _record(chain, change, description, origin, known, task, alias)


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
    """Make what a URL serves the next version of a model, unless a model of the URL is known.

    Args:
        url: the URL of a remote file, not a local path.
        description, task, alias: as for `add_model`; ignored if the model is known.
        copy: download the bytes now and store them; if False, only record the URL.
        filename: the name of local copies; by default the URL's, or the one the server sends.
        expected: the sha256 that the bytes must have.
        progress: called with the number of bytes that are downloaded.

    Raises:
        InvalidURLError: the URL cannot be used.
        DigestMismatchError: the bytes do not have the expected sha256; nothing was recorded.
        DownloadError: the download failed, or localreg does not know the URL's scheme.
    """
    name = None if filename is None else check_filename(filename)
    parsed = parse_weights_url(url)
    pin = check_pin(parsed, expected)
    origin = origin_of(parsed, kept=copy, pinned=pin, package=False)
    origin = replace(origin, filename=name or origin.filename)
    alias = None if alias is None else check_alias(alias)

    def make(change: Change, held: Held | None) -> str:
        return _record(chain, change, description, origin, held, task, alias)

    def take() -> Taking:
        from localreg.operations.weights.fetching import Wish, fetched

        wish = Wish(
            url=parsed.text,
            filename=origin.filename,
            named=name is not None,
            wanted=pin,
            progress=progress,
        )
        return fetched(chain, wish)

    return known_or_new(chain, parsed, pin, make, take if copy else None)


def _record(
    chain: Chain,
    change: Change,
    description: Description,
    origin: Origin,
    held: Held | None,
    task: TaskRecord | None,
    alias: str | None,
) -> str:
    """Record the model, its name on the task and its alias, within a transaction."""
    filename = (held and held.filename) or origin.filename or UNNAMED
    stem = filename if origin.package else filename.split(".")[0]
    name = description.name or kept_name(stem) or filename
    named = replace(in_project_of(task, description), name=name)
    made = create(change, named, origin, held, maker=task)
    if task is not None:
        enter(change, task.id, made, free_entry(change, task.id, name))
    if alias is not None:
        point_alias(chain, change, made, alias, remedy=_WITHOUT_ALIAS)
    return made


def _check_source(
    source: object, mode: object, filename: object, expected: object, model: str | None
) -> tuple[Source, Origin]:
    if not isinstance(mode, str) or mode not in MODES:
        raise InvalidValueError(
            f"mode must be one of {', '.join(MODES)}, not {shown(mode)}", argument="mode"
        )
    name = None if filename is None else check_filename(filename)
    if hasattr(source, "read"):
        return _check_stream(source, mode, name, expected)
    if isinstance(source, (list, tuple)):
        return _check_files(source, mode, name or model, expected)
    if name is not None and mode != "reference" and is_foreign(source):
        return _check_foreign(source, mode, name, expected)
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
        url=None if mode == "move" else origin.url,  # the source is deleted
        filename=name or origin.filename,
    )
    return Source(path=parsed.path, filename=origin.filename, mode=mode, wanted=pin), origin  # type: ignore[arg-type]  # it is one of MODES


def _check_foreign(
    path: object, mode: object, name: str, expected: object
) -> tuple[Source, Origin]:
    """Do the work for a path that is not UTF-8, and is therefore not recorded."""
    place = check_local_path("weights_url", path, named=True)
    pin = check_pin(None, expected)
    origin = Origin(
        url=None, public=None, filename=name, kept=True, pinned=pin, package=is_folder(place)
    )
    return Source(path=place, filename=name, mode=mode, wanted=pin), origin  # type: ignore[arg-type]  # it is one of MODES


def _check_files(
    files: list[object] | tuple[object, ...], mode: object, name: str | None, expected: object
) -> tuple[Source, Origin]:
    """Do the work for several files, which become one package.

    Args:
        name: of the local folder, by default that of the model.
    """
    if not files:
        raise InvalidValueError("no file is given: the list is empty", argument="weights_url")
    if name is None:
        raise InvalidValueError(
            "several files become one package, which needs a name=; to make a model of each, add "
            "each by itself",
            argument="name",
        )
    if mode == "reference":
        raise InvalidValueError(
            "several files cannot be recorded by reference: they are in no folder of their own; "
            "copy, move or link them",
            argument="mode",
        )
    paths = tuple(map(_check_file, files))
    pin = check_pin(None, expected)
    own = safe_filename(name) or UNNAMED
    origin = Origin(url=None, public=None, filename=own, kept=True, pinned=pin, package=True)
    return Source(path=None, files=paths, filename=own, mode=mode, wanted=pin), origin  # type: ignore[arg-type]  # it is one of MODES


def _check_file(file: object) -> Path:
    """Return the path of one of several files."""
    parsed = parse_weights_url(file)
    if parsed.path is None:
        raise InvalidURLError(
            f"{parsed.public} is not a local file, and a package is made of local files; add the "
            "URL by itself, or download it first",
            argument="weights_url",
        )
    if is_folder(parsed.path):
        raise InvalidValueError(
            f"{printable_path(parsed.path)} is a folder, and several files become one package "
            "without folders; add a folder that holds all of them, or each by itself",
            argument="weights_url",
        )
    return parsed.path


def _excluded(source: Source, reference: bool, exclude: object) -> Excluded | None:
    """Return what names the entries of a folder that are left out; None for anything else."""
    if isinstance(exclude, str) or not isinstance(exclude, Iterable):
        raise InvalidValueError(
            f"exclude must be a list of patterns, not {type(exclude).__name__}", argument="exclude"
        )
    given = [parse_exclusion(each) for each in exclude]
    folder = source.path
    if folder is None or reference or not source.package:
        if given:
            raise InvalidValueError(
                "exclude needs a folder that is kept; there is nothing to leave out of "
                + ("files" if folder is None else printable_path(folder)),
                argument="exclude",
            )
        return None
    given += [parse_exclusion(each) for each in ALWAYS]
    ignored = folder / IGNORE_FILE
    with disk_errors("reading it", ignored):
        if os.path.lexists(ignored):
            text = read_text(ignored, IGNORE_FILE)
            given += parse_exclusions(text, printable_path(ignored))
    return matcher(given)


def _check_stream(
    stream: object, mode: object, name: str | None, expected: object
) -> tuple[Source, Origin]:
    if mode != "copy":
        raise InvalidValueError(f"a stream can only be copied, not {mode}", argument="mode")
    path = getattr(stream, "name", None)  # a path; the number of a socket; or like "<stdin>"
    own = safe_filename(path) if isinstance(path, str) and not path.startswith("<") else None
    pin = check_pin(None, expected)
    filename = name or own or UNNAMED
    origin = Origin(url=None, public=None, filename=filename, kept=True, pinned=pin)
    return Source(path=None, stream=stream, filename=filename, wanted=pin), origin  # type: ignore[arg-type]  # it has read()
