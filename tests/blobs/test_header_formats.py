"""What is inside files that the real libraries write."""

from __future__ import annotations

import json

import gguf
import h5py
import numpy as np
import onnx
import pytest
from gguf import GGMLQuantizationType, GGUFEndian, GGUFReader, GGUFWriter, LlamaFileType
from gguf.constants import GGML_QUANT_SIZES
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from localreg.blobs.headers import gguf_header, onnx_header
from localreg.blobs.headers.contents import START, inside, may_have_facts
from localreg.blobs.headers.facts_text import lines, rows
from localreg.blobs.headers.neighbours import neighbours


def look(path):
    facts = inside(path, path.name)
    json.dumps(facts, allow_nan=False)
    assert may_have_facts(path.read_bytes()[:START], f"folder/{path.name}") or not facts
    assert lines(facts)
    assert rows(facts)
    return facts


# GGUF --------------------------------------------------------------------------------------


def write_gguf(path, *, big=False, tensors=None, more=lambda writer: None, split=False):
    order = GGUFEndian.BIG if big else GGUFEndian.LITTLE
    options = {"split_max_tensors": 1} if split else {}
    writer = GGUFWriter(path, "llama", endianess=order, **options)
    writer.add_context_length(8192)
    writer.add_file_type(LlamaFileType.MOSTLY_Q4_K_M)
    writer.add_name("a small one")
    writer.add_float32("llama.rope.scale", 0.5)
    writer.add_bool("a.truth", True)
    writer.add_token_list([f"token {number}" for number in range(20_000)])
    writer.add_array("some.numbers", [1, 2, 3])
    writer.add_description("x" * 3_000)
    more(writer)
    for name, array in (tensors or {"a": np.zeros((4, 32), "f4"), "b": np.zeros(3, "f2")}).items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("big", [False, True])
def test_a_gguf_file_says_what_it_is(big, tmp_path):
    facts = look(write_gguf(tmp_path / "m.gguf", big=big))
    assert facts == {
        "format": "gguf",
        "version": 3,
        "tensors": 2,
        "architecture": "llama",
        "context_length": 8192,
        "quantization": "Q4_K_M",
        "metadata": {"name": "a small one"},
        "parameters": 131,
        "dtypes": {"F16": 3, "F32": 128},
    }
    assert lines(facts) == [
        "gguf: 131 parameters in 2 tensors, F16 3, F32 128",
        "architecture: llama",
        "quantization: Q4_K_M",
        "context length: 8,192",
        "version: 3",
        "name = a small one",
    ]


def test_quantized_tensors_are_counted_in_values(tmp_path):
    def more(writer):
        data = np.zeros((2, 3 * 144), "u1")  # 2 rows of 3 blocks of 256 values
        writer.add_tensor("q", data, raw_dtype=GGMLQuantizationType.Q4_K)

    path = write_gguf(tmp_path / "m.gguf", tensors={"a": np.zeros(5, "f4")}, more=more)
    facts = look(path)
    assert facts["dtypes"] == {"F32": 5, "Q4_K": 2 * 3 * 256}
    read = GGUFReader(path)
    assert facts["parameters"] == sum(int(each.n_elements) for each in read.tensors)


def test_the_parts_of_a_gguf_file_are_counted(tmp_path):
    write_gguf(tmp_path / "m.gguf", split=True)
    (first, second) = sorted(tmp_path.iterdir())
    assert first.name == "m-00001-of-00002.gguf"
    assert look(first)["splits"] == 2
    assert "parts: 2" in lines(look(first))
    assert neighbours(first).beside == (second.name,)


def test_the_tables_of_types_are_those_of_the_library():
    for kind, (block, width) in GGML_QUANT_SIZES.items():
        assert gguf_header.TYPES[int(kind)] == (kind.name, block, width)
    for kind in LlamaFileType:
        if kind.name != "GUESSED":
            name = kind.name.removeprefix("MOSTLY_").removeprefix("ALL_")
            assert gguf_header.QUANTIZATIONS[int(kind)] == name
    assert gguf.GGUF_MAGIC.to_bytes(4, "little") == gguf_header.MAGIC


# ONNX --------------------------------------------------------------------------------------


def model(arrays, nodes=(), **graph_parts):
    weights = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"]), *nodes],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, None]),
            *(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape)
                for name, array in arrays.items()
            ),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, [])],
        initializer=weights,
        **graph_parts,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    found = helper.make_model(graph, opset_imports=opsets, producer_name="me", ir_version=8)
    found.producer_version = "1.2"
    return found


def test_an_onnx_model_says_what_it_is(tmp_path):
    arrays = {"w": np.zeros((2, 3), "f4"), "i": np.zeros(4, "i8"), "s": np.zeros((), "f2")}
    onnx.save(model(arrays), tmp_path / "m.onnx")
    facts = look(tmp_path / "m.onnx")
    assert facts == {
        "format": "onnx",
        "ir_version": 8,
        "producer": "me 1.2",
        "opsets": {"ai.onnx": 17, "com.microsoft": 1},
        "inputs": [{"name": "x", "dtype": "float32", "shape": ["batch", 3, "?"]}],
        "outputs": [{"name": "y", "dtype": "float16", "shape": []}],
        "tensors": 3,
        "parameters": 11,
        "dtypes": {"float16": 1, "float32": 6, "int64": 4},
    }
    assert lines(facts) == [
        "onnx: 11 parameters in 3 tensors, float16 1, float32 6, int64 4",
        "IR version: 8",
        "opsets: ai.onnx 17, com.microsoft 1",
        "producer: me 1.2",
        "inputs: x float32 [batch, 3, ?]",
        "outputs: y float16 []",
    ]


def test_external_data_are_named_with_the_size_that_they_need(tmp_path):
    arrays = {"w": np.zeros((200, 30), "f4"), "v": np.zeros(5_000, "f4")}
    onnx.save(
        model(arrays), tmp_path / "m.onnx", save_as_external_data=True, location="m.data",
        size_threshold=0,
    )  # fmt: skip
    facts = look(tmp_path / "m.onnx")
    assert facts["external"] == {"m.data": (tmp_path / "m.data").stat().st_size}
    assert facts["parameters"] == 11_000
    assert "needs: m.data" in lines(facts)
    found = neighbours(tmp_path / "m.onnx")
    assert found.text == (
        f"m.onnx needs m.data: `localreg add {tmp_path / 'm.onnx'} {tmp_path / 'm.data'} -n NAME` "
        "keeps them together"
    )
    (tmp_path / "m.data").unlink()
    assert neighbours(tmp_path / "m.onnx").absent == ("m.data",)


def test_a_file_for_each_tensor_is_named(tmp_path):
    arrays = {"w": np.zeros((200, 30), "f4"), "v": np.zeros(5_000, "f4")}
    onnx.save(
        model(arrays), tmp_path / "m.onnx", save_as_external_data=True,
        all_tensors_to_one_file=False, size_threshold=0,
    )  # fmt: skip
    assert set(look(tmp_path / "m.onnx")["external"]) == {"w", "v"}


def test_external_data_of_constants_and_inner_graphs_are_named(tmp_path):
    def outside(name):
        tensor = numpy_helper.from_array(np.zeros(2, "f4"), name)
        onnx.external_data_helper.set_external_data(tensor, f"{name}.bin")
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        return tensor

    inner = helper.make_graph([], "inner", [], [], initializer=[outside("inner")])
    nodes = [
        helper.make_node("Constant", [], ["c"], value=outside("constant")),
        helper.make_node("If", ["c"], ["d"], then_branch=inner, else_branch=inner),
    ]
    (tmp_path / "m.onnx").write_bytes(model({}, nodes).SerializeToString())
    facts = look(tmp_path / "m.onnx")
    assert facts["external"] == {"inner.bin": 8, "constant.bin": 8}
    assert facts["parameters"] == 4


# Texts and complex numbers apart. Older versions of the library have fewer types.
KINDS = [
    kind
    for kind in onnx_header.TYPES
    if kind not in (8, 14, 15, 27, 28) and kind in TensorProto.DataType.values()
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: onnx_header.TYPES[kind][0])
@pytest.mark.parametrize("raw", [True, False])
def test_tensors_of_every_type_match_their_bytes(kind, raw, tmp_path):
    bits = onnx_header.TYPES[kind][1]
    values = bytes((5 * bits + 7) // 8) if raw else [0] * 5
    tensor = helper.make_tensor("t", kind, [5], values, raw=raw)
    graph = helper.make_graph([], "g", [], [], initializer=[tensor])
    (tmp_path / "m.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    facts = look(tmp_path / "m.onnx")
    assert facts["dtypes"] == {onnx_header.TYPES[kind][0]: 5}


def test_sparse_tensors_and_texts(tmp_path):
    values = helper.make_tensor("s", TensorProto.FLOAT, [2], [1, 2])
    indices = helper.make_tensor("s_i", TensorProto.INT64, [2], [0, 7])
    sparse = helper.make_sparse_tensor(values, indices, [100])
    texts = helper.make_tensor("t", TensorProto.STRING, [3], [b"a", b"b", b"c"])
    graph = helper.make_graph([], "g", [], [], initializer=[texts], sparse_initializer=[sparse])
    (tmp_path / "m.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    facts = look(tmp_path / "m.onnx")
    assert (facts["parameters"], facts["dtypes"]) == (2, {"float32": 2})


# others ------------------------------------------------------------------------------------


def test_safetensors_and_hdf5_of_the_libraries(tmp_path):
    save_file({"a": np.zeros((2, 3), "f4")}, tmp_path / "m.safetensors", {"by": "me"})
    assert look(tmp_path / "m.safetensors")["metadata"] == {"by": "me"}
    with h5py.File(tmp_path / "m.bin", "w") as file:
        file["a"] = [1, 2]
    assert look(tmp_path / "m.bin") == {"format": "hdf5"}


def test_an_index_of_shards_names_them(tmp_path):
    places = {"a": "m-00001-of-00002.safetensors", "b": "m-00002-of-00002.safetensors"}
    index = {"metadata": {"total_size": 9}, "weight_map": places | {"c": places["a"]}}
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    assert look(path) == {
        "format": "shard index", "tensors": 3, "shards": sorted(places.values()),
    }  # fmt: skip
    assert neighbours(path).absent == tuple(sorted(places.values()))
    path.write_text('{"manifests": []}')
    assert inside(path, path.name) == {}


def test_a_config_gives_the_architecture(tmp_path):
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "quantization_config": {"quant_method": "gptq", "bits": 4},
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    assert look(path) == {
        "format": "config",
        "architecture": "LlamaForCausalLM",
        "model_type": "llama",
        "quantization": "gptq 4 bits",
    }
    for other in ("[]", "{}", '{"architectures": [], "model_type": 3}', "no JSON", "[" * 100_000):
        path.write_text(other)
        assert inside(path, path.name) == {}
