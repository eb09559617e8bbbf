"""Set, remove or show the metadata of a model."""

from __future__ import annotations

import click

from localreg.cli.changes import change_json, say_change
from localreg.cli.output import (
    AS_JSON,
    HEADER,
    IN_REGISTRY,
    MODEL,
    SILENT,
    Column,
    opened,
    pairs,
    print_json,
    print_table,
)
from localreg.cli.typed_values import typed_pairs
from localreg.operations.finding.references import resolve_model
from localreg.operations.models import edits, reading
from localreg.values.metadata import cast
from localreg.values.secrets import masked

TYPES = ("str", "int", "float", "bool", "list", "tuple", "dict", "NoneType")


@click.command("meta")
@MODEL
@click.argument("values", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--drop", multiple=True, metavar="KEY", help="Remove this entry. May be repeated.")
@click.option(
    "--type",
    "v_type",
    metavar="TYPE",
    help="The type of the values: str, int, float, bool, list, tuple, dict or NoneType; without it "
    "0.9 is a float, 1 an int, true a bool, and anything else a str, as is '\"1\"'.",
)
@HEADER
@AS_JSON
@SILENT
@IN_REGISTRY
def meta_command(
    model: str,
    values: tuple[str, ...],
    drop: tuple[str, ...],
    v_type: str | None,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> None:
    """Set metadata of a MODEL, or show it.

    Without KEY=VALUE and --drop all entries are shown.
    """
    given: dict[str, object] = typed_pairs("meta", values)
    if v_type is not None:
        texts = pairs("meta", values)
        _check_type(v_type, texts)
        given = {key: {"value": value, "type": v_type} for key, value in texts.items()}
    with opened(directory) as chain:
        found = resolve_model(chain, model)
        was = []
        if given:
            was = edits.set_all_metadata(found.registry, found.id, given, replace=False)
        gone = [key for key in drop if edits.drop_metadata(found.registry, found.id, key)]
        metadata = {
            key: {"value": masked(key, each.value), "type": each.type}
            for key, each in reading.metadata(found).items()
        }
        done = change_json(found, bool(was or gone), set=was, dropped=gone, metadata=metadata)
    if as_json:
        print_json(done)
        return
    if given:
        say_change(
            bool(was),
            f"Set metadata of {done['ref']}: {', '.join(was)}",
            f"{done['ref']} has {'this value' if len(given) == 1 else 'these values'} already",
        )
    for key in dict.fromkeys(drop):
        say_change(
            key in gone,
            f"Removed metadata of {done['ref']}: {key}",
            f"{done['ref']} has no metadata {key!r}",
        )
    if not given and not drop:
        rows = ((key, each["value"], each["type"]) for key, each in metadata.items())
        columns = (Column("KEY", "name"), Column("VALUE", "prose"), Column("TYPE", "id", 1))
        print_table(columns, rows)


def _check_type(v_type: str, given: dict[str, str]) -> None:
    """Raise UsageError if a type is unknown, or a value cannot be read by it."""
    name = v_type.partition("/")[0].lower()  # such as list/int
    if name not in map(str.lower, TYPES):
        raise click.UsageError(f"--type must be one of {', '.join(TYPES)}, not {v_type!r}")
    for key, value in given.items():
        if name != "str" and isinstance(cast(value, v_type), str):
            raise click.UsageError(
                f"--type {v_type} does not fit the value of {key!r}: {value[:60]!r}"
            )
