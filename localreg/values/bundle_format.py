"""What a bundle says of itself: manifests, configurations, index; values to bytes and back.

A bundle is an OCI image layout, as a folder or in an uncompressed tar::

    oci-layout              the version of the layout
    index.json              the format of the bundle, and a descriptor for each manifest
    blobs/sha256/DIGEST     manifests, then configurations and records, then files of models

- Each model version has a manifest of CNCF ModelPack: a configuration, and a layer for each file,
  whose digest is that of our blob. So any OCI registry can hold it, and its tools can read it.
- Its record is a second manifest, whose ``subject`` is the first one. Its layers are events and
  reports, each with a media type of its own, and every file that they name and the first manifest
  does not: older weights, manifests of packages, artifacts.
- Each signature of a model version is a manifest whose ``subject`` is that of the version. Its only
  layer is the file of the signature, so tools that ask for what refers to a manifest find it.
- What belongs to no single model version is in the record without a subject; a bundle has exactly
  one: events of tasks, projects and aliases, origins, notes. Each event is in one layer only. If
  there are very many files and reports, they are in more records, whose ``subject`` is that one.
- A plain image of a model version has one layer, a tar of its files below ``models/``. It is for
  tools that know only images; a reader passes over it.
- Not every file must be in the bundle: those in the layer `OMITTED` are named, and stay away,
  because the receiver has them. The layer `NEEDS` has the ids of the events that stay away.

All JSON is canonical (`canonical_json`), manifests are sorted by digest, and nothing holds a time
of now: the same models give the same bytes. A reader ignores properties and layers that it does not
know. The format number says what it must know; a bundle with a higher one is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from localreg.errors import BundleError, NewerBundleError
from localreg.values.canonical import canonical
from localreg.values.checks import shown
from localreg.values.frozen import Frozen, replace
from localreg.values.ids import is_id
from localreg.values.manifest import PackageFile
from localreg.values.paths import is_package_path
from localreg.values.records import Owner
from localreg.values.urls import is_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

FORMAT = 1

LAYOUT_NAME, INDEX_NAME, BLOBS_NAME = "oci-layout", "index.json", "blobs/sha256/"
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
EMPTY_JSON = b"{}"

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
IMAGE_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
IMAGE_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
MODEL = "application/vnd.cncf.model.manifest.v1+json"
MODEL_CONFIG_TYPE = "application/vnd.cncf.model.config.v1+json"
RECORD = "application/vnd.localreg.record.v1+json"
SIGNATURE = "application/vnd.dev.sigstore.bundle.v0.3+json"

# The layers of a record. FILE: bytes that become a blob of the receiver; they come last in a tar.
EVENTS = "application/vnd.localreg.events.v1+jsonl"
ORIGINS = "application/vnd.localreg.origins.v1+json"
REPORTS = "application/vnd.localreg.reports.v1"
NOTES = "application/vnd.localreg.notes.v1+json"
NEEDS = "application/vnd.localreg.needs.v1"
OMITTED = "application/vnd.localreg.omitted.v1"
TREE = "application/vnd.localreg.tree.v1+json"
FILE = "application/vnd.localreg.file.v1"

_FORMAT = "vnd.localreg.bundle.format"
_MODEL_ID = "vnd.localreg.model"
_OWNER = "vnd.localreg.owner"
_ORIGIN = "vnd.localreg.origin"
_REF = "org.opencontainers.image.ref.name"
_TITLE = "org.opencontainers.image.title"
_PATH = "org.cncf.model.filepath"
_METADATA = "org.cncf.model.file.metadata+json"
_SIGNATURE_NAME = "model.sig"
_LAYER = "application/vnd.cncf.model.{}.v1.raw"

# Bounds of what is read. A manifest has 600 bytes for each file of a package.
MOST_MANIFESTS = 2_000_000
MOST_LAYERS = 200_000  # of one manifest
LONGEST_INDEX = 1_073_741_824  # bytes
LONGEST_MANIFEST = 134_217_728
LONGEST_LINE = 268_435_456  # of a layer of lines: an event may hold two configurations
MOST_VALUES = 1_000_000  # in one line
MOST_MISSING = 4_000_000  # files that a bundle says it has not
_LONGEST_PART = 1_048_576  # one descriptor, or one property of a manifest
_LONGEST_TEXT = 4_096
_MOST_ANNOTATIONS = 100
_MOST_BYTES = 2**63 - 1
_AFTER_NUMBER = frozenset(" \t\r\n,]}")

# By the ending of a name, or the name before it. Everything else is weights.
_KINDS = {
    "weight.config": "json yaml yml toml ini cfg conf jinja vocab model tiktoken pbtxt",
    "doc": "md txt rst pdf html png jpg jpeg gif svg",
    "code": "py ipynb sh c cc cpp cu h hpp js ts java go rs lua r jl",
    "dataset": "csv tsv jsonl parquet arrow feather",
}
_KIND_OF_ENDING = {ending: kind for kind, endings in _KINDS.items() for ending in endings.split()}
_NAMES = {
    "license": "doc", "licence": "doc", "notice": "doc", "readme": "doc", "authors": "doc",
    "usage_policy": "doc", "merges.txt": "weight.config", "vocab.txt": "weight.config",
    "spiece.model": "weight.config", "dockerfile": "code", "makefile": "code",
    "requirements.txt": "code",
}  # fmt: skip
_PLAIN, _PROGRAM = 0o644, 0o755

# What skopeo takes as the name of an image in an OCI layout.
_IN_REFS = r"[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*"
_REF_NAME = re.compile(f"{_IN_REFS}(?:/{_IN_REFS})*")
_NOT_IN_REFS = re.compile(r"[^A-Za-z0-9]+")


class Descriptor(Frozen):
    """Names some bytes: how they are to be read, their sha256 and size.

    Attributes:
        media_type: how the bytes are to be read.
        digest: 64 hex digits.
        size: number of bytes.
        artifact_type: of a manifest, what it is: `MODEL`, `RECORD`, or something else.
        annotations: texts by their keys.
    """

    media_type: str
    digest: str
    size: int
    artifact_type: str | None = None
    annotations: Mapping[str, str] = {}

    @property
    def ref(self) -> str | None:
        """The name by which other tools find a manifest, such as ``vision/resnet:1``."""
        return self.annotations.get(_REF)

    @property
    def owner(self) -> Owner | None:
        """The model or task that a layer of reports belongs to; None of any other layer.

        Raises:
            BundleError: a stranger wrote something else.
        """
        text = self.annotations.get(_OWNER)
        if text is None:
            return None
        kind, _, owner = text.partition("/")
        if kind not in ("model", "task") or not is_id(owner):
            raise broken(f"layer sha256:{self.digest[:12]}", f"its owner is {shown(text)}")
        return Owner(kind, owner)

    def encoded(self) -> Json:
        """Return the descriptor as JSON values."""
        encoded: Json = {
            "mediaType": self.media_type,
            "digest": f"sha256:{self.digest}",
            "size": self.size,
        }
        if self.artifact_type is not None:
            encoded["artifactType"] = self.artifact_type
        if self.annotations:
            encoded["annotations"] = dict(self.annotations)
        return encoded


class Manifest(Frozen):
    """A manifest of a bundle.

    Attributes:
        artifact_type: what it is: `MODEL`, `RECORD`, `SIGNATURE`, or something else, such as a
            plain image.
        config: its configuration.
        layers: its parts.
        subject: of the record or a signature of a model version, the manifest of that version. A
            record of more files and reports that belong to no model has that of the bundle.
        annotations: texts by their keys.
    """

    artifact_type: str | None
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = {}

    @property
    def model(self) -> str | None:
        """The id of the model, of its manifest or record."""
        return self.annotations.get(_MODEL_ID)

    @property
    def origin(self) -> str | None:
        """The registry that wrote a record with reports into a container registry."""
        return self.annotations.get(_ORIGIN)

    def encoded(self) -> bytes:
        """Return the bytes whose sha256 is the digest of the manifest."""
        return b"".join(manifest_pieces(self, self.layers))

    def files(self) -> list[PackageFile]:
        """Return the files of a model version by the paths that its manifest gives them.

        Raises:
            BundleError: a layer has no path, or one that leads outside.
        """
        return [_file(each) for each in self.layers if each.media_type != EMPTY_TYPE]

    def of_type(self, media_type: str) -> list[Descriptor]:
        """Return the layers of a media type."""
        return [each for each in self.layers if each.media_type == media_type]


class ModelFacts(Frozen, kw_only=True):
    """What the configuration of a model version says; None for what is not known.

    Attributes:
        name: of the model, with its project: ``vision/resnet``.
        version: its number as text.
        created: microseconds since 1970.
        title, description: for people.
        family: what it descends from, such as "llama3".
        revision: of the code that made it.
        source: URL of what it was made from.
        licenses: names by SPDX.
        architecture: such as "transformer".
        format: "gguf", "safetensors" or another one.
        parameters: how many, as text: "8b".
        precision: such as "bf16".
        quantization: such as "q4_0".
    """

    name: str
    version: str | None = None
    created: int | None = None
    title: str | None = None
    description: str | None = None
    family: str | None = None
    revision: str | None = None
    source: str | None = None
    licenses: tuple[str, ...] = ()
    architecture: str | None = None
    format: str | None = None
    parameters: str | None = None
    precision: str | None = None
    quantization: str | None = None


def owned(layer: Descriptor, owner: Owner) -> Descriptor:
    """Return the descriptor of a layer that belongs to a model or task."""
    return replace(layer, annotations={**layer.annotations, _OWNER: f"{owner.kind}/{owner.id}"})


def canonical_json(value: object) -> bytes:
    """Return the one form of JSON values: sorted keys, no blanks, UTF-8, no line feed.

    >>> canonical_json({"b": "é", "a": [1, None]}).decode()
    '{"a":[1,null],"b":"é"}'
    """
    return canonical(value).encode()


def line_of(value: object) -> bytes:
    """Return a line of a layer of lines: `canonical_json` and a line feed."""
    return canonical_json(value) + b"\n"


def model_config(facts: ModelFacts, files: Sequence[PackageFile]) -> bytes:
    """Return the configuration of a model version, with the properties that ModelPack allows."""
    descriptor = {
        "createdAt": None if facts.created is None else _rfc3339(facts.created),
        "name": facts.name,
        "version": facts.version,
        "title": facts.title,
        "description": facts.description,
        "family": facts.family,
        "revision": facts.revision,
        "sourceURL": facts.source,
        "licenses": list(facts.licenses) or None,
    }
    config = {
        "architecture": facts.architecture,
        "format": facts.format,
        "paramSize": facts.parameters,
        "precision": facts.precision,
        "quantization": facts.quantization,
    }
    layers = [each.digest for each in files] or [EMPTY.digest]
    return canonical_json(
        {
            "descriptor": _known(descriptor),
            "config": _known(config),
            "modelfs": {"type": "layers", "diffIds": [f"sha256:{each}" for each in layers]},
        }
    )


def model_manifest(model: str, config: Descriptor, files: Sequence[PackageFile]) -> Manifest:
    """Return the manifest of a model version.

    Args:
        model: its id. Two versions with the same files have different manifests.
        config: of the bytes of `model_config`.
        files: what it consists of, by path; of one file its name. If there are none, the manifest
            has one empty layer, since it must have one.
    """
    layers = tuple(file_layers(files))
    return Manifest(MODEL, config, layers or (EMPTY,), annotations={_MODEL_ID: model})


def file_layers(files: Sequence[PackageFile]) -> Iterator[Descriptor]:
    """Yield the layers of a model version: one for each of its files."""
    alone = len(files) == 1
    return (_layer(each, "weight" if alone else kind_of(each.path)) for each in files)


def manifest_pieces(manifest: Manifest, layers: Iterable[Descriptor]) -> Iterator[bytes]:
    """Yield the bytes of a manifest with other layers, of which only one is in memory at a time."""
    yield b"{"
    if manifest.annotations:
        yield b'"annotations":' + canonical_json(dict(manifest.annotations)) + b","
    if manifest.artifact_type is not None:
        yield b'"artifactType":' + canonical_json(manifest.artifact_type) + b","
    yield b'"config":' + canonical_json(manifest.config.encoded()) + b',"layers":['
    comma = b""
    for each in layers:
        yield comma + canonical_json(each.encoded())
        comma = b","
    yield b'],"mediaType":' + canonical_json(MANIFEST_TYPE) + b',"schemaVersion":2'
    if manifest.subject is not None:
        yield b',"subject":' + canonical_json(manifest.subject.encoded())
    yield b"}"


def record_manifest(
    layers: Iterable[Descriptor], subject: Descriptor | None = None, model: str | None = None
) -> Manifest:
    """Return the manifest of a record.

    Args:
        layers: in any order; each once.
        subject: the manifest of the model version; None for the record of the bundle.
        model: its id.
    """
    ordered = sorted(layers, key=layer_order)
    annotations = {} if model is None else {_MODEL_ID: model}
    named = None if subject is None else _without_annotations(subject)
    return Manifest(RECORD, EMPTY, tuple(ordered) or (EMPTY,), named, annotations)


def signature_manifest(
    digest: str, size: int, subject: Descriptor, model: str | None = None
) -> Manifest:
    """Return the manifest of a signature of a model version.

    Args:
        digest, size: of the file that holds the signature.
        subject: the manifest of the model version.
        model: its id; None if it is not known.
    """
    layer = Descriptor(SIGNATURE, digest, size, annotations={_TITLE: _SIGNATURE_NAME})
    annotations = {} if model is None else {_MODEL_ID: model}
    return Manifest(SIGNATURE, EMPTY, (layer,), _without_annotations(subject), annotations)


def _without_annotations(manifest: Descriptor) -> Descriptor:
    """Return the descriptor of a manifest as a ``subject`` has it."""
    return Descriptor(manifest.media_type, manifest.digest, manifest.size, manifest.artifact_type)


def record_in_registry(manifest: Manifest, subject: Descriptor, origin: str) -> Manifest:
    """Return a record as a container registry holds it.

    There a record that belongs to no model version is found by the manifest of the version that it
    came with, and says its format. One with reports says who wrote it, who may replace it.

    Args:
        manifest: a record of a bundle.
        subject: the manifest of the model version.
        origin: of the registry that writes it.
    """
    made = manifest
    if manifest.model is None:
        made = record_manifest(manifest.layers, subject)
        made = replace(made, annotations={_FORMAT: str(FORMAT)})
    if made.of_type(REPORTS):
        made = replace(made, annotations={**made.annotations, _ORIGIN: origin})
    return made


def layer_order(layer: Descriptor) -> tuple[str, ...]:
    """Return what the layers of a record are sorted by."""
    return layer.media_type, layer.digest, *layer.annotations.values()


def image_config(layer: str, architecture: str) -> bytes:
    """Return the configuration of a plain image that only has files.

    Args:
        layer: the digest of its layer.
        architecture: of the machines that take it, as Go names it: ``amd64``.
    """
    return canonical_json(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
        }
    )


def image_manifest(model: str, config: Descriptor, layer: Descriptor) -> Manifest:
    """Return the manifest of a plain image.

    Args:
        model: the id of the model version that is in it.
        config: of the bytes of `image_config`.
        layer: the tar of its files.
    """
    return Manifest(None, config, (layer,), annotations={_MODEL_ID: model})


def is_image(manifest: Manifest) -> bool:
    """Return True for the manifest of a plain image: the files of a model once more."""
    return manifest.config.media_type == IMAGE_CONFIG_TYPE


def ref_name(ref: str, model: str, *, shared: bool = False) -> str:
    """Return the name of a model version for other tools.

    It is the reference, if that has the form that skopeo takes: ASCII letters and digits with
    single signs between them. Otherwise it has a minus for what is not allowed, and ends with
    digits of the id, so that two names are never the same.

    Args:
        ref: with project, name and number.
        model: its id.
        shared: True if another model has the same reference.

    >>> ref_name("vision/resnet:1", "0123456789abcdef")
    'vision/resnet:1'
    >>> ref_name("Straße/__net v2:1", "0123456789abcdef")
    'Stra-e/net-v2:1-01234567'
    """
    if not shared and _REF_NAME.fullmatch(ref):
        return ref
    line, _, number = ref.rpartition(":")
    parts = (_NOT_IN_REFS.sub("-", part).strip("-") for part in line.split("/"))
    return f"{'/'.join(filter(None, parts)) or 'model'}:{number}-{model[:8]}"


def kind_of(path: str) -> str:
    """Return what a file of a package is for ModelPack, by its name.

    >>> [kind_of(each) for each in ("a/model.safetensors", "config.json", "README.md", "run.py")]
    ['weight', 'weight.config', 'doc', 'code']
    """
    name = path.rpartition("/")[2].lower()
    if name in _NAMES:
        return _NAMES[name]
    stem, dot, ending = name.rpartition(".")
    if dot and stem in ("readme", "license", "licence", "notice"):
        return "doc"
    return _KIND_OF_ENDING.get(ending, "weight") if dot else "weight"


def descriptor_of_manifest(
    manifest: Manifest, digest: str, size: int, ref: str | None = None
) -> Descriptor:
    """Return the descriptor of a manifest for the index.

    Args:
        ref: the name by which other tools find it.
    """
    return Descriptor(
        MANIFEST_TYPE, digest, size, manifest.artifact_type, {} if ref is None else {_REF: ref}
    )


def index_pieces(manifests: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the bytes of index.json.

    Args:
        manifests: `canonical_json` of each descriptor, sorted by digest.
    """
    yield b'{"annotations":' + canonical_json({_FORMAT: str(FORMAT)}) + b',"manifests":['
    comma = b""
    for each in manifests:
        yield comma + each
        comma = b","
    yield b'],"mediaType":' + canonical_json(INDEX_TYPE) + b',"schemaVersion":2}'


def read_layout(data: bytes) -> None:
    """Raise BundleError if the bytes of ``oci-layout`` are not those of a layout that is known."""
    found = _loaded(data, LAYOUT_NAME)
    if type(found) is not dict or found.get("imageLayoutVersion") != "1.0.0":
        raise broken(LAYOUT_NAME, "it must say imageLayoutVersion 1.0.0")


def read_index(pieces: Iterable[bytes]) -> Iterator[Descriptor]:
    """Yield the descriptors of index.json, one at a time; the memory that it takes is bounded.

    Args:
        pieces: its bytes.

    Raises:
        NewerBundleError: a later version of localreg wrote the bundle.
        BundleError: it is not the index of a bundle.
    """
    known = False
    count = 0
    last = ""
    for name, value in _properties(
        _limited(pieces, LONGEST_INDEX, INDEX_NAME), INDEX_NAME, "manifests"
    ):
        if name == "annotations":
            check_format(_texts(value, INDEX_NAME))
            known = True
        elif name == "manifests":
            count += 1
            if count > MOST_MANIFESTS:
                raise broken(INDEX_NAME, f"it names more than {MOST_MANIFESTS:,} manifests")
            found = read_descriptor(value, f"{INDEX_NAME}, manifest {count}")
            if found.media_type != MANIFEST_TYPE:
                raise broken(
                    f"{INDEX_NAME}, manifest {count}",
                    f"its mediaType must be {MANIFEST_TYPE}, not {shown(found.media_type)}",
                )
            if found.size > LONGEST_MANIFEST:
                raise broken(
                    f"manifest sha256:{found.digest[:12]}",
                    f"it has more than {LONGEST_MANIFEST:,} bytes",
                )
            if found.digest <= last:
                raise broken(
                    f"{INDEX_NAME}, manifest {count}",
                    "manifests must be sorted by digest, and each stand there once",
                )
            last = found.digest
            yield found
    if not known:
        check_format({})


def read_manifest(pieces: Iterable[bytes], digest: str) -> Manifest:
    """Return the manifest that some bytes are.

    Args:
        pieces: its bytes; their digest was checked.
        digest: for errors.

    Raises:
        BundleError: they are not a manifest that can be used.
    """
    part = f"manifest sha256:{digest[:12]}"
    config = subject = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] = {}
    layers: list[Descriptor] = []
    for name, value in _properties(_limited(pieces, LONGEST_MANIFEST, part), part, "layers"):
        if name == "layers":
            if len(layers) == MOST_LAYERS:
                raise broken(part, f"it has more than {MOST_LAYERS:,} layers")
            layers.append(read_descriptor(value, f"{part}, layer {len(layers) + 1}"))
        elif name == "config":
            config = read_descriptor(value, f"{part}, config")
        elif name == "subject" and value is not None:
            subject = read_descriptor(value, f"{part}, subject")
        elif name == "artifactType":
            artifact_type = _text(value, f"{part}, artifactType")
        elif name == "annotations":
            annotations = _texts(value, part)
        elif name == "schemaVersion" and value != 2:
            raise broken(part, f"its schemaVersion must be 2, not {shown(value)}")
    if config is None:
        raise broken(part, "it has no config")
    return Manifest(artifact_type, config, tuple(layers), subject, annotations)


def read_lines(pieces: Iterable[bytes], part: str) -> Iterator[object]:
    """Yield the JSON values of a layer of lines, one at a time.

    Args:
        pieces: its bytes.
        part: what the layer is, for errors.

    Raises:
        BundleError: a line is too long, holds too much, or is not JSON.
    """
    rest: list[bytes] = []  # the start of a line
    number = 1
    for piece in pieces:
        *ends, start = piece.split(b"\n")
        for end in ends:
            yield _line(b"".join([*rest, end]), f"{part}, line {number}")
            rest = []
            number += 1
        rest.append(start)
        if sum(map(len, rest)) > LONGEST_LINE:
            raise broken(f"{part}, line {number}", f"it has more than {LONGEST_LINE:,} bytes")
    if any(rest):
        raise broken(part, "its last line is cut short")


def read_json(data: bytes, part: str) -> Any:  # noqa: ANN401  (JSON)
    """Return the JSON value of a small layer.

    Args:
        part: what it is, for errors.

    Raises:
        BundleError: it is not JSON, or holds too much.
    """
    return _line(data, part)


def notes_pieces(missing: Iterable[bytes], *, history: bool, whole: bool) -> Iterator[bytes]:
    """Yield the bytes of the notes of a bundle.

    Args:
        missing: `canonical_json` of the files that it has not, in their order.
        history: it has events, not only what the models are now.
        whole: it is of a whole registry.
    """
    yield b'{"history":' + canonical_json(history) + b',"missing":['
    comma = b""
    for each in missing:
        yield comma + each
        comma = b","
    yield b'],"v":1,"whole":' + canonical_json(whole) + b"}"


def read_notes(
    pieces: Iterable[bytes], part: str, most: int = MOST_MISSING
) -> Iterator[tuple[str, object]]:
    """Yield the properties of the notes of a bundle, and each element of ``missing`` by itself.

    There may be as many of these as models have weights, so one is in memory at a time.

    Args:
        pieces: the bytes of the notes.
        part: what the layer is, for errors.
        most: the most elements of ``missing``.

    Raises:
        BundleError: they are not JSON, or hold too much.
    """
    count = 0
    for name, value in _properties(_limited(pieces, LONGEST_INDEX, part), part, "missing"):
        if name == "missing":
            count += 1
            if count > most:
                raise broken(part, f"it says of more than {most:,} files that they are missing")
        yield name, value


def omitted_digests(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the digests in a layer `OMITTED`, as 32 bytes each; they are sorted.

    Raises:
        BundleError: its size is wrong, or they are not sorted.
    """
    rest = last = b""
    for piece in pieces:
        data = rest + piece
        whole = len(data) // 32 * 32
        for place in range(0, whole, 32):
            digest = data[place : place + 32]
            if digest <= last:
                raise broken("layer of omitted files", "its digests must be sorted")
            yield digest
            last = digest
        rest = data[whole:]
    if rest:
        raise broken("layer of omitted files", "its size must be a multiple of 32")


def needed_events(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield the ids of the events in a layer `NEEDS`: 16 bytes each.

    Raises:
        BundleError: its size is wrong.
    """
    rest = b""
    for piece in pieces:
        data = rest + piece
        whole = len(data) // 16 * 16
        for place in range(0, whole, 16):
            yield data[place : place + 16].hex()
        rest = data[whole:]
    if rest:
        raise broken("layer of needed events", "its size must be a multiple of 16")


def broken(
    part: str, problem: str, remedy: str = "get it again from where it was made"
) -> BundleError:
    """Return the error for a part of a bundle that cannot be used."""
    return BundleError(f"the bundle cannot be used: {part}: {problem}; {remedy}", part=part)


EMPTY = Descriptor(
    EMPTY_TYPE, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", 2
)
"""`EMPTY_JSON`: the configuration of a record, and the layer of a manifest that has none."""


def check_format(annotations: Mapping[str, str]) -> None:
    """Raise an error if the annotations of an index or a shared record name no known format.

    Raises:
        NewerBundleError: a later version of localreg wrote it.
        BundleError: it names none.
    """
    text = annotations.get(_FORMAT)
    if text is None:
        raise BundleError(
            f"the bundle cannot be used: {INDEX_NAME} says no format, so localreg did not write "
            "it; container registries and their tools keep no record of models. Get the bundle "
            "from where it was made, or pull the files with such a tool and add them by "
            "`localreg add`",
            part=INDEX_NAME,
        )
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise broken(INDEX_NAME, f"its format must be a number, not {shown(text)}")
    if int(text) > FORMAT:
        raise NewerBundleError(
            f"the bundle has format {int(text)}, and this localreg knows format {FORMAT}: "
            "update localreg, or export it again by an older one",
            part=INDEX_NAME,
            found=int(text),
            known=FORMAT,
        )


def _known(values: Json) -> Json:
    return {name: value for name, value in values.items() if value is not None}


def _rfc3339(microseconds: int) -> str:
    moment = datetime.fromtimestamp(microseconds // 1_000_000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _layer(file: PackageFile, kind: str) -> Descriptor:
    name = file.path.rpartition("/")[2]
    metadata = {
        "name": name, "mode": _PROGRAM if file.executable else _PLAIN, "uid": 0, "gid": 0,
        "size": file.size, "mtime": "1970-01-01T00:00:00Z", "typeflag": 48,
    }  # fmt: skip
    return Descriptor(
        _LAYER.format(kind),
        file.digest,
        file.size,
        annotations={
            _PATH: file.path,
            _TITLE: file.path,
            _METADATA: canonical_json(metadata).decode(),
        },
    )


def _file(layer: Descriptor) -> PackageFile:
    part = f"layer sha256:{layer.digest[:12]}"
    path = layer.annotations.get(_PATH, layer.annotations.get(_TITLE))
    if path is None or not is_package_path(path):
        raise broken(part, f"{shown(path)} cannot be the path of a file in a package")
    metadata = _loaded(layer.annotations.get(_METADATA, "{}").encode(), f"{part}, {_METADATA}")
    mode = metadata.get("mode") if type(metadata) is dict else None
    if mode is not None and type(mode) is not int:
        raise broken(part, f"its mode must be a number, not {shown(mode)}")
    return PackageFile(path, layer.digest, layer.size, bool(mode and mode & 0o100))


def read_descriptor(value: object, part: str) -> Descriptor:
    """Return the descriptor that JSON values are.

    Args:
        part: what it is, for errors.

    Raises:
        BundleError: they are none that can be used.
    """
    if type(value) is not dict:
        raise broken(part, f"it must be an object, not {shown(value)}")
    digest, size = value.get("digest"), value.get("size")
    if type(digest) is not str or digest[:7] != "sha256:" or not is_sha256(digest[7:]):
        raise broken(part, f"its digest must be sha256: and 64 hex digits, not {shown(digest)}")
    if type(size) is not int or not 0 <= size <= _MOST_BYTES:
        raise broken(part, f"its size must be a number of bytes, not {shown(size)}")
    artifact = value.get("artifactType")
    return Descriptor(
        _text(value.get("mediaType"), f"{part}, mediaType"),
        digest[7:],
        size,
        None if artifact is None else _text(artifact, f"{part}, artifactType"),
        _texts(value.get("annotations"), part),
    )


def _text(value: object, part: str) -> str:
    if type(value) is not str or len(value) > _LONGEST_TEXT:
        raise broken(part, f"it must be a text of at most {_LONGEST_TEXT:,} characters")
    return value


def _texts(value: object, part: str) -> Mapping[str, str]:
    if value is None:
        return {}
    if type(value) is not dict or len(value) > _MOST_ANNOTATIONS:
        raise broken(part, f"its annotations must be at most {_MOST_ANNOTATIONS} texts by key")
    for text in value.values():
        if type(text) is not str:
            raise broken(part, f"an annotation must be a text, not {shown(text)}")
    return value


def _line(data: bytes, part: str) -> object:
    if len(data) > _LONGEST_PART:
        _check_amount(data, part)
    return _loaded(data, part)


def _check_amount(data: bytes, part: str) -> None:
    """Raise BundleError if JSON has so many values that they would take too much memory."""
    import re

    outside = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", data)
    if sum(map(outside.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise broken(part, f"it has more than {MOST_VALUES:,} values")


def _loaded(data: bytes, part: str) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _not_json(part, error) from error


def _not_json(part: str, error: Exception) -> BundleError:
    return broken(part, f"it is not JSON ({str(error)[:100]})")


def _limited(pieces: Iterable[bytes], limit: int, part: str) -> Iterator[bytes]:
    done = 0
    for piece in pieces:
        done += len(piece)
        if done > limit:
            raise broken(part, f"it has more than {limit:,} bytes")
        yield piece


def _properties(pieces: Iterator[bytes], part: str, array: str) -> Iterator[tuple[str, object]]:
    """Yield the properties of a JSON object, of which only one is in memory at a time.

    Args:
        array: the name of an array; its elements are yielded one by one, with that name.
    """
    text = _Text(pieces, part)
    if text.next() != "{":
        raise broken(part, "it must be a JSON object")
    text.take("{")
    if text.next() == "}":
        text.take("}")
    else:
        while True:
            name = text.value()
            if type(name) is not str:
                raise broken(part, "it is not JSON (a name must be a text)")
            text.take(":")
            if name == array:
                if text.next() != "[":
                    raise broken(part, f"{name} must be a list")
                text.take("[")
                if text.next() != "]":
                    yield name, text.value()
                    while text.next() == ",":
                        text.take(",")
                        yield name, text.value()
                text.take("]")
            else:
                yield name, text.value()
            if text.next() == "}":
                text.take("}")
                break
            text.take(",")
    text.end()


class _Text:
    """JSON that is read piece by piece."""

    def __init__(self, pieces: Iterator[bytes], part: str) -> None:
        import codecs

        self._pieces = pieces
        self._part = part
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._place = 0
        self._whole = False
        self._scan = json.JSONDecoder().raw_decode

    def next(self) -> str:
        """Return the next character that is not blank; "" at the end."""
        while True:
            while self._place < len(self._text):
                if self._text[self._place] not in " \t\r\n":
                    return self._text[self._place]
                self._place += 1
            if not self._more():
                return ""

    def take(self, char: str) -> None:
        found = self.next()
        if found != char:
            raise broken(self._part, f"it is not JSON ({char!r} must stand where {found!r} is)")
        self._place += 1

    def value(self) -> object:
        self.next()
        while True:
            try:
                found, end = self._scan(self._text, self._place)
            except (ValueError, RecursionError) as error:
                if isinstance(error, RecursionError) or not self._more():
                    raise _not_json(self._part, error) from error
                continue
            # A number may go on in the next piece: of "1.5" the scanner takes the first digit, if
            # it has "1." only.
            is_whole = type(found) not in (int, float) or self._text[end : end + 1] in _AFTER_NUMBER
            if (is_whole and end < len(self._text)) or not self._more():
                self._place = end
                return found

    def end(self) -> None:
        if self.next():
            raise broken(self._part, "it is not JSON (something follows its end)")

    def _more(self) -> bool:
        """Add a piece to the text; return False at the end."""
        if self._whole:
            return False
        rest = self._text[self._place :]
        if len(rest) > _LONGEST_PART:
            raise broken(self._part, f"a value in it has more than {_LONGEST_PART:,} characters")
        piece = next(self._pieces, None)
        try:
            added = self._decode.decode(piece or b"", final=piece is None)
        except UnicodeDecodeError as error:
            raise _not_json(self._part, error) from error
        self._text, self._place = rest + added, 0
        self._whole = piece is None
        return piece is not None or bool(added)
