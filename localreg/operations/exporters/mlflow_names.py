"""Names that MLflow takes, for what has names of ours.

MLflow shows nearly any name. Its own rules are for what it logs: a name must not lead anywhere if
it is read as a path, and has at most 250 characters. Those of models have no slash and no colon,
and those of aliases have letters, digits, ``_`` and ``-`` only.
"""

from __future__ import annotations

import re
from collections import Counter

from localreg.values.records import Project

_MOST = 250
_OURS = re.compile(r"^(mlflow|localreg)\.")
DEFAULT = "Default"  # the experiment that MLflow makes by itself


class MlflowNames:
    """Gives names of one kind in one place; each is given once.

    Args:
        changed: where changed names are counted.
        taken: names that are there already.
    """

    def __init__(self, changed: Counter[str], *taken: str) -> None:
        self._changed = changed
        self._taken = set(taken)

    def name(self, text: str, wanted: str | None = None) -> str:
        """Return the name for a text.

        Args:
            wanted: what MLflow can take of it; the text itself with few changes if None.
        """
        plain = plain_name(text) if wanted is None else wanted
        found, number = plain, 1
        while found in self._taken:
            number += 1
            found = f"{plain[: _MOST - 10]} ({number})"
        self._taken.add(found)
        if found != (text if wanted is None else wanted):
            self._changed[CHANGED] += 1
        return found


CHANGED = "names, to what MLflow takes"


def plain_name(text: str) -> str:
    r"""Return a name that leads nowhere if it is a path, and is not too long.

    >>> plain_name("loss/train"), plain_name("../x"), plain_name("/a//b\n")
    ('loss/train', '_/x', '_/a/_/b_')
    """
    plain = re.sub(r"[\x00-\x1f\x7f]", "_", text)
    parts = ("_" if part in ("", ".", "..") else part for part in plain.split("/"))
    return "/".join(parts)[:_MOST].rstrip("/")


def metric_name(title: str, series: str) -> str:
    """Return the name of a series: that of its chart if both are the same.

    >>> metric_name("loss", "train"), metric_name("accuracy", "accuracy")
    ('loss/train', 'accuracy')
    """
    return title if title == series else f"{title}/{series}"


def parameter_name(section: str, name: str) -> str:
    """Return the name of a parameter: those of the section "General" stand alone.

    >>> parameter_name("General", "lr"), parameter_name("Args", "lr")
    ('lr', 'Args/lr')
    >>> parameter_name("General", "a/b")
    'General/a/b'
    """
    return name if section == "General" and "/" not in name else f"{section}/{name}"


def model_name(project: Project | None, name: str) -> str:
    """Return the name of a registered model: slashes and colons become dots.

    >>> model_name(Project("", "vision"), "resnet"), model_name(None, "a/b:c")
    ('vision.resnet', 'a.b.c')
    """
    line = name if project is None else f"{project.name}/{name}"
    return re.sub("[/:]", ".", plain_name(line)).lstrip(".") or "_"


def alias_name(alias: str) -> str:
    """Return the name of an alias.

    >>> alias_name("prod"), alias_name("a b"), alias_name("v1"), alias_name("latest")
    ('prod', 'a_b', 'alias_v1', 'alias_latest')
    """
    plain = re.sub(r"[^\w-]", "_", alias)[:_MOST]
    return f"alias_{plain}" if re.fullmatch(r"[vV]\d+|latest|", plain) else plain


def tag_name(tag: str) -> str:
    """Return the key of a tag; what begins like a tag of a program gets another beginning.

    >>> tag_name("baseline"), tag_name("mlflow.user")
    ('baseline', 'tag.mlflow.user')
    """
    plain = plain_name(tag)
    return f"tag.{plain}" if _OURS.match(plain) else plain
