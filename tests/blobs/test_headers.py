"""Facts about weights from their headers: nothing is loaded, and each header is checked."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command_line import run_cli

from localreg import Registry
from localreg.blobs.headers.contents import inside, may_have_facts
from localreg.blobs.headers.facts_text import lines
from localreg.blobs.headers.pickle_scan import LEGACY_TORCH, installed_scanner

NO_SCANNER = None


def safetensors(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


TENSORS = {
    "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
    "b": {"dtype": "I64", "shape": [], "data_offsets": [24, 32]},
    "__metadata__": {"format": "pt", "long": "x" * 1_000},
}


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def zip_of(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/"), data)
    return buffer.getvalue()


def torch_of(data, **more):
    return zip_of(net__data_pkl=data, **more).replace(b"data_pkl", b"data.pkl")


class Harm:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture
def look(tmp_path):
    def look(data, name="weights", **options):
        path = tmp_path / "file"
        path.write_bytes(data)
        facts = inside(path, name, **options)
        json.dumps(facts, allow_nan=False)
        assert "safe" not in {facts.get("pickle")}
        lines(facts)
        return facts

    return look


# formats -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["net.safetensors", "blob", None])
def test_safetensors_give_parameters_types_and_metadata(name, look):
    facts = look(safetensors(TENSORS, bytes(32)), name)
    metadata = facts.pop("metadata")
    assert facts == {
        "format": "safetensors", "tensors": 2, "parameters": 7, "dtypes": {"F32": 6, "I64": 1},
    }  # fmt: skip
    assert metadata["format"] == "pt"
    assert len(metadata["long"]) == 200


def test_a_type_that_is_not_known_yet_is_counted(look):
    tensor = {"a": {"dtype": "F2", "shape": [8], "data_offsets": [0, 2]}}
    assert look(safetensors(tensor, b"12"))["dtypes"] == {"F2": 8}


def test_types_of_half_a_byte_are_measured_right(look):
    tensor = {"a": {"dtype": "F4", "shape": [8], "data_offsets": [0, 4]}}
    assert look(safetensors(tensor, b"1234"))["parameters"] == 8


@pytest.mark.parametrize(
    ("array", "dtype"),
    [(np.zeros((2, 3), "<f4"), "float32"), (np.zeros(5, ">i8"), "int64"),
     (np.array(1.5), "float64"), (np.zeros(2, "?"), "bool"), (np.zeros(2, "c16"), "complex128"),
     (np.zeros(2, "U3"), "<U3"),
     (np.zeros(2, [("a", "i4")]), "structured")],
)  # fmt: skip
def test_arrays_give_shape_and_type(array, dtype, look):
    facts = look(npy(array))
    assert (facts["format"], facts["dtype"]) == ("npy", dtype)
    assert (facts["shape"], facts["parameters"]) == (list(array.shape), array.size)


def test_an_array_of_objects_is_a_pickle(look):
    facts = look(npy(np.array([{}, None], dtype=object), allow_pickle=True))
    assert (facts["dtype"], facts["pickles"]) == ("object", 1)
    assert facts["pickle"].endswith("nothing flagged")
    facts = look(npy(np.array([Harm("x")], dtype=object), allow_pickle=True))
    assert facts["pickle"] == "flagged"
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3), b=np.array([Harm("x")], dtype=object))
    assert look(buffer.getvalue(), "a.npz")["pickle"] == "flagged"


def test_archives_of_arrays_are_counted(look):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.zeros((1000, 10), "f4"), b=np.zeros(3, "i8"))
    facts = look(buffer.getvalue(), "a.npz")
    assert (facts["format"], facts["arrays"], facts["parameters"]) == ("npz", 2, 10_003)
    assert facts["dtypes"] == {"float32": 10_000, "int64": 3}


def test_pytorch_files_give_members_and_pickles(look):
    facts = look(torch_of(pickle.dumps({}), net__version="3", net__data__0=b"1234"))
    assert (facts["format"], facts["members"], facts["pickles"]) == ("pytorch", 3, 1)
    script = zip_of(net__data_pkl=b"\x80\x02}.", net__constants_pkl=b"\x80\x02).")
    script = script.replace(b"data_pkl", b"data.pkl").replace(b"constants_pkl", b"constants.pkl")
    assert look(script)["format"] == "torchscript"


def test_a_pickle_is_found_under_any_name(look):
    assert look(torch_of(pickle.dumps({}), net__extra=pickle.dumps([])))["pickles"] == 2


def test_other_formats_are_named(look):
    assert look(b"GGUF" + struct.pack("<IQQ", 3, 0, 0))["tensors"] == 0
    assert look(b"\x89HDF\r\n\x1a\n123")["format"] == "hdf5"
    assert look(b"\x08\x01\x3a\x00", "net.onnx")["ir_version"] == 1
    assert look(zip_of(a=b"1"), "pkg.zip") == {"format": "zip", "members": 1}
    assert look(pickle.dumps([1]), "m.pkl")["format"] == "pickle"
    for unknown in (b"", b"x", b"\0" * 100, b"\x80", b"PK"):
        assert look(unknown) == {}


# lies --------------------------------------------------------------------------------------

ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
LIES = {
    "a header without end": safetensors(b"{}", length=2**39),
    "a header of another kind": safetensors(b"[1]"),
    "no JSON": safetensors(b"{nonsense"),
    "depth": safetensors(b'{"a":' * 50_000),
    "one name twice": safetensors(b'{"a":%b,"a":%b}' % ((json.dumps(ONE).encode(),) * 2), b"1234"),
    "an offset below 0": safetensors({"a": ONE | {"data_offsets": [-4, 0]}}, b""),
    "an offset behind the end": safetensors({"a": ONE}, b""),
    "a hole": safetensors({"a": ONE | {"data_offsets": [4, 8]}}, bytes(8)),
    "an overlap": safetensors({"a": ONE, "b": ONE}, bytes(4)),
    "more bytes than tensors": safetensors({"a": ONE}, bytes(8)),
    "a shape that does not fit": safetensors({"a": ONE | {"shape": [2]}}, bytes(4)),
    "a shape of no numbers": safetensors({"a": ONE | {"shape": [True]}}, bytes(4)),
    "a shape without end": safetensors({"a": ONE | {"shape": [2**62] * 100}}, bytes(4)),
    "no description": safetensors({"a": None}),
    "NaN": safetensors(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}', bytes(4)),
    "metadata of another kind": safetensors({"__metadata__": [1]}),
    "an array's call": b"\x93NUMPY\x01\x00" + struct.pack("<H", 20) + b"__import__('os')    ",
    "an array's long header": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b"{}",
    "an array's short header": b"\x93NUMPY\x01\x00" + struct.pack("<H", 99) + b"{}",
    "an array of another version": b"\x93NUMPY\x09\x00\x00\x00",
    "an array's depth": b"\x93NUMPY\x02\x00" + struct.pack("<I", 9_000) + b"(" * 9_000,
    "an array's shape": b"\x93NUMPY\x01\x00" + struct.pack("<H", 61)
    + b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2**9)}",
    "an array that is cut short": npy(np.zeros(100))[:-1],
    "an array of structures that is cut short": npy(
        np.zeros(100, [("a", "i4"), ("b", "f8", 3)])
    )[:-1],
    "an archive of an array that is cut short": zip_of(a_npy=npy(np.zeros(100))[:-1]).replace(
        b"a_npy", b"a.npy"
    ),
    "members that overlap": zip_of(a="x" * 50, b="y").replace(
        struct.pack("<LL", 3, 1), struct.pack("<LL", 2**30, 2**30)
    ),
    "a broken archive": b"PK\3\4" + b"x" * 100,
    "an archive of no arrays": zip_of(a_npy=b"x").replace(b"a_npy", b"a.npy"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_what_a_header_says_is_checked(name, look):
    ending = "a.safetensors" if LIES[name][8:9] in (b"[", b"{") else "a"
    facts = look(LIES[name], ending)
    assert set(facts) == {"format", "problem"}
    assert lines(facts)[1].startswith("damaged")


def test_a_list_of_members_that_would_fill_the_memory_is_not_read(tmp_path):
    path = tmp_path / "large.zip"
    with path.open("wb") as writer:
        writer.write(b"PK\3\4")
        writer.truncate(2**31)
        writer.seek(2**31)
        writer.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 2**31 - 4_096, 4_096, 0))
    facts = inside(path, "large.pt")
    assert facts == {"format": "zip", "unread": "its list of members has 2,147,479,552 bytes"}
    assert lines(facts)[1].startswith("not read further: its list")


def look_with_little(path, name):
    """Return the facts about a file, found with 20 s of a processor and 1 GB of memory."""
    import resource
    from pathlib import Path

    from localreg.blobs.headers.contents import inside

    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
    return inside(Path(path), name)


def _many_arrays():
    text = b"{'descr': [%s], 'fortran_order': False, 'shape': (1,)}" % (b"('a','<f4')," * 800)
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(3_200)
    return zip_of(**{f"a{number}.npy": array for number in range(1_000)})


HUGE = {  # bytes that would take gigabytes or minutes to look through, the name, and the reason
    "a pickle of marks": (
        lambda: torch_of(b"\x80\x02" + b"(" * 30_000_000 + b"."), "a.pt",
        "it has more than 500,000 operations",
    ),
    "many pickles of marks": (
        lambda: torch_of(b"\x80\x02}.", **{
            f"net__{number}": b"\x80\x02" + b"(" * 400_000 + b"." for number in range(9)
        }), "a.pt", "it has more than 500,000 operations",
    ),
    "a long pickle": (
        lambda: torch_of(b"\x80\x02" + b"(" * 60_000_000 + b"."), "a.pt", "it has more than 32 MiB",
    ),
    "a plain pickle": (
        lambda: b"\x80\x02" + b"N" * 30_000_000 + b".", "a.pkl",
        "it has more than 500,000 operations",
    ),
    "pickles in a row": (
        lambda: b"\x80\x02N." * 200_000, "a.pkl", "it has more than 500,000 operations",
    ),
    "a header": (
        lambda: safetensors(b'{"a":[' + b"[]," * 30_000_000 + b"[]]}"), "a.safetensors",
        "its header has 90,000,010 bytes",
    ),
    "headers of arrays": (
        _many_arrays, "a.npz", "the headers of its arrays have more than 2,000,000 bytes",
    ),
    "members": (
        lambda: zip_of(**{f"{number}": b"" for number in range(50_001)}), "a.pt",
        "it has 50,001 members",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HUGE)
def test_what_would_take_too_long_is_not_read_and_the_reason_is_said(name, tmp_path, children):
    """P18: time and memory are bounded, whatever is in a file."""
    make, filename, why = HUGE[name]
    (tmp_path / "file").write_bytes(make())
    facts = children.run(look_with_little, tmp_path / "file", filename)
    assert facts.get("why", facts.get("unread")) == why
    assert facts.get("pickle", "unscanned") == "unscanned"
    assert why in " ".join(lines(facts))


def test_what_real_files_have_is_read(look):
    """60,000 tensors, a pickle of 100,000 words, and 10,000 members are no reason to give up."""
    tensor = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    names = [f"model.layers.{number}.experts.{number}.weight" for number in range(60_000)]
    assert look(safetensors(dict.fromkeys(names, tensor)), "a.safetensors")["tensors"] == 60_000
    words = pickle.dumps({f"word {number}": number for number in range(100_000)}, protocol=4)
    assert look(torch_of(words))["pickle"].startswith("scanned by picklescan ")
    members = {f"net__data__{number}": b"1234" for number in range(10_000)}
    assert look(torch_of(b"\x80\x02}.", **members))["pickle"].startswith("scanned by picklescan ")


@pytest.mark.parametrize(
    "start",
    [b"", b"\x93NUMPY", b"PK\3\4", b"\x80\x04", b"GGUF", LEGACY_TORCH, struct.pack("<Q", 40) + b"{",
     torch_of(b"\x80\x02}.")[:60], npy(np.zeros(3))[:40], safetensors(TENSORS)],
    ids=range(10),
)  # fmt: skip
@given(rest=st.binary(max_size=200))
def test_no_bytes_are_an_error(start, rest, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "file"
    path.write_bytes(start + rest)
    json.dumps(inside(path, "file.safetensors"), allow_nan=False)
    json.dumps(inside(path, None), allow_nan=False)


# pickles -----------------------------------------------------------------------------------


@pytest.mark.parametrize("scanner", ["installed", NO_SCANNER])
@pytest.mark.parametrize(
    "pack", [lambda data: data, torch_of, lambda data: torch_of(b"\x80\x02}.", a=data)]
)
def test_nothing_is_ever_unpickled(pack, scanner, look, tmp_path):
    scanner = installed_scanner() if scanner == "installed" else scanner
    facts = look(pack(pickle.dumps(Harm(tmp_path / "harm"))), scanner=scanner)
    assert not (tmp_path / "harm").exists()
    assert facts["pickle"] == ("flagged" if scanner else "unscanned")
    if scanner:
        assert any("mkdir" in name for name in facts["flagged"])


def test_what_a_scanner_does_not_flag_is_not_called_safe(look):
    facts = look(torch_of(pickle.dumps({"a": [1, 2]})))
    assert facts["pickle"].startswith("scanned by picklescan ")
    assert facts["pickle"].endswith("nothing flagged")
    assert "loading may run code" in " ".join(lines(facts))


@pytest.mark.parametrize("data", [b"\x80\x04nonsense", b"\x80\x02}", pickle.dumps({})[:-1]])
def test_what_cannot_be_scanned_is_unscanned(data, look):
    assert look(data)["pickle"] == "unscanned"
    assert look(torch_of(data))["pickle"] == "unscanned"


def test_a_scanner_that_raises_has_not_scanned(look):
    def raises(file, legacy):
        raise IndexError("pop from empty list")

    assert look(pickle.dumps({}), scanner=(raises, "s"))["pickle"] == "unscanned"


def test_a_flag_counts_though_another_pickle_could_not_be_scanned(look):
    def scan(file, legacy):
        if file.read(20).startswith(b"\x80\x02"):
            raise ValueError
        return True, ["os.system"]

    facts = look(torch_of(b"\x80\x02}.", net__b=b"\x80\x04}."), scanner=(scan, "s 1"))
    assert (facts["pickle"], facts["flagged"], facts["scanner"]) == (
        "flagged",
        ["os.system"],
        "s 1",
    )


def test_pytorchs_first_format_is_recognised(look):
    """It is three pickles in a row, then raw numbers."""
    data = LEGACY_TORCH + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + pickle.dumps({}, 2)
    facts = look(data + pickle.dumps([], 2) + bytes(100))
    assert facts["format"] == "pytorch"
    assert facts["pickle"] != "flagged"


# in a registry -----------------------------------------------------------------------------


def test_facts_are_recorded_when_weights_are_kept(tmp_path, capsys):
    path = tmp_path / "net.safetensors"
    path.write_bytes(safetensors(TENSORS, bytes(32)))
    with Registry(tmp_path / "r", durability="fast") as registry:
        registry.add(path)
        (facts,) = registry.db.conn.execute("SELECT facts FROM blob").fetchone()
        assert json.loads(facts)["parameters"] == 7
    shown = run_cli("-R", tmp_path / "r", "show", "net")[1]
    assert "7 parameters in 2 tensors" in shown
    told = run_cli("-R", tmp_path / "r", "show", "net", "--json")[1]
    assert json.loads(told)["inside"]["tensors"] == 2


def test_an_escape_that_python_warns_of_is_no_warning(tmp_path):
    """Random bytes may begin like a pickle of the first protocols, which has texts."""
    start = b"S'\\w'\n" + b"c__builtin__\nlist\n."
    assert may_have_facts(start, "noise")
    (tmp_path / "noise").write_bytes(start)
    assert inside(tmp_path / "noise", "noise")["pickle"]
