"""Show what differs between two models."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

import click

from localreg.cli.cells import short_ids
from localreg.cli.output import (
    AS_JSON,
    IN_REGISTRY,
    cell_width,
    counted,
    cut_end,
    cut_middle,
    filled,
    one_line,
    opened,
    print_json,
    say,
    steady,
    terminal_width,
)
from localreg.operations.finding.references import resolve_model
from localreg.operations.models.diff import PARTS, ComparedFile, ModelDiff, model_diff
from localreg.values.differences import FileChanges, TextChanges
from localreg.values.frozen import values
from localreg.values.manifest import PackageFile
from localreg.values.units import size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.headers.tensors import Shape, TensorChanges

_LONG = 500_000_000  # bytes that take longer than a moment to compare

# A line of a part: its sign (+, - or ~), a name, and what is said about it.
_Line = tuple[str, str, str]


@click.command("diff")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--files", "part", flag_value="files", help="Compare only the files.")
@click.option("--params", "part", flag_value="parameters", help="Compare only the parameters.")
@click.option("--tensors", "part", flag_value="tensors", help="Compare only the tensors.")
@AS_JSON
@IN_REGISTRY
def diff_command(
    first: str, second: str, part: str | None, as_json: bool, directory: str | None
) -> None:
    """Show what differs between two models, A and B.

    Their records (comment, framework, tags, metadata, configuration, labels), the parameters of the
    tasks that made them, their files, and the tensors in files that differ (safetensors, npz, npy).
    + is only in B, - only in A, ~ differs. `localreg compare` makes a page with their charts.
    """
    with opened(directory) as chain:
        found = model_diff(
            chain,
            resolve_model(chain, first),
            resolve_model(chain, second),
            (part,) if part else PARTS,
            None if as_json else _note,
        )
    if as_json:
        print_json(_json(found))
        return
    _print(found, part)


def _note(files: int, size: int) -> None:
    if size >= _LONG:
        say(f"Comparing the tensors of {counted(files, 'file')} ({size_text(size)}) …")


def _print(found: ModelDiff, part: str | None) -> None:
    refs = f"{one_line(found.first.ref)} and {one_line(found.second.ref)}"
    for ref in found.unknown:
        say(
            f"The files of {ref} are not known; `localreg path {ref}` fetches a download, and "
            "adding a folder without --reference keeps its files."
        )
    if found.parameters is None and part == "parameters":
        say("The parameters are not known: a task of this registry must have made both models.")
    elif found.same:
        what = {"files": "the same files", "parameters": "the same parameters"}.get(
            part or "", "the same tensors" if part else "the same"
        )
        click.echo(f"{refs} {'have' if part else 'are'} {what}.")
    if found.record:
        _print_part("record", list(_text_lines(found.record)))
    if found.parameters:
        _print_part("parameters", list(_text_lines(found.parameters)))
    if found.files:
        _print_part(f"files: {_counts(found.files)}", list(_file_lines(found.files)))
    for each in found.tensors or ():
        _print_tensors(each)


def _print_part(title: str, lines: list[_Line]) -> None:
    click.echo(click.style(one_line(title), bold=True))
    lines = [(sign, steady(one_line(name)), steady(one_line(text))) for sign, name, text in lines]
    width = max((cell_width(name) for _, name, _ in lines), default=0)
    room = terminal_width() - 4 if sys.stdout.isatty() else None
    if room is not None:
        # Names take what they need, but leave half of the room to the texts, if these need it.
        longest = max((cell_width(text) for *_, text in lines), default=0)
        width = min(width, max(room - 2 - longest, room // 2))
    for sign, name, text in lines:
        if room is not None:
            name, text = cut_middle(name, width), cut_end(short_ids(text), room - width - 2)
        click.echo(f"  {sign} {filled(name, width)}  {text}".rstrip())


def _print_tensors(file: ComparedFile) -> None:
    title = f"tensors of {file.path}"
    if file.changes is None:
        click.echo(click.style(one_line(f"{title}: not compared: {file.why}"), bold=True))
        return
    _print_part(f"{title}: {_tensor_counts(file.changes)}", list(_tensor_lines(file.changes)))


def _text_lines(changes: TextChanges) -> Iterator[_Line]:
    for name, (old, new) in changes.changed.items():
        yield "~", name, f"{old or 'empty'} → {new or 'empty'}"
    for name, text in changes.removed.items():
        yield "-", name, text
    for name, text in changes.added.items():
        yield "+", name, text


def _file_lines(changes: FileChanges) -> Iterator[_Line]:
    for old, new in changes.changed:
        name = new.path if old.path == new.path else f"{old.path} → {new.path}"
        yield "~", name, _file_change(old, new)
    for each in changes.removed:
        yield "-", each.path, size_text(each.size)
    for each in changes.added:
        yield "+", each.path, size_text(each.size)


def _file_change(old: PackageFile, new: PackageFile) -> str:
    parts = []
    if old.digest != new.digest:
        sizes = size_text(old.size), size_text(new.size)
        same = old.size == new.size
        parts.append(f"{sizes[0]}, other bytes" if same else f"{sizes[0]} → {sizes[1]}")
    if old.executable != new.executable:
        parts.append("executable now" if new.executable else "not executable any more")
    return ", ".join(parts)


def _counts(changes: FileChanges) -> str:
    counts = {
        "changed": len(changes.changed),
        "removed": len(changes.removed),
        "added": len(changes.added),
        "the same": changes.same,
    }
    return ", ".join(f"{number:,} {what}" for what, number in counts.items() if number)


def _tensor_lines(changes: TensorChanges) -> Iterator[_Line]:
    for name, (old, new) in changes.reshaped.items():
        yield "~", name, f"{_shape(old)} → {_shape(new)}"
    for name in changes.changed:
        yield "~", name, "other values"
    for name, kind in changes.removed.items():
        yield "-", name, _shape(kind)
    for name, kind in changes.added.items():
        yield "+", name, _shape(kind)


def _tensor_counts(changes: TensorChanges) -> str:
    counts = {
        "changed": len(changes.reshaped) + len(changes.changed),
        "removed": len(changes.removed),
        "added": len(changes.added),
        "the same": changes.same,
    }
    return ", ".join(f"{number:,} {what}" for what, number in counts.items() if number) or "none"


def _shape(kind: Shape) -> str:
    return f"{kind.dtype} {list(kind.shape)}"


def _json(found: ModelDiff) -> dict[str, object]:
    def texts(changes: TextChanges | None) -> object:
        if changes is None:
            return None
        return {
            "added": changes.added,
            "removed": changes.removed,
            "changed": {name: list(pair) for name, pair in changes.changed.items()},
        }

    def files(changes: FileChanges | None) -> object:
        if changes is None:
            return None
        return {
            "added": [values(each) for each in changes.added],
            "removed": [values(each) for each in changes.removed],
            "changed": [[values(each) for each in pair] for pair in changes.changed],
            "same": changes.same,
        }

    return {
        "first": found.first.ref,
        "second": found.second.ref,
        "same": found.same,
        "unknown": list(found.unknown),
        "record": texts(found.record),
        "parameters": texts(found.parameters),
        "files": files(found.files),
        "tensors": None
        if found.tensors is None
        else {each.path: _tensors_json(each) for each in found.tensors},
    }


def _tensors_json(file: ComparedFile) -> dict[str, object]:
    if file.changes is None:
        return {"not_compared": file.why}

    def kinds(some: Mapping[str, Shape]) -> object:
        return {name: [each.dtype, list(each.shape)] for name, each in some.items()}

    changes = file.changes
    return {
        "added": kinds(changes.added),
        "removed": kinds(changes.removed),
        "reshaped": {
            name: [[each.dtype, list(each.shape)] for each in pair]
            for name, pair in changes.reshaped.items()
        },
        "changed": list(changes.changed),
        "same": changes.same,
    }
