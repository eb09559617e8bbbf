"""A model's configuration: text that is kept byte for byte, and the dict that it is read as.

The decisions that bind this module:

* What the user gives as text comes back as that text. Only a dict is rewritten: it is stored as
  JSON with an indent of 2, in Python's dialect (`NaN`, `Infinity`).
* The formats are tried in one order: JSON, TOML, INI, YAML, HOCON. A reader refuses what could
  as well be another format, or code: a text is rather not read than read wrongly. So whether
  PyYAML and pyhocon are installed decides if a text is read, never what it is read as.
* A key that stands twice is an error in every format, because one value would be lost. So
  prototxt, and Darknet's repeated `[convolutional]`, are not read.
* Nothing is evaluated, included, fetched or taken from the environment.
* YAML is read by the core schema of YAML 1.2: `no` and `2020-01-01` are text, `1e-3` is a
  number, `010` is ten, and keys are text as written. PyYAML only splits the text.
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
        ConfigTextError: `config_dict` is no dict, or JSON cannot hold it.

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
        text: JSON, TOML, INI, YAML or HOCON; blank text is an empty dict. INI gives a dict of
            text for each section. The dates of TOML are `datetime` objects.

    Raises:
        ConfigTextError: it is none of the formats; the message has the reason of each.

    >>> text_to_config("[optimizer]\nlr = 0.1\n")
    {'optimizer': {'lr': 0.1}}
    >>> text_to_config("[optimizer]\nname = adam\n")
    {'optimizer': {'name': 'adam'}}
    >>> text_to_config("as good as it gets")
    Traceback (most recent call last):
    localreg.errors.ConfigTextError: config_text is no configuration; tried JSON (...
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
    raise ConfigTextError(
        f"config_text is no configuration; tried {', '.join(reasons)}", argument="config_text"
    )


def _refuse(reason: object, argument: str = "config_text") -> NoReturn:
    raise ConfigTextError(str(reason), argument=argument)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        _refuse(f"the key {key[:80]!r} stands twice")
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
    """Return where something is that JSON does not know.

    It ends, because json.dumps, in the same order, came to that place before any cycle.
    """
    left: list[tuple[str, object]] = [("config_dict", config)]
    while left:
        path, value = left.pop()
        if isinstance(value, str | int | float | None):
            continue
        if not isinstance(value, dict | list | tuple):
            return f"{path} is a {type(value).__name__}, which JSON has no form for"
        for key in value if isinstance(value, dict) else ():
            if not isinstance(key, str | int | float | None):
                return f"{path} has a key of type {type(key).__name__}, which JSON has no form for"
        items = value.items() if isinstance(value, dict) else enumerate(value)
        left += [(f"{path}[{key!r}]", item) for key, item in items][::-1]
    return ""


def _read_toml(text: str) -> object:
    import tomllib

    # The time and memory of tomllib grow with the square of a key's parts.
    if any(part.count(".") > 1_000 for part in re.split(r"[=\n,{}\[\]]", text)):
        _refuse("a key of over 1,000 parts")
    config = tomllib.loads(text)
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


# Patterns stay text until they are used: a program that stores a model reads no configuration.

# Aliases written out, which could make billions of ten lines; no text without them has as many.
_YAML_VALUES = 200_000
_YAML_NAMED: dict[str, object] = {"": None, "~": None, "null": None, "true": True, "false": False}
_YAML_NAMED |= {".nan": math.nan, ".inf": math.inf, "+.inf": math.inf, "-.inf": -math.inf}
_YAML_INT = r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"
_YAML_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
# Without quotes YAML allows these as keys; they are HOCON, prototxt, XML, CSS or code.
_YAML_NOT_A_KEY = r'^$|[={}"]|^<(?!<$)|^(?:async )?def '
# A comment of JSON with comments, which YAML takes into the value.
_YAML_NOT_A_COMMENT = r"(?:^|\s)/[/*]"


def _read_yaml(text: str) -> object:
    yaml = _installed("yaml", "PyYAML")
    try:
        # Not libyaml's twin of it: a deep text overflows the C stack there.
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        _refuse(error)
    if _is_python(text):
        _refuse("reads as Python")
    return _yaml_value(node, text, iter(range(_YAML_VALUES)), flow=False)


def _yaml_value(node: Any, text: str, budget: Iterator[int], flow: bool) -> object:  # noqa: ANN401
    """Return what one of PyYAML's (untyped) nodes stands for.

    `budget` bounds the values of the text; `flow` is true between brackets or braces.
    """
    if node is None:
        return None
    if next(budget, None) is None:
        _refuse(f"has more than {_YAML_VALUES:,} values")
    kind = {"scalar": "str", "sequence": "seq"}.get(node.id, "map")
    if node.tag != f"tag:yaml.org,2002:{kind}":
        _refuse(f"the tag {node.tag} is not read")
    if kind == "str":
        return _yaml_scalar(node.value) if _is_plain(node, text, flow) else node.value
    flow = flow or node.flow_style
    if kind == "seq":
        return [_yaml_value(item, text, budget, flow) for item in node.value]
    own: list[tuple[str, object]] = []
    merged: dict[str, object] = {}
    for key, item in node.value:
        plain = key.id == "scalar" and _is_plain(key, text, flow)
        if key.id != "scalar" or (plain and re.search(_YAML_NOT_A_KEY, key.value)):
            _refuse(f"{str(key.value)[:80]!r} is hardly a key")
        value = _yaml_value(item, text, budget, flow)
        if not plain or key.value != "<<":
            own.append((key.value, value))
            continue
        for source in value if isinstance(value, list) else [value]:
            if not isinstance(source, dict):
                _refuse("<< wants a mapping")
            merged = source | merged  # of several the first counts
    return merged | _unique(own)


def _is_plain(node: Any, text: str, flow: bool) -> bool:  # noqa: ANN401
    """Whether a scalar stands without quotes and tag, so that its spelling gives its type."""
    start, end = node.start_mark, node.end_mark
    if node.style or "!" in text[start.index : end.index].removesuffix(node.value):
        return False
    if flow and (start.line < end.line or re.search(_YAML_NOT_A_COMMENT, node.value)):
        _refuse(f"{node.value[:80]!r} is not JSON, and hardly YAML")
    return True


def _yaml_scalar(text: str) -> object:
    name = text.lower()
    if name in _YAML_NAMED and text in (name, name.upper(), name.title(), ".NaN"):
        return _YAML_NAMED[name]
    if re.fullmatch(_YAML_INT, text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    return float(text) if re.fullmatch(_YAML_FLOAT, text) else text


# What makes ast.parse warn: unknown escapes, and a number that runs into a keyword.
_PYTHON_WARNS = r"\\.|(?<=[\d.])(?=(?:and|else|for|i[fns]|not|or)\b)"


def _is_python(text: str) -> bool:
    """Whether what YAML reads is code, or what Python prints for a dict or list."""
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
            case ast.Expr() if not any(map(is_foreign, ast.walk(statement))):
                # Escapes in single quotes are Python's; in YAML the backslash stays.
                if "'" not in text or "\\" not in text:
                    continue
        return True
    return False


# More than pyhocon takes for an include, which it compares by upper().
_HOCON_INCLUDE = r'INCLUDE\s*(?:"|URL|FILE|PACKAGE|REQUIRED)'
_HOCON_TOKEN = (
    r'"""[\s\S]*?"{3,}|"(?:[^"\\\n]|\\.)*"|(?P<comment>(?:#|(?<![^\s,{}\[\]])//)[^\n]*)'
    r'|[=:{}\[\],\n]|[^"#/=:{}\[\],\n]+|.'
)
# Words. Anything else without quotes is likelier Python, YAML or prototxt.
_HOCON_WORDS = r"(?!None$|- )[\w.+/%@~-](?::*[\w.+/%@~-]|[ \t]+[\w.+/%@~-])*"


def _read_hocon(text: str) -> object:
    if re.search(_HOCON_INCLUDE, text.upper()):
        _refuse("include is not read")
    _check_hocon_keys(text)
    pyhocon = _installed("pyhocon", "pyhocon")
    pyparsing = importlib.import_module("pyparsing")
    blanks = pyparsing.ParserElement.DEFAULT_WHITE_CHARS
    try:
        # resolve=False: the resolver of ${…} looks into the environment.
        tree = pyhocon.ConfigFactory.parse_string(text, resolve=False)
    except (pyhocon.ConfigException, pyparsing.ParseBaseException) as error:
        _refuse(error)
    finally:
        # After an error pyhocon leaves its own blanks behind, for every parser of the process.
        pyparsing.ParserElement.set_default_whitespace_chars(blanks)
    return _hocon_value(tree, text)


def _check_hocon_keys(text: str) -> None:
    """Refuse what pyhocon would read, and what is likelier something else.

    It merges a key that stands twice. Without any `=` it could be YAML or prototxt, and "- key" or
    an indented key outside of braces is part of a value in YAML.
    """
    blocks: list[set[str]] = [set()]
    key: str | None = ""  # None where a value stands
    assigns = False
    for match in re.finditer(_HOCON_TOKEN, text):
        token = match.group()
        if match["comment"]:
            continue
        if token == '"':
            _refuse("a string has no end")
        assigns |= token == "="
        if token in ("=", ":", "{") and key is not None:
            name = key.strip().removesuffix("+").strip('"')
            indented = len(blocks) == 1 and key[:2] in ("\n ", "\n\t")
            if f"{name} ".startswith("- ") or (indented if name else token != "{"):
                _refuse(f"{name[:80]!r} is hardly a key")
            if name in blocks[-1]:
                _refuse(f"the key {name[:80]!r} stands twice in a block")
            blocks[-1] |= {name} - {""}
            key = None
        if token in ("}", "]"):
            blocks, key = blocks[:-1] or [set()], None
        elif token in ("{", "[", ",", "\n"):
            blocks += [set()] if token in ("{", "[") else []
            key = token if token == "\n" else ""
        elif key is not None:
            key += token
    if not assigns:
        _refuse("without one key = value it could be YAML or prototxt as well")


def _hocon_value(value: object, text: str) -> object:
    if isinstance(value, dict):
        # pyhocon keeps the quotes around a key that needs them.
        return _unique([(key.strip('"'), _hocon_value(item, text)) for key, item in value.items()])
    if isinstance(value, list):
        return [_hocon_value(item, text) for item in value]
    if isinstance(value, str):
        quoted = (f'"{value}"', json.dumps(value, ensure_ascii=False))
        if not re.fullmatch(_HOCON_WORDS, value) and not any(form in text for form in quoted):
            _refuse(f"{value[:80]!r} stands without quotes")
        return str(value)
    if value is None or (isinstance(value, int | float) and abs(value) < math.inf):
        return value  # infinity is what pyhocon makes of a number that is too large
    if type(value).__name__ == "NoneValue":
        return None
    _refuse(f"a {type(value).__name__} (a period, a substitution, or too large) is not read")


def _installed(module: str, package: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError:
        _refuse(f"install {package} to read it")


_READERS: tuple[tuple[str, int, Callable[[str], object]], ...] = (
    # The most characters: at the limit each but JSON takes about two seconds.
    ("JSON", TEXT_LIMIT, lambda text: json.loads(text, object_pairs_hook=_unique)),
    ("TOML", 1_048_576, _read_toml),
    ("INI", 1_048_576, _read_ini),
    ("YAML", 262_144, _read_yaml),
    ("HOCON", 65_536, _read_hocon),
)
