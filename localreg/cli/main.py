"""The `localreg` command: its subcommands, and the exit codes of errors."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

import click

from localreg.cli.streams import OutputError, say, standard_streams
from localreg.errors import (
    ConflictError,
    CorruptBlobError,
    DamagedRegistryError,
    DigestMismatchError,
    LocalregError,
    LockTimeoutError,
    NoRegistryError,
    NotFoundError,
    NoWeightsError,
)
from localreg.values.version import __version__

# The command NAME is `NAME_command` in the module cli/commands/NAME.py. The sections of
# `localreg --help`:
SECTIONS = {
    "Begin": "init demo env guide",
    "Add and get weights": "add get path",
    "Find and show models": "ls show history lineage",
    "Change models": "tag untag meta alias publish archive unarchive rm restore",
    "Tasks": "task",
    "Pages": "report site compare",
    "Upkeep": "verify repair adopt gc du cache doctor",
}
COMMANDS = tuple(name for names in SECTIONS.values() for name in names.split())
OTHER_NAMES = {"list": "ls", "remove": "rm"}
EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (DamagedRegistryError, 4),
    (CorruptBlobError, 4),
    (DigestMismatchError, 4),
    (LockTimeoutError, 6),
    (NotFoundError, 3),
    (NoRegistryError, 3),
    (NoWeightsError, 3),
    (ConflictError, 5),
)


class _Commands(click.Group):
    """Import a subcommand's module only when it is needed, and suggest names for mistyped ones."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = OTHER_NAMES.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        command = getattr(import_module(f"localreg.cli.commands.{name}"), f"{name}_command")
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for title, names in SECTIONS.items():
            with formatter.section(title):
                rows = []
                for name in names.split():
                    command = self.get_command(ctx, name)
                    assert command is not None
                    rows.append((name.ljust(width), command.get_short_help_str(formatter.width)))
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and name not in OTHER_NAMES and not name.startswith("-"):
            close = get_close_matches(name, [*COMMANDS, *OTHER_NAMES], n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            ctx.fail(f"There is no command {name!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="localreg %(version)s")
@click.option(
    "-R",
    "--registry",
    "directory",
    metavar="DIR",
    help="Use the registry in DIR. By default it is LOCALREG_HOME, else the nearest .localreg "
    "folder in or above the working directory, else the one in your data directory.",
)
@click.pass_context
def cli(ctx: click.Context, directory: str | None) -> None:
    """A registry for machine learning models, in a directory.

    MODEL is an id, the first 6 or more digits of one, or [project/]name. The name may end with
    :version or @alias; without them it means the newest version.
    """
    ctx.obj = directory


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code.

    Args:
        argv: the arguments after the program's name; those of the process when None.
    """
    try:
        with standard_streams():
            return cli.main(argv, prog_name="localreg", standalone_mode=False) or 0
    except OutputError as error:
        if error.done or not error.reader_gone:  # `localreg ls | head -1` is no error to speak of
            done = f"{error.done}, but " if error.done else ""
            say(f"localreg: {done}stdout could not be written: {error.reason}")
        return 1
    except click.exceptions.Abort:
        say("Stopped.")
        return 130
    except click.ClickException as error:
        _show(error)
        return error.exit_code
    except LocalregError as error:
        say(f"localreg: {error}")
        return exit_code(error)


def _show(error: click.ClickException) -> None:
    """Print an error of click as click does, and on a terminal broken at words."""
    from io import StringIO

    text = StringIO()
    error.show(text)
    for line in text.getvalue().splitlines():
        say(line)


def exit_code(error: LocalregError) -> int:
    """Return the exit code of an error."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)
