"""Headers that lie, and headers of formats whose libraries are too large for the tests.

Time and memory are bounded, whatever is in a file (P18), and no damage is a raw error.
"""

from __future__ import annotations

import json
import struct
import zlib

import numpy as np
import onnx
import pytest
from gguf import GGUFWriter
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from localreg.blobs.headers.contents import inside
from localreg.blobs.headers.facts_text import lines, rows
from localreg.blobs.headers.neighbours import neighbours

# protobuf, LevelDB's tables, XML -----------------------------------------------------------


def varint(number):
    number &= 2**64 - 1
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


def message(*fields):
    """Return a message; a field is its number and a value: a number, text, or bytes."""
    found = b""
    for number, value in fields:
        if isinstance(value, int):
            found += varint(number << 3) + varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            found += varint(number << 3 | 2) + varint(len(data)) + data
    return found


def block(entries):
    """Return a block of a table, with shared starts of keys, and its kind and checksum."""
    found, before = b"", b""
    for key, value in entries:
        shared = 0
        while shared < min(len(key), len(before)) and key[shared] == before[shared]:
            shared += 1
        found += varint(shared) + varint(len(key) - shared) + varint(len(value))
        found += key[shared:] + value
        before = key
    return found + struct.pack("<LL", 0, 1)


def table(entries, kind=0, handle=None):
    data = block(entries)
    place = handle or (varint(0) + varint(len(data)))
    index = block([(b"zz", place)])
    start = len(data) + 5
    footer = varint(0) + varint(0) + varint(start) + varint(len(index))
    checksum = struct.pack("<L", zlib.crc32(data))
    return (
        data + bytes([kind]) + checksum + index + b"\0" + checksum
        + footer.ljust(40, b"\0") + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
    )  # fmt: skip


def entry(dtype, shape, size, *, shard=0, offset=0, slices=()):
    dimensions = [(2, message((1, each))) for each in shape]
    fields = [(1, dtype), (2, message(*dimensions)), (3, shard), (4, offset), (5, size)]
    return message(*fields, *((7, each) for each in slices))


HEADER = (b"", message((1, 2), (2, 0)))
GOOD = [
    HEADER,
    (b"_CHECKPOINTABLE_OBJECT_GRAPH", entry(7, [], 99)),
    (b"layer/bias", entry(1, [5], 20, offset=99)),
    (b"layer/kernel", entry(19, [2, 3], 12, shard=1)),
]


def saved_model(nodes=(), objects=(), functions=()):
    info = message((4, "serve"), (5, "2.15.0"))
    graph = message(*((1, message((1, "n"), (2, each))) for each in nodes))
    graph += message((2, message(*((1, message((3, message((2, each))))) for each in functions))))
    tree = message(*((1, each) for each in objects))
    signature = message((1, "serving_default"), (2, b""))
    return message((1, 1), (2, message((1, info), (2, graph), (5, signature), (7, tree))))


VARIABLE, CONSTANT = message((7, message((1, 1)))), message((9, b""))
OPENVINO = """<?xml version="1.0"?>
<net name="m" version="11"><layers>
<layer id="0" name="x" type="Parameter"><data shape="1, 3, ?" element_type="f32"/></layer>
<layer id="1" name="w" type="Const"><data element_type="f16" shape="4, 5" offset="8" size="40"/>
</layer><layer id="2" name="q" type="Const">
<data element_type="u4" shape="3" offset="48" size="2"/></layer></layers></net>"""


@pytest.fixture
def look(tmp_path):
    def look(data, name):
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        facts = inside(path, name)
        json.dumps(facts, allow_nan=False)
        assert bool(lines(facts)) == bool(rows(facts)) == bool(facts)
        return facts

    return look


def test_an_index_of_a_checkpoint_gives_tensors_and_parts(look, tmp_path):
    facts = look(table(GOOD), "Ckpt.index")
    assert facts == {
        "format": "tensorflow checkpoint",
        "parts": 2,
        "tensors": 3,
        "parameters": 11,
        "dtypes": {"float16": 6, "float32": 5},
        "external": {"Ckpt.data-00000-of-00002": 119, "Ckpt.data-00001-of-00002": 12},
    }
    (tmp_path / "Ckpt.data-00001-of-00002").write_bytes(b"x")
    found = neighbours(tmp_path / "Ckpt.index")
    assert (found.beside, found.absent) == (
        ("Ckpt.data-00001-of-00002",), ("Ckpt.data-00000-of-00002",),
    )  # fmt: skip


def test_a_tensor_in_slices_is_counted_by_its_slices(look):
    slices = [(b"\0slice", entry(1, [2], 8)), (b"whole", entry(1, [9], 0, slices=[b"\n\0"]))]
    assert look(table([HEADER, *slices]), "c.index")["parameters"] == 2


def test_a_saved_model_gives_version_tags_and_variables(look, tmp_path):
    facts = look(
        saved_model(["Const", "VarHandleOp"], [VARIABLE, CONSTANT, VARIABLE]), "saved_model.pb"
    )
    assert facts == {
        "format": "savedmodel",
        "producer": "TensorFlow 2.15.0",
        "tags": ["serve"],
        "signatures": ["serving_default"],
        "variables": 2,
    }
    assert "signatures: serving_default" in lines(facts)
    assert neighbours(tmp_path / "saved_model.pb").absent == ("variables/variables.index",)
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "variables.index").write_bytes(b"x")
    assert neighbours(tmp_path / "saved_model.pb").text == (
        "saved_model.pb needs variables/variables.index: "
        f"`localreg add {tmp_path} -n NAME` keeps them together"
    )


def test_a_saved_model_without_variables_needs_none(look, tmp_path):
    assert "variables" not in look(saved_model(["Const"], [CONSTANT]), "saved_model.pb")
    assert neighbours(tmp_path / "saved_model.pb") is None


def test_openvino_gives_inputs_and_parameters_and_needs_its_weights(look, tmp_path):
    assert look(OPENVINO, "Net.xml") == {
        "format": "openvino",
        "version": "11",
        "inputs": [{"name": "x", "dtype": "f32", "shape": ["1", "3", "?"]}],
        "tensors": 2,
        "parameters": 23,
        "dtypes": {"f16": 20, "u4": 3},
        "external": {"Net.bin": 50},
    }
    assert neighbours(tmp_path / "Net.xml").absent == ("Net.bin",)
    assert look("<note><net/></note>", "other.xml")["problem"] == "it has no version"
    assert look("<html></html>", "other.xml") == {}


# lies --------------------------------------------------------------------------------------


def gguf_of(*, keys=0, tensors=0, rest=b"", version=3, order="<"):
    return b"GGUF" + struct.pack(f"{order}IQQ", version, tensors, keys) + rest


def key(kind, value, name=b"a"):
    return struct.pack("<Q", len(name)) + name + struct.pack("<I", kind) + value


def tensor(shape, kind=0, offset=0, name=b"t"):
    start = struct.pack("<Q", len(name)) + name + struct.pack("<I", len(shape))
    return start + struct.pack(f"<{len(shape)}QIQ", *shape, kind, offset)


def onnx_of(*fields, initializer=b""):
    return message((1, 8), (7, message((5, initializer)) if initializer else b""), *fields)


def initial(dtype, shape, *fields):
    return message(*((1, each) for each in shape), (2, dtype), *fields)


def outside(**entries):
    return [(13, message((1, name), (2, value))) for name, value in entries.items()] + [(14, 1)]


LIES = {
    "m.gguf": {
        "nothing": b"GGUF",
        "a version": gguf_of(version=9),
        "keys that are not there": gguf_of(keys=5),
        "a text without end": gguf_of(keys=1, rest=key(8, struct.pack("<Q", 2**60))),
        "a name without end": gguf_of(keys=1, rest=struct.pack("<Q", 2**40)),
        "an array without end": gguf_of(keys=1, rest=key(9, struct.pack("<IQ", 4, 2**62))),
        "texts without end": gguf_of(keys=1, rest=key(9, struct.pack("<IQ", 8, 2**62))),
        "a text past the end": gguf_of(
            keys=1, rest=key(9, struct.pack("<IQQ", 8, 1, 2**63) + bytes(9))
        ),
        "arrays in each other": gguf_of(keys=1, rest=key(9, struct.pack("<IQ", 9, 1) * 20)),
        "a type": gguf_of(keys=1, rest=key(77, b"")),
        "a type of arrays": gguf_of(keys=1, rest=key(9, struct.pack("<IQ", 77, 1))),
        "a tensor past the end": gguf_of(tensors=1, rest=tensor([2**40])),
        "an offset past the end": gguf_of(tensors=1, rest=tensor([1], offset=2**62) + bytes(99)),
        "a huge shape": gguf_of(tensors=1, rest=tensor([2**63] * 8) + bytes(99)),
        "many dimensions": gguf_of(tensors=1, rest=tensor([1] * 9) + bytes(99)),
        "tensors in one place": gguf_of(tensors=2, rest=tensor([20]) * 2 + bytes(100)),
        "a part of a block": gguf_of(tensors=1, rest=tensor([20], 2) + bytes(100)),
        "an unknown type past the end": gguf_of(tensors=1, rest=tensor([2**30], 99) + bytes(99)),
        "an alignment": gguf_of(keys=1, rest=key(10, bytes(8), b"general.alignment")),
    },
    "m.onnx": {
        "nothing": b"",
        "text": b"this is a text",
        "no graph": message((1, 8)),
        "a graph past the end": onnx_of()[:-1] + b"\x7f",
        "a field past the end of its graph": message((7, b"\x0a\x05"), (99, "x" * 200)),
        "a number as a graph": message((7, 1)),
        "a number without end": b"\x08" + b"\xff" * 20,
        "a group": b"\x0b",
        "field 0": b"\x02\x00",
        "a shape without bytes": onnx_of(initializer=initial(1, [2**40])),
        "a shape below 0": onnx_of(initializer=initial(1, [-5], (9, b""))),
        "a shape of many dimensions": onnx_of(initializer=initial(1, [1] * 65, (9, b"1234"))),
        "another number of bytes": onnx_of(initializer=initial(1, [3], (9, bytes(8)))),
        "bytes of an unknown type": onnx_of(initializer=initial(99, [90], (9, bytes(8)))),
        "external data nowhere": onnx_of(initializer=initial(1, [1], *outside(offset="0"))),
        "external data at no number": onnx_of(
            initializer=initial(1, [1], *outside(location="a", offset="x"))
        ),
        "external data before the start": onnx_of(
            initializer=initial(1, [1], *outside(location="a", offset="-9"))
        ),
        "external data of another length": onnx_of(
            initializer=initial(1, [9], *outside(location="a", length="4"))
        ),
        "external data of 0 bytes in a name": onnx_of(
            initializer=initial(1, [1], *outside(location="a\0b"))
        ),
        "graphs in each other": onnx_of((7, b"")),
    },
    "c.index": {
        "a block past the end": table(GOOD, handle=varint(0) + varint(2**40)),
        "a place past the end": table(GOOD, handle=varint(2**60) + varint(8)),
        "a block of no bytes": table(GOOD, handle=varint(0) + varint(0)),
        "a tensor of another size": table([HEADER, (b"a", entry(1, [9], 4))]),
        "a huge shape": table([HEADER, (b"a", entry(1, [2**62] * 60, 4))]),
        "a shape below 0": table([HEADER, (b"a", entry(1, [-1], 4))]),
        "a part that is not there": table([HEADER, (b"a", entry(1, [1], 4, shard=7))]),
        "no header": table([(b"a", entry(1, [1], 4))]),
        "no entries": table([]),
    },
    "saved_model.pb": {"nothing": b"", "text": b"text", "no graph": message((1, 1))},
    "m.xml": {
        "entities": '<!DOCTYPE n [<!ENTITY a "b">]><net version="1">&a;</net>',
        "no end": OPENVINO[:200],
        "no version": OPENVINO.replace("version=", "other="),
        "another size": OPENVINO.replace('size="40"', 'size="41"'),
        "a shape": OPENVINO.replace('"4, 5"', '"4, x"'),
        "a shape below 0": OPENVINO.replace('"4, 5"', '"-4, 5"'),
        "an offset": OPENVINO.replace('offset="8"', 'offset="-8"'),
        "no offset": OPENVINO.replace('offset="8"', ""),
    },
}  # fmt: skip
graph = b""
for _ in range(20):  # each in an attribute of a node of the next one
    graph = message((1, message((5, message((6, graph))))))
LIES["m.onnx"]["graphs in each other"] = message((7, graph))


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name, kinds in LIES.items() for kind in kinds]
)
def test_what_a_header_says_is_checked(name, kind, look):
    facts = look(LIES[name][kind], name)
    assert set(facts) == {"format", "problem"}


LONG = {  # what would take long, and why it is not read
    "many keys": ("m.gguf", lambda: gguf_of(keys=10**6), "it has 1,000,000 keys and 0 tensors"),
    "many tensors": (
        "m.gguf", lambda: gguf_of(tensors=10**6), "it has 0 keys and 1,000,000 tensors",
    ),
    "many texts": (
        "m.gguf",
        lambda: gguf_of(keys=1, rest=key(9, struct.pack("<IQ", 8, 5_000_000)) + bytes(40_000_000)),
        "its arrays have more than 4,000,000 texts",
    ),
    "many fields": (
        "m.onnx", lambda: onnx_of() + message((99, 1)) * 2_000_000,
        "it has more than 1,500,000 fields",
    ),
    "many dimensions": (
        "m.onnx", lambda: onnx_of(initializer=message((1, b"\1" * 2_000_000))),
        "it has more than 1,500,000 fields",
    ),
    "many tensors of a checkpoint": (
        "c.index",
        lambda: table([HEADER, *((f"{n:09}".encode(), entry(1, [1], 4)) for n in range(50_001))]),
        "it has more than 50,000 tensors",
    ),
    "a compressed block": ("c.index", lambda: table(GOOD, kind=1), "its blocks are compressed"),
    "a long description": (
        "m.xml", lambda: OPENVINO + " " * 32_000_000, "it has more than 32,000,000 bytes",
    ),
    "a long index": (
        "m.index.json", lambda: '{"weight_map": {}}' + " " * 16_000_000,
        "it has more than 16,000,000 bytes",
    ),
}  # fmt: skip
SLOWEST = {  # files that are read whole
    "m.gguf": lambda: gguf_of(
        keys=1, rest=key(9, struct.pack("<IQ", 8, 4_000_000)) + bytes(32_000_000)
    ),
    "m.onnx": lambda: onnx_of(initializer=b"") + message((99, 1)) * 1_400_000,
    "m.xml": lambda: OPENVINO.replace("</layers>", "<layer/>" * 3_900_000 + "</layers>"),
    "other.xml": lambda: "<net " + "x" * 31_000_000,
    "m.index.json": lambda: '{"weight_map": [' + "[]," * 5_000_000 + "[]]}",
    "config.json": lambda: "[" * 1_000_000,
}


@pytest.mark.parametrize("kind", LONG)
def test_what_would_take_too_long_is_not_read_and_the_reason_is_said(kind, look):
    name, make, why = LONG[kind]
    assert look(make(), name)["unread"] == why


def look_with_little(path, name):
    """Return the facts about a file, found with 20 s of a processor and 1 GB of memory."""
    import resource
    from pathlib import Path

    from localreg.blobs.headers.contents import inside

    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
    return inside(Path(path), name)


@pytest.mark.parametrize("name", SLOWEST)
def test_a_hostile_file_costs_bounded_time_and_memory(name, tmp_path, children):
    """P18."""
    data = SLOWEST[name]()
    (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    assert isinstance(children.run(look_with_little, tmp_path / name, name), dict)


# damage ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wholes(tmp_path_factory):
    """Return real files of each format."""
    folder = tmp_path_factory.mktemp("wholes")
    writer = GGUFWriter(folder / "m.gguf", "llama")
    writer.add_token_list(["a", "b"])
    writer.add_tensor("t", np.zeros((2, 3), "f4"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    weights = [helper.make_tensor("w", TensorProto.FLOAT, [3], [1, 2, 3])]
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    parts = helper.make_graph(nodes, "g", [value], [value], initializer=weights)
    onnx.save(helper.make_model(parts), folder / "m.onnx")
    onnx.save(
        helper.make_model(parts), folder / "e.onnx", save_as_external_data=True, size_threshold=0
    )
    return {
        "m.gguf": (folder / "m.gguf").read_bytes(),
        "m.onnx": (folder / "m.onnx").read_bytes(),
        "e.onnx": (folder / "e.onnx").read_bytes(),
        "c.index": table(GOOD),
        "saved_model.pb": saved_model(["VarHandleOp"], [VARIABLE], ["Const"]),
        "m.xml": OPENVINO.encode(),
        "m.index.json": b'{"weight_map": {"a": "b.bin", "c": "d.bin"}}',
        "config.json": b'{"architectures": ["A"], "model_type": "a"}',
    }


@pytest.mark.parametrize("name", sorted(LIES.keys() | {"e.onnx", "m.index.json", "config.json"}))
@given(data=st.data())
def test_no_damage_is_an_error(name, data, wholes, tmp_path_factory):
    damaged = bytearray(wholes[name])
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=5)):
        damaged[place] = data.draw(st.sampled_from([0, 1, 127, 128, 255]) | st.integers(0, 255))
    folder = tmp_path_factory.mktemp("damage")
    path = folder / name
    cut = data.draw(st.sampled_from([len(damaged)]) | st.integers(0, len(damaged)))
    path.write_bytes(bytes(damaged[:cut]) + data.draw(st.binary(max_size=9)))
    facts = inside(path, name)
    json.dumps(facts, allow_nan=False)
    lines(facts)
    neighbours(path)
    path.unlink()
