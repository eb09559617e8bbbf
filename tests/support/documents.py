"""README and the guide, as text and as code blocks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
GUIDE = ROOT / "localreg" / "guide"
PAGES = [README, *sorted(GUIDE.glob("*.md"))]


class Block(NamedTuple):
    """A fenced block of code; `line` is the number of its first line."""

    language: str
    line: int
    code: str


def text_of(page):
    return page.read_text(encoding="utf-8")


def blocks(page):
    text = text_of(page)
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(each[1], text.count("\n", 0, each.start()) + 2, each[2]) for each in found]


def commands(block):
    """Yield the commands of a shell block: no comments, continued lines joined."""
    for line in block.code.replace("\\\n", " ").splitlines():
        command = re.sub(r"(^|\s)#\s.*$", "", line).strip()
        if command:
            yield command


def prose(page):
    """Return the text of a page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
