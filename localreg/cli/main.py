"""The `localreg` command: its subcommands, and how errors leave it."""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from importlib import import_module

import click

import localreg
from localreg.errors import (
    ConflictError,
    CorruptBlobError,
    DamagedRegistryError,
    DigestMismatchError,
    LocalregError,
    LockTimeoutError,
    NotFoundError,
    NoWeightsError,
)

_HOMES = {
    "demo": "localreg.cli.commands.demo",
    "init": "localreg.cli.commands.add_get_init",
    "add": "localreg.cli.commands.add_get_init",
    "path": "localreg.cli.commands.add_get_init",
    "get": "localreg.cli.commands.add_get_init",
    "env": "localreg.cli.commands.add_get_init",
    "ls": "localreg.cli.commands.show",
    "show": "localreg.cli.commands.show",
    "history": "localreg.cli.commands.show",
    "lineage": "localreg.cli.commands.lineage",
    "task": "localreg.cli.commands.task",
    "report": "localreg.cli.commands.report",
    "site": "localreg.cli.commands.report",
    "compare": "localreg.cli.commands.report",
    "tag": "localreg.cli.commands.edit",
    "untag": "localreg.cli.commands.edit",
    "meta": "localreg.cli.commands.edit",
    "alias": "localreg.cli.commands.edit",
    "publish": "localreg.cli.commands.edit",
    "archive": "localreg.cli.commands.edit",
    "unarchive": "localreg.cli.commands.edit",
    "rm": "localreg.cli.commands.edit",
    "restore": "localreg.cli.commands.edit",
    "verify": "localreg.cli.commands.upkeep",
    "repair": "localreg.cli.commands.upkeep",
    "adopt": "localreg.cli.commands.upkeep",
    "gc": "localreg.cli.commands.upkeep",
    "du": "localreg.cli.commands.upkeep",
    "cache": "localreg.cli.commands.upkeep",
    "doctor": "localreg.cli.commands.upkeep",
}
_OTHER_NAMES = {"list": "ls", "remove": "rm"}
_EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (DamagedRegistryError, 4),
    (CorruptBlobError, 4),
    (DigestMismatchError, 4),
    (LockTimeoutError, 6),
    (NotFoundError, 3),
    (NoWeightsError, 3),
    (ConflictError, 5),
)


class _Commands(click.Group):
    """Loads a subcommand's module when it is called, and guesses at mistyped names."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_HOMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = _OTHER_NAMES.get(cmd_name, cmd_name)
        home = _HOMES.get(name)
        if home is None:
            return None
        command = getattr(import_module(home), f"{name}_command")
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            close = get_close_matches(name, [*_HOMES, *_OTHER_NAMES], n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            ctx.fail(f"There is no command {name!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(localreg.__version__, message="localreg %(version)s")
@click.option(
    "-R",
    "--registry",
    metavar="DIR",
    help="The registry to work on; by default LOCALREG_HOME, the nearest .localreg folder "
    "upwards, or the one in the user's data directory.",
)
@click.pass_context
def cli(ctx: click.Context, registry: str | None) -> None:
    """A registry for machine learning models, in a directory.

    MODEL is an id or its first digits, or [project/]name with :version or @alias behind it, the
    newest version without.
    """
    ctx.obj = registry


def main() -> None:
    """Run the command line, and leave with its exit code."""
    try:
        code = cli.main(prog_name="localreg", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        click.echo("Stopped.", err=True)
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except LocalregError as error:
        click.echo(f"localreg: {error}", err=True)
        code = exit_code(error)
    except BrokenPipeError:  # the reader of the output has gone, as in `localreg ls | head -1`
        _discard_output()
        code = 1  # as click leaves when it notices first
    sys.exit(code)


def exit_code(error: LocalregError) -> int:
    """Return the exit code that an error leaves with."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), 1)


def _discard_output() -> None:
    # Python would try to flush what is left at exit, and complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
