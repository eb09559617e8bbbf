"""A task as ClearML's export writes it: nested dicts, read into one checked value and written back.

`Task.export_task` of the ClearML SDK returns such a dict, and a session that ran offline has one in
its task.json. What a reader does not know is passed over; what it knows and finds broken is an
error that names the part, such as ``hyperparams.Args.lr``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from localreg.errors import InvalidValueError
from localreg.values.checks import NAME_LIMIT, TEXT_LIMIT, check_text, kept_name, shown
from localreg.values.frozen import Frozen
from localreg.values.ids import ID_LENGTH, is_id
from localreg.values.records import TASK_TYPES, MetadataValue
from localreg.values.urls import without_secrets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.values.records import Json

OFFLINE = "offline-"  # what ids of offline sessions begin with
_MOST = 10_000  # parameters, configurations, artifacts and models
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PYTHON = re.compile(r"#\s*Python\s+(\d+(?:\.\d+)*)")


class ExportedTask(Frozen, kw_only=True):
    """A task that ClearML exported.

    Attributes:
        id: 32 hex digits, if it has such an id; that of an offline session without its prefix.
        given_id: the id as it was written.
        name, type, status, reason, comment, parent, project: as in `TaskRecord`; None for what the
            dict does not have.
        facts: how it ran, as in the `run` of a task: script, repository, branch, commit, python.
        requirements: its packages, line by line; None if it does not say.
        diff: uncommitted changes; the whole script, if there was no repository.
        parameters: by section and name; None if it has none.
        configurations: texts by name; None if it has none.
        config, labels: of its models; None if it has none.
        inputs, outputs: ids of models by the names that they have on the task.
        artifacts: as ClearML describes them.
        created, started, ended: in microseconds, or None.
    """

    id: str | None
    given_id: str | None
    name: str | None
    type: str | None
    status: str | None
    reason: str | None
    comment: str | None
    parent: str | None
    project: str | None
    tags: tuple[str, ...] | None
    facts: Mapping[str, str]
    requirements: tuple[str, ...] | None
    diff: str | None
    parameters: Mapping[tuple[str, str], MetadataValue] | None
    configurations: Mapping[str, str] | None
    config: str | None
    labels: Mapping[str, int] | None
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    artifacts: tuple[ExportedArtifact, ...]
    created: int | None
    started: int | None
    ended: int | None


class ExportedArtifact(Frozen):
    """An artifact as ClearML describes it.

    Attributes:
        type: ClearML's word for what it is, such as "pandas".
        uri: where its bytes are.
        digest, size: of its bytes; None if they are not given.
        at: when it was made, in microseconds; 0 if that is not given.
    """

    name: str
    type: str
    uri: str
    digest: str | None
    size: int | None
    preview: str | None
    metadata: Mapping[str, str]
    at: int


def plain_id(given: str) -> str | None:
    """Return the 32 hex digits of a ClearML id, or None if it has another form.

    >>> plain_id("offline-0123456789abcdef0123456789abcdef"), plain_id("train")
    ('0123456789abcdef0123456789abcdef', None)
    """
    digits = given.removeprefix(OFFLINE).replace("-", "").lower()
    return digits if is_id(digits) else None


def read_task(data: object, where: str) -> ExportedTask:
    """Return a task that ClearML exported.

    Args:
        data: the dict.
        where: what it is called in errors, such as ``task_data``.

    Raises:
        InvalidValueError: a part of it is not what ClearML writes.
    """
    whole = _Part(data, where)
    script, execution = whole.part("script"), whole.part("execution")
    given_id = whole.text("id", NAME_LIMIT)
    kind = whole.text("type", NAME_LIMIT)
    parent = whole.text("parent", NAME_LIMIT)
    design = execution.part("model_desc")
    models = whole.part("models")
    lines = _requirements(script)
    return ExportedTask(
        id=None if given_id is None else plain_id(given_id),
        given_id=given_id,
        name=whole.name("name"),
        type=kind if kind is None or kind in TASK_TYPES else "custom",
        status=whole.text("status", NAME_LIMIT),
        reason=whole.text("status_message") or whole.text("status_reason"),
        comment=whole.text("comment") if whole.has("comment") else None,
        parent=None if parent is None else plain_id(parent),
        project=whole.name("project_name"),
        tags=tuple(_tags(whole)) if whole.has("tags") else None,
        facts=_facts(script, lines),
        requirements=lines,
        diff=script.text("diff"),
        parameters=_parameters(whole, execution),
        configurations=dict(_configurations(whole)) if whole.has("configuration") else None,
        config=design.text("design") or design.text("prototxt") if design.has_any() else None,
        labels=_labels(execution) if execution.has("model_labels") else None,
        inputs=dict(_models(models, "input")),
        outputs=dict(_models(models, "output")),
        artifacts=tuple(_artifacts(execution)),
        created=whole.time("created"),
        started=whole.time("started"),
        ended=whole.time("completed"),
    )


class _Part:
    """One dict of the export, which knows its place for errors."""

    def __init__(self, found: object, where: str) -> None:
        if found is not None and not isinstance(found, Mapping):
            raise _wrong(where, "an object", found)
        self._found: Mapping[object, object] = found or {}
        self.where = where

    def has(self, name: str) -> bool:
        """Return True if it has a member that is not null."""
        return self._found.get(name) is not None

    def has_any(self) -> bool:
        """Return True if it is not empty."""
        return bool(self._found)

    def part(self, name: str) -> _Part:
        """Return a member that is an object; an empty one if it is missing."""
        return _Part(self._found.get(name), f"{self.where}.{name}")

    def parts(self) -> Iterator[tuple[str, _Part]]:
        """Yield the names and values of an object of objects."""
        if len(self._found) > _MOST:
            raise InvalidValueError(
                f"{self.where} has {len(self._found):,} entries; at most {_MOST:,} can be stored",
                argument=self.where,
            )
        for name, value in self._found.items():
            key = check_text(self.where, name, limit=NAME_LIMIT, nul=False, empty=False)
            yield key, _Part(value, f"{self.where}.{shown(key)[1:-1]}")

    def members(self) -> Iterator[tuple[str, object]]:
        """Yield the names and values of an object."""
        for name, value in self._found.items():
            yield check_text(self.where, name, limit=NAME_LIMIT, nul=False), value

    def list_of(self, name: str) -> list[object]:
        """Return a member that is a list; an empty one if it is missing."""
        found = self._found.get(name)
        if found is None:
            return []
        if not isinstance(found, (list, tuple)):
            raise _wrong(f"{self.where}.{name}", "a list", found)
        if len(found) > _MOST:
            raise InvalidValueError(
                f"{self.where}.{name} has {len(found):,} entries; at most {_MOST:,} can be stored",
                argument=name,
            )
        return list(found)

    def text(self, name: str, limit: int | None = None) -> str | None:
        """Return a member that is text; None if it is missing or empty."""
        found = self._found.get(name)
        if found is None:
            return None
        where = f"{self.where}.{name}"
        if not isinstance(found, str):
            raise _wrong(where, "text", found)
        return check_text(where, found, limit=TEXT_LIMIT if limit is None else limit) or None

    def name(self, name: str) -> str | None:
        """Return a member that is the name of something; None if it is missing or blank."""
        found = self.text(name, NAME_LIMIT)
        if found is None:
            return None
        return kept_name(check_text(f"{self.where}.{name}", found, nul=False)) or None

    def value(self, name: str) -> str | None:
        """Return a member that is text, a number or a truth value, as text."""
        found = self._found.get(name)
        if found is None or isinstance(found, str):
            return None if found is None else check_text(f"{self.where}.{name}", found)
        if not isinstance(found, (bool, int, float)):
            raise _wrong(f"{self.where}.{name}", "text or a number", found)
        return str(found)

    def number(self, name: str) -> int | None:
        """Return a member that is a whole number of at least 0, or None."""
        found = self._found.get(name)
        if found is None:
            return None
        if isinstance(found, float) and found.is_integer():
            found = int(found)
        if type(found) is not int or not 0 <= found < 2**60:
            raise _wrong(f"{self.where}.{name}", "a whole number", found)
        return found

    def time(self, name: str) -> int | None:
        """Return a time in microseconds since 1970, or None."""
        found = self._found.get(name)
        if found is None or found == "":
            return None
        where = f"{self.where}.{name}"
        if isinstance(found, str):
            try:
                found = datetime.fromisoformat(found)
            except ValueError:
                raise _wrong(where, "a time such as 2024-05-01T12:30:00Z", found) from None
        if not isinstance(found, datetime):
            raise _wrong(where, "a time such as 2024-05-01T12:30:00Z", found)
        aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        micros = (aware - _EPOCH) // timedelta(microseconds=1)
        if micros < 0:
            raise _wrong(where, "a time after 1970", found)
        return micros


def _wrong(where: str, wanted: str, found: object) -> InvalidValueError:
    return InvalidValueError(f"{where} must be {wanted}, not {shown(found)}", argument=where)


def _tags(whole: _Part) -> Iterator[str]:
    seen = set()
    for each in whole.list_of("tags"):
        where = f"{whole.where}.tags"
        tag = kept_name(check_text(where, each, limit=NAME_LIMIT, nul=False))
        if tag and tag not in seen:
            seen.add(tag)
            yield tag


def _requirements(script: _Part) -> tuple[str, ...] | None:
    """Return the lines of the requirements, which ClearML writes as text, list or both by tool."""
    if not script.has("requirements"):
        return None
    given = script.part("requirements").members()
    lines: list[str] = []
    for tool, found in given:
        if tool not in ("pip", "conda") or found is None:
            continue
        texts = found if isinstance(found, (list, tuple)) else [found]
        for text in texts:
            lines += check_text(f"{script.where}.requirements.{tool}", text).splitlines()
    return tuple(lines)


def _facts(script: _Part, lines: tuple[str, ...] | None) -> dict[str, str]:
    names = {"entry_point": "script", "repository": "repository", "branch": "branch",
             "version_num": "commit"}  # fmt: skip
    found = {}
    for given, name in names.items():
        text = script.text(given)
        if text is not None:
            found[name] = without_secrets(text)
    for line in lines or ():
        python = _PYTHON.match(line)
        if python is not None:
            found["python"] = python[1]
    return found


def _parameters(whole: _Part, execution: _Part) -> dict[tuple[str, str], MetadataValue] | None:
    if not whole.has("hyperparams"):
        older = execution.part("parameters")
        return dict(_older_parameters(older)) or None
    found = {}
    for section, entries in whole.part("hyperparams").parts():
        for name, each in entries.parts():
            value, kind = each.value("value"), each.text("type", NAME_LIMIT)
            usual = "str" if value else "NoneType"
            found[section, name] = MetadataValue(value or "", kind or usual)
    if len(found) > _MOST:
        raise InvalidValueError(
            f"{whole.where}.hyperparams has {len(found):,} values; at most {_MOST:,} can be stored",
            argument="hyperparams",
        )
    return found


def _older_parameters(older: _Part) -> Iterator[tuple[tuple[str, str], MetadataValue]]:
    """Yield parameters as servers before 0.16 had them: ``{"section/name": "value"}``."""
    for path, _ in older.members():
        section, slash, name = path.partition("/")
        key = (section, name) if slash and section and name else ("General", path)
        value = older.value(path)
        if path:
            yield key, MetadataValue(value or "", "str")


def _configurations(whole: _Part) -> Iterator[tuple[str, str]]:
    for name, each in whole.part("configuration").parts():
        yield name, each.text("value") or ""


def _labels(execution: _Part) -> dict[str, int]:
    found = {}
    for name, value in execution.part("model_labels").members():
        if type(value) is not int or abs(value) >= 2**63:
            raise _wrong(f"{execution.where}.model_labels", "whole numbers", value)
        found[name] = value
    return found


def _models(models: _Part, role: str) -> Iterator[tuple[str, str]]:
    for number, each in enumerate(models.list_of(role)):
        part = _Part(each, f"{models.where}.{role}[{number}]")
        name, model = part.name("name"), part.text("model", NAME_LIMIT)
        known = None if model is None else plain_id(model)
        if known is not None:
            yield name or known, known


def _artifacts(execution: _Part) -> Iterator[ExportedArtifact]:
    for number, each in enumerate(execution.list_of("artifacts")):
        part = _Part(each, f"{execution.where}.artifacts[{number}]")
        name = part.text("key", NAME_LIMIT)
        if name is None or not name.strip() or "\0" in name:
            raise _wrong(f"{part.where}.key", "a name", name)
        digest = part.text("hash", NAME_LIMIT)
        if digest is not None and (len(digest) != 2 * ID_LENGTH or not _is_hex(digest)):
            digest = None
        facts = part.part("type_data")
        yield ExportedArtifact(
            name=name,
            type=part.text("type", NAME_LIMIT) or "custom",
            uri=part.text("uri") or "",
            digest=digest,
            size=part.number("content_size"),
            preview=facts.text("preview"),
            metadata=dict(_pairs(part)),
            at=(part.number("timestamp") or 0) * 1_000_000,
        )


def _is_hex(text: str) -> bool:
    return set(text) <= set("0123456789abcdef")


def _pairs(part: _Part) -> Iterator[tuple[str, str]]:
    for each in part.list_of("display_data"):
        where = f"{part.where}.display_data"
        if not isinstance(each, (list, tuple)) or len(each) != 2:
            raise _wrong(where, "pairs of texts", each)
        key, value = each
        yield check_text(where, key), value if isinstance(value, str) else str(value)


def written_time(at: int | None) -> str | None:
    """Return a time as ClearML's servers write it.

    >>> written_time(1_714_566_600_000_000)
    '2024-05-01T12:30:00+00:00'
    """
    return None if at is None else (_EPOCH + timedelta(microseconds=at)).isoformat()


def written_parameters(
    found: Mapping[tuple[str, str], MetadataValue],
) -> dict[str, dict[str, Json]]:
    """Return parameters as ``hyperparams`` of an export."""
    made: dict[str, dict[str, Json]] = {}
    for (section, name), value in sorted(found.items()):
        item: Json = {"section": section, "name": name, "value": value.value, "description": ""}
        if value.type != "NoneType":
            item["type"] = value.type
        made.setdefault(section, {})[name] = item
    return made
