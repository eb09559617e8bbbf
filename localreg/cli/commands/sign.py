"""Sign a model, or keep a signature that was made elsewhere."""

from __future__ import annotations

import os
import sys

import click

from localreg.cli.changes import change_json, say_change
from localreg.cli.output import (
    AS_JSON,
    IN_REGISTRY,
    MODEL,
    SILENT,
    counted,
    opened,
    print_json,
    remark,
)
from localreg.operations.finding.references import resolve_model
from localreg.operations.trust import keys, signing
from localreg.values import settings


@click.command("sign")
@MODEL
@click.option("--key", metavar="FILE", help="The private key, PEM. Its password is asked for.")
@click.option("--certificate", metavar="FILE", help="The certificate of the key, PEM.")
@click.option(
    "--certificate-chain",
    "chain",
    multiple=True,
    metavar="FILE",
    help="Certificates of the authorities above it. May be repeated.",
)
@click.option("--signature", metavar="FILE", help="Keep this signature, which was made elsewhere.")
@click.option("-o", "--output", metavar="PATH", help="Also write the signature to this file.")
@click.option("-f", "--force", is_flag=True, help="With -o, replace a file that exists.")
@AS_JSON
@SILENT
@IN_REGISTRY
def sign_command(
    model: str,
    key: str | None,
    certificate: str | None,
    chain: tuple[str, ...],
    signature: str | None,
    output: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> None:
    """Sign the files of a MODEL, or keep a signature of them.

    Keys are ECDSA (P-256, P-384, P-521) or Ed25519. The password of a key is asked for, or taken
    from LOCALREG_KEY_PASSWORD. Signatures have the format of OpenSSF Model Signing: `model_signing
    verify` accepts those by ECDSA, and --signature takes those that `model_signing sign` makes.
    """
    if (key is None) == (signature is None):
        raise click.UsageError("Give --key to sign, or --signature to keep a signature.")
    if signature is not None and (certificate is not None or chain):
        raise click.UsageError("A signature has its certificates: leave --certificate out.")
    if chain and certificate is None:
        raise click.UsageError("--certificate-chain needs --certificate, the one of the key.")
    signs = None
    if key is not None:
        password = _password(key)
        signs = keys.signing_key(
            key, password=password, certificate=certificate, certificate_chain=chain
        )
    with opened(directory) as opened_chain:
        found = resolve_model(opened_chain, model)
        if output is not None:
            signing.place_of(output, replace=force)  # before anything is recorded
        if signs is not None:
            made = signing.sign(opened_chain, found, signs)
        else:
            made = signing.attach(opened_chain, found, signature)
        place = None
        if output is not None:
            place = signing.write_signature(found, output, made.data, replace=force)
        done = change_json(
            found,
            made.new,
            signature=made.digest,
            signer=made.signer,
            files=len(made.files),
            path=None if place is None else str(place),
        )
    if as_json:
        print_json(done)
        return
    signer = f"{made.signer[:12]}…" if made.signer else "a key that it does not name"
    say_change(
        made.new,
        f"{'Signed' if key else 'Kept a signature of'} {done['ref']}"
        f" ({counted(len(made.files), 'file')}), by {signer}",
        f"{done['ref']} has this signature, by {signer}",
    )
    if signs is not None and not signs.interoperable:
        remark("model_signing does not accept Ed25519 keys: only localreg checks this signature.")
    if place is not None:
        remark(f"Wrote {place}.")


def _password(key: str) -> str | None:
    """Return the password of a key that has one, as it is typed; None to take the variable's."""
    if os.environ.get(settings.KEY_PASSWORD) or not keys.has_password(key):
        return None
    if sys.stdin is None or not sys.stdin.isatty():
        return None
    typed: str = click.prompt("Password of the key", hide_input=True, err=True)
    return typed
