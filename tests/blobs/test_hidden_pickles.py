"""Pickles are found wherever they are, and what is not looked at is said."""

from __future__ import annotations

import bz2
import collections
import gzip
import io
import json
import lzma
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from functools import cache
from pathlib import Path

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localreg.blobs.headers import pickle_search
from localreg.blobs.headers.contents import START, inside, may_have_facts
from localreg.blobs.headers.facts_text import lines

LZ4 = b"\x04\x22\x4d\x18" + bytes(100)
ZSTD = b"\x28\xb5\x2f\xfd" + bytes(100)


class Harm:
    """Makes a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("harm",)


def tar(members, **options):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=options.pop("mode", "w"), **options) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "a"
        archive.addfile(link)
    return buffer.getvalue()


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def torch(data):
    return zipped({"net/data.pkl": data, "net/data/0": bytes(100), "net/version": b"3\n"})


def array(data):
    """Return an array of objects whose pickle is replaced."""
    buffer = io.BytesIO()
    np.save(buffer, np.array([None], dtype=object))
    return buffer.getvalue().partition(b"\n")[0] + b"\n" + data


def old_joblib(data):
    return b"ZF" + hex(len(data)).ljust(19).encode() + zlib.compress(data)


WRAPS = {
    "itself": lambda data: data,
    "gzip": gzip.compress,
    "two members of gzip": lambda data: gzip.compress(b"") + gzip.compress(data),
    "zlib": zlib.compress,
    "fast zlib": lambda data: zlib.compress(data, 1),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "old joblib": old_joblib,
    "tar": lambda data: tar({"a.txt": b"text", "b": data}),
    "tar with long names": lambda data: tar({"n" * 200: b"text", "m" * 300: data}),
    "GNU tar": lambda data: tar({"n" * 200: b"text", "m" * 300: data}, format=tarfile.GNU_FORMAT),
    "tar.gz": lambda data: tar({"a.txt": b"text" * 1_000, "b": data}, mode="w:gz"),
    "tar.bz2": lambda data: tar({"a.txt": b"text", "b": data}, mode="w:bz2"),
    "tar.xz": lambda data: tar({"a.txt": b"text", "b": data}, mode="w:xz"),
    "zip": lambda data: zipped({"a.txt": b"text", "b": data}),
    "PyTorch": torch,
    "PyTorch in tar": lambda data: tar({"model_config.yaml": b"a: 1", "w.ckpt": torch(data)}),
    "PyTorch in tar.gz": lambda data: gzip.compress(tar({"a": b"a", "w.ckpt": torch(data)})),
    "PyTorch in zip": lambda data: zipped({"a": torch(data)}),
    "gzip in zip": lambda data: zipped({"a.pkl.gz": gzip.compress(data)}),
    "zip in tar in zip": lambda data: zipped({"a": tar({"b": zipped({"c": data})})}),
    "an array": array,
    "arrays": lambda data: zipped({"a.npy": array(data)}),
    "arrays and others": lambda data: zipped({"a.npy": array(data), "a.txt": b"text"}),
}  # fmt: skip
HARMS = {f"protocol {number}": pickle.dumps(Harm(), number) for number in range(6)} | {
    "no mark of protocol 4": pickle.dumps(Harm(), 4)[2:],
    "a call before nonsense": b"cos\nsystem\n(S'x'\ntR" + b"nonsense",
    "an instance": b"(S'x'\nios\nsystem\n.",
}
NAMES = [None, "weights", "a.pkl", "a.onnx", "saved_model.pb", "config.json", "a.index", "a.txt"]


@pytest.fixture
def look(tmp_path):
    def look(data, name="weights"):
        (tmp_path / "file").write_bytes(data)
        facts = inside(tmp_path / "file", name)
        json.dumps(facts, allow_nan=False)
        assert may_have_facts(data[:START], name or "") or not facts
        assert bool(lines(facts)) == bool(facts)
        return facts

    return look


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("harm", HARMS)
def test_a_harmful_pickle_is_found_in_everything(wrap, harm, look):
    facts = look(WRAPS[wrap](HARMS[harm]))
    assert facts["pickle"] == "flagged"
    assert facts["pickles"] == 1
    assert not Path("harm").exists()


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_harmless_pickle_is_counted_and_never_called_safe(wrap, look):
    facts = look(WRAPS[wrap](pickle.dumps({"a": collections.OrderedDict(b=1)}, 2)))
    assert facts["pickles"] == 1
    assert facts["pickle"].endswith("nothing flagged")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("harm", HARMS)
def test_the_name_hides_no_pickle(name, harm, look):
    assert look(HARMS[harm], name)["pickle"] == "flagged"


def test_a_pickle_that_only_python_can_read_is_found(look):
    """`pickle.loads` reads hexadecimal numbers, and the scanner does not."""
    assert look(b"I0x1f\n0cos\nsystem\n(S'x'\ntR.")["pickle"] == "unscanned"


@pytest.mark.parametrize("compress", [0, 3, *"zlib gzip bz2 xz lzma".split()])
def test_what_joblib_writes_is_looked_at(compress, tmp_path):
    path = tmp_path / "m.joblib"
    joblib.dump({"a": collections.OrderedDict(b="c" * 100)}, path, compress=compress)
    facts = inside(path, path.name)
    assert (facts["format"], facts["pickles"]) == ("pickle", 1)
    assert facts["pickle"].endswith("nothing flagged")
    assert ("compression" in facts) == bool(compress)
    joblib.dump(Harm(), path, compress=compress)
    assert inside(path, path.name)["pickle"] == "flagged"


def test_arrays_in_a_file_of_joblib_are_no_reason_to_say_nothing_was_flagged(tmp_path):
    """The bytes of the arrays are between the pickle's operations."""
    path = tmp_path / "m.joblib"
    joblib.dump({"a": np.zeros(1_000), "b": Harm()}, path)
    assert inside(path, path.name)["pickle"] in ("flagged", "unscanned")


def test_formats_are_named_from_outside(look):
    harmless = pickle.dumps({}, 2)
    assert look(gzip.compress(harmless))["compression"] == "gzip"
    facts = look(WRAPS["PyTorch in tar.gz"](harmless))
    assert (facts["format"], facts["compression"], facts["members"]) == ("tar", "gzip", 6)
    assert look(WRAPS["tar"](b"text"), "a.nemo") == {"format": "tar", "members": 3}


def test_a_large_member_is_passed_over_and_a_size_in_a_description_counts(look):
    """Such a tar has members of more than 8 GiB, whose header has no room for the size."""
    large = tarfile.TarInfo("large")
    large.size = 40_000_000
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(large, io.BytesIO(bytes(large.size)))
    plain = buffer.getvalue()[: 512 + 40_000_000]
    described = tarfile.TarInfo("large")
    described.pax_headers = {"size": "40000000"}
    header = described.tobuf(tarfile.PAX_FORMAT)
    for start in (plain, header + bytes(40_000_000)):
        facts = look(start + tar({"b": HARMS["protocol 2"]}))
        assert facts["pickle"] == "flagged"


# what is not looked at ---------------------------------------------------------------------

LONG = b"\x80\x02X" + struct.pack("<L", 40_000_000) + b"x" * 40_000_000 + b"."
UNSCANNED = {
    "more than is read": (lambda: gzip.compress(LONG, 1), "it has more than 32 MiB"),
    "a long pickle in a tar": (lambda: tar({"a": LONG}), "it has more than 32 MiB"),
    "a long pickle in tar.gz": (
        lambda: gzip.compress(tar({"a": LONG}), 1), "it has more than 32 MiB"
    ),
    "a long pickle in a zip": (lambda: zipped({"a": LONG}), "it has more than 32 MiB"),
    "behind much else": (
        lambda: gzip.compress(tar({"a": bytes(80_000_000), "b": HARMS["protocol 2"]}), 1),
        "only 64 MiB of compressed data are looked at",
    ),
    "members without end": (
        lambda: gzip.compress(b"") * 4_000_000,
        "only 64 MiB of compressed data are looked at",
    ),
    "many archives in each other": (
        lambda: zipped({"a": zipped({"b": zipped({"c": zipped({"d": zipped({"e": zipped(
            {"f": HARMS["protocol 2"]})})})})})}),
        "it has more than 4 archives in each other",
    ),
    "an archive in it that is damaged": (
        lambda: tar({"a": zipped({"b": b"text" * 99})[:-30]}), "a file in it is damaged",
    ),
    "lz4": (lambda: LZ4, "lz4 is not read"),
    "zstd": (lambda: ZSTD, "zstd is not read"),
    "an encrypted member": (
        lambda: encrypted(zipped({"a": HARMS["protocol 2"]})), "it has encrypted members",
    ),
    "a sparse member": (lambda: sparse(), "it has sparse members"),
    "data of a distributed checkpoint": (
        lambda: torch(HARMS["protocol 2"]) * 2, "the archives in it are not searched",
    ),
}  # fmt: skip


def encrypted(data):
    return data.replace(b"PK\1\2\x14\x03\x14\0\0\0", b"PK\1\2\x14\x03\x14\0\1\0")


def sparse():
    info = tarfile.TarInfo("a")
    info.type = tarfile.GNUTYPE_SPARSE
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)


@pytest.mark.parametrize("kind", UNSCANNED)
def test_what_is_not_looked_at_is_said(kind, look):
    make, why = UNSCANNED[kind]
    facts = look(make(), "__0_0.distcp" if kind.startswith("data") else "a.joblib")
    assert (facts["pickle"], facts["why"]) == ("unscanned", why)
    assert f"unscanned ({why}): loading may run code" in lines(facts)[-1]


def with_large_dictionary(data):
    """Return xz data whose first block asks for the largest dictionary."""
    end = 12 + (data[12] + 1) * 4 - 4
    header = data[12:16] + b"\x28" + data[17:end]
    return data[:12] + header + struct.pack("<L", zlib.crc32(header)) + data[end + 4 :]


DAMAGED = {
    "gzip that is cut short": gzip.compress(HARMS["protocol 2"])[:-12],
    "gzip that is damaged": gzip.compress(bytes(1000))[:10] + b"\xff" * 20,
    "a tar that is cut short": tar({"a": bytes(5_000)})[:2_000],
    "a tar of nonsense": tar({"a": b"x"})[:1024] + b"nonsense" * 64,
    "a tar.gz that is cut short": gzip.compress(tar({"a": bytes(5_000)})[:2_000]),
    "xz that needs 4 GiB of memory": with_large_dictionary(lzma.compress(HARMS["protocol 2"])),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damage_is_a_fact(kind, look):
    assert "problem" in look(DAMAGED[kind], "a.pkl")


# no false alarm ----------------------------------------------------------------------------

TEXTS = [
    b"(c) 2020 by me\nall rights reserved\n.\n",
    b"copy this\nto that\n.\n",
    b"I am a text.\nWith lines.\n.",
    b"Nothing here.",
    b"cos\npath\nRest of the text\n.",
    b"None",
    b"]",
    b"(lp0\nI1\na.",
    pickle.dumps([1, 2.5, "text", None, True], 0),
    pickle.dumps([1, 2.5, "text", None, True], 1),
    b"class Net:\n    pass\n.",
    b"import os\n",
    b"x^2 + y^2\n",
    b"BZh is not a start of bz2",
    b"ZF0xnothing",
    b"Vectors\nare\n.",
    b"N" * 60,
    b"(((((((((((((((((((",
    b"FROM python\nRUN make\n",
    b"",
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_text_is_no_pickle(text, look):
    assert look(text) == {}


def test_no_file_of_this_project_or_of_python_is_taken_for_a_pickle():
    found = []
    for folder in (Path(__file__).parents[2], Path(os.__file__).parent):
        for path in sorted(folder.rglob("*"))[:6_000:9]:
            if path.suffix not in (".py", ".md", ".txt", ".toml", ".json", ".html", ".css", ".js"):
                continue
            if path.is_file() and "pickle" in inside(path, None):
                found.append(path)
    assert found == []


@given(st.text(min_size=1, max_size=300))
def test_no_text_of_words_is_a_pickle(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("text") / "file"
    path.write_text(" ".join(text.split()) + "\n", encoding="utf-8")
    assert "pickle" not in inside(path, None)


# bounds ------------------------------------------------------------------------------------


def look_with_little(path, name):
    """Return the facts about a file, found with 20 s of a processor and 1 GB of memory."""
    import resource
    from pathlib import Path

    from localreg.blobs.headers.contents import inside

    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
    return inside(Path(path), name)


BOMBS = {
    "zeros in gzip": lambda: gzip.compress(tar({"a": bytes(300_000_000)}), 1),
    "zeros in bz2": lambda: bz2.compress(bytes(300_000_000)),
    "a zip of bombs": lambda: zipped(
        {f"{n}": gzip.compress(bytes(50_000_000), 1) for n in range(9)}
    ),
    "tars in tars": lambda: tar({f"{n}": tar({"a": tar({"b": b"x"})}) for n in range(5_000)}),
    "a line without end": lambda: b"c" + b"x" * 100_000_000,
    "an argument without end": lambda: b"X\xff\xff\xff\x7f" + b"x" * 200_000_000,
    "marks": lambda: b"(" * 30_000_000,
    "names": lambda: b"cos\npath\n0" * 3_000_000,
    "small pickles": lambda: tar({f"{n}": b"\x80\x02N." for n in range(20_000)}),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_hostile_file_costs_bounded_time_and_memory(kind, tmp_path, children):
    """P18."""
    (tmp_path / "file").write_bytes(BOMBS[kind]())
    facts = children.run(look_with_little, tmp_path / "file", "file.pkl")
    assert facts.get("pickle", "unscanned") != "flagged"


@cache
def whole_of(wrap):
    """Return a wrapped pickle; what is wrapped again has another time in it."""
    return WRAPS[wrap](HARMS["protocol 2"])


@given(data=st.data())
def test_no_damage_is_an_error(data, tmp_path_factory):
    """Hypothesis damages what wraps a pickle; `.ci/long` takes many more examples."""
    wrap = data.draw(st.sampled_from(sorted(WRAPS)))
    whole = whole_of(wrap)
    damaged = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        damaged[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damage") / "file"
    path.write_bytes(
        bytes(damaged[: data.draw(st.integers(0, len(whole)))]) + data.draw(st.binary(max_size=9))
    )
    json.dumps(inside(path, data.draw(st.sampled_from(NAMES)), None), allow_nan=False)


def test_the_endings_of_pickles_are_those_of_the_libraries():
    assert set(pickle_search.PICKLE_ENDINGS) == {".pkl", ".pickle", ".joblib"}
