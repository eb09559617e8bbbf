"""Bundles for tests, sound and broken ones, made without a registry."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from localreg.blobs.bundles.drafting import Contents, Draft
from localreg.blobs.bundles.reading import open_bundle
from localreg.blobs.bundles.writing import write_stream
from localreg.values.bundle_format import (
    BLOBS_NAME,
    EMPTY_TYPE,
    EVENTS,
    FILE,
    INDEX_TYPE,
    MANIFEST_TYPE,
    MODEL,
    OMITTED,
    RECORD,
    SIGNATURE,
    ModelFacts,
    canonical_json,
    line_of,
    read_lines,
)
from localreg.values.manifest import PackageFile

FORMAT_KEY = "vnd.localreg.bundle.format"
FILEPATH, METADATA = "org.cncf.model.filepath", "org.cncf.model.file.metadata+json"
PACKAGE = {"model.safetensors": b"w" * 5_000, "config.json": b"{}", "code/__init__.py": b""}


class Blobs:
    """A folder of files that are named by their digests.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, data: bytes) -> tuple[str, int]:
        """Keep some bytes; return their digest and size."""
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / digest).write_bytes(data)
        return digest, len(data)

    def find(self, digest: str) -> Path:
        """Return the path of the file with a digest."""
        return self.folder / digest

    def package(self, files: dict[str, bytes]) -> list[PackageFile]:
        """Keep the files of a package."""
        return [
            PackageFile(path, *self.add(data), path == "run.sh") for path, data in files.items()
        ]


def draft_of(
    blobs: Blobs, models: list[dict[str, bytes]], omit: tuple[bytes, ...] = ()
) -> Contents:
    """Return the contents of a bundle of some models, by path in their packages."""
    draft = Draft(io.BytesIO())
    for number, files in enumerate(models):
        model = f"{number:032x}"
        facts = ModelFacts(name="vision/resnet", version=str(number), created=number)
        subject = draft.add_model(model, f"vision/resnet:{number}", facts, blobs.package(files))
        layers = [
            draft.add_layer(EVENTS, [line_of({"model": model})]),
            draft.add_file(*blobs.add(b"artifact %d" % number)),
        ]
        draft.add_record(layers, subject, model)
        draft.add_signature(*blobs.add(b"signature %d" % number), subject, model)
    for each in omit:
        draft.omit(hashlib.sha256(each).hexdigest())
    draft.add_record([draft.add_layer(EVENTS, [line_of({"alias": "prod"})])])
    return draft.finished()


def bytes_of(blobs: Blobs, contents: Contents) -> bytes:
    """Return a bundle as a tar."""
    stream = io.BytesIO()
    write_stream(contents, blobs.find, stream)
    return stream.getvalue()


def content(
    source: Path | BinaryIO,
    folder: Path,
    wanted: Callable[[str, int], bool] = lambda digest, size: True,
) -> tuple[list[PackageFile], list[str], dict[str, bytes]]:
    """Return the files of models by path, all lines of events, and all staged files by digest.

    Args:
        source: of a bundle.
        folder: for temporary files; none stays there.
        wanted: returns True for the digest and size of a file to stage.
    """
    with open_bundle(source, folder / "spool") as bundle:
        files, lines = [], []
        for _, manifest in bundle.manifests():
            if manifest.artifact_type == MODEL:
                files += manifest.files()
            for layer in manifest.of_type(EVENTS):
                lines += read_lines(bundle.read(layer), "events")
        staged = {}
        for each in bundle.blobs(wanted):
            place = folder / "staged"
            try:
                staged[each.digest] = each.stage(place, sync=False).path.read_bytes()
            finally:
                place.unlink(missing_ok=True)
    return files, sorted(map(str, lines)), staged


class Unpacked:
    """A bundle in pieces, to change one and put them together again, with digests that fit.

    Args:
        data: the bundle as a tar.

    Attributes:
        index: index.json, without its manifests.
        manifests: the manifests with the descriptors that the index has of them.
        blobs: the other entries by digest.
    """

    def __init__(self, data: bytes) -> None:
        entries = dict(entries_of(data))
        self.index = json.loads(entries.pop("index.json"))
        self.layout = entries.pop("oci-layout")
        self.manifests = []
        for descriptor in self.index.pop("manifests"):
            digest = descriptor["digest"].removeprefix("sha256:")
            self.manifests.append((descriptor, json.loads(entries.pop(BLOBS_NAME + digest))))
        self.blobs = {name.removeprefix(BLOBS_NAME): data for name, data in entries.items()}

    def models(self) -> list[dict]:
        """Return the manifests of models; change them as you like."""
        return [each for _, each in self.manifests if each.get("artifactType") == MODEL]

    def records(self) -> list[dict]:
        """Return the manifests of the records of models."""
        return [
            each
            for _, each in self.manifests
            if each.get("artifactType") == RECORD and "subject" in each
        ]

    def signatures(self) -> list[dict]:
        """Return the manifests of signatures."""
        return [each for _, each in self.manifests if each.get("artifactType") == SIGNATURE]

    def record(self) -> dict:
        """Return the manifest of the record of the bundle."""
        return next(
            each
            for _, each in self.manifests
            if each.get("artifactType") == RECORD and "subject" not in each
        )

    def add(self, data: bytes) -> dict:
        """Keep bytes of a layer or configuration, and return a descriptor of them."""
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return {"mediaType": EVENTS, "digest": f"sha256:{digest}", "size": len(data)}

    def entries(self) -> list[tuple[str, bytes]]:
        """Return the entries of the bundle in their order."""
        listed, data = [], {}
        for descriptor, manifest in self.manifests:
            encoded = manifest if isinstance(manifest, bytes) else canonical_json(manifest)
            digest = hashlib.sha256(encoded).hexdigest()
            data[digest] = encoded
            listed.append(descriptor | {"digest": f"sha256:{digest}", "size": len(encoded)})
        listed.sort(key=lambda each: each["digest"])
        head = {
            each["digest"].removeprefix("sha256:")
            for _, manifest in self.manifests
            if isinstance(manifest, dict)
            for each in (manifest["config"], *_head_layers(manifest))
            if isinstance(each, dict)
        }
        files = sorted(set(self.blobs) - head)
        return [
            ("oci-layout", self.layout),
            ("index.json", canonical_json(self.index | {"manifests": listed})),
            *((BLOBS_NAME + digest, data[digest]) for digest in sorted(data)),
            *((BLOBS_NAME + each, self.blobs[each]) for each in sorted(head & set(self.blobs))),
            *((BLOBS_NAME + each, self.blobs[each]) for each in files),
        ]

    def tar(self) -> bytes:
        """Return the bundle as a tar."""
        return tar_of(self.entries())


def _head_layers(manifest: dict) -> list[dict]:
    layers = manifest["layers"] if isinstance(manifest["layers"], list) else []
    return [
        each
        for each in layers
        if isinstance(each, dict)
        and (
            each["mediaType"] == EMPTY_TYPE
            or (manifest.get("artifactType") == RECORD and each["mediaType"] != FILE)
        )
    ]


def entries_of(data: bytes) -> list[tuple[str, bytes]]:
    """Return the names and bytes of the entries of a tar."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [(each.name, tar.extractfile(each).read()) for each in tar]


def tar_of(entries: list[tuple[str, bytes]]) -> bytes:
    """Return a tar of plain files."""
    stream = io.BytesIO()
    for name, data in entries:
        stream.write(entry(name, data))
    stream.write(bytes(-stream.tell() % 10_240 or 10_240))
    return stream.getvalue()


def entry(name: str, data: bytes, **changes: object) -> bytes:
    """Return an entry of a tar: a header and bytes.

    Args:
        changes: attributes of `tarfile.TarInfo`: a type, the name that a link leads to, a size.
    """
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in changes.items():
        setattr(info, key, value)
    head = info.tobuf(tarfile.USTAR_FORMAT)
    return head + data + bytes(-len(data) % 512)


def in_tar(data: bytes, place: int, added: bytes) -> bytes:
    """Return a tar with something put before one of its entries.

    Args:
        place: the number of the entry, from 0.
    """
    offset = 0
    for _, content in entries_of(data)[:place]:
        offset += 512 + len(content) + -len(content) % 512
    return data[:offset] + added + data[offset:]


def _changed(change: Callable[[Unpacked], object]) -> Callable[[bytes], bytes]:
    def make(data: bytes) -> bytes:
        unpacked = Unpacked(data)
        change(unpacked)
        return unpacked.tar()

    return make


def _layer(name: str, value: object, kind: str = "models") -> Callable[[bytes], bytes]:
    """Return a maker of a bundle in which a layer of a manifest has another value."""
    return _changed(lambda it: getattr(it, kind)()[0]["layers"][0].__setitem__(name, value))


def _property(name: str, value: object) -> Callable[[bytes], bytes]:
    return _changed(lambda it: it.models()[0].__setitem__(name, value))


def _index(name: str, value: object) -> Callable[[bytes], bytes]:
    return _changed(lambda it: it.index.__setitem__(name, value))


def _put(place: int, name: str, data: bytes = b"", **changes: object) -> Callable[[bytes], bytes]:
    return lambda bundle: in_tar(bundle, place, entry(name, data, **changes))


def _raw_manifest(data: bytes) -> Callable[[bytes], bytes]:
    def change(it: Unpacked) -> None:
        it.manifests.append(({"mediaType": MANIFEST_TYPE}, data))

    return _changed(change)


def _event_layer(data: bytes) -> Callable[[bytes], bytes]:
    return _changed(lambda it: it.record()["layers"].append(it.add(data)))


def _omitting(data: bytes) -> Callable[[bytes], bytes]:
    return _changed(lambda it: it.record()["layers"].append(it.add(data) | {"mediaType": OMITTED}))


def _file_of(it: Unpacked) -> str:
    """Return the digest of a file of a model that is not in the head, too."""
    return next(
        digest
        for each in it.models()[0]["layers"]
        if (digest := each["digest"].removeprefix("sha256:")) and len(it.blobs[digest]) > 1_000
    )


def _without_file(it: Unpacked) -> None:
    del it.blobs[_file_of(it)]


def _other_file(it: Unpacked) -> None:
    digest = _file_of(it)
    it.blobs[digest] = it.blobs[digest][:-1] + b"?"


def _other_signature(it: Unpacked) -> None:
    digest = it.signatures()[0]["layers"][0]["digest"].removeprefix("sha256:")
    it.blobs[digest] = it.blobs[digest][:-1] + b"?"


def _longer_file(it: Unpacked) -> None:
    it.blobs[_file_of(it)] += b"?"


def _other_events(it: Unpacked) -> None:
    digest = it.record()["layers"][0]["digest"].removeprefix("sha256:")
    it.blobs[digest] = b"x" * len(it.blobs[digest])


def _without_config(it: Unpacked) -> None:
    del it.blobs[it.models()[0]["config"]["digest"].removeprefix("sha256:")]


def _huge(what: str) -> Callable[[bytes], bytes]:
    """Return a maker of a bundle in which something says that it is huge; the bytes then end."""

    def make(data: bytes) -> bytes:
        it = Unpacked(data)
        if what == "index":
            return tar_of([("oci-layout", it.layout)])[:1_024] + entry(
                "index.json", b"", size=7 * 1024**3
            )
        if what == "manifest":
            digest = "0" * 64
            listed = {"mediaType": MANIFEST_TYPE, "digest": f"sha256:{digest}", "size": 7 * 1024**3}
            index = canonical_json(it.index | {"manifests": [listed]})
            head = tar_of([("oci-layout", it.layout), ("index.json", index)])
            end = 1_024 + 512 + len(index) + -len(index) % 512
            return head[:end] + entry(BLOBS_NAME + digest, b"", size=7 * 1024**3)
        digest = "0" * 64 if what == "events" else "f" * 64
        layer = {"digest": f"sha256:{digest}", "size": 7 * 1024**3}
        if what == "events":
            it.record()["layers"].append(layer | {"mediaType": EVENTS})
        else:
            it.models()[0]["layers"].append(
                layer | {"mediaType": FILE, "annotations": {FILEPATH: "x"}}
            )
        data = it.tar()
        place = next(
            number
            for number, (name, _) in enumerate([*it.entries(), ("blobs/sha256/g", b"")])
            if number > 1 + len(it.manifests) and name > BLOBS_NAME + digest
        )
        return in_tar(data, place, b"")[: _offset(data, place)] + entry(
            BLOBS_NAME + digest, b"", size=7 * 1024**3
        )

    return make


def _offset(data: bytes, place: int) -> int:
    return sum(512 + len(content) + -len(content) % 512 for _, content in entries_of(data)[:place])


def _swapped(first: int, second: int) -> Callable[[bytes], bytes]:
    def make(data: bytes) -> bytes:
        entries = entries_of(data)
        entries[first], entries[second] = entries[second], entries[first]
        return tar_of(entries)

    return make


def _twice(place: int) -> Callable[[bytes], bytes]:
    def make(data: bytes) -> bytes:
        entries = entries_of(data)
        return tar_of([*entries[: place + 1 or None], entries[place], *entries[place:][1:]])

    return make


def _pax(records: bytes, size: int | None = None, kind: bytes = tarfile.XHDTYPE) -> bytes:
    return entry("pax", records, type=kind, size=len(records) if size is None else size)


ZEROS = "0" * 64
LONG = "x" * 5_000
# Each breaks a sound bundle of two models (the first is `PACKAGE`); with what its error says.
# First those that break the tar, then those that break what it holds.
BROKEN_TARS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda data: b"", "cut short"),
    "no tar": (lambda data: b"\x1f\x8b" + data, "it is not a tar"),
    "only zeros": (lambda data: bytes(len(data)), "first entry must be oci-layout"),
    "no end": (lambda data: data.rstrip(b"\0") + bytes(512), "cut short|no header"),
    "bytes after the end": (lambda data: data + b"\0", "follows its end"),
    "bytes in the end": (lambda data: data[:-1] + b"x", "follows its end"),
    "a wrong checksum": (lambda data: b"O" + data[1:], "it is not a tar"),
    "a wrong checksum later": (
        lambda data: data[:1_024] + b"I" + data[1_025:],
        "no header of a tar",
    ),
    "a huge layout": (
        lambda data: tar_of([("oci-layout", b" " * 9_000 + b"{}"), *entries_of(data)[1:]]),
        "oci-layout: it has more than",
    ),
    "a name that leads out": (_put(3, "../../etc/passwd", b"x"), "only oci-layout"),
    "an absolute name": (_put(3, "/etc/passwd", b"x"), "only oci-layout"),
    "a digest that leads out": (_put(3, f"{BLOBS_NAME}../../x", b"x"), "only oci-layout"),
    "a digest in capitals": (_put(3, f"{BLOBS_NAME}{'A' * 64}", b"x"), "only oci-layout"),
    "another hash": (_put(3, f"blobs/sha512/{ZEROS}", b"x"), "only oci-layout"),
    "a long name": (_put(3, f"{'d' * 90}/{'n' * 90}", b"x"), "only oci-layout"),
    "a link": (_put(3, f"{BLOBS_NAME}{ZEROS}", type=tarfile.SYMTYPE, linkname="/x"), "is a link"),
    "a hard link": (_put(3, "index.json", type=tarfile.LNKTYPE, linkname="oci-layout"), "a link"),
    "a device": (_put(3, f"{BLOBS_NAME}{ZEROS}", type=tarfile.CHRTYPE), "is a device"),
    "a disk": (_put(3, f"{BLOBS_NAME}{ZEROS}", type=tarfile.BLKTYPE), "is a device"),
    "a pipe": (_put(3, f"{BLOBS_NAME}{ZEROS}", type=tarfile.FIFOTYPE), "is a pipe"),
    "a folder": (_put(3, BLOBS_NAME, type=tarfile.DIRTYPE), "is a folder"),
    "a sparse file": (_put(3, f"{BLOBS_NAME}{ZEROS}", type=tarfile.GNUTYPE_SPARSE), "is a sparse"),
    "a long name of GNU": (_put(3, "x", b"y" * 600, type=tarfile.GNUTYPE_LONGNAME), "a long name"),
    "a strange kind": (_put(3, f"{BLOBS_NAME}{ZEROS}", type=b"Q"), "strange kind"),
    "a header for all": (lambda data: in_tar(data, 3, _pax(b"x", kind=b"g")), "for all entries"),
    "an extended name": (
        lambda data: in_tar(data, 3, _pax(b"19 path=../../../x\n")),
        "give its size, and nothing else",
    ),
    "an extended owner": (
        lambda data: in_tar(data, 3, _pax(b"10 gid=12\n")),
        "give its size, and nothing else",
    ),
    "two extended values": (
        lambda data: in_tar(data, 3, _pax(b"9 size=1\n12 mtime=100\n")),
        "give its size, and nothing else",
    ),
    "two extended headers": (
        lambda data: in_tar(data, 3, 2 * _pax(b"9 size=1\n")),
        "of a strange kind",
    ),
    "an extended size of too many digits": (
        lambda data: in_tar(data, 3, _pax(b"37 size=%s\n" % (b"9" * 28))),
        "give its size, and nothing else",
    ),
    "a huge extended header": (
        lambda data: in_tar(data, 3, _pax(b"", 7 * 1024**3)),
        "an extended header has more than",
    ),
    "index.json twice": (_twice(1), "stands there twice"),
    "oci-layout twice": (_twice(0), "second entry must be index.json"),
    "a manifest twice": (_twice(2), "stands there twice"),
    "a file twice": (_twice(-1), "stands there twice"),
    "a part of a record twice": (_twice(10), "stands there twice"),
    "the index first": (_swapped(0, 1), "first entry must be oci-layout"),
    "manifests in another order": (_swapped(2, 3), "missing|not in the order"),
    "files in another order": (_swapped(-1, -2), "missing|not in the order"),
    "an entry that nothing names": (_put(2, f"{BLOBS_NAME}{ZEROS}", b"x"), "no manifest names it"),
    "one more at the end": (
        _changed(lambda it: it.add(b"more")),
        "no manifest names it",
    ),
    "a huge index": (_huge("index"), "index.json: it has more than"),
    "a huge manifest": (_huge("manifest"), "manifest sha256:000000000000: it has more than"),
    "seven billion bytes of events": (_huge("events"), "cut short"),
    "a huge file": (_huge("file"), "cut short"),
}
BROKEN_CONTENTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a manifest a thousand times": (
        _changed(lambda it: it.manifests.extend([it.manifests[0]] * 1_000)),
        "sorted by digest, and each stand there once",
    ),
    "a huge layer of layers": (
        _raw_manifest(b'{"layers":[' + b"[" * 3_000_000),
        "has more than|not JSON",
    ),
    "a manifest that nests": (_raw_manifest(b'{"config":' + b"[" * 100_000), "not JSON"),
    "a number of many digits": (_raw_manifest(b'{"config":' + b"9" * 10_000), "not JSON"),
    "a huge text": (_raw_manifest(b'{"config":"' + b"x" * 3_000_000), "has more than"),
    "too many layers": (
        _raw_manifest(
            b'{"layers":[%s]}'
            % b",".join([b'{"mediaType":"","digest":"sha256:%064d","size":0}' % 0] * 200_001)
        ),
        "more than 200,000 layers",
    ),
    # What does not fit.
    "a missing file": (_changed(_without_file), "file sha256:.*is missing"),
    "a missing configuration": (_changed(_without_config), "layer sha256:.*is missing"),
    "other bytes of a file": (_changed(_other_file), "file sha256:.*have the digest"),
    "other bytes of a signature": (
        _changed(_other_signature),
        "file sha256:.*have the digest",
    ),
    "a longer file": (_changed(_longer_file), "file sha256:.*a manifest says"),
    "other bytes of events": (_changed(_other_events), "layer sha256:.*have the digest"),
    "other bytes of a manifest": (
        lambda data: tar_of(
            [(name, each.replace(b'\\"mode\\":420', b'\\"mode\\":421'))
             for name, each in entries_of(data)]
        ),
        "manifest sha256:.*have the digest",
    ),
    "another size": (_layer("size", 7), "has 5,000 bytes, and a manifest says 7"),
    "two sizes": (
        _changed(
            lambda it: it.models()[0]["layers"].append(it.models()[0]["layers"][0] | {"size": 7})
        ),
        "give it two sizes",
    ),
    # Formats.
    "a newer format": (_index("annotations", {FORMAT_KEY: "2"}), "format 2, .* knows format 1"),
    "no format": (_index("annotations", {}), "did not write it"),
    "no annotations": (_changed(lambda it: it.index.pop("annotations")), "did not write it"),
    "a format in words": (_index("annotations", {FORMAT_KEY: "one"}), "must be a number"),
    "format 0": (_index("annotations", {FORMAT_KEY: "0"}), "must be a number"),
    "a format of many digits": (_index("annotations", {FORMAT_KEY: "9" * 5_000}), "be a number"),
    "a number as format": (_index("annotations", {FORMAT_KEY: 1}), "must be a text"),
    "another layout": (
        _changed(lambda it: setattr(it, "layout", b'{"imageLayoutVersion":"2.0.0"}')),
        "oci-layout: it must say",
    ),
    "a layout in words": (_changed(lambda it: setattr(it, "layout", b"[]")), "oci-layout"),
    "a layout of noise": (_changed(lambda it: setattr(it, "layout", b"\xff")), "not JSON"),
    # Wrong types.
    "manifests as a number": (
        lambda data: tar_of([*entries_of(data)[:1], ("index.json", b'{"manifests":7}')]),
        "manifests must be a list",
    ),
    "an index in a list": (
        lambda data: tar_of([*entries_of(data)[:1], ("index.json", b"[]")]),
        "must be a JSON object",
    ),
    "no record of the bundle": (
        _changed(lambda it: it.record().__setitem__("artifactType", "x/y")),
        "names no record of the bundle",
    ),
    "two records of the bundle": (
        _changed(lambda it: it.records()[0].pop("subject")),
        "two records of the bundle",
    ),
    "an index of an index": (
        _changed(lambda it: it.manifests[0][0].__setitem__("mediaType", INDEX_TYPE)),
        "mediaType must be",
    ),
    "layers in a text": (_property("layers", "x"), "layers must be a list"),
    "a layer in a text": (_changed(lambda it: it.models()[0]["layers"].append("x")), "an object"),
    "no configuration": (_raw_manifest(b'{"layers":[]}'), "it has no config"),
    "a configuration in a list": (_raw_manifest(b'{"config":[]}'), "config: it must be an object"),
    "an empty manifest": (_raw_manifest(b""), "must be a JSON object"),
    "a manifest of noise": (_raw_manifest(b"\xff\xfe"), "not JSON"),
    "something after a manifest": (_raw_manifest(b'{"layers":[]} 1'), "follows its end"),
    "a size below 0": (_layer("size", -1), "size must be a number"),
    "a size with a point": (_layer("size", 1.5), "size must be a number"),
    "a size that is true": (_layer("size", True), "size must be a number"),
    "a size in a text": (_layer("size", "1"), "size must be a number"),
    "a size beyond all disks": (_layer("size", 2**63), "size must be a number"),
    "a digest without its hash": (_layer("digest", ZEROS), "digest must be sha256"),
    "a short digest": (_layer("digest", "sha256:00"), "digest must be sha256"),
    "a digest that is a path": (_layer("digest", f"sha256:../{'0' * 61}"), "digest must be"),
    "a digest in a list": (_layer("digest", [ZEROS]), "digest must be sha256"),
    "a number as media type": (_layer("mediaType", 7, "records"), "mediaType: it must be a text"),
    "a long media type": (_layer("mediaType", LONG, "records"), "mediaType: it must be a text"),
    "annotations in a list": (_layer("annotations", []), "annotations must be"),
    "too many annotations": (
        _layer("annotations", {str(number): "" for number in range(101)}),
        "annotations must be",
    ),
    "a number as annotation": (_layer("annotations", {"a": 1}), "annotation must be a text"),
    "a number as artifact type": (_property("artifactType", 7), "artifactType: it must be"),
    "schema version 1": (_property("schemaVersion", 1), "schemaVersion must be 2"),
    "a subject in a text": (_property("subject", "x"), "subject: it must be an object"),
    # What is in layers.
    "a path that leads out": (_layer("annotations", {FILEPATH: "../x"}), "cannot be the path"),
    "an absolute path": (_layer("annotations", {FILEPATH: "/x"}), "cannot be the path"),
    "no path": (_layer("annotations", {}), "cannot be the path"),
    "metadata of noise": (
        _layer("annotations", {FILEPATH: "x", METADATA: "{"}),
        "metadata.json: it is not JSON",
    ),
    "a mode in words": (
        _layer("annotations", {FILEPATH: "x", METADATA: '{"mode":"x"}'}),
        "mode must be a number",
    ),
    "events of noise": (_event_layer(b"{\n"), "events, line 1: it is not JSON"),
    "events without an end": (_event_layer(b"{}"), "last line is cut short"),
    "events that nest": (_event_layer(b"[" * 100_000 + b"\n"), "events, line 1: it is not JSON"),
    "an event of a million values": (
        _event_layer(b"[" + b"[]," * 1_100_000 + b"7]\n"),
        "more than 1,000,000 values",
    ),
    "omitted files in another order": (_omitting(b"b" * 32 + b"a" * 32), "omitted files"),
    "half a digest": (_omitting(b"b" * 16), "omitted files"),
    "an omitted file that nothing names": (_omitting(b"b" * 32), "no manifest names"),
}  # fmt: skip
BROKEN = BROKEN_TARS | BROKEN_CONTENTS
