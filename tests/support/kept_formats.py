"""Files of older formats, what commands said of them, and what may differ in what they say now."""

from __future__ import annotations

import json
import lzma
import tarfile
from pathlib import Path

from support.command_line import run_cli

from localreg.cli import schemas

KEPT = Path(__file__).parent / "kept"
WHOLE = (
    "ls -a -l 0", "ls --removed", "history -l 0", "history --conflicts", "history --alias prod",
    "task ls -l 0", "dataset ls", "dataset show vision/pets:1.0.0", "search net",
    "protect vision/net@next", "key ls", "verify --full",
)  # fmt: skip
VIEWS = {
    "models": "1", "tasks": "1", "metrics": "1,2", "parameters": "1,2", "metadata": "1,2",
    "configurations": "1,2", "tags": "1,2", "aliases": "1,2,3,4", "gates": "1,2,3",
    "signatures": "1,2,3", "inputs": "1,2", "changes": "1",
}  # fmt: skip
OF_MODELS = ("show", "files", "meta", "alias", "lineage", "scalars", "card")
OF_TASKS = ("task show", "scalars")
# What a registry knows of itself and its machine, and no bundle or remote carries.
OWN_LINES = ("key ls", "verify --full", "history --conflicts", "card")
OWN_KEYS = frozenset({"arrived", "seq", "url", "folder", "script"})
WORDING = frozenset({"title", "description", "examples"})  # of a JSON Schema: for people
GROWING = frozenset({"required", "enum"})


def unpacked(name, into):
    """Unpack NAME.tar.xz of what is kept into a folder; return what was in it."""
    with tarfile.open(KEPT / f"{name}.tar.xz") as archive:
        archive.extractall(into, filter="tar")  # keeps what is read-only so
        return into / archive.getnames()[0]


def kept_json(name):
    """Return the JSON of NAME.json.xz of what is kept."""
    return json.loads(lzma.decompress((KEPT / f"{name}.json.xz").read_bytes()))


def calls(root):
    """Return the command lines that say what is in a registry."""
    models = answers(root, ["ls -a -l 0"])["ls -a -l 0"]
    tasks = answers(root, ["task ls -l 0"])["task ls -l 0"]
    return [
        *WHOLE,
        *(f"sql select/**/*from/**/{view}/**/order/**/by/**/{by}" for view, by in VIEWS.items()),
        *(f"{call} {model['id']}" for model in models for call in OF_MODELS),
        *(f"{call} {task['id']}" for task in tasks for call in OF_TASKS),
    ]


def answers(root, lines):
    """Return what each command line prints, as JSON; where the registry is is called ROOT."""
    said = {}
    for line in lines:
        _, out, _ = run_cli("-R", root, *line.split(), "--json")
        said[line] = json.loads(out.replace(str(root), "ROOT") or "null")
    return said


def schemas_of_now():
    """Return the JSON Schema of each command."""
    return {name: schemas.schema(name) for name in schemas.names()}


def lost(kept, now, *, but=frozenset(), path=""):
    """Yield what a value had that it has no longer; new keys of objects are no loss.

    Args:
        kept: JSON of before.
        now: JSON of today.
        but: keys that are not compared.
        path: where this is, for the text.
    """
    if isinstance(kept, dict) and isinstance(now, dict):
        for key in kept.keys() - but:
            if key in now:
                yield from lost(kept[key], now[key], but=but, path=f"{path}.{key}")
            else:
                yield f"{path}.{key} is gone"
    elif isinstance(kept, list) and isinstance(now, list) and len(kept) == len(now):
        for index, (one, other) in enumerate(zip(kept, now, strict=True)):
            yield from lost(one, other, but=but, path=f"{path}[{index}]")
    elif kept != now:
        yield f"{path} was {kept!r}, and is {now!r}"


def taken_away(kept, now, path=""):
    """Yield what a JSON Schema promised, and the one of today does not.

    Keys may be added, and no key may go or become optional. What a value may be is compared whole:
    one that may be more than before is a surprise for programs, apart from a new word in a list of
    words.
    """
    if isinstance(kept, dict) and isinstance(now, dict):
        for key in kept.keys() - WORDING:
            if key not in now:
                yield f"{path}.{key} is gone"
            elif key in GROWING:
                gone = [each for each in kept[key] if each not in now[key]]
                yield from (f"{path}.{key} lacks {each!r}" for each in gone)
            else:
                yield from taken_away(kept[key], now[key], f"{path}.{key}")
    elif isinstance(kept, list) and isinstance(now, list) and len(kept) == len(now):
        for index, (one, other) in enumerate(zip(kept, now, strict=True)):
            yield from taken_away(one, other, f"{path}[{index}]")
    elif kept != now:
        yield f"{path} was {kept!r}, and is {now!r}"
