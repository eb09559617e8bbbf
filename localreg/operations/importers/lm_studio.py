"""The models of LM Studio: a folder PUBLISHER/REPO/ for each repository of the Hub.

Each GGUF file is a version of the model REPO, and its quantization an alias, since these files are
one model in several forms. A file in parts is one version. Projectors and other files of the
folder, such as README.md, belong to each version. A folder without GGUF files, such as MLX's, is
one version.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from localreg.blobs.headers.needed_files import part_of
from localreg.blobs.headers.package_facts import framework_of
from localreg.errors import InvalidValueError
from localreg.operations.importers.alias_names import alias_names
from localreg.operations.importers.card_heads import head_of
from localreg.operations.importers.found import (
    FoundFile,
    FoundModel,
    FoundTask,
    FoundWeights,
    Given,
)
from localreg.operations.importers.linked_files import LinkedFile, linked_files
from localreg.values.paths import is_package_path
from localreg.values.records import MetadataValue

_GGUF = ".gguf"
_WEIGHTS = (_GGUF, ".safetensors")
_UNFINISHED = re.compile(r".*\.(?:part|incomplete|tmp)")  # what a download has until it ends
_PROJECTOR = re.compile(r"(?:.*[-_.])?mmproj(?:[-_.].*|)", re.IGNORECASE)
_QUANTIZATION = re.compile(
    r"(?:.*[-_.])?((?:UD-)?(?:I?Q\d+(?:_\w+)?|TQ\d_\d|MXFP4(?:_MOE)?|NVFP4|BF16|FP?16|FP?32))",
    re.IGNORECASE,
)
_OF_OTHERS = ("model.yaml", "MLmodel")  # folders of BentoML and MLflow
_NAME = re.compile(r"\.?lm[-_ ]?studio", re.IGNORECASE)
_LOOKED_AT = 1_000  # folders, to find out what a path is
_BESIDE = (".cache/huggingface", ".git", "__pycache__")


def is_one(path: Path) -> bool:
    """Return True if a path is such a folder, or the folder that one is in.

    Other programs, too, have folders of folders with safetensors, such as checkpoints: these count
    only below a folder of LM Studio's name.
    """
    named = any(_NAME.fullmatch(part) for part in Path(os.path.realpath(path)).parts)
    return _models_at(path, _WEIGHTS if named else (_GGUF,)) is not None


def _models_at(path: Path, endings: tuple[str, ...]) -> Path | None:
    return next((place for place in (path, path / "models") if _has_models(place, endings)), None)


def _has_models(path: Path, endings: tuple[str, ...]) -> bool:
    looked = 0
    for publisher in _folders(path):
        for repository in _folders(publisher):
            looked += 1
            if looked > _LOOKED_AT:
                return False
            try:
                names = os.listdir(repository)
            except OSError:  # it may not be read
                continue
            if any(each in names for each in _OF_OTHERS):
                return False
            if any(each.endswith(_GGUF) for each in names):
                return True
            if "config.json" in names and any(each.endswith(endings) for each in names):
                return True
    return False


def _folders(path: Path) -> list[Path]:
    """Return the folders in one, without links and what is hidden; none if it is no folder."""
    try:
        with os.scandir(path) as listing:
            return sorted(
                Path(each.path)
                for each in listing
                if not each.name.startswith(".") and each.is_dir(follow_symlinks=False)
            )
    except OSError:
        return []


@contextmanager
def opened(given: Given) -> Iterator[LMStudioModels]:
    """Open the folder of models.

    Raises:
        InvalidValueError: it is none.
    """
    place = None if given.path is None else _models_at(given.path, _WEIGHTS)
    if place is None:
        raise InvalidValueError(
            f"{given.source} must be a folder with models in PUBLISHER/REPO/, such as "
            "~/.lmstudio/models",
            argument="source",
        )
    yield LMStudioModels(given.source, Path(os.path.realpath(place)))


class LMStudioModels:
    """The folder in which LM Studio keeps models."""

    kind = "lmstudio"

    def __init__(self, place: str, root: Path) -> None:
        """Look at a folder.

        Args:
            place: what was given, for people.
            root: the real path of the folder.
        """
        self.place = place
        self.left: Counter[str] = Counter()
        self._root = root

    def tasks(self) -> Iterator[FoundTask]:
        """Yield nothing: there are no runs."""
        return iter(())

    def models(self) -> Iterator[FoundModel]:
        """Yield the versions of each repository, the older files first."""
        for publisher in self._own_folders(self._root):
            for repository in self._own_folders(publisher):
                yield from self._versions(publisher.name, repository)

    def _own_folders(self, place: Path) -> list[Path]:
        with os.scandir(place) as listing:
            links = sum(each.is_symlink() and each.is_dir() for each in listing)
        if links:
            self.left["folders that are links"] += links
        found = _folders(place)
        named = [each for each in found if is_package_path(each.name)]
        if len(named) < len(found):
            self.left["folders whose names no project can have"] += len(found) - len(named)
        return named

    def _versions(self, publisher: str, repository: Path) -> Iterator[FoundModel]:
        models, others = self._sorted(repository)
        if not models:
            if any(each.name.endswith(_WEIGHTS) for each in others):
                yield self._version(publisher, repository, "", others, [])
            elif others:
                self.left["folders without models"] += 1
            return
        aliases = alias_names(_names(models), self.left)
        for name, files in sorted(models.items(), key=lambda each: (_newest(each[1]), each[0])):
            own = [alias for alias, known in aliases.items() if _names(models)[known] == name]
            yield self._version(publisher, repository, name, [*files, *others], own)

    def _sorted(self, repository: Path) -> tuple[Mapping[str, list[LinkedFile]], list[LinkedFile]]:
        """Return the parts of each GGUF file by its name, and the other files."""
        models: dict[str, list[LinkedFile]] = defaultdict(list)
        others = []
        for each in linked_files(repository, self._root, _BESIDE):
            own = each.name.rpartition("/")[2]
            if own.startswith("."):
                continue
            if each.outside:
                self.left["files that are links to other places"] += 1
            elif each.target is None:
                self.left["links to files that are gone"] += 1
            elif _UNFINISHED.fullmatch(own) or own.startswith("downloading_"):
                self.left["downloads that were not finished"] += 1
            elif not is_package_path(each.name):
                self.left["files whose names no package can have"] += 1
            elif own.endswith(_GGUF) and not _PROJECTOR.fullmatch(own.removesuffix(_GGUF)):
                models[_whole(each.name)].append(each)
            else:
                others.append(each)
        return models, others

    def _version(
        self,
        publisher: str,
        repository: Path,
        name: str,
        files: Sequence[LinkedFile],
        aliases: Sequence[str],
    ) -> FoundModel:
        head = head_of(files, self.left)
        found = tuple(FoundFile(each.name, each.path) for each in files)
        texts = {"repo_id": f"{publisher}/{repository.name}"}
        if name:
            texts["file"] = name
        quantization = _quantization(name)
        if quantization:
            texts["quantization"] = quantization
        is_package = len(found) > 1
        return FoundModel(
            key=f"{publisher}/{repository.name}/{name}",
            name=repository.name,
            project=publisher,
            framework=framework_of(None, [each.name for each in files]) if not name else "GGUF",
            tags=head.tags,
            metadata={
                **head.metadata,
                **{key: MetadataValue(text, "str") for key, text in texts.items()},
            },
            weights=(
                FoundWeights(
                    files=found,
                    package=is_package,
                    filename=repository.name if is_package else None,
                ),
            ),
            aliases=tuple(aliases),
            changed=_newest(files),
        )


def _names(models: Mapping[str, object]) -> Mapping[str, str]:
    """Return the names of files by what they are called in aliases: by quantization if it is one's.

    >>> dict(_names({"a-Q8_0.gguf": [], "b-Q8_0.gguf": [], "a-f16.gguf": []}))
    {'a-Q8_0': 'a-Q8_0.gguf', 'b-Q8_0': 'b-Q8_0.gguf', 'F16': 'a-f16.gguf'}
    """
    counts = Counter(map(_quantization, models))
    found = {}
    for name in models:
        quantization = _quantization(name)
        is_one = quantization is not None and counts[quantization] == 1
        found[quantization if is_one and quantization else name.removesuffix(_GGUF)] = name
    return found


def _quantization(name: str) -> str | None:
    """Return the quantization that the name of a file says, or None.

    >>> _quantization("Llama-3.2-1B-Instruct-Q4_K_M.gguf"), _quantization("tiny.gguf")
    ('Q4_K_M', None)
    """
    found = _QUANTIZATION.fullmatch(name.rpartition("/")[2].removesuffix(_GGUF))
    return None if found is None else found[1].upper()


def _whole(name: str) -> str:
    """Return the name of a file without the number of its part.

    >>> _whole("big-Q8_0-00002-of-00003.gguf")
    'big-Q8_0.gguf'
    """
    folder, slash, own = name.rpartition("/")
    part = part_of(own)
    return name if part is None else f"{folder}{slash}{part[0].rstrip('-.')}{part[3]}"


def _newest(files: Sequence[LinkedFile]) -> int:
    return max(each.at for each in files)
