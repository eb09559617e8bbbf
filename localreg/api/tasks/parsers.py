"""Have parsers of command lines report what they parse: `watch`, and `forget`."""

from __future__ import annotations

import os
from contextlib import suppress

from localreg.api import ambient
from localreg.api.tasks import argparse_hook, command_line
from localreg.errors import InvalidValueError
from localreg.integrations import hook
from localreg.values import settings


def watch() -> None:
    """Patch parsers, before a task starts: a script may parse first.

    A parser may change the working directory, as hydra does. So the registry that a relative
    ``LOCALREG_HOME`` names is found now.
    """
    if os.environ.get(settings.HOME):
        with suppress(InvalidValueError):  # raised by the first call that needs it
            ambient.locate()
    argparse_hook.install()
    with ambient.patching():
        hook.install(ambient.recorder, command_line, parsers_only=True)


def forget() -> None:
    """Undo `watch`; if a task runs, when the last one ends."""
    hook.keep_parsers(False)
    ambient.restore_libraries()
