"""Name remotes, look at them, and care for them."""

from __future__ import annotations

import shlex

import click

from localreg.cli.carried import print_arrival, print_lines
from localreg.cli.collected import grace_seconds, print_garbage, say_waiting
from localreg.cli.exchanged import remote_name
from localreg.cli.output import (
    AS_JSON,
    CORRUPT,
    DELETE,
    HEADER,
    IN_REGISTRY,
    SILENT,
    Column,
    counted,
    one_line,
    opened,
    print_json,
    print_table,
    record_json,
    remark,
    say,
    say_deleted,
)
from localreg.cli.suggestions import REMOTE_SYNONYMS, CommandGroup
from localreg.operations.remotes import (
    checking,
    collecting,
    compaction,
    fetching_blobs,
    names,
    resetting,
)
from localreg.progress import shown_progress
from localreg.values.units import size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.remotes.checking import Checked
    from localreg.operations.remotes.compaction import Compaction

NAME = click.argument("remote", metavar="NAME")
ANY = click.argument("remote", metavar="[NAME]", required=False)


@click.group("remote", cls=CommandGroup, synonyms=REMOTE_SYNONYMS)
def remote_command() -> None:
    """Name remotes, look at them, and care for them.

    A remote is a bucket or a folder through which registries meet: see `localreg guide remotes`.
    """


@remote_command.command("add")
@NAME
@click.argument("url")
@AS_JSON
@SILENT
@IN_REGISTRY
def add_command(remote: str, url: str, as_json: bool, quiet: bool, directory: str | None) -> None:
    """Name the remote at URL; make it if none is there.

    URL is a folder, or s3://, gs:// or az:// with a bucket. The first remote orders the events,
    for all registries that use it; further ones are mirrors.
    """
    with opened(directory) as chain:
        added = names.add(chain, remote, url)
        is_ordered = any(not each.mirror for each in names.ls(chain))
    if as_json:
        print_json(record_json(added) | {"changed": True})
        return
    what = "mirror" if added.mirror else "remote"
    was = "" if added.made else ", which was there already"
    remark(one_line(f"Added the {what} {added.name}{was}: {added.url}."))
    if not is_ordered:
        remark(
            "It is a mirror, since changes here have their order from a remote that was removed. "
            f"`localreg remote check {added.name} --reset` lets it give the order."
        )
    if not added.made:
        remark(f"`localreg pull {added.name}` takes in what it has.")
    if added.waiting:
        events = counted(added.waiting, "event")
        most = "" if added.made else "at most "
        remark(f"`localreg push {added.name}` sends what it lacks: {most}{events}.")


@remote_command.command("ls")
@AS_JSON
@HEADER
@IN_REGISTRY
def ls_command(as_json: bool, directory: str | None) -> None:
    """List the remotes, the one that orders the events first.

    It also shows how many events each lacks, as far as it is known here: no network is used.
    """
    with opened(directory) as chain:
        found = names.ls(chain)
    if as_json:
        print_json([record_json(each) for each in found])
        return
    print_table(
        (
            Column("NAME", "name"),
            Column("KIND", "id", 1),
            Column("TO PUSH", "number"),
            Column("URL", "path"),
        ),
        (
            (each.name, "mirror" if each.mirror else "orders", each.waiting, each.url)
            for each in found
        ),
    )
    if not found:
        remark("There are no remotes: `localreg remote add NAME URL` adds one.")


@remote_command.command("rm")
@NAME
@AS_JSON
@SILENT
@IN_REGISTRY
def rm_command(remote: str, as_json: bool, quiet: bool, directory: str | None) -> None:
    """Forget a remote. What is there stays there."""
    with opened(directory) as chain:
        lacking = [each for each in fetching_blobs.not_here(chain) if each.alone]
        removed = names.rm(chain, remote)
    if as_json:
        print_json(record_json(removed) | {"changed": True, "not_here": len(lacking)})
    else:
        remark(one_line(f"Removed the remote {removed.name}; what is in {removed.url} stays."))
        if removed.waiting:
            remark(f"It lacks {counted(removed.waiting, 'event')} of this registry.")
        if lacking:
            size = size_text(sum(each.size for each in lacking))
            remark(
                f"Not here: {counted(len(lacking), 'blob')} ({size}) that models or tasks need. "
                f"`localreg remote add {removed.name} {shlex.quote(removed.url)}` and "
                "`localreg pull --blobs` bring what it has of them."
            )


@remote_command.command("check")
@ANY
@click.option("--full", is_flag=True, help="Download and hash all weights; else those of a few.")
@click.option("--repair", is_flag=True, help="Remove newest commits that cannot be read.")
@click.option(
    "--reset",
    is_flag=True,
    help="Forget how far the remote is known here, and take what is there now, after it was "
    "restored or replaced.",
)
@click.option("--dry-run", is_flag=True, help="With --reset: only show what would be different.")
@AS_JSON
@SILENT
@IN_REGISTRY
def check_command(
    remote: str | None,
    full: bool,
    repair: bool,
    reset: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> int:
    """Look if a remote is whole.

    All events are read, and each object of weights that they need is looked for. Nothing is
    changed without --repair or --reset. The exit code is 4 if something is damaged or missing;
    after --reset 5 if a change that was made here has lost.
    """
    if reset and (full or repair):
        raise click.UsageError("--reset changes this registry, and checks nothing: call it alone.")
    if dry_run and not reset:
        raise click.UsageError("--dry-run belongs to --reset.")
    with opened(directory) as chain:
        name = remote_name(chain, remote, "check")
        if reset:
            arrived = resetting.reset(chain, name, dry_run=dry_run)
            return print_arrival(arrived, as_json=as_json, quiet=quiet)
        with shown_progress("Checking") as progress:
            found = checking.check(chain, name, full=full, repair=repair, progress=progress)
    if as_json:
        print_json(record_json(found))
    else:
        print_lines(found.problems)
        for each in found.repaired:
            say(f"Repaired: {one_line(each)}")
        _remark_on(found)
    return CORRUPT if found.problems else 0


def _remark_on(found: Checked) -> None:
    name = one_line(found.remote)
    what = (
        f"{counted(found.events, 'event')}, {counted(found.blobs, 'blob')} "
        f"({size_text(found.size)}); {counted(found.hashed, 'object')} hashed"
    )
    if found.problems:
        remark(f"{name} has {counted(len(found.problems), 'problem')}; it has {what}.")
    else:
        remark(f"{name} is whole: {what}.")
    if found.missing:
        remark(f"`localreg push {name}` in a registry that has them sends the bytes again.")
    if found.unused:
        remark(
            f"Nothing needs {counted(found.unused, 'object')} there "
            f"({size_text(found.unused_size)}): see `localreg remote gc {name}`."
        )


@remote_command.command("compact")
@ANY
@AS_JSON
@SILENT
@IN_REGISTRY
def compact_command(remote: str | None, as_json: bool, quiet: bool, directory: str | None) -> None:
    """Join small files, and make a checkpoint for clones.

    A clone reads the checkpoint and the few events after it, instead of the whole history. Others
    may push and pull meanwhile. Files that were joined are deleted a week later, by the next call.
    """
    with opened(directory) as chain, shown_progress("Compacting") as progress:
        name = remote_name(chain, remote, "compact")
        done = compaction.compact(chain, name, progress=progress)
    if as_json:
        print_json(record_json(done))
        return
    for each in done.skipped:
        say(one_line(each))
    _remark_on_compaction(done)


def _remark_on_compaction(done: Compaction) -> None:
    if done.files:
        remark(f"Joined {counted(done.files, 'file')} of events into {done.into:,}.")
    if done.deleted:
        remark(f"Deleted {counted(done.deleted, 'old file')} ({size_text(done.freed)}).")
    if done.made:
        remark(
            f"Made a checkpoint of {counted(done.events, 'event')} ({size_text(done.size)}): "
            f"{done.checkpoint}."
        )
    if not (done.files or done.deleted or done.made):
        remark(f"Nothing changed: {one_line(done.remote)} is compact already.")


@remote_command.command("gc")
@ANY
@click.option(
    "--grace",
    default="7d",
    show_default=True,
    metavar="TIME",
    help="Spare what came or was needed more recently than this, such as 12h or 30d.",
)
@DELETE
@AS_JSON
@SILENT
@HEADER
@IN_REGISTRY
def gc_command(
    remote: str | None,
    grace: str,
    delete: bool,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> int:
    """Delete from a remote the bytes that nothing there needs.

    What is there is pulled first. A push that needs some of these bytes meanwhile waits, and sends
    them again. The exit code is 1 if something could not be deleted.
    """
    seconds = grace_seconds(grace)
    with opened(directory) as chain:
        name = remote_name(chain, remote, "gc")
        done = collecting.collect(chain, name, grace_seconds=seconds, dry_run=not delete)
    if as_json:
        print_json(record_json(done))
    else:
        print_garbage(done.garbage)
        say_deleted(len(done.garbage), done.freed, done.failed, dry_run=done.dry_run)
        say_waiting(done.waiting, done.next_due)
    return 1 if done.failed else 0
