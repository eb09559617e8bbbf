"""Facts about weights and packages as text, for a terminal and for pages."""

from __future__ import annotations

from collections.abc import Iterator

Facts = dict[str, object]

_LABELS = {  # of facts that are shown as they are
    "architecture": "architecture",
    "model_type": "model type",
    "quantization": "quantization",
    "context_length": "context length",
    "compression": "compression",
    "version": "version",
    "ir_version": "IR version",
    "opsets": "opsets",
    "producer": "producer",
    "tags": "tags",
    "signatures": "signatures",
    "variables": "variables",
    "inputs": "inputs",
    "outputs": "outputs",
    "splits": "parts",
}
_LISTS = {  # of names: what is said before them
    "external": "needs",
    "shards": "names",
    "missing": "missing",
    "problems": "damaged, or in another format",
}
MOST_SHOWN = 8  # names of a list


def lines(facts: Facts) -> list[str]:
    """Return facts about weights as lines for a terminal.

    >>> lines({"format": "safetensors", "tensors": 2, "parameters": 1200, "dtypes": {"F32": 1200}})
    ['safetensors: 1,200 parameters in 2 tensors, F32 1,200']
    >>> lines({"format": "pytorch", "pickles": 1, "pickle": "unscanned", "why": "it is too long"})
    ['pytorch', '1 pickle, unscanned (it is too long): loading may run code']
    """
    if not facts:
        return []
    shown = [f"{name}: {value}" if value else name for name, value in _formats(facts)]
    shown += [f"{name}: {value}" for name, value in _notes(facts)]
    if "pickle" in facts:
        shown.append(f"{_pickles(facts)}, {_verdict(facts)}")
    return shown + [f"{name} = {value}" for name, value in _metadata(facts)]


def rows(facts: Facts) -> list[tuple[str, str]]:
    """Return facts about weights as labels and values, for a page.

    >>> rows({"format": "pytorch", "pickles": 1, "pickle": "unscanned", "why": "it is too long"})
    [('format', 'pytorch'), ('pickles', '1, unscanned (it is too long): loading may run code')]
    """
    if not facts:
        return []
    shown = [(name, value) if value else ("format", name) for name, value in _formats(facts)]
    shown += _notes(facts)
    if "pickle" in facts:
        shown.append(("pickles", f"{facts.get('pickles', 1) or 'perhaps'}, {_verdict(facts)}"))
    return shown + _metadata(facts)


def _formats(facts: Facts) -> Iterator[tuple[str, str]]:
    yield str(facts["format"]), _counts(facts)
    formats = facts.get("formats")
    if isinstance(formats, dict) and formats.keys() != {"other"}:
        yield "formats", ", ".join(f"{name} {count:,}" for name, count in formats.items())


def _notes(facts: Facts) -> list[tuple[str, str]]:
    shown = [(label, _value(facts[name])) for name, label in _LABELS.items() if name in facts]
    shown += [
        (label, _names(facts[name], facts.get(f"more_{name}", 0)))
        for name, label in _LISTS.items()
        if name in facts
    ]
    if "problem" in facts:
        shown.append(("damaged, or in another format", str(facts["problem"])))
    if "unread" in facts:
        shown.append(("not read further", str(facts["unread"])))
    return shown


def _pickles(facts: Facts) -> str:
    count = facts.get("pickles", 1)
    return _count(count, "pickles") if count else "perhaps pickles"


def _verdict(facts: Facts) -> str:
    names = facts.get("flagged", [facts["why"]] if "why" in facts else [])
    found = f" ({', '.join(map(str, names))})" if isinstance(names, list) and names else ""
    return f"{facts['pickle']}{found}: loading may run code"


def _metadata(facts: Facts) -> list[tuple[str, str]]:
    metadata = facts.get("metadata")
    if not isinstance(metadata, dict):
        return []
    return [(str(key), str(value)) for key, value in metadata.items()]


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    if isinstance(value, dict) and "name" in value:  # an input or output
        shape = "" if "shape" not in value else f" [{', '.join(map(str, value['shape']))}]"
        return f"{value['name']} {value.get('dtype', '')}".rstrip() + shape
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return f"{value:,}" if type(value) is int else str(value)


def _names(value: object, more: object) -> str:
    names = [*value] if isinstance(value, list | dict) else [value]
    count = len(names) - MOST_SHOWN + (more if isinstance(more, int) else 0)
    shown = ", ".join(map(str, names[:MOST_SHOWN]))
    return f"{shown} and {count:,} more" if count > 0 else shown


def _count(number: object, things: str) -> str:
    return f"{number:,} {things.removesuffix('s') if number == 1 else things}"


def _counts(facts: Facts) -> str:
    counted = [
        _count(facts["parameters"], "parameters") if "parameters" in facts else "",
        *(f"in {_count(facts[name], name)}" for name in ("tensors", "arrays") if name in facts),
        f"of {facts['counted']}" if "counted" in facts else "",
        _count(facts["members"], "members") if "members" in facts else "",
    ]
    dtypes = facts.get("dtypes")
    kinds = (
        [f"{name} {count:,}" for name, count in dtypes.items()] if isinstance(dtypes, dict) else []
    )
    if "shape" in facts:
        kinds.append(f"{facts['dtype']} of shape {facts['shape']}")
    if "files" in facts:
        kinds = [_count(facts["files"], "files"), " ".join(filter(None, counted)), *kinds]
        counted = []
    return ", ".join(filter(None, [" ".join(filter(None, counted)), *kinds]))
