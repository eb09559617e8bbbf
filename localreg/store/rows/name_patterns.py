"""SQL of patterns that names must match, such as ``vision/res*``."""

from __future__ import annotations

SPECIAL = frozenset("*?[")


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
