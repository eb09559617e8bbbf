"""Check the database and the weights."""

from __future__ import annotations

import click

from localreg.cli.output import (
    AS_JSON,
    CORRUPT,
    HEADER,
    IN_REGISTRY,
    SILENT,
    counted,
    opened,
    print_json,
    print_problems,
    record_json,
    remark,
    say,
)
from localreg.operations.finding.references import resolve_model
from localreg.operations.upkeep.verify import verify_chosen
from localreg.progress import shown_progress
from localreg.values.paths import printable_path
from localreg.values.units import size_text


@click.command("verify")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--full", is_flag=True, help="Hash every byte, also in the folders of packages.")
@AS_JSON
@SILENT
@HEADER
@IN_REGISTRY
def verify_command(
    models: tuple[str, ...], full: bool, as_json: bool, quiet: bool, directory: str | None
) -> int:
    """Check that the database and all weights are unchanged.

    Without --full, files that did not change since they were last hashed are not read again.
    Of packages the files, their list and the local folder are checked. The exit code is 4 if
    something is damaged; a package that was added without files that it needs is only named.
    """
    with opened(directory) as chain, shown_progress("Verifying") as progress:
        chosen = [resolve_model(chain, model) for model in models] if models else None
        found = verify_chosen(chain, chosen, full=full, progress=progress)
    if as_json:
        print_json(record_json(found) | {"ok": found.ok})
    else:
        print_problems(found.problems)
        remark(
            f"Checked {counted(found.checked, 'blob')} ({size_text(found.size)}), hashed "
            f"{found.hashed:,}: "
            + ("no problems." if found.ok else f"{counted(len(found.problems), 'problem')}.")
        )
        if found.elsewhere:
            elsewhere = counted(found.elsewhere, "blob")
            say(f"Not checked: {elsewhere} that only URLs or remotes have.")
        for each in found.incomplete:
            more = f" and {each.more:,} more" if each.more else ""
            lack = "lacks" if len(each.models) == 1 else "lack"
            say(
                f"Incomplete: {', '.join(each.models)} {lack} "
                f"{', '.join(map(printable_path, each.missing))}{more}. It was added like this."
            )
    return 0 if found.ok else CORRUPT
