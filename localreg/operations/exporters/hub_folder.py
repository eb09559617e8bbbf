"""Models as folders that can be uploaded to the Hugging Face Hub: files, card, configuration.

A folder has the files of the model as they are. What it lacks is added, never replaced:

- README.md is the card of `localreg card`. A README.md of a package stays, and only its head gets
  the fields that it lacks; a card in the metadata counts before it.
- config.json is the configuration of the model, if that is a JSON object.

Which files are large is decided by the Hub at the upload, so there is no .gitattributes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.carry.export import ExportedModel, Missing
from localreg.operations.exporters.contents import Contents
from localreg.operations.exporters.file_names import FileNames
from localreg.operations.exporters.given_files import (
    GivenFile,
    GivenFiles,
    content,
    files_of_model,
    write_files,
)
from localreg.operations.exporters.written import SECRETS, Plan
from localreg.operations.finding.upstream import Found
from localreg.operations.models.written_card import CARD, LONGEST, README
from localreg.operations.reports.cards import card_text, completed_card
from localreg.values.records import ModelRecord
from localreg.values.secrets import HIDDEN, masked_config

CONFIG = "config.json"


def planned(contents: Contents) -> Plan:
    """Return what will be written; see `formats.Exporter`."""
    models: list[ExportedModel] = []
    weights: dict[str, GivenFiles] = {}
    missing: list[Missing] = []
    for found in contents.models:
        record = contents.record(found)
        given = files_of_model(contents.chain, found, record)
        weights[found.id] = given
        missing += given.missing
        models.append(ExportedModel(found.id, record.ref, given.size))
        contents.left["older weights of models"] += max(0, len(record.weights) - 1)
    return Plan(
        contents=contents,
        weights=weights,
        models=tuple(models),
        files=sum(len(each.files) for each in weights.values()),
        size=sum(each.size for each in weights.values()),
        missing=tuple(missing),
    )


def write(plan: Plan, folder: Path, place: Path, wrote: Callable[[int], None]) -> None:
    """Write the folders; see `formats.Exporter`."""
    for found, below in _places(plan.contents):
        _write_model(plan, found, folder.joinpath(*below), wrote)


def _places(contents: Contents) -> Iterator[tuple[Found, tuple[str, ...]]]:
    """Yield each model with its folder: the whole one for one model, else ``project/name``.

    Of several versions each has its number: ``project/name-2``.
    """
    if len(contents.models) == 1:
        yield contents.models[0], ()
        return
    records = [contents.record(each) for each in contents.models]
    versions = Counter(_line(each) for each in records)
    folders: dict[str | None, tuple[str, FileNames]] = {None: ("", FileNames())}
    for record in records:  # names of projects first: a model without one is beside them
        project = record.project.name if record.project else None
        if project not in folders:
            folders[project] = (folders[None][1].name(project or ""), FileNames())
    for found, record in zip(contents.models, records, strict=True):
        above, names = folders[record.project.name if record.project else None]
        several = versions[_line(record)] > 1
        name = names.name(record.name, f"-{record.version}" if several else "")
        yield found, (above, name) if above else (name,)


def _line(record: ModelRecord) -> tuple[str | None, str]:
    return record.project.name if record.project else None, record.name


def _write_model(plan: Plan, found: Found, folder: Path, wrote: Callable[[int], None]) -> None:
    contents, given = plan.contents, plan.weights[found.id]
    record = contents.record(found)
    paths = (each.name for each in given.files)
    names = {each.partition("/")[0].casefold() for each in (*given.folders, *paths)}
    own = next((each for each in given.files if each.name == README), None)
    card = _card(contents, found, record, own)
    replaced = README if own is not None and card is not None else None
    write_files(given, folder, wrote, without=replaced)
    if card is not None and (own is not None or README.casefold() not in names):
        _write_text(folder / README, card)
    config = _config(contents, record)
    if config is not None and CONFIG not in names:
        _write_text(folder / CONFIG, config)


def _card(
    contents: Contents, found: Found, record: ModelRecord, own: GivenFile | None
) -> str | None:
    """Return the text of README.md; None if the file of the package is given as it is."""
    entry = record.metadata.get(CARD)
    if own is None or (entry is not None and entry.value.strip()):
        return card_text(contents.chain, found)
    if own.size > LONGEST:
        return None
    try:
        text = content(own).decode()
    except UnicodeDecodeError:
        return None
    completed = completed_card(contents.chain, found, text)
    return None if completed == text else completed


def _config(contents: Contents, record: ModelRecord) -> str | None:
    """Return the configuration of a model if it is a JSON object, without secrets."""
    try:
        is_object = isinstance(json.loads(record.config), dict)
    except (ValueError, RecursionError):
        return None
    if not is_object:
        return None
    shown = masked_config(record.config)
    contents.changed[SECRETS] += HIDDEN in shown and HIDDEN not in record.config
    return shown if shown.endswith("\n") else f"{shown}\n"


def _write_text(path: Path, text: str) -> None:
    with disk_errors("writing files", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
