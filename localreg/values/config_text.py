"""A model's configuration: text that is kept byte for byte, and the dict that it is read as.

The decisions that bind this module:

* Text that the user gives comes back as that text. Only a dict is rewritten: it is stored as
  JSON with an indent of 2, in Python's dialect (`NaN`, `Infinity`).
* The formats are tried in one order: JSON, TOML, INI, protobuf's text format (see `prototxt`),
  YAML (by ruamel.yaml), HOCON (by pyhocon). The first that reads the text wins. A format whose
  package is missing ends the search, so the packages that are installed decide whether a text is
  read, never what it is read as.
* A text that another format, or code, may mean as well is refused: no dict is better than a wrong
  one. So Python code and what Python prints for a dict are not read.
* A key that occurs twice is an error, because one value would be lost; only two formats define
  what that means: HOCON (blocks are merged, the last value wins) and prototxt (a list).
* Nothing is evaluated, included, fetched or taken from the environment.
* YAML is YAML 1.2: `no` is text, `010` is ten. Dates stay text, and keys become text as in JSON.
"""

from __future__ import annotations

import importlib
import json
import math
import re
from collections import Counter

from localreg.errors import ConfigTextError, InvalidValueError
from localreg.values.checks import TEXT_LIMIT, check_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import Any, NoReturn

Config = dict[str, object] | list[object]
"""What a configuration is read as; the keys of dicts below the top are text too."""


def config_to_text(config_text: object, config_dict: object) -> str:
    r"""Return the text that is stored for a configuration.

    Args:
        config_text: the configuration as text, kept as it is; None when not given.
        config_dict: the configuration as a dict, or as text; None when not given.

    Raises:
        InvalidValueError: both are given and neither is empty, or the text cannot be stored.
        ConfigTextError: `config_dict` is not a dict, or JSON cannot hold it.

    >>> config_to_text("lr = 0.1", None)
    'lr = 0.1'
    >>> config_to_text(None, {"lr": 0.1})
    '{\n  "lr": 0.1\n}'
    """
    text = "" if config_text is None else check_text("config_text", config_text)
    if config_dict is None:
        return text
    if not isinstance(config_dict, str | dict):
        _refuse(f"config_dict must be a dict, not {type(config_dict).__name__}", "config_dict")
    if not config_dict:
        return text
    if text:
        raise InvalidValueError(
            "config_text and config_dict are both given; give one of them", argument="config_dict"
        )
    if isinstance(config_dict, dict):
        config_dict = _to_json(config_dict)
    return check_text("config_dict", config_dict)


def text_to_config(text: str) -> Config:
    r"""Return what a configuration's text says: a dict, or a list when its top level is one.

    Args:
        text: JSON, TOML, INI, prototxt, YAML or HOCON; blank text is an empty dict. INI gives a
            dict of text for each section. The dates of TOML are `datetime` objects.

    Raises:
        ConfigTextError: no format reads it; the message has the reason of each.

    >>> text_to_config("[optimizer]\nlr = 0.1\n")
    {'optimizer': {'lr': 0.1}}
    >>> text_to_config("[optimizer]\nname = adam\n")
    {'optimizer': {'name': 'adam'}}
    >>> text_to_config("as good as it gets")
    Traceback (most recent call last):
    localreg.errors.ConfigTextError: config_text cannot be read as a configuration; tried JSON (...
    """
    # Editors on Windows put a byte order mark in front, and no parser wants it.
    text = text.removeprefix("\ufeff")
    if not text.strip():
        return {}
    reasons = []
    for name, limit, read in _READERS:
        try:
            if len(text) > limit:
                _refuse(f"is over {limit:,} characters")
            value = read(text)
            if isinstance(value, dict | list):
                return value
            reasons.append(f"{name} (a single {type(value).__name__}, not a dict or list)")
        except (ValueError, OverflowError, RecursionError) as error:
            # Besides our own refusals: JSONDecodeError, TOMLDecodeError, text that nests too
            # deep, and what int(), chr() and timedelta() raise for numbers no parser checks.
            reasons.append(f"{name} ({' '.join(str(error).split())[:200]})")
            if isinstance(error, _EndOfSearchError):
                break
    raise ConfigTextError(
        f"config_text cannot be read as a configuration; tried {', '.join(reasons)}",
        argument="config_text",
    )


def _refuse(reason: object, argument: str = "config_text") -> NoReturn:
    raise ConfigTextError(str(reason), argument=argument)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        _refuse(f"the key {key[:80]!r} occurs twice")
    return mapping


def _to_json(config: dict[object, object]) -> str:
    try:
        text = json.dumps(config, indent=2, ensure_ascii=False)
        # Read back, because {1: …, "1": …} has two keys here and one in JSON.
        json.loads(text, object_pairs_hook=_unique)
    except TypeError as error:
        _refuse(_not_json(config) or f"config_dict: {error}", "config_dict")
    except (ValueError, RecursionError) as error:
        # A cycle, a key twice, an int of thousands of digits, nesting too deep.
        _refuse(f"config_dict cannot be written as JSON: {error}", "config_dict")
    return text


def _not_json(config: dict[object, object]) -> str:
    """Return the place and type of the first value that JSON cannot hold, or "".

    The search ends: json.dumps, in the same order, met such a value before any cycle.
    """
    to_check: list[tuple[str, object]] = [("config_dict", config)]
    while to_check:
        path, value = to_check.pop()
        if isinstance(value, str | int | float | None):
            continue
        if not isinstance(value, dict | list | tuple):
            return f"{path} is a {type(value).__name__}, which JSON has no form for"
        for key in value if isinstance(value, dict) else ():
            if not isinstance(key, str | int | float | None):
                return f"{path} has a key of type {type(key).__name__}, which JSON has no form for"
        items = value.items() if isinstance(value, dict) else enumerate(value)
        to_check += [(f"{path}[{key!r}]", item) for key, item in items][::-1]
    return ""


def _read_toml(text: str) -> object:
    import tomllib

    # The time and memory of tomllib grow with the square of a key's parts.
    if any(part.count(".") > 1_000 for part in re.split(r"[=\n,{}\[\]]", text)):
        _refuse("a key of over 1,000 parts")
    try:
        config = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if str(error).startswith(("Cannot overwrite", "Cannot declare")):  # a key that is there
            raise _EndOfSearchError(str(error), argument="config_text") from error
        raise
    if config and "=" not in re.sub("#.*", "", text):
        _refuse("only headers, which are lists in YAML and Python")
    return config


def _read_ini(text: str) -> object:
    import configparser

    class Parser(configparser.RawConfigParser):  # the one that resolves no %(name)s
        # A header ends its line: the original drops what follows, as in "[a, b]: 1".
        SECTCRE = re.compile(r"\[(?P<header>[^]]+)\]\s*(?:[#;].*)?$")
        # The original's time grows with the square of a run of blanks.
        OPTCRE = re.compile(r"(?P<option>[^=:]*)(?P<vi>[=:])\s*(?P<value>.*)$")

        def optionxform(self, optionstr: str) -> str:
            return optionstr  # the original makes it lower case

    # No header can be "", so that [DEFAULT] is a section like any other.
    parser = Parser(default_section="")
    try:
        parser.read_string(text)
    except configparser.Error as error:
        _refuse(error)
    sections = {name: dict(parser.items(name)) for name in parser.sections()}
    if not any(sections.values()):
        _refuse("no key = value below a [header]")
    return sections


def _read_prototxt(text: str) -> object:
    from localreg.values.prototxt import read_prototxt

    return read_prototxt(text)


# Aliases written out, which could make billions of values of ten lines.
_YAML_VALUES = 200_000
# Without quotes YAML allows these in keys; they are HOCON, prototxt, XML, CSS or code.
_YAML_NOT_A_KEY = r"^$|[={}\"]|^<(?!<$)|^(?:async )?def "
# A comment of JSON with comments, which YAML takes into the value.
_COMMENT = r"(?:^|\s)/[/*]"


def _read_yaml(text: str) -> object:
    yaml = _installed("ruamel.yaml")
    constructor = importlib.import_module("ruamel.yaml.constructor").SafeConstructor

    class Constructor(constructor):  # type: ignore[misc, valid-type]  # imported when needed
        def construct_document(self, node: Any) -> object:  # noqa: ANN401  (ruamel.yaml's)
            _check_nodes(node)
            return super().construct_document(node)

    # Dates are text.
    Constructor.add_constructor("tag:yaml.org,2002:timestamp", constructor.construct_yaml_str)
    reader = yaml.YAML(typ="safe", pure=True)  # in C a deep text would overflow the stack
    reader.Constructor = Constructor
    reader.composer.warn_double_anchors = False  # YAML lets the later one win
    try:
        value = reader.load(text)
    except (yaml.error.YAMLError, LookupError, AssertionError) as error:
        # Besides its own errors ruamel.yaml raises these, as for `%YAML 1.3` and `!!bool x`.
        _refuse(error)
    if isinstance(value, dict | list):
        if _is_python(text, assignments=True):
            _refuse("reads as Python")
        value = _yaml_value(value, iter(range(_YAML_VALUES)))
    return value


def _check_nodes(document: Any) -> None:  # noqa: ANN401  (a node of ruamel.yaml)
    """Refuse keys that are not text, and what JSON with comments or HOCON would read otherwise.

    A text between brackets without quotes must be on one line, and have no comment of JSON in it.
    """
    to_check, checked, merged = [(document, False)], set(), dict[int, int]()
    while to_check:
        node, inside = to_check.pop()
        if node.id == "scalar":
            lines = node.end_mark.line - node.start_mark.line
            if inside and not node.style and (lines or re.search(_COMMENT, node.value)):
                _refuse(f"{node.value[:80]!r} is not JSON, and hardly YAML")
        elif (id(node), inside) not in checked:  # an alias may lead back to its own anchor
            checked.add((id(node), inside))
            inside = inside or node.flow_style
            if node.id == "mapping":
                if any(key.id != "scalar" for key, _ in node.value):
                    _refuse("a key is a list or a mapping")
                to_check += [(part, inside) for pair in node.value for part in pair]
                _count_merged(node, merged)
            else:
                to_check += [(item, inside) for item in node.value]
    if sum(merged.values()) > _YAML_VALUES:
        _refuse(f"has more than {_YAML_VALUES:,} values")


def _count_merged(node: Any, known: dict[int, int]) -> int:  # noqa: ANN401  (of ruamel.yaml)
    """Return how many keys a mapping has once what it merges (``<<``) is written into it.

    Args:
        known: the numbers by node; those that are found are added.
    """
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = 0  # it may lead back to itself
    count = len(node.value)
    for key, value in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            parts = value.value if value.id == "sequence" else [value]
            count += sum(_count_merged(part, known) for part in parts if part.id == "mapping")
    known[id(node)] = count
    return count


def _yaml_value(value: object, budget: Iterator[int]) -> object:
    """Return a value as JSON could hold it: aliases written out, keys as text.

    Args:
        value: what the reader made of the text.
        budget: as many items as there may be values.
    """
    if next(budget, None) is None:
        _refuse(f"has more than {_YAML_VALUES:,} values")
    if isinstance(value, list):
        return [_yaml_value(item, budget) for item in value]
    if isinstance(value, dict):
        return _unique([(_yaml_key(key), _yaml_value(item, budget)) for key, item in value.items()])
    if value is None or isinstance(value, str | int | float):
        return value
    _refuse(f"a {type(value).__name__} is not read")


def _yaml_key(key: object) -> str:
    name = key if isinstance(key, str) else json.dumps(key, default=repr)
    if not isinstance(key, str | int | float) or re.search(_YAML_NOT_A_KEY, name):
        _refuse(f"{name[:80]!r} is hardly a key")
    return name


# What makes ast.parse warn: unknown escapes, and a number that runs into a keyword.
_PYTHON_WARNS = r"\\.|(?<=[\d.])(?=(?:and|else|for|i[fns]|not|or)\b)"


def _is_python(text: str, *, assignments: bool) -> bool:
    """Return True if YAML or HOCON would misread the text: it is code, or a printed dict.

    Args:
        text: the whole text.
        assignments: True if every `a = b` is code; False if only some are, as in HOCON.
    """
    import ast

    def is_foreign(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Tuple | ast.Set | ast.Call | ast.comprehension | ast.Lambda)
            or isinstance(getattr(node, "value", 0), bytes | complex | None)
            or getattr(node, "id", "") in ("nan", "inf")
        )

    try:
        tree = ast.parse(re.sub(_PYTHON_WARNS, "_", text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    for statement in (node for node in ast.walk(tree) if isinstance(node, ast.stmt)):
        match statement:
            # "key: value", "- item", and "class weights:" above an indented mapping.
            case ast.AnnAssign(value=None) | ast.Expr(value=ast.UnaryOp()) | ast.ClassDef():
                continue
            case ast.Assign() if assignments:
                return True
            case ast.Expr() | ast.Assign() if not any(map(is_foreign, ast.walk(statement))):
                # Escapes in single quotes are Python's; in YAML the backslash stays.
                if "'" not in text or "\\" not in text:
                    continue
        return True
    return False


# Matches every include of pyhocon, which compares by upper(), and more.
_HOCON_INCLUDE = r'INCLUDE\s*(?:"|URL|FILE|PACKAGE|REQUIRED)'
_HOCON_STRING_OR_COMMENT = r'"""[\s\S]*?"{3,}|"(?:[^"\\\n]|\\.)*"|"|(?:#|(?<![^\s,{}\[\]])//)[^\n]*'
# Words. HOCON requires quotes around anything else. pyhocon does not, so it also reads Python,
# YAML and prototxt.
_HOCON_WORDS = r"(?!None$|- )[\w.+/%@~-](?::*[\w.+/%@~-]|[ \t]+[\w.+/%@~-])*"


def _read_hocon(text: str) -> object:
    if re.search(_HOCON_INCLUDE, text.upper()):
        _refuse("include is not read")
    _check_hocon_lines(text)
    pyhocon = _installed("pyhocon")
    pyparsing = importlib.import_module("pyparsing")
    blanks = pyparsing.ParserElement.DEFAULT_WHITE_CHARS
    try:
        # resolve=False: the resolver of ${…} looks into the environment.
        tree = pyhocon.ConfigFactory.parse_string(text, resolve=False)
    except (pyhocon.ConfigException, pyparsing.ParseBaseException) as error:
        _refuse(error)
    finally:
        # After an error pyhocon does not reset the blanks, which all parsers of the process share.
        pyparsing.ParserElement.set_default_whitespace_chars(blanks)
    if _is_python(text, assignments=False):
        _refuse("reads as Python")
    return _hocon_value(tree, text)


def _check_hocon_lines(text: str) -> None:
    """Refuse what pyhocon would read, although it is likelier YAML or prototxt."""

    def without(match: re.Match[str]) -> str:
        if match.group() == '"':
            _refuse("a string has no end")
        return '""' if match.group().startswith('"') else ""

    bare = re.sub(_HOCON_STRING_OR_COMMENT, without, text)
    if "=" not in bare:
        _refuse("without one key = value it could be YAML or prototxt as well")
    depth = 0
    for line in bare.split("\n"):
        indented = depth <= 0 and re.match(r"[ \t]+[^\s=:{}][^=:{]*[=:{]", line)
        if indented or re.match(r"\s*- ", line):
            _refuse(f"{line.strip()[:80]!r} is a line of YAML")
        depth += sum(line.count(each) for each in "{[") - sum(line.count(each) for each in "}]")


def _hocon_value(value: object, text: str) -> object:
    if isinstance(value, dict):
        # pyhocon keeps the quotes around a key that needs them.
        return _unique([(key.strip('"'), _hocon_value(item, text)) for key, item in value.items()])
    if isinstance(value, list):
        return [_hocon_value(item, text) for item in value]
    if isinstance(value, str):
        quoted = (f'"{value}"', json.dumps(value, ensure_ascii=False))
        if not re.fullmatch(_HOCON_WORDS, value) and not any(form in text for form in quoted):
            _refuse(f"{value[:80]!r} has no quotes")
        return str(value)
    if value is None or (isinstance(value, int | float) and abs(value) < math.inf):
        return value  # infinity is what pyhocon makes of a number that is too large
    if type(value).__name__ == "NoneValue":
        return None
    _refuse(f"a {type(value).__name__} (a period, a substitution, or too large) is not read")


class _EndOfSearchError(ConfigTextError):
    """No later format may read the text."""


def _installed(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ImportError:
        raise _EndOfSearchError(
            f"install {package} to read it: pip install 'localreg[config]'", argument="config_text"
        ) from None


_READERS: tuple[tuple[str, int, Callable[[str], object]], ...] = (
    # The most characters; at that many each but JSON takes seconds.
    ("JSON", TEXT_LIMIT, lambda text: json.loads(text, object_pairs_hook=_unique)),
    ("TOML", 1_048_576, _read_toml),
    ("INI", 1_048_576, _read_ini),
    ("prototxt", 1_048_576, _read_prototxt),
    ("YAML", 262_144, _read_yaml),
    ("HOCON", 65_536, _read_hocon),
)
