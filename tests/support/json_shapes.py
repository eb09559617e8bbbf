"""Compare what a command prints with its documented shape."""

from __future__ import annotations

from jsonschema import Draft202012Validator

from localreg.cli import schemas


def strict(schema):
    """Return a schema that also refuses what it does not name."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    whole = {key: strict(each) for key, each in schema.items()}
    if "properties" in schema and isinstance(schema.get("type"), str | list):
        whole.setdefault("additionalProperties", False)
    return whole


def faults(name: str, value: object) -> list[str]:
    """Return where a value differs from the schema of a command."""
    validator = Draft202012Validator(strict(schemas.schema(name)))
    return [f"{each.json_path}: {each.message[:300]}" for each in validator.iter_errors(value)]
