"""The recorded offline sessions of ClearML in stores/, copied or packed for a test."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

STORES = Path(__file__).parent / "stores"
CLOSED, CRASHED = "closed-2.1.12", "crashed-2.1.12"
OLDER, SMALL = "closed-1.14.4", "small-1.16.5"


def session_id(name):
    """Return the id that a session has here."""
    return task_json(STORES / name)["id"].removeprefix("offline-")


def task_json(folder):
    """Return what task.json says."""
    return json.loads((folder / "task.json").read_text(encoding="utf-8"))


def folder_of(name, into):
    """Return a copy of a session as a folder, named as the SDK names it."""
    target = into / task_json(STORES / name)["id"]
    shutil.copytree(STORES / name, target)
    return target


def zip_of(folder):
    """Pack a folder as the SDK does, and return the zip beside it."""
    packed = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted(folder.rglob("*")):
            if each.is_file():
                archive.write(each, each.relative_to(folder).as_posix())
    return packed


def changed(folder, change):
    """Change the JSON of task.json."""
    found = task_json(folder)
    change(found)
    (folder / "task.json").write_text(json.dumps(found), encoding="utf-8")


def lines_of(folder, name):
    """Return the lines of metrics.jsonl or log.jsonl, as JSON."""
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def write_lines(folder, name, lines):
    """Write metrics.jsonl or log.jsonl; a line that is text is written as it is."""
    texts = [each if isinstance(each, str) else json.dumps(each) for each in lines]
    (folder / name).write_text("".join(f"{each}\n" for each in texts), encoding="utf-8")
