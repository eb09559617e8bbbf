"""The store of Ollama: manifests, which name the layers of a model, and blobs.

A manifest is a version: its sha256 is the key, as it is the id that `ollama list` shows. Tags are
aliases. Layers become the files of a package, or the one file if there is only the model.

Source: the package `manifest` of https://github.com/ollama/ollama, and its `types/model`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from localreg.errors import InvalidValueError
from localreg.operations.importers.alias_names import alias_names
from localreg.operations.importers.foreign_values import mapping_of, metadata_of
from localreg.operations.importers.found import (
    FoundFile,
    FoundModel,
    FoundTask,
    FoundWeights,
    Given,
)
from localreg.operations.importers.linked_files import check_inside, linked_file, linked_files
from localreg.operations.importers.source_files import (
    SourceFolder,
    damaged,
    parsed_json,
    read_bytes,
)
from localreg.values.frameworks import infer_framework
from localreg.values.frozen import Frozen
from localreg.values.paths import is_package_path, printable_path

_MANIFESTS = ("manifests-v2", "manifests")  # of newer versions first; one name counts once
_BLOBS = "blobs"
_HOST, _LIBRARY, _LATEST = "registry.ollama.ai", "library", "latest"
_LIST = "application/vnd.ollama.manifest.list.v2+json"
_RUNNERS = ("ollama", "llamacpp", "mlx")  # of the forms of one model, as Ollama prefers them
_LAYER = "application/vnd.ollama.image."
_MODEL = "model"
_FILES = {  # what the files of layers are called, by the ends of their media types
    _MODEL: "model.gguf",
    "adapter": "adapter.gguf",
    "projector": "projector.gguf",
    "draft": "draft.gguf",
    "embed": "embed.bin",
    "template": "template.txt",
    "prompt": "prompt.txt",
    "system": "system.txt",
    "params": "params.json",
    "messages": "messages.json",
    "license": "LICENSE",
}
_NAMED = {"tensor": "tensors/", "json": ""}  # these layers have names; the folders of their files
_ENDS = {"safetensors": ".safetensors", "ggml": ".bin", "pytorch": ".bin"}
_FACTS = {  # metadata, by what the configuration calls it
    "model_format": "format",
    "model_family": "family",
    "model_families": "families",
    "model_type": "parameter_size",
    "file_type": "quantization",
    "capabilities": "capabilities",
    "context_length": "context_length",
    "embedding_length": "embedding_length",
    "base_name": "base_name",
    "renderer": "renderer",
    "parser": "parser",
    "requires": "requires",
    "remote_host": "remote_host",
    "remote_model": "remote_model",
}
_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")
_PART = re.compile(r"[A-Za-z0-9_][\w.-]{0,127}", re.ASCII)
_HOST_PART = re.compile(r"[A-Za-z0-9_][\w.:-]{0,349}", re.ASCII)
_LIMIT = 16_000_000  # bytes of a manifest or configuration
_MOST_LAYERS = 100_000


def is_one(path: Path) -> bool:
    """Return True if a path is a store, or the folder that one is in."""
    return _store_at(path) is not None


def _store_at(path: Path) -> Path | None:
    for place in (path, path / "models"):
        if (place / _BLOBS).is_dir() and any((place / each).is_dir() for each in _MANIFESTS):
            return place
    return None


@contextmanager
def opened(given: Given) -> Iterator[OllamaStore]:
    """Open a store.

    Raises:
        InvalidValueError: it is none.
    """
    store = None if given.path is None else _store_at(given.path)
    if store is None:
        raise InvalidValueError(
            f"{given.source} must be a folder with manifests and blobs, such as ~/.ollama/models",
            argument="source",
        )
    yield OllamaStore(given.source, Path(os.path.realpath(store)))


class _Name(Frozen):
    """The name of a model without its tag."""

    host: str
    namespace: str
    model: str

    @property
    def whole(self) -> str:
        """The name with all its parts."""
        return f"{self.host}/{self.namespace}/{self.model}"

    @property
    def project(self) -> str | None:
        """The project of the model here."""
        return None if self.namespace == _LIBRARY else self.namespace


class _Layer(Frozen):
    """A layer of a manifest: its kind, bytes and name, and what it was made from."""

    kind: str
    digest: str
    size: int
    name: str
    origin: str


class _Version(Frozen):
    """A manifest, and its tags.

    Attributes:
        name: of the model.
        digest: sha256 of the manifest.
        place: its file.
        config: digest of its configuration; None without one.
        layers: of the model.
        at: when it was written, microseconds.
    """

    name: _Name
    digest: str
    place: Path
    config: str | None
    layers: tuple[_Layer, ...]
    at: int

    @property
    def key(self) -> str:
        """What names it in every store."""
        return f"{self.name.whole}@sha256:{self.digest}"


class OllamaStore:
    """A store of Ollama."""

    kind = "ollama"

    def __init__(self, place: str, root: Path) -> None:
        """Look at a store.

        Args:
            place: what was given, for people.
            root: the real path of the folder with manifests and blobs.
        """
        self.place = place
        self.left: Counter[str] = Counter()
        self._root = root
        folder = SourceFolder(root).folder(_BLOBS)
        self._blobs = {name: folder.path / name for name in folder.names()}

    def tasks(self) -> Iterator[FoundTask]:
        """Yield nothing: a store has no runs."""
        return iter(())

    def models(self) -> Iterator[FoundModel]:
        """Yield the manifests, in the order in which they were written."""
        unfinished = sum("-partial" in each for each in self._blobs)
        if unfinished:
            self.left["parts of downloads that were not finished"] += unfinished
        versions, tags = self._versions()
        keys = {
            f"{versions[key].name.whole}:{tag}": key for key, found in tags.items() for tag in found
        }
        names: dict[_Name, list[str]] = {}
        for key, found in tags.items():
            names.setdefault(versions[key].name, []).extend(found)
        aliases = {name: alias_names(found, self.left) for name, found in names.items()}
        for version in sorted(versions.values(), key=lambda each: (each.at, each.key)):
            own = [
                alias for alias, tag in aliases[version.name].items() if tag in tags[version.key]
            ]
            yield self._model(version, sorted(own), keys)

    # --- manifests

    def _versions(self) -> tuple[Mapping[str, _Version], Mapping[str, Sequence[str]]]:
        """Return the manifests by their keys, and their tags."""
        versions: dict[str, _Version] = {}
        tags: dict[str, list[str]] = {}
        seen = set()
        for folder in _MANIFESTS:
            place = SourceFolder(self._root).folder(folder).path
            if not place.is_dir():
                continue
            for file in map(check_inside, linked_files(place, self._root)):
                parts = file.name.split("/")
                if len(parts) != 4 or not _are_parts(parts):
                    self.left["files that are no manifests"] += 1
                    continue
                if file.target is None:
                    self.left["manifests that are gone"] += 1
                    continue
                if file.name in seen:
                    continue
                seen.add(file.name)
                version = self._version(_Name(*parts[:3]), file.path, file.at)
                older = versions.setdefault(version.key, version)
                if version.at < older.at:
                    versions[version.key] = version
                tags.setdefault(version.key, []).append(parts[3])
        return versions, tags

    def _version(self, name: _Name, place: Path, at: int) -> _Version:
        data = read_bytes(place, _LIMIT)
        digest = hashlib.sha256(data).hexdigest()
        said = _DIGEST.fullmatch(Path(os.path.realpath(place)).name)
        if said is not None and said[1] != digest:
            raise damaged(place, f"should have the sha256 {said[1]}; it has {digest}")
        manifest = mapping_of(parsed_json(data, place), place, "the manifest")
        if manifest.get("mediaType") == _LIST:
            manifest = self._preferred(manifest, place)
        config = mapping_of(manifest.get("config"), place, "config").get("digest")
        layers = manifest.get("layers") or []
        if not (config or layers):
            raise damaged(place, "is no manifest: it has no configuration and no layers")
        if not isinstance(layers, list) or len(layers) > _MOST_LAYERS:
            raise damaged(place, "has no list of layers")
        return _Version(
            name=name,
            digest=digest,
            place=place,
            config=None if config in (None, "") else _digest(config, place),
            layers=tuple(_layer(each, place) for each in layers),
            at=at,
        )

    def _preferred(self, manifest: Mapping[str, object], place: Path) -> Mapping[str, object]:
        """Return the form of a model that Ollama prefers, of those in a list of manifests."""
        listed = manifest.get("manifests")
        if not isinstance(listed, list) or not listed or len(listed) > _MOST_LAYERS:
            raise damaged(place, "has no list of manifests")
        forms = [mapping_of(each, place, "manifests") for each in listed]

        def rank(form: Mapping[str, object]) -> int:
            runner = form.get("runner")
            return _RUNNERS.index(runner) if runner in _RUNNERS else len(_RUNNERS)

        best = min(forms, key=rank)
        if len(forms) > 1:
            self.left["forms of models for other runners"] += len(forms) - 1
        if best.get("layers") or best.get("digest") is None:
            return best
        digest = _digest(best.get("digest"), place)
        blob = self._blob(digest)
        if blob is None:
            raise damaged(place, f"names a manifest that is gone: sha256:{digest}")
        data = read_bytes(blob, _LIMIT)
        if hashlib.sha256(data).hexdigest() != digest:
            raise damaged(blob, "has another sha256 than its name says")
        found = mapping_of(parsed_json(data, blob), blob, "the manifest")
        if found.get("mediaType") == _LIST:
            raise damaged(blob, "is a list of manifests in another")
        return found

    def _blob(self, digest: str) -> Path | None:
        """Return the file of a blob; None if it is gone.

        Raises:
            SourceError: it is a link out of the store, or no file.
        """
        for name in (f"sha256-{digest}", f"sha256:{digest}"):  # older versions wrote a colon
            path = self._blobs.get(name)
            if path is not None:
                found = check_inside(linked_file(name, path, self._root))
                return None if found.target is None else path
        return None

    # --- models

    def _model(
        self, version: _Version, aliases: Sequence[str], keys: Mapping[str, str]
    ) -> FoundModel:
        config = self._config(version)
        weights = self._weights(version, str(config.get("model_format")))
        facts = {key: config.get(name) for name, key in _FACTS.items()}
        origin = next((each.origin for each in version.layers if each.kind == _MODEL), "")
        parent = keys.get(_full_name(origin)) if origin else None
        if parent is None and _is_name(origin):
            facts["parent_model"] = origin
        facts |= {"repository": version.name.whole, "manifest": version.digest}
        first = weights.files[0].name if weights.files else ""
        return FoundModel(
            key=version.key,
            name=version.name.model,
            project=version.name.project,
            framework=infer_framework(first),
            metadata=metadata_of(facts, version.place),
            parent=None if parent == version.key else parent,
            weights=(weights,) if weights.files or weights.missing else (),
            aliases=tuple(aliases),
            changed=version.at,
        )

    def _config(self, version: _Version) -> Mapping[str, object]:
        blob = None if version.config is None else self._blob(version.config)
        if blob is None:
            if version.config is not None:
                self.left["configurations that are gone"] += 1
            return {}
        data = read_bytes(blob, _LIMIT)
        if hashlib.sha256(data).hexdigest() != version.config:
            raise damaged(blob, "has another sha256 than its name says")
        return mapping_of(parsed_json(data, blob), blob, "the configuration")

    def _weights(self, version: _Version, form: str) -> FoundWeights:
        """Return the layers as files, the model first, or why they are missing."""
        files, gone, size = [], [], 0
        used: Counter[str] = Counter()
        for layer in sorted(version.layers, key=lambda each: each.kind != _MODEL):
            name = self._filename(layer, form, used)
            if name is None:
                continue
            blob = self._blob(layer.digest)
            if blob is None:
                gone.append(name)
                size += layer.size
                continue
            found = blob.stat().st_size
            if found != layer.size:
                raise damaged(blob, f"has {found:,} bytes; {version.place} says {layer.size:,}")
            files.append(FoundFile(name, blob, layer.digest))
        missing = None
        if gone:
            more = f" and {len(gone) - 1:,} more" if len(gone) > 1 else ""
            missing = f"the bytes of {gone[0]}{more} are not in the store"
        is_package = len(files) + len(gone) > 1
        return FoundWeights(
            files=tuple(files),
            package=is_package,
            filename=version.name.model if is_package else None,
            missing=missing,
            size=size or None,
        )

    def _filename(self, layer: _Layer, form: str, used: Counter[str]) -> str | None:
        """Return what the file of a layer is called; None if it does not come."""
        if layer.kind in _NAMED:
            name = f"{_NAMED[layer.kind]}{layer.name}"
            if not layer.name or not is_package_path(name):
                self.left["layers whose names no package can have"] += 1
                return None
        elif layer.kind in _FILES:
            name = _FILES[layer.kind]
            if name.endswith(".gguf"):
                name = name.removesuffix(".gguf") + _ENDS.get(form, ".gguf")
        else:
            self.left[f"layers of the kind {printable_path(layer.kind)[:60]}"] += 1
            return None
        used[name] += 1
        if used[name] == 1:
            return name
        stem, dot, end = name.partition(".")
        return f"{stem}-{used[name]}{dot}{end}"


def _layer(found: object, place: Path) -> _Layer:
    layer = mapping_of(found, place, "a layer")
    size, kind = layer.get("size"), layer.get("mediaType")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**63:
        raise damaged(place, "has a layer without a size")
    texts = [each if isinstance(each, str) else "" for each in map(layer.get, ("name", "from"))]
    return _Layer(str(kind).removeprefix(_LAYER), _digest(layer.get("digest"), place), size, *texts)


def _digest(found: object, place: Path) -> str:
    """Return the hex digits of a digest.

    Raises:
        SourceError: it is none. It becomes part of a path.
    """
    match = _DIGEST.fullmatch(found.lower()) if isinstance(found, str) else None
    if match is None:
        raise damaged(place, f"has a digest that is no sha256: {printable_path(str(found)[:80])}")
    return match[1]


def _are_parts(parts: Sequence[str]) -> bool:
    return _HOST_PART.fullmatch(parts[0]) is not None and all(map(_PART.fullmatch, parts[1:]))


def _is_name(text: str) -> bool:
    """Return True if a text is the name of a model; a layer may also name a path of a machine."""
    parts = text.replace(":", "/").split("/")
    return len(parts) <= 4 and all(map(_PART.fullmatch, parts)) and "sha256-" not in text


def _full_name(text: str) -> str:
    """Return the name of a model with all its parts.

    >>> _full_name("tiny"), _full_name("me/tiny:8b")
    ('registry.ollama.ai/library/tiny:latest', 'registry.ollama.ai/me/tiny:8b')
    """
    name, _, tag = text.rpartition(":") if text.rfind(":") > text.rfind("/") else (text, "", "")
    parts = name.split("/")
    defaults = [_HOST, _LIBRARY][: max(0, 3 - len(parts))]
    return f"{'/'.join([*defaults, *parts])}:{tag or _LATEST}"
