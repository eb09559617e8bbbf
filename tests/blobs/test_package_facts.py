"""Facts about a package: totals that count nothing twice, the worst verdict, and what it lacks."""

from __future__ import annotations

import json

import pytest

from localreg.blobs.headers.facts_text import lines, rows
from localreg.blobs.headers.package_facts import MOST_LISTED, framework_of, package_facts
from localreg.values.manifest import PackageFile

SAFETENSORS = {"format": "safetensors", "parameters": 10, "tensors": 2, "dtypes": {"F16": 10}}
SCANNED = {"pickle": "scanned by picklescan 1, nothing flagged", "pickles": 1}


def package(**files):
    """Return facts of a package; a file's value is its facts, and perhaps its size."""
    found = []
    for name, facts in files.items():
        size = facts.pop("size", 100) if facts else 100
        found.append((PackageFile(name, "0" * 64, size), facts))
    facts = package_facts(found)
    json.dumps(facts, allow_nan=False)
    assert lines(facts)
    assert all(len(row) == 2 for row in rows(facts))
    return facts


def test_files_bytes_and_formats_are_counted():
    facts = package(
        **{"a.safetensors": {**SAFETENSORS}, "b.safetensors": {**SAFETENSORS}, "c.txt": None}
    )
    assert (facts["files"], facts["bytes"]) == (3, 300)
    assert facts["formats"] == {"safetensors": 2, "other": 1}
    assert (facts["parameters"], facts["dtypes"]) == (20, {"F16": 20})
    assert lines(facts)[:2] == [
        "package: 3 files, 20 parameters of safetensors, F16 20",
        "formats: safetensors 2, other 1",
    ]


def test_formats_are_not_shown_if_none_is_known():
    assert lines(package(**{"a.txt": None, "b.txt": None})) == ["package: 2 files"]


def test_a_model_in_two_formats_is_counted_once():
    onnx = {"format": "onnx", "parameters": 9, "dtypes": {"float32": 9}}
    facts = package(**{"onnx/model.onnx": onnx, "model.safetensors": {**SAFETENSORS}})
    assert (facts["parameters"], facts["counted"]) == (10, "safetensors")


@pytest.mark.parametrize(
    ("names", "total"),
    [
        (["m-Q4_K_M.gguf", "m-Q8_0.gguf"], 2),
        (["m.Q4_0.gguf", "m.fp16.gguf", "other.gguf"], 5),
        (["m-Q4_0-00001-of-00002.gguf", "m-Q4_0-00002-of-00002.gguf", "m-Q8_0.gguf"], 3),
        (["FP16/m.gguf", "FP32/m.gguf"], 2),
        (["encoder.gguf", "decoder.gguf"], 3),
    ],
)
def test_a_model_in_several_precisions_is_counted_once(names, total):
    facts = {
        name: {"format": "gguf", "parameters": number, "dtypes": {"F32": number}}
        for number, name in enumerate(names, 1)
    }
    assert package(**facts)["parameters"] == total


def test_what_one_file_says_is_said_of_the_package():
    config = {"format": "config", "architecture": "LlamaForCausalLM", "model_type": "llama"}
    inner = {"format": "config", "architecture": "CLIPModel"}
    facts = package(**{"config.json": config, "clip/config.json": inner})
    assert (facts["architecture"], facts["model_type"]) == ("LlamaForCausalLM", "llama")
    assert "architecture: LlamaForCausalLM" in lines(facts)
    facts = package(**{"a/config.json": config, "b/config.json": inner})
    assert "architecture" not in facts


def test_the_worst_verdict_on_pickles_counts():
    flagged = {"pickle": "flagged", "pickles": 2, "flagged": ["os.system"], "scanner": "s 1"}
    unscanned = {"pickle": "unscanned", "why": "it is long"}
    found = [{"format": "pickle", **each} for each in (SCANNED, unscanned, flagged)]
    facts = package(a={**found[0]})
    assert (facts["pickle"], facts["pickles"]) == (SCANNED["pickle"], 1)
    facts = package(a={**found[0]}, b={**found[1]})
    assert (facts["pickle"], facts["pickles"], facts["why"]) == ("unscanned", 2, "it is long")
    facts = package(a={**found[0]}, b={**found[1]}, c={**found[2]})
    assert (facts["pickle"], facts["pickles"], facts["flagged"], facts["scanner"]) == (
        "flagged", 4, ["os.system"], "s 1",
    )  # fmt: skip
    assert lines(facts)[-1] == "4 pickles, flagged (os.system): loading may run code"
    assert rows(facts)[-1] == ("pickles", "4, flagged (os.system): loading may run code")


def test_damaged_files_are_named():
    facts = package(**{"d/a.gguf": {"format": "gguf", "problem": "it is short"}})
    assert facts["problems"] == ["d/a.gguf"]
    assert "damaged, or in another format: d/a.gguf" in lines(facts)


INDEX = {"format": "shard index", "shards": ["a.safetensors", "b.safetensors"]}
CHECKPOINT = {"format": "tensorflow checkpoint", "parts": 2}
MISSING = {  # files with their facts, and the paths that are missing
    "nothing": ({"a.txt": None}, None),
    "a shard of an index": (
        {"d/model.safetensors.index.json": INDEX, "d/a.safetensors": None}, ["d/b.safetensors"],
    ),
    "no shard of an index": (
        {"x.index.json": INDEX, "a.safetensors": None, "b.safetensors": None}, None,
    ),
    "a numbered part": (
        {"m-00001-of-00003.bin": None, "m-00003-of-00003.bin": None}, ["m-00002-of-00003.bin"],
    ),
    "numbers from 0": (
        {"m-00000-of-00002.bin": None, "m-00001-of-00002.bin": None}, None,
    ),
    "the first part": ({"d/m-00002-of-00002.gguf": None}, ["d/m-00001-of-00002.gguf"]),
    "external data": (
        {"d/m.onnx": {"format": "onnx", "external": {"w.bin": 1}}}, ["d/w.bin"],
    ),
    "external data that are too short": (
        {"m.onnx": {"format": "onnx", "external": {"w.bin": 200}}, "w.bin": None},
        ["w.bin (100 of 200 bytes)"],
    ),
    "external data elsewhere": (
        {"d/m.onnx": {"format": "onnx", "external": {"../../w.bin": 1, "../x.bin": 1}},
         "x.bin": None},
        ["../../w.bin"],
    ),
    "external data that are there": (
        {"m.onnx": {"format": "onnx", "external": {"./w.bin": 100}}, "w.bin": None}, None,
    ),
    "OpenVINO's weights": ({"m.xml": {"format": "openvino", "external": {"m.bin": 9}}}, ["m.bin"]),
    "data of a checkpoint": (
        {"c.index": CHECKPOINT, "c.data-00000-of-00002": None}, ["c.data-00001-of-00002"],
    ),
    "the index of a checkpoint": ({"c.data-00000-of-00001": None}, ["c.index"]),
    "the index of a distributed checkpoint": ({"d/__0_0.distcp": None}, ["d/.metadata"]),
    "the data of a distributed checkpoint": (
        {"d/.metadata": {"format": "torch checkpoint index"}, ".metadata": None, "x.distcp": None},
        ["d/*.distcp"],
    ),
    "no data of a distributed checkpoint": (
        {"d[1]/.metadata": {"format": "torch checkpoint index"}, "d[1]/0.distcp": None}, None,
    ),
    "variables": (
        {"m/saved_model.pb": {"format": "savedmodel", "variables": 3}},
        ["m/variables/variables.index"],
    ),
    "no variables": ({"m/saved_model.pb": {"format": "savedmodel"}}, None),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISSING)
def test_what_a_package_lacks_is_named(kind):
    files, missing = MISSING[kind]
    facts = package(**{name: facts and {**facts} for name, facts in files.items()})
    assert facts.get("missing") == missing
    assert any("missing" in line for line in lines(facts)) == bool(missing)


def test_long_lists_are_cut_and_counted():
    facts = package(**{"m-00001-of-00200.bin": None})
    assert len(facts["missing"]) == MOST_LISTED
    assert facts["more_missing"] == 199 - MOST_LISTED
    assert "and 191 more" in "\n".join(lines(facts))


def test_many_sets_of_parts_take_little_time():
    """Each of 20,000 names asks for 99,999 parts."""
    files = {f"{number}-00001-of-99999.bin": None for number in range(20_000)}
    assert package(**files)["missing"][0] == "0-00002-of-99999.bin"


@pytest.mark.parametrize(
    ("formats", "names", "framework"),
    [
        ({"safetensors": 1, "onnx": 2}, [], "PyTorch"),
        ({"onnx": 2, "other": 3}, ["a.safetensors.txt"], "ONNX"),
        ({"savedmodel": 1, "tensorflow checkpoint": 1}, [], "TensorFlow"),
        ({"gguf": 1, "config": 1}, [], "GGUF"),
        ({"openvino": 1}, ["m.xml", "m.bin"], "OpenVINO"),
        ({"other": 2}, ["tokenizer.model", "m.tflite"], "TensorFlow_Lite"),
        ({"other": 2}, ["setup.cfg"], "Darknet"),
        ({"other": 2}, ["setup.cfg", "m.parquet"], None),
        ({"pickle": 1}, ["m.joblib", "readme.md"], "ScikitLearn"),
        ({"other": 1}, ["readme.md"], None),
        (None, ["readme.md", "a/best.pt"], "PyTorch"),
    ],
)
def test_the_framework_follows_from_formats_then_from_names(formats, names, framework):
    assert framework_of(None if formats is None else {"formats": formats}, names) == framework


def test_a_page_shows_facts_as_labels_and_values():
    """A line for a terminal is no pair: its part before a colon may be the value."""
    facts = {"format": "pytorch", "members": 3, "pickles": 1, "pickle": "unscanned", "why": "long"}
    assert rows(facts) == [
        ("pytorch", "3 members"),
        ("pickles", "1, unscanned (long): loading may run code"),
    ]
    assert rows({"format": "hdf5"}) == [("format", "hdf5")]
    assert rows({"format": "gguf", "metadata": {"name": "a: b"}}) == [
        ("format", "gguf"),
        ("name", "a: b"),
    ]
    assert rows({}) == []
