"""What to type instead of a command that does not exist.

Words of other tools are looked up in a table. Typing errors are guessed, but never as a command
that changes something: "rename" is near "remove", and "push" near "publish".
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

import click

SYNONYMS = {
    "bundle": "export",
    "cat": "get MODEL -o -",
    "check": "verify",
    "checkout": "get",
    "clean": "gc",
    "copy": "get",
    "cp": "get",
    "create": "init",
    "data": "dataset",
    "datasets": "dataset ls",
    "del": "rm",
    "delete": "rm",
    "describe": "show",
    "docs": "guide",
    "download": "get",
    "dump": "export",
    "exec": "task run",
    "experiments": "task ls",
    "fetch": "get",
    "find": "search",
    "grep": "search",
    "fsck": "verify",
    "graph": "lineage",
    "help": "--help",
    "info": "show",
    "inspect": "show",
    "join": "merge",
    "keys": "key ls",
    "label": "tag",
    "load": "import",
    "log": "history",
    "man": "guide",
    "metrics": "scalars",
    "new": "init",
    "open": "site --open",
    "pack": "export",
    "prune": "cache prune",
    "query": "sql",
    "readme": "card",
    "register": "add",
    "remotes": "remote ls",
    "run": "task run",
    "runs": "task ls",
    "save": "export",
    "serve": "site --open",
    "status": "env",
    "sync": "push",
    "tasks": "task ls",
    "tree": "lineage",
    "trust": "key add",
    "ui": "site --open",
    "unpack": "import",
    "upload": "add",
    "usage": "du",
    "version": "--version",
    "view": "show",
    "where": "env",
}
TASK_SYNONYMS = {
    "copy": "task clone",
    "cp": "task clone",
    "del": "task rm",
    "delete": "task rm",
    "describe": "task show",
    "exec": "task run",
    "info": "task show",
    "list": "task ls",
    "log": "report ID",
    "remove": "task rm",
    "report": "report ID",
    "rerun": "task run",
    "start": "task run",
    "view": "task show",
}
DATASET_SYNONYMS = {
    "checkout": "dataset get",
    "copy": "dataset get",
    "cp": "dataset get",
    "delete": "rm",
    "describe": "dataset show",
    "download": "dataset get",
    "files": "dataset show --files",
    "info": "dataset show",
    "list": "dataset ls",
    "versions": "dataset ls",
    "view": "dataset show",
}
CACHE_SYNONYMS = {"clean": "cache prune", "clear": "cache prune", "delete": "cache rm",
                  "list": "cache ls", "remove": "cache rm", "show": "cache ls"}  # fmt: skip
KEY_SYNONYMS = {"delete": "key rm", "import": "key add", "list": "key ls", "remove": "key rm",
                "show": "key ls", "trust": "key add", "untrust": "key rm"}  # fmt: skip
REMOTE_SYNONYMS = {
    "collect": "remote gc",
    "delete": "remote rm",
    "list": "remote ls",
    "new": "remote add",
    "optimize": "remote compact",
    "remove": "remote rm",
    "repair": "remote check --repair",
    "reset": "remote check --reset",
    "show": "remote ls",
    "status": "remote ls",
    "verify": "remote check",
}
READING = frozenset(
    "cache compare dataset diff doctor du env export files get guide history lineage ls path "
    "report scalars search show site sql task verify".split()
)  # fmt: skip


class CommandGroup(click.Group):
    """A group of commands that says what to type instead of a command that it does not have.

    Args:
        synonyms: words of other tools, and the commands here.
    """

    def __init__(self, *args: object, synonyms: Mapping[str, str], **named: object) -> None:
        super().__init__(*args, **named)  # type: ignore[arg-type]  # click checks them
        self._synonyms = synonyms

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that arguments begin with, as click does it."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            ctx.fail(f"There is no command {name!r}.{self._hint(ctx, name)}")
        return super().resolve_command(ctx, args)

    def _hint(self, ctx: click.Context, name: str) -> str:
        instead = self._synonyms.get(name.lower())
        if instead:
            return f" In localreg it is: localreg {instead}"
        known = READING.intersection(self.list_commands(ctx))
        close = get_close_matches(name, sorted(known), n=1)
        return f" Did you mean {close[0]!r}?" if close else ""
