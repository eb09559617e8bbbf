"""Which remote a command means, and what went there and came from there."""

from __future__ import annotations

import re

import click

from localreg.cli.carried import (
    CONFLICT,
    came_text,
    print_arrival,
    print_changes,
    print_lines,
    print_missing,
)
from localreg.cli.output import counted, one_line, print_json, record_json, remark
from localreg.errors import (
    AmbiguousReferenceError,
    InvalidValueError,
    ModelNotFoundError,
    NotFoundError,
)
from localreg.operations.finding.references import resolve_model
from localreg.operations.remotes import names
from localreg.values.checks import shown
from localreg.values.oci import is_oci
from localreg.values.units import size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.remotes.pulling import Pulled
    from localreg.operations.remotes.pushing import Pushed
    from localreg.registry import Chain

_NO_NAME = re.compile(r"[/:@\\]")  # references, URLs and paths have these
_INSTEAD = {
    "push": "To carry a model: `localreg export {model} -o FILE.tar`",
    "pull": "To take in models: `localreg import FILE.tar`",
}


def remote_name(chain: Chain, given: str | None, command: str) -> str:
    """Return the name of the remote that a command means.

    Args:
        given: its name, or None for the one that orders the events, else the only one.
        command: the name of the command.

    Raises:
        click.UsageError: a model, a URL or a path is given, or there are several.
        NotFoundError: there is no such remote.
    """
    if given is not None and _NO_NAME.search(given):
        raise click.UsageError(_no_name(given, command))
    try:
        return names.find(chain, given).name
    except InvalidValueError as error:
        raise click.UsageError(str(error)) from error
    except NotFoundError as error:
        if given is not None and command in _INSTEAD and _is_model(chain, given):
            raise click.UsageError(_no_name(given, command)) from error
        raise


def _is_model(chain: Chain, given: str) -> bool:
    try:
        resolve_model(chain, given)
    except ModelNotFoundError:
        return False
    except AmbiguousReferenceError:
        pass
    return True


def _no_name(given: str, command: str) -> str:
    """Return what to do instead of naming a model, a URL or a path."""
    is_place = "://" in given or "\\" in given or given.startswith((".", "/", "~"))
    hints = [_INSTEAD[command].format(model="MODEL" if is_place else given)]
    if is_oci(given):
        hints = [hints[0].replace("FILE.tar", given)]
    elif is_place:
        hints.append(f"To name a remote: `localreg remote add NAME {given}`")
    if command not in _INSTEAD:
        hints = hints[1:]
    what = f"{command} takes the name of a remote, as `localreg remote ls` shows it"
    return f"{what}, not {shown(given)}. {'. '.join(hints)}."


def print_pulled(done: Pulled, *, as_json: bool, quiet: bool) -> int:
    """Print what came and what is different now; return the exit code."""
    if as_json:
        print_json(record_json(done))
        return CONFLICT if done.arrived.conflict else 0
    return print_arrival(done.arrived, as_json=False, quiet=quiet)


def print_pushed(done: Pushed, *, as_json: bool, quiet: bool) -> int:
    """Print what came and went, and what is different now; return the exit code."""
    # What --force made again had lost when it was pulled.
    lost = done.lost or done.refused or (done.pulled.conflict and not done.forced)
    code = CONFLICT if lost else 0
    if as_json:
        print_json(record_json(done))
        return code
    print_changes(done.pulled, quiet=quiet)
    if not quiet:
        said = set(done.pulled.differences)
        print_lines(line for line in done.lost if line not in said)
        print_lines(done.forced)
        print_lines(done.refused)
    print_missing(done.missing, "did not go")
    came = came_text(done.pulled)
    if came:
        remark(f"{came} {'would come' if done.dry_run else 'came'}.")
    remark(_went(done))
    if done.lost:
        remark(_what_now(done))
    return code


def _what_now(done: Pushed) -> str:
    """Return what has lost, and how that can be changed."""
    one = len(done.lost) == 1
    yours = "1 change of yours" if one else f"{len(done.lost):,} changes of yours"
    lost = "would lose" if done.dry_run else "has lost" if one else "have lost"
    again = f"`localreg push {one_line(done.remote)} --force` sets {'it' if one else 'them'} again"
    return f"{yours} {lost}, since others came first. {again}; to leave it so, do nothing."


def _owners(number: int) -> str:
    return "1 model or task" if number == 1 else f"{number:,} models and tasks"


def _went(done: Pushed) -> str:
    parts = [
        text
        for count, text in (
            (done.events, counted(done.events, "event")),
            (done.blobs, f"{counted(done.blobs, 'blob')} ({size_text(done.size)})"),
            (done.reports, f"what was reported to {_owners(done.reports)}"),
        )
        if count
    ]
    if parts:
        verb = "would go" if done.dry_run else "went"
        return f"{', '.join(parts)} {verb} to {one_line(done.remote)}."
    what = "Nothing would go" if done.dry_run else "Nothing went"
    if done.missing:
        return f"{what} to {one_line(done.remote)}."
    return f"{what}: {one_line(done.remote)} has all of it{'' if done.dry_run else ' already'}."
