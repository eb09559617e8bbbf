"""SQL of patterns that names must match, such as ``vision/res*``."""

from __future__ import annotations

SPECIAL = frozenset("*?[")


def beginning(pattern: str) -> str:
    """Return the text that all names begin with that match a pattern.

    >>> beginning("vision/res*"), beginning("*"), beginning("net")
    ('vision/res', '', 'net')
    """
    end = next((place for place, char in enumerate(pattern) if char in SPECIAL), None)
    return pattern[:end]


def after_all(begin: str) -> str | None:
    """Return the first text, in SQLite's order, after all that begin with a text; None without.

    >>> after_all("net"), after_all("net\U0010ffff"), after_all("")
    ('neu', 'neu', None)
    """
    kept = begin.rstrip("\U0010ffff")
    if not kept:
        return None
    code = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if code == 0xD800 else code)  # between them no text has any


def pattern_sql(pattern: str, parameters: list[object], *, project: str, name: str) -> str:
    """Return the condition that a name matches a pattern, or is equal to it.

    A pattern with a slash is compared with ``project/name``, another one with the name; without a
    project both are the name. ``*`` is
    any text, also with slashes, ``?`` a character, ``[ab]`` one of some, ``[!ab]`` none of them.

    Args:
        pattern: the pattern.
        parameters: those of the condition are appended.
        project, name: SQL of the key of the project, and of the name.
    """
    text = name
    if "/" in pattern:
        line = "CASE x.name WHEN '' THEN '' ELSE x.name || '/' END"
        text = f"((SELECT {line} FROM project x WHERE x.pk = {project}) || {name})"
    parameters += [pattern, pattern.replace("[!", "[^")]
    return f"({text} = ? OR {text} GLOB ?)"
