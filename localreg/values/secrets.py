"""What of a value may be shown: one rule for pages, commands, errors and logs.

- In any text, URLs are shown without passwords and without the values of their queries.
- The value of a name that says it is a secret is hidden: a password or secret, or a key or token.
- What scripts connected is kept as it is: another run needs it, and Python returns it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit, urlunsplit

HIDDEN = "***"
PIN = re.compile(r"sha256[=:](.*)", re.IGNORECASE)
"""A fragment with a checksum; other fragments may be secrets."""

# Compiled where they are needed, because that takes long.
_URL = r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>)\]}\\,;]+"
_WORD = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+"
# The name says it with any of its words, or with its last word.
_ANYWHERE = frozenset(
    "password passwords passwd passphrase pwd secret secrets credential credentials apikey".split()
)
_LAST = frozenset({"key", "token"})
_NUMBER = r"[-+]?[\d.]{1,8}([eE][-+]?\d+)?"
_OPEN = frozenset({"", "none", "null", "true", "false"})
_ENTRY = (
    r"""(?<![\w.$-])(["']?)([A-Za-z_][\w.-]*)\1([ \t]*[:=][ \t]*)"""
    r"""("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s,"'\]\[{}#][^\n,\]}]*)"""
)


def is_secret_name(name: str) -> bool:
    """Return True if the name of a value says that it is a secret.

    >>> [is_secret_name(each) for each in ("api_key", "hfToken", "db/password", "SECRET_ID")]
    [True, True, True, True]
    >>> [is_secret_name(each) for each in ("monkey", "n_keys", "max_tokens", "key_size", "keys/lr")]
    [False, False, False, False, False]
    """
    return _is_secret(_words(name))


@lru_cache(maxsize=1_000)  # lists have the same few names again and again
def _words(name: str) -> tuple[str, ...]:
    return tuple(each.lower() for each in re.findall(_WORD, re.split(r"[/.]", name)[-1]))


def _is_secret(words: tuple[str, ...]) -> bool:
    return bool(words) and (words[-1] in _LAST or not _ANYWHERE.isdisjoint(words))


def masked(name: str, value: str) -> str:
    """Return a value as it may be shown.

    Args:
        name: of the value.
        value: as text. Nothing, None and true are no secrets, and a number is no key or token.

    >>> masked("hf_token", "hf_abc"), masked("key", "3"), masked("lr", "0.1")
    ('***', '3', '0.1')
    >>> masked("data", "https://me:hunter2@example.org/d?sig=1f")
    'https://***@example.org/d?sig=***'
    """
    words = _words(name)
    if value.strip().lower() in _OPEN or not _is_secret(words):
        return masked_text(value)
    number = _ANYWHERE.isdisjoint(words) and re.fullmatch(_NUMBER, value.strip())
    return value if number else HIDDEN


def masked_text(text: str) -> str:
    """Return text with its URLs as they may be shown.

    >>> masked_text("from s3://bucket/a and postgresql+psycopg2://me:hunter2@db/x")
    'from s3://bucket/a and postgresql+psycopg2://***@db/x'
    """
    return re.sub(_URL, lambda found: public(found[0]), text) if "://" in text else text


def secret_values(values: Iterable[tuple[str, str]]) -> list[str]:
    """Return the values whose names say that they are secrets, the longest first.

    Args:
        values: names and values; a value of less than four characters may be any word.

    >>> secret_values([("lr", "0.1"), ("db/password", "hunter2"), ("pin_code_secret", "abc")])
    ['hunter2']
    """
    found = {value for name, value in values if len(value) > 3 and masked(name, value) != value}
    return sorted(found, key=len, reverse=True)


def masked_log(text: str, secrets: Sequence[str]) -> str:
    """Return what a script printed as it may be shown.

    Args:
        secrets: what its parameters say are secrets, by `secret_values`.

    >>> masked_log("logged in with hunter2 at https://me:pw@host/a", ["hunter2"])
    'logged in with *** at https://***@host/a'
    """
    shown = masked_text(text)
    for each in secrets:
        shown = shown.replace(each, HIDDEN)
    return shown


def masked_config(text: str) -> str:
    """Return the text of a configuration as it may be shown, in JSON, YAML, TOML or INI.

    >>> masked_config('{"lr": 0.1, "api_key": "abc"}')
    '{"lr": 0.1, "api_key": "***"}'
    >>> masked_config("password: abc  # mine")
    'password: ***'
    """
    return masked_text(re.sub(_ENTRY, _masked_entry, text))


def masked_code(text: str) -> str:
    """Return program text, or a patch of it, as it may be shown: only literals are values.

    >>> masked_code("token = 'abc'; key = key_of(x)")
    "token = '***'; key = key_of(x)"
    """

    def entry(found: re.Match[str]) -> str:
        return _masked_entry(found) if found[4][0] in "\"'" else found[0]

    return masked_text(re.sub(_ENTRY, entry, text))


def _masked_entry(found: re.Match[str]) -> str:
    quote, name, sign, value = found.groups()
    mark = value[0] if value[0] in "\"'" else ""
    inside = value[1:-1] if mark else value
    if not is_secret_name(name) or masked(name, inside) == inside:
        return found[0]
    return f"{quote}{name}{quote}{sign}{mark}{HIDDEN}{mark}"


def masked_arguments(words: Sequence[str]) -> list[str]:
    """Return the arguments of a command line as they may be shown.

    >>> masked_arguments(["--lr", "1", "--token", "abc", "--db-password=x", "model.key=y"])
    ['--lr', '1', '--token', '***', '--db-password=***', 'model.key=***']
    """
    found, option = [], ""
    for word in words:
        name, equals, value = word.partition("=")
        if option and not word.startswith("--"):
            found.append(masked(option, word))
        elif equals and is_secret_name(name):
            found.append(f"{name}={masked(name, value)}")
        else:
            found.append(masked_text(word))
        option = word if word.startswith("-") and not equals else ""
    return found


def masked_json(value: object, name: str = "") -> object:
    """Return a JSON value as it may be shown; `name` is that of its texts."""
    if isinstance(value, str):
        return masked(name, value)
    if isinstance(value, Mapping):
        return {key: masked_json(each, str(key)) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [masked_json(each, name) for each in value]
    return value


def public(url: str) -> str:
    """Return a URL without its password and the values of its query.

    >>> public("https://example.org/m.pt?X-Amz-Signature=1f&v=2")
    'https://example.org/m.pt?X-Amz-Signature=***&v=***'
    """
    try:
        return public_parts(urlsplit(url))
    except ValueError:
        return f"{url.partition('://')[0]}:…"


def public_parts(parts: SplitResult) -> str:
    """Return what of the parts of a URL may be shown."""
    host = parts.netloc.rpartition("@")
    netloc = f"{HIDDEN}@{host[2]}" if host[1] else parts.netloc
    query = "&".join(
        f"{name}={HIDDEN}" if equals else HIDDEN
        for name, equals, _ in (field.partition("=") for field in parts.query.split("&") if field)
    )
    pin = parts.fragment if PIN.fullmatch(parts.fragment) else ""
    return urlunsplit((parts.scheme, netloc, parts.path, query, pin))
