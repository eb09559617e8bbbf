"""A store of modelstore in a folder: a model for each domain, a version for each upload.

::

    operatorai-model-store/
        domains/DOMAIN.json                       the newest upload of a domain
        model_states/STATE.json                   the states that there are
        DOMAIN/versions/ID.json                   what is known of an upload
        DOMAIN/versions/STATE/ID.json             a copy of it: the upload has this state
        DOMAIN/DATE/ID/artifacts.tar.gz           its files

A copy of a bucket that modelstore filled is the same. What the archives hold comes as packages.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from localreg.blobs.archives.unpacking import limits_from_environment, remove_tree, unpack
from localreg.errors import ArchiveError, InvalidValueError
from localreg.operations.importers.foreign_values import (
    mapping_of,
    metadata_of,
    microseconds_of,
    text_of,
)
from localreg.operations.importers.found import FoundFile, FoundModel, FoundTask, FoundWeights
from localreg.operations.importers.source_files import SourceFolder, damaged, read_json
from localreg.values.frozen import Frozen
from localreg.values.records import MetadataValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.importers.found import Given


_ROOT = "operatorai-model-store"
_DELETED = "modelstore-deleted"
_TIME = "%Y/%m/%d/%H:%M:%S"  # of the clock where it was uploaded, whose zone is unknown
_LARGEST = 8_000_000  # bytes of what is known of an upload


def is_one(path: Path) -> bool:
    """Return True if a path is the folder of a store, or the one above."""
    try:
        return any((each / "domains").is_dir() for each in _roots(path))
    except OSError:
        return False


def _roots(path: Path) -> tuple[Path, ...]:
    return tuple(each for each in (path, path / _ROOT) if each.name == _ROOT)


@contextmanager
def opened(given: Given) -> Iterator[ModelstoreFolder]:
    """Open a store.

    Raises:
        InvalidValueError: it is none.
    """
    for each in () if given.path is None else _roots(given.path):
        if (each / "domains").is_dir():
            yield ModelstoreFolder(each, given.folder)
            return
    raise InvalidValueError(
        f"{given.source} must be a folder with {_ROOT}/domains in it", argument="source"
    )


class _Upload(Frozen):
    """What is known of an upload.

    Attributes:
        place: the file that says it.
        model_id: its id.
        created: microseconds since 1970; 0 if that is not known.
        known: the whole content of the file.
    """

    place: Path
    model_id: str
    created: int
    known: Mapping[str, object]


class ModelstoreFolder:
    """A store of modelstore."""

    kind = "modelstore"

    def __init__(self, path: Path, folder: Path) -> None:
        self.place = str(path)
        self.left: Counter[str] = Counter()
        self._root = SourceFolder(path)
        self._folder = folder
        self._unpacked = 0

    def tasks(self) -> Iterator[FoundTask]:
        """Yield nothing: runs are not recorded."""
        return iter(())

    def models(self) -> Iterator[FoundModel]:
        """Yield the uploads of each domain, the older before the newer."""
        for name, latest in self._root.folder("domains").files_below():
            if name.endswith(".json"):
                yield from self._of_domain(name.removesuffix(".json"), latest)

    def _of_domain(self, domain: str, latest: Path) -> Iterator[FoundModel]:
        versions = self._root.folder(domain).folder("versions")
        places = [
            place
            for name in versions.names()
            if name.endswith(".json") and (place := versions.file(name)) is not None
        ]
        # Not all that is known of them is held at once.
        order = sorted((upload.created, upload.place) for upload in map(_upload, places))
        states: dict[str, list[str]] = {}
        for state in versions.folders():
            holders = [each.removesuffix(".json") for each in state.names()]
            if state.path.name == _DELETED:
                self.left["models that were deleted"] += len(holders)
                continue
            for each in holders:
                states.setdefault(each, []).append(state.path.name)
        newest = _id_of(mapping_of(read_json(latest, _LARGEST), latest, "it"), latest)
        for _, place in order:
            upload = _upload(place)
            with self._weights(upload) as weights:
                held = tuple(states.get(upload.model_id, ()))
                aliases = (*held, "latest") if upload.model_id == newest else held
                yield _model(domain, upload, held, aliases, weights)

    @contextmanager
    def _weights(self, upload: _Upload) -> Iterator[tuple[FoundWeights, ...]]:
        """Yield the files of an upload, unpacked until the block ends."""
        storage = mapping_of(upload.known.get("storage"), upload.place, "storage")
        # An absolute path where it was uploaded: only what follows the root's name counts.
        said = text_of(storage.get("path") or storage.get("prefix"), upload.place, "a path")
        _, marker, tail = said.rpartition(f"{_ROOT}/")
        if not marker:
            raise damaged(upload.place, f"says that its files are not below {_ROOT}: {said[:200]}")
        archive = self._root.file(tail)
        if archive is None:
            yield (FoundWeights(missing=f"the file is gone: {tail}"),)
            return
        self._unpacked += 1  # what comes is known by its path, which no other file may have
        folder = self._folder / f"unpacked-{self._unpacked}"
        folder.mkdir()
        try:
            try:
                found = unpack(archive, archive.name, folder, limits_from_environment())
            except ArchiveError as error:
                raise damaged(archive, f"cannot be unpacked ({error})") from error
            self.left["empty folders of archives"] += len(found.folders)
            files = tuple(
                FoundFile(each.name, each.path, executable=each.executable) for each in found.files
            )
            if not files:
                raise damaged(archive, "holds no files")
            name = archive.name.removesuffix(".tar.gz")
            yield (FoundWeights(files=files, package=True, filename=name),)
        finally:
            remove_tree(folder)


def _upload(place: Path) -> _Upload:
    known = mapping_of(read_json(place, _LARGEST), place, "it")
    model_id = _id_of(known, place)
    if f"{model_id}.json" != place.name:
        raise damaged(place, f"is about another model: {model_id[:200]}")
    code = mapping_of(known.get("code") or known.get("meta"), place, "code")
    made = code.get("created")
    created = 0 if made is None else microseconds_of(made, place, _TIME)
    return _Upload(place, model_id, created, known)


def _id_of(known: Mapping[str, object], place: Path) -> str:
    model = mapping_of(known.get("model"), place, "model")
    return text_of(model.get("model_id"), place, "model_id")


def _model(
    domain: str,
    upload: _Upload,
    states: tuple[str, ...],
    aliases: tuple[str, ...],
    weights: tuple[FoundWeights, ...],
) -> FoundModel:
    place = upload.place
    model = mapping_of(upload.known.get("model"), place, "model")
    code = mapping_of(upload.known.get("code"), place, "code")
    kind = mapping_of(model.get("model_type"), place, "model_type")
    parameters = mapping_of(model.get("parameters"), place, "parameters")
    project, _, name = domain.rpartition("/")
    library, user = kind.get("library"), code.get("user")
    return FoundModel(
        # A model that was deleted and uploaded again has the same id.
        key=f"{domain}\n{upload.model_id}\n{upload.created}",
        name=name,
        project=project or None,
        framework=library if isinstance(library, str) else None,
        config=json.dumps(parameters, indent=2, ensure_ascii=False) if parameters else "",
        metadata=_metadata(upload, kind, code, model, states),
        user=user if isinstance(user, str) else None,
        weights=weights,
        aliases=aliases,
        created=upload.created,
    )


def _metadata(
    upload: _Upload,
    kind: Mapping[str, object],
    code: Mapping[str, object],
    model: Mapping[str, object],
    states: tuple[str, ...],
) -> dict[str, MetadataValue]:
    """Return what the user said of a model, and what modelstore did."""
    place = upload.place
    extra = mapping_of(upload.known.get("extra"), place, "extra")
    git = mapping_of(code.get("git"), place, "git")
    own = {
        "id": upload.model_id,
        "version": upload.known.get("modelstore"),
        "type": kind.get("type"),
        "models": kind.get("models"),
        "data": model.get("data"),
        "runtime": code.get("runtime"),
        "dependencies": code.get("dependencies"),
    }
    made = metadata_of(extra, place) | metadata_of(own, place, "modelstore.")
    made |= metadata_of(git, place, "modelstore.git.")
    # Also if it has none: so one that lost its last state has none here either.
    made |= {
        "modelstore.states": MetadataValue(json.dumps(sorted(states), ensure_ascii=False), "list")
    }
    return made
