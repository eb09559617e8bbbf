"""Keep weights as the next version of a model."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from localreg.cli.output import (
    AS_JSON,
    IN_REGISTRY,
    QUIET,
    model_json,
    opened,
    print_json,
    say,
)
from localreg.cli.streams import already
from localreg.cli.typed_values import typed_pairs
from localreg.errors import InvalidValueError
from localreg.filesystem.plain_files import read_text
from localreg.operations.finding.upstream import Found
from localreg.operations.models import adding, recording
from localreg.operations.models.details import Details, model_details, shares_bytes
from localreg.operations.tasks import lifecycle, search
from localreg.operations.weights.files import package_files
from localreg.operations.weights.sources import Held
from localreg.progress import shown_progress
from localreg.registry import Chain
from localreg.values.exclusions import parse_exclusion
from localreg.values.paths import is_utf8, printable_path
from localreg.values.records import WeightsRecord
from localreg.values.units import amount_text, size_text
from localreg.values.urls import parse_weights_url

_NAMED = 4  # of what was left out
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("add")
@click.argument("files", nargs=-1, required=True, metavar="FILE_OR_URL...")
@click.option(
    "--copy",
    is_flag=True,
    help="Copy the bytes; download those of a URL now. This is the default.",
)
@click.option("--move", is_flag=True, help="Move FILE into the registry.")
@click.option(
    "--link",
    is_flag=True,
    help="Share the bytes with FILE, by a clone or a hard link. A hard link makes FILE read-only; "
    "a program that still writes to it damages the registry.",
)
@click.option(
    "--reference",
    is_flag=True,
    help="Only record where FILE is. It is not protected against change or loss. A URL is "
    "downloaded when its weights are first used.",
)
@click.option("--hash", "hashed", is_flag=True, help="With --reference, record the sha256, too.")
@click.option("--sha256", "expected", metavar="HEX", help="Fail if the bytes have another sha256.")
@click.option("--filename", help="The name of local copies, by default that of FILE.")
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Leave out the files and folders of this name, such as '*.log'; with a slash, of this "
    "path in the folder. May be repeated. See `localreg guide packages`.",
)
@click.option(
    "-n", "--name", metavar="[PROJECT/]NAME", help="The model's name; by default that of FILE."
)
@click.option("-p", "--project", metavar="NAME", help="The project; then NAME may hold slashes.")
@click.option(
    "-t", "--tag", "tags", multiple=True, metavar="TAG", help="Add this tag. May be repeated."
)
@click.option(
    "-m", "--meta", multiple=True, metavar="KEY=VALUE", help="Set this metadata. May be repeated."
)
@click.option("-c", "--comment", help="A comment on the model.")
@click.option("--alias", help="Point this alias at the new version.")
@click.option("--framework", help="The framework; by default guessed from FILE's ending.")
@click.option("--config", type=FILE, help="A file with the model's configuration.")
@click.option("--labels", type=FILE, help='A JSON file, {"label": number}.')
@click.option("--publish", is_flag=True, help="Publish the model.")
@click.option("--task", "task_id", metavar="ID", help="The task that made the model.")
@AS_JSON
@QUIET
@IN_REGISTRY
def add_command(
    files: tuple[str, ...],
    copy: bool,
    move: bool,
    link: bool,
    reference: bool,
    hashed: bool,
    expected: str | None,
    filename: str | None,
    exclude: tuple[str, ...],
    name: str | None,
    project: str | None,
    tags: tuple[str, ...],
    meta: tuple[str, ...],
    comment: str | None,
    alias: str | None,
    framework: str | None,
    config: Path | None,
    labels: Path | None,
    publish: bool,
    task_id: str | None,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> None:
    """Add files, a folder or a URL as a model's next version.

    A folder becomes a package of its files, and so do several files; for these give -n. "-" reads
    the standard input. A URL that is known already is not added again: its model is printed.
    """
    mode = _one_of(copy=copy, move=move, link=link, reference=reference)
    if name is not None:
        _check_name_of_a_model(name)
    if hashed and mode != "reference":
        raise click.UsageError("--hash needs --reference; bytes that are kept are always hashed")
    file = files[0]
    if len(files) > 1:
        _check_several(files, name, mode)
    if file == "-" and sys.stdin is None:
        raise InvalidValueError("stdin is closed: nothing can be read from it", argument="-")
    url = None if file == "-" else _checked_url(file, mode, hashed)
    _check_exclusions(exclude, folder=len(files) == 1 and not url and Path(file).is_dir())
    kept: list[Held] = []
    if name and project is None and "/" in name:
        project, _, name = name.rpartition("/")
    description = recording.describe(
        name=name,
        project=project,
        tags=list(tags),
        metadata=typed_pairs("--meta", meta),
        comment=comment,
        framework=framework,
        config_text=_read("--config", config) if config else None,
        label_enumeration=_read_labels(labels) if labels else None,
        create_as_published=publish,
    )
    with opened(directory, make=True) as chain:
        task = (
            lifecycle.task(chain.first, search.find_task(chain.first, task_id)) if task_id else None
        )
        what = url or (printable_path(file) if len(files) == 1 else f"{len(files)} files")
        with shown_progress(f"Keeping {what}") as progress:
            if url is None:
                known = False
                one = sys.stdin.buffer if file == "-" else file
                model_id = adding.add_model(
                    chain,
                    list(files) if len(files) > 1 else one,
                    description,
                    mode=mode,
                    filename=filename,
                    expected=expected,
                    hashed=hashed,
                    task=task,
                    alias=alias,
                    exclude=exclude,
                    progress=progress,
                    note=kept.append,
                )
                found = Found(chain.first, model_id)
            else:
                added = adding.add_url(
                    chain,
                    file,
                    description,
                    copy=mode == "copy",
                    filename=filename,
                    expected=expected,
                    task=task,
                    alias=alias,
                    progress=progress,
                )
                found, known = Found(added.registry, added.model), added.known
        if known:
            upstream = found.registry != chain.first
            where = f" in the upstream registry {found.registry.root}" if upstream else ""
            say(f"{url} is known already{where}: no version was added. Its model is:")
        details = model_details(chain, found)
        with already(f"{details.record.ref} was {'found' if known else 'added'}"):
            if as_json:
                print_json(model_json(details.record, found.registry))
            else:
                click.echo(found.id if quiet else f"{details.record.ref}  {found.id}")
        if not as_json and not quiet:
            local = () if url or file == "-" else tuple(map(Path, files))
            linked = mode == "link"
            for remark in () if known else _remarks(chain, details, local, kept, linked=linked):
                say(remark)


def _one_of(**given: bool) -> str:
    """Return which way of adding was chosen, "copy" by default."""
    chosen = [mode for mode, holds in given.items() if holds]
    if len(chosen) > 1:
        options = " and ".join(f"--{mode}" for mode in chosen)
        raise click.UsageError(f"{options} exclude each other; give one of them")
    return chosen[0] if chosen else "copy"


def _check_name_of_a_model(name: str) -> None:
    """Raise UsageError for a name that ends as a reference to a version or alias does."""
    match = re.fullmatch(r"(.+)(?::(?P<version>[0-9]+)|@(?P<alias>[^/:@\s]+))", name.strip())
    if match is None:
        return
    if match["version"]:
        what, remedy = "a version", f"the registry counts versions: give -n {match[1]}"
    else:
        what, remedy = "an alias", f"give -n {match[1]} --alias {match['alias']}"
    raise click.UsageError(f"--name {name!r} ends like {what}; {remedy}")


def _checked_url(file: str, mode: str, hashed: bool) -> str | None:
    """Return a URL without its secrets; None for a local path."""
    if not is_utf8(file):
        return None
    parsed = parse_weights_url(file)
    if parsed.path is not None:
        return None
    if mode in ("move", "link"):
        raise click.UsageError(f"--{mode} needs a file; for a URL use --copy or --reference")
    if hashed:
        raise click.UsageError(
            "--hash needs a file; for a URL give the sha256 that it must serve with --sha256"
        )
    return parsed.public


def _check_exclusions(patterns: tuple[str, ...], *, folder: bool) -> None:
    for each in patterns:
        parse_exclusion(each, "--exclude")
    if patterns and not folder:
        raise click.UsageError("--exclude needs a folder; from anything else nothing is left out")


def _check_several(files: tuple[str, ...], name: str | None, mode: str) -> None:
    """Raise UsageError for several arguments that are not files of one package."""
    for each in files:
        if each == "-":
            raise click.UsageError("- is the standard input; add it by itself")
        if _checked_url(each, mode, hashed=False) is not None:
            raise click.UsageError(
                f"{each} is a URL, and a package is made of local files; add it by itself"
            )
        if Path(each).is_dir():
            raise click.UsageError(
                f"{each} is a folder, and several files become one package without folders; add "
                "a folder that holds all of them, or each by itself"
            )
    if name is None:
        raise click.UsageError(
            f"{len(files)} files become one package, which needs a name: give -n NAME. If each is "
            f"a model of its own, add one at a time: localreg add {shlex.quote(files[0])}"
        )


def _remarks(
    chain: Chain, details: Details, files: tuple[Path, ...], kept: list[Held], *, linked: bool
) -> Iterator[str]:
    """Yield what to say about added weights: where they are, and what to be careful about."""
    weights, holder, registry = details.weights, details.holder, chain.first
    sha256 = f", sha256 {weights.digest}" if weights.digest else ""
    what = _amount(weights, kept[0] if kept else None)
    if not weights.kept:
        yield f"Recorded the location{sha256}; nothing was copied to {registry.root}"
    elif holder is not None and holder != registry:
        yield f"{what}{sha256}: kept in the upstream registry {holder.root}"
    else:
        yield f"Kept {what}{sha256}, in {registry.root}"
    if kept and kept[0].left_out:
        yield _left_out(kept[0].left_out)
    if weights.size == 0:
        yield "Warning: the weights are empty. Is the file complete?"
    facts = details.facts or {}
    if facts.get("pickle") == "flagged":
        flagged = ", ".join(map(str, facts.get("flagged", [])))
        yield f"Warning: {facts.get('scanner')} flags {flagged}. Loading the file may run it."
    if linked and _shares(chain, weights, files):
        which = files[0] if len(files) == 1 else "The files"
        yield f"{which} and the registry share their bytes, read-only now: do not change them."


def _shares(chain: Chain, weights: WeightsRecord, files: tuple[Path, ...]) -> bool:
    """Return True if one of the added files is a hard link to what the registry keeps."""
    if weights.digest is None or not files:
        return False
    if not weights.tree:
        return shares_bytes(chain.first, weights.digest, files[0])
    package = package_files(chain, weights.digest)
    folder = files[0] if len(files) == 1 else None
    places = {each.name: each for each in files}
    return package is not None and any(
        shares_bytes(chain.first, each.digest, folder / each.path if folder else places[each.path])
        for each in package.files
    )


def _amount(weights: WeightsRecord, kept: Held | None) -> str:
    """Return how much was kept, such as "7 files, 80.0 MB (3.0 MB new)"."""
    if kept is None:
        return size_text(weights.bytes)
    new = f" ({size_text(kept.new) if kept.new else 'nothing'} new)"
    new = "" if kept.new == weights.bytes else new
    return amount_text(weights.bytes, kept.files) + new


def _left_out(names: tuple[str, ...]) -> str:
    shown = ", ".join(map(printable_path, names[:_NAMED]))
    more = len(names) - _NAMED
    return f"Left out: {shown}" + (f" and {more:,} more" if more > 0 else "")


def _read(option: str, path: Path) -> str:
    try:
        return read_text(path, option)
    except InvalidValueError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.UsageError(f"{option}: cannot read {path}: {error.strerror}") from error


def _read_labels(path: Path) -> object:
    try:
        return json.loads(_read("--labels", path))
    except ValueError as error:
        raise click.UsageError(f"--labels: {path} is not JSON: {error}") from error
