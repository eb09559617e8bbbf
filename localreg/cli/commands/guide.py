"""`localreg guide`: the topics of the guide, and the text of one."""

from __future__ import annotations

import os
import re
import sys
from difflib import get_close_matches
from pathlib import Path

import click

import localreg
from localreg.cli.output import AS_JSON, HEADER, Column, print_json, print_table
from localreg.errors import NotFoundError

_FOLDER = Path(localreg.__file__).parent / "guide"
WIDEST = 100  # columns; longer lines are hard to read

# In the order in which a new user reads them.
TOPICS = (
    "weights", "packages", "datasets", "clouds", "tasks", "reports", "notebooks", "pages",
    "finding", "tag-filters", "search", "registries", "fleets", "upstream", "carrying", "remotes",
    "migrating", "trust", "gates", "time-machine", "sharing", "strangers", "recovery", "offline",
    "usb", "systems", "clearml", "frameworks", "scripts", "agents", "sql", "json", "promises",
    "speed", "decisions", "architecture",
)  # fmt: skip


@click.command("guide")
@click.argument("topic", required=False)
@HEADER
@AS_JSON
def guide_command(topic: str | None, as_json: bool) -> None:
    """Print a TOPIC of the guide; without one, list the topics."""
    if topic is None:
        topics = {each: summary(text_of(each)) for each in TOPICS}
        if as_json:
            print_json([{"topic": each, "about": about} for each, about in topics.items()])
        else:
            print_table((Column("TOPIC", "id"), Column("ABOUT", "prose")), topics.items())
        return
    name = topic.lower().removesuffix(".md")
    if name not in TOPICS:
        close = get_close_matches(name, TOPICS, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
        raise NotFoundError(
            f"the guide has no topic {topic!r:.80}: {hint}`localreg guide` lists all topics",
            reference=topic,
        )
    if as_json:
        text = text_of(name)
        print_json({"topic": name, "about": summary(text), "text": text})
    else:
        _print_markdown(text_of(name))


def text_of(topic: str) -> str:
    """Return the Markdown text of a topic."""
    return (_FOLDER / f"{topic}.md").read_text(encoding="utf-8")


def summary(text: str) -> str:
    """Return what a topic is about: the paragraph below its title, on one line."""
    return " ".join(text.split("\n\n")[1].split())


def _print_markdown(text: str) -> None:
    """Print Markdown: drawn on a terminal, unchanged elsewhere."""
    if not sys.stdout.isatty():
        click.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    # On GitHub a topic is a link; here it is a command.
    text = re.sub(r"\[[\w -]+\]\(([\w-]+)\.md\)", r"`localreg guide \1`", text)
    console = Console(color_system=None if os.environ.get("NO_COLOR") else "auto")
    console.print(Markdown(text, hyperlinks=False), width=min(console.width, WIDEST))
