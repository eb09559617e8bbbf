"""Models of Hugging Face: a cache, a repository or snapshot in it, or the folder of one model.

A snapshot in a cache is a version: the commit is its key, and names that lead to it are aliases.
Its files are links to blobs, and the name of a blob is its sha256, or the sha1 that git gives it:
so damage is found. A cache has no dates of commits: versions are in the order of their newest
files, and when a model was created is not known.

Any other folder of a model is a version by what is in it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from localreg.blobs.headers.package_facts import framework_of
from localreg.blobs.staging import hashing
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
from localreg.operations.importers.linked_files import LinkedFile, check_inside, linked_files
from localreg.operations.importers.source_files import (
    SourceFolder,
    damaged,
    parsed_json,
    read_bytes,
)
from localreg.operations.models.written_card import README
from localreg.values.frameworks import Framework
from localreg.values.frozen import Frozen
from localreg.values.paths import is_package_path
from localreg.values.records import MetadataValue
from localreg.values.urls import is_sha256

_MODELS = "models--"
_OTHERS = {"datasets--": "data sets", "spaces--": "spaces", "kernels--": "kernels"}
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*", re.ASCII)
_REVISION = re.compile(r"(?:(?!\.\.)[^\s\\~^:?*\[\x00-\x20\x7f\ud800-\udfff]){0,250}")  # of git
_CONFIGS = ("config.json", "adapter_config.json", "config.yaml")
_PIPELINE = "model_index.json"  # of diffusers
_WEIGHTS = (".safetensors", ".bin", ".gguf", ".onnx", ".h5", ".msgpack", ".pt", ".pth", ".ckpt")
_PYTORCH = re.compile(r"(?:.*/)?(?:(?:diffusion_)?pytorch_model.*|adapter_model)\.bin")
# Beside the files of a model, but not of it.
_BESIDE = (".git", ".cache/huggingface", "__pycache__")
_LOCAL = ".cache/huggingface/download"  # what a download into a folder notes
_OF_OTHERS = ("MLmodel", "model.yaml")  # folders of MLflow and BentoML
_GIT_LIMIT = 16_000_000  # bytes of a blob whose sha1 is checked; larger ones have sha256 names
_LISTING_LIMIT = 64_000_000


def is_one(path: Path) -> bool:
    """Return True if a path is a cache, a part of one, or the folder of a model."""
    return _is_in_cache(path) or _cache_at(path) is not None or _is_model(path)


@contextmanager
def opened(given: Given) -> Iterator[HuggingFaceCache | ModelFolder]:
    """Open a cache, a snapshot, a folder, or what a URL with ``hf://`` names.

    Raises:
        InvalidValueError: it is none of them.
        DownloadError: it is neither on the hub nor in the cache of the hub.
        MissingPackageError: a URL needs huggingface_hub.
    """
    path = _downloaded(given) if given.path is None else given.path
    real = Path(os.path.realpath(path))
    if real.parent.name == "snapshots" and _is_in_cache(real):
        yield HuggingFaceCache(given.source, real.parent.parent.parent, real.parent.parent, real)
    elif _is_in_cache(real):
        yield HuggingFaceCache(given.source, real.parent, real)
    elif (cache := _cache_at(real)) is not None:
        yield HuggingFaceCache(given.source, cache)
    elif _is_model(real):
        yield ModelFolder(given.source, real)
    else:
        raise InvalidValueError(
            f"{given.source} is no cache of Hugging Face, no snapshot in it, and no folder of a "
            "model: such a one has weights beside config.json, or beside a README.md with a head",
            argument="source",
        )


def _is_in_cache(path: Path) -> bool:
    """Return True if a path is a repository of models in a cache, or a snapshot of one."""
    if path.name.startswith(_MODELS):
        return (path / "snapshots").is_dir()
    is_snapshot = path.parent.name == "snapshots"
    return is_snapshot and path.parent.parent.name.startswith(_MODELS) and path.is_dir()


def _cache_at(path: Path) -> Path | None:
    """Return the cache at a path, which may be the folder that it is in; None if there is none."""
    for place in (path, path / "hub"):
        try:
            with os.scandir(place) as listing:
                if any(each.name.startswith((_MODELS, *_OTHERS)) for each in listing):
                    return place
        except OSError:  # no folder, or none that may be read
            continue
    return None


def _is_model(path: Path) -> bool:
    """Return True if a folder has a configuration and weights, or weights and a model card.

    The weights may be in a folder in it, such as ``onnx``.
    """
    try:
        names = {*os.listdir(path)}
        if not names.isdisjoint(_OF_OTHERS):
            return False
        if _PIPELINE in names:  # the weights are in the folders below
            return True
        if names.isdisjoint(_CONFIGS) and not _has_head(path / README):
            return False
        return _has_weights(names) or any(
            _has_weights(os.listdir(path / name)) for name in names if (path / name).is_dir()
        )
    except OSError:  # no folder, or none that may be read
        return False


def _has_weights(names: Iterable[str]) -> bool:
    return any(name.endswith(_WEIGHTS) for name in names)


def _has_head(card: Path) -> bool:
    if not card.is_file():
        return False
    with open(card, "rb") as reader:
        return reader.read(4) in (b"---\n", b"---\r")


def _downloaded(given: Given) -> Path:
    """Return the snapshot of a URL, which the library of the hub downloads into its cache."""
    from localreg.blobs.transfer.hugging_face_hub import downloaded_snapshot

    _, _, rest = given.source.partition("://")
    name, _, revision = rest.removeprefix("models/").partition("@")
    parts = name.split("/")
    is_name = 1 <= len(parts) <= 2 and all(_NAME.fullmatch(each) for each in parts)
    if not is_name or not _REVISION.fullmatch(revision):
        raise InvalidValueError(
            f"{given.source} must be hf://ORG/REPO[@REVISION], a model on the hub",
            argument="source",
        )
    return downloaded_snapshot(name, revision or None, only_here=given.dry_run)


class _Repository(Frozen):
    """A repository of a model in a cache.

    Attributes:
        name: on the hub, such as "org/net".
        folder: of the repository.
        refs: the commits by the names that lead to them, such as "main" and "pr/1".
        commits: of the snapshots in the cache.
    """

    name: str
    folder: SourceFolder
    refs: Mapping[str, str]
    commits: frozenset[str]

    @property
    def main(self) -> str | None:
        """The key of the version that other models mean by the name; None if it is not here."""
        commit = self.refs.get("main")
        if commit is None and len(self.commits) == 1:
            commit = next(iter(self.commits))
        return _key(self.name, commit) if commit is not None and commit in self.commits else None


class HuggingFaceCache:
    """A cache, or one repository or snapshot of it."""

    kind = "huggingface"

    def __init__(
        self, place: str, cache: Path, repository: Path | None = None, snapshot: Path | None = None
    ) -> None:
        """Look at a cache.

        Args:
            place: what was given, for people.
            cache: the folder with the repositories.
            repository: the only one that counts; None for all.
            snapshot: the only one that counts; None for all.
        """
        self.place = place
        self.left: Counter[str] = Counter()
        self._cache = cache
        self._only = None if repository is None else repository.name
        self._commit = None if snapshot is None else snapshot.name

    def tasks(self) -> Iterator[FoundTask]:
        """Yield nothing: a cache has no runs."""
        return iter(())

    def models(self) -> Iterator[FoundModel]:
        """Yield the snapshots of each repository, in the order of their newest files."""
        found = [each for each in map(self._repository, self._names()) if each is not None]
        mains = {each.name: each.main for each in found}
        for repository in found:
            yield from self._versions(repository, mains)

    def _names(self) -> list[str]:
        if self._only is not None:
            return [self._only]
        names = []
        for name in sorted(os.listdir(self._cache)):
            if name.startswith(_MODELS) and (self._cache / name).is_symlink():
                self.left["repositories that are links: import the folder they lead to"] += 1
            elif name.startswith(_MODELS):
                names.append(name)
            for start, what in _OTHERS.items():
                self.left[what] += name.startswith(start)
        self.left += Counter()  # without what was not found
        return names

    def _repository(self, name: str) -> _Repository | None:
        parts = name.removeprefix(_MODELS).split("--")
        if not 1 <= len(parts) <= 2 or not all(_NAME.fullmatch(each) for each in parts):
            self.left["folders whose names are not those of models"] += 1
            return None
        folder = SourceFolder(self._cache / name)
        snapshots = folder.folder("snapshots").path
        commits = set()
        if snapshots.is_dir():
            with os.scandir(snapshots) as listing:
                for each in listing:
                    if _COMMIT.fullmatch(each.name) and each.is_dir(follow_symlinks=False):
                        commits.add(each.name)
                    else:
                        self.left["snapshots whose names are no commits"] += 1
        self._count_unfinished(folder)
        return _Repository("/".join(parts), folder, self._refs(folder), frozenset(commits))

    def _refs(self, folder: SourceFolder) -> Mapping[str, str]:
        """Return the commits by the names that lead to them."""
        refs, place = {}, folder.folder("refs").path
        if place.is_dir():
            for each in map(check_inside, linked_files(place, folder.root)):
                text = b"" if each.target is None else read_bytes(each.path, 4_096).strip()
                commit = text.decode("ascii", "replace")
                name = each.name.removeprefix("refs/")  # of a pull request: refs/pr/1
                if _COMMIT.fullmatch(commit) and name not in refs:
                    refs[name] = commit
                else:
                    self.left["names of revisions without a commit"] += 1
        return refs

    def _count_unfinished(self, folder: SourceFolder) -> None:
        blobs = folder.folder("blobs").path
        if self._commit is None and blobs.is_dir():
            with os.scandir(blobs) as listing:
                unfinished = sum(each.name.endswith(".incomplete") for each in listing)
            if unfinished:
                self.left["downloads that were not finished"] += unfinished

    def _versions(
        self, repository: _Repository, mains: Mapping[str, str | None]
    ) -> Iterator[FoundModel]:
        names = defaultdict(list)
        for alias, ref in alias_names(repository.refs, self.left).items():
            commit = repository.refs[ref]
            names[commit].append(alias)
            if self._commit is None and commit not in repository.commits:
                self.left["names of revisions that are not in the cache"] += 1
        snapshots = []
        for commit in repository.commits:
            if self._commit in (None, commit):
                files = self._files(repository, commit)
                newest = max((each.at for each in files), default=0)
                snapshots.append((newest, commit, files))
        for _, commit, files in sorted(snapshots, key=lambda each: each[:2]):
            if not files:
                self.left["revisions without files"] += 1
                continue
            yield self._version(repository, commit, files, sorted(names[commit]), mains)

    def _files(self, repository: _Repository, commit: str) -> list[LinkedFile]:
        folder = repository.folder.folder("snapshots").folder(commit)
        found = _kept(linked_files(folder.path, folder.root), self.left)
        wanted = self._listing(repository, commit)
        lacking = len(wanted.difference(each.name for each in found))
        if lacking:
            self.left["files of revisions that were not downloaded"] += lacking
        return found

    @staticmethod
    def _listing(repository: _Repository, commit: str) -> frozenset[str]:
        """Return the names of all files of a revision, which newer libraries note."""
        path = repository.folder.file(f"trees/{commit}.json")
        if path is None:
            return frozenset()
        found = parsed_json(read_bytes(path, _LISTING_LIMIT), path)
        files = found.get("files") if isinstance(found, dict) else None
        return frozenset(files) if isinstance(files, dict) else frozenset()

    def _version(
        self,
        repository: _Repository,
        commit: str,
        files: list[LinkedFile],
        aliases: Sequence[str],
        mains: Mapping[str, str | None],
    ) -> FoundModel:
        owner, _, name = repository.name.rpartition("/")
        head = head_of(files, self.left)
        own = {"commit": commit, "repo_id": repository.name}
        parent = mains.get(head.bases[0]) if len(head.bases) == 1 else None
        return FoundModel(
            key=_key(repository.name, commit),
            name=name,
            project=owner or None,
            framework=_framework(each.name for each in files),
            tags=head.tags,
            metadata={
                **head.metadata,
                **{key: MetadataValue(text, "str") for key, text in own.items()},
            },
            parent=parent if head.bases != (repository.name,) else None,
            weights=(_weights(files, name, commit),),
            aliases=tuple(aliases),
            changed=max(each.at for each in files),
        )


def _key(name: str, commit: str) -> str:
    return f"{name}@{commit}"


class ModelFolder:
    """The folder of one model, such as `save_pretrained` makes, or a download into a folder."""

    kind = "huggingface"

    def __init__(self, place: str, folder: Path) -> None:
        """Look at a folder, an absolute path without links."""
        self.place = place
        self.left: Counter[str] = Counter()
        self._folder = folder

    def tasks(self) -> Iterator[FoundTask]:
        """Yield nothing: a folder of a model has no runs."""
        return iter(())

    def models(self) -> Iterator[FoundModel]:
        """Yield the model."""
        files = _kept(linked_files(self._folder, self._folder, _BESIDE), self.left)
        head, commit = head_of(files, self.left), self._commit()
        name = self._folder.name or "model"
        own = {} if commit is None else {"commit": MetadataValue(commit, "str")}
        yield FoundModel(
            key=f"folder {name} {_look(files)}",
            name=name,
            framework=_framework(each.name for each in files),
            tags=head.tags,
            metadata={**head.metadata, **own},
            weights=(_weights(files, name, None),),
            changed=max(each.at for each in files),
        )

    def _commit(self) -> str | None:
        """Return the commit that all files were downloaded from; None if there is no such one."""
        notes = self._folder / _LOCAL
        if not notes.is_dir():
            return None
        commits = set()
        for each in map(check_inside, linked_files(notes, self._folder)):
            if each.name.endswith(".incomplete"):
                self.left["downloads that were not finished"] += 1
            elif each.name.endswith(".metadata") and each.target is not None:
                first = read_bytes(each.path, 65_536).partition(b"\n")[0].strip()
                commits.add(first.decode("ascii", "replace"))
        commit = commits.pop() if len(commits) == 1 else ""
        return commit if _COMMIT.fullmatch(commit) else None


def _look(files: Iterable[LinkedFile]) -> str:
    """Return a digest of names, sizes and the ends of files.

    It names a model: what has other weights is another version, and the same folder is the same
    version without reading all of it.
    """
    found = hashlib.sha256()
    for each in files:
        if each.target is not None:
            size = each.path.stat().st_size
            found.update(f"{each.name}\n{size}\n{hashing.sample(each.path)}\n".encode())
    return found.hexdigest()


def _kept(found: Iterable[LinkedFile], left: Counter[str]) -> list[LinkedFile]:
    """Return files without those whose names no package can have.

    Raises:
        SourceError: one is a link to a place outside of what is imported.
    """
    files = []
    for each in map(check_inside, found):
        if is_package_path(each.name):
            files.append(each)
        else:
            left["files whose names no package can have"] += 1
    return files


def _framework(names: Iterable[str]) -> str | None:
    """Return the framework that names of files suggest."""
    listed = list(names)
    if any(map(_PYTORCH.fullmatch, listed)):
        return Framework.pytorch
    return framework_of(None, listed)


def _weights(files: Iterable[LinkedFile], name: str, commit: str | None) -> FoundWeights:
    """Return the package of a model, which may lack files whose bytes are gone.

    Args:
        files: of the model.
        name: of the package.
        commit: of a revision in a cache; None for a folder, whose files have any names.
    """
    found, gone = [], []
    for each in files:
        if each.target is None:
            gone.append(each.name)
        else:
            digest = None if commit is None else _digest(each.path, each.target.name)
            found.append(FoundFile(each.name, each.path, digest))
    missing = None
    if gone:
        more = f" and {len(gone) - 1:,} more" if len(gone) > 1 else ""
        place = "the folder" if commit is None else "the cache"
        revision = "" if commit is None else f" of revision {commit[:8]}"
        missing = f"the bytes of {gone[0]}{more}{revision} are not in {place}"
    return FoundWeights(files=tuple(found), package=True, filename=name, missing=missing)


def _digest(path: Path, blob: str) -> str | None:
    """Return the sha256 that the name of a blob says; None if it says none.

    Raises:
        SourceError: the name is the sha1 that git gives a file, and the bytes have another.
    """
    if is_sha256(blob):
        return blob
    if _COMMIT.fullmatch(blob):
        size = path.stat().st_size
        if size <= _GIT_LIMIT:
            data = read_bytes(path, _GIT_LIMIT)
            sha1 = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
            if sha1 != blob:
                raise damaged(path, f"should have the git sha1 {blob}; it has {sha1}")
    return None
