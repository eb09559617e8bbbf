"""JSON values as YAML: what a reader of YAML finds is what was written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from localreg.values.yaml_text import yaml_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["no", "null", "~", "1", "1e3", "0x1", "2026-01-01", "a: b", "- a", "#", "", " a ", "'", '"',
     "a\nb", "\u2028", "\x85", "\ufeff", "\x7f", "\ufffe", "[a]", "{a}", "&a", "*a", "!a", "%a",
     "@a", "`a", "---", "...", "yes", "On", "N", "=", "<<"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4))
def test_a_reader_of_yaml_finds_the_same_values(values):
    assert YAML(typ="safe", pure=True).load(yaml_text(values)) == values


def test_plain_words_have_no_quotes():
    assert yaml_text({"license": "apache-2.0", "tags": ["a", "no"]}) == (
        'license: apache-2.0\ntags:\n- a\n- "no"\n'
    )
