"""Copy the whole registry while others write to it."""

from __future__ import annotations

import click

from localreg.cli.output import (
    AS_JSON,
    CORRUPT,
    IN_REGISTRY,
    SILENT,
    counted,
    opened,
    print_json,
    record_json,
    remark,
    say,
)
from localreg.cli.streams import already
from localreg.operations.carry import backup
from localreg.progress import shown_progress
from localreg.values.units import size_text


@click.command("backup")
@click.argument("target", metavar="DIR|FILE.tar")
@AS_JSON
@SILENT
@IN_REGISTRY
def backup_command(target: str, as_json: bool, quiet: bool, directory: str | None) -> int:
    """Copy the whole registry while others write to it.

    The copy is a directory, or one file if the name ends in .tar. An earlier backup in DIR is
    brought up to date: only new bytes are written. To restore it, copy it back with any tool. On
    the same disk its bytes are hard links, which cost no space and do not survive the disk. The
    exit code is 4 if weights are damaged or missing in the registry.
    """
    with opened(directory) as chain, shown_progress("Backing up") as progress:
        done = backup.back_up(chain, target, progress=progress)
    with already(f"{done.path} was written"):
        if as_json:
            print_json(record_json(done) | {"path": str(done.path)})
        else:
            click.echo(done.path)
    if not as_json:
        remark(
            f"It has {counted(done.blobs, 'blob')} ({size_text(done.size)}), {done.new:,} of them "
            f"new ({size_text(done.new_size)})."
        )
        if done.elsewhere:
            elsewhere = counted(done.elsewhere, "blob")
            remark(f"Not in it: {elsewhere} that only URLs, upstreams or remotes have.")
    if done.linked:
        remark(
            f"{counted(done.linked, 'blob')} share their bytes with the registry (hard links): "
            "copy the backup to another disk, to survive the loss of this one."
        )
    for each in done.failed:
        say(f"Not in it: {each}")
    return CORRUPT if done.failed else 0
