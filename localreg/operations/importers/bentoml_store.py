"""The store of BentoML: models in versions, each a folder.

::

    models/NAME/VERSION/model.yaml    what is known of it, beside its files
    models/NAME/latest                the newest version
    bentos/NAME/VERSION/              services, which do not come

A version there is a text, such as "q5fbmpsm3gs3k4xj". The numbers here are in the order
of creation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from localreg.errors import InvalidValueError, SourceError
from localreg.operations.importers.foreign_values import (
    mapping_of,
    metadata_of,
    microseconds_of,
    text_of,
)
from localreg.operations.importers.found import FoundFile, FoundModel, FoundTask, FoundWeights
from localreg.operations.importers.source_files import (
    SourceFolder,
    damaged,
    read_bytes,
    read_text,
    read_yaml,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.importers.found import Given

_FILE = "model.yaml"
_LOOKED_AT = 1_000  # folders, to find out if a path is a store


def is_one(path: Path) -> bool:
    """Return True if a path is a store, or its folder of models; one version of it is looked at."""
    try:
        models = _models_of(path)
        if models is None:
            return False
        facts = next(each for each in models.glob(f"*/*/{_FILE}") if each.is_file())
        return b"bentoml" in read_bytes(facts)
    except (OSError, SourceError):
        return False


def _models_of(path: Path) -> Path | None:
    """Return the folder of the models in a store; None if there are none."""
    for each in (path / "models", path):
        if any((version / _FILE).is_file() for version in islice(each.glob("*/*"), _LOOKED_AT)):
            return each
    return None


@contextmanager
def opened(given: Given) -> Iterator[BentomlStore]:
    """Open a store.

    Raises:
        InvalidValueError: it is none.
    """
    models = None if given.path is None else _models_of(given.path)
    if models is None:
        raise InvalidValueError(
            f"{given.source} must be the home of BentoML, with models/NAME/VERSION/{_FILE} in it",
            argument="source",
        )
    yield BentomlStore(models)


class BentomlStore:
    """A store of BentoML."""

    kind = "bentoml"

    def __init__(self, models: Path) -> None:
        self.place = str(models)
        self.left: Counter[str] = Counter()
        self._models = SourceFolder(models)
        bentos = SourceFolder(models.parent).folder("bentos")
        count = sum(1 for name in bentos.folders() for _ in name.folders())
        if models.name == "models" and count:
            self.left["bentos: they are services, made from models"] = count

    def tasks(self) -> Iterator[FoundTask]:
        """Yield nothing: runs are not recorded."""
        return iter(())

    def models(self) -> Iterator[FoundModel]:
        """Yield the versions of each model, the older before the newer."""
        for name in self._models.folders():
            latest = name.file("latest")
            newest = "" if latest is None else read_text(latest, 1_000).strip()
            order = []
            for version in name.folders():
                place = version.file(_FILE)
                if place is None:
                    self.left[f"folders of versions without {_FILE}"] += 1
                else:
                    order.append((_created(_known(place), place), version.path.name, place))
            for created, tag, place in sorted(order):
                aliases = ("latest",) if tag == newest else ()
                yield _model(name.folder(tag), place, created, aliases)


def _known(place: Path) -> Mapping[str, object]:
    return mapping_of(read_yaml(place, by_pyyaml=True), place, "it")


def _created(known: Mapping[str, object], place: Path) -> int:
    return microseconds_of(known.get("creation_time"), place)


def _model(folder: SourceFolder, place: Path, created: int, aliases: tuple[str, ...]) -> FoundModel:
    known = _known(place)
    name = text_of(known.get("name"), place, "name")
    version = text_of(known.get("version"), place, "version")
    if (name, version) != (folder.path.parent.name, folder.path.name):
        raise damaged(place, f"is about another model: {name[:100]}:{version[:100]}")
    context = mapping_of(known.get("context"), place, "context")
    framework = context.get("framework_name") or known.get("module") or None
    labels = mapping_of(known.get("labels"), place, "labels")
    metadata = mapping_of(known.get("metadata"), place, "metadata")
    own = {
        "version": version,
        "module": known.get("module"),
        "api_version": known.get("api_version"),
        "signatures": known.get("signatures"),
        "options": known.get("options"),
        "framework_versions": context.get("framework_versions"),
        "bentoml_version": context.get("bentoml_version"),
        "python_version": context.get("python_version"),
    }
    files = tuple(FoundFile(name, path) for name, path in folder.files_below())
    return FoundModel(
        key=f"{name}\n{version}\n{created}",  # one that was deleted and made again is another one
        name=name,
        framework=None if framework is None else text_of(framework, place, "framework_name"),
        tags=tuple(f"{key}={value}" for key, value in labels.items()),
        metadata=metadata_of(metadata, place) | metadata_of(own, place, "bentoml."),
        weights=(FoundWeights(files=files, package=True, filename=name),),
        aliases=aliases,
        created=created,
    )
