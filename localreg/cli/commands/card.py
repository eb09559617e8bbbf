"""Print the card of a model, or set it."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import click

from localreg.cli.changes import change_json, say_change
from localreg.cli.output import AS_JSON, AS_OF, IN_REGISTRY, MODEL, opened, print_json, printable
from localreg.cli.streams import already, print_bytes
from localreg.errors import InvalidValueError
from localreg.filesystem.plain_files import read_text
from localreg.operations import reports
from localreg.operations.finding.references import resolve_model
from localreg.operations.finding.upstream import Found
from localreg.operations.models import edits
from localreg.operations.models.written_card import CARD, LONGEST, README
from localreg.registry import Chain


@click.command("card")
@MODEL
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="Write it to this file, such as README.md, or into a folder; - is stdout.",
)
@click.option("-f", "--force", is_flag=True, help="Replace a file that exists.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "ml-bom"]),
    default="markdown",
    show_default=True,
    help="ml-bom is a bill of materials for auditors: CycloneDX 1.6, as JSON.",
)
@click.option(
    "--set",
    "source",
    metavar="FILE",
    help="Set the card of the model to the Markdown in FILE; - is stdin.",
)
@click.option("--drop", is_flag=True, help="Remove the card that --set has set.")
@AS_JSON
@AS_OF
@IN_REGISTRY
def card_command(
    model: str,
    output: str | None,
    force: bool,
    form: str,
    source: str | None,
    drop: bool,
    as_json: bool,
    as_of: str | None,
    directory: str | None,
) -> None:
    """Print the card of a MODEL as README.md or as a bill of materials, or set it.

    It begins with the YAML head that Hugging Face reads: tags, library_name, base_model and others,
    and metadata with keys such as license. Then comes what --set has set, else the README.md of the
    package, else the comment; and metrics, parameters, files and lineage.
    """
    if source is not None and drop:
        raise click.UsageError("Give --set or --drop, not both.")
    if (source is not None or drop) and (output is not None or force):
        raise click.UsageError("--set and --drop write no file: leave -o and -f out.")
    if (source is not None or drop) and form != "markdown":
        raise click.UsageError("--set and --drop change the text of the card: leave --format out.")
    if (source is not None or drop) and as_of is not None:
        raise click.UsageError("--set and --drop change what is now: leave --as-of out.")
    if output == "-" and as_json:
        raise click.UsageError("With -o - the card goes to stdout, so --json cannot be used.")
    text = None if source is None else _read(source)
    with opened(directory, as_of=as_of) as chain:
        found = resolve_model(chain, model)
        if text is not None or drop:
            done = _change(found, text)
        elif output is None or output == "-":
            done = change_json(found, False, path=None, text=_text_of(chain, found, form))
        else:
            make = functools.partial(_text_of, chain, found, form)
            name = reports.ml_bom.NAME if form == "ml-bom" else README
            place = reports.cards.write_card(found, output, make, name, replace=force)
            done = change_json(found, False, path=str(place), text=None)
    if as_json:
        print_json(done)
    elif done["text"] is not None:
        _print(str(done["text"]))
    elif done["path"] is not None:
        with already(f"{done['path']} was written"):
            click.echo(done["path"])
    elif text is not None:
        say_change(
            bool(done["changed"]), f"Set the card of {done['ref']}", f"{done['ref']} has this card"
        )
    else:
        say_change(
            bool(done["changed"]),
            f"Removed the card of {done['ref']}",
            f"{done['ref']} has no card that was set",
        )


def _text_of(chain: Chain, found: Found, form: str) -> str:
    if form == "ml-bom":
        return reports.ml_bom.ml_bom_text(chain, found)
    return reports.cards.card_text(chain, found)


def _read(source: str) -> str:
    if source != "-":
        try:
            return read_text(Path(source), "--set", LONGEST)
        except OSError as error:
            raise click.UsageError(f"--set: cannot read {source}: {error.strerror}") from error
    if sys.stdin is None:
        raise InvalidValueError("stdin is closed: nothing can be read from it", argument="--set")
    data = sys.stdin.buffer.read(LONGEST + 1)
    if len(data) > LONGEST:
        raise InvalidValueError(f"a card has at most {LONGEST:,} bytes", argument="--set")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidValueError(
            f"--set: stdin is not text in UTF-8: {error}", argument="--set"
        ) from error


def _change(found: Found, text: str | None) -> dict[str, object]:
    if text is None:
        changed = edits.drop_metadata(found.registry, found.id, CARD)
    else:
        entry = {CARD: {"value": text, "type": "str"}}
        changed = bool(edits.set_all_metadata(found.registry, found.id, entry, replace=False))
    return change_json(found, changed, path=None, text=None)


def _print(text: str) -> None:
    """Write a card as it is; on a terminal without what would change what it does."""
    if sys.stdout.isatty():
        click.echo(printable(text), nl=False)
    else:
        print_bytes(text.encode())
