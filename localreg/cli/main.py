"""The `localreg` command: its subcommands, and the exit codes of errors."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from io import StringIO
from itertools import takewhile
from types import MappingProxyType

import click
from click.shell_completion import CompletionItem

from localreg.cli import shells
from localreg.cli.streams import OutputError, say, standard_streams
from localreg.cli.suggestions import SYNONYMS, CommandGroup
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
    SignatureError,
    TrustError,
)
from localreg.values import settings
from localreg.values.version import __version__

# The command NAME is `NAME_command` in the module cli/commands/NAME.py. These are the sections of
# `localreg --help`, with a line of 80 columns for each: it need not import the commands.
SECTIONS = {
    "Start": {
        "init": "Make a registry.",
        "demo": "Take a tour: train a small model in two runs, and keep it.",
        "guide": "Print the documentation.",
        "env": "Show which registry is used, and why.",
        "config": "Show the settings of the registry, or set one.",
        "doctor": "Examine a registry and the place where it lies.",
    },
    "Find models": {
        "ls": "List models.",
        "search": "Find models and tasks by words.",
        "show": "Show everything about a model.",
        "history": "Show what was changed, by whom and when.",
        "lineage": "Show where a model comes from, and what was made from it.",
        "diff": "Show what differs between two models.",
    },
    "Change models": {
        "add": "Add a file, a folder or a URL as the next version of a model.",
        "tag": "Add tags to a model.",
        "untag": "Remove tags from a model.",
        "meta": "Set or show the metadata of a model.",
        "alias": "Point an alias at a model, or show its aliases.",
        "protect": "Say what a model must have before an alias may point to it.",
        "publish": "Fix the weights, configuration and labels of models.",
        "archive": "Leave models out of lists.",
        "unarchive": "Bring archived models back into lists.",
        "mv": "Move models to another project, name or number.",
        "rm": "Remove models; `restore` brings them back.",
        "restore": "Bring removed models back.",
        "undo": "Undo one change.",
    },
    "Weights": {
        "path": "Print the local path of a model's weights.",
        "get": "Copy a model's weights out of the registry.",
        "files": "List the files of a model, and what is inside.",
    },
    "Reports": {
        "report": "Write the page of a model or a task.",
        "compare": "Write a page that compares models and tasks.",
        "site": "Write the overview and all pages.",
        "scalars": "Print what a model or a task reported.",
        "card": "Print the card of a model as README.md, or set it.",
    },
    "Tasks and data sets": {
        "task": "List, show, copy, run and remove tasks.",
        "dataset": "List and show data sets, and copy their files out.",
    },
    "Carry": {
        "export": "Write models into a bundle, or for other programs.",
        "import": "Take in a bundle, or runs and models of other programs.",
        "merge": "Take in what another registry has and this one lacks.",
        "backup": "Copy the whole registry while others write to it.",
    },
    "Remotes": {
        "push": "Send to a remote what it lacks.",
        "pull": "Take in what others have pushed.",
        "clone": "Make a registry of what is in a remote.",
        "remote": "Name buckets and folders where registries meet; care for them.",
    },
    "Trust": {
        "sign": "Sign a model, or keep a signature that was made elsewhere.",
        "key": "Choose whose signatures count.",
    },
    "Upkeep": {
        "verify": "Check that the database and all weights are unchanged.",
        "repair": "Replace damaged weights by good copies.",
        "adopt": "Copy weights here that only upstream registries have.",
        "gc": "Delete unused weights and leftovers of dead processes.",
        "du": "Show what takes space.",
        "cache": "List and delete downloads and unpacked packages.",
        "sql": "Run a query on the database, read-only.",
    },
    "For programs and shells": {
        "schema": "Print the shape of what a command prints with --json.",
        "completion": "Print the script that lets a shell complete what is typed.",
    },
}
COMMANDS = {name: about for section in SECTIONS.values() for name, about in section.items()}
OTHER_NAMES = {"list": "ls", "remove": "rm", "rename": "mv"}
MODULES = {"import": "import_"}  # the names of commands that no module can have
# The arguments of Python that errors name, and what a command calls them.
OPTIONS = {
    "config_text": "--config",
    "expected_sha256": "--sha256",
    "label_enumeration": "--labels",
    "max_results": "--limit",
    "model_name": "NAME",
    "order_by": "--sort",
    "project_name": "--project",
    "task_name": "--name",
    "weights_filenames": "FILE_OR_URL",
    "weights_url": "FILE_OR_URL",
}
# Not as a part of a file name.
_ARGUMENTS = rf"(?<![\w./-])(?:{'|'.join(OPTIONS)})(?![\w./-])"
STOPPED = 130  # the exit code after Ctrl-C, as in shells
EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (DamagedRegistryError, 4),
    (CorruptBlobError, 4),
    (DigestMismatchError, 4),
    (SignatureError, 4),
    (TrustError, 4),
    (LockTimeoutError, 6),
    (NotFoundError, 3),
    (NoRegistryError, 3),
    (NoWeightsError, 3),
    (ConflictError, 5),
)


class _Commands(CommandGroup):
    """Import a subcommand's module only when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = OTHER_NAMES.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        module = import_module(f"localreg.cli.commands.{MODULES.get(name, name)}")
        command = getattr(module, f"{name}_command")
        assert isinstance(command, click.Command)
        if shells.VARIABLE in os.environ:
            from localreg.cli.completion import attach

            attach(command, name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), about) for name, about in section.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the options or commands that begin with a text, without importing a command."""
        if incomplete[:1] == "-":
            return click.Command.shell_complete(self, ctx, incomplete)
        return [
            CompletionItem(name, help=about)
            for name, about in COMMANDS.items()
            if name.startswith(incomplete)
        ]


@click.command(
    cls=_Commands,
    synonyms=SYNONYMS,
    invoke_without_command=True,  # for --version
    no_args_is_help=True,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--version", is_flag=True, help="Show the version; with --json also of what it uses.")
@click.option(
    "-R",
    "--registry",
    "directory",
    metavar="DIR",
    help="Use the registry in DIR. By default it is LOCALREG_HOME, else the nearest .localreg "
    "folder in or above the working directory, else the one in your data directory.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as after the command.")
@click.option("-q", "--quiet", is_flag=True, help="Print less, as after the command.")
@click.pass_context
def cli(
    ctx: click.Context, version: bool, directory: str | None, as_json: bool, quiet: bool
) -> None:
    """A registry for machine learning models, in a directory.

    MODEL is an id, the first 6 or more digits of one, or [project/]name. The name may end with
    :version or @alias; without them it means the newest version.
    """
    ctx.obj = directory
    if version:
        _print_version(as_json=as_json)
        ctx.exit()
    if ctx.invoked_subcommand is None:
        ctx.fail("Missing command.")


def _print_version(*, as_json: bool) -> None:
    if not as_json:
        click.echo(f"localreg {__version__}")
        return
    from localreg.cli.output import print_json
    from localreg.operations.upkeep.versions import versions

    print_json(versions())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code.

    Args:
        argv: the arguments after the program's name; those of the process when None.
    """
    if argv is None:  # a command is no part of the script that calls it
        os.environ.pop(settings.TASK_RUNNING, None)
    given = list(sys.argv[1:] if argv is None else argv)
    if shells.VARIABLE in os.environ:
        shells.register()
    try:
        with standard_streams():
            plain = False if os.environ.get("NO_COLOR") else None
            return cli.main(given, prog_name="localreg", standalone_mode=False, color=plain) or 0
    except OutputError as error:
        if error.done or not error.reader_gone:  # `localreg ls | head -1` is no error to speak of
            done = f"{error.done}, but " if error.done else ""
            text = f"{done}stdout could not be written: {error.reason}"
            _say_error(given, "OutputError", 1, text)
        return 1
    except click.exceptions.Abort:
        _say_error(given, "Stopped", STOPPED, "Stopped.", plain="Stopped.")
        return STOPPED
    except click.ClickException as error:
        kind = "UsageError" if isinstance(error, click.UsageError) else "Error"
        _say_error(given, kind, error.exit_code, error.format_message(), plain=_as_click(error))
        return error.exit_code
    except LocalregError as error:
        code = exit_code(error)
        text = in_words_of_options(str(error))
        _say_error(given, type(error).__name__, code, text, facts=error.__dict__)
        return code


def _say_error(
    given: Sequence[str],
    kind: str,
    code: int,
    message: str,
    *,
    plain: str | None = None,
    facts: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """Say on stderr what went wrong: as JSON on one line if --json is among the given words.

    They are looked at and not what was parsed: wrong usage is an error, too.

    Args:
        given: the words of the command.
        kind: the class of the error.
        code: the exit code.
        message: what went wrong.
        plain: the text without --json, if it is not the message.
        facts: the attributes of the error.
    """
    words = takewhile(lambda word: word != "--", given)
    if "--json" not in words:
        for line in (plain or f"localreg: {message}").splitlines():
            say(line)
        return
    from localreg.cli.output import json_text

    shown = {name: fact for name, fact in facts.items() if _is_plain(fact)}
    error = {"kind": kind, "message": message, "exit_code": code, "facts": shown}
    # Whatever stderr can encode; `say` would break the line on a terminal.
    with suppress(OSError):
        click.echo(json_text({"error": error}, ascii_only=True), err=True)


def _is_plain(fact: object) -> bool:
    """Return True if JSON has a form for a fact of an error."""
    if isinstance(fact, (list, tuple)):
        return all(map(_is_plain, fact))
    return fact is None or isinstance(fact, (str, int, float))


def _as_click(error: click.ClickException) -> str:
    """Return an error as click shows it, with the usage."""
    text = StringIO()
    error.show(text)
    return text.getvalue()


def in_words_of_options(text: str) -> str:
    """Return a message with the names of options for those of Python's arguments.

    >>> in_words_of_options("expected_sha256 must be 64 hex digits")
    '--sha256 must be 64 hex digits'
    """
    return re.sub(_ARGUMENTS, lambda match: OPTIONS[match[0]], text)


def exit_code(error: LocalregError) -> int:
    """Return the exit code of an error."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)
