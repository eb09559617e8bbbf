"""Checks of text that comes from outside: names, tags, keys, comments.

SQLite and JSON hold any text except lone surrogates. Names are also shown, compared and used in
file names, so they hold no NUL either and are short.
"""

from __future__ import annotations

from localreg.errors import InvalidValueError

NAME_LIMIT = 1_024
TEXT_LIMIT = 16_777_216


def shown(value: object, limit: int = 60) -> str:
    """Return the start of `repr(value)` for a message, or a text if Python cannot print it.

    URLs in it are shown without their secrets.

    >>> shown("a" * 100, 8), shown(10**5_000)
    ("'aaaaaaa", 'an int that is too large to print')
    """
    try:
        text = repr(value)
        if "://" in text:
            from localreg.values.secrets import masked_text  # only here: it loads urllib

            text = masked_text(text)
        return text[:limit]
    except ValueError:  # an int of thousands of digits, on its own or somewhere inside
        return f"an {type(value).__name__} that is too large to print"
    except RecursionError:
        return f"a {type(value).__name__} that nests too deep to print"


def one_value(value: object) -> object:
    """Return the Python number in a NumPy scalar, or in an array or tensor of one element.

    Anything else is returned unchanged.
    """
    item = None if isinstance(value, (int, float, str)) else getattr(value, "item", None)
    if not callable(item):
        return value
    try:
        found: object = item()
    except (TypeError, ValueError, RuntimeError, LookupError, AttributeError, ArithmeticError):
        return value  # several elements; or not what other libraries mean by that name
    return found


def one_of(**given: object) -> object:
    """Return the value of an argument that has several names; None if none of them is given.

    Raises:
        InvalidValueError: two of them are given.

    >>> one_of(limit=None, max_results=3)
    3
    """
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise InvalidValueError(
            f"{' and '.join(named)} mean the same: give one of them", argument=named[0]
        )
    return given[named[0]] if named else None


def check_text(
    argument: str, value: object, *, limit: int = TEXT_LIMIT, nul: bool = True, empty: bool = True
) -> str:
    """Return `value` if it is text that can be stored.

    Args:
        argument: the argument's name, for the error.
        value: what was given.
        limit: the most characters allowed.
        nul: True if it may hold a NUL character.
        empty: True if it may be empty or blank.

    Raises:
        InvalidValueError: it is not a str, too long, blank, or holds what cannot be stored.
    """
    if not isinstance(value, str):
        raise InvalidValueError(
            f"{argument} must be a str, not {type(value).__name__}", argument=argument
        )
    if len(value) > limit:
        raise InvalidValueError(
            f"{argument} has {len(value):,} characters; at most {limit:,} are allowed",
            argument=argument,
        )
    if not empty and not value.strip():
        raise InvalidValueError(f"{argument} must not be empty", argument=argument)
    if not nul and "\0" in value:
        raise InvalidValueError(
            f"{argument} holds a NUL character: {value[:80]!r}", argument=argument
        )
    if value.isascii():  # as nearly all; nothing is copied
        return value
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidValueError(
            f"{argument} holds a lone surrogate at position {error.start}, which is not text",
            argument=argument,
        ) from error
    return value


def check_flag(argument: str, value: object) -> bool:
    """Return the truth of a value, as Python takes it.

    Raises:
        InvalidValueError: it has none, such as an array of several elements.
    """
    if value is True or value is False:
        return value
    try:
        return bool(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidValueError(
            f"{argument} must be True or False, not {type(value).__name__}", argument=argument
        ) from error


def is_empty(value: object) -> bool:
    """Return True for ""; False for anything else, also for what compares by element."""
    return isinstance(value, str) and not value


def check_comment(comment: object) -> str | None:
    """Return a comment if it can be stored; None and "" mean no comment.

    Raises:
        InvalidValueError: it is not text.
    """
    return None if comment is None else check_text("comment", comment) or None


def kept_name(text: str) -> str:
    r"""Return a name in the one form that is kept and looked up: no blanks around it, NFC.

    Unicode has several forms of letters such as "é", which look the same: NFC is the short one.

    >>> kept_name(" cafe\N{COMBINING ACUTE ACCENT} ") == "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    True
    """
    name = text.strip()
    if name.isascii():
        return name
    from unicodedata import normalize

    return normalize("NFC", name)


def check_key(argument: str, value: object) -> str:
    """Return `value` if it can be a key: not blank, no NUL, at most 1,024 characters.

    Raises:
        InvalidValueError: it cannot.
    """
    return check_text(argument, value, limit=NAME_LIMIT, nul=False, empty=False)


def check_name(argument: str, value: object) -> str:
    """Return a name of a model, project, task, tag or alias, as `kept_name` has it.

    Raises:
        InvalidValueError: it cannot be a name: see `check_key`.

    >>> check_name("name", " vision/resnet ")
    'vision/resnet'
    >>> check_name("name", "  ")
    Traceback (most recent call last):
    localreg.errors.InvalidValueError: name must not be empty
    """
    return kept_name(check_key(argument, value))
