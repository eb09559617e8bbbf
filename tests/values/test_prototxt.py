"""Protobuf's text format is read without a schema, and hostile text ends soon."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localreg.values.config_text import text_to_config
from localreg.values.prototxt import DEPTH_LIMIT, read_prototxt

LENET = """# LeNet
name: "LeNet"
layer {
  name: "data"
  type: "Data"
  top: "data"  # the picture
  top: "label"
  include { phase: TRAIN }
  transform_param { scale: 0.00390625 mirror: true mean_value: [104, 117.5, -123] }
}
layer <
  name: 'conv' 'olution'
  convolution_param: { num_output: 20, kernel_size: 5, weight_filler { type: "xavier" } }
>
"""

READ = {
    "LeNet": (LENET, {
        "name": "LeNet",
        "layer": [
            {"name": "data", "type": "Data", "top": ["data", "label"],
             "include": {"phase": "TRAIN"},
             "transform_param": {"scale": 0.00390625, "mirror": True,
                                 "mean_value": [104, 117.5, -123]}},
            {"name": "convolution",
             "convolution_param": {"num_output": 20, "kernel_size": 5,
                                   "weight_filler": {"type": "xavier"}}},
        ],
    }),
    "one block": ('layer { name: "x" }', {"layer": {"name": "x"}}),
    "empty blocks": ("a {} a < > b { }", {"a": [{}, {}], "b": {}}),
    "numbers": ("a { b: 0 c: -7 d: 0x1F e: 1e-3 f: .5 g: 2.f h: 3F i: +5 j: -0x10 k: 1. }", {
        "a": {"b": 0, "c": -7, "d": 31, "e": 0.001, "f": 0.5, "g": 2.0, "h": 3.0, "i": 5,
              "j": -16, "k": 1.0}
    }),
    "infinity": ("a { b: inf c: -inf d: infinity e: info }", {
        "a": {"b": math.inf, "c": -math.inf, "d": math.inf, "e": "info"}
    }),
    "words": ("a { b: true c: False d: MAX_POOL e: null }", {
        "a": {"b": True, "c": "False", "d": "MAX_POOL", "e": "null"}
    }),
    "lists": ("a { b: [] c: [1] d: [X, 2,] }", {"a": {"b": [], "c": [1], "d": ["X", 2]}}),
    "lists of blocks": ("a { b: [{c: 1}, <d: 2>] b: [3] }", {
        "a": {"b": [[{"c": 1}, {"d": 2}], [3]]}
    }),
    "escapes": (r"""a { b: "\n\"\\\x41\101\u00e9\U0001F600" c: '\'é' d: "\xc3\xa9" }""", {
        "a": {"b": '\n"\\AAé😀', "c": "'é", "d": "é"}
    }),
    "extensions": ('a { [type.googleapis.com/x.Y] { b: 1 } }', {
        "a": {"[type.googleapis.com/x.Y]": {"b": 1}}
    }),
    "signs in texts": ('layer {\n  bottom: "a=b; {"\n  bottom: "b" # k=3\n}\n', {
        "layer": {"bottom": ["a=b; {", "b"]}
    }),
    "commas": ("a { b: 1, c: 2 }, d: 3", {"a": {"b": 1, "c": 2}, "d": 3}),
    "other line ends": ("a {\r\n b: 1\r\n}\r\n", {"a": {"b": 1}}),
}  # fmt: skip


@pytest.mark.parametrize(("text", "found"), READ.values(), ids=READ)
def test_texts_are_read(text, found):
    assert read_prototxt(text) == text_to_config(text) == found


REFUSED = {
    "no block": 'name: "x"\nbatch: 3',
    "a block with a colon, as in YAML": "a: {b: 1}",
    "CSS": "body { color: red; }",
    "CSS with units": "body { margin: 12px }",
    "nginx": "server {\n listen 80;\n}",
    "HOCON": "a { b = 1 }",
    "HOCON, words": "a { b: some words }",
    "HOCON, paths": "a.b { c: 1 }",
    "Terraform": 'resource "a" "b" { c: 1 }',
    "C": "struct a { int b; };",
    "an octal number": "a { b: 010 }",
    "a number too large": "a { b: 1e999 }",
    "a whole number too large": "a { b: " + "9" * 5_000 + " }",
    "no end": "a { b: 1",
    "another end": "a { b: 1 >",
    "an end too many": "a { b: 1 } }",
    "no value": "a { b: }",
    "no end of a string": 'a { b: "x }',
    "a string over lines": 'a { b: "x\ny" }',
    "an unknown escape": r'a { b: "\q" }',
    "bytes that are not UTF-8": r'a { b: "\xff" }',
    "an octal escape too large": r'a { b: "\777" }',
    "a surrogate": r'a { b: "\ud800" }',
    "a character too large": r'a { b: "\UFFFFFFFF" }',
    "a list in a list": "a { b: [[1]] }",
    "no comma in a list": "a { b: [1 2] }",
    "a comma alone": "a { , }",
    "too deep": "a {" * (DEPTH_LIMIT + 1) + "}" * (DEPTH_LIMIT + 1),
    "too deep in lists": "a { b: " + "[" * 500 + "]" * 500 + "}",
    "letters of others": "é { b: 1 }",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011  (a ConfigTextError is one, too)
        read_prototxt(text)


def test_the_deepest_text_is_read():
    found = read_prototxt("a {" * DEPTH_LIMIT + "}" * DEPTH_LIMIT)
    for _ in range(DEPTH_LIMIT):
        found = found["a"]
    assert found == {}


HOSTILE = {
    "brackets": "a{" * 500_000,
    "lists": "a{b:" + "[" * 1_000_000,
    "letters": "a" * 1_000_000,
    "blanks": "a {" + " " * 1_000_000 + "!",
    "comments": "a {" + "#\n" * 500_000 + "!",
    "digits": "a { b: " + "1" * 1_000_000 + "x",
    "dots": "a { b: " + "1." * 500_000,
    "quotes": "a { b: " + '"" ' * 330_000 + "!",
    "escapes": 'a { b: "' + "\\" * 1_000_000,
    "one string": 'a { b: "' + "x" * 1_000_000,
    "fields": "a{b:1}" * 170_000,
    "names": "".join(f"a{n}{{}}" for n in range(120_000)),
    "extension": "[" + "a" * 1_000_000,
}


def test_hostile_text_takes_as_long_as_it_is(record_property):
    """Each of a million characters, and none of them takes minutes or overflows the stack."""
    start = time.process_time()
    for text in HOSTILE.values():
        try:
            read_prototxt(text)
        except ValueError:
            continue
    record_property("seconds", time.process_time() - start)


PIECES = ["a", "b:", "{", "}", "<", ">", "[", "]", ",", ":", '"x"', "'", "1", "-", "#", "\n", " ",
          "inf", "0x", "\\", '"', ".", "e5", ";", "="]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_no_text_raises_anything_else(text):
    try:
        found = read_prototxt(text)
    except ValueError:
        return
    assert isinstance(found, dict)


SCALARS = (
    st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)  # fmt: skip
MESSAGES = st.recursive(
    st.dictionaries(st.from_regex(r"[a-z_]{1,5}", fullmatch=True), SCALARS, max_size=4),
    lambda inner: st.dictionaries(
        st.from_regex(r"[a-z_]{1,5}", fullmatch=True),
        SCALARS | inner | st.lists(SCALARS | inner, min_size=2, max_size=3),
        max_size=4,
    ),
    max_leaves=10,
)


def written(message):
    """Return a message in protobuf's text format, as its own writer does."""
    lines = []
    for name, value in message.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                lines.append(f"{name} {{\n{written(each)}\n}}")
            elif isinstance(each, bool):
                lines.append(f"{name}: {str(each).lower()}")
            elif isinstance(each, str):
                code = "".join(f"\\{byte:03o}" for byte in each.encode())
                lines.append(f'{name}: "{code}"')
            else:
                lines.append(f"{name}: {each!r}")
    return "\n".join(lines)


@given(MESSAGES)
def test_what_a_writer_writes_comes_back(message):
    assert read_prototxt(f"top {{\n{written(message)}\n}}") == {"top": message}
