"""P28: files made by the real libraries are kept as they are, and these load the local copies."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.command_line import run_cli
from support.contents import blobs
from support.trees import look

WEIGHTS = np.arange(12, dtype="float32").reshape(3, 4)


def make_safetensors(folder):
    from safetensors.numpy import save_file

    save_file({"w": WEIGHTS, "b": WEIGHTS[0]}, folder / "model.safetensors", {"format": "np"})
    return "model.safetensors"


def load_safetensors(path):
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        return file.get_tensor("w")


def onnx_model():
    from onnx import TensorProto, helper, numpy_helper

    there = helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])
    back = helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])
    weights = numpy_helper.from_array(WEIGHTS, "w")
    node = helper.make_node("MatMul", ["w", "x"], ["y"])
    graph = helper.make_graph([node], "net", [there], [back], [weights])
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def make_onnx(folder):
    import onnx

    onnx.save_model(onnx_model(), folder / "model.onnx")
    return "model.onnx"


def make_onnx_with_data(folder):
    """Its weights are in a file of their own."""
    import onnx

    onnx.save_model(
        onnx_model(), folder / "model.onnx", save_as_external_data=True,
        all_tensors_to_one_file=True, location="model.onnx.data", size_threshold=0,
    )  # fmt: skip
    return "model.onnx"


def load_onnx(path):
    """Load it with its weights, and run it."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    model = onnx.load(path)
    onnx.checker.check_model(model)
    (product,) = ReferenceEvaluator(model).run(None, {"x": np.eye(4, dtype="float32")[1]})
    return product


def make_gguf(folder):
    from gguf import GGUFWriter

    writer = GGUFWriter(folder / "model.gguf", "llama")
    writer.add_block_count(2)
    writer.add_context_length(4096)
    writer.add_embedding_length(4)
    writer.add_file_type(0)
    writer.add_tensor("token_embd.weight", WEIGHTS)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return "model.gguf"


def load_gguf(path):
    from gguf import GGUFReader

    (tensor,) = GGUFReader(path).tensors
    return np.array(tensor.data)


def make_joblib(method):
    def make(folder):
        import joblib

        joblib.dump({"w": WEIGHTS}, folder / "model.joblib", compress=(method, 3))
        return "model.joblib"

    return make


def load_joblib(path):
    import joblib

    return joblib.load(path)["w"]


def make_hdf5(folder):
    import h5py

    with h5py.File(folder / "model.h5", "w") as file:
        file.create_dataset("layer/w", data=WEIGHTS)
        file.attrs["backend"] = "numpy"
    return "model.h5"


def load_hdf5(path):
    import h5py

    with h5py.File(path, "r") as file:
        return file["layer/w"][:]


def make_npz(folder):
    np.savez(folder / "model.npz", w=WEIGHTS)
    return "model.npz"


def load_npz(path):
    with np.load(path) as file:
        return file["w"]


# How it is made in a folder and loaded, what the file gives, and what is said of it.
FORMATS = {
    "safetensors": (make_safetensors, load_safetensors, WEIGHTS, ["safetensors", "16", "f32"]),
    "npz": (make_npz, load_npz, WEIGHTS, ["npz", "12"]),
    "onnx": (make_onnx, load_onnx, WEIGHTS[:, 1], ["onnx", "17", "x", "y"]),
    "onnx with external data": (make_onnx_with_data, load_onnx, WEIGHTS[:, 1], ["onnx", "17"]),
    "gguf": (make_gguf, load_gguf, WEIGHTS, ["gguf", "llama", "4,096"]),
    "joblib": (make_joblib("zlib"), load_joblib, WEIGHTS, ["pickle"]),
    "joblib gzip": (make_joblib("gzip"), load_joblib, WEIGHTS, ["pickle"]),
    "joblib bz2": (make_joblib("bz2"), load_joblib, WEIGHTS, ["pickle"]),
    "joblib lzma": (make_joblib("lzma"), load_joblib, WEIGHTS, ["pickle"]),
    "joblib xz": (make_joblib("xz"), load_joblib, WEIGHTS, ["pickle"]),
    "hdf5": (make_hdf5, load_hdf5, WEIGHTS, ["hdf5"]),
}


@pytest.fixture(params=FORMATS)
def made(request, tmp_path):
    """A folder with a model of a format: the folder, the file's name, and how it is loaded."""
    make, load, value, said = FORMATS[request.param]
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder, make(folder), load, value, said


def test_the_library_loads_the_local_folder(registry, made):
    """The folder is as it was, and read-only files are no trouble for the library."""
    folder, name, load, value, _ = made
    model = registry.add(folder, "net")
    copy = Path(model.get_local_copy(raise_on_error=True))
    assert look(copy) == look(folder)
    np.testing.assert_array_equal(load(copy / name), value)
    assert look(copy) == look(folder)
    assert registry.verify(full=True).ok


def test_the_library_loads_one_file(registry, made):
    folder, name, load, value, _ = made
    model = registry.add(folder, "net")
    copy = Path(model.get_local_copy(file=name, raise_on_error=True))
    assert copy.name == name
    assert copy.read_bytes() == (folder / name).read_bytes()
    if (folder / f"{name}.data").exists():
        import onnx

        onnx.load(copy, load_external_data=False)
    else:
        np.testing.assert_array_equal(load(copy), value)


def test_what_is_inside_is_shown(registry, made):
    """By `files` for each file of a package, and by `show` for a file that is alone."""
    folder, name, _, _, said = made
    registry.add(folder, "net")
    registry.add(folder / name, "alone")
    code, out, err = run_cli("-R", registry.path, "files", "net")
    assert (code, err) == (0, "")
    line = next(each for each in out.splitlines() if each.lstrip().startswith(name))
    code, alone, err = run_cli("-R", registry.path, "show", "alone")
    assert (code, err) == (0, "")
    assert said[0] in line.lower()
    for each in said:
        assert each in alone.lower(), each


SHARDS = 7


def make_sharded(folder):
    """Write a model of seven shards with an index, as the Hugging Face hub has them."""
    from safetensors.numpy import save_file

    folder.mkdir()
    index = {}
    for number in range(1, SHARDS + 1):
        name = f"model-{number:05}-of-{SHARDS:05}.safetensors"
        save_file({f"layer.{number}": WEIGHTS * number}, folder / name)
        index[f"layer.{number}"] = name
    total = WEIGHTS.nbytes * SHARDS
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": index})
    )
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return folder


def load_sharded(folder):
    """Load all tensors by the index."""
    from safetensors import safe_open

    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    found = {}
    for tensor, name in index.items():
        with safe_open(folder / name, "np") as file:
            found[tensor] = file.get_tensor(tensor)
    return found


def test_a_model_of_seven_shards(registry, tmp_path, caplog):
    folder = make_sharded(tmp_path / "llama")
    code, _, err = run_cli("-R", registry.path, "add", folder, "-n", "llama")
    assert code == 0, err
    assert caplog.text == ""
    found = load_sharded(Path(registry.model("llama").get_local_copy()))
    for number in range(1, SHARDS + 1):
        np.testing.assert_array_equal(found[f"layer.{number}"], WEIGHTS * number)
    assert f"{12 * SHARDS}" in run_cli("-R", registry.path, "show", "llama")[1], "parameters"


def test_a_model_whose_index_names_a_shard_that_is_missing(registry, tmp_path, caplog):
    """It is kept, with a warning that names the shard; `verify` says it too."""
    folder = make_sharded(tmp_path / "llama")
    missing = f"model-00003-of-{SHARDS:05}.safetensors"
    (folder / missing).unlink()
    code, _, err = run_cli("-R", registry.path, "add", folder, "-n", "llama")
    assert code == 0
    assert missing in err + caplog.text
    model = registry.model("llama")
    assert look(model.get_local_copy()) == look(folder)
    _, out, err = run_cli("-R", registry.path, "verify")
    assert missing in out + err


@pytest.mark.parametrize("name", ["model.onnx", f"model-00002-of-{SHARDS:05}.safetensors"])
def test_a_file_that_needs_its_neighbours(registry, tmp_path, name, caplog):
    """It is kept, with a warning that says which command takes all of them."""
    if name == "model.onnx":
        (tmp_path / "net").mkdir()
        make_onnx_with_data(tmp_path / "net")
    else:
        make_sharded(tmp_path / "net")
    code, _, err = run_cli("-R", registry.path, "add", tmp_path / "net" / name, "-n", "alone")
    assert code == 0
    assert "localreg add" in err + caplog.text
    assert registry.model("alone").size == (tmp_path / "net" / name).stat().st_size


def test_the_files_of_an_onnx_model_are_added_by_name(registry, tmp_path):
    make_onnx_with_data(tmp_path)
    files = [tmp_path / "model.onnx", tmp_path / "model.onnx.data"]
    code, _, err = run_cli("-R", registry.path, "add", *files, "-n", "net")
    assert code == 0, err
    copy = Path(registry.model("net").get_local_copy())
    np.testing.assert_array_equal(load_onnx(copy / "model.onnx"), WEIGHTS[:, 1])


def test_a_tokenizer_folder(registry, tmp_path):
    """Small files of text, as transformers saves them; some are the same in each model."""
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    vocabulary = {f"token {number}": number for number in range(2_000)}
    tokenizer = {"version": "1.0", "model": {"type": "BPE", "vocab": vocabulary, "merges": []}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "special_tokens_map.json").write_text('{"unk_token": "[UNK]"}')
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizerFast"}')
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}\n")
    model = registry.add(folder, "net")
    copy = Path(model.get_local_copy())
    assert look(copy) == look(folder)
    one = Path(model.get_local_copy(file="tokenizer.json"))
    assert json.loads(one.read_text())["model"]["vocab"] == vocabulary
    before = len(blobs(registry.path))
    (folder / "chat_template.jinja").write_text("{{ messages[-1]['content'] }}\n")
    registry.add(folder, "net")
    assert len(blobs(registry.path)) == before + 2, "one file, and the manifest"


def test_a_checkpoint_of_20_000_small_files(registry, tmp_path):
    """As orbax writes them: a folder of many chunks for each array."""
    folder = tmp_path / "checkpoint"
    for array in range(20):
        chunks = folder / f"params.layer_{array}.kernel"
        chunks.mkdir(parents=True)
        (chunks / ".zarray").write_text('{"chunks": [1]}')  # the same in each
        for chunk in range(999):
            (chunks / f"{chunk // 10}.{chunk % 10}").write_bytes(b"%d.%d" % (array, chunk))
    (folder / "_METADATA").write_text("{}")
    (folder / "_CHECKPOINT_METADATA").write_text("{}")
    model = registry.add(folder, "net")
    copy = Path(model.get_local_copy(raise_on_error=True))
    assert look(copy) == look(folder)
    assert len(blobs(registry.path)) == 20 * 999 + 1 + 1 + 1
    one = Path(model.get_local_copy(file="params.layer_19.kernel/7.3"))
    assert one.read_bytes() == b"19.73"
    assert registry.verify().ok
