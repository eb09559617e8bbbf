"""What the commands share: options, opening the registry, and printing."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import click

from localreg.api import ambient
from localreg.cli.cells import cell_width as cell_width
from localreg.cli.cells import cut_end as cut_end
from localreg.cli.cells import cut_middle as cut_middle
from localreg.cli.cells import filled as filled
from localreg.cli.cells import one_line as one_line
from localreg.cli.cells import printable as printable
from localreg.cli.cells import steady as steady
from localreg.cli.cells import terminal_width as terminal_width
from localreg.cli.cells import wrapped
from localreg.cli.nearby import nearby_text
from localreg.cli.streams import QUIETLY, already, print_bytes, stdout_is_utf8
from localreg.cli.streams import print_lines as print_lines
from localreg.cli.streams import remark as remark
from localreg.cli.streams import say as say
from localreg.cli.tables import HEADER as HEADER
from localreg.cli.tables import Column as Column
from localreg.cli.tables import print_table as print_table
from localreg.errors import NoRegistryError, StorageFullError
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.finding.values import shown_value
from localreg.registry import Chain, OpenRegistry, open_registry
from localreg.values.checks import shown
from localreg.values.frozen import Frozen, values
from localreg.values.paths import printable_path
from localreg.values.records import Json, ModelRecord
from localreg.values.secrets import masked_config, masked_text
from localreg.values.units import size_text
from localreg.values.urls import public_url

MODEL = click.argument("model")
MODELS = click.argument("models", nargs=-1, required=True, metavar="MODEL...")


def _noted(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
    """Return True if --json or -q is given, after the command or before it; `remark` asks too."""
    given = value or bool(context.find_root().params.get(str(parameter.name)))
    if given:
        context.meta[QUIETLY] = True
    return given


AS_JSON = click.option(
    "--json",
    "as_json",
    is_flag=True,
    callback=_noted,
    help="Print JSON: `localreg schema` has its shape.",
)
QUIET = click.option("-q", "--quiet", is_flag=True, callback=_noted, help="Print ids only.")
SILENT = click.option(
    "-q", "--quiet", is_flag=True, callback=_noted, help="Print nothing but problems."
)
IN_REGISTRY = click.option(
    "-R", "--registry", "directory", metavar="DIR", help="Use the registry in DIR."
)
PLAIN_HTTP = click.option(
    "--plain-http", is_flag=True, help="Speak http with the container registry, unencrypted."
)
AS_OF = click.option(
    "--as-of",
    metavar="TIME|EVENT",
    help="As the registry was then: 2026-11-03 (the end of that day), 2026-11-03T14:00 (local "
    "time, or with a zone), 7d before now, or an event's first digits.",
)
OPEN = click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
DELETE = click.option(
    "--delete/--dry-run",
    "delete",
    default=False,
    help="Delete. Without --delete, only list what would be deleted.",
)
LIMIT = click.option(
    "-l",
    "--limit",
    type=click.IntRange(0),
    default=50,
    show_default=True,
    metavar="N",
    help="Show at most N; 0 for all.",
)
CORRUPT = 4  # the exit code when something is damaged or lost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from localreg.operations.trust.shown import Shown
    from localreg.operations.upkeep.verify import Problem


@contextmanager
def opened(
    directory: str | None, *, make: bool = False, as_of: str | None = None
) -> Iterator[Chain]:
    """Yield the registry of ``-R``; without that option the default one, with its upstream ones.

    Args:
        directory: the option's value; it may be before or after the command.
        make: True for a command that makes the registry if there is none.
        as_of: yield it as it was at this time or event, to be read, without upstream ones.
    """
    try:
        chain = _open(directory or click.get_current_context().find_root().obj, make=make)
    except NoRegistryError as error:
        near = nearby_text()
        raise NoRegistryError(f"{error}{near and '. '}{near}", path=error.path) from error
    try:
        if as_of is None:
            yield chain
        else:
            from localreg.operations.carry.as_of import opened_past

            with opened_past(chain.first, as_of) as view:
                yield chain.alone(view)
    except StorageFullError as error:
        raise StorageFullError(f"{error}{_what_frees(chain, error)}", path=error.path) from error
    finally:
        chain.close()


def _open(chosen: str | None, *, make: bool) -> Chain:
    if not chosen:
        return ambient.open_located(make=make)
    durability = ambient.default_durability()
    return Chain(open_registry(chosen, durability=durability, make=make, why="named by -R"))


def _what_frees(chain: Chain, error: StorageFullError) -> str:
    """Return sentences about what would free how much of a full disk, or ""."""
    from pathlib import Path

    from localreg.operations.upkeep import cache, gc

    try:
        if Path(error.path).parent.stat().st_dev != chain.first.root.stat().st_dev:
            return ""
        sizes = {
            "gc --grace 0 --delete": sum(each.size for each in gc.all_garbage(chain)),
            "cache prune --max-size 0 --delete": sum(each.size for each in cache.cached(chain)),
        }
    except OSError:  # its own errors too: StorageError is one
        return ""
    return "".join(
        f". `localreg {command}` would free {size_text(size)}" for command, size in sizes.items()
    )


def print_json(value: object) -> None:
    """Print a value as JSON that every parser reads, whatever stdout can encode."""
    if isinstance(value, list):
        print_json_list(value)
        return
    click.echo(json_text(value, indent=2, ascii_only=not stdout_is_utf8()))


def print_json_list(entries: Iterable[object]) -> None:
    """Print a JSON list as its entries come, each in a line: there may be a million of them.

    An error at an entry ends the text, which no parser takes for a list then.
    """
    ascii_only = not stdout_is_utf8()
    write, before = sys.stdout.write, "[\n"
    for each in entries:
        write(before + json_text(each, ascii_only=ascii_only))
        before = ",\n"
    write("[]\n" if before == "[\n" else "\n]\n")


def json_text(value: object, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """Return a value as JSON; NaN and infinities become null.

    Args:
        value: of dicts, lists, tuples and plain values.
        indent: None for one line.
        ascii_only: escape all other characters. Surrogates, which are bytes of file names that are
            not UTF-8, are always escaped.
    """

    def text(value: object, *, ascii_only: bool) -> str:
        return json.dumps(value, indent=indent, ensure_ascii=ascii_only, allow_nan=False)

    try:
        written = text(value, ascii_only=ascii_only)
    except ValueError:
        value = _finite(value)
        written = text(value, ascii_only=ascii_only)
    try:
        written.encode()
    except UnicodeEncodeError:
        return text(value, ascii_only=True)
    return written


def _finite(value: object) -> object:
    """Return a value with None for the numbers that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return value


def print_csv(rows: Iterable[Sequence[object]]) -> None:
    """Print rows as lines of CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    lines = text.getvalue()
    # click.echo would drop control characters, which a value may have; a terminal obeys them.
    sys.stdout.write(printable(lines) if sys.stdout.isatty() else lines)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and values in two columns, without empty values."""
    shown = [(name, value) for name, value in facts if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        lines = printable(value).split("\n")
        first, *rest = [part for line in lines for part in _wrapped(line, width + 2)]
        click.echo(f"{click.style(name.ljust(width), dim=True)}  {first}")
        for line in rest:
            click.echo(f"{' ' * width}  {line}")


def _wrapped(line: str, indent: int) -> list[str]:
    """Return a line in parts that fit a terminal with an indent; a digest stays whole."""
    if not sys.stdout.isatty():
        return [line]
    return wrapped(steady(line), terminal_width() - indent, whole=True)


def model_json(record: ModelRecord, registry: OpenRegistry) -> Json:
    """Return a model of a registry as JSON values; URLs without their secrets."""
    weights = record.current_weights
    return {
        "id": record.id,
        "ref": record.ref,
        "name": record.name,
        "project": record.project.name if record.project else None,
        "version": record.version,
        "aliases": list(record.aliases),
        "held": list(record.held),
        "tags": list(record.tags),
        "system_tags": list(record.system_tags),
        "published": record.published,
        "archived": record.archived,
        "package": record.package,
        "framework": record.framework,
        "comment": record.comment and masked_text(record.comment),
        "metadata": {
            key: {"value": shown_value(key, each.value), "type": each.type}
            for key, each in record.metadata.items()
        },
        "labels": dict(record.labels),
        "config": masked_config(record.config),
        "task": record.task,
        "parent": record.parent,
        "url": public_url(weights.url) if weights.url else None,
        "filename": weights.filename,
        "digest": weights.digest,
        "size": weights.bytes,
        "pinned": weights.pinned,
        "kept": weights.kept,
        "created": iso(record.created),
        "updated": iso(record.updated),
        "registry": str(registry.root),
    }


def model_state(record: ModelRecord) -> str:
    """Return the states of a model: published, contested, archived, or "" for a draft."""
    states = (
        ("published", record.published),
        ("contested", record.contested),
        ("archived", record.archived),
    )
    return " ".join(name for name, holds in states if holds)


def signatures_json(found: Shown) -> list[Json]:
    """Return the signatures of a model as JSON values."""
    return [record_json(each) | {"at": iso(each.at)} for each in found.signatures]


def record_json(record: Frozen) -> dict[str, object]:
    """Return the fields of a record as JSON values, those of records in it too."""

    def plain(value: object) -> object:
        if isinstance(value, Frozen):
            return record_json(value)
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, tuple):
            return [plain(each) for each in value]
        return value

    return {name: plain(value) for name, value in values(record).items()}


def iso(microseconds: int) -> str:
    """Return a time in ISO 8601, UTC."""
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC).isoformat()


def pairs(argument: str, given: Iterable[str]) -> dict[str, str]:
    """Return ``KEY=VALUE`` arguments as a dict."""
    found: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{argument} needs KEY=VALUE, not {shown(text)}.")
        found[key] = value
    return found


def counted(number: int, thing: str) -> str:
    """Return a number with the thing that it counts.

    >>> counted(1, "blob"), counted(1200, "blob")
    ('1 blob', '1,200 blobs')
    """
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def print_problems(problems: Iterable[Problem]) -> None:
    """Print what a verification found."""
    print_table(
        (
            Column("DAMAGED", "path"),
            Column("MODELS", "words", 1),
            Column("FILE", "path", 2),
            Column("PROBLEM", "prose"),
        ),
        (
            (problem_place(each), each.models, printable_path(each.file or ""), each.text)
            for each in problems
        ),
    )


def problem_place(problem: Problem) -> str:
    """Return what is damaged: the first digits of a blob, else the path of a local copy."""
    copies = ("file", "tree")
    return problem.digest[:12] if problem.digest and problem.kind not in copies else problem.path


def say_deleted(count: int, size: int, failed: Sequence[str], *, dry_run: bool) -> None:
    """Say what was deleted, or would be, and what could not be."""
    for each in failed:
        say(f"Not deleted: {each}")
    if not count and failed:
        return
    if not count:
        remark("Nothing to delete.")
    elif dry_run:
        remark(f"--delete would free {size_text(size)} ({counted(count, 'item')}).")
    else:
        remark(f"Freed {size_text(size)} ({counted(count, 'item')}).")


def print_file(path: Path) -> None:
    """Write the bytes of a file to stdout."""
    import shutil

    sys.stdout.flush()
    with disk_errors("reading it", path), path.open("rb") as file:
        if hasattr(sys.stdout, "buffer"):
            shutil.copyfileobj(file, sys.stdout.buffer)
        else:
            print_bytes(file.read())


def print_new_page(write: Callable[[Path], Path]) -> None:
    """Write a page to stdout.

    Args:
        write: writes it to a path.
    """
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="localreg-") as folder:
        print_file(write(Path(folder) / "page.html"))


def print_page(page: Path, *, show: bool, about: Json | None = None) -> None:
    """Print where a page is, and open it in the browser if asked to.

    Args:
        page: its path.
        show: open it.
        about: what it is about, to print it as JSON; None for the path.
    """
    with already(f"{page} was written"):
        if about is None:
            click.echo(page)
        else:
            print_json({**about, "path": str(page)})
    if not show:
        return
    import webbrowser

    if not webbrowser.open(page.as_uri()):
        say("No browser could be started. Open the file above in one.")
