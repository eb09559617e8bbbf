"""Check the database and the weights."""

from __future__ import annotations

from collections.abc import Sequence

import click

from localreg.cli.output import (
    AS_JSON,
    CORRUPT,
    HEADER,
    IN_REGISTRY,
    SILENT,
    counted,
    iso,
    one_line,
    opened,
    print_json,
    print_problems,
    record_json,
    remark,
    say,
)
from localreg.operations.finding.references import resolve_model
from localreg.operations.finding.upstream import Found
from localreg.operations.models import reading
from localreg.operations.upkeep.verify import verify_chosen
from localreg.progress import shown_progress
from localreg.registry import Chain
from localreg.values.paths import printable_path
from localreg.values.records import Json
from localreg.values.units import size_text


@click.command("verify")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--full", is_flag=True, help="Hash every byte, also in the folders of packages.")
@click.option("--key", metavar="FILE", help="Check that MODEL is signed by this public key, too.")
@click.option(
    "--certificate-chain",
    "chain",
    multiple=True,
    metavar="FILE",
    help="Or by a certificate of these authorities. May be repeated.",
)
@click.option("--signed", is_flag=True, help="Or by a key that the registry trusts.")
@AS_JSON
@SILENT
@HEADER
@IN_REGISTRY
def verify_command(
    models: tuple[str, ...],
    full: bool,
    key: str | None,
    chain: tuple[str, ...],
    signed: bool,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> int:
    """Check that the database and all weights are unchanged.

    Without --full, files that did not change since they were last hashed are not read again.
    Of packages the files, their list and the local folder are checked. The exit code is 4 if
    something is damaged, or a signature is missing or does not count; a package that was added
    without files that it needs is only named.
    """
    asked = bool(key or chain or signed)
    if asked and not models:
        raise click.UsageError("Name the models whose signatures are checked.")
    with opened(directory) as opened_chain, shown_progress("Verifying") as progress:
        chosen = [resolve_model(opened_chain, model) for model in models] if models else None
        signatures = _signatures(opened_chain, chosen or [], key, chain, signed) if asked else None
        found = verify_chosen(opened_chain, chosen, full=full, progress=progress)
    if as_json:
        print_json(record_json(found) | {"ok": found.ok, "signatures": signatures})
    else:
        for by in signatures or ():
            if by["valid"]:
                remark(one_line(f"{by['ref']} is signed by {by['signer']}."))
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


def _signatures(
    chain: Chain, models: Sequence[Found], key: str | None, authorities: Sequence[str], signed: bool
) -> list[Json]:
    """Return the signatures of models, of each at least one that counts.

    Raises:
        SignatureError: a model has none.
    """
    from localreg.operations.trust import keys, signing

    trusted = [*keys.trusted_keys_of(chain)] if signed else []
    trusted += [] if key is None else keys.trusted_file("--key", key)
    for path in authorities:
        trusted += keys.trusted_file("--certificate-chain", path)
    return [
        {"ref": reading.row(found).ref, **record_json(each), "at": iso(each.at)}
        for found in models
        for each in signing.verify(chain, found, trusted)
    ]
