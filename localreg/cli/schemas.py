"""The shapes of what commands print with ``--json``: a JSON Schema for each command.

They are files in ``guide/schemas/``: ``ls.json`` for `localreg ls`, ``task-ls.json`` for `localreg
task ls`, and ``definitions.json`` for what several of them have. Two things are left out of the
files, to keep them short, and added here:

- All properties of an object are always there, with null for nothing, if the file does not say
  "required".
- Beside a reference to a definition there may be more properties.
"""

from __future__ import annotations

import json
from pathlib import Path

import localreg
from localreg.errors import NotFoundError
from localreg.values.records import Json

FOLDER = Path(localreg.__file__).parent / "guide" / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DEFINITIONS = "definitions"


def names() -> list[str]:
    """Return the names of all schemas, as `schema` takes them."""
    files = (each.stem for each in FOLDER.glob("*.json"))
    return sorted(each.replace("-", " ") for each in files if each != _DEFINITIONS)


def title(name: str) -> str:
    """Return what a schema is about, as a sentence."""
    return str(_read(name)["title"])


def schema(name: str) -> Json:
    """Return the JSON Schema of a command's output, whole: without references.

    Args:
        name: the words of the command, such as "task ls"; "version" for `localreg --version`, and
            "error" for errors.

    Raises:
        NotFoundError: there is none.
    """
    if name not in names():
        raise NotFoundError(
            f"there is no schema of {name!r:.80}; `localreg schema` lists them", reference=name
        )
    definitions: Json = _read(_DEFINITIONS)["$defs"]
    return {"$schema": DIALECT, **_whole(_read(name), definitions)}


def _read(name: str) -> Json:
    text = (FOLDER / f"{name.replace(' ', '-')}.json").read_text(encoding="utf-8")
    found: Json = json.loads(text)
    return found


def _whole(schema: Json, definitions: Json) -> Json:
    """Return a schema with its definitions in place, and with what is always there."""
    own = dict(schema)
    reference = own.pop("$ref", None)
    properties = {key: _whole(each, definitions) for key, each in own.get("properties", {}).items()}
    if reference is not None:
        base = _whole(definitions[reference.rpartition("/")[2]], definitions)
        required = [*base.get("required", ()), *own.get("required", properties)]
        properties = {**base.get("properties", {}), **properties}
        own = {**base, **own, "required": required}
    if properties:
        own = {**own, "properties": properties, "required": own.get("required", list(properties))}
    elif not own.get("required", True):
        del own["required"]
    for key in ("items", "additionalProperties"):
        if isinstance(own.get(key), dict):
            own[key] = _whole(own[key], definitions)
    if "anyOf" in own:
        own["anyOf"] = [_whole(each, definitions) for each in own["anyOf"]]
    return own
