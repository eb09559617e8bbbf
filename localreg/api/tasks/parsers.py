"""Have parsers of command lines report what they parse: `watch`, and `forget`."""

from __future__ import annotations

from localreg.api import ambient
from localreg.api.tasks import argparse_hook, command_line
from localreg.integrations import hook


def watch() -> None:
    """Patch parsers, before a task starts: a script may parse first."""
    argparse_hook.install()
    hook.install(ambient.recorder, command_line, parsers_only=True)


def forget() -> None:
    """Undo `watch`; if a task runs, when the last one ends."""
    hook.keep_parsers(False)
    ambient.restore_libraries()
