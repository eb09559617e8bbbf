"""The environment variables of localreg."""

from __future__ import annotations

import re
from pathlib import Path

import localreg
from localreg.values import settings

PACKAGE = Path(localreg.__file__).parent
VARIABLE = r"(?<!_)LOCALREG_[A-Z]+(?:_[A-Z]+)*"
VARIABLES = {value for name, value in vars(settings).items() if name.isupper()}


def test_every_variable_is_named_in_settings():
    """Code takes the names from values/settings.py; texts and docstrings may write them out.

    `_LOCALREG_COMPLETE` is made by click.
    """
    written = {
        found
        for path in PACKAGE.rglob("*.py")
        for found in re.findall(VARIABLE, path.read_text(encoding="utf-8"))
    }
    assert written == VARIABLES
    literals = [
        path.name
        for path in PACKAGE.rglob("*.py")
        if re.search(r"['\"]LOCALREG_[A-Z]+(?:_[A-Z]+)*['\"]", path.read_text(encoding="utf-8"))
        and path.name != "settings.py"
    ]
    assert literals == []


def test_every_variable_is_explained_in_the_guide():
    guide = "".join(path.read_text(encoding="utf-8") for path in (PACKAGE / "guide").glob("*.md"))
    assert {name for name in VARIABLES if name not in guide} == set()
