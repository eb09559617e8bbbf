"""P18: the memory that a bundle takes does not grow with its size, and little with its models."""

from __future__ import annotations

import hashlib
import tracemalloc

import pytest
from support.bundles import (
    BLOBS_NAME,
    FILEPATH,
    PACKAGE,
    Blobs,
    Unpacked,
    bytes_of,
    content,
    draft_of,
    tar_of,
)
from support.proofs import TIMES

from localreg.blobs.bundles.digests import DigestList, find
from localreg.blobs.bundles.tar_entries import end, header
from localreg.errors import BundleError

MOST = 150_000_000  # bytes of memory
MODELS = 1_000 * TIMES


def write_many(folder, models):
    """Write a bundle of many small models; return the memory that the process took, in bytes."""
    import hashlib
    import tempfile
    from pathlib import Path

    from localreg.blobs.bundles.drafting import Draft
    from localreg.blobs.bundles.writing import write_file
    from localreg.values.bundle_format import EVENTS, ModelFacts
    from localreg.values.manifest import PackageFile

    with tempfile.TemporaryFile() as spool:
        draft = Draft(spool)
        for number in range(models):
            model = f"{number:032x}"
            data = b"%d" % (number % 1_000)
            digest = hashlib.sha256(data).hexdigest()
            Path(folder, digest).write_bytes(data)
            subject = draft.add_model(
                model,
                f"vision/net:{number}",
                ModelFacts(name="vision/net", version=str(number)),
                [PackageFile("net.pt", digest, len(data))],
            )
            draft.add_record([draft.add_layer(EVENTS, [b"%d\n" % number * 100])], subject, model)
        draft.add_record([])
        write_file(draft.finished(), Path(folder).joinpath, Path(folder, "b.tar"))
    # getrusage would count what the parent took, too.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def read_many(folder, stream):
    """Read it; return the memory, and how many manifests, lines and files there are."""
    from pathlib import Path

    from localreg.blobs.bundles.reading import open_bundle
    from localreg.values.bundle_format import EVENTS, read_lines

    place = Path(folder, "b.tar")
    with open(place, "rb") as opened:
        counts = [0, 0, 0]
        with open_bundle(opened if stream else place, Path(folder, "spool")) as bundle:
            for _, manifest in bundle.manifests():
                counts[0] += 1
                for layer in manifest.of_type(EVENTS):
                    counts[1] += sum(1 for _ in read_lines(bundle.read(layer), "events"))
            for blob in bundle.blobs(lambda digest, size: True):
                blob.stage(Path(folder, "staged"), sync=False)
                Path(folder, "staged").unlink()
                counts[2] += 1
    status = Path("/proc/self/status").read_text()
    return [int(status.partition("VmHWM:")[2].split()[0]) * 1024, *counts]


@pytest.mark.long
def test_many_models_take_little_memory(tmp_path, children):
    """1,000 models; 100,000 by ``LOCALREG_LONG=100``."""
    assert children.run(write_many, tmp_path, MODELS, timeout=1_200) < MOST
    for stream in (False, True):
        memory, *counts = children.run(read_many, tmp_path, stream, timeout=1_200)
        assert counts == [2 * MODELS + 1, 100 * MODELS, min(1_000, MODELS)]
        assert memory < MOST


def test_a_file_of_more_than_8_gib_is_passed_over(tmp_path):
    """The tar has a hole, so it takes no space."""
    (tmp_path / "kept").mkdir()
    blobs = Blobs(tmp_path / "kept")
    it = Unpacked(bytes_of(blobs, draft_of(blobs, [PACKAGE])))
    size, digest = 9 * 1024**3 + 1, "f" * 64
    annotations = {FILEPATH: "large.bin"}
    layer = {"mediaType": "x/y", "digest": f"sha256:{digest}", "size": size}
    it.models()[0]["layers"].append(layer | {"annotations": annotations})
    entries = it.entries()
    sound = tar_of(entries)
    last = sum(512 + len(data) + -len(data) % 512 for _, data in entries)
    head = header(BLOBS_NAME + digest, size)
    with open(tmp_path / "b.tar", "wb") as file:
        file.write(sound[:last] + head)
        file.seek(size + -size % 512, 1)
        file.write(end(file.tell()))
    files, _, staged = content(tmp_path / "b.tar", tmp_path, lambda _, each: each < size)
    assert ("large.bin", size) in [(each.path, each.size) for each in files]
    assert digest not in staged
    assert len(staged) == len(PACKAGE) + 2  # an artifact, and a signature


def test_equal_rows_are_kept_once():
    rows = DigestList(most=1_000)
    for number in range(200_000):
        rows.add(b"%032d" % (number % 1_000))
    assert [*rows.sorted()] == [b"%032d" % number for number in range(1_000)]
    assert [find(rows.sorted(), b"%032d" % number) for number in (0, 999, 1_000)] == [0, 999, None]


def _row(number):
    return hashlib.sha256(b"%d" % number).digest() + bytes(9)


def test_rows_take_no_more_memory_than_their_bytes():
    tracemalloc.start()
    try:
        rows = DigestList()
        for number in range(100_000):
            rows.add(_row(number))
        found = rows.sorted()
        del rows
        assert tracemalloc.get_traced_memory()[0] < 1.05 * 100_000 * len(found[0])
        assert tracemalloc.get_traced_memory()[1] < 2.5 * 100_000 * len(found[0])
    finally:
        tracemalloc.stop()
    assert [*found] == sorted(map(_row, range(100_000)))


def test_more_rows_than_memory_allows_are_refused():
    """P18: a stranger's manifests may name any number of files."""

    def add(count):
        rows = DigestList(most=1_000)
        for number in range(count):
            rows.add(b"%032d" % number)
        return rows

    assert len(add(1_000).sorted()) == 1_000
    for use in (lambda: add(1_001).sorted(), lambda: add(100_000)):
        with pytest.raises(BundleError, match="at most 1,000 files"):
            use()
