"""A configuration is stored as text, and read as a dict by the format that it is written in.

Tests that need ruamel.yaml or pyhocon are skipped without them.
"""

from __future__ import annotations

import datetime
import importlib
import math
import os
import subprocess
import sys
import time
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.proofs import TIMES

from localreg.errors import ConfigTextError, InvalidValueError
from localreg.values.config_text import config_to_text, text_to_config

JSON_DICTS = st.dictionaries(
    st.text(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda values: st.lists(values) | st.dictionaries(st.text(), values),
        max_leaves=20,
    ),
)

# Read by the standard library alone.
READ = {
    "blank": (" \n\t", {}),
    "only a comment": ("# nothing yet\n", {}),
    "JSON": ('{"a": 1, "b": [true, null]}', {"a": 1, "b": [True, None]}),
    "JSON list": ("[1, [2]]", [1, [2]]),
    "JSON infinity": ('{"a": -Infinity}', {"a": -math.inf}),
    "byte order mark": ("\ufeff[s]\na = x", {"s": {"a": "x"}}),
    "TOML lines": ("lr=0.1\nname = 'adam' # best", {"lr": 0.1, "name": "adam"}),
    "TOML section": ("[section]\nkey = 1", {"section": {"key": 1}}),
    "TOML date": ("day = 1979-05-27", {"day": datetime.date(1979, 5, 27)}),
    "INI": ("[section]\nKey = value\nn = 1", {"section": {"Key": "value", "n": "1"}}),
    "INI with colons": ("; top\n[a b]\nkey: x = y", {"a b": {"key": "x = y"}}),
    "INI percent": ("[s]\nkey = %(home)s $x", {"s": {"key": "%(home)s $x"}}),
    "INI default": ("[DEFAULT]\na = x\n[s]\nb = y", {"DEFAULT": {"a": "x"}, "s": {"b": "y"}}),
    "INI continued": ("[s]\nkey = a\n  b\n", {"s": {"key": "a\nb"}}),
}

YAML = {
    "lines": ("a: 1\nb: 2", {"a": 1, "b": 2}),
    "document marks": ("%YAML 1.1\n---\na: 1\n...\n", {"a": 1}),
    "list": ("- a\n- b: 1\n", ["a", {"b": 1}]),
    "flow list": ("[a, b]", ["a", "b"]),
    "flow list of one": ("[a]", ["a"]),
    "flow list, quoted": ("['a']", ["a"]),
    "flow list, comment": ("[a] # b = 1", ["a"]),
    "flow dict": ("{a: 1, b: [x, 'y']}", {"a": 1, "b": ["x", "y"]}),
    "trailing comma": ('{"a": "b\\n",}', {"a": "b\n"}),
    "texts": ("a: no\nb: 2020-01-01\nc: 1:30\nd: 2001-12-14 21:59:43.1 -5", {
        "a": "no", "b": "2020-01-01", "c": "1:30", "d": "2001-12-14 21:59:43.1 -5"
    }),
    "numbers": ("a: 1e-3\nb: 010\nc: 0o17\nd: 0x1F\ne: -.inf\nf: .5\ng: +5.", {
        "a": 0.001, "b": 10, "c": 15, "d": 31, "e": -math.inf, "f": 0.5, "g": 5.0
    }),
    "nothing and truth": ("a: ~\nb:\nc: NULL\nd: True\ne: FALSE\nf: tRUE\ng: +.Inf\nh: .NaN", {
        "a": None, "b": None, "c": None, "d": True, "e": False, "f": "tRUE", "g": math.inf,
        "h": math.nan,
    }),
    "quoted and tagged": ("a: '1'\nb: \"no\"\nc: !!str 1\nd: &x !!str 2\ne: *x", {
        "a": "1", "b": "no", "c": "1", "d": "2", "e": "2"
    }),
    "keys as in JSON": ("0: a\non: b\ntrue: c\n1.5: d", {
        "0": "a", "on": "b", "true": "c", "1.5": "d"
    }),
    "an anchor twice": ("a: &x 1\nb: &x 2\nc: *x", {"a": 1, "b": 2, "c": 2}),
    "merge": ("a: &a {x: 1, y: 1}\nb:\n  <<: *a\n  y: 2", {
        "a": {"x": 1, "y": 1}, "b": {"x": 1, "y": 2}
    }),
    "merges": ("<<: [{x: 1}, {x: 2, y: 2}]\n'<<': 3", {"x": 1, "y": 2, "<<": 3}),
    "blocks": ("a: |\n  x = 1\nb: >\n  y\n  z\n", {"a": "x = 1\n", "b": "y z\n"}),
    "folded text": ("a: some text\n  with b = 1 in it", {"a": "some text with b = 1 in it"}),
    "an assignment in a list": ("- a = 1", ["a = 1"]),
    "escapes of a pattern": ("a: '\\d+'\nsize: 1in", {"a": "\\d+", "size": "1in"}),
    "a key that begins like code": ("class weights:\n  cat: 1", {"class weights": {"cat": 1}}),
    "link": ("a: http://host/x?b=1#c", {"a": "http://host/x?b=1#c"}),
    "an assignment beside braces": ("a: {b: 1}\ncmd: foo\n  bar=2", {
        "a": {"b": 1}, "cmd": "foo bar=2"
    }),
    "quoted lines between brackets": ("{a: 'it''s\n  // x'}", {"a": "it's // x"}),
}  # fmt: skip

HOCON = {
    "blocks": ('a = 1\nb {\n c = "x"\n}\n', {"a": 1, "b": {"c": "x"}}),
    "words": ("opt = adam w\nurl = http://host/x\n", {"opt": "adam w", "url": "http://host/x"}),
    "braces": ("{ a = 1, b = 2 }", {"a": 1, "b": 2}),
    "braces, lines": ("{\n  k: x\n  a = 1\n}", {"k": "x", "a": 1}),
    "inner braces": ("k: {\n a: x\n b = 1\n}", {"k": {"a": "x", "b": 1}}),
    "dotted keys": ("t.lr = 0.1\nt.opt = adam", {"t": {"lr": 0.1, "opt": "adam"}}),
    "quoted keys": ('"a.b" = x\nb = y', {"a.b": "x", "b": "y"}),
    "lists": ("a = [1, null, {x = true}]\nb = c", {"a": [1, None, {"x": True}], "b": "c"}),
    "list on top": ("[null, [null], {a = 1}]", [None, [None], {"a": 1}]),
    "comments": ('// x\na = b // y\nc { d = "//" } # z', {"a": "b", "c": {"d": "//"}}),
    "triple quotes": ('a = """x\n y: z"""\nb {}', {"a": "x\n y: z", "b": {}}),
    "escapes": ('a = "x\\n\\"y: z\\""\nb {}', {"a": 'x\n"y: z"', "b": {}}),
    "a key twice: the last counts": ('a = x\nb {}\n"a" = y', {"a": "y", "b": {}}),
    "a block twice: both count": ("b { x = 1 }\nb { y = 2 }", {"b": {"x": 1, "y": 2}}),
    "a key over two lines": ("a\n= x", {"a": "x"}),
    "no substitution in quotes": ('a = "${HOME}"\nb {}', {"a": "${HOME}", "b": {}}),
}

REFUSED = {
    "prose": "as good as it gets",
    "prose with a colon": "Model: resnet\n\nThis is the best one.",
    "a number": "3",
    "a text": '"x"',
    "null": "null",
    "a line of YAML with two colons": "a: b: c",
    "an empty key": "?",
    "a null key": "~: a",
    "keys that are the same text": "1: a\n'1': b",
    "code": "import torch\n\ndef f(x):\n    return x\n",
    "a function": "def f(x):\n    return x",
    "an old function": "def f(x):\n    print x",
    "a class": "class Net:\n    pass",
    "a class with a value": "class Net:\n    lr = 0.1",
    "a condition": "if x:\n  y",
    "a call": 'print("a: b")',
    "an annotated assignment": "x: int = 3",
    "a comprehension": "[x for x in y]",
    "calls": 'model = dict(type="x")\nlr = f(3)',
    "a call assigned": "a = f(3)\nb = c",
    "None assigned": "a = foo\nb = None",
    "repr with None": "{'a': None}",
    "repr with a tuple": "{'a': 1, 'b': (1, 2)}",
    "repr with nan": "{'a': [nan]}",
    "repr with escapes": "{'a': 'x\\n'}",
    "Darknet": "[net]\nb = x\n[conv]\nsize = a\n[conv]\nsize = b\n",
    "XML": '<net name="x: y"/>',
    "more XML": "<x>a: 1</x>",
    "JavaScript": "const x = {'a': 1}",
    "JSON with comments": '{"a": 1 // one\n}',
    "JSON with block comments": '{/* one */ "a": 1}',
    "JSON with comments below a key": "a: [1, 2 // c\n]",
    "JSON without a comma below a key": "a: [\n 1\n 2\n]",
    "JSON lines": '{"a": 1}\n{"b": 2}',
    "JSON without a comma": "[\n a\n b\n]",
    "junk after a header": "[a] junk\nx = y",
    "headers alone": "[a]\n[b]\n",
    "a key twice in JSON": '{"a": 1, "a": 2}',
    "a key twice in INI": "[s]\na = x\na = y",
    "a key twice in YAML": "a: 1\na: 2",
    "a list of YAML and an assignment": "- a: 1\n  b: 2\nc = 1",
    "a key twice in YAML, and an assignment": "cmd: foo\n  bar=2\ncmd: x",
    "two documents": "a: 1\n---\nb: 2",
    "comments parted by carriage returns": "# a\r# b",
    "a tag": "a: !!python/object/apply:os.getcwd []",
    "an own tag": "a: !thing x",
    "an unknown alias": "a: *b",
    "an alias in itself": "a: &b [*b]",
    "a dict as key": "{a: 1}: 2",
    "a list as key": "[1, 2]: x",
    "a list of lists as key": "{[[a]]: b}",
    "an unknown version of YAML": "%YAML 1.3\n---\na: 1",
    "a tag for another value": "a: !!bool x",
    "a tag without a value": "a: !!int",
    "a merge of text": "<<: x",
    "an escape that is no character": 'a: "\\Uffffffff"',
    "a substitution": "a = ${HOME}\n",
    "an optional substitution": "a = ${?HOME}\n",
    "an addition": "a = x\nb { a += ${HOME} }",
    "an include": 'include "config_text_secret.conf"\na = b',
    "an include in Turkish": 'ınclude "config_text_secret.conf"\na = b',
    "a period of time": "a = 10 seconds\nb {}",
    "a period without end": "a = 99999999999999999 days\nb {}",
    "two fields on a line": 'a { x: "y" z: "w" }\nb = 1',
    "quotes of Python": "a { b = 'x' }",
    "a number too large": "a = " + "9" * 5000,
    "a number too large in JSON": '{"a": ' + "9" * 5000 + "}",
    "a number too large in YAML": "a: " + "9" * 5000,
    "a string without end": 'a = "x\nb = y',
    "NUL": "\0",
    "a lone surrogate": "a: \ud800",
}

# Parts of texts that more than one format could read.
PIECES = "a,b c,=, = ,: ,{,},[,],'s',1,1e-3,- ,#c,// c,|,None,&a ,*a,<<: ,~".split(",")
PIECES += [",", ", ", "\n", "\n  ", "[s]\n", '"x"']

# Without limits the parsers would take minutes or gigabytes for each of these.
HOSTILE = {
    "deep JSON": "[" * 1_000_000,
    "deep dict": '{"a":' * 1_000_000,
    "dotted key": "a" + ".a" * 500_000 + " = 1",
    "deep TOML": "a = " + "[" * 500_000,
    "INI blanks": "[s]\nk" + " " * 1_000_000 + "x",
    "deep YAML": "[" * 100_000 + "]" * 100_000,
    "deep YAML blocks": "- " * 100_000,
    "aliases of aliases": "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"a{n + 1}: &a{n + 1} [{','.join([f'*a{n}'] * 10)}]\n" for n in range(10)),
    "merges of merges": "a0: &a0 {k: 1}\n"
    + "".join(f"a{n + 1}: &a{n + 1}\n  <<: [{','.join([f'*a{n}'] * 10)}]\n" for n in range(10)),
    "deep HOCON": "a = x\nb = " + "[" * 50_000,
    "HOCON quotes": 'a = "' + '\\"' * 30_000,
    "long prose": "word " * 200_000,
}


class TestConfigToText:
    @given(st.text())
    def test_text_comes_back_byte_for_byte(self, text):
        assert config_to_text(text, None) == text
        assert config_to_text(None, text) == text

    def test_line_ends_and_nul_are_kept(self):
        assert config_to_text("a\r\nb\0\n", None) == "a\r\nb\0\n"

    @given(JSON_DICTS)
    def test_a_dict_comes_back_equal(self, config):
        assert text_to_config(config_to_text(None, config)) == config

    def test_a_dict_is_json_in_its_own_order(self):
        assert config_to_text(None, {"b": "é", "a": [1]}) == (
            '{\n  "b": "é",\n  "a": [\n    1\n  ]\n}'
        )

    def test_nan_and_infinity_come_back(self):
        config = text_to_config(config_to_text(None, {"a": math.nan, "b": -math.inf}))
        assert math.isnan(config["a"])
        assert config["b"] == -math.inf

    def test_keys_become_text_as_in_json(self):
        text = config_to_text(None, {1: "a", False: "b", None: "c", 0.5: "d"})
        assert text_to_config(text) == {"1": "a", "false": "b", "null": "c", "0.5": "d"}

    @pytest.mark.parametrize(
        ("config_text", "config_dict", "stored"),
        [
            (None, None, ""),
            ("", {}, ""),
            (None, {}, ""),
            ("x", {}, "x"),
            ("x", "", "x"),
            ("", {"a": 1}, '{\n  "a": 1\n}'),
            ("", "a = 1", "a = 1"),
        ],
    )
    def test_an_empty_one_does_not_count(self, config_text, config_dict, stored):
        assert config_to_text(config_text, config_dict) == stored

    @pytest.mark.parametrize("config_dict", [{"a": 1}, "a = 1"])
    def test_config_text_and_config_dict_together_are_refused(self, config_dict):
        with pytest.raises(InvalidValueError, match="config_text and config_dict"):
            config_to_text("x", config_dict)

    @pytest.mark.parametrize("config_dict", [[], [1], 0, {1}, b"a"])
    def test_a_value_that_is_neither_dict_nor_text_is_refused(self, config_dict):
        with pytest.raises(ConfigTextError, match="must be a dict, not"):
            config_to_text(None, config_dict)

    @pytest.mark.parametrize(
        "text", [3, b"a", {"a": 1}, "\ud800", pytest.param("x" * 16_777_217, id="long")]
    )
    def test_text_that_cannot_be_stored_is_refused(self, text):
        with pytest.raises(InvalidValueError, match="config_text"):
            config_to_text(text, None)

    @pytest.mark.parametrize(
        ("config", "where"),
        [
            ({"a": {"b": [1, {2}]}}, r"config_dict\['a'\]\['b'\]\[1\] is a set"),
            ({"a": object()}, r"config_dict\['a'\] is a object"),
            ({"a": [{(1, 2): 3}]}, r"config_dict\['a'\]\[0\] has a key of type tuple"),
            ({1: "a", "1": "b"}, "the key '1' occurs twice"),
            ({"a": 10**5000}, "cannot be written"),
            ({"a": "\ud800"}, "lone surrogate"),
        ],
    )
    def test_a_dict_that_json_cannot_hold_is_refused(self, config, where):
        with pytest.raises(InvalidValueError, match=where):
            config_to_text(None, config)

    def test_the_error_names_the_first_value_that_json_cannot_hold_even_with_a_cycle(self):
        cycle: list[object] = []
        cycle.append(cycle)
        with pytest.raises(ConfigTextError, match=r"config_dict\['a'\] is a set"):
            config_to_text(None, {"a": {1}, "b": object(), "c": cycle})

    def test_a_dict_with_a_value_that_json_cannot_hold_is_refused(self):
        class Hiding(dict[str, object]):
            def __init__(self):
                super().__init__(a=object())
                self.views = iter([super().items(), [], []])

            def items(self):
                return next(self.views)

        with pytest.raises(ConfigTextError, match=r"config_dict: .* not JSON serializable"):
            config_to_text(None, Hiding())

    @pytest.mark.parametrize("bottom", ["x", {1}])
    def test_cycles_and_deep_nesting_are_refused(self, bottom):
        cycle: dict[str, object] = {}
        cycle["again"] = [cycle]
        for depth in (400, 800, 100_000):
            deep: dict[str, object] = {"bottom": bottom}
            for _ in range(depth):
                deep = {"a": deep}
            for config in (cycle, deep):
                try:
                    config_to_text(None, config)
                except ConfigTextError:
                    continue
                assert bottom == "x"
                assert depth < 1000
                assert config is deep


class TestTextToConfig:
    @pytest.mark.parametrize(("text", "config"), READ.values(), ids=READ)
    def test_the_standard_library_reads(self, text, config):
        assert text_to_config(text) == config

    @pytest.mark.parametrize(("text", "config"), YAML.values(), ids=YAML)
    def test_ruamel_yaml_reads(self, text, config):
        pytest.importorskip("ruamel.yaml")
        # By repr(), where 1, 1.0 and True differ, and nan equals nan.
        assert repr(text_to_config(text)) == repr(config)

    @pytest.mark.parametrize("text", ["a: '\\d+'", "a: 1in", "a: '\\400'", "a: [1or 2]"])
    def test_reading_yaml_gives_no_warnings(self, text):
        """Python's parser, which is tried on the text, warns of some literals."""
        pytest.importorskip("ruamel.yaml")
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            text_to_config(text)
        assert warned == []

    @pytest.mark.parametrize(("text", "config"), YAML.values(), ids=YAML)
    def test_without_ruamel_yaml_no_other_parser_misreads_yaml(self, text, config, monkeypatch):
        pytest.importorskip("pyhocon")
        monkeypatch.setitem(sys.modules, "ruamel.yaml", None)
        assert self.reading(text) in ("refused", repr(config))

    @pytest.mark.parametrize(("text", "config"), HOCON.values(), ids=HOCON)
    def test_pyhocon_reads(self, text, config):
        pytest.importorskip("pyhocon")
        assert text_to_config(text) == config

    @pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
    def test_text_that_is_not_a_configuration_is_refused(self, text, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "config_text_secret.conf").write_text("secret = 1")
        with pytest.raises(ConfigTextError, match=r"tried JSON .* TOML .* INI .* YAML .* HOCON"):
            text_to_config(text)

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
    def test_hostile_text_is_refused_quickly(self, text):
        begin = time.process_time()
        with pytest.raises(ConfigTextError):
            text_to_config(text)
        assert time.process_time() - begin < 30

    @pytest.mark.parametrize("package", ["ruamel.yaml", "pyhocon"])
    def test_the_error_names_the_package_that_is_missing(self, package, monkeypatch):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ConfigTextError, match=f"install {package} to read it: pip install"):
            text_to_config("a = b\nc { d = 1 }")

    @pytest.mark.parametrize("text", ["a = 1\na = 2", "[s]\na = 1\n[s]\nb = 2"])
    def test_a_key_twice_in_toml_is_not_read_as_hocon(self, text):
        with pytest.raises(ConfigTextError, match=r"tried JSON .* TOML \(Cannot") as caught:
            text_to_config(text)
        assert "HOCON" not in str(caught.value)

    def test_the_error_has_the_error_of_each_format(self):
        with pytest.raises(ConfigTextError, match=r"section 'c' already exists") as caught:
            text_to_config("[c]\na = x\n[c]\na = y\n")
        assert caught.value.argument == "config_text"

    @settings(deadline=None)
    @given(st.text() | st.text(alphabet="ab1 \n:=-#'\"{}[],.&*!|>$?/\\+"))
    def test_any_text_is_read_or_refused(self, text):
        try:
            config = text_to_config(text)
        except ConfigTextError:
            return
        assert isinstance(config, dict | list)

    @settings(deadline=None, max_examples=500 * TIMES)
    @given(
        st.lists(
            st.sampled_from(PIECES),
            max_size=12,
        ).map("".join)
    )
    def test_the_result_does_not_depend_on_installed_libraries(self, text):
        """With and without ruamel.yaml and pyhocon the same, or an error."""
        for module in ("ruamel.yaml", "pyhocon"):
            pytest.importorskip(module)
        with pytest.MonkeyPatch.context() as patch:
            readings = [self.reading(text)]
            patch.setitem(sys.modules, "ruamel.yaml", None)
            readings.append(self.reading(text))
            patch.setitem(sys.modules, "pyhocon", None)
            readings.append(self.reading(text))
        first, *others = readings
        assert all(other in (first, "refused") for other in others)

    @staticmethod
    def reading(text):
        try:
            return repr(text_to_config(text))
        except ConfigTextError:
            return "refused"

    def test_a_failed_reading_of_hocon_does_not_change_other_parsers(self):
        """Left to itself, pyhocon changes the blanks of pyparsing and does not reset them."""
        pytest.importorskip("pyhocon")
        pyparsing = importlib.import_module("pyparsing")
        blanks = pyparsing.ParserElement.DEFAULT_WHITE_CHARS
        with pytest.raises(ConfigTextError):
            text_to_config("a = b\n= c")
        assert blanks == pyparsing.ParserElement.DEFAULT_WHITE_CHARS == " \n\t\r"

    def test_the_environment_is_not_read(self, monkeypatch):
        monkeypatch.setitem(os.environ, "CONFIG_TEXT_SECRET", "found")
        for text in ("a = ${CONFIG_TEXT_SECRET}", "[s]\na = ${CONFIG_TEXT_SECRET} x"):
            assert "found" not in self.reading(text)


def test_no_parser_is_imported_before_it_is_needed():
    code = (
        "import sys, localreg.values.config_text as c;"
        "c.text_to_config(c.config_to_text(None, {'a': 1}));"
        "names = {'tomllib', 'configparser', 'ruamel.yaml', 'pyhocon', 'pyparsing'};"
        "print(names & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
